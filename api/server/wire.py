"""What is sent and answered: strict models, nothing further allowed, every number finite."""

from __future__ import annotations

from typing import Annotated, Any

from pydantic import (
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    FiniteFloat,
    StringConstraints,
    model_validator,
)

from api.server.answers import Written
from metadb.metrics import Metric, as_loss, check_score
from metadb.records import Because, Evaluation, Recommendation, Task, Trial
from recommenders.remembered import Remembered

Text = Annotated[str, StringConstraints(min_length=1, max_length=500, pattern="^[^\x1f]+$")]
_WHOLE = BeforeValidator(lambda given: _whole(given))
_LONG = Field(ge=-(2**63), lt=2**63)
Integer = Annotated[int, _WHOLE]
"""A whole number, also written as 5.0: JSON has one kind of number."""
Whole = Annotated[int, _LONG, _WHOLE]
Value = (
    bool
    | Annotated[int, _LONG]  # of a configuration 5.0 is no 5
    | FiniteFloat
    | Annotated[str, StringConstraints(max_length=10_000)]
)
ConfigModel = Annotated[dict[Text, Value], Field(max_length=1000)]
Seconds = Annotated[FiniteFloat, Field(ge=0)]

EXAMPLE_CONFIG: dict[str, Any] = {"learner": "svm", "svm__C": 1.5}


def _whole(given: object) -> object:
    return int(given) if isinstance(given, float) and given.is_integer() else given


class Strict(BaseModel):
    """What may be sent: exactly this."""

    model_config = ConfigDict(extra="forbid", strict=True, frozen=True)


class TaskModel(Strict):
    """A task of the caller's own, described by meta-features."""

    id: Text = "local:unnamed"
    kind: Text = "classification"
    metafeatures: Annotated[dict[Text, FiniteFloat], Field(max_length=5000)] = {}
    dataset: Text | None = None
    target: Text | None = None
    name: Text | None = None

    def task(self) -> Task:
        """The task that it describes."""
        return Task(**self.model_dump())


class Observed(Strict):
    """What was run on the task already: give the value in the metric's direction, or the loss."""

    config: ConfigModel
    value: FiniteFloat | None = None
    loss: FiniteFloat | None = None
    status: Text = "ok"
    cost_s: Seconds | None = None

    def evaluation(self, metric: Metric, id: int) -> Evaluation:
        """The evaluation, its score turned into a loss.

        Raises:
            InvalidRows: The score is missing or outside the metric's bounds.
        """
        loss = self.loss
        if self.status != "ok":
            loss = None
        elif loss is None:
            check_score(metric, self.value, self.status)
            loss = None if self.value is None else float(as_loss(self.value, metric))
        return Evaluation(Trial(dict(self.config), id=id), loss, self.cost_s, self.status)


class Asked(Strict):
    """A question: which configurations next for this task?"""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {
                    "space": "classifier",
                    "task": {"metafeatures": {"nr_inst": 150, "nr_attr": 4, "nr_class": 3}},
                    "recommender": "nearest",
                    "k": 3,
                    "observed": [{"config": EXAMPLE_CONFIG, "value": 0.93}],
                },
                {"space": "classifier", "task": "openml:task/59", "k": 5},
            ]
        }
    )

    space: Text
    task: Text | TaskModel = Field(
        default=TaskModel(),
        description="The id of a task in the store, whose own results are left out, or a task.",
    )
    metric: Text | None = Field(
        default=None, description="Default: the score with the most evaluations in the space."
    )
    recommender: Text = "auto"
    k: Integer = Field(default=10, ge=1, le=1000)
    seed: Integer = Field(default=0, ge=0, lt=2**31)
    observed: Annotated[list[Observed], Field(max_length=10_000)] = []
    candidates: Annotated[list[ConfigModel], Field(max_length=10_000)] | None = Field(
        default=None, description="Only these may be recommended; default: all that are known."
    )
    keep: bool = Field(
        default=False, description="Keep the answer in the store, to be explained; needs the token."
    )


