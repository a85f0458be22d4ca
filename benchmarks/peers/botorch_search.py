"""BoTorch's Gaussian process with expected improvement as a search that is asked and told.

Balandat, Karrer, Jiang, Daulton, Letham, Wilson, Bakshy 2020, "BoTorch: a framework for efficient
Monte-Carlo Bayesian optimization"; Ament, Daulton, Eriksson, Balandat, Bakshy 2023, "Unexpected
Improvements to Expected Improvement for Bayesian Optimization".
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from benchmarks.peers.proposal import package
from metadb.axes import axes_of
from metadb.encoding import INACTIVE, encoding
from metadb.protocols import Floats
from metadb.records import Evaluation, Trial

if TYPE_CHECKING:
    from ConfigSpace import ConfigurationSpace

STARTUP, RESTARTS, RAW = 10, 10, 512
"""Points of a Sobol sequence at first; restarts and raw samples: as in BoTorch's tutorials."""


class BotorchSearch:
    """`SingleTaskGP` as it comes (its own priors), `LogExpectedImprovement`, `optimize_acqf`.

    Numbers lie in the unit cube, logarithmic where the space says so, integers relaxed and rounded.
    Categoricals are one-hot, relaxed, and the largest column is taken (`MixedSingleTaskGP` with
    `optimize_acqf_mixed_alternating` took 8 s an ask on rbv2_ranger, too long for this study).
    What is inactive has its default. The first ten are a scrambled Sobol sequence over the same
    cube, as BoTorch brings no start of its own. A failed result has the worst loss seen.

    Args:
        space: Where to search.
        seed: Same seed, same asks.

    Raises:
        NotFound: BoTorch is not installed.
    """

    def __init__(self, space: ConfigurationSpace, *, seed: int) -> None:
        package("botorch", "botorch")
        from torch.quasirandom import SobolEngine

        self._encoding, self._seed = encoding(space), seed
        self._columns, self._usual = _defaults(space, self._encoding.width)
        self._start: Any = SobolEngine(self._encoding.width, scramble=True, seed=seed)
        self._told: list[Evaluation] = []
        self._n = 0

    def ask(self, n: int = 1) -> list[Trial]:
        """The next `n` trials, each on its own."""
        trials = []
        for _ in range(n):
            x = np.clip(self._next(), 0.0, 1.0)
            trials.append(Trial(self._encoding.decode(x[None])[0], id=self._n))
            self._n += 1
        return trials

    def tell(self, evaluations: Sequence[Evaluation]) -> None:
        """Enter results."""
        self._told += evaluations

    def _next(self) -> Floats:
        """Where to look next, (width,)."""
        told = [e.loss for e in self._told if e.loss is not None]
        if len(self._told) < STARTUP or not told:
            return np.asarray(self._start.draw(1)[0].double().numpy())
        import torch

        loss = np.array([max(told) if e.loss is None else e.loss for e in self._told])
        x = self._encoding.encode([e.trial.config for e in self._told])
        for columns in self._columns:
            code = INACTIVE if len(columns) == 1 else 0.0
            absent = (x[:, columns] == code).all(axis=1)
            x[np.ix_(absent, columns)] = self._usual[columns]
        with _quiet(), torch.random.fork_rng(devices=[]):
            torch.manual_seed(self._seed * 1_000_003 + self._n)
            return _improving(torch.as_tensor(x), torch.as_tensor(-loss)[:, None])


def _improving(x: Any, score: Any) -> Floats:
    """The point of the largest expected improvement of `score` (n, 1), (width,)."""
    import torch
    from botorch.acquisition import LogExpectedImprovement
    from botorch.exceptions import ModelFittingError
    from botorch.fit import fit_gpytorch_mll
    from botorch.models import SingleTaskGP
    from botorch.optim import optimize_acqf
    from gpytorch.mlls import ExactMarginalLogLikelihood

    model: Any = SingleTaskGP(x, score)
    try:
        fit_gpytorch_mll(ExactMarginalLogLikelihood(model.likelihood, model))
    except ModelFittingError:  # its priors' modes stay
        model.eval()
    gain = LogExpectedImprovement(model, best_f=score.max())
    bounds = torch.stack([torch.zeros(x.shape[1]), torch.ones(x.shape[1])]).double()
    found, _ = optimize_acqf(gain, bounds, q=1, num_restarts=RESTARTS, raw_samples=RAW)
    return np.asarray(found[0].detach().numpy(), float)


def _defaults(space: ConfigurationSpace, width: int) -> tuple[list[list[int]], Floats]:
    """The columns of each hyperparameter, and the code of its default in them, (width,)."""
    usual, columns = np.zeros(width), []
    for axis in axes_of(space).values():
        if axis.kind == "constant":
            continue
        number = axis.number(axis.hyperparameter.default_value)
        columns.append(list(range(axis.start, axis.start + len(axis.column_names))))
        if axis.one_hot:
            usual[axis.start + int(number)] = 1.0
        else:
            usual[axis.start] = axis.to_unit(np.array([number]))[0]
    return columns, usual


def _quiet() -> Any:
    import warnings

    return warnings.catch_warnings(action="ignore")  # on scaling, priors and rounding
