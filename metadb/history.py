"""What recommenders learn from: a frozen, columnar view of past evaluations."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from itertools import compress
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from metadb.errors import InvalidRows, NotFound
from metadb.identity import canonical_config, config_ids, parse_config
from metadb.protocols import Floats
from metadb.records import Config, Task

if TYPE_CHECKING:
    from ConfigSpace import ConfigurationSpace

_MAX_CELLS = 250_000_000


@dataclass(frozen=True)
class Configs:
    """A frozen batch of configurations of one space, parsed once and encoded once.

    Args:
        space_name: Name of the space.
        ids: Their ids in the store, (n,).
        texts: Their canonical JSON, (n,).
        definition: The space as ConfigSpace JSON; None infers it from the configs.
    """

    space_name: str
    ids: tuple[str, ...]
    texts: tuple[str, ...]
    definition: str | None = None

    @cached_property
    def _whole(self) -> tuple[Configs, list[int]] | None:
        """The batch that this one was taken from, and where; what it knows is not computed anew."""
        return None

    @classmethod
    def of(
        cls, space_name: str, configs: Sequence[Config], *, definition: str | None = None
    ) -> Configs:
        """The batch of the given configurations, in their order."""
        texts = tuple(canonical_config(config) for config in configs)
        return cls(space_name, tuple(config_ids(space_name, texts)), texts, definition)

    def __len__(self) -> int:
        return len(self.ids)

    def __getitem__(self, index: int) -> Config:
        return self.values[index]

    def __iter__(self) -> Iterator[Config]:
        return iter(self.values)

    @cached_property
    def values(self) -> tuple[Config, ...]:
        """The configurations as mappings."""
        if self._whole is not None:
            whole, chosen = self._whole
            return tuple(whole.values[i] for i in chosen)
        return tuple(parse_config(text) for text in self.texts)

    @cached_property
    def space(self) -> ConfigurationSpace:
        """The declared space, or the one inferred from these configs."""
        from metadb.inference import infer
        from metadb.space import from_json

        if self.definition is not None:
            return from_json(self.definition)
        if self._whole is not None:  # a space inferred from all stays theirs
            return self._whole[0].space
        return infer(self.space_name, self.values)

    @cached_property
    def x(self) -> Floats:
        """The configurations encoded, (n, width); see `metadb.encoding.encoding`."""
        from metadb.encoding import encoding

        if self._whole is not None:
            whole, chosen = self._whole
            return whole.x[chosen]
        return encoding(self.space).encode(self.values)

    @cached_property
    def _position(self) -> dict[str, int]:
        return {text: i for i, text in enumerate(self.texts)}

    def index(self, config: Config) -> int | None:
        """Where a configuration stands in the batch, or None."""
        return self._position.get(canonical_config(config))

    def places(self, configs: Configs) -> NDArray[np.intp]:
        """Where each of other configurations stands in this batch, -1 where it does not, (n,)."""
        return np.array([self._position.get(text, -1) for text in configs.texts], np.intp)

    def take(self, indices: Sequence[int] | NDArray[np.intp]) -> Configs:
        """The configurations at `indices`, in that order, in the same space."""
        chosen = [int(i) for i in indices]
        taken = replace(
            self,
            ids=tuple(self.ids[i] for i in chosen),
            texts=tuple(self.texts[i] for i in chosen),
        )
        taken.__dict__["_whole"] = (self, chosen)
        return taken

    def with_encoding_of(self, configs: Configs) -> Configs:
        """Other configurations, encoded in the space of this batch.

        Raises:
            InvalidConfig: One of them is not legal in it.
        """
        from metadb.encoding import encoding

        moved = replace(configs, space_name=self.space_name, definition=self.definition)
        moved.__dict__["space"] = self.space
        moved.__dict__["x"] = encoding(self.space).encode(configs.values)
        return moved


@dataclass(frozen=True)
class History:
    """Past evaluations of one space under one metric, one entry per task, config and budget.

    Folds, repeats and seeds are averaged. Loss is smaller-is-better; an entry that failed in any
    of them has loss inf: it was run, and it is not usable.

    Args:
        metric: The metric the losses come from.
        tasks: Task ids, (tasks,).
        configs: The configurations, (configs,).
        task: Index into tasks, (n,).
        config: Index into configs, (n,).
        loss: (n,). cost_s: Seconds, NaN where unknown, (n,).
        budget: In the unit of the evaluations; infinite for all of it, where that is not the only
            unit; (n,).
        described: Meta-feature name to values over tasks, NaN where unknown, each (tasks,).
        datasets: Data set of each task, the task itself where unknown, (tasks,).
    """

    metric: str
    tasks: tuple[str, ...]
    configs: Configs
    task: NDArray[np.int32]
    config: NDArray[np.int32]
    loss: Floats
    cost_s: Floats
    budget: Floats
    described: Mapping[str, Floats] = field(default_factory=dict)
    datasets: tuple[str, ...] = ()

    def __len__(self) -> int:
        return len(self.loss)

    def __repr__(self) -> str:
        return (
            f"History({len(self)} evaluations of {len(self.configs)} configs of "
            f"{self.configs.space_name!r} on {len(self.tasks)} tasks, metric {self.metric!r})"
        )

    def _repr_html_(self) -> str:
        from html import escape

        return f"<code>{escape(repr(self))}</code>"

    def matrix(self) -> Floats:
        """Losses at the largest budget, (tasks, configs); NaN where not run, inf where failed.

        Raises:
            InvalidRows: The matrix would have more than 250,000,000 cells (2 GB).
        """
        return self._grid(self.loss)

    def costs(self) -> Floats:
        """Seconds at the largest budget, (tasks, configs); NaN where unknown."""
        return self._grid(self.cost_s)

    def finals(self) -> NDArray[np.intp]:
        """The entries at the largest budget, one a task and config, by task, then config, (m,)."""
        order = np.lexsort((self.budget, self.config, self.task))
        task, config = self.task[order], self.config[order]
        last = np.ones(len(order), bool)
        last[:-1] = (task[1:] != task[:-1]) | (config[1:] != config[:-1])
        return order[last]

    def _grid(self, values: Floats) -> Floats:
        cells = len(self.tasks) * len(self.configs)
        if cells > _MAX_CELLS:
            raise InvalidRows(
                f"a matrix of {len(self.tasks)} tasks x {len(self.configs)} configs would not fit; "
                "use the long form (task, config, loss), or choose tasks"
            )
        grid = np.full((len(self.tasks), len(self.configs)), np.nan)  # (tasks, configs)
        order = np.argsort(self.budget, kind="stable")  # the largest budget is written last
        grid[self.task[order], self.config[order]] = values[order]
        return grid

    def metafeatures(self, names: Sequence[str] | None = None) -> Floats:
        """Meta-features of the tasks, (tasks, names); NaN where unknown.

        Raises:
            NotFound: No task has a meta-feature of that name.
        """
        names = sorted(self.described) if names is None else list(names)
        for name in names:
            if name not in self.described:
                raise NotFound(f"no meta-feature {name!r}; there are {sorted(self.described)}")
        if not names:
            return np.empty((len(self.tasks), 0))
        return np.column_stack([self.described[name] for name in names])

    def without(self, *task_ids: str) -> History:
        """The history as if these tasks had never been seen; configs keep their places.

        Raises:
            NotFound: A task is not in the history.
        """
        unknown = set(task_ids) - set(self.tasks)
        if unknown:
            raise NotFound(
                f"no task {sorted(unknown)[0]!r} in this history of {len(self.tasks)} tasks"
            )
        kept = np.array([task not in task_ids for task in self.tasks], bool)  # (tasks,)
        place = np.cumsum(kept, dtype=np.int32) - 1
        rows = kept[self.task]  # (n,)
        return replace(
            self,
            tasks=tuple(compress(self.tasks, kept)),
            task=place[self.task[rows]],
            config=self.config[rows],
            loss=self.loss[rows],
            cost_s=self.cost_s[rows],
            budget=self.budget[rows],
            described={name: values[kept] for name, values in self.described.items()},
            datasets=tuple(compress(self.datasets, kept)),  # none where none is known
        )

    def at(self, rows: NDArray[np.intp]) -> History:
        """The history of some of its entries only; tasks and configs keep their places."""
        return replace(
            self, task=self.task[rows], config=self.config[rows], loss=self.loss[rows],
            cost_s=self.cost_s[rows], budget=self.budget[rows],
        )  # fmt: skip

    def described_task(self, task: str) -> Task:
        """The task with its meta-features.

        Raises:
            NotFound: The task is not in the history.
        """
        if task not in self.tasks:
            raise NotFound(f"no task {task!r} in this history of {len(self.tasks)} tasks")
        i = self.tasks.index(task)
        known = {n: float(v[i]) for n, v in self.described.items() if not np.isnan(v[i])}
        return Task(task, metafeatures=known, dataset=self.datasets[i] if self.datasets else None)
