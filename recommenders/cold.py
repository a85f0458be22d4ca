"""Cold search: a Gaussian process of what was seen on the task itself, and nothing else.

What a search without transfer does; all transfer has to beat it, and `auto` falls back to it.
Jones, Schonlau, Welch 1998, "Efficient global optimization of expensive black-box functions";
priors of the hyperparameters as in Hvarfner, Hellsten, Nardi 2024, "Vanilla Bayesian optimization
performs great in high dimensions".
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Self

import numpy as np

from metadb.history import Configs, History
from metadb.protocols import Floats
from metadb.records import Because, Evaluation, Recommendation, Task
from recommenders.acquisition import log_expected_improvement
from recommenders.candidates import Places, Pool, Seen, pool
from recommenders.evidence import from_model
from recommenders.gp import GP
from recommenders.past import outside

RANDOM = 3
"""So many results, drawn at random, before a model chooses."""

STEPS = 30


@dataclass(frozen=True, slots=True, eq=False)
class Cold:
    """Expected improvement under a Gaussian process of the task's own results.

    The first 3 configs are drawn; then y = f(x) + noise with a Matern-5/2 kernel, hyperparameters
    of greatest posterior density, and the config of the largest E[max(0, best - f(x))]. Of several
    asked at once each next one is chosen as if the one before had come out as expected. A failed
    config counts as the worst seen. Regret is measured from the best to the worst seen, which are
    all that is known of the range. Cost: 30 m^3 / 3 for m results, m n for n candidates.
    """

    configs: Configs
    metric: str
    seed: int = 0

    @classmethod
    def fit(cls, history: History, *, seed: int = 0) -> Self:
        """Keep the configs that may be advised; nothing is learnt from their results."""
        return cls(history.configs, history.metric, seed)

    def recommend(
        self,
        task: Task,
        k: int,
        *,
        observed: Sequence[Evaluation] = (),
        candidates: Configs | None = None,
    ) -> list[Recommendation]:
        """The `k` configs to be hoped most of, drawn ones while little is known."""
        allowed = pool(self.configs, candidates)
        seen, left = allowed.seen(observed), allowed.left(observed)
        because = Because(metric=self.metric, note=_note(allowed, seen))
        drawn = np.random.default_rng([self.seed, *task.id.encode()]).permutation(len(allowed))
        drawn = drawn[np.isin(drawn, left)]
        if seen.ok.sum() < RANDOM or np.ptp(seen.loss[seen.ok]) == 0:
            return [
                Recommendation(allowed.configs[int(i)], 0.5, (0.1, 0.9), 0.01, because)
                for i in drawn[: max(k, 0)]
            ]
        return self._modelled(k, allowed, seen, left, because)

    def _modelled(
        self, k: int, allowed: Pool, seen: Seen, left: Places, because: Because
    ) -> list[Recommendation]:
        y = standardised(seen)
        gp = GP.fit(seen.x, y, scaling=(0.0, 1.0), steps=STEPS, seed=self.seed)
        low, high = float(y.min()), float(y.max())
        advice: list[Recommendation] = []
        while len(advice) < k and len(left):
            x = allowed.x[left]
            mean, sd = (value[0] for value in gp.predict(x))
            pick = int(np.argmax(log_expected_improvement(mean, sd, float(y.min()))))
            said = from_model(mean[[pick]], sd[[pick]], best=low, worst=high)
            advice.append(
                Recommendation(
                    allowed.configs[int(left[pick])],
                    expected_loss=float(said.expected[0]),
                    interval=(float(said.low[0]), float(said.high[0])),
                    probability=float(said.probability[0]),
                    because=because,
                )
            )
            gp = gp.condition(x[[pick]], mean[[pick]])
            y, left = np.append(y, mean[pick]), np.delete(left, pick)
        return advice


def standardised(seen: Seen) -> Floats:
    """Losses less their mean by their deviation, failed ones as the worst, (m,)."""
    ok = seen.ok
    largest = float(np.abs(seen.loss[ok]).max()) or 1.0  # so that no square overflows
    loss = np.where(ok, seen.loss, seen.loss[ok].max()) / largest
    deviation = float(loss.std())
    centred: Floats = (loss - loss.mean()) / (deviation if deviation > 0 else 1.0)
    return centred


def _note(allowed: Pool, seen: Seen) -> str:
    said = "the task's own results alone decide, no past task was asked"
    beyond = outside(allowed, seen)
    return f"{said}; {beyond}" if beyond else said