class MetricModel(Strict):
    """A metric of the caller's own."""

    name: Text
    lower_is_better: bool
    unit: Text = "1"
    lower: FiniteFloat | None = None
    upper: FiniteFloat | None = None
    doc: Annotated[str, StringConstraints(max_length=500)] = ""


class Recorded(Strict):
    """One evaluation to remember; with the same `run` it is remembered once, however often sent."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {
                    "task": "openml:task/59",
                    "space": "classifier",
                    "config": EXAMPLE_CONFIG,
                    "metric": "accuracy",
                    "value": 0.95,
                    "cost_s": 0.2,
                    "run": "study-1/trial-7",
                }
            ],
            # As `_value_or_status` has it.
            "anyOf": [
                {"properties": {"value": {"type": "number"}}, "required": ["value"]},
                {"properties": {"status": {"not": {"const": "ok"}}}, "required": ["status"]},
            ],
        }
    )

    task: Text | TaskModel
    space: Text
    definition: Annotated[str, StringConstraints(max_length=1_000_000)] | None = Field(
        default=None, description="The space as ConfigSpace JSON, where the store may not know it."
    )
    config: ConfigModel
    metric: Text | MetricModel
    value: FiniteFloat | None = None
    status: Text = "ok"
    budget: FiniteFloat = 1.0
    budget_unit: Text = "fraction"
    cost_s: Seconds | None = None
    fold: Whole | None = None
    repeat: Whole | None = None
    seed: Whole | None = None
    run: Text | None = None
    origin: Text = "local"

    @model_validator(mode="after")
    def _value_or_status(self) -> Recorded:
        if self.status == "ok" and self.value is None:
            raise ValueError('value is missing; give one, or "status": "failed"')
        return self


class Run(BaseModel):
    """What was recorded."""

    run: str


class BecauseModel(BaseModel):
    """What a recommendation rests on."""

    tasks: list[str]
    weights: list[float]
    configs: list[str]
    metric: str | None
    members: dict[str, float]
    note: str | None


class Recommended(BaseModel):
    """A configuration to try, best first."""

    recommendation: str | None
    rank: int
    config: dict[str, Any]
    expected_loss: float | None
    interval: list[float] | None
    probability: float | None
    because: BecauseModel


class Advised(BaseModel):
    """An answer: configurations to try, and what it was learnt from."""

    task: str
    space: str
    metric: str
    recommender: str
    learnt_from: str
    own_evaluations_left_out: int
    cautions: list[str]
    recommendations: list[Recommended]


class AdvisedOnFile(Advised):
    """The same on a data file, and what it looks like."""

    metafeatures: dict[str, float]


def recommended(advised: list[Recommendation], ids: list[str]) -> list[dict[str, Any]]:
    """Recommendations as `Recommended` has them.

    Args:
        ids: Under which ids they are kept; empty where they are not.
    """
    return [
        {
            "recommendation": ids[place] if ids else None,
            "rank": place + 1,
            "config": dict(r.config),
            "expected_loss": r.expected_loss,
            "interval": r.interval,
            "probability": r.probability,
            "because": _because(r.because),
        }
        for place, r in enumerate(advised)
    ]


MANY = 100
"""What rests on so many tasks is long, and often said again: it is made text once."""


def _because(why: Because) -> dict[str, Any] | Written:
    if len(why.tasks) < MANY:
        return _told(why)
    return _written.get((why,), lambda: Written(_told(why)))


def _told(why: Because) -> dict[str, Any]:
    return {
        "tasks": why.tasks,
        "weights": [float(weight) for weight in why.weights],
        "configs": why.configs,
        "metric": why.metric,
        "members": {name: float(share) for name, share in why.members.items()},
        "note": why.note,
    }


_written: Remembered[Written] = Remembered(1000, 8_000_000, lambda made: len(made.text))
