"""`metadb importance`: which hyperparameters of a space matter, on one task and across tasks."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from html import escape
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import numpy as np
from cyclopts import Parameter

from api.terminal import COMMON, EXIT_OK, Common, opened, printable, remark, say_json
from metadb.errors import WrongUsage

if TYPE_CHECKING:
    from metadb.protocols import Floats
    from recommenders.importance import Importance, Summary

SHOWN = 10
"""So many pairs are shown on a terminal; --json has all of them."""

LITTLE = 0.1
"""A forest that predicts less than this share of the variance is warned about."""


def importance(
    *,
    space: str,
    metric: str | None = None,
    task: str | None = None,
    pairs: Annotated[bool, Parameter(negative="")] = False,
    out: Path | None = None,
    seed: int = 0,
    common: Common = COMMON,
) -> int:
    """Say which hyperparameters matter: the fraction of the loss's variance due to each.

    Parameters
    ----------
    space
        Name of the search space (see: metadb status).
    metric
        Default: the score (not the time) with the most evaluations in the space.
    task
        Id of a task in the store; default: all of them, with the median and the quartiles.
    pairs
        Also what pairs of hyperparameters explain together beyond each alone.
    out
        A file for the picture (.svg).
    seed
        Of the forests.
    """
    from recommenders.importance import Importance

    if out is not None and out.suffix != ".svg":
        raise WrongUsage(f"the picture is an .svg file, not {out.name!r}")
    with opened(common) as store:
        named = metric or store.main_metric(space)
        history = store.history(space, named)
        version = store.version
    asked = None if task is None else [task]
    n = len(history.tasks) if asked is None else 1
    remark(common, f"a forest for {n} task{'s' if n > 1 else ''} of space {space}, metric {named}")
    found = Importance.fit(history, seed=seed, tasks=asked, pairs=pairs)
    if out is not None:
        of = f"{space}, {named}: {task or f'{_judged(found)} tasks'}"
        out.write_text(picture(found, title=f"Share of the variance of {of}"))
        remark(common, f"picture: {out}")
    if common.json:
        say_json({"space": space, "metric": named} | as_dict(found) | {"version": version})
        return EXIT_OK
    for caution in _cautions(found):
        remark(common, f"caution: {caution}")
    print("\n".join(_lines(found)))
    return EXIT_OK


def as_dict(found: Importance) -> dict[str, Any]:
    """All of it as plain values, for JSON."""
    names = [[found.names[i], found.names[j]] for i, j in found.pairs]
    return {
        "hyperparameters": list(found.names),
        "across": [_summary(each) for each in found.across()],
        "across_pairs": [_summary(each) for each in found.across_pairs()],
        "tasks": [
            {
                "task": task,
                "evaluations": found.evaluations[t],
                "explained": float(found.explained[t]),
                "why": found.why[t],
                "importance": dict(zip(found.names, map(float, found.single[t]), strict=True)),
                "pairs": [
                    {"of": both, "importance": float(value)}
                    for both, value in zip(names, found.pair[t], strict=True)
                ],
            }
            for t, task in enumerate(found.tasks)
        ],
    }


def _summary(each: Summary) -> dict[str, Any]:
    return {
        "of": list(each.names),
        "median": each.median,
        "quartiles": [each.low, each.high],
        "mean_rank": each.mean_rank,
        "share_first": each.share_first,
    }


def _judged(found: Importance) -> int:
    return sum(why is None for why in found.why)


def _cautions(found: Importance) -> Iterator[str]:
    """What should be known before the figures are trusted."""
    for why in dict.fromkeys(filter(None, found.why)):
        tasks = [t for t, said in zip(found.tasks, found.why, strict=True) if said == why]
        more = f" and {len(tasks) - 3} more tasks" if len(tasks) > 3 else ""
        yield f"no importance for {', '.join(tasks[:3])}{more}: {why}"
    weak = int((found.explained < LITTLE).sum())
    if weak:
        of = "this task" if len(found.tasks) == 1 else f"{weak} of {len(found.tasks)} tasks"
        yield f"on {of} a forest predicts hardly any loss it has not seen; its split is noise"


def _lines(found: Importance) -> Iterator[str]:
    """For people: a table of hyperparameters, the most important first, and one of pairs."""
    across, pairs = found.across(), found.across_pairs()[:SHOWN]
    if not across:
        yield "no task has an importance"
        return
    one = len(found.tasks) == 1
    short = shortened(found.names)
    labels = [printable(" x ".join(short[n] for n in each.names)) for each in across + pairs]
    width = max(27, *map(len, labels))
    head = "share" if one else "median   quartiles  mean rank  first on"
    for nth, (label, each) in enumerate(zip(labels, across + pairs, strict=True)):
        if nth == 0 or nth == len(across):
            what = "hyperparameter" if nth == 0 else "together, beyond each alone"
            yield f"{what:<{width}}  {head}"
        line = f"{label:<{width}}  "
        line += f"{each.median:5.3f}" if one else (
            f"{each.median:6.3f}  {each.low:.3f}-{each.high:.3f}  "
            f"{each.mean_rank:9.2f}  {each.share_first:8.0%}"
        )  # fmt: skip
        yield line
    left = 1.0 - np.nansum(found.single, axis=1) - np.nansum(found.pair, axis=1)
    rest = np.median(left[~np.isnan(found.single).any(axis=1)])
    due = "three or more together" if found.pairs else "two or more together"
    yield f"{f'{due}':<{width}}  {max(rest, 0.0):{5 if one else 6}.3f}"
    yield _trust(found)


def shortened(names: Sequence[str]) -> dict[str, str]:
    """A name without the components it belongs to, where that leaves no doubt."""
    last = {name: name.rsplit("__", 1)[-1] for name in names}
    ends = list(last.values())
    return {name: end if end and ends.count(end) == 1 else name for name, end in last.items()}


def _trust(found: Importance) -> str:
    counts = [n for n, why in zip(found.evaluations, found.why, strict=True) if why is None]
    many = f"{min(counts):,} to {max(counts):,}" if min(counts) < max(counts) else f"{counts[0]:,}"
    explained = max(float(np.nanmedian(found.explained)), 0.0)
    return (
        f"{len(counts)} task{'s' if len(counts) > 1 else ''}, {many} evaluations each; the forests "
        f"predict {explained:.0%} of the variance they have not seen"
    )


# The picture: a row a hyperparameter, a dot a task, a bar for the median, a box for the quartiles.

_WIDTH, _ROW, _TOP, _LEFT, _RIGHT = 720, 26, 64, 250, 24


def picture(found: Importance, *, title: str) -> str:
    """An SVG of the fractions: a row a hyperparameter, the most important first."""
    across, short = found.across(), shortened(found.names)
    height = _TOP + _ROW * max(len(across), 1) + 44
    bottom = height - 44
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {_WIDTH} {height}" role="img" '
        f'aria-label="{escape(title)}" font-family="system-ui, sans-serif" font-size="13">',
        f'<rect width="{_WIDTH}" height="{height}" fill="#ffffff"/>',
        _text(title, 16, 28, more='font-size="15" font-weight="600"'),
    ]
    for tick in (0.0, 0.2, 0.4, 0.6, 0.8, 1.0):
        x = _x(tick)
        parts.append(
            f'<line x1="{x:.1f}" x2="{x:.1f}" y1="{_TOP - 8}" y2="{bottom}" stroke="#e3e3e3"/>'
        )
        parts.append(_text(f"{tick:.0%}", x, bottom + 20, anchor="middle"))
    for nth, each in enumerate(across):
        values = found.single[:, found.names.index(each.names[0])]
        middle = _TOP + _ROW * nth + _ROW / 2
        parts += _row(each, short[each.names[0]], values[~np.isnan(values)], middle)
    if not across:
        parts.append(_text("no task has an importance", _LEFT, _TOP + 12))
    return "\n".join([*parts, "</svg>", ""])


def _row(each: Summary, name: str, values: Floats, y: float) -> Sequence[str]:
    shown = name if len(name) <= 34 else f"...{name[-31:]}"
    said = f"{each.names[0]}: median {each.median:.3f}, quartiles {each.low:.3f} to {each.high:.3f}"
    parts = [f"<g><title>{escape(said)}</title>", _text(shown, _LEFT - 10, y + 4, anchor="end")]
    low, high = (0.0, each.median) if len(values) == 1 else (each.low, each.high)
    parts.append(
        f'<rect x="{_x(low):.1f}" y="{y - 8:.1f}" width="{max(_x(high) - _x(low), 1):.1f}" '
        'height="16" fill="#8FB8D9"/>'
    )
    if len(values) > 1:
        parts += [
            f'<circle cx="{_x(v):.1f}" cy="{y:.1f}" r="2" fill="#444444" fill-opacity="0.35"/>'
            for v in values
        ]
        middle = _x(each.median)
        parts.append(
            f'<line x1="{middle:.1f}" x2="{middle:.1f}" y1="{y - 9:.1f}" y2="{y + 9:.1f}" '
            'stroke="#D55E00" stroke-width="3"/>'
        )
    return [*parts, "</g>"]


def _x(fraction: float) -> float:
    return _LEFT + (_WIDTH - _LEFT - _RIGHT) * float(np.clip(fraction, 0.0, 1.0))


def _text(text: str, x: float, y: float, *, anchor: str = "start", more: str = "") -> str:
    place = f'x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}" fill="#1a1a1a"'
    return f"<text {place} {more}>{escape(text)}</text>"
