"""The memory of a search by cross-validation: every fold under every metric, and back to resume."""

from __future__ import annotations

from statistics import fmean
from types import TracebackType
from typing import TYPE_CHECKING, Self

from metadb.identity import canonical_config
from metadb.metrics import Metric, as_loss
from metadb.records import Evaluation, Task
from optimizers.objective import CrossValidated
from optimizers.recording import Recording

if TYPE_CHECKING:
    from ConfigSpace import ConfigurationSpace

    from metadb.store import Store


class FoldRecording:
    """A `Recording` that keeps what `CrossValidated` says: a row a fold and metric.

    So the next search can learn under another metric, and the spread over folds stays known. A
    trial whose folds are not all there, since the process died between them, was not run.

    Args:
        folds: How many there are.
        metric: The metric that was minimised; the others are only recorded.
        run, seed: As for `Recording`.

    Raises:
        Busy: Another process records this run now.
    """

    def __init__(
        self,
        store: Store,
        task: Task,
        space: ConfigurationSpace,
        metric: Metric,
        *,
        folds: int,
        run: str,
        seed: int | None = None,
    ) -> None:
        self._store, self._task, self._space, self._metric = store, task, space, metric
        self._folds, self._seed = folds, seed
        self._recording = Recording(store, task, space, metric.name, run=run, seed=seed)

    def __call__(self, evaluation: Evaluation) -> None:
        """Record one evaluation, the metric that was minimised last."""
        if not isinstance(evaluation, CrossValidated) or evaluation.status != "ok":
            self._recording(evaluation)
            return
        trial, names = evaluation.trial, [n for n in evaluation.folds if n != self._metric.name]
        for name in [*names, self._metric.name]:
            for fold, value in enumerate(evaluation.folds[name]):
                self._store.record(
                    self._task,
                    trial.config,
                    space=self._space,
                    metric=name,
                    value=value,
                    budget=trial.budget,
                    fold=fold,
                    cost_s=evaluation.fold_cost_s[fold],
                    seed=self._seed,
                    run=self._recording.run_of(trial),
                )

    def done(self) -> list[Evaluation]:
        """What the store holds of this run, by trial; give it to `run(resume=...)`."""
        trials: dict[tuple[int, str, float], list[Evaluation]] = {}
        for e in self._recording.done():
            key = e.trial.id, canonical_config(e.trial.config), e.trial.budget
            trials.setdefault(key, []).append(e)
        found: list[Evaluation] = []
        for folds in trials.values():
            losses = [e.loss for e in folds if e.loss is not None]
            if len(losses) == self._folds:
                values = tuple(float(as_loss(loss, self._metric)) for loss in losses)
                costs = tuple(e.cost_s or 0.0 for e in folds)
                found.append(
                    CrossValidated(
                        folds[0].trial,
                        fmean(losses),
                        sum(costs),
                        folds={self._metric.name: values},
                        fold_cost_s=costs,
                    )
                )
            elif not losses:
                found.append(folds[0])
        return found

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
