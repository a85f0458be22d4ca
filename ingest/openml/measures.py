"""OpenML's measures that metadb has no metric of its own for: their direction, unit and bounds."""

from __future__ import annotations

from difflib import get_close_matches

from metadb.errors import WrongUsage
from metadb.metrics import METRICS, Metric, canonical


def _ms(name: str, doc: str) -> Metric:
    return Metric(name, True, "ms", 0.0, None, doc)


MEASURES: dict[str, Metric] = {
    metric.name: metric
    for metric in (
        Metric("kb_relative_information_score", False, "1", None, None, "Kononenko, Bratko 1991."),
        Metric("relative_absolute_error", True, "1", 0.0, None, "Against the training mean."),
        Metric("root_relative_squared_error", True, "1", 0.0, None, "Against the training mean."),
        Metric("unweighted_recall", False, "1", 0.0, 1.0, "Mean over classes of the recall."),
        Metric("unweighted_precision", False, "1", 0.0, 1.0, "Mean over classes."),
        Metric("unweighted_f_measure", False, "1", 0.0, 1.0, "Mean over classes."),
        _ms("usercpu_time_millis", "Processor time of fitting and predicting."),
        _ms("usercpu_time_millis_training", "Processor time of fitting."),
        _ms("usercpu_time_millis_testing", "Processor time of predicting."),
        _ms("wall_clock_time_millis", "Time of fitting and predicting."),
        _ms("wall_clock_time_millis_training", "Time of fitting."),
        _ms("wall_clock_time_millis_testing", "Time of predicting."),
    )
}

_THEIRS = {
    "predictive_accuracy": "accuracy",
    "area_under_roc_curve": "roc_auc",
    "f_measure": "f1",
    "root_mean_squared_error": "rmse",
    "mean_absolute_error": "mae",
    "kappa": "kappa",
    "precision": "precision",
    "recall": "recall",
}

SEARCH_SCORE = Metric(
    "search_score", False, "1", None, None, "What a search saw: its scorer's value, within a fold."
)


def metric_of_measure(measure: str) -> Metric:
    """The metric that a measure of OpenML is.

    Raises:
        WrongUsage: It is not known which direction of it is better.
    """
    if measure in _THEIRS:
        return METRICS[canonical(measure)]
    if measure in MEASURES:
        return MEASURES[measure]
    ours = [name for name, metric in _THEIRS.items() if metric == canonical(measure)]
    near = ours or get_close_matches(measure, [*_THEIRS, *MEASURES], n=1)
    hint = f"did you mean {near[0]}? " if near else ""
    raise WrongUsage(f"no measure {measure!r}; {hint}there are {', '.join([*_THEIRS, *MEASURES])}")
