"""Curves as a picture: plain SVG, written by hand, so that it needs no library and no network."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from html import escape
from math import floor, log10

_WIDTH, _HEIGHT = 720, 420
_LEFT, _RIGHT, _TOP, _BOTTOM = 76, 24, 56, 56
# Okabe, Ito 2008: told apart by people with any colour vision.
_COLOURS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9")
_DASHES = ("", "7 4", "2 3", "9 3 2 3", "4 2", "1 3")


def curves(
    series: Mapping[str, Sequence[float]], *, title: str, x_label: str, y_label: str
) -> str:
    """An SVG of step curves over 1, 2, 3, ...; several series share the axes.

    Args:
        series: Name to values, one for each step.
    """
    values = [v for line in series.values() for v in line]
    low, high, step = _ticks(min(values), max(values))
    n = max(len(line) for line in series.values())

    def x(i: float) -> float:
        return _LEFT + (_WIDTH - _LEFT - _RIGHT) * (i - 1) / max(1, n - 1)

    def y(v: float) -> float:
        return _TOP + (_HEIGHT - _TOP - _BOTTOM) * (high - v) / (high - low)

    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {_WIDTH} {_HEIGHT}" role="img" '
        f'aria-label="{escape(title)}" font-family="system-ui, sans-serif" font-size="13">',
        f'<rect width="{_WIDTH}" height="{_HEIGHT}" fill="#ffffff"/>',
        f'<text x="{_LEFT}" y="26" font-size="16" font-weight="600" fill="#1a1a1a">{escape(title)}</text>',
    ]
    tick = low
    while tick <= high + step / 2:
        parts.append(
            f'<line x1="{_LEFT}" x2="{_WIDTH - _RIGHT}" y1="{y(tick):.1f}" y2="{y(tick):.1f}" '
            f'stroke="#e3e3e3"/><text x="{_LEFT - 8}" y="{y(tick) + 4:.1f}" text-anchor="end" '
            f'fill="#444">{tick:.4g}</text>'
        )
        tick += step
    for i in [1, *range(5, n + 1, max(5, n // 4 // 5 * 5))]:
        parts.append(
            f'<text x="{x(i):.1f}" y="{_HEIGHT - _BOTTOM + 20}" text-anchor="middle" '
            f'fill="#444">{i}</text>'
        )
    parts.append(
        f'<text x="{(_LEFT + _WIDTH - _RIGHT) / 2}" y="{_HEIGHT - 12}" text-anchor="middle" '
        f'fill="#1a1a1a">{escape(x_label)}</text>'
        f'<text transform="translate(18 {(_TOP + _HEIGHT - _BOTTOM) / 2}) rotate(-90)" '
        f'text-anchor="middle" fill="#1a1a1a">{escape(y_label)}</text>'
    )
    for nth, (name, line) in enumerate(series.items()):
        colour, dash = _COLOURS[nth % len(_COLOURS)], _DASHES[nth % len(_DASHES)]
        path = f"M{x(1):.1f},{y(line[0]):.1f}" + "".join(
            f"H{x(i):.1f}V{y(v):.1f}" for i, v in enumerate(line[1:], 2)
        )
        stroke = f'stroke="{colour}" stroke-width="2.5" fill="none" stroke-dasharray="{dash}"'
        parts.append(f'<path d="{path}" {stroke}/>')
        legend = _WIDTH - _RIGHT - 210, _TOP + 14 + 22 * nth
        parts.append(
            f'<line x1="{legend[0]}" x2="{legend[0] + 30}" y1="{legend[1]}" y2="{legend[1]}" {stroke}/>'
            f'<text x="{legend[0] + 38}" y="{legend[1] + 4}" fill="#1a1a1a">{escape(name)}</text>'
        )
    return "\n".join([*parts, "</svg>", ""])


def _ticks(low: float, high: float) -> tuple[float, float, float]:
    """Round bounds around [low, high] and a round distance of ticks: 1, 2 or 5 times a power."""
    span = (high - low) or abs(high) or 1.0
    power = 10.0 ** floor(log10(span / 5))
    step = next(s * power for s in (1, 2, 5, 10) if span / (s * power) <= 6)
    first, last = floor(low / step) * step, -floor(-high / step) * step
    return first, last if last > first else first + step, step
