"""The report of an architecture search: one HTML file, its pictures in it, no script."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from html import escape
from typing import TYPE_CHECKING, Any

from api.report_charts import Dot, Line, curves, history
from api.report_style import STYLE
from api.terminal import config_text, printable
from metadb import __version__

if TYPE_CHECKING:
    from metadb.records import Evaluation
    from optimizers.nas.training import Look

SHOWN = 10
"""So many architectures stand in the table."""


def report(
    answer: Mapping[str, Any], evaluations: Sequence[Evaluation], looks: Sequence[Look]
) -> str:
    """The page: the best architecture, every trial, the last training's curve."""
    title = f"Architectures of {answer['space']} for {answer['data']}"
    most = max(e.trial.budget for e in evaluations)
    dots = [
        Dot(
            n, None if e.loss is None else -e.loss, e.trial.budget >= most, n <= answer["first"],
            printable(config_text(e.trial.config)),
        )
        for n, e in enumerate(evaluations, 1)
    ]  # fmt: skip
    picture = history(dots, lower_is_better=False, metric="accuracy", title="Every trial")
    figures = [f"<figure>{picture}<figcaption>Every trial</figcaption></figure>"]
    if len(looks) > 1:
        line = Line("accuracy", [(float(k.epoch), k.accuracy) for k in looks])
        drawn = curves([line], metric="accuracy", x_label="epochs", title="The last training")
        figures.append(f"<figure>{drawn}<figcaption>The last training</figcaption></figure>")
    scored = sorted(
        (e for e in evaluations if e.loss is not None),
        key=lambda e: (-e.trial.budget, e.loss),
    )
    rows = "\n".join(
        f"<tr><td>{-float(e.loss or 0):.4f}</td><td>{e.trial.budget:g}</td>"
        f"<td>{e.cost_s or 0:.1f}</td><td>{_safe(config_text(e.trial.config))}</td></tr>"
        for e in scored[:SHOWN]
    )
    about = "\n".join(
        f"<tr><td>{_safe(name)}</td><td>{_safe(value)}</td></tr>"
        for name, value in answer.items()
        if not isinstance(value, Mapping)
    )
    return (
        '<!doctype html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n'
        '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
        f"<title>{_safe(title)}</title>\n<style>{STYLE}</style>\n</head>\n<body>\n"
        f"<h1>{_safe(title)}</h1>\n"
        f"<p>accuracy <b>{answer['accuracy']:.4f}</b> on the images that no network was trained "
        "on, by which the best of the trials was chosen; on others expect less; metadb "
        f"{__version__}</p>\n{''.join(figures)}\n"
        "<h2>The best architectures</h2>\n<table><thead><tr><th>accuracy</th><th>epochs</th>"
        f"<th>seconds</th><th>architecture</th></tr></thead><tbody>{rows}</tbody></table>\n"
        f"<h2>The search</h2>\n<table><tbody>{about}</tbody></table>\n</body>\n</html>\n"
    )


def _safe(text: object) -> str:
    return escape(printable(str(text)))


__all__ = ["report"]
