"""Configs as columns of values, as numbers along the axes of a space, and as rows again."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from difflib import get_close_matches
from typing import Any

import numpy as np

from metadb.axes import Axis, Floats, is_nan
from metadb.errors import InvalidConfig
from metadb.records import Config

Columns = Mapping[str, Sequence[Any]]
"""Configs the other way round: hyperparameter to its values, one per config, None where absent."""


def as_columns(configs: Sequence[Config] | Columns) -> tuple[dict[str, list[Any]], int]:
    """Each hyperparameter's values, None where absent, and the number of configs."""
    if not isinstance(configs, Mapping):
        configs = list(configs)
        names = sorted(set().union(*configs))
        return {name: [c.get(name) for c in configs] for name in names}, len(configs)
    columns = {name: _listed(values) for name, values in configs.items()}
    lengths = {name: len(values) for name, values in columns.items()}
    if len(set(lengths.values())) > 1:
        raise InvalidConfig(f"the columns of a batch must be equally long, but are {lengths}")
    return columns, max(lengths.values(), default=0)


def _listed(values: Any) -> list[Any]:
    """A column as a list of Python values: also from Arrow, and from NumPy, where NaN is None."""
    if isinstance(values, str | int | float):
        raise InvalidConfig("give a list of configs, or columns of values; for one config [config]")
    if isinstance(values, np.ndarray):
        listed = values.tolist()
        return [None if is_nan(v) else v for v in listed] if values.dtype.kind == "f" else listed
    return list(values.to_pylist() if hasattr(values, "to_pylist") else values)


def as_numbers(
    columns: Mapping[str, list[Any]], n: int, axes: Mapping[str, Axis]
) -> tuple[dict[str, Floats], dict[int, str]]:
    """The numbers of each axis, and per bad config what is unknown or illegal in itself."""
    why: dict[int, str] = {}
    for name in sorted(columns.keys() - axes.keys()):
        near = get_close_matches(name, axes, n=1)
        hint = f"did you mean {near[0]!r}?" if near else f"there are {sorted(axes)[:20]}"
        for i, value in enumerate(columns[name]):
            if value is not None:
                why.setdefault(i, f"there is no hyperparameter {name!r} (here {value!r}); {hint}")
    numbers: dict[str, Floats] = dict.fromkeys(axes, np.full(n, np.nan))
    for name, axis in axes.items():
        if name not in columns:
            continue
        numbers[name], illegal = axis.numbers(columns[name])
        for i in np.flatnonzero(illegal).tolist():
            value = columns[name][i]
            why.setdefault(i, f"hyperparameter {name!r} is {value!r}; it must be {axis.legal}")
    return numbers, why


def as_rows(numbers: Mapping[str, Floats], axes: Mapping[str, Axis], n: int) -> list[Config]:
    """The configs of `numbers`, hyperparameters in the order of the space."""
    if not axes:
        return [{} for _ in range(n)]
    columns = [axis.objects(numbers[name]).tolist() for name, axis in axes.items()]
    names = list(axes)
    return [
        {name: value for name, value in zip(names, row, strict=True) if value is not None}
        for row in zip(*columns, strict=True)
    ]
