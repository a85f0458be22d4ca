"""Whole batches of configs as matrices of floats, and back."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from metadb.axes import Axis, Floats, axes_of
from metadb.clauses import deactivate
from metadb.columns import Columns, as_columns, as_numbers, as_rows
from metadb.errors import InvalidConfig
from metadb.records import Config

if TYPE_CHECKING:
    from ConfigSpace import ConfigurationSpace

INACTIVE = -1.0
"""The code of an inactive number or ordinal; an inactive categorical has zeros in all columns."""


@dataclass(frozen=True, slots=True, eq=False)
class Encoding:
    """The columns of a space as floats, for surrogates; made by `encoding(space)`.

    A number takes one column, scaled to [0, 1] as ConfigSpace does (logarithmically where the
    hyperparameter is); an ordinal one column, its place in [0, 1]; a categorical one column of 0
    or 1 per choice, choices sorted (one column, the place among the sorted choices, if there are
    more than `MAX_ONE_HOT`); a constant none. An inactive or absent hyperparameter is `INACTIVE`
    (-1.0) in its single column and all zeros in its one-hot columns: outside the range, so that a
    tree can split it off, a kernel keeps it apart from every value, and decoding is unambiguous.

    Spaces with the same id have the same encoding.
    """

    names: tuple[str, ...]
    _axes: Mapping[str, Axis] = field(repr=False)

    @property
    def width(self) -> int:
        """The number of columns."""
        return len(self.names)

    @property
    def groups(self) -> NDArray[np.intp]:
        """Which hyperparameter each column is of, counted from 0, (width,)."""
        wide = [len(axis.column_names) for axis in self._axes.values() if axis.column_names]
        return np.repeat(np.arange(len(wide)), wide)

    def encode(self, configs: Sequence[Config] | Columns) -> Floats:
        """The configs as a matrix, shape (n, width).

        A value of a hyperparameter that is inactive is dropped; an absent one is encoded as
        inactive whether or not a condition says so. Forbidden clauses are not looked at.

        Args:
            configs: Mappings, or columns (None where absent, in a NumPy float column NaN).

        Raises:
            InvalidConfig: An unknown hyperparameter, or a value that is not legal for it.
        """
        columns, n = as_columns(configs)
        numbers, why = as_numbers(columns, n, self._axes)
        if why:
            place = min(why)
            raise InvalidConfig(f"config {place} cannot be encoded: {why[place]}")
        deactivate(numbers, self._axes)
        return self.write(numbers, n)

    def write(self, numbers: Mapping[str, Floats], n: int) -> Floats:
        """The matrix (n, width) of configs given as numbers of each axis, NaN where inactive."""
        x = np.zeros((n, self.width))
        for name, axis in self._axes.items():
            _write(axis, numbers[name], x)
        return x

    def decode(self, x: Floats) -> list[Config]:
        """The configs nearest to the rows of `x`, shape (n, width), with plain Python values.

        Conditions are applied: what is inactive is absent whatever its columns say, what is
        active and has the inactive code (or NaN) gets its default. Floats have 13 significant
        digits. A config may be forbidden by a clause of the space: ask `check`.

        Raises:
            InvalidConfig: `x` has another width.
        """
        x = np.asarray(x, dtype=np.float64)
        if x.ndim != 2 or x.shape[1] != self.width:
            raise InvalidConfig(f"x must have shape (n, {self.width}), but has {x.shape}")
        x = np.nan_to_num(x, nan=INACTIVE)
        numbers: dict[str, Floats] = {}
        for name, axis in self._axes.items():
            number = _read(axis, x)
            usual = axis.number(axis.hyperparameter.default_value)
            numbers[name] = np.where(np.isnan(number), usual, number)
        deactivate(numbers, self._axes)
        return as_rows(numbers, self._axes, len(x))


def encoding(space: ConfigurationSpace) -> Encoding:
    """The encoding of a space; later changes of the space do not change it."""
    axes = axes_of(space)
    return Encoding(tuple(name for axis in axes.values() for name in axis.column_names), axes)


def _write(axis: Axis, numbers: Floats, x: Floats) -> None:
    """Fill the axis' columns of `x` (n, width), which holds zeros."""
    there = ~np.isnan(numbers)
    if axis.one_hot:
        places = np.flatnonzero(there)
        x[places, axis.start + numbers[there].astype(np.intp)] = 1.0
    elif axis.kind != "constant":
        unit = np.full(len(numbers), INACTIVE)
        unit[there] = np.clip(axis.to_unit(numbers[there]), 0.0, 1.0)
        x[:, axis.start] = unit


def _read(axis: Axis, x: Floats) -> Floats:
    """The numbers nearest to the axis' columns of `x` (n, width), NaN where inactive."""
    if axis.kind == "constant":
        return np.zeros(len(x))
    if axis.one_hot:
        part = x[:, axis.start : axis.start + len(axis.choices)]
        return np.where(part.max(axis=1) > 0.0, part.argmax(axis=1), np.nan)
    unit = x[:, axis.start]
    return np.where(unit < INACTIVE / 2, np.nan, axis.from_unit(np.clip(unit, 0.0, 1.0)))
