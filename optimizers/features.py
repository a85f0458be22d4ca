"""How a table's columns become numbers: learnt from one table, applied to any later one.

What cannot help is left out, and said: constant columns, identifiers, free text. Nothing here looks
at the target.
"""

from __future__ import annotations

import difflib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any, Self

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from metadb.datafile import floats, is_category, plain
from metadb.errors import InvalidRows, NotFound

MOSTLY_DISTINCT = 0.5
"""A text column of which so large a share of the values is different is free text."""

FEW = 50
"""A text column with at most so many different values is one of categories in any case."""

_PARTS = {"month": pc.month, "weekday": pc.day_of_week, "hour": pc.hour}


@dataclass(frozen=True, slots=True)
class Column:
    """A column that is used.

    Args:
        name: In the table.
        kind: `number`, `category`, `time` (since 1970) or `duration`.
        categories: The categories seen, sorted; a later other one is unknown.
        parts: What else is taken of a time: `month`, `weekday`, `hour`.
    """

    name: str
    kind: str
    categories: tuple[str, ...] = ()
    parts: tuple[str, ...] = ()

    @property
    def width(self) -> int:
        """How many columns of numbers it becomes."""
        return 1 + len(self.parts)


@dataclass(frozen=True, slots=True)
class Features:
    """The columns that are used, in the order of the table they were learnt from.

    Args:
        columns: Those that are used.
        left_out: Column to why it is not used.
    """

    columns: tuple[Column, ...]
    left_out: Mapping[str, str]

    @classmethod
    def learn(cls, table: pa.Table) -> Self:
        """Look at the columns of a table.

        Raises:
            InvalidRows: Nothing is left to learn from.
        """
        left_out: dict[str, str] = {}
        columns: list[Column] = []
        for name, column in zip(table.column_names, table.columns, strict=True):
            values = plain(column.combine_chunks())
            why = _useless(values)
            if why is None:
                columns.append(_column(name, values))
            else:
                left_out[name] = why
        if not columns:
            reasons = "; ".join(f"{name!r} {why}" for name, why in list(left_out.items())[:3])
            raise InvalidRows(
                f"no column is left to learn from ({reasons}{'; ...' * (len(left_out) > 3)}); give "
                "columns that say something about the target"
            )
        return cls(tuple(columns), left_out)

    @property
    def categorical(self) -> tuple[int, ...]:
        """Positions of the categories' codes in what `encode` returns."""
        starts = np.cumsum([0, *[c.width for c in self.columns]])
        return tuple(
            int(s) for s, c in zip(starts, self.columns, strict=False) if c.kind == "category"
        )

    def notes(self) -> Iterator[str]:
        """What was left out and what was made of times, a sentence a reason."""
        reasons: dict[str, list[str]] = {}
        for name, why in self.left_out.items():
            reasons.setdefault(why, []).append(name)
        for why, names in reasons.items():
            yield (
                f"left out: {_named(names)} {why}"
                if len(names) == 1
                else (f"left out, {len(names)} columns, each {why}: {_named(names)}")
            )
        times = [c for c in self.columns if c.parts]
        if times:
            parts = dict.fromkeys(part for c in times for part in c.parts)
            yield f"of times also: {', '.join(parts)} ({_named([c.name for c in times])})"
        many = [c.name for c in self.columns if len(c.categories) > FEW]
        if many:
            yield f"many categories, of which the rare ones are taken together: {_named(many)}"

    def encode(self, table: pa.Table) -> NDArray[np.float64]:
        """A table as numbers, (rows, width): codes of categories, NaN where missing.

        Columns are found by name; others may be there. A category never seen has a code beyond all
        that were.

        Raises:
            NotFound: A column is missing.
            InvalidRows: A column holds something else than it did.
        """
        there = table.column_names
        missing = [c.name for c in self.columns if c.name not in there]
        if missing:
            close = difflib.get_close_matches(missing[0], there, n=1)
            hint = f"; is {missing[0]!r} what is called {close[0]!r} there?" if close else ""
            raise NotFound(
                f"{len(missing)} of the {len(self.columns)} columns that the model needs are not "
                f"there: {_named(missing)}{hint}"
            )
        blocks = [_encoded(c, plain(table.column(c.name).combine_chunks())) for c in self.columns]
        x = np.concatenate(blocks, axis=1)  # (rows, width)
        return np.where(np.isfinite(x), x, np.nan)

    def as_dict(self) -> dict[str, Any]:
        """All of it as plain values, for JSON."""
        return {
            "columns": [asdict(c) for c in self.columns],
            "left_out": dict(self.left_out),
        }

    @classmethod
    def from_dict(cls, found: Mapping[str, Any]) -> Self:
        """What `as_dict` gave."""
        columns = tuple(
            Column(c["name"], c["kind"], tuple(c["categories"]), tuple(c["parts"]))
            for c in found["columns"]
        )
        return cls(columns, dict(found["left_out"]))


