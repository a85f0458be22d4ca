"""What a tuner's word for a metric means: its canonical name, its direction, its sign."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

from metadb.errors import NotFound, WrongUsage
from metadb.metrics import METRICS, Metric, canonical

if TYPE_CHECKING:
    from ingest.study import Asked

_LOWER = ("loss", "error", "err", "cost", "perplexity", "seconds", "latency", "deviance")
_HIGHER = ("acc", "score", "auc", "reward", "auroc", "auprc", "iou", "bleu")
_LOSSES = ("brier",)  # whatever word comes behind: `brier_score`
_REGRESSION = ("r2", "mae", "mse", "rmse")
_ANY = ("fit_s", "predict_s", "runtime_s")


@dataclass(frozen=True, slots=True)
class Scale:
    """A metric of ours, and the sign that turns the tuner's values into it."""

    metric: Metric
    sign: float = 1.0


def scales(
    study: str, objectives: Mapping[str, bool | None], anonymous: bool, asked: Asked
) -> tuple[dict[str, Scale], dict[str, str]]:
    """The metrics to keep by the tuner's names, and why the others cannot be kept.

    Args:
        objectives: Metric to whether lower is better; None where the tuner does not say.
        anonymous: Whether the objectives have no names of their own, so that `asked.metric` names
            them, in their order.

    Raises:
        NotFound: A metric that is asked for is not there.
        WrongUsage: The name that is asked for contradicts the direction, or none is known.
    """
    found: dict[str, Scale] = {}
    unknown: dict[str, str] = {}
    for theirs, ours in _chosen(study, objectives, anonymous, asked.metric).items():
        lower = objectives[theirs]
        scale = _scale(ours or theirs, lower, asked.minimize)
        if scale is None and ours is not None and lower is not None:
            words = "lower" if lower else "higher"
            raise WrongUsage(
                f"in the study {study!r} {words} is better, but {ours} is better the other way; "
                "name what the objective really is, for example --metric error_rate"
            )
        if scale is None and lower is not None:  # a loss under a score's name: a thing of its own
            scale = Scale(Metric(f"{study}/{theirs}", lower))
        if scale is None and asked.metric is not None:
            raise WrongUsage(
                f"nobody knows whether lower is better for the metric {theirs!r}; add --minimize "
                "or --no-minimize"
            )
        if scale is None:
            unknown[theirs] = (
                f"metric {theirs!r} whose direction nobody knows; choose with --metric, and say "
                "--minimize or --no-minimize"
            )
        else:
            found[theirs] = scale
    return found, unknown


def kind_of(metrics: Iterable[Metric]) -> str:
    """The kind of task that is measured so; `other` where the metrics do not tell."""
    names = [metric.name for metric in metrics if metric.name in METRICS]
    telling = [name for name in names if name not in _ANY]
    if not telling:
        return "other"
    return "regression" if telling[0] in _REGRESSION else "classification"


def _chosen(
    study: str, objectives: Mapping[str, bool | None], anonymous: bool, metric: str | None
) -> dict[str, str | None]:
    """The tuner's names of the metrics to keep, and what to call them where that is said."""
    if metric is None:
        return dict.fromkeys(objectives)
    parts = [part.strip() for part in metric.split(",") if part.strip()]
    if anonymous and "=" not in metric:
        if len(parts) != len(objectives):
            raise WrongUsage(
                f"--metric names {len(parts)} metrics, but the study {study!r} has "
                f"{len(objectives)} objectives; name each, in their order, by comma"
            )
        return dict(zip(objectives, parts, strict=True))
    chosen: dict[str, str | None] = {}
    for part in parts:
        theirs, _, ours = part.partition("=")
        if theirs not in objectives:
            there = ", ".join(list(objectives)[:30]) or "none"
            raise NotFound(f"the study {study!r} has no metric {theirs!r}; there are {there}")
        chosen[theirs] = ours or None
    return chosen


def _scale(name: str, lower: bool | None, minimize: bool | None) -> Scale | None:
    """The metric of that name; None where the direction is unknown or contradicts the name."""
    known = METRICS.get(canonical(name))
    if known is not None:
        return Scale(known) if lower in (None, known.lower_is_better) else None
    if name.startswith("neg_") and not lower:  # scikit-learn's: a loss with its sign turned
        positive = canonical(name.removeprefix("neg_"))
        return Scale(METRICS.get(positive, Metric(positive, True)), -1.0)
    for direction in (lower, minimize, _told_by(name)):
        if direction is not None:
            return Scale(Metric(name, direction))
    return None


def _told_by(name: str) -> bool | None:
    """Whether lower is better by the name's last words: `val_log_loss` is a log loss."""
    words = [word for word in re.split(r"[^a-z0-9]+", name.lower()) if word]
    if "neg" in words:  # `val_neg_log_loss`: is its sign turned?
        return None
    for start in range(len(words)):
        known = METRICS.get(canonical("_".join(words[start:])))
        if known is not None:
            return known.lower_is_better
    if any(word in _LOSSES for word in words):
        return True
    if not words or words[-1] not in (*_LOWER, *_HIGHER):
        return None
    return words[-1] in _LOWER
