"""The pictures of a tuning report: plain SVG whose colours are the page's, light or dark.

Classes and variables (`--ink`, `--faint`, `--c0` ...) are defined by the page, see `api.report`.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from html import escape
from itertools import pairwise
from math import log10

from api.picture import ticks

WIDTH = 860
ROOM = 48
"""Pixels between two numbers on an axis."""

COLOURS = 6
"""So many series have a colour of their own, `--c0` to `--c5`."""


@dataclass(frozen=True, slots=True)
class Dot:
    """One trial in the picture of a search.

    Args:
        n: Its place in the order of ends, from 1.
        value: None where it has no usable result.
        whole: Whether it was measured on all rows.
        first: Whether it was tried before the search began.
        said: What is told of it.
    """

    n: int
    value: float | None
    whole: bool
    first: bool
    said: str


@dataclass(frozen=True, slots=True)
class Line:
    """A series of points with a name; `low` and `high` bound a band around it."""

    name: str
    points: Sequence[tuple[float, float]]
    band: Sequence[tuple[float, float, float]] = ()
    faint: bool = False


@dataclass(frozen=True, slots=True)
class Axis:
    """One axis of parallel coordinates.

    Args:
        places: Where each line crosses it, from 0 (bottom) to 1; None where it does not.
        marks: Place and text of what is written beside it.
    """

    name: str
    places: Sequence[float | None]
    marks: Sequence[tuple[float, str]]


@dataclass(frozen=True, slots=True)
class _Frame:
    """Where values lie in a picture."""

    x: tuple[float, float]
    y: tuple[float, float]
    height: int = 360
    left: int = 70
    right: int = 24
    top: int = 18
    bottom: int = 48
    log: bool = False

    def px(self, x: float) -> float:
        low, high = self.x
        if self.log:
            x, low, high = log10(x), log10(low), log10(high)
        return self.left + (WIDTH - self.left - self.right) * (x - low) / ((high - low) or 1.0)

    def py(self, y: float) -> float:
        low, high = self.y
        y = min(max(y, low), high)
        return self.top + (self.height - self.top - self.bottom) * (high - y) / (high - low)


def history(dots: Sequence[Dot], *, lower_is_better: bool, metric: str, title: str) -> str:
    """Every trial in the order of ends, and the best so far on all rows."""
    values = [d.value for d in dots if d.value is not None]
    low, high, tick = _range(values, lower_is_better=lower_is_better)
    frame = _Frame((1, max(len(dots), 2)), (low, high))
    parts = [*_grid(frame, tick, metric), *_steps(frame, len(dots), "trials")]
    better = min if lower_is_better else max
    best: float | None = None
    path = ""
    for dot in dots:
        if dot.value is not None and dot.whole:
            now = dot.value if best is None else better(best, dot.value)
            if best is None:
                path = f"M{frame.px(dot.n):.1f},{frame.py(now):.1f}"
            elif now != best:
                path += f"H{frame.px(dot.n):.1f}V{frame.py(now):.1f}"
            best = now
    if path:
        parts.append(f'<path d="{path}H{frame.px(len(dots)):.1f}" class="line s0"/>')
    parts += [_dot(frame, dot) for dot in dots]
    return _svg(frame.height, title, parts)


def _dot(frame: _Frame, dot: Dot) -> str:
    x = frame.px(dot.n)
    said = f"<title>{escape(dot.said)}</title>"
    if dot.value is None:
        y = float(frame.height - frame.bottom - 6)
        return f'<path d="M{x - 4:.1f},{y - 4}l8,8m0,-8l-8,8" class="lost">{said}</path>'
    y, out = frame.py(dot.value), not frame.y[0] <= dot.value <= frame.y[1]
    if out:  # an arrow at the edge
        down = 1 if y > frame.height / 2 else -1
        look = "fill1" if dot.first else "fill0"
        return (
            f'<path d="M{x - 4:.1f},{y - 7 * down:.1f}h8l-4,{7 * down}z" class="{look}">'
            f"{said}</path>"
        )
    if dot.first:
        return f'<path d="M{x:.1f},{y - 6:.1f}l6,6l-6,6l-6,-6z" class="mark fill1">{said}</path>'
    if not dot.whole:
        return f'<circle cx="{x:.1f}" cy="{y:.1f}" r="3" class="mark hollow">{said}</circle>'
    return f'<circle cx="{x:.1f}" cy="{y:.1f}" r="4" class="mark fill0">{said}</circle>'


def _apart(xs: Sequence[float], frame: _Frame) -> Iterator[float]:
    """Those with room for a number beside the next, from the last one down."""
    free = float("inf")
    for x in reversed(xs):
        if free - frame.px(x) >= ROOM:
            free = frame.px(x)
            yield x


def curves(lines: Sequence[Line], *, metric: str, x_label: str, title: str) -> str:
    """Values over shares of the rows, on a logarithmic axis; names stand in a legend below."""
    points = [p for line in lines for p in line.points]
    values = [y for _, y in points] + [y for line in lines for b in line.band for y in b[1:]]
    low, high, tick = ticks(min(values), max(values))
    named = [line for line in lines if not line.faint]
    legend = 22 * ((len(named) + 1) // 2) if len(lines) > 1 else 0
    frame = _Frame(
        (min(x for x, _ in points), max(x for x, _ in points)), (low, high), height=360 + legend,
        bottom=48 + legend, log=True,
    )  # fmt: skip
    parts = list(_grid(frame, tick, metric))
    parts += [
        _text(
            f"{x:,.0f}" if x >= 1000 else f"{x:.3g}",
            frame.px(x),
            frame.height - frame.bottom + 20,
            anchor="middle",
        )
        for x in _apart(sorted({x for x, _ in points}), frame)
    ]
    parts.append(_label(x_label, frame))
    for line in lines:
        nth = named.index(line) if not line.faint else -1
        path = "M" + "L".join(f"{frame.px(x):.1f},{frame.py(y):.1f}" for x, y in line.points)
        if line.band:
            up = [f"{frame.px(x):.1f},{frame.py(b):.1f}" for x, _, b in line.band]
            down = [f"{frame.px(x):.1f},{frame.py(a):.1f}" for x, a, _ in reversed(line.band)]
            parts.append(f'<path d="M{"L".join(up + down)}z" class="band b{nth % COLOURS}"/>')
        kind = "faint" if line.faint else f"s{nth % COLOURS}"
        parts.append(
            f'<path d="{path}" class="line {kind}"><title>{escape(line.name)}</title></path>'
        )
        if not line.faint:
            parts += [
                f'<circle cx="{frame.px(x):.1f}" cy="{frame.py(y):.1f}" r="3.5" '
                f'class="mark fill{nth % COLOURS}"/>'
                for x, y in line.points
            ]
    for nth, line in enumerate(named if legend else []):
        x = frame.left + (WIDTH - frame.left) / 2 * (nth % 2)
        y = frame.height - legend + 22 * (nth // 2) + 14
        parts.append(
            f'<path d="M{x:.0f},{y - 4:.0f}h28" class="line s{nth % COLOURS}"/>'
            + _text(_short(line.name, 52), x + 36, y)
        )
    return _svg(frame.height, title, parts)


def bars(rows: Sequence[tuple[str, float]], *, title: str) -> str:
    """Shares from 0 to 1, a bar a row, the value written at its end."""
    left, height, row = 250, 26 * len(rows) + 40, 26
    most = max([value for _, value in rows] + [0.05])
    parts = []
    for nth, (name, value) in enumerate(rows):
        y = 10 + row * nth
        long = (WIDTH - left - 80) * max(value, 0.0) / most
        parts.append(_text(_short(name, 34), left - 10, y + 15, anchor="end"))
        parts.append(
            f'<rect x="{left}" y="{y + 2}" width="{max(long, 1):.1f}" height="18" rx="2" '
            f'class="fill0"><title>{escape(name)}: {value:.1%}</title></rect>'
        )
        parts.append(_text(f"{value:.0%}", left + long + 8, y + 15))
    return _svg(height, title, parts)


def parallel(axes: Sequence[Axis], goodness: Sequence[float], *, title: str) -> str:
    """A line a configuration across all axes, the better the stronger; the best one stands out.

    Args:
        goodness: Of each line, from 0 (worst) to 1 (best).
    """
    height, top, bottom = 380, 64, 24
    span = WIDTH - 120
    xs = [60 + span * i / max(1, len(axes) - 1) for i in range(len(axes))]

    def py(place: float) -> float:
        return top + (height - top - bottom) * (1.0 - place)

    parts = []
    order = sorted(range(len(goodness)), key=lambda i: goodness[i])
    for i in order:
        crossings = [(x, axis.places[i]) for x, axis in zip(xs, axes, strict=True)]
        there = [(x, py(p)) for x, p in crossings if p is not None]
        if len(there) < 2:
            continue
        path = f"M{there[0][0]:.1f},{there[0][1]:.1f}" + "".join(
            f"C{(a + c) / 2:.1f},{b:.1f} {(a + c) / 2:.1f},{d:.1f} {c:.1f},{d:.1f}"
            for (a, b), (c, d) in pairwise(there)
        )
        best = i == order[-1]
        look = 'class="line s1 strong"' if best else (
            f'class="line s0" style="stroke-opacity:{0.08 + 0.5 * goodness[i] ** 2:.2f}"'
        )  # fmt: skip
        parts.append(f'<path d="{path}" {look}/>')
    for nth, (x, axis) in enumerate(zip(xs, axes, strict=True)):
        parts.append(f'<path d="M{x:.1f},{top}V{height - bottom}" class="axis"/>')
        last = nth == len(axes) - 1
        edge, anchor = (WIDTH - 4.0, "end") if last else (x, "middle")
        parts.append(_text(_short(axis.name, 18), edge, 20 + 18 * (nth % 2), anchor=anchor))
        for place, said in axis.marks:
            parts.append(
                _text(
                    _short(said, 12), x + (8 if last else 6), py(place) + 4, small=True,
                    halo=True,
                )
            )  # fmt: skip
    return _svg(height, title, parts)


# What all pictures share.


def _range(values: Sequence[float], *, lower_is_better: bool) -> tuple[float, float, float]:
    """Round bounds of what is worth seeing: from the best to the worst fifth's bound."""
    if not values:
        return 0.0, 1.0, 0.2
    ordered = sorted(values, reverse=not lower_is_better)
    bound = ordered[min(len(ordered) - 1, int(0.8 * len(ordered)))]
    best = ordered[0]
    bound += 0.25 * (bound - best)
    worst = ordered[-1]
    bound = min(bound, worst) if lower_is_better else max(bound, worst)
    return ticks(min(best, bound), max(best, bound))


