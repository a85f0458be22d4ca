"""The answer to a query: Arrow inside, a table in a notebook, a table on a terminal."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from html import escape
from typing import Any

import pyarrow as pa

from metadb.errors import NotFound

_SHOWN, _WIDTH = 20, 60


@dataclass(frozen=True, slots=True)
class Result:
    """Rows with named columns; any Arrow consumer (pandas, polars, DuckDB, nanoarrow) takes it.

    Args:
        table: The rows.
    """

    table: pa.Table

    def __arrow_c_stream__(self, requested_schema: object | None = None) -> object:
        """Hand the rows over by the Arrow PyCapsule protocol, without a copy."""
        return self.table.__arrow_c_stream__(requested_schema)

    def __len__(self) -> int:
        return int(self.table.num_rows)

    def __iter__(self) -> Iterator[dict[str, Any]]:
        for batch in self.table.to_batches():
            yield from batch.to_pylist()

    @property
    def columns(self) -> list[str]:
        """The names of the columns."""
        return list(self.table.column_names)

    def to_pandas(self) -> Any:
        """The rows as a pandas data frame."""
        return self.table.to_pandas()

    def column(self, name: str) -> list[Any]:
        """One column as plain Python values.

        Raises:
            NotFound: The answer has no such column.
        """
        if name not in self.columns:
            raise NotFound(f"no column {name!r}; there are {', '.join(self.columns)}")
        return list(self.table.column(self.columns.index(name)).to_pylist())

    def __str__(self) -> str:
        """The first rows as aligned text, long cells cut."""
        return f"{self._aligned(_SHOWN, _WIDTH)}\n({self._count()})"

    def text(self) -> str:
        """All rows as aligned text, nothing cut."""
        return self._aligned(len(self), None)

    def _aligned(self, n: int, width: int | None) -> str:
        lines = [self.columns, *([_text(v, width) for v in row] for row in self._head(n))]
        widths = [max(map(len, column)) for column in zip(*lines, strict=True)]
        return "\n".join(
            "  ".join(cell.ljust(w) for cell, w in zip(line, widths, strict=True)).rstrip()
            for line in lines
        )

    def _repr_html_(self) -> str:
        head = "".join(f"<th>{escape(name)}</th>" for name in self.columns)
        body = "".join(
            "<tr>" + "".join(f"<td>{escape(_text(v, _WIDTH))}</td>" for v in row) + "</tr>"
            for row in self._head(_SHOWN)
        )
        return (
            f"<table><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table>"
            f"<p>{self._count()}</p>"
        )

    def _head(self, n: int) -> list[tuple[Any, ...]]:
        columns = [column.to_pylist() for column in self.table.slice(0, n).columns]
        return list(zip(*columns, strict=True))

    def _count(self) -> str:
        n = len(self)
        more = f", {_SHOWN} shown" if n > _SHOWN else ""
        return f"{n:,} row{'' if n == 1 else 's'}{more}"


def _text(value: Any, width: int | None) -> str:
    if value is None:
        return ""
    if isinstance(value, float):
        return f"{value:.6g}" if abs(value) < 1e6 else f"{value:.1f}"
    text = "".join(c if c.isprintable() else " " for c in str(value))  # no terminal is steered
    return text if width is None or len(text) <= width else text[: width - 3] + "..."
