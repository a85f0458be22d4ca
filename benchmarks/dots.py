"""Values with their intervals as a picture: a row each, plain SVG as in `api.picture`."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from html import escape

from api.picture import ticks

Value = Sequence[float]
"""One value, or a value with the ends of its interval."""

COLOURS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7")
"""Okabe, Ito 2008: told apart by people with any colour vision."""

_WIDTH, _LEFT, _RIGHT, _TOP, _ROW = 720, 250, 24, 84, 30


def dots(rows: Mapping[str, Mapping[str, Value]], *, title: str, x_label: str, level: float) -> str:
    """An SVG with a dot for each value, a line through it for its interval.

    Args:
        rows: Name of a row to its series' values; every row may lack some series.
        level: Where the two sides are level: a dark line.
    """
    names = list(dict.fromkeys(name for row in rows.values() for name in row))
    every = [level, *(v for row in rows.values() for value in row.values() for v in value)]
    low, high, tick = ticks(min(every), max(every))
    bottom = _TOP + _ROW * len(rows)

    def x(value: float) -> float:
        return _LEFT + (_WIDTH - _LEFT - _RIGHT) * (value - low) / (high - low)

    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {_WIDTH} {bottom + 56}" role="img" '
        f'aria-label="{escape(title)}" font-family="system-ui, sans-serif" font-size="13">',
        f'<rect width="{_WIDTH}" height="{bottom + 56}" fill="#ffffff"/>',
        _text(title, 16, 26, more='font-size="16" font-weight="600"'),
        _text(x_label, (_LEFT + _WIDTH - _RIGHT) / 2, bottom + 44, anchor="middle"),
    ]
    for nth in range(round((high - low) / tick) + 1):
        value = low + nth * tick
        parts.append(_line(x(value), _TOP - 12, x(value), bottom, "#e3e3e3"))
        parts.append(_text(f"{value:.4g}", x(value), bottom + 20, anchor="middle"))
    parts.append(_line(x(level), _TOP - 12, x(level), bottom, "#444444"))
    for nth, name in enumerate(names):
        at = _LEFT + 170 * nth
        parts += [_dot(at, 52, nth), _text(name, at + 12, 56)]
    for place, (row, values) in enumerate(rows.items()):
        middle = _TOP + _ROW * (place + 0.5)
        parts.append(_text(row, _LEFT - 14, middle + 4, anchor="end"))
        for nth, name in enumerate(names):
            if name in values:
                y = middle + 9 * (nth - (len(names) - 1) / 2)
                ends = values[name][1:] or values[name]
                parts.append(_line(x(min(ends)), y, x(max(ends)), y, COLOURS[nth], 2.5))
                parts.append(_dot(x(values[name][0]), y, nth))
    return "\n".join([*parts, "</svg>", ""])


def _text(text: str, x: float, y: float, *, anchor: str = "start", more: str = "") -> str:
    place = f'x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}" fill="#1a1a1a"'
    return f"<text {place} {more}>{escape(text)}</text>"


def _line(x1: float, y1: float, x2: float, y2: float, colour: str, width: float = 1) -> str:
    ends = f'x1="{x1:.1f}" y1="{y1:.1f}" x2="{x2:.1f}" y2="{y2:.1f}"'
    return f'<line {ends} stroke="{colour}" stroke-width="{width}"/>'


def _dot(x: float, y: float, nth: int) -> str:
    """Of a colour and a form for each series."""
    if nth % 2:
        return f'<rect x="{x - 4:.1f}" y="{y - 4:.1f}" width="8" height="8" fill="{COLOURS[nth]}"/>'
    return f'<circle cx="{x:.1f}" cy="{y:.1f}" r="5" fill="{COLOURS[nth]}"/>'
