"""The memory of one search: every evaluation into the store as it ends, and back to resume."""

from __future__ import annotations

import fcntl
import os
import re
from pathlib import Path
from types import TracebackType
from typing import IO, TYPE_CHECKING, Self

from metadb.errors import Busy, InvalidRows
from metadb.identity import parse_config, row_id
from metadb.metrics import Metric, as_loss, canonical
from metadb.records import Evaluation, Task, Trial

if TYPE_CHECKING:
    from ConfigSpace import ConfigurationSpace

    from metadb.store import Store

_DONE = """
select c.hyperparameters, e.value, e.status, e.cost_s, e.budget, e.run
from evaluations e join configs c on c.config = e.config
where e.task = $task and c.space = $space and e.metric = $metric and e.origin = $origin
    and e.budget_unit = $unit and starts_with(e.run, $prefix)
"""


class Recording:
    """What `run(record=...)` calls: writes each evaluation to the store's journal as it ends.

    A trial's run id in the store is `run/9`, or `run/9<4` where it goes on from trial 4; so
    `done()` gives back the very evaluations, and the same search goes on where a Ctrl-C, a kill
    or a power cut ended it. Close it, or use it as a context.

    Args:
        task: What is tuned on; the id alone of one that the store has.
        space: The space of the configs.
        metric: Whose losses they are; a loss is turned into its value here, and nowhere else.
        run: The id of the search: the same search, the same id.
        budget_unit: Unit of the trials' budgets.
        origin: Whose measurements they are.
        seed: Of the learner.

    Raises:
        Busy: This run is being recorded now, by another process or this one.
        NotFound: A metric that is not known.
    """

    def __init__(
        self,
        store: Store,
        task: Task | str,
        space: ConfigurationSpace,
        metric: str | Metric,
        *,
        run: str,
        budget_unit: str = "fraction",
        origin: str = "local",
        seed: int | None = None,
    ) -> None:
        if not run or "\x1f" in run:
            raise InvalidRows(f"the run id {run!r} must be text without control characters")
        self._store, self._task, self._space = store, task, space
        self._given = metric
        self._metric = metric if isinstance(metric, Metric) else store.metric(metric)
        self._run, self._unit, self._origin, self._seed = run, budget_unit, origin, seed
        task_id = task if isinstance(task, str) else task.id
        name = row_id(origin, task_id, space.name, run)
        self._lock = _locked(store.path / "runs" / f"{name}.lock")
        if self._lock is None:
            raise Busy(
                f"the run {run!r} is being recorded already; wait until it ends, or give this "
                "search a run id of its own"
            )

    def __call__(self, evaluation: Evaluation) -> None:
        """Record one evaluation; it outlives a kill -9 when this returns.

        Raises:
            InvalidRows: A loss that is outside the metric's bounds.
        """
        trial, loss = evaluation.trial, evaluation.loss
        self._store.record(
            self._task,
            trial.config,
            space=self._space,
            metric=self._given,
            value=None if loss is None else float(as_loss(loss, self._metric)),
            status=evaluation.status,
            budget=trial.budget,
            budget_unit=self._unit,
            cost_s=evaluation.cost_s,
            seed=self._seed,
            run=self.run_of(trial),
            origin=self._origin,
        )

    def run_of(self, trial: Trial) -> str:
        """The run id of a trial in the store."""
        return f"{self._run}/{trial.id}" + ("" if trial.resume is None else f"<{trial.resume}")

    def done(self) -> list[Evaluation]:
        """What the store holds of this run, by trial; give it to `run(resume=...)`."""
        self._store.flush()  # what a killed process left in its journal
        rows = self._store.sql(
            _DONE,
            {
                "task": self._task if isinstance(self._task, str) else self._task.id,
                "space": self._space.name,
                "metric": canonical(self._metric.name),
                "origin": self._origin,
                "unit": self._unit,
                "prefix": f"{self._run}/",
            },
        )
        found = []
        for row in rows:
            named = re.fullmatch(r"(\d+)(?:<(\d+))?", row["run"][len(self._run) + 1 :])
            if named is None:  # of a run whose id begins like this one's
                continue
            trial = Trial(
                parse_config(row["hyperparameters"]),
                row["budget"],
                int(named[1]),
                None if named[2] is None else int(named[2]),
            )
            value = row["value"]
            loss = None if value is None else float(as_loss(value, self._metric))
            found.append(Evaluation(trial, loss, row["cost_s"], row["status"]))
        return sorted(found, key=lambda e: e.trial.id)

    def close(self) -> None:
        """Fold what was recorded into the tables, and let others record this run."""
        lock, self._lock = self._lock, None
        if lock is not None:
            try:
                self._store.flush()
            finally:
                Path(lock.name).unlink(missing_ok=True)
                lock.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()


def _locked(path: Path) -> IO[str] | None:
    """The file, locked until it is closed or the process dies; None where another holds it."""
    path.parent.mkdir(parents=True, exist_ok=True)
    while True:
        file = path.open("a")
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            file.close()
            return None
        if path.exists() and os.path.samestat(os.fstat(file.fileno()), path.stat()):
            return file
        file.close()  # the one before removed it meanwhile
