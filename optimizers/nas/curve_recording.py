"""The memory of a search whose trials have learning curves: every epoch of every trial."""

from __future__ import annotations

from types import TracebackType
from typing import TYPE_CHECKING, Self

from metadb.records import Evaluation, Task
from optimizers.nas.objective import Trained
from optimizers.recording import Recording

if TYPE_CHECKING:
    from ConfigSpace import ConfigurationSpace

    from metadb.store import Store

METRIC, UNIT = "accuracy", "epochs"


class CurveRecording:
    """A `Recording` that keeps a row for each epoch, the last one as the trial's own.

    Epochs before the last have the run id of the trial with `@` and their number, and so are no
    trials of their own where the search is gone on with.

    Args:
        run, seed: As for `Recording`.

    Raises:
        Busy: Another process records this run now.
    """

    def __init__(
        self, store: Store, task: Task, space: ConfigurationSpace, *, run: str, seed: int
    ) -> None:
        self._store, self._task, self._space, self._seed = store, task, space, seed
        self._recording = Recording(
            store, task, space, METRIC, run=run, budget_unit=UNIT, seed=seed
        )

    def __call__(self, evaluation: Evaluation) -> None:
        """Record the learning curve of one trial, and then the trial."""
        trial = evaluation.trial
        for look in evaluation.looks[:-1] if isinstance(evaluation, Trained) else ():
            self._store.record(
                self._task,
                trial.config,
                space=self._space,
                metric=METRIC,
                value=look.accuracy,
                budget=float(look.epoch),
                budget_unit=UNIT,
                cost_s=look.elapsed_s,
                seed=self._seed,
                run=f"{self._recording.run_of(trial)}@{look.epoch}",
            )
        self._recording(evaluation)

    def done(self) -> list[Evaluation]:
        """What the store holds of this run, by trial; give it to `run(resume=...)`."""
        return self._recording.done()

    def close(self) -> None:
        """Fold what was recorded into the tables, and let others record this run."""
        self._recording.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()


__all__ = ["METRIC", "UNIT", "CurveRecording"]
