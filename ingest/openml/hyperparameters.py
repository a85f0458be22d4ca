"""OpenML's setups as configurations: typed values under names that outlive library versions.

A setup lists the parameters of a flow and of its parts, each value as text. What makes two of them
the same configuration, whatever version ran it:

- the space is the flow's family, its name without module paths and version;
- a part's parameter is named by the part's place, as scikit-learn does: `clf__max_depth`;
- `null` and `"None"` are None, `true` is True, numbers are numbers, lists are canonical JSON;
  a function or type is its name; what only points to another part is no hyperparameter;
- a seed (`random_state`, mlr's `openml.seed`) is the evaluation's seed, and what only says how fast
  or loud a run is (`n_jobs`, `verbose`, ...) is left out.
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Iterable
from functools import lru_cache
from typing import Any

from metadb.identity import typed
from metadb.records import Config

SEEDS = frozenset({"random_state", "openml.seed"})
IDLE = frozenset({"n_jobs", "verbose", "pre_dispatch", "openml.kind", "openml.normal.kind"})
"""Parameters that change nothing of the result: how many processes, how loud, how R draws."""

_OBJECT = "oml-python:serialized_object"
_NAMES = frozenset({"function", "type", "methoddescriptor"})
_VERSION = re.compile(r"\(\d+\)$")


def configuration(
    flow_name: str, parameters: Iterable[tuple[str, str, str]]
) -> tuple[dict[str, Any], int | None]:
    """The configuration of a setup, and its seed where it has one.

    Args:
        flow_name: Of the whole flow, with or without version.
        parameters: The part's name, the parameter's name and its value as text.
    """
    places = _places(flow_name)
    config: dict[str, Any] = {}
    seeds: dict[str, int] = {}
    for part, name, text in parameters:
        if name in IDLE:
            continue
        value = decoded(text)
        if value is None:
            continue
        path = places.get(part)
        full = f"{_class(part) if path is None else path}__{name}" if path != "" else name
        if name in SEEDS:
            if isinstance(value, int) and not isinstance(value, bool) and abs(value) < 1 << 63:
                seeds[full] = value
        else:
            config[full] = value
    return config, next((seeds[name] for name in sorted(seeds, key=lambda n: (len(n), n))), None)


@lru_cache(maxsize=1 << 16)
def decoded(text: str) -> float | int | str | bool | None:
    """The value that a setup's text stands for; None where it stands for another part.

    >>> decoded('"gini"'), decoded("null"), decoded("[1, 2.50]"), decoded("3")
    ('gini', 'None', '[1,2.5]', 3)
    """
    text = text.strip()
    try:
        return _plain(json.loads(text), text)
    except (OverflowError, RecursionError):  # a number or a nesting that nobody meant
        return text
    except ValueError:
        return typed(text)


def _plain(value: Any, text: str) -> float | int | str | bool | None:
    if value is None:
        return "None"
    if isinstance(value, bool | str):
        return value
    if isinstance(value, int | float):
        return value if math.isfinite(value) and abs(value) < 1e300 else text
    simple = _without_objects(value)
    if simple is None:
        return None
    if isinstance(simple, str):
        return simple
    return json.dumps(simple, sort_keys=True, separators=(",", ":"), ensure_ascii=False)


def _without_objects(value: Any) -> Any:
    """Nested JSON with openml-python's serialised objects as what they stand for."""
    if isinstance(value, list):
        kept = [_without_objects(one) for one in value]
        return (
            None
            if any(k is None and v is not None for k, v in zip(kept, value, strict=True))
            else kept
        )
    if not isinstance(value, dict):
        return value
    kind = value.get(_OBJECT)
    if kind is None:
        return {name: _without_objects(one) for name, one in value.items()}
    if kind == "component_reference":
        return None
    if kind in _NAMES:
        return str(value.get("value")).rsplit(".", 1)[-1]
    return {str(kind): _without_objects(value.get("value"))}


@lru_cache(maxsize=1 << 12)
def _places(flow_name: str) -> dict[str, str | None]:
    """Where the parts of a flow stand, by name; None where two parts have one name."""
    found: dict[str, str | None] = {}

    def walk(name: str, path: str) -> None:
        found[name] = None if name in found and found[name] != path else path
        for step, part in _parts(name):
            walk(part, f"{path}__{step}" if path else step)

    walk(_VERSION.sub("", flow_name), "")
    return found


def _parts(name: str) -> list[tuple[str, str]]:
    """The steps directly within a flow's name: `Pipeline(imp=A,clf=B(C))` has imp and clf."""
    start = name.find("(")
    if start < 0 or not name.endswith(")"):
        return []
    parts, depth, begin = [], 0, start + 1
    for at in range(start, len(name)):
        char = name[at]
        depth += (char == "(") - (char == ")")
        if (char == "," and depth == 1) or (char == ")" and depth == 0):
            parts.append(name[begin:at])
            begin = at + 1
    steps = []
    for part in filter(None, parts):
        head, equals, tail = part.partition("=")
        named = equals and "(" not in head
        steps.append((head, tail) if named else (_class(part), part))
    return steps


def _class(name: str) -> str:
    """The last word of a dotted name, without what is in brackets."""
    return name.split("(")[0].rsplit(".", 1)[-1]


__all__ = ["IDLE", "SEEDS", "Config", "configuration", "decoded"]
