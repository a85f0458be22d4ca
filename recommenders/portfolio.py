"""Greedy portfolio: few configs of which one is good on any task, each the best complement so far.

Greedy minimisation of the mean regret of the best member: Wistuba, Schilling, Schmidt-Thieme 2015,
"Sequential Model-Free Hyperparameter Tuning"; Feurer et al. 2022, "Auto-Sklearn 2.0". The mean
regret is supermodular in the set, so the greedy set is within 1 - 1/e of the best improvement
(Nemhauser, Wolsey, Fisher 1978).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Self

import numpy as np

from metadb.history import Configs, History
from metadb.protocols import Floats
from metadb.records import Evaluation, Recommendation, Task
from recommenders.candidates import Places, pool
from recommenders.completion import Completion
from recommenders.greedy import greedy
from recommenders.past import Past, outside, past, ready
from recommenders.remembered import Remembered


@dataclass(frozen=True, slots=True, eq=False)
class Portfolio:
    """Configs in the order in which they lower the mean regret over past tasks most.

    With R the normalised regret (0 best, 1 worst of a task; what was not run counts as its task's
    surrogate predicts), the next member is argmin_c sum_t min(b_t, R_tc), where b_t is the
    smallest regret on task t of the members before it and of the configs that were observed and
    did not fail. When nothing is left to gain the choice begins anew among the rest, with b_t = 1.
    What it says of a member is what the tasks say of it alone. Cost: a pass over a (configs, tasks)
    matrix and a few of its rows for each member.

    To begin anew, and not to go on by mean regret, was chosen by a simulation: 2 to 10 past tasks
    of seven tables (TabRepo, text classification, YAHPO, our sample; 100 draws each) lower the
    regret after 10 and 20 configs from .067 and .048 to .058 and .038 with two tasks, from .055 and
    .042 to .051 and .032 with five, from .038 and .027 to .038 and .021 with ten; ranks in place of
    regrets are no better.
    """

    completion: Completion
    metric: str

    @classmethod
    def fit(cls, history: History, *, seed: int = 0) -> Self:
        """Keep every task's regrets; the seed is that of the surrogates."""
        completion = Completion.fit(history, seed=seed)
        if ready(completion):
            _first(past(completion, pool(completion.configs)), FIRST)
        return cls(completion, history.metric)

    def recommend(
        self,
        task: Task,
        k: int,
        *,
        observed: Sequence[Evaluation] = (),
        candidates: Configs | None = None,
    ) -> list[Recommendation]:
        """The `k` best complements to what was run already, whatever the task."""
        allowed = pool(self.completion.configs, candidates)
        told = past(self.completion, allowed)
        seen = allowed.seen(observed)
        if len(allowed.left(observed)) == len(allowed) and not len(seen):
            chosen = _first(told, max(k, FIRST))[:k]
        else:
            left = allowed.left(observed)
            chosen = _complements(k, told, _reached(told, told.of(seen)[seen.ok], left), left)
        return told.advice(chosen, self.metric, note=outside(allowed, seen))


FIRST = 20
"""So many members of a portfolio without observations are made at once and remembered."""

_firsts: Remembered[list[int]] = Remembered(32, 1_000_000, lambda chosen: 32 * len(chosen))


def _first(told: Past, k: int) -> list[int]:
    """The first members where nothing was observed."""

    def make() -> list[int]:
        return _complements(k, told, np.ones(told.regret.shape[1]), np.arange(len(told.pool)))

    return _firsts.get((told,), make, k)


def _reached(told: Past, observed: Floats, left: Places) -> Floats:
    """The smallest regret on each task since the choice last began anew, (tasks,).

    Args:
        observed: Regret of what was observed and did not fail, in its order, (m, tasks).
        left: What was not observed.
    """
    best = np.asarray(observed.min(axis=0, initial=1.0))
    if (told.least < best).any():  # there was always something to gain
        return best
    rest = told.regret[left].min(axis=0, initial=1.0)
    later = np.minimum.accumulate(np.vstack([rest, observed[::-1]]))[::-1]  # (m + 1, tasks)
    reached = np.ones(len(rest))
    for regret, least in zip(observed, later[1:], strict=True):
        reached = np.minimum(reached, regret)
        if not (least < reached).any():
            reached = np.ones(len(rest))
    return reached


def _complements(k: int, told: Past, best: Floats, left: Places) -> list[int]:
    """The greedy choice, given the smallest regret reached on each task, (tasks,)."""
    reached = best.copy()

    def gain(places: Places) -> Floats:
        return np.asarray(np.maximum(reached - told.regret[places], 0.0).sum(axis=1))

    def take(place: int) -> None:
        np.minimum(reached, told.regret[place], out=reached)

    def forget() -> None:
        reached.fill(1.0)

    return greedy(k, gain, take, forget, told.alone, left)