def _svg(height: float, title: str, parts: Sequence[str]) -> str:
    return "\n".join(
        [
            f'<svg viewBox="0 0 {WIDTH} {height:.0f}" role="img" aria-label="{escape(title)}">',
            *parts,
            "</svg>",
        ]
    )


def _grid(frame: _Frame, tick: float, label: str) -> Iterator[str]:
    low, high = frame.y
    for nth in range(round((high - low) / tick) + 1):
        value = low + nth * tick
        y = frame.py(value)
        yield f'<path d="M{frame.left},{y:.1f}H{WIDTH - frame.right}" class="grid"/>'
        yield _text(f"{value:.6g}", frame.left - 8, y + 4, anchor="end")
    middle = (frame.top + frame.height - frame.bottom) / 2
    yield (
        f'<g transform="translate(14 {middle:.0f}) rotate(-90)">'
        f"{_text(label, 0, 0, anchor='middle')}</g>"
    )


def _steps(frame: _Frame, n: int, label: str) -> Iterator[str]:
    apart = next(s for s in (1, 2, 5, 10, 20, 50, 100, 200, 500, 10**6) if n / s <= 12)
    for step in [1, *range(apart if apart > 2 else apart + 1, n + 1, apart)]:
        yield _text(str(step), frame.px(step), frame.height - frame.bottom + 20, anchor="middle")
    yield _label(label, frame)


def _label(label: str, frame: _Frame) -> str:
    x = (frame.left + WIDTH - frame.right) / 2
    return _text(label, x, frame.height - frame.bottom + 40, anchor="middle")


def _text(
    text: str, x: float, y: float, *, anchor: str = "start", small: bool = False,
    halo: bool = False,
) -> str:  # fmt: skip
    look = " ".join(["small"] * small + ["halo"] * halo)
    kind = f' class="{look}"' if look else ""
    return f'<text x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}"{kind}>{escape(text)}</text>'


def _short(text: str, most: int) -> str:
    return text if len(text) <= most else f"{text[: most - 3]}..."
