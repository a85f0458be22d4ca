"""The plots of the pages as Vega-Lite, without colours of their own: the page gives them its own.

Every plot has its data in it, and a table of the same numbers beside it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

Spec = dict[str, Any]
Row = Mapping[str, Any]

_ROW = 24  # px of one row of a plot with a row for each thing
_WIDE: Spec = {"width": "container", "autosize": {"type": "fit-x", "contains": "padding"}}

MARKS = ("bar", "line", "point")
"""How an answer of SQL can be drawn."""

MOST_VALUES = 40
"""A column of text with more values than this has no colours."""


def coverage(cover: Mapping[str, Any]) -> Spec:
    """The map of tasks and configurations: how full each cell is."""
    tall, wide = np.cumsum([0, *cover["tall"]]), np.cumsum([0, *cover["wide"]])
    values = [
        {"x": int(wide[j]), "x2": int(wide[j + 1]), "y": int(tall[i]), "y2": int(tall[i + 1]),
         "share": share}
        for i, row in enumerate(cover["share"])
        for j, share in enumerate(row)
        if share > 0
    ]  # fmt: skip
    x = {"type": "quantitative", "scale": {"domain": [0, cover["configs"]], "nice": False}}
    y = {"type": "quantitative",
         "scale": {"domain": [0, cover["tasks"]], "nice": False, "reverse": True}}  # fmt: skip
    whole: Spec = {"tickMinStep": 1, "format": ",d", "grid": False}
    return _WIDE | {
        "height": 230,
        "data": {"values": values},
        "mark": {"type": "rect", "tooltip": True},
        "encoding": {
            "x": {"field": "x", "title": "configurations, those run on most tasks first",
                  "axis": whole, **x},
            "x2": {"field": "x2"},
            "y": {"field": "y", "title": "tasks, fullest first", "axis": whole, **y},
            "y2": {"field": "y2"},
            "color": {
                "field": "share", "type": "quantitative", "title": "share that was run",
                "scale": {"domain": [0, 1], "range": "ramp"}, "legend": {"format": ".0%"},
            },
            "tooltip": [
                {"field": "y", "title": "tasks from"}, {"field": "y2", "title": "to"},
                {"field": "x", "title": "configurations from"}, {"field": "x2", "title": "to"},
                {"field": "share", "title": "share that was run", "format": ".0%"},
            ],
        },
    }  # fmt: skip


def arrivals(arrived: Sequence[Row]) -> Spec:
    """What came when: rows that were new, summed up, by source."""
    total: dict[str, int] = {}
    values = []
    for row in arrived:
        total[row["source"]] = total.get(row["source"], 0) + row["n"]
        values.append({"at": row["hour"].isoformat(), "source": row["source"],
                       "new": row["n"], "in all": total[row["source"]]})  # fmt: skip
    return _WIDE | {
        "height": 180,
        "data": {"values": values},
        "mark": {"type": "line", "interpolate": "step-after", "point": True, "tooltip": True},
        "encoding": {
            "x": {"field": "at", "type": "temporal", "title": "UTC", "axis": {"tickCount": 6}},
            "y": {"field": "in all", "type": "quantitative", "title": "rows in all",
                  "axis": {"format": "~s"}},
            "color": {"field": "source", "type": "nominal"},
        },
    }  # fmt: skip


def curves(points: Sequence[Row], *, metric: str, unit: str) -> Spec:
    """Learning curves: a line a configuration, named by its row in the leaderboard."""
    budgets = {p["budget"] for p in points if p["budget"] > 0}
    far = len(budgets) > 1 and max(budgets) / min(budgets) >= 20
    values = [{k: p[k] for k in ("name", "budget", "value")} for p in points]
    return _WIDE | {
        "height": 260,
        "data": {"values": values},
        "mark": {"type": "line", "point": {"size": 18}, "tooltip": True},
        "encoding": {
            "x": {"field": "budget", "type": "quantitative", "title": f"budget, {unit}",
                  "axis": {"tickCount": 8},
                  "scale": {"type": "log" if far else "linear", "nice": False}},
            "y": {"field": "value", "type": "quantitative", "title": metric,
                  "scale": {"zero": False}},
            "color": {"field": "name", "type": "nominal", "title": "row above",
                      "sort": sorted({p["name"] for p in points}, key=int)},
        },
    }  # fmt: skip


def expected(advice: Sequence[Row]) -> Spec:
    """What each recommendation is expected to lose, with its interval."""
    values = [
        {"rank": r["rank"], "regret": r["expected_loss"],
         "low": (r["interval"] or [None])[0], "high": (r["interval"] or [None, None])[1]}
        for r in advice
        if r["expected_loss"] is not None
    ]  # fmt: skip
    y: Spec = {"field": "rank", "type": "ordinal", "title": "recommendation"}
    x: Spec = {"type": "quantitative", "axis": {"tickCount": 6},
               "title": "expected regret: 0 as good as the best, 1 as the worst"}  # fmt: skip
    return _WIDE | {
        "height": _ROW * max(len(values), 2),
        "data": {"values": values},
        "layer": [
            {"mark": {"type": "rule", "strokeWidth": 3, "opacity": 0.45},
             "encoding": {"y": y, "x": {"field": "low", **x}, "x2": {"field": "high"}}},
            {"mark": {"type": "point", "filled": True, "size": 90, "opacity": 1, "tooltip": True},
             "encoding": {"y": y, "x": {"field": "regret", **x}}},
        ],
    }  # fmt: skip


def parallel(lines: Sequence[Row], axes: Sequence[Row]) -> Spec:
    """Parallel coordinates: a line a configuration, coloured by its mean regret.

    Args:
        lines: Each with its `regret` and `places`, one for each axis, from 0 to 1 or None.
        axes: Each with its `label`, and its `low` and `high` end as text.
    """
    names = [axis["label"] for axis in axes]
    ordered = sorted(range(len(lines)), key=lambda i: -lines[i]["regret"])  # the best on top
    values = [
        {"config": nth, "axis": name, "place": place, "regret": lines[i]["regret"]}
        for nth, i in enumerate(ordered)
        for name, place in zip(names, lines[i]["places"], strict=True)
        if place is not None
    ]
    ends = [
        {"axis": axis["label"], "place": place, "text": axis[end]}
        for axis in axes
        for place, end in ((-0.07, "low"), (1.07, "high"))
    ]
    x: Spec = {"field": "axis", "type": "nominal", "sort": names, "scale": {"type": "point"},
               "axis": {"title": None, "labelAngle": -20, "grid": True, "ticks": False,
                        "labelLimit": 150, "domain": False}}  # fmt: skip
    y: Spec = {"field": "place", "type": "quantitative", "axis": None,
               "scale": {"domain": [-0.1, 1.1], "nice": False}}  # fmt: skip
    return _WIDE | {
        "height": 300,
        "layer": [
            {
                "data": {"values": values},
                "mark": {"type": "line", "strokeWidth": 1.3, "opacity": 0.6},
                "encoding": {
                    "x": x, "y": y, "detail": {"field": "config"},
                    "color": {"field": "regret", "type": "quantitative", "title": "mean regret",
                              "scale": {"range": "ramp", "reverse": True}},
                },
            },
            {"data": {"values": ends}, "mark": {"type": "text", "fontSize": 11, "limit": 110},
             "encoding": {"x": x, "y": y, "text": {"field": "text"}}},
        ],
    }  # fmt: skip


def importance(shares: Sequence[Row]) -> Spec:
    """Which hyperparameters matter: the median share of variance, and its quartiles over tasks."""
    values = [dict(row) for row in shares]
    y: Spec = {"field": "name", "type": "nominal", "sort": None, "title": None,
               "axis": {"labelLimit": 190}}  # fmt: skip
    x: Spec = {"type": "quantitative", "title": "share of the loss's variance",
               "axis": {"format": ".0%"}}  # fmt: skip
    return _WIDE | {
        "height": _ROW * max(len(values), 2),
        "data": {"values": values},
        "layer": [
            {"mark": {"type": "bar", "opacity": 0.55, "tooltip": True},
             "encoding": {"y": y, "x": {"field": "median", **x}}},
            {"mark": {"type": "rule", "strokeWidth": 2},
             "encoding": {"y": y, "x": {"field": "low", **x}, "x2": {"field": "high"}}},
        ],
    }  # fmt: skip


def answer(rows: Sequence[Row], *, mark: str, x: str, y: str) -> Spec:
    """An answer of SQL as a plot."""
    return _WIDE | {
        "height": 280,
        "data": {"values": [{"x": _drawn(row[x]), "y": _drawn(row[y])} for row in rows]},
        "mark": {"type": mark, "tooltip": True},
        "encoding": {
            "x": {"field": "x", "title": x, "sort": None, "type": _kind(rows, x, mark),
                  "scale": {"zero": False} if _kind(rows, x, mark) == "quantitative" else {},
                  "axis": {"labelLimit": 120, "labelOverlap": True}},
            "y": {"field": "y", "title": y, "type": _kind(rows, y, "")},
        },
    }  # fmt: skip


def _drawn(value: Any) -> Any:
    return value.isoformat() if hasattr(value, "isoformat") else value


def _kind(rows: Sequence[Row], column: str, mark: str) -> str:
    """What Vega-Lite is to take a column for; the bars of few numbers stand side by side."""
    values = [row[column] for row in rows if row[column] is not None]
    if all(hasattr(value, "isoformat") for value in values):
        return "temporal" if mark != "bar" else "ordinal"
    if all(isinstance(value, int | float) and not isinstance(value, bool) for value in values):
        return "ordinal" if mark == "bar" and len(set(values)) <= MOST_VALUES else "quantitative"
    return "nominal"
