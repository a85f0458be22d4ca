"""What a tuner ran, into the store: under the store's names, in its space, by its metrics."""

from __future__ import annotations

import math
import warnings
from collections.abc import Mapping
from threading import Lock
from typing import TYPE_CHECKING, Any

from api.hooks.projection import plain, unmoved
from metadb.axes import axes_of
from metadb.errors import InvalidMetric, MetadbError
from metadb.metrics import Metric, canonical
from metadb.records import Config, Task

if TYPE_CHECKING:
    from ConfigSpace import ConfigurationSpace

    from metadb.store import Store


class Recorder:
    """Records what one search of a tuner ran; what the store cannot take is warned about.

    Args:
        store: It is flushed when it is closed.
        task: What is tuned on, or the id of one that the store has; default `origin:study`.
        origin: The tuner, as `metadb ingest` calls it where it knows it.
        study: What the search is called.
        metric: What the tuner's value is; a text that names no metric is one of the study's own.
        lower: Whether the tuner takes less for better.
        space: The ConfigSpace, or the name of one of the store; default `origin:study`, which the
            store infers.
        rename: As of `warm_start`: the store's names to the tuner's.

    Raises:
        InvalidMetric: The metric is better the other way than the tuner has it.
        NotFound: A task id or metric that is not known.
    """

    def __init__(
        self,
        store: Store,
        task: Task | str | None,
        *,
        origin: str,
        study: str,
        metric: str | Metric | None,
        lower: bool,
        space: ConfigurationSpace | str | None = None,
        rename: Mapping[str, str] | None = None,
    ) -> None:
        self._store, self._origin, self._lock = store, origin, Lock()
        self.task: Task | str = task or Task(f"{origin}:{study}", kind="other")
        if isinstance(self.task, str):
            store.task(self.task)
        self.metric = _metric(store, metric, study=study, lower=lower)
        self._space = space or f"{origin}:{study}"
        self._names = {new: old for old, new in (rename or {}).items()}
        self.lost: dict[str, str] = {}

    def record(
        self,
        run: str,
        config: Mapping[str, Any],
        value: float | None,
        *,
        status: str = "ok",
        **more: Any,
    ) -> None:
        """Remember one evaluation; it outlives a kill -9 when this returns.

        Args:
            run: Its name at the tuner; what has the same name, config and budget adds nothing.
            config: What the tuner ran, by its own names; what is inactive in the space is left out.
            value: In the tuner's direction; one that is not finite makes the evaluation a failure.
            more: As of `Store.record`: budget, budget_unit, cost_s, seed.
        """
        good = status == "ok" and value is not None and math.isfinite(value)
        try:
            with self._lock:  # callbacks of several threads
                self._store.record(
                    self.task,
                    self._config(config),
                    space=self._space,
                    metric=self.metric,
                    value=float(value) if good and value is not None else None,
                    status="failed" if status == "ok" and not good else status,
                    run=run,
                    origin=self._origin,
                    **more,
                )
        except MetadbError as error:
            self.lost[run] = str(error)
            warnings.warn(f"{run} is not recorded: {error}", stacklevel=3)

    def _config(self, config: Mapping[str, Any]) -> Config:
        named = {self._names.get(name, name): plain(value) for name, value in config.items()}
        if isinstance(self._space, str):
            return named
        from api.hooks.flat import active

        there = active(named, self._space)
        other = named.keys() - axes_of(self._space).keys()
        return unmoved({k: v for k, v in named.items() if k in there or k in other}, self._space)


def _metric(store: Store, metric: str | Metric | None, *, study: str, lower: bool) -> Metric:
    """The metric, if it is better the same way; one without a name is the study's own."""
    if metric is None:
        return Metric(f"{study}/objective", lower_is_better=lower)
    found = metric if isinstance(metric, Metric) else store.metric(canonical(metric))
    if found.lower_is_better != lower:
        words, example = ("lower", "error_rate") if lower else ("higher", "accuracy")
        raise InvalidMetric(
            f"to this search {words} is better, but {found.name} is better the other way; name "
            f"what its value really is, for example {example}"
        )
    return found
