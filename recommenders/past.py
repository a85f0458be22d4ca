"""Past: what the past tasks say of the configurations of a pool, and advice that rests on it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from metadb.protocols import Floats
from metadb.records import Because, Recommendation
from recommenders.candidates import Places, Pool, Seen, pool
from recommenders.completion import Completion
from recommenders.evidence import from_tasks
from recommenders.remembered import Remembered

NEIGHBOURS = 10
"""Of a config that no task ran, so many of those nearest to it stand as its evidence."""

SPOKE = 1e-3
"""A task that weighs less than this share of the heaviest one is not counted as evidence."""

FAINT = 1e-12
"""Every task weighs at least this share of the heaviest one, to be asked where no other can be."""

FEW = 20
"""Where at most so many configs are chosen, it is remembered what tasks that count alike say."""

MOST_SAID = 512
"""Of so many configs at most."""


@dataclass(frozen=True, eq=False)
class Past:
    """The regret of every config of a pool on every past task.

    Args:
        completion: Where the regrets come from.
        pool: The configs.
        regret: As run, or as the completion predicts, none unknown, (n, tasks).
        was_run: Which were run and not predicted, (n, tasks).
    """

    completion: Completion
    pool: Pool
    regret: Floats
    was_run: NDArray[np.bool_]

    @cached_property
    def alone(self) -> Floats:
        """The mean regret of each config over the tasks, (n,)."""
        mean: Floats = self.regret.sum(axis=1) / max(1, self.regret.shape[1])
        return mean

    @cached_property
    def least(self) -> Floats:
        """The smallest regret on each task, (tasks,)."""
        return np.asarray(self.regret.min(axis=0, initial=1.0))

    @cached_property
    def mean_rank(self) -> Floats:
        """The mean of the ranks within the tasks scaled to [0, 1], ties shared, (n,)."""
        from scipy.stats import rankdata

        rank = (rankdata(self.regret, axis=0) - 1) / max(1, len(self.regret) - 1)  # (n, tasks)
        return np.asarray(rank.sum(axis=1) / max(1, rank.shape[1]))

    def ranked(self, task: int) -> Places:
        """The configs by their regret on a past task, those alike by mean regret, (n,)."""
        order = self._ranked.get(task)
        if order is None:
            order = self._ranked[task] = np.lexsort((self.alone, self.regret[:, task]))
        return order

    @cached_property
    def _ranked(self) -> dict[int, Places]:
        return {}  # together no larger than the regrets

    def of(self, seen: Seen) -> Floats:
        """The regret of what was observed on the past tasks, (m, tasks)."""
        if (seen.place >= 0).all():
            return self.regret[seen.place]
        return past(self.completion, Pool(self.pool.known, seen.configs, seen.known)).regret

    def advice(
        self,
        chosen: Sequence[int] | Places,
        metric: str,
        *,
        weight: Floats | None = None,
        note: str | None = None,
    ) -> list[Recommendation]:
        """The chosen configs of the pool, each with what the past tasks say of it.

        A config that was run somewhere rests on the tasks that ran it and on nothing else, so that
        the figures can be reproduced by SQL; one that is new rests on the surrogates of all tasks.

        Args:
            chosen: Indices into the pool, best first.
            weight: How much each task counts, none negative, (tasks,); default: all alike.
            note: What to know before trusting them.
        """
        chosen = np.asarray(chosen, np.intp)
        weight = np.ones(self.regret.shape[1]) if weight is None else weight
        if (weight != weight[:1]).any():
            return self._weighed(chosen, metric, weight, note)
        if len(chosen) > FEW:
            return self._judged(chosen, metric, weight, note)
        return [self._one(int(i), metric, weight, note) for i in chosen]

    def _weighed(
        self, chosen: Places, metric: str, weight: Floats, note: str | None
    ) -> list[Recommendation]:
        """What tasks say that count unlike: those that count nothing are asked as a last resort."""
        top = weight.max(initial=0.0)
        heard = np.flatnonzero(weight > FAINT * top)
        loud = np.flatnonzero(weight > FAINT**0.5 * top)
        by_them = self.was_run[np.ix_(chosen, loud)].any(axis=1)
        said: dict[int, Recommendation] = {}
        for some, tasks in ((chosen[by_them], heard), (chosen[~by_them], None)):
            if len(some):
                judged = self._judged(some, metric, weight, note, tasks)
                said.update(zip(some.tolist(), judged, strict=True))
        return [said[i] for i in chosen.tolist()]

    def _one(self, i: int, metric: str, weight: Floats, note: str | None) -> Recommendation:
        """What tasks that all count alike say of one config; the last few are remembered."""
        key = (i, metric, note)
        said = self._alike.get(key)
        if said is None:
            if len(self._alike) >= MOST_SAID:
                self._alike.clear()
            said = self._alike[key] = self._judged(np.array([i]), metric, weight, note)[0]
        return said

    @cached_property
    def _alike(self) -> dict[tuple[int, str, str | None], Recommendation]:
        return {}

    def _judged(
        self, chosen: Places, metric: str, weight: Floats, note: str | None,
        heard: Places | None = None,
    ) -> list[Recommendation]:  # fmt: skip
        """What tasks say of each config, all of them or those that are heard."""
        weight = np.maximum(weight, FAINT * max(float(weight.max(initial=0.0)), 1e-280))
        names = self._tasks
        if heard is None:
            ran, regret = self.was_run[chosen], self.regret[chosen]  # (k, tasks)
        else:
            cells = np.ix_(chosen, heard)
            ran, regret = self.was_run[cells], self.regret[cells]
            names, weight = names[heard], weight[heard]
        new: NDArray[np.bool_] = np.logical_not(ran.any(axis=1))
        spoke: NDArray[np.bool_] = ran | new[:, np.newaxis]
        loudest = np.where(spoke, weight, 0.0).max(axis=1, initial=0.0, keepdims=True)
        spoke &= weight >= SPOKE * loudest
        regret = np.where(spoke, regret, np.nan)
        said = from_tasks(regret.T, weight)
        return [
            Recommendation(
                self.pool.configs[i],
                expected_loss=float(said.expected[j]),
                interval=(float(said.low[j]), float(said.high[j])),
                probability=float(said.probability[j]),
                because=self._because(
                    int(i), regret[j], weight, names, metric, note, new=bool(new[j])
                ),
            )
            for j, i in enumerate(chosen)
        ]

    def _because(
        self, i: int, regret: Floats, weight: Floats, names: NDArray[np.object_], metric: str,
        note: str | None, *, new: bool,
    ) -> Because:  # fmt: skip
        """The tasks that weigh most first, among equal ones those where the config did best."""
        order = np.lexsort((regret, -weight))
        order = order[~np.isnan(regret[order])]
        heavy = weight[order]
        notes = [note] if note else []
        configs: tuple[str, ...] = ()
        if not len(order):
            notes.append("there is no past task, so nothing is known of this configuration")
        elif new:
            notes.append("no past task ran this configuration: surrogates of the tasks predict it")
            configs = self._nearest(i, order)
        else:
            configs = (self.pool.known.ids[self.pool.place[i]],)
        return Because(
            tuple(names[order].tolist()),
            configs,
            metric,
            weights=() if not len(heavy) or heavy[0] == heavy[-1] else tuple(heavy.tolist()),
            note="; ".join(notes) or None,
        )

    def _nearest(self, i: int, tasks: Places) -> tuple[str, ...]:
        """The ids of the configs nearest to a new one, among those run on these tasks."""
        done = self.completion
        if len(tasks) == len(done.tasks):
            ran = self._ran
        else:
            ran = np.unique(done.config[np.isin(done.task, tasks)])
        far = ((done.configs.x[ran] - self.pool.x[i]) ** 2).sum(axis=1)
        nearest = ran[np.argsort(far, kind="stable")[:NEIGHBOURS]]
        return tuple(done.configs.ids[j] for j in nearest)

    @cached_property
    def _tasks(self) -> NDArray[np.object_]:
        return np.array(self.completion.tasks, object)

    @cached_property
    def _ran(self) -> Places:
        return np.unique(self.completion.config)


_pasts: Remembered[Past] = Remembered(32, 512_000_000, lambda told: told.regret.nbytes)


def past(completion: Completion, pool: Pool) -> Past:
    """What past tasks say of a pool; remembered for the last few."""

    def make() -> Past:
        run = completion.run(pool)
        regret = completion.regrets(pool) if np.isnan(run).any() else run
        was_run = np.ascontiguousarray(~np.isnan(run).T)
        return Past(completion, pool, np.ascontiguousarray(regret.T), was_run)

    return _pasts.get((completion, pool.configs), make)


def ready(completion: Completion) -> bool:
    """Bring the regrets of all known configs to memory now if nothing is to be predicted."""
    whole = len(completion.task) == len(completion.tasks) * len(completion.configs)
    if whole:
        _ = past(completion, pool(completion.configs)).alone
    return whole


def outside(pool: Pool, seen: Seen) -> str | None:
    """A sentence on configurations that the space does not hold, None where there is none."""
    said = []
    if pool.n_outside:
        said.append(f"{pool.n_outside} of the candidates lie outside the space and were left out")
    if seen.n_outside:
        said.append(f"{seen.n_outside} of those observed lie outside the space and taught nothing")
    return "; ".join(said) or None
