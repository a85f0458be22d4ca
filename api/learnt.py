"""A fitted recommender with what is to be said of the past that it learnt from."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from threading import Lock
from typing import TYPE_CHECKING

import numpy as np

from api.fitting import fitted
from metadb.errors import NotFound
from metadb.metrics import Metric
from metadb.records import Evaluation, Recommendation, Task
from metadb.store import Store

if TYPE_CHECKING:
    from collections.abc import Mapping

    from metadb.history import Configs, History
    from metadb.protocols import Recommender


@dataclass(frozen=True, slots=True)
class Learnt:
    """What can be asked again and again without the store.

    Args:
        recommender: Fitted on the results of all tasks but the one that was left out.
        metric: The metric that it learnt.
        configs: The configurations that the store knows in the space.
        tasks: All tasks with results in the space, the one left out among them.
        kinds: The kinds of the tasks it learnt from.
        left_out: How many results of the task left out it did not see.
        about: What it learnt from, in words.
        version: The store version that it learnt from.
        scattered: A caution, where most configurations were run on one task only.
        quick: Whether a short answer is known to take no time worth speaking of.
    """

    recommender: Recommender
    metric: Metric
    configs: Configs
    tasks: frozenset[str]
    kinds: tuple[str, ...]
    left_out: int
    about: str
    version: Mapping[str, int]
    scattered: str | None
    quick: bool = False
    # One thread at a time: what a recommender works out when first asked is kept for the next.
    _asking: Lock = field(default_factory=Lock, repr=False, compare=False)

    def ask(
        self,
        task: Task,
        k: int,
        *,
        observed: Sequence[Evaluation] = (),
        candidates: Configs | None = None,
    ) -> tuple[list[Recommendation], list[str]]:
        """The advice, best first, and what to know before trusting it."""
        with self._asking:
            advised = self.recommender.recommend(task, k, observed=observed, candidates=candidates)
        return advised, [*self.cautions(task, observed), *_shared_notes(advised)]

    @property
    def busy(self) -> bool:
        """Whether somebody is asking, for whom others wait."""
        return self._asking.locked()

    def cautions(self, task: Task, observed: Sequence[Evaluation] = ()) -> Iterator[str]:
        """What to know of the past before trusting its advice."""
        if task.kind not in self.kinds and "other" not in (task.kind, *self.kinds):
            there = " and ".join(self.kinds)
            yield f"this task's kind is {task.kind}, that of the past tasks {there}"
        if task.metafeatures.get("nr_class") == 1:
            yield "the target has one class only, so there is nothing to learn"
        if self.scattered:
            yield self.scattered
        n_unknown = sum(self.configs.index(e.trial.config) is None for e in observed)
        if n_unknown:
            yield (
                f"{n_unknown} of the {len(observed)} observed configurations are none the store "
                "knows in this space (spelled and rounded as --json gives them?)"
            )


def learn(
    store: Store,
    history: History,
    recommender: str,
    *,
    without: str | None = None,
    seed: int = 0,
    say: Callable[[str], object] = lambda said: None,
) -> Learnt:
    """Fit a recommender on every task of the history but one.

    Args:
        without: The task whose results are left out, if it has any.
        say: Told of what takes long.

    Raises:
        NotFound: No such recommender, or no other task to learn from.
    """
    tasks, left_out = history.tasks, 0
    if without in tasks:
        left_out = int((history.task == tasks.index(without)).sum())
        history = history.without(without)
    if not history.tasks:
        raise NotFound(
            f"no other task than {without} has evaluations in space {history.configs.space_name!r}"
        )
    kinds = store.sql(
        "select distinct kind from tasks where task in (select unnest(?)) order by kind",
        [list(history.tasks)],
    ).column("kind")
    return Learnt(
        fitted(store, history, recommender, seed=seed, say=say),
        store.metric(str(history.metric)),
        history.configs,
        frozenset(tasks),
        tuple(kinds),
        left_out,
        f"{len(history):,} results of {len(history.configs):,} configurations on "
        f"{len(history.tasks):,} tasks, {history.metric}",
        store.version,
        _scattered(history),
    )


def _scattered(history: History) -> str | None:
    pairs = len(np.unique(history.task.astype(np.int64) * len(history.configs) + history.config))
    n_configs = len(np.unique(history.config))
    if len(history.tasks) < 2 or pairs >= 2 * n_configs:
        return None
    return (
        f"most of the {n_configs:,} configurations were run on one task only, so nobody can "
        "tell which of them are good on many"
    )


def _shared_notes(advised: Sequence[Recommendation]) -> list[str]:
    """What is to be said once, since every recommendation says it."""
    notes = {r.because.note for r in advised}
    return [note for note in notes if note] if len(notes) == 1 else []
