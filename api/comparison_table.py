"""How recommenders compare, as a table: for a terminal, as Markdown, as CSV."""

from __future__ import annotations

import csv as csv_format
import io
from collections.abc import Iterator, Mapping, Sequence
from math import isnan
from typing import Any

from api.published import Row
from recommenders.comparison import Comparison, Estimate, Method

OTHERS = "\u2020"
"""Marks a row that is somebody else's figures."""


def lines(found: Comparison, rows: Sequence[Row], about: Mapping[str, Any]) -> Iterator[str]:
    """For a terminal: what was judged, the table, what its marks mean."""
    yield _headline(found, about)
    heads, cells = _cells(found, rows)
    widths = [max(len(line[i]) for line in [heads, *cells]) for i in range(len(heads))]
    for line in [heads, *cells]:
        rest = "  ".join(f"{c:>{w}}" for c, w in zip(line[1:], widths[1:], strict=True))
        yield f"{line[0]:<{widths[0]}}  {rest}".rstrip()
    yield from _notes(found, rows, about)


def markdown(found: Comparison, rows: Sequence[Row], about: Mapping[str, Any]) -> str:
    """The same as a Markdown table."""
    heads, cells = _cells(found, rows)

    def row(line: Sequence[str]) -> str:
        return "| " + " | ".join(c.strip().replace("|", "\\|") for c in line) + " |"

    ruler = "|" + "|".join([" --- ", *[" ---: "] * (len(heads) - 1)]) + "|"
    notes = [f"- {note.replace('*', chr(92) + '*')}" for note in _notes(found, rows, about)]
    text = [_headline(found, about), "", row(heads), ruler, *map(row, cells), "", *notes]
    return "\n".join(text) + "\n"


def csv(found: Comparison, rows: Sequence[Row]) -> str:
    """Long form: a line for each method and number of configurations; others' figures too."""
    heads = [
        "method", "k", "tasks", "regret", "regret_low", "regret_high", "within_1_percent",
        "mean_rank", "difference", "difference_low", "difference_high", "tied", "reference",
        "fit_s", "suggest_s", "suggest_p95_s", "source",
    ]  # fmt: skip
    text = io.StringIO()
    writer = csv_format.writer(text, lineterminator="\n")
    writer.writerow(heads)
    for m in found.methods:
        for k in m.regret:
            writer.writerow(
                [m.name, k, found.tasks[k], *m.regret[k], m.within[k], m.rank[k],
                 *m.difference[k], str(m.tied(k)).lower(), found.reference, m.fit_s, m.suggest_s,
                 m.suggest_p95_s, "this evaluation"]
            )  # fmt: skip
    for r in rows:
        for k, regret in r.regret.items():
            writer.writerow([r.name, k, "", regret, *[""] * 12, r.source])
    return text.getvalue()


def _headline(found: Comparison, about: Mapping[str, Any]) -> str:
    n, d = about["tasks_judged"], about["datasets"]
    of = "" if n == d else f" of {d:,} data sets"
    parts = f" in {about['folds']} folds" if about["folds"] else ""
    return (
        f"{about['space']}, {about['metric']}: mean normalised regret on {n:,} tasks{of} left out"
        f"{parts}, after k configurations"
    )


def _cells(found: Comparison, rows: Sequence[Row]) -> tuple[list[str], list[list[str]]]:
    ks, at = list(found.tasks), found.at
    heads = ["", *(f"k={k}" for k in ks), f"within 1 %, k={at}", f"rank, k={at}",
             f"less {found.reference}, k={at}", "fit s", "suggest ms", "p95"]  # fmt: skip
    own = [
        [
            m.name,
            *(f"{short(m.regret[k].mean)}{mark(m, k, found.reference)}" for k in ks),
            f"{m.within[at]:.0%}",
            f"{m.rank[at]:.2f}",
            "" if m.name == found.reference else _difference(m.difference[at]),
            f"{m.fit_s:.3g}",
            _ms(m.suggest_s),
            _ms(m.suggest_p95_s),
        ]
        for m in found.methods
    ]
    others = [
        [
            f"{r.name} {OTHERS}",
            *(f"{short(r.regret[k])} " if k in r.regret else "" for k in ks),
            *[""] * 6,
        ]
        for r in rows
    ]
    return heads, own + others


def short(regret: float) -> str:
    """Three decimals without the zero before the point, as in the literature's tables."""
    text = f"{regret:.3f}"
    return text[1:] if text.startswith("0.") else text


def mark(method: Method, k: int, reference: str) -> str:
    """Whether it differs from the reference for sure: + better, - worse, = tied."""
    if method.name == reference:
        return " "
    if method.tied(k):
        return "="
    return "+" if method.difference[k].mean < 0 else "-"


def _difference(e: Estimate) -> str:
    return f"{e.mean:+.4f} ({e.low:+.4f} to {e.high:+.4f})"


def _ms(seconds: float) -> str:
    return "" if isnan(seconds) else f"{1e3 * seconds:.3g}"


def _notes(found: Comparison, rows: Sequence[Row], about: Mapping[str, Any]) -> Iterator[str]:
    yield (
        f"beside a regret: + better than {found.reference}, - worse, = tied (95 % bootstrap "
        "interval of the difference paired by task)"
    )
    if found.tasks[found.at] < 6:
        yield f"with {found.tasks[found.at]} tasks an interval says little"
    for k, n in found.tasks.items():
        if n < about["tasks_judged"]:
            yield f"k={k}: {n:,} of {about['tasks_judged']:,} tasks have as many configurations"
    for why, n in about["tasks_dropped"].items():
        yield f"{n:,} task{'s' * (n != 1)} left out: {why}"
    for m in found.methods:
        if m.refused:
            why = next(iter(m.refused.values()))
            yield f"{m.name} refused on {len(m.refused):,} tasks: {why}"
        if m.stopped:
            yield f"{m.name} advised nothing more in {m.stopped:,} searches with candidates left"
    drawn = [m.name for m in found.methods if not m.settled]
    if about["searches"] > 1 and drawn:
        yield f"mean of {about['searches']} seeds for {', '.join(drawn)}; the others do not draw"
    groups = [" = ".join(group) for group in found.alike()]
    yield (
        f"mean ranks at k={found.at}: Friedman p {found.p:.2g}, critical difference "
        f"{found.critical:.2f}; not told apart: {'; '.join(groups) or 'none'}"
    )
    said = [f"{m.name} {m.covered:.0%}" for m in found.methods if m.covered is not None]
    if said:
        yield f"the regret lay in the interval of 80 % that was said before: {', '.join(said)}"
    for source in dict.fromkeys(r.source for r in rows):
        named = ", ".join(dict.fromkeys(r.name for r in rows if r.source == source))
        yield f"{OTHERS} {named}: {source}"