def _named(names: Sequence[str]) -> str:
    more = f" and {len(names) - 5} more" if len(names) > 5 else ""
    return ", ".join(map(repr, names[:5])) + more


def _useless(column: pa.Array) -> str | None:
    """Why a column cannot help, or None."""
    known = column.drop_null()
    if len(known) == 0:
        return "is missing in every row"
    n = pc.count_distinct(known).as_py()
    if n == 1 and column.null_count == 0:
        return "has the same value in every row"
    if is_category(column.type) and n > 2:
        if n == len(known):
            return "is different in every row, an identifier or free text"
        if n > max(FEW, MOSTLY_DISTINCT * len(known)):
            return "is free text, mostly different from row to row"
    if pa.types.is_integer(column.type) and n == len(column) > FEW and _counts(column):
        return "counts the rows, an identifier"
    return None


def _counts(column: pa.Array) -> bool:
    steps = np.diff(column.to_numpy(zero_copy_only=False).astype(np.float64))
    return bool((steps == 1).all() or (steps == -1).all())


def _column(name: str, values: pa.Array) -> Column:
    if is_category(values.type):
        texts = pc.unique(_texts(values).drop_null()).to_pylist()
        return Column(name, "category", tuple(sorted(texts)))
    if pa.types.is_timestamp(values.type) or pa.types.is_date(values.type):
        parts = [
            part
            for part, of in _PARTS.items()
            if (part != "hour" or pa.types.is_timestamp(values.type))
            and pc.count_distinct(of(values), mode="only_valid").as_py() > 1
        ]
        return Column(name, "time", parts=tuple(parts))
    if pa.types.is_temporal(values.type):
        return Column(name, "duration")
    return Column(name, "number")


def _encoded(column: Column, values: pa.Array) -> NDArray[np.float64]:
    """One column as numbers, (rows, width)."""
    try:
        if column.kind == "category":
            known = pa.array(column.categories, pa.string())
            texts = _texts(values)
            codes = pc.index_in(texts, value_set=known).fill_null(len(known))
            codes = pc.if_else(pc.is_valid(texts), codes, None)
            return floats(codes, False)[:, None]
        if column.kind == "number":
            return floats(_numbers(values), False)[:, None]
        if not pa.types.is_temporal(values.type):
            values = values.cast(pa.timestamp("us"))
        blocks = [floats(values, False)]
        blocks += [floats(_PARTS[part](values), False) for part in column.parts]
        return np.column_stack(blocks)
    except pa.ArrowException as error:
        wanted = {"number": "numbers", "category": "categories"}.get(column.kind, "times")
        raise InvalidRows(
            f"column {column.name!r} holds {values.type} where the model learnt from {wanted}: "
            f"{str(error).splitlines()[0]}"
        ) from None


def _texts(values: pa.Array) -> pa.Array:
    """Values as texts, a whole number the same whether it was read as integer, float or text."""
    if pa.types.is_floating(values.type) and pc.all(pc.equal(values, pc.floor(values))).as_py():
        values = values.cast(pa.int64())
    return values.cast(pa.string())


def _numbers(values: pa.Array) -> pa.Array:
    if pa.types.is_temporal(values.type):
        raise pa.ArrowInvalid("these are times")
    return values.cast(pa.float64(), safe=False)
