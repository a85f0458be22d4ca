"""The core nouns: what is said between the rooms. Frozen, plain, without behaviour of their own."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import pyarrow as pa

Config = Mapping[str, float | int | str | bool]
"""A configuration: hyperparameter to value; a hyperparameter that is inactive is absent."""

STATUSES = ("ok", "failed", "timeout", "memout", "censored")
"""How an evaluation ended; only `ok` has a score, a `censored` one has a bound of it."""


METAFEATURE_STATUSES = ("ok", "undefined", "failed", "timeout", "memout")
"""What became of a meta-feature; only `ok` has a value, `undefined` has none for its task."""


@dataclass(frozen=True, slots=True)
class Task:
    """What is to be solved: a data set, its target and its kind, described by meta-features.

    Args:
        id: `origin:native`, for example `openml:task/31`; the origin tells servers apart.
        kind: `classification`, `regression` or `clustering`.
        metafeatures: Name to value; what is not known is absent.
    """

    id: str
    kind: str = "classification"
    metafeatures: Mapping[str, float] = field(default_factory=dict)
    dataset: str | None = None
    target: str | None = None
    name: str | None = None


@dataclass(frozen=True, slots=True)
class Rows:
    """What a source yields and the store adds in one go.

    Args:
        tables: Table name to rows; columns that the source does not know may be left out.
        cursor: Where to go on after these rows; committed together with the evaluations.
        rejected: Reason to count of rows the source itself had to leave out.
        share: How much of the file is read with these rows, from 0 to 1, where the source knows.
    """

    tables: Mapping[str, pa.Table]
    cursor: str | None = None
    rejected: Mapping[str, int] = field(default_factory=dict)
    share: float | None = None


@dataclass(frozen=True, slots=True)
class Trial:
    """A config to run at a budget.

    Args:
        budget: In the unit of the search; 1.0 with unit `fraction` is everything.
        id: Unique within one search.
        resume: The id of the trial of the same config at a smaller budget to go on from.
    """

    config: Config
    budget: float = 1.0
    id: int = 0
    resume: int | None = None


@dataclass(frozen=True, slots=True)
class Evaluation:
    """What came of a trial: `loss` is minimised; None says that there is no usable score."""

    trial: Trial
    loss: float | None
    cost_s: float | None = None
    status: str = "ok"


@dataclass(frozen=True, slots=True)
class Because:
    """What a recommendation rests on, as references into the store.

    Args:
        tasks: The tasks whose evaluations were used, most important first.
        configs: The configs whose evaluations on those tasks were used, as ids.
        metric: The metric of these evaluations; None where the history came without one.
        weights: How much each of `tasks` counted, none negative; empty where all counted alike.
        members: Where several recommenders spoke: the name of each and its share of trust.
        note: One sentence on what to know before trusting it; None where there is nothing.
    """

    tasks: tuple[str, ...] = ()
    configs: tuple[str, ...] = ()
    metric: str | None = None
    weights: tuple[float, ...] = ()
    members: Mapping[str, float] = field(default_factory=dict)
    note: str | None = None


@dataclass(frozen=True, slots=True)
class Recommendation:
    """A config to try next.

    Args:
        config: The configuration.
        expected_loss: The normalised regret it is expected to have on the task, from 0 (as good
            as the best configuration) to 1 (as bad as the worst).
        interval: Where that regret lies with a probability of 0.8: from, to.
        probability: How likely its regret is at most 0.01, within 1 % of the best.
        because: The tasks and evaluations it rests on.
    """

    config: Config
    expected_loss: float | None = None
    interval: tuple[float, float] | None = None
    probability: float | None = None
    because: Because = field(default_factory=Because)
