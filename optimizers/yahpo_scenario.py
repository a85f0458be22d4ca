"""What YAHPO's files do not say: the order of a surrogate's inputs and outputs, and their meaning.

The order is that of yahpo_gym's code (Pfisterer et al. 2022).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True)
class Target:
    """An output of a surrogate.

    Args:
        most: The largest possible value where more is better; None where less is better.
        metric: The name that metadb gives to this measure; None where it is a cost.
    """

    name: str
    most: float | None = None
    metric: str | None = None

    def loss(self, value: float) -> float:
        """The value turned so that smaller is better: the share of a score that is missing."""
        return value if self.most is None else 1.0 - value / self.most


@dataclass(frozen=True, slots=True)
class Scenario:
    """A surrogate's inputs and outputs in their order.

    Args:
        categories: Inputs given as codes.
        numbers: Inputs given as they are.
        instance: The input that says which task; None where there is one only.
        task: The task's id in a store, with `{}` for the instance.
        fidelity: The input that is the budget, whole where `unit` is epochs.
        full: The largest budget.
        default: Place of the target that is minimised where none is asked for.
        cost: Targets that add up to the seconds from the start.
        fixed: Inputs that are neither searched nor asked for.
    """

    categories: tuple[str, ...]
    numbers: tuple[str, ...]
    targets: tuple[Target, ...]
    instance: str | None
    task: str
    fidelity: str
    unit: str
    least: float
    full: float
    default: int
    cost: tuple[str, ...]
    fixed: Mapping[str, str] = field(default_factory=dict)


DARTS_CELL = "NetworkSelectorDatasetInfo_COLON_darts_COLON_"
"""What stands before the name of each hyperparameter of a DARTS cell."""

SCENARIOS: dict[str, Scenario] = {
    "lcbench": Scenario(
        categories=("OpenML_task_id",),
        numbers=(
            "epoch",
            "batch_size",
            "learning_rate",
            "momentum",
            "weight_decay",
            "num_layers",
            "max_units",
            "max_dropout",
        ),
        targets=(
            Target("time"),
            Target("val_accuracy", 100.0, "accuracy"),
            Target("val_cross_entropy", None, "log_loss"),
            Target("val_balanced_accuracy", 1.0, "balanced_accuracy"),
            Target("test_cross_entropy", None, "test_log_loss"),
            Target("test_balanced_accuracy", 1.0, "test_balanced_accuracy"),
        ),
        instance="OpenML_task_id",
        task="openml:task/{}",
        fidelity="epoch",
        unit="epochs",
        least=1,
        full=52,
        default=1,
        cost=("time",),
    ),
    "nb301_v2": Scenario(
        categories=tuple(
            f"{DARTS_CELL}{part}"
            for part in (
                *(f"edge_{cell}_{i}" for cell in ("normal", "reduce") for i in range(14)),
                *(f"inputs_node_{cell}_{i}" for cell in ("normal", "reduce") for i in (3, 4, 5)),
            )
        ),
        numbers=("epoch",),
        targets=(
            Target("val_accuracy", 1.0, "accuracy"),
            Target("val_cross_entropy", None, "log_loss"),
            Target("runtime"),
            Target("runtime_increase"),
        ),
        instance=None,
        task="yahpo:nb301/CIFAR10",
        fidelity="epoch",
        unit="epochs",
        least=1,
        full=98,
        default=0,
        cost=("runtime",),
    ),
    "rbv2_ranger_v2": Scenario(
        categories=(
            "task_id",
            "respect.unordered.factors",
            "splitrule",
            "replace",
            "num.impute.selected.cpo",
            "repl",
        ),
        numbers=(
            "num.trees",
            "sample.fraction",
            "mtry.power",
            "min.node.size",
            "num.random.splits",
            "trainsize",
        ),
        targets=(
            Target("acc", 1.0, "accuracy"),
            Target("bac", 1.0, "balanced_accuracy"),
            Target("auc", 1.0, "roc_auc"),
            Target("brier", None, "brier"),
            Target("logloss", None, "log_loss"),
            Target("timetrain"),
            Target("timepredict"),
        ),
        instance="task_id",
        task="openml:dataset/{}",
        fidelity="trainsize",
        unit="fraction",
        least=0.03,
        full=1.0,
        default=0,
        cost=("timetrain", "timepredict"),
        fixed={"repl": "10"},
    ),
}
"""Name to what it takes and gives; the folders of yahpo_data bear the names without `_v2`."""
