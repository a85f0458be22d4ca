"""The search spaces of the tables for hyperparameter transfer: columns, metrics and units."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import pyarrow as pa
import pyarrow.compute as pc

from metadb.metrics import METRICS, Metric

OPERATIONS = ("none", "skip_connect", "nor_conv_1x1", "nor_conv_3x3", "avg_pool_3x3")
"""By number, as `arch_str` beside them says."""


def _from_percent(column: pa.ChunkedArray) -> pa.ChunkedArray:
    return pc.divide(column, 100.0)


def _from_millions(column: pa.ChunkedArray) -> pa.ChunkedArray:
    return pc.round(pc.multiply(column, 1e6), 3)  # 135156.0, where the product has ..55.99999


@dataclass(frozen=True, slots=True)
class Measure:
    """A column: the metric it is, and how it comes into the metric's unit."""

    metric: Metric
    turned: Callable[[pa.ChunkedArray], pa.ChunkedArray] = lambda column: column


@dataclass(frozen=True, slots=True)
class Blackbox:
    """One search space: its name, the kind of its tasks, and its columns.

    Args:
        hyperparameters: Without the `hp_` before them.
        measures: Column to metric; other `metric_` columns say the same again.
        cost_s: The column of seconds, where there is one.
        operations: Whether hyperparameters are numbers of `OPERATIONS`.
    """

    space: str
    kind: str
    hyperparameters: tuple[str, ...]
    measures: dict[str, Measure]
    cost_s: str | None = None
    operations: bool = False


BLACKBOXES = {
    "XGBoost": Blackbox(
        "hp-transfer-xgboost",
        "classification",
        (
            "log2_min_child_weight",
            "subsample",
            "colsample_bytree",
            "log2_gamma",
            "log2_lambda",
            "eta",
            "max_depth_index",
            "log2_alpha",
        ),
        {"metric_error": Measure(METRICS["error_rate"])},
    ),
    "DeepAR": Blackbox(
        "hp-transfer-deepar",
        "forecasting",
        (
            "num_layers",
            "num_cells",
            "dropout_rate_log",
            "learning_rate_log",
            "num_batches_per_epoch_log",
            "context_length_ratio_log",
        ),
        {
            "metric_CRPS": Measure(
                Metric("crps", True, "1", 0.0, None, "Continuous ranked probability score, scaled.")
            ),
            "metric_RMSE": Measure(METRICS["rmse"]),
            "metric_throughput": Measure(
                Metric("throughput", False, "1/s", 0.0, None, "Training samples in a second.")
            ),
            "metric_train_loss": Measure(
                Metric("train_loss", True, "1", None, None, "Loss on the training part.")
            ),
        },
        cost_s="metric_time",
    ),
    "NAS": Blackbox(
        "nas-bench-201",
        "classification",
        tuple(f"x{edge}" for edge in range(6)),
        {
            "metric_test_accuracy": Measure(METRICS["accuracy"], _from_percent),
            "metric_train_accuracy": Measure(
                Metric("accuracy/train", False, "1", 0.0, 1.0, "Accuracy on the training part."),
                _from_percent,
            ),
            "metric_params_size": Measure(
                Metric("n_parameters", True, "1", 0.0, None, "Weights of the network."),
                _from_millions,
            ),
            "metric_latency": Measure(
                Metric("latency_s", True, "s", 0.0, None, "Seconds of one pass of the network.")
            ),
        },
        operations=True,
    ),
}
