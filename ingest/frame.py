"""Results that lie in memory: a pandas DataFrame (or an Arrow table) with a mapping."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pyarrow as pa
import pyarrow.parquet as pq

from ingest import About
from ingest.table import Table
from metadb.errors import MalformedFile
from metadb.records import Rows

if TYPE_CHECKING:
    from ingest.load import Loaded
    from metadb.store import Store

_ROWS, _MAPPING = "rows.parquet", "metadb.json"


@dataclass(frozen=True)
class Frame:
    """Evaluations in a DataFrame, with what a mapping file of the source `table` would say.

    Args:
        frame: A pandas DataFrame or an Arrow table, one row an evaluation; its index is not read.
        mapping: `origin`, `evaluations` with `columns` and `metrics`, and so on, as in
            `metadb.toml`, but without the file's name.
    """

    frame: Any
    mapping: Mapping[str, Any]

    def fetch(self, cache: Path, cursor: str | None = None) -> list[Path]:
        """The frame as Parquet with its mapping beside it, in a folder named by the content.

        Raises:
            MalformedFile: A column holds what Arrow has no type for.
        """
        table = _table(self.frame)
        evaluations = {**self.mapping.get("evaluations", {}), "file": _ROWS}
        text = json.dumps({**self.mapping, "evaluations": evaluations}, sort_keys=True)
        sink = pa.BufferOutputStream()
        pq.write_table(table, sink)
        content = sink.getvalue().to_pybytes()
        digest = sha256(text.encode() + content).hexdigest()[:16]
        folder = cache / f"frame-{digest}"
        if not (folder / _MAPPING).is_file():
            folder.mkdir(parents=True, exist_ok=True)
            (folder / _ROWS).write_bytes(content)
            part = folder / "mapping.part"
            part.write_text(text, encoding="utf-8")
            part.replace(folder / _MAPPING)  # last, since it makes the folder a whole one
        return [folder]

    def about(self, path: Path) -> About:
        """What the mapping says of licence and citation."""
        return Table((path,)).about(path)

    def parse(self, path: Path) -> Iterator[Rows]:
        """The rows of the frame, as the source `table` reads them."""
        return Table((path,)).parse(path)


def add_frame(store: Store, frame: Any, mapping: Mapping[str, Any]) -> list[Loaded]:
    """Put a DataFrame into a store; the same one twice adds nothing.

    Args:
        frame: A pandas DataFrame or an Arrow table.
        mapping: As of `Frame`.
    """
    from ingest.load import load

    return list(load("frame", Frame(frame, mapping), store, store.path / "cache"))


def _table(frame: Any) -> pa.Table:
    if isinstance(frame, pa.Table):
        return frame
    try:
        return pa.Table.from_pandas(frame, preserve_index=False).replace_schema_metadata()
    except (pa.ArrowException, TypeError, ValueError, AttributeError) as error:
        why = str(error).splitlines()[0][:200]
        raise MalformedFile(
            f"the frame cannot be read ({why}); give a DataFrame whose columns hold one type each"
        ) from error
