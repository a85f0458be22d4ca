"""The metrics everybody knows, their direction and bounds, and the one place where a sign turns."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from metadb.errors import InvalidMetric, InvalidRows


@dataclass(frozen=True, slots=True)
class Metric:
    """What a value means: its direction, unit and bounds (None where there is no bound)."""

    name: str
    lower_is_better: bool
    unit: str = "1"
    lower: float | None = None
    upper: float | None = None
    doc: str = ""


def _score(name: str, doc: str, lower: float | None = 0.0) -> Metric:
    return Metric(name, False, "1", lower, 1.0, doc)


def _error(name: str, doc: str, unit: str = "1", upper: float | None = None) -> Metric:
    return Metric(name, True, unit, 0.0, upper, doc)


METRICS: dict[str, Metric] = {
    metric.name: metric
    for metric in (
        _score("accuracy", "Share of test instances whose class is predicted."),
        _score("balanced_accuracy", "Mean over classes of the recall."),
        _score("roc_auc", "Area under the ROC curve, weighted over classes if many."),
        _score("f1", "Harmonic mean of precision and recall, weighted over classes."),
        _score("precision", "Share of the predicted positives that are, weighted over classes."),
        _score("recall", "Share of the positives that are found, weighted over classes."),
        _score("kappa", "Cohen's kappa: agreement beyond chance.", lower=-1.0),
        Metric("r2", False, "1", None, 1.0, "Coefficient of determination."),
        _error("error_rate", "One minus accuracy.", upper=1.0),
        _error("log_loss", "Mean negative log-likelihood of the true class, in nats.", "nat"),
        _error("mae", "Mean absolute error, in the target's unit.", "target"),
        _error("mse", "Mean squared error, in the target's unit squared.", "target^2"),
        _error("rmse", "Root of the mean squared error, in the target's unit.", "target"),
        _error("fit_s", "Seconds to fit.", "s"),
        _error("predict_s", "Seconds to predict the test instances.", "s"),
        _error("runtime_s", "Seconds of the whole run.", "s"),
    )
}

ALIASES: dict[str, str] = {
    "predictive_accuracy": "accuracy",
    "area_under_roc_curve": "roc_auc",
    "auc": "roc_auc",
    "f_measure": "f1",
    "mean_weighted_f_measure": "f1",
    "root_mean_squared_error": "rmse",
    "mean_absolute_error": "mae",
    "mean_squared_error": "mse",
    "misclassification_rate": "error_rate",
}
"""Other spellings, OpenML's among them, of the same metric."""


def canonical(name: str) -> str:
    """The name under which the store keeps a metric: `predictive_accuracy` is `accuracy`."""
    return ALIASES.get(name, name)


def as_loss(value: NDArray[np.float64] | float, metric: Metric) -> NDArray[np.float64] | float:
    """The value with its direction turned so that smaller is better; an involution."""
    return value if metric.lower_is_better else -value


def metric_row(metric: Metric) -> dict[str, Any]:
    """A metric as a row of the table `metrics`."""
    return {
        "metric": metric.name,
        "lower_is_better": metric.lower_is_better,
        "unit": metric.unit,
        "lower": metric.lower,
        "upper": metric.upper,
        "doc": metric.doc,
    }


def metric_of(row: Mapping[str, object]) -> Metric:
    """A row of the table `metrics` as a Metric.

    Raises:
        InvalidMetric: The row does not say which direction is better.
    """
    if row.get("lower_is_better") is None:
        raise InvalidMetric(
            f"metric {row.get('metric')!r} does not say whether lower is better; give "
            f"`lower_is_better`, or use one of {sorted(METRICS)}"
        )
    lower, upper = row.get("lower"), row.get("upper")
    return Metric(
        name=str(row["metric"]),
        lower_is_better=bool(row["lower_is_better"]),
        unit=str(row.get("unit") or "1"),
        lower=None if lower is None else float(lower),  # type: ignore[arg-type]
        upper=None if upper is None else float(upper),  # type: ignore[arg-type]
        doc=str(row.get("doc") or ""),
    )


def differ(one: Metric, other: Metric) -> bool:
    """Whether two metrics of one name contradict each other in direction or bounds."""
    return (one.lower_is_better, one.lower, one.upper) != (
        other.lower_is_better,
        other.lower,
        other.upper,
    )


def check_score(metric: Metric, value: float | None, status: str = "ok") -> None:
    """Let a score pass that is finite and within its metric's bounds, or not asked for.

    Raises:
        InvalidRows: It is not.
    """
    if value is None and status != "ok":
        return
    if value is None or not math.isfinite(value):
        raise InvalidRows(
            f"the score of {metric.name} is {value}; give a finite number, or status='failed'"
        )
    low, high = metric.lower, metric.upper
    if (low is not None and value < low) or (high is not None and value > high):
        raise InvalidRows(
            f"the score {value} of {metric.name} is outside its bounds [{low}, {high}]; a percent "
            "or a loss under a score's name? give the score in the metric's own unit"
        )
