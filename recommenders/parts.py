"""What a fitted recommender may be made of: which dataclasses, and what their fields may hold."""

from __future__ import annotations

import dataclasses
import typing
from collections.abc import Mapping, Sequence
from functools import cache
from typing import Any

import numpy as np

from metadb.history import Configs, History
from metadb.records import Because, Recommendation, Task

ALWAYS: tuple[type, ...] = (Configs, History, Task, Recommendation, Because)
"""Dataclasses of the ground floor that a recommender may hold."""


def known_classes(also: Sequence[type] = ()) -> dict[str, type]:
    """The dataclasses that may be written and made again, by `module:name`.

    They are those of the registry and whatever their fields are declared to hold.
    """
    from recommenders import RECOMMENDERS

    found: dict[str, type] = {}
    waiting: list[Any] = [*RECOMMENDERS.values(), *ALWAYS, *also]
    while waiting:
        hint = waiting.pop()
        waiting += typing.get_args(hint)
        if isinstance(hint, type) and dataclasses.is_dataclass(hint) and key_of(hint) not in found:
            found[key_of(hint)] = hint
            waiting += hints(hint).values()
    return found


def names(kind: Any) -> list[str]:
    """The fields to write; one that is no argument of the class is made anew by it."""
    return [field.name for field in dataclasses.fields(kind) if field.init]


@cache
def hints(kind: type) -> dict[str, Any]:
    """What the fields of a dataclass are declared to hold, as far as it can be resolved here."""
    try:
        return typing.get_type_hints(kind, localns={always.__name__: always for always in ALWAYS})
    except NameError:  # one of them is imported for type checkers only
        return {}


def key_of(kind: type) -> str:
    """The name of a class in a file: `module:name`."""
    return f"{kind.__module__}:{kind.__qualname__}"


def fits(value: Any, hint: Any) -> bool:
    """Whether a value is what its field declares, as far as a declaration tells."""
    origin, args = typing.get_origin(hint), typing.get_args(hint)
    if origin is np.ndarray:
        declared = next(iter(typing.get_args(args[1])), Any) if len(args) > 1 else Any
        exact = isinstance(declared, type) and issubclass(declared, np.generic)
        return isinstance(value, np.ndarray) and (
            not exact or value.dtype.kind == np.dtype(declared).kind
        )
    if origin is tuple:
        items = args[:1] * len(value) if args[1:] == (...,) and isinstance(value, tuple) else args
        return (
            isinstance(value, tuple)
            and len(value) == len(items)
            and all(fits(one, declared) for one, declared in zip(value, items, strict=True))
        )
    if origin is typing.Union or type(hint).__name__ == "UnionType":
        return any(fits(value, arg) for arg in args)
    if isinstance(origin, type) and issubclass(origin, Mapping):
        return isinstance(value, Mapping)
    if hint is float:
        return isinstance(value, float | int | np.floating | np.integer)
    if hint is int:
        return isinstance(value, int | np.integer)
    if hint is bool:
        return isinstance(value, bool | np.bool_)
    if hint in (str, type(None)):
        return isinstance(value, hint)
    if isinstance(hint, type) and dataclasses.is_dataclass(hint):
        return isinstance(value, hint)
    return True
