"""The `description.txt` of an ASLib scenario, in any of the dialects that occur."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

from metadb.errors import MalformedFile
from metadb.metrics import METRICS, Metric, canonical

_UNKNOWN = frozenset({"", "?", "null", "~", "[]", "{}"})

_BOUNDS = {"CSP-Minizinc-Obj-2016/obj": (0.0, 1.0)}
"""Bounds of a scenario's own measures, where its readme.txt states them in prose."""


@dataclass(frozen=True, slots=True)
class Measure:
    """A column of `algorithm_runs.arff`: what it is called there, and what it means.

    Args:
        runtime: Whether it counts seconds, so that a run can be cut off.
    """

    column: str
    metric: Metric
    runtime: bool


@dataclass(frozen=True, slots=True)
class Description:
    """What a scenario says of itself.

    Args:
        cutoff_s: Seconds after which a run was stopped; None where not known.
        steps: Feature step to the features it provides.
    """

    scenario: str
    measures: tuple[Measure, ...]
    cutoff_s: float | None = None
    steps: dict[str, tuple[str, ...]] = field(default_factory=dict)


def read_description(path: Path) -> Description:
    """Read a `description.txt`: YAML-like lists, or one line a key with commas.

    Raises:
        MalformedFile: It does not say what the scenario, its measures or their directions are.
    """
    entries = dict(_entries(path.read_text(encoding="utf-8-sig", errors="replace")))
    scenario = _one(entries, "scenario_id")
    columns = _known(entries.get(("performance_measures",), []))
    if scenario is None or not columns:
        lacks = "scenario_id" if scenario is None else "performance_measures"
        raise MalformedFile(f"{path} has no {lacks!r}; is it the description of an ASLib scenario?")
    kinds = _known(entries.get(("performance_type",), []))
    maximize = [_flag(text) for text in entries.get(("maximize",), [])]
    measures = tuple(
        _measure(
            path,
            scenario,
            column,
            runtime=(kinds[i] if i < len(kinds) else "solution_quality") == "runtime",
            maximize=maximize[i] if i < len(maximize) else None,
        )
        for i, column in enumerate(columns)
    )
    cutoff = _number(_one(entries, "algorithm_cutoff_time"))
    return Description(scenario, measures, cutoff if cutoff else None, _steps(entries))


def _measure(
    path: Path, scenario: str, column: str, *, runtime: bool, maximize: bool | None
) -> Measure:
    """A measure that everybody knows, or one of the scenario's own."""
    known = METRICS.get(canonical(column))
    if known is not None:
        if maximize is not None and maximize == known.lower_is_better:
            raise MalformedFile(
                f"{path} says maximize: {str(maximize).lower()} for {column}, so its values are "
                f"not {known.name} but a loss made of it; auto-sklearn's meta-data is like that, "
                "and the source aslib does not read it"
            )
        return Measure(column, known, runtime)
    if maximize is None:
        raise MalformedFile(
            f"{path} does not say whether {column!r} is to be maximized; add maximize: true"
            " or false"
        )
    name = f"{scenario}/{column}"
    lower, upper = (0.0, None) if runtime else _BOUNDS.get(name, (None, None))
    metric = Metric(
        name,
        not maximize,
        "s" if runtime else "1",
        lower,
        upper,
        f"{'Seconds: ' if runtime else ''}{column} of the ASLib scenario {scenario}.",
    )
    return Measure(column, metric, runtime)


def _entries(text: str) -> Iterator[tuple[tuple[str, ...], list[str]]]:
    """Path of keys and the values found under it, in the order of the file."""
    stack: list[tuple[int, str]] = []
    values: list[str] = []
    for raw in text.splitlines():
        line = raw.strip()
        if not line or line.startswith("#"):
            continue
        if line == "-" or line.startswith("- "):
            values.append(_plain(line[1:]))
            continue
        key, colon, rest = line.partition(":")
        if not colon:
            continue
        indent = len(raw) - len(raw.lstrip())
        while stack and stack[-1][0] >= indent:
            stack.pop()
        stack.append((indent, _plain(key)))
        rest = rest.strip()
        if rest.startswith("&"):  # the name of a YAML anchor
            rest = rest.partition(" ")[2]
        inner = rest[1:-1] if rest.startswith("[") and rest.endswith("]") else rest
        values = [_plain(part) for part in inner.split(",")] if inner.strip() else []
        yield tuple(name for _, name in stack), values


def _steps(entries: dict[tuple[str, ...], list[str]]) -> dict[str, tuple[str, ...]]:
    steps = {}
    for keys, values in entries.items():
        if len(keys) == 3 and keys[0] == "feature_steps" and keys[2] == "provides":
            steps[keys[1]] = tuple(values)
        elif len(keys) == 1 and keys[0].startswith("feature_step "):
            steps[keys[0].removeprefix("feature_step ").strip()] = tuple(values)
    return steps


def _plain(text: str) -> str:
    text = text.strip()
    return text[1:-1] if len(text) > 1 and text[0] == text[-1] and text[0] in "'\"" else text


def _known(values: list[str]) -> list[str]:
    return [value for value in values if value.lower() not in _UNKNOWN]


def _one(entries: dict[tuple[str, ...], list[str]], key: str) -> str | None:
    values = _known(entries.get((key,), []))
    return values[0] if values else None


def _flag(text: str) -> bool | None:
    return {"true": True, "yes": True, "false": False, "no": False}.get(text.lower())


def _number(text: str | None) -> float | None:
    try:
        return None if text is None else float(text)
    except ValueError:
        return None
