"""Curves as a picture: plain SVG, written by hand, so that it needs no library and no network."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from html import escape
from math import floor, log10

_WIDTH, _HEIGHT = 720, 420
_LEFT, _RIGHT, _TOP, _BOTTOM = 76, 24, 56, 56
# Okabe, Ito 2008: told apart by people with any colour vision.
_COLOURS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#000000")
_DASHES = ("", "7 4", "2 3", "9 3 2 3", "4 2", "1 3")


@dataclass(frozen=True, slots=True)
class _Axes:
    """Where steps 1..n and values in [low, high] lie in the picture."""

    n: int
    low: float
    high: float
    tick: float

    def x(self, step: float) -> float:
        return _LEFT + (_WIDTH - _LEFT - _RIGHT) * (step - 1) / self.n

    def y(self, value: float) -> float:
        return _TOP + (_HEIGHT - _TOP - _BOTTOM) * (self.high - value) / (self.high - self.low)


def curves(series: Mapping[str, Sequence[float]], *, title: str, x_label: str, y_label: str) -> str:
    """An SVG of step curves over 1, 2, 3, ...; several series share the axes.

    Args:
        series: Name to values, one for each step.
    """
    values = [v for line in series.values() for v in line]
    width = _WIDTH + 50 + 7.5 * max(len(name) for name in series)
    axes = _Axes(max(len(line) for line in series.values()), *ticks(min(values), max(values)))
    opening = (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width:.0f} {_HEIGHT}" role="img" '
        f'aria-label="{escape(title)}" font-family="system-ui, sans-serif" font-size="13">'
        f'<rect width="{width:.0f}" height="{_HEIGHT}" fill="#ffffff"/>'
    )
    words = [
        _text(title, _LEFT, 26, colour="#1a1a1a", more='font-size="16" font-weight="600"'),
        _text(
            x_label, (_LEFT + _WIDTH - _RIGHT) / 2, _HEIGHT - 12, colour="#1a1a1a", anchor="middle"
        ),
        f'<g transform="translate(18 {(_TOP + _HEIGHT - _BOTTOM) / 2}) rotate(-90)">'
        f"{_text(y_label, 0, 0, colour='#1a1a1a', anchor='middle')}</g>",
    ]
    lines = [_line(axes, line, nth) for nth, line in enumerate(series.values())]
    return "\n".join([opening, *_grid(axes), *words, *lines, *_legend(series), "</svg>", ""])


def _text(
    text: str, x: float, y: float, *, colour: str = "#444", anchor: str = "start", more: str = ""
) -> str:
    place = f'x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}" fill="{colour}"'
    return f"<text {place} {more}>{escape(text)}</text>"


def _grid(axes: _Axes) -> Iterator[str]:
    """A line and a number for each tick of the values, a number for some steps."""
    for nth in range(round((axes.high - axes.low) / axes.tick) + 1):
        value = axes.low + nth * axes.tick
        height = f'y1="{axes.y(value):.1f}" y2="{axes.y(value):.1f}"'
        yield f'<line x1="{_LEFT}" x2="{_WIDTH - _RIGHT}" {height} stroke="#e3e3e3"/>'
        yield _text(f"{value:.4g}", _LEFT - 8, axes.y(value) + 4, anchor="end")
    for step in [1, *range(5, axes.n + 1, max(5, axes.n // 4 // 5 * 5))]:
        yield _text(str(step), axes.x(step), _HEIGHT - _BOTTOM + 20, anchor="middle")


def _line(axes: _Axes, line: Sequence[float], nth: int) -> str:
    """The step curve."""
    path = f"M{axes.x(1):.1f},{axes.y(line[0]):.1f}" + "".join(
        f"H{axes.x(i):.1f}V{axes.y(v):.1f}" for i, v in enumerate(line[1:], 2)
    )
    path += f"H{axes.x(len(line) + 1):.1f}"  # the last value holds for a step too
    return f'<path d="{path}" {_stroke(nth)}/>'


def _stroke(nth: int) -> str:
    colour = _COLOURS[nth % len(_COLOURS)]
    dash = _DASHES[(nth + nth // len(_COLOURS)) % len(_DASHES)]  # the eighth is another first
    return f'stroke="{colour}" stroke-width="2.5" fill="none" stroke-dasharray="{dash}"'


def _legend(names: Iterable[str]) -> Iterator[str]:
    """Beside the curves: there is no corner that all of them leave free."""
    for nth, name in enumerate(names):
        at = _TOP + 14 + 22 * nth
        yield f'<line x1="{_WIDTH}" x2="{_WIDTH + 30}" y1="{at}" y2="{at}" {_stroke(nth)}/>'
        yield _text(name, _WIDTH + 38, at + 4, colour="#1a1a1a")


def ticks(low: float, high: float) -> tuple[float, float, float]:
    """Round bounds around [low, high] and a round distance of ticks: 1, 2 or 5 times a power."""
    span = (high - low) or abs(high) or 1.0
    power = 10.0 ** floor(log10(span / 5))
    step = next(s * power for s in (1, 2, 5, 10) if span / (s * power) <= 6)
    first, last = floor(low / step) * step, -floor(-high / step) * step
    return first, last if last > first else first + step, step
