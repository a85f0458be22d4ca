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
from metadb.records import Because, Evaluation, Recommendation, Task
from recommenders.candidates import eligible, run
from recommenders.regret import normalised_regret


@dataclass(frozen=True, slots=True)
class Portfolio:
    """Configs in the order in which they lower the mean regret over past tasks most.

    With R the normalised regret (0 best, 1 worst of a task; what was not run counts as 1: nothing
    is known to be gained), the next member is argmin_c sum_t min(b_t, R_tc), where b_t is the
    smallest regret on task t of the members before it and of the configs observed already. When
    nothing is left to gain, members follow by mean regret. `expected_loss` is the mean regret of
    the portfolio up to and with the member. Cost: k passes over a (tasks, configs) matrix.
    """

    configs: Configs
    tasks: tuple[str, ...]
    regret: Floats
    metric: str

    @classmethod
    def fit(cls, history: History, *, seed: int = 0) -> Self:
        """Normalise the regret of every task; the seed is not used, nothing here is random."""
        regret = np.nan_to_num(normalised_regret(history.matrix()), nan=1.0)  # (tasks, configs)
        return cls(history.configs, history.tasks, regret, history.metric)

    def recommend(
        self,
        task: Task,
        k: int,
        *,
        observed: Sequence[Evaluation] = (),
        candidates: Configs | None = None,
    ) -> list[Recommendation]:
        """The `k` best complements to what was run already, whatever the task."""
        places = eligible(self.configs, observed, candidates)
        best = self.regret[:, run(self.configs, observed)].min(axis=1, initial=1.0)  # (tasks,)
        regret = self.regret[:, places]  # (tasks, places)
        alone = regret.sum(axis=0)
        chosen: list[Recommendation] = []
        while len(chosen) < min(k, len(places)):
            reached = np.minimum(best[:, None], regret).sum(axis=0)
            # Among equal complements (at the end: all) the one that is good by itself.
            pick = np.lexsort((alone, reached))[0]
            chosen.append(self._because(int(places[pick]), best, float(reached[pick])))
            best = np.minimum(best, regret[:, pick])
            regret[:, pick], alone[pick] = np.inf, np.inf  # a member once
        return chosen

    def _because(self, config: int, best: Floats, reached: float) -> Recommendation:
        """The tasks the config helps on, those it helps most first; all it ran well on if none."""
        gain = best - self.regret[:, config]  # (tasks,)
        if not (gain > 0).any():
            gain = 1.0 - self.regret[:, config]
        order = [int(t) for t in np.argsort(-gain, kind="stable") if gain[t] > 0]
        because = Because(
            tuple(self.tasks[t] for t in order), (self.configs.ids[config],), self.metric
        )
        return Recommendation(
            self.configs[config], expected_loss=reached / len(self.tasks), because=because
        )
