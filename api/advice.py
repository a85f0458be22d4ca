"""One question, one answer: which configurations next for this task, and what it rests on."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from errno import EACCES, EPERM, EROFS
from itertools import zip_longest
from typing import TYPE_CHECKING, Any, Self

import numpy as np

from api.fitting import fitted
from api.terminal import config_text, expected_text, trust_text
from metadb.errors import NotFound
from metadb.records import Config, Evaluation, Recommendation, Task
from metadb.store import Store
from recommenders import family

if TYPE_CHECKING:
    from metadb.history import Configs, History
    from metadb.protocols import Recommender

DEFAULT = "auto"


@dataclass(frozen=True, slots=True)
class Advice:
    """Recommendations, their ids in the store (none if it is read-only), what each rests on."""

    task: Task
    space: str
    metric: str
    recommender: str
    learnt_from: str
    left_out: int
    cautions: tuple[str, ...]
    ids: tuple[str, ...]
    recommendations: tuple[Recommendation, ...]
    evaluations: tuple[tuple[str, ...], ...]

    def lines(self) -> Iterator[str]:
        """The answer for people: each configuration, and what it rests on."""
        both = zip(self.recommendations, self.evaluations, strict=True)
        for rank, (r, behind) in enumerate(both, 1):
            yield f"{rank:3}. {config_text(r.config)}"
            figures = expected_text(r.expected_loss, r.interval, r.probability)
            if figures:
                yield f"     {figures}"
            if r.because.members:
                yield f"     trusting {trust_text(r.because.members)}"
            named = ", ".join(r.because.tasks[:3]) + (", ..." if len(r.because.tasks) > 3 else "")
            if behind:
                n_tasks = len(r.because.tasks)
                yield f"     rests on {len(behind)} evaluations of {n_tasks} tasks: {named}"
            if r.because.note and r.because.note not in self.cautions:
                yield f"     note: {r.because.note}"

    def as_dict(self) -> dict[str, Any]:
        """The answer as plain values, for JSON."""
        return {
            "task": self.task.id,
            "space": self.space,
            "metric": self.metric,
            "recommender": self.recommender,
            "own_evaluations_left_out": self.left_out,
            "cautions": list(self.cautions),
            "recommendations": [
                {
                    "recommendation": id_,
                    "rank": rank,
                    "config": dict(r.config),
                    "expected_loss": r.expected_loss,
                    "interval": None if r.interval is None else list(r.interval),
                    "probability": r.probability,
                    "because": {
                        "tasks": list(r.because.tasks),
                        "weights": list(r.because.weights),
                        "evaluations": list(behind),
                        "members": dict(r.because.members),
                        "note": r.because.note,
                    },
                }
                for rank, (id_, r, behind) in enumerate(
                    zip_longest(self.ids, self.recommendations, self.evaluations), 1
                )
            ],
        }


@dataclass(frozen=True, slots=True, eq=False)
class Adviser:
    """A recommender that learnt from every other task of a store, to be asked about one task.

    Args:
        history: What was learnt from; results of the task itself are not among it.
        left_out: How many of those the store has.
        candidates: What may be advised; None: all that the history knows.
    """

    store: Store
    task: Task
    space: str
    recommender: str
    history: History
    learnt: Recommender
    left_out: int
    candidates: Configs | None

    @classmethod
    def of(
        cls,
        store: Store,
        task: Task,
        *,
        space: str,
        metric: str | None = None,
        recommender: str = DEFAULT,
        seed: int = 0,
        may: Callable[[Config], bool] | None = None,
        say: Callable[[str], object] = lambda said: None,
    ) -> Self:
        """Fit a recommender on every other task.

        Args:
            may: Which of the known configurations may be advised, all by default.
            say: Told of what takes long.

        Raises:
            NotFound: No such space, metric or recommender, or no other task to learn from.
        """
        family(recommender)  # no such recommender is said before anything is read
        history = store.history(space, metric)
        left_out = 0
        if task.id in history.tasks:
            left_out = int((history.task == history.tasks.index(task.id)).sum())
            history = history.without(task.id)
        if not history.tasks:
            raise NotFound(f"no other task than {task.id} has evaluations in space {space!r}")
        learnt = fitted(store, history, recommender, seed=seed, say=say)
        candidates = None
        if may is not None:
            candidates = history.configs.take([i for i, c in enumerate(history.configs) if may(c)])
        return cls(store, task, space, recommender, history, learnt, left_out, candidates)

    @property
    def learnt_from(self) -> str:
        """How much, in words."""
        history = self.history
        return (
            f"{len(history):,} results of {len(history.configs):,} configurations on "
            f"{len(history.tasks):,} tasks, {history.metric}"
        )

    def cautions(self, observed: Sequence[Evaluation] = ()) -> list[str]:
        """What to know before trusting the advice."""
        return list(_cautions(self.store, self.task, self.history, observed))

    def ask(self, k: int, observed: Sequence[Evaluation] = ()) -> Advice:
        """What to run next, kept in the store; what was observed is not advised again."""
        advised = self.learnt.recommend(self.task, k, observed=observed, candidates=self.candidates)
        cautions = [*self.cautions(observed), *_shared_notes(advised)]
        metric = self.history.metric
        try:
            ids = self.store.record_recommendations(
                self.task, advised, space=self.space, metric=metric, recommender=self.recommender
            )
            kept = self.store.sql(
                "select evaluations from recommendations where recommendation in "
                "(select unnest(?)) order by rank",
                [ids],
            )
            evaluations = kept.column("evaluations")
        except OSError as error:
            if error.errno not in {EACCES, EPERM, EROFS}:
                raise
            cautions.append("the store may not be written to, so this advice is not kept in it")
            ids = []
            evaluations = [self.store.snapshot.behind(r, metric) for r in advised]
        return Advice(
            task=self.task,
            space=self.space,
            metric=metric,
            recommender=self.recommender,
            learnt_from=self.learnt_from,
            left_out=self.left_out,
            cautions=tuple(cautions),
            ids=tuple(ids),
            recommendations=tuple(advised),
            evaluations=tuple(map(tuple, evaluations)),
        )


def advise(
    store: Store,
    task: Task,
    *,
    space: str,
    metric: str | None = None,
    k: int = 10,
    observed: Sequence[Evaluation] = (),
    recommender: str = DEFAULT,
    seed: int = 0,
    say: Callable[[str], object] = lambda said: None,
) -> Advice:
    """Fit a recommender on every other task, ask it once, and keep what it said in the store.

    Where the store has evaluations of the task itself they are left out: the advice is what other
    tasks teach. What was run already is told by `observed`. `say` is told of what takes long.

    Raises:
        NotFound: No such space, metric or recommender, or no other task to learn from.
    """
    adviser = Adviser.of(
        store, task, space=space, metric=metric, recommender=recommender, seed=seed, say=say
    )
    return adviser.ask(k, observed)


def _shared_notes(advised: Sequence[Recommendation]) -> list[str]:
    """What is to be said once, since every recommendation says it."""
    notes = {r.because.note for r in advised}
    return [note for note in notes if note] if len(notes) == 1 else []


def _cautions(
    store: Store, task: Task, history: History, observed: Sequence[Evaluation]
) -> Iterator[str]:
    """What to know before trusting the advice."""
    kinds = store.sql(
        "select distinct kind from tasks where task in (select unnest(?)) order by kind",
        [list(history.tasks)],
    ).column("kind")
    if task.kind not in kinds and "other" not in (task.kind, *kinds):
        yield f"this task's kind is {task.kind}, that of the past tasks {' and '.join(kinds)}"
    if task.metafeatures.get("nr_class") == 1:
        yield "the target has one class only, so there is nothing to learn"
    pairs = len(np.unique(history.task.astype(np.int64) * len(history.configs) + history.config))
    n_configs = len(np.unique(history.config))
    if len(history.tasks) > 1 and pairs < 2 * n_configs:
        yield (
            f"most of the {n_configs:,} configurations were run on one task only, so nobody can "
            "tell which of them are good on many"
        )
    n_unknown = sum(history.configs.index(e.trial.config) is None for e in observed)
    if n_unknown:
        yield (
            f"{n_unknown} of the {len(observed)} observed configurations are none the store knows "
            "in this space (spelled and rounded as --json gives them?)"
        )
