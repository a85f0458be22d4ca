"""What a pull selects, and which listings that makes."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from ingest.openml.addresses import chunks
from ingest.openml.listing import Keys
from metadb.errors import WrongUsage

IDS_AT_ONCE = 100
"""Tasks, or flows, in one listing."""
KINDS = {1: "classification", 2: "regression", 3: "learning curve", 5: "clustering"}
DEFAULT_MEASURE = {
    1: "predictive_accuracy",
    2: "root_mean_squared_error",
    3: "predictive_accuracy",
}


@dataclass(frozen=True, slots=True)
class Selection:
    """What is pulled: the evaluations of these tasks and flows.

    Args:
        suite: Name or number of a benchmark suite or study, whose tasks are taken.
        flow_family: Flows of this family, e.g. `sklearn.RandomForestClassifier`, in any version.
        metrics: OpenML's measures; default: accuracy, or for regression the root mean squared
            error.
        since: Only runs uploaded from this date on, `YYYY-MM-DD`.
        max_runs: At most so many evaluations a listing (a measure, up to 100 tasks and flows).
        per_fold: The score of each fold too.
        traces: The iterations of searches, and the learning curves of learning-curve tasks.
    """

    suite: str | None = None
    tasks: tuple[int, ...] = ()
    flows: tuple[int, ...] = ()
    flow_family: str | None = None
    metrics: tuple[str, ...] = ()
    since: str | None = None
    max_runs: int | None = None
    per_fold: bool = False
    traces: bool = False

    def listings(
        self, tasks: Sequence[int], flows: Sequence[int], types: Mapping[int, int]
    ) -> Iterator[Keys]:
        """The listings to ask for: a measure, up to 100 tasks and up to 100 flows each.

        Args:
            tasks: Those selected; none says all.
            flows: The same.
            types: OpenML's type of each task that is known.

        Raises:
            WrongUsage: No measure is known for tasks of these types.
        """
        for measure in self._measures(tasks, types):
            suits = [t for t in tasks if self.metrics or _default(types, t) == measure]
            for some in chunks(suits, IDS_AT_ONCE) if tasks else [[]]:
                for few in chunks(flows, IDS_AT_ONCE) or [[]]:
                    yield Keys(measure, tuple(some), tuple(few))

    def _measures(self, tasks: Sequence[int], types: Mapping[int, int]) -> list[str]:
        """The measures asked for, or those that belong to the tasks."""
        if self.metrics:
            return list(self.metrics)
        found = {_default(types, task) for task in tasks} or {DEFAULT_MEASURE[1]}
        known = sorted(measure for measure in found if measure is not None)
        if not known:
            raise WrongUsage(
                "these tasks are neither classification nor regression; name --metrics"
            )
        return known


def _default(types: Mapping[int, int], task: int) -> str | None:
    return DEFAULT_MEASURE.get(types.get(task, 1))
