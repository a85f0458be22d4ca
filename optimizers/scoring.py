"""The metrics of a cross-validation: what predictions are worth, under the names of the store."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from metadb.errors import WrongUsage
from metadb.metrics import METRICS, Metric, canonical


@dataclass(frozen=True, slots=True)
class Predicted:
    """What a model says of test rows, beside the truth.

    Args:
        y: The truth, (n,): classes as numbers 0 to k - 1, or the target.
        said: What is predicted, (n,).
        score: How much speaks for each class, (n, k); None for numbers.
        probability: Of each class, (n, k); None where the model knows none.
    """

    y: NDArray[Any]
    said: NDArray[Any]
    score: NDArray[np.float64] | None = None
    probability: NDArray[np.float64] | None = None


def _accuracy(p: Predicted) -> float | None:
    return float(np.mean(p.y == p.said))


def _balanced_accuracy(p: Predicted) -> float | None:
    return float(np.mean([np.mean(p.said[p.y == c] == c) for c in np.unique(p.y)]))


def _roc_auc(p: Predicted) -> float | None:
    """Of each class against the rest, weighted by how often the class occurs.

    The area is the share of pairs of a member and another that the score puts in the right order,
    ties counting half, which ranks tell (Mann, Whitney 1947).
    """
    from scipy.stats import rankdata

    if p.score is None:
        return None
    members = np.bincount(p.y, minlength=p.score.shape[1])  # (k,)
    there = np.flatnonzero((members > 0) & (members < len(p.y)))
    if not len(there):
        return None
    there = there[-1:] if p.score.shape[1] == 2 else there  # the other's area is the same
    rank = rankdata(p.score[:, there], axis=0)  # (n, classes there)
    own = members[there]
    above = np.where(p.y[:, None] == there, rank, 0.0).sum(axis=0) - own * (own + 1) / 2
    area = above / (own * (len(p.y) - own))
    return float(np.average(area, weights=own))


def _log_loss(p: Predicted) -> float | None:
    """Probabilities of 0 count as the smallest that a float tells from 0, as in scikit-learn."""
    if p.probability is None:
        return None
    least = np.finfo(np.float64).eps
    true = p.probability[np.arange(len(p.y)), p.y]
    return float(-np.log(np.clip(true, least, 1.0)).mean())


def _f1(p: Predicted) -> float | None:
    from sklearn.metrics import f1_score

    return float(f1_score(p.y, p.said, average="weighted", zero_division=0))


def _rmse(p: Predicted) -> float | None:
    return float(np.sqrt(np.mean(np.square(p.y - p.said))))


def _mae(p: Predicted) -> float | None:
    return float(np.mean(np.abs(p.y - p.said)))


def _r2(p: Predicted) -> float | None:
    spread = np.square(p.y - p.y.mean()).sum()
    return float(1.0 - np.square(p.y - p.said).sum() / spread) if spread > 0 else None


SCORES: dict[str, dict[str, Callable[[Predicted], float | None]]] = {
    "classification": {
        "accuracy": _accuracy,
        "balanced_accuracy": _balanced_accuracy,
        "roc_auc": _roc_auc,
        "log_loss": _log_loss,
        "f1": _f1,
    },
    "regression": {"rmse": _rmse, "mae": _mae, "r2": _r2},
}
"""Kind of task to the metrics that each evaluation is recorded under; the first is the default.

A score is None where it cannot be told: an area under the curve of one class, a logarithmic loss
without probabilities.
"""


def metric_for(kind: str, name: str | None = None) -> Metric:
    """A metric by any of its names, if it is one of a kind of task; the kind's first by default.

    Raises:
        WrongUsage: It is none.
    """
    named = next(iter(SCORES[kind])) if name is None else canonical(name)
    if named not in SCORES[kind]:
        known = ", ".join(SCORES[kind])
        raise WrongUsage(f"{name!r} is no metric of a {kind} here; there are {known}")
    return METRICS[named]


def scores(kind: str, predicted: Predicted) -> dict[str, float]:
    """Every score of a kind of task that can be told."""
    found = {name: score(predicted) for name, score in SCORES[kind].items()}
    return {n: float(v) for n, v in found.items() if v is not None and np.isfinite(v)}
