"""The report of a few-shot training: one HTML file, its learning curve in it, no script."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from html import escape
from typing import TYPE_CHECKING, Any

from api.report_charts import Line, curves
from api.report_style import STYLE
from api.terminal import printable
from metadb import __version__

if TYPE_CHECKING:
    from optimizers.fewshot.evaluation import Scores
    from optimizers.fewshot.training import Look


def report(about: Mapping[str, Any], looks: Sequence[Look], scores: Scores) -> str:
    """The page: the score with its interval, the curves, and what was trained how."""
    title = f"{about['learner']} on {about['data']}"
    rows = "\n".join(
        f"<tr><td>{_safe(name)}</td><td>{_safe(_plain(value))}</td></tr>"
        for name, value in about.items()
    )
    return (
        '<!doctype html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n'
        '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
        f"<title>{_safe(title)}</title>\n<style>{STYLE}</style>\n</head>\n<body>\n"
        f"<h1>{_safe(title)}</h1>\n"
        f"<p>{_safe(scores.metric)} <b>{_safe(scores)}</b> on {len(scores.each):,} tasks that "
        f"training never met; metadb {__version__}</p>\n"
        f"{''.join(_curves(looks, scores.metric))}\n"
        f"<h2>What was trained</h2>\n<table><tbody>{rows}</tbody></table>\n</body>\n</html>\n"
    )


def _curves(looks: Sequence[Look], metric: str) -> list[str]:
    found = []
    if len(looks) > 1:
        loss = [(float(k.step), k.loss) for k in looks]
        found.append(_figure([Line("loss", loss)], "loss", "Mean loss of the steps so far"))
    scored = [k for k in looks if k.score is not None]
    if len(scored) > 1:
        points = [(float(k.step), float(k.score or 0.0)) for k in scored]
        band = [
            (float(k.step), (k.score or 0.0) - (k.half_width or 0.0),
             (k.score or 0.0) + (k.half_width or 0.0))
            for k in scored
        ]  # fmt: skip
        line = Line(metric, points, band=band)
        found.append(_figure([line], metric, "New tasks of the trained classes, 95 % interval"))
    return found


def _figure(lines: Sequence[Line], metric: str, caption: str) -> str:
    picture = curves(lines, metric=metric, x_label="steps", title=caption)
    return f"<figure>{picture}<figcaption>{_safe(caption)}</figcaption></figure>"


def _plain(value: object) -> object:
    if isinstance(value, Mapping):
        return ", ".join(f"{name}={one:g}" for name, one in value.items())
    return ", ".join(map(str, value)) if isinstance(value, list | tuple) else value


def _safe(text: object) -> str:
    return escape(printable(str(text)))
