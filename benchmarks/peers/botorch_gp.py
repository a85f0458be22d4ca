"""BoTorch's Gaussian process with expected improvement, without transfer, over the candidates.

Balandat, Karrer, Jiang, Daulton, Letham, Wilson, Bakshy 2020, "BoTorch: a framework for efficient
Monte-Carlo Bayesian optimization".
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Self

import numpy as np

from benchmarks.peers.proposal import answer, package, scales, seed_of
from metadb.axes import axes_of
from metadb.history import Configs, History
from metadb.protocols import Floats
from metadb.records import Evaluation, Recommendation, Task
from recommenders.candidates import Places, Seen, pool

BATCH = 4096
"""So many candidates are judged at once."""


@dataclass(frozen=True, slots=True, eq=False)
class BotorchGP:
    """`SingleTaskGP` (its own priors) and `LogExpectedImprovement`, over the encoded candidates.

    Until one result is usable the order is random. A failed evaluation has the worst loss seen.
    Choices of a categorical are one-hot, each scaled so that another one is 1 away. Several at
    once are those of the largest expected improvement, each on its own.
    """

    configs: Configs
    metric: str
    seed: int

    @classmethod
    def fit(cls, history: History, *, seed: int = 0) -> Self:
        """Keep the space; nothing is learnt from the past.

        Raises:
            NotFound: BoTorch is not installed.
        """
        package("botorch", "botorch")
        return cls(history.configs, history.metric, seed)

    def recommend(
        self,
        task: Task,
        k: int,
        *,
        observed: Sequence[Evaluation] = (),
        candidates: Configs | None = None,
    ) -> list[Recommendation]:
        """The candidates of the largest expected improvement, after a first random one."""
        within = pool(self.configs, candidates)
        left, seen = within.left(observed), within.seen(observed)
        rng = np.random.default_rng(seed_of(self.seed, task, len(seen)))
        shuffled = rng.permutation(left)  # so equal candidates come in random order
        order: Places = shuffled
        if seen.ok.any() and len(left):
            scale = scales(axes_of(self.configs.space), within.x.shape[1])
            gain = _improvement(seen, within.x[shuffled] * scale, scale)
            order = shuffled[np.argsort(-gain, kind="stable")]
        chosen = [int(i) for i in order[:k]]
        return answer(within, chosen, self.metric, "proposed by BoTorch; no past task was used")


def _improvement(seen: Seen, x: Floats, scale: Floats) -> Floats:
    """The logarithm of the expected improvement at x, (n,)."""
    import torch
    from botorch.acquisition import LogExpectedImprovement
    from botorch.exceptions import ModelFittingError
    from botorch.fit import fit_gpytorch_mll
    from botorch.models import SingleTaskGP
    from gpytorch.mlls import ExactMarginalLogLikelihood

    loss = np.where(seen.ok, seen.loss, seen.loss[seen.ok].max())
    width = np.ptp(loss) or 1.0
    score = torch.as_tensor((loss.max() - loss) / width)[:, None]  # BoTorch maximises
    told = torch.as_tensor(seen.x * scale)
    with _quiet(), torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        model: Any = SingleTaskGP(told, score)
        try:
            fit_gpytorch_mll(ExactMarginalLogLikelihood(model.likelihood, model))
        except ModelFittingError:  # its priors' modes stay
            model.eval()
        judge: Any = LogExpectedImprovement(model, best_f=score.max())
        with torch.no_grad():
            parts = [
                judge(torch.as_tensor(x[i : i + BATCH])[:, None]) for i in range(0, len(x), BATCH)
            ]
    return np.asarray(torch.cat(parts).numpy(), float)


def _quiet() -> Any:
    import warnings

    return warnings.catch_warnings(action="ignore")  # on scaling, priors and rounding
