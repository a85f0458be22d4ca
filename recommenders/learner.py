"""Which algorithm to tune: where a space lets a config choose one, what each can be expected to do.

Brazdil, van Rijn, Soares, Vanschoren 2022, "Metalearning", chapter 2 (choosing algorithms from past
results), each algorithm standing for the best of its configurations.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Self

import numpy as np

from metadb.errors import NotFound
from metadb.history import History
from metadb.protocols import Floats
from metadb.records import Evaluation, Task
from recommenders.candidates import pool
from recommenders.evidence import from_tasks
from recommenders.factorisation import Factorisation
from recommenders.past import past

if TYPE_CHECKING:
    from ConfigSpace import ConfigurationSpace


@dataclass(frozen=True, slots=True)
class Learner:
    """An algorithm to tune.

    Args:
        name: The value of the hyperparameter that chooses it.
        probability: That it holds the best of all configs.
        expected_loss: The normalised regret expected of its best config.
        interval: Where this regret lies with a probability of 0.8.
        tasks: The past tasks that this rests on, most important first.
    """

    name: str
    probability: float
    expected_loss: float
    interval: tuple[float, float]
    tasks: tuple[str, ...]


@dataclass(frozen=True, slots=True, eq=False)
class Learners:
    """The algorithms of a space, and how good the best config of each was on past tasks.

    P(a holds the best) = (sum of w_t share_t(a) + w / A) / (sum of w_t + w) for A algorithms, ties
    sharing; w_t is how much task t counts for the new one (`Factorisation.weights`: by what was
    observed, and by meta-features where these help), and w one imagined task that knows nothing.

    Args:
        by: The hyperparameter that chooses.
        names: The algorithms. regret: The best of each, (tasks, algorithms).
    """

    factorisation: Factorisation
    by: str
    names: tuple[str, ...]
    regret: Floats

    @classmethod
    def fit(cls, history: History, *, seed: int = 0, by: str | None = None) -> Self:
        """Find what chooses the algorithm, if `by` does not say it, and the best of each.

        Raises:
            NotFound: There is no such hyperparameter.
        """
        by = chooses(history.configs.space) if by is None else by
        chosen = [str(config[by]) if by in config else None for config in history.configs]
        names = tuple(sorted({c for c in chosen if c is not None}))
        if not names:
            raise NotFound(f"no config of space {history.configs.space_name!r} has {by!r}")
        fitted = Factorisation.fit(history, seed=seed)
        regret = past(fitted.completion, pool(fitted.completion.configs)).regret  # (n, tasks)
        which = np.array([-1 if c is None else names.index(c) for c in chosen])
        best = np.column_stack([regret[which == a].min(axis=0) for a in range(len(names))])
        return cls(fitted, by, names, best)

    def advise(self, task: Task, *, observed: Sequence[Evaluation] = ()) -> list[Learner]:
        """The algorithms, the one most likely to hold the best config first."""
        weight = self.factorisation.weights(task, observed)  # (tasks,)
        won = self.regret <= self.regret.min(axis=1, keepdims=True)
        share = won / won.sum(axis=1, keepdims=True)
        effective = weight.sum() ** 2 / max(float((weight**2).sum()), 1e-300)
        doubt = weight.sum() / max(effective, 1.0)
        likely = (weight @ share + doubt / len(self.names)) / (weight.sum() + doubt)
        said = from_tasks(self.regret, weight)
        heavy = [int(t) for t in np.argsort(-weight, kind="stable") if weight[t] > 0]
        tasks = tuple(self.factorisation.completion.tasks[t] for t in heavy)
        return [
            Learner(
                self.names[a], float(likely[a]), float(said.expected[a]),
                (float(said.low[a]), float(said.high[a])), tasks,
            )
            for a in np.lexsort((said.expected, -likely))
        ]  # fmt: skip


def chooses(space: ConfigurationSpace) -> str:
    """The categorical hyperparameter that most others depend on, or the only categorical one.

    Raises:
        NotFound: Nothing depends on a choice, and there is not exactly one.
    """
    from ConfigSpace import CategoricalHyperparameter

    choices = [h.name for h in space.values() if isinstance(h, CategoricalHyperparameter)]
    children = {name: len(space.children_of[name]) for name in choices}
    most = max(children.values(), default=0)
    if most:
        return next(name for name in choices if children[name] == most)
    if len(choices) == 1:
        return choices[0]
    raise NotFound(
        f"no hyperparameter of space {space.name!r} chooses an algorithm; name the one to choose by"
    )
