"""A CSV file whose cells all stay text, since only its reader knows what they mean."""

from __future__ import annotations

import pyarrow as pa
import pyarrow.csv


def text_columns(content: bytes) -> pa.Table:
    """All columns as texts, an empty cell as the empty text; a cell may hold line breaks.

    Raises:
        pyarrow.ArrowInvalid: It is no CSV, or names a column twice.
    """
    parse = pyarrow.csv.ParseOptions(newlines_in_values=True)
    header = pyarrow.csv.open_csv(pa.BufferReader(content), parse_options=parse).schema.names
    twice = [name for name in header if header.count(name) > 1]
    if twice:
        raise pa.ArrowInvalid(f"it has two columns {twice[0]!r}")
    return pyarrow.csv.read_csv(
        pa.BufferReader(content),
        parse_options=parse,
        convert_options=pyarrow.csv.ConvertOptions(
            column_types=dict.fromkeys(header, pa.string()), strings_can_be_null=False
        ),
    )
