"""How recommenders compare, as pictures: regret curves with bands, and mean ranks, as Vega-Lite.

The specifications are plain dicts with their data in them, drawn by `api.drawing`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from math import log10
from typing import Any

from api.published import Row
from recommenders.comparison import Comparison

# Okabe, Ito 2008: told apart by people with any colour vision; yellow is too pale for a line.
COLOURS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#000000")
_DASHES = ([1, 0], [6, 3], [2, 2], [8, 2, 2, 2])
_OTHERS, _TEXT, _FAINT = "#8a8a8a", "#444444", "#e6e6e6"
_WIDTH, _HEIGHT = 620, 400
_LABEL_PX = 14  # of one label's height
FLOOR = 1e-4
"""Regrets below it are drawn there: the axis is logarithmic, and 0 has no place on it."""

_CONFIG: dict[str, Any] = {
    "view": {"stroke": None},
    "font": "system-ui, sans-serif",
    "title": {"anchor": "start", "fontSize": 16, "subtitleColor": _TEXT, "offset": 14},
    "axis": {
        "labelColor": _TEXT,
        "titleColor": _TEXT,
        "titleFontWeight": "normal",
        "gridColor": _FAINT,
        "domain": False,
        "ticks": False,
    },
}
_SCHEMA = "https://vega.github.io/schema/vega-lite/v5.json"


def regret_curves(
    comparison: Comparison, rows: Sequence[Row] = (), *, title: str
) -> dict[str, Any]:
    """Mean regret over the number of configurations tried: a line with its band for each method.

    Args:
        rows: Published figures, as dashed grey lines.
    """
    names = [m.name for m in comparison.methods]
    n = max((k for m in comparison.methods for k in m.regret), default=1)
    lines: dict[str, list[tuple[int, float]]] = {}
    bands: list[dict[str, Any]] = []
    for name in names:
        mean, low, high = comparison.curves[name][:, :n]
        lines[name] = [(k, float(v)) for k, v in enumerate(mean, 1)]
        bands += [
            {"method": name, "k": k, "low": _up(lo), "high": _up(hi)}
            for k, (lo, hi) in enumerate(zip(low, high, strict=True), 1)
        ]
    others = {f"{r.name} \u2020": [(k, v) for k, v in r.regret.items() if k <= n] for r in rows}
    others = {name: points for name, points in others.items() if points}
    low = min(_up(v) for points in (*lines.values(), *others.values()) for _, v in points)
    domain = [10 ** (log10(low) - 0.08), 1.0]
    x = {
        "field": "k",
        "type": "quantitative",
        "title": "configurations tried",
        "scale": {"type": "log", "domain": [1, max(2, n)], "nice": False},
        "axis": {"values": [k for k in (1, 2, 3, 5, 10, 20, 50, 100, 200) if k <= n], "grid": False,
                 "format": "d"},
    }  # fmt: skip
    y = {
        "type": "quantitative",
        "title": "mean normalised regret of the best so far",
        "scale": {"type": "log", "domain": domain, "nice": False, "clamp": True},
        "axis": {
            "values": [v for v in _ticks() if domain[0] <= v],
            "labelExpr": f"datum.value <= {FLOOR} ? '\u2264 {FLOOR}' : format(datum.value, '~g')",
        },
    }
    colour, dash = _marks(names)
    method = {"field": "method", "type": "nominal", "legend": None}
    layers: list[dict[str, Any]] = [
        {
            "data": {"values": [b | {"low": max(b["low"], domain[0])} for b in bands]},
            "mark": {"type": "area", "opacity": 0.5 / max(4, len(names))},
            "encoding": {
                "x": x,
                "y": y | {"field": "low"},
                "y2": {"field": "high"},
                "color": method | {"scale": colour},
            },
        }
    ]
    if others:
        layers.append(
            {
                "data": {"values": _points(others)},
                "mark": {
                    "type": "line",
                    "color": _OTHERS,
                    "strokeWidth": 1.2,
                    "strokeDash": [4, 3],
                    "point": {"size": 18, "color": _OTHERS},
                },
                "encoding": {"x": x, "y": y | {"field": "regret"}, "detail": {"field": "method"}},
            }
        )
    layers.append(
        {
            "data": {"values": _points(lines)},
            "mark": {"type": "line", "strokeWidth": 2.2},
            "encoding": {
                "x": x,
                "y": y | {"field": "regret"},
                "color": method | {"scale": colour},
                "strokeDash": method | {"scale": dash},
                "tooltip": [{"field": "method"}, {"field": "k"},
                            {"field": "regret", "format": ".4f"}],
            },
        }
    )  # fmt: skip
    return {
        "$schema": _SCHEMA,
        "title": {"text": title, "subtitle": _said(comparison, bool(others))},
        "width": _WIDTH,
        "height": _HEIGHT,
        "layer": [*layers, *_labels(lines, others, domain, colour)],
        "config": _CONFIG,
    }


def _said(comparison: Comparison, others: bool) -> list[str]:
    n = comparison.tasks[comparison.at]
    said = [f"mean over {n:,} task{'s' * (n != 1)} left out; bands: 95 % bootstrap intervals"]
    if others:
        said.append("\u2020 dashed, grey: figures of others, see the table for their source")
    return said


def _up(value: float) -> float:
    return max(float(value), FLOOR)


def _ticks() -> list[float]:
    return [float(f"{d}e{e}") for e in range(-4, 1) for d in (1, 2, 5) if float(f"{d}e{e}") <= 1]


def _marks(names: Sequence[str]) -> tuple[dict[str, Any], dict[str, Any]]:
    """Scales of colours and dashes: a pair of its own for each of 28 methods."""
    colours = [COLOURS[i % len(COLOURS)] for i in range(len(names))]
    dashes = [_DASHES[i // len(COLOURS) % len(_DASHES)] for i in range(len(names))]
    return {"domain": list(names), "range": colours}, {"domain": list(names), "range": dashes}


def _points(lines: Mapping[str, Sequence[tuple[int, float]]]) -> list[dict[str, Any]]:
    return [
        {"method": name, "k": k, "regret": _up(v)} for name, line in lines.items() for k, v in line
    ]


def _labels(
    lines: Mapping[str, Sequence[tuple[int, float]]],
    others: Mapping[str, Sequence[tuple[int, float]]],
    domain: Sequence[float],
    colour: dict[str, Any],
) -> list[dict[str, Any]]:
    """Names at the right end, pushed apart so that none lies on another, with a line to each."""
    top, bottom = log10(domain[1]), log10(domain[0])
    ends = {name: line[-1] for name, line in (*lines.items(), *others.items())}
    order = sorted(ends, key=lambda name: -ends[name][1])
    wanted = [(top - log10(_up(ends[n][1]))) / (top - bottom) * _HEIGHT for n in order]
    places = dict(zip(order, spread(wanted, _LABEL_PX), strict=True))
    k_last = max(k for k, _ in ends.values())

    def position(k: int) -> float:
        return log10(k) / log10(max(2, k_last)) * _WIDTH

    marks: list[dict[str, Any]] = []
    for name in order:
        k, value = ends[name]
        at = (top - log10(_up(value))) / (top - bottom) * _HEIGHT
        own = name in lines
        ink = colour["range"][colour["domain"].index(name)] if own else _OTHERS
        dashes = _DASHES[list(lines).index(name) // len(COLOURS) % len(_DASHES) if own else 0]
        tip = {"value": _WIDTH + 26}
        marks.append(
            {
                "data": {"values": [{}]},
                "mark": {"type": "rule", "color": ink, "opacity": 0.45, "strokeWidth": 0.8,
                         "strokeDash": dashes, "clip": False},
                "encoding": {"x": {"value": position(k) + 2}, "x2": tip, "y": {"value": at},
                             "y2": {"value": places[name]}},
            }
        )  # fmt: skip
        marks.append(
            {
                "data": {"values": [{}]},
                "mark": {"type": "text", "text": name, "align": "left", "baseline": "middle",
                         "dx": 4, "color": ink, "fontSize": 11, "clip": False,
                         "fontWeight": "bold" if own else "normal"},
                "encoding": {"x": tip, "y": {"value": places[name]}},
            }
        )  # fmt: skip
    return marks


def spread(wanted: Sequence[float], apart: float) -> list[float]:
    """Places in the same order, at least `apart` from each other, close to the wanted ones.

    Neighbours that are too close become a group around the mean of what they wanted; groups that
    meet are joined.
    """
    groups: list[tuple[list[float], float]] = []  # what its members wanted, where it starts
    for place in wanted:
        members, start = [place], place
        while groups and groups[-1][1] + len(groups[-1][0]) * apart > start:
            members = groups.pop()[0] + members
            start = sum(w - i * apart for i, w in enumerate(members)) / len(members)
        groups.append((members, start))
    return [start + i * apart for members, start in groups for i in range(len(members))]


def rank_diagram(comparison: Comparison, *, title: str) -> dict[str, Any]:
    """The critical-difference diagram: mean ranks, and bars over methods not told apart."""
    ranks = {m.name: m.rank[comparison.at] for m in comparison.methods}
    order = sorted(ranks, key=lambda name: (ranks[name], name))
    groups = comparison.alike()
    m, half = len(order), (len(order) + 1) // 2
    bars_px = 14 + 9 * len(groups)
    colour, _ = _marks([method.name for method in comparison.methods])
    inks = dict(zip(colour["domain"], colour["range"], strict=True))

    def place(rank: float) -> float:
        return (rank - 1) / max(1, m - 1) * _WIDTH

    marks = [_rule(0, 0, _WIDTH, 0, _TEXT)]
    for rank in range(1, m + 1):
        marks += [_rule(place(rank), -5, place(rank), 0, _TEXT),
                  _name(str(rank), place(rank), -14, "center", _TEXT)]  # fmt: skip
    if m > 1:
        wide = min(place(1 + comparison.critical), _WIDTH)
        said = f"critical difference {comparison.critical:.2f}"
        marks += [_rule(0, -34, wide, -34, _TEXT, 2.0), _rule(0, -38, 0, -30, _TEXT),
                  _rule(wide, -38, wide, -30, _TEXT),
                  _name(said, 0, -46, "left", _TEXT)]  # fmt: skip
    for nth, name in enumerate(order):
        left = nth < half
        level = bars_px + 18 * (nth if left else m - 1 - nth)
        x, edge = place(ranks[name]), -14.0 if left else _WIDTH + 14.0
        said = f"{name} {ranks[name]:.2f}" if left else f"{ranks[name]:.2f} {name}"
        marks += [_rule(x, 0, x, level, inks[name]), _rule(x, level, edge, level, inks[name]),
                  _name(said, edge + (-4 if left else 4), level, "right" if left else "left",
                        inks[name])]  # fmt: skip
    for nth, group in enumerate(groups):
        y = 10 + 9 * nth
        start, end = place(ranks[group[0]]) - 3, place(ranks[group[-1]]) + 3
        marks.append(_rule(start, y, end, y, "#000000", 3.5))
    k, n = comparison.at, comparison.tasks[comparison.at]
    p = f"{comparison.p:.2g}" if comparison.p >= 1e-4 else "below 0.0001"
    return {
        "$schema": _SCHEMA,
        "title": {
            "text": title,
            "subtitle": [
                f"mean rank after {k} configuration{'s' * (k != 1)} on {n:,} tasks, 1 is best; a "
                "bar joins methods that are not told apart (Nemenyi, 5 %)",
                f"Friedman's test of equal ranks: p = {p}".replace("= below", "below"),
            ],
        },
        "width": _WIDTH,
        "height": bars_px + 18 * half,
        "layer": marks,
        "config": _CONFIG | {"title": _CONFIG["title"] | {"offset": 16}},
    }


def _rule(x: float, y: float, x2: float, y2: float, ink: str, width: float = 1.2) -> dict[str, Any]:
    return {
        "data": {"values": [{}]},
        "mark": {"type": "rule", "color": ink, "strokeWidth": width, "clip": False},
        "encoding": {
            "x": {"value": x},
            "x2": {"value": x2},
            "y": {"value": y},
            "y2": {"value": y2},
        },
    }


def _name(text: str, x: float, y: float, align: str, ink: str) -> dict[str, Any]:
    mark = {"type": "text", "text": text, "align": align, "baseline": "middle", "color": ink,
            "fontSize": 12, "clip": False}  # fmt: skip
    return {
        "data": {"values": [{}]},
        "mark": mark,
        "encoding": {"x": {"value": x}, "y": {"value": y}},
    }
