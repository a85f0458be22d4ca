"""Active testing: the config with the largest gain over the best so far on tasks that agree.

Leite, Brazdil, Vanschoren 2012, "Selecting classification algorithms with active testing".
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Self

import numpy as np

from metadb.errors import NotFound
from metadb.history import Configs, History
from metadb.protocols import Floats
from metadb.records import Evaluation, Recommendation, Task
from recommenders.candidates import Places, Pool, Seen, pool
from recommenders.completion import Completion
from recommenders.greedy import greedy
from recommenders.past import Past, outside, past, ready

BETA = 3.0
"""How fast a task that orders the observed configs otherwise loses its say."""

SPREAD = 0.03
"""The regret on the new task is taken to differ from a past one's by up to so much either way."""

MOST = 60
"""Of more observed configs than this, so many are compared: every n-th in the order of loss."""


@dataclass(frozen=True, slots=True, eq=False)
class ActiveTesting:
    """Repeatedly the config expected to gain most over the best one observed.

    With R the normalised regret on past tasks, b the best config observed and w_t the similarity
    of task t, the next config is argmax_c sum_t w_t E[max(0, R_tb - R_tc + e)] (a relative
    landmark of the paper is max(0, R_tb - R_tc)); e is uniform within +-0.03, so that a near miss
    is worth something once nothing is sure to gain. With nothing observed R_tb = 1 and all tasks
    weigh alike: the first config is that of the smallest mean regret. Members of one answer are
    complements: R_tb becomes the smallest regret of b and those before.

    Similarity, with d_t the share of pairs of the m observed configs that task t orders otherwise
    than the new one (a tie on one side only counts half):

    - `likelihood` (default): exp(-3 m d_t). Each of m places of an order is one piece of evidence,
      so the tasks that agree take over as more is known.
    - `ws`: 1 - d_t (AT-WS of the paper). `x`: 1 where all pairs agree, else 0 (ATx). `1`: 1 where
      the best config observed beats the second best there as well, else 0 (AT1 of the paper). `0`:
      all 1 (AT0). Where no task is similar all weigh alike.

    Chosen by leaving one task out; mean regret after 3, 5, 10, 20 configs in 1/1000 (OPENML-WEKA;
    text-classification; TabRepo LightGBM): likelihood 18 10 3 1; 14 8 4 2; 127 92 59 40. x 18 12
    5 1; 14 8 6 5; 127 99 70 70. ws 18 10 6 3; 14 11 8 7; 127 105 97 86. 1: 18 15 7 1; 14 13 12 9;
    138 122 78 73. 0: 25 18 6 2; 18 16 15 12; 130 125 96 90.
    Cost: a few passes over a (configs, tasks) matrix.
    """

    completion: Completion
    metric: str
    similarity: str = "likelihood"

    @classmethod
    def fit(cls, history: History, *, seed: int = 0, similarity: str = "likelihood") -> Self:
        """Keep every task's regrets; the seed is that of the surrogates.

        Raises:
            NotFound: There is no similarity of that name.
        """
        if similarity not in SIMILARITIES:
            raise NotFound(f"no similarity {similarity!r}; there are {', '.join(SIMILARITIES)}")
        completion = Completion.fit(history, seed=seed)
        ready(completion)
        return cls(completion, history.metric, similarity)

    def recommend(
        self,
        task: Task,
        k: int,
        *,
        observed: Sequence[Evaluation] = (),
        candidates: Configs | None = None,
    ) -> list[Recommendation]:
        """The `k` configs of the largest expected gain, given how the observed ones did."""
        allowed = pool(self.completion.configs, candidates)
        seen = allowed.seen(observed)
        return self.advise(k, allowed, seen, allowed.left(observed), np.ones(len(allowed)))

    def advise(
        self, k: int, allowed: Pool, seen: Seen, left: Places, price: Floats
    ) -> list[Recommendation]:
        """The `k` configs of the largest expected gain per price, (n,)."""
        told = past(self.completion, allowed)
        regret = told.of(seen)  # (m, tasks)
        weight = _weights(self.similarity, regret, seen.loss)  # (tasks,)
        chosen = _gaining(k, told, _base(regret, seen.loss), weight, price, left)
        return told.advice(chosen, self.metric, weight=weight, note=outside(allowed, seen))


SIMILARITIES = ("likelihood", "ws", "x", "1", "0")


def _base(regret: Floats, loss: Floats) -> Floats:
    """The regret of the best config observed on the past tasks, 1 where none worked, (tasks,)."""
    if not np.isfinite(loss).any():
        return np.ones(regret.shape[1])
    return np.array(regret[int(np.argmin(loss))])


def _gaining(
    k: int, told: Past, base: Floats, weight: Floats, price: Floats, left: Places
) -> list[int]:
    heard = np.flatnonzero(weight >= 1e-3 * weight.max(initial=0.0))
    if len(heard) < len(weight):
        regret, base = np.ascontiguousarray(told.regret[:, heard]), base[heard]
    else:
        regret = told.regret
    w = weight[heard] / max(float(weight[heard].sum()), 1e-300)

    def gain(places: Places) -> Floats:
        return np.asarray((expected_gain(base - regret[places]) * w).sum(axis=1) / price[places])

    def take(place: int) -> None:
        np.minimum(base, regret[place], out=base)

    def forget() -> None:
        base.fill(1.0)

    return greedy(k, gain, take, forget, regret @ w, left)


def expected_gain(difference: Floats) -> Floats:
    """E[max(0, d + e)], e uniform within +-`SPREAD`: (d + s)^2 / 4s within, d above, 0 below."""
    near = np.clip(difference, -SPREAD, SPREAD)
    near += SPREAD
    np.square(near, out=near)
    near *= 1 / (4 * SPREAD)
    near += np.maximum(difference - SPREAD, 0.0)
    return near


def discordance(regret: Floats, loss: Floats) -> Floats:
    """The share of pairs that a task orders otherwise than the losses do, (tasks,).

    Args:
        regret: On the past tasks, (m, tasks). loss: On the new one, inf where failed, (m,).
    """
    if len(loss) > MOST:
        kept = np.argsort(loss, kind="stable")[np.linspace(0, len(loss) - 1, MOST).astype(int)]
        regret, loss = regret[kept], loss[kept]
    if len(loss) < 2:
        return np.zeros(regret.shape[1])
    one, two = np.triu_indices(len(loss), 1)
    here = (loss[one] > loss[two]).astype(float) - (loss[one] < loss[two])  # (pairs,)
    there = np.sign(regret[one] - regret[two])  # (pairs, tasks)
    share: Floats = np.abs(there - here[:, None]).mean(axis=0) / 2
    return share


def _weights(similarity: str, regret: Floats, loss: Floats) -> Floats:
    """How much each task counts, (tasks,)."""
    tasks = regret.shape[1]
    if len(loss) < 2 or similarity == "0":
        return np.ones(tasks)
    if similarity == "1":
        best, second = np.argsort(loss, kind="stable")[:2]
        weight = (regret[best] < regret[second]).astype(float)
    else:
        wrong = discordance(regret, loss)
        m = min(len(loss), MOST)
        weight = {
            "likelihood": np.exp(-BETA * m * (wrong - wrong.min(initial=1.0))),
            "ws": 1.0 - wrong,
            "x": (wrong == 0).astype(float),
        }[similarity]
    return weight if weight.any() else np.ones(tasks)
