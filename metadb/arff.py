"""ARFF files, read as they are found in the wild: tolerant of dialects, strict about the data."""

from __future__ import annotations

import io
import math
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import IO, NoReturn

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.csv

from metadb.errors import MalformedFile, NotFound

MAX_BYTES = 2**30
"""A larger file is refused, since reading takes several times its size."""

MAX_CELLS = 2 * 10**8
"""A sparse file of more rows x attributes is refused: a dense number takes 8 bytes."""

MISSING = frozenset({"?", "", "null", "nan", "na"})
"""What stands for a missing number, in any case; in other columns only `?` and nothing do."""

Kind = str | tuple[str, ...]

_RANGE = r"(?:\s*[\[(][^\])]*[\])])?"
_TYPE = rf"(?:numeric|real|integer|string){_RANGE}|date(?:\s.*)?|relational"
_QUOTED = r"'(?:[^'\\]|\\.)*'|\"(?:[^\"\\]|\\.)*\""
_TOKEN = rf"({_QUOTED}|[^ \t'\",][^,]*|)"  # a bare one may end in blanks
_ATTRIBUTE = re.compile(
    rf"@attribute\s+(?:(?P<quoted>{_QUOTED})\s*|(?P<bare>\S.{{0,1000}}?)(?:\s+|(?=\{{)))"
    rf"(?:(?P<type>{_TYPE})|\{{(?P<values>.*))\s*(?:\s%.*)?$",
    re.IGNORECASE,
)
_NOMINAL = re.compile(rf"\s*({_QUOTED}|[^\s'\",{{}}][^,{{}}]*|)\s*(,|\}})")
_TOKENS = re.compile(rf"(?:^|,){_TOKEN}(?=,|$)")
_VALUE = re.compile(rf"[ \t]*{_TOKEN}[ \t]*(,|$)")
_ENTRY = re.compile(rf"[ \t]*(\d+)[ \t]+{_TOKEN}[ \t]*(,|$)")
_ESCAPE = re.compile(r"\\(u[0-9a-fA-F]{4}|.)")
_PLAIN = {"n": "\n", "t": "\t", "r": "\r", "b": "\b", "f": "\f"}
_NOISE = re.compile(r"^[ \t\0\x1a]*(?:%.*)?\n", re.MULTILINE)  # blank and comment lines
_BLANK = " \t\0\x1a"


@dataclass(frozen=True, slots=True)
class Arff:
    """An ARFF file: its header and its rows.

    Args:
        relation: The name after `@relation`; empty where there is none.
        comments: The lines before the first declaration, without their `%`; some sources put
            JSON there.
        attributes: Name, and `numeric`, `integer`, `string`, `date` or the nominal values.
        table: A column per attribute: float64 for numeric and integer (null where missing,
            infinities kept), string for all others.
    """

    relation: str
    comments: tuple[str, ...]
    attributes: tuple[tuple[str, Kind], ...]
    table: pa.Table


def read_arff(source: str | Path | IO[str] | IO[bytes]) -> Arff:
    """Read an ARFF file, dense or sparse.

    Keywords are read in any case, `%` comments everywhere on their own line, single and double
    quotes with backslash escapes, and the ranges of old Weka files (`integer [1,10]`). Bytes
    are UTF-8 where they can be, else latin-1. A quoted `'?'` is a value where it is declared. In
    a sparse row, what is absent is 0, the first nominal value, or (text) missing.

    The file is held in memory: at most `MAX_BYTES`, and `MAX_CELLS` for a sparse one; the peak is
    about 8 times the file's size, 25 times where values are quoted. 47,000 rows of 12 unquoted
    values take 0.1 s, a million quoted values 1 s.

    Args:
        source: A path, or an open text or binary stream.

    Raises:
        NotFound: There is no such file.
        MalformedFile: The header is cut short or not understood, a row has too few or too many
            values, or a value is not of its attribute's type; the text names file and line.
    """
    text, name = _text(source)
    relation, comments, attributes, start, line = _header(text, name)
    body = text[start:]
    columns = _read_fast(body, attributes)
    if columns is None:
        columns = _Body(body, attributes, name, line).columns()
    table = pa.Table.from_arrays(columns, names=[attribute for attribute, _ in attributes])
    return Arff(relation, comments, attributes, table)


def _text(source: str | Path | IO[str] | IO[bytes]) -> tuple[str, str]:
    """The whole text with `\\n` line ends, and what to call it in an error."""
    if isinstance(source, str | Path):
        try:
            with Path(source).open("rb") as stream:
                content: str | bytes = stream.read(MAX_BYTES + 1)
        except (FileNotFoundError, IsADirectoryError):
            raise NotFound(f"there is no file {source}; give the path of an ARFF file") from None
        name = str(source)
    else:
        content = source.read(MAX_BYTES + 1)
        name = str(getattr(source, "name", "the ARFF stream"))
    if len(content) > MAX_BYTES:
        raise MalformedFile(f"{name} is larger than {MAX_BYTES:,} bytes; convert it to Parquet")
    text = content if isinstance(content, str) else _decoded(content)
    if "\r" in text:
        text = text.replace("\r\n", "\n").replace("\r", "\n")
    return text, name


def _decoded(content: bytes) -> str:
    try:
        return content.decode("utf-8-sig")
    except UnicodeDecodeError:
        return content.decode("latin-1")


def _lines(text: str) -> Iterator[tuple[int, int, str]]:
    """Number, offset behind it, and content of each line that is not blank."""
    for number, match in enumerate(re.finditer(r"([^\n]*)(?:\n|\Z)", text), start=1):
        if line := match[1].strip(_BLANK):
            yield number, match.end(), line


def _header(
    text: str, name: str
) -> tuple[str, tuple[str, ...], tuple[tuple[str, Kind], ...], int, int]:
    """Relation, leading comments, attributes, and offset and number of the line after @data."""
    relation, comments = "", []
    attributes: dict[str, Kind] = {}
    number, declared = 0, False
    for number, end, line in _lines(text):
        keyword = (line.split(None, 1) or [line])[0].lower()  # [line]: of odd blanks alone
        if line.startswith("%"):
            if not declared:
                comments.append(line[1:].strip())
        elif keyword == "@data":
            if not attributes:
                raise MalformedFile(f"{name}, line {number}: @data without an @attribute before it")
            return relation, tuple(comments), tuple(attributes.items()), end, number + 1
        elif keyword == "@relation":
            relation = _unquoted(line[len(keyword) :].strip())
        elif keyword == "@attribute":
            attribute, kind = _attribute(line, f"{name}, line {number}")
            if attribute in attributes:
                raise MalformedFile(
                    f"{name}, line {number}: the attribute {attribute!r} is declared twice; "
                    "rename one of them"
                )
            attributes[attribute] = kind
        else:
            raise MalformedFile(
                f"{name}, line {number}: {line[:60]!r} stands before @data; an ARFF header holds "
                "only @relation, @attribute and % comments"
            )
        declared = declared or not line.startswith("%")
    raise MalformedFile(
        f"{name} ends at line {number} without @data: is it cut short, or not an ARFF file?"
    )


def _attribute(line: str, where: str) -> tuple[str, Kind]:
    """Name and kind of one @attribute line."""
    found = _ATTRIBUTE.match(line)
    if found is None:
        raise MalformedFile(
            f"{where}: {line[:80]!r} is not understood; right is @attribute <name> with numeric, "
            "integer, string, date or {value, value}"
        )
    name = _unquoted(found["quoted"]) if found["quoted"] else found["bare"].rstrip()
    if found["type"] is None:
        return name, _nominal(found["values"], name, where)
    kind = re.split(r"[\s\[(]", found["type"], maxsplit=1)[0].lower()
    if kind == "relational":
        raise MalformedFile(f"{where}: {name!r} is relational; only flat attributes can be read")
    return name, "numeric" if kind == "real" else kind


def _nominal(text: str, name: str, where: str) -> tuple[str, ...]:
    """The declared values, from behind the opening brace on."""
    values, position = [], 0
    while found := _NOMINAL.match(text, position):
        raw, position = found[1].rstrip(), found.end()
        if raw:
            values.append(_unquoted(raw))
        if found[2] == "}":
            return tuple(dict.fromkeys(values))
    raise MalformedFile(f"{where}: the values of {name!r} are not closed by '}}'; is it cut short?")


def _unescape(found: re.Match[str]) -> str:
    code = found[1]
    return chr(int(code[1:], 16)) if len(code) == 5 else _PLAIN.get(code, code)


def _unquoted(raw: str) -> str:
    """What a value as written stands for, without quotes and escapes."""
    if len(raw) < 2 or raw[0] != raw[-1] or raw[0] not in "'\"":
        return raw
    return _ESCAPE.sub(_unescape, raw[1:-1]) if "\\" in raw else raw[1:-1]


def _is_number(kind: Kind) -> bool:
    return kind in ("numeric", "integer")


def _read_fast(body: str, attributes: Sequence[tuple[str, Kind]]) -> list[pa.Array] | None:
    """Read plain rows with Arrow's CSV reader; None where they need, or blame needs, line by line.

    It never raises: what is wrong is found again, with its line, by the slow path.
    """
    body = body.rstrip(_BLANK + "\n") + "\n"
    if not body.strip() or any(mark in body for mark in "'\"\\{\0\x1a"):
        return None
    if "%" in body or "\n " in body or "\n\t" in body:
        body = _NOISE.sub("", body)
    spaced = " " in body or "\t" in body
    if spaced:
        body = body.replace(", ", ",").replace(" ,", ",")
    names = [str(position) for position in range(len(attributes))]
    types = {
        name: pa.float64() if _is_number(kind) else pa.string()
        for name, (_, kind) in zip(names, attributes, strict=True)
    }
    spellings = [cased for word in MISSING for cased in (word, word.upper(), word.capitalize())]
    content = body.encode()
    try:
        table = pyarrow.csv.read_csv(
            io.BytesIO(content),
            read_options=pyarrow.csv.ReadOptions(
                column_names=names, block_size=min(max(len(content) // 4, 2**20), 2**26)
            ),
            parse_options=pyarrow.csv.ParseOptions(quote_char=False),
            convert_options=pyarrow.csv.ConvertOptions(
                column_types=types, null_values=[*spellings, "NaN"], strings_can_be_null=False
            ),
        )
    except pa.ArrowInvalid:
        return None
    columns = [
        _cleaned(column.combine_chunks(), kind, trim=spaced)
        for column, (_, kind) in zip(table.columns, attributes, strict=True)
    ]
    return None if any(column is None for column in columns) else columns


def _cleaned(column: pa.Array, kind: Kind, *, trim: bool) -> pa.Array | None:
    """The column with null for what is missing; None where a value is not declared."""
    if _is_number(kind):
        nan = pc.is_nan(column)
        return pc.if_else(nan, None, column) if pc.any(nan).as_py() else column
    if trim:
        column = pc.utf8_trim(column, characters=_BLANK)
    missing = pc.is_in(column, value_set=pa.array(["?", ""]))
    if pc.any(missing).as_py():
        column = pc.if_else(missing, pa.scalar(None, pa.string()), column)
    if isinstance(kind, tuple) and set(pc.unique(column).to_pylist()) - {None, *kind}:
        return None
    return column


@dataclass(frozen=True, slots=True)
class _Body:
    """The data section, read line by line; every complaint names the line."""

    text: str
    attributes: Sequence[tuple[str, Kind]]
    name: str
    line: int  # of the file, where the text begins

    def columns(self) -> list[pa.Array]:
        lines = [
            (self.line + number - 1, line)
            for number, _, line in _lines(self.text)
            if not line.startswith("%")
        ]
        numbers = [number for number, _ in lines]
        if lines and lines[0][1].startswith("{"):
            return self._sparse(lines)
        rows = [self._row(number, line) for number, line in lines]
        return [
            self._array(list(values), numbers, position)
            for position, values in enumerate(zip(*rows, strict=True))
        ] or [self._array([], [], position) for position in range(len(self.attributes))]

    def _row(self, number: int, line: str) -> list[str]:
        """The values of a dense row as written, quoted ones with their quotes."""
        if "'" in line or '"' in line:
            values = _TOKENS.findall(line)
            if sum(map(len, values)) + len(values) - 1 != len(line):  # blanks, or worse
                values = self._tokens(number, line)
        else:
            values = [value.strip(_BLANK) for value in line.split(",")]
        if len(values) != len(self.attributes):
            self._fail(
                number,
                f"{len(values)} values where {len(self.attributes)} attributes are declared; "
                "quote values that hold a comma, or complete the row",
            )
        return values

    def _tokens(self, number: int, line: str) -> list[str]:
        values, position, more = [], 0, ","
        while more and (found := _VALUE.match(line, position)):
            values.append(found[1].rstrip(_BLANK))
            position, more = found.end(), found[2]
        if more:
            self._fail(number, f"{line[position:][:60]!r} is not understood; is a quote left open?")
        return values

    def _sparse(self, lines: list[tuple[int, str]]) -> list[pa.Array]:
        """Columns of rows such as `{0 1, 3 'a'}`."""
        if len(lines) * len(self.attributes) > MAX_CELLS:
            raise MalformedFile(
                f"{self.name} has {len(lines):,} sparse rows of {len(self.attributes):,} "
                f"attributes, more than the {MAX_CELLS:,} cells that are read; split it"
            )
        found: list[tuple[list[int], list[str]]] = [([], []) for _ in self.attributes]
        for row, (number, line) in enumerate(lines):
            for position, value in self._entries(number, line):
                rows, values = found[position]
                if rows and rows[-1] == row:
                    self._fail(number, f"attribute {position} is given twice")
                rows.append(row)
                values.append(value)
        numbers = [number for number, _ in lines]
        return [
            self._spread(rows, values, numbers, position)
            for position, (rows, values) in enumerate(found)
        ]

    def _entries(self, number: int, line: str) -> Iterator[tuple[int, str]]:
        """Position and value of each entry of a sparse row."""
        if not (line.startswith("{") and line.endswith("}")):
            self._fail(number, "a row without braces among sparse rows; write {position value}")
        inner, position, more = line[1:-1].strip(_BLANK), 0, ","
        while inner and more:
            found = _ENTRY.match(inner, position)
            if found is None:
                self._fail(
                    number, f"{inner[position:][:60]!r} is not understood; write {{position value}}"
                )
            if int(found[1]) >= len(self.attributes):
                self._fail(
                    number,
                    f"position {found[1]} where {len(self.attributes)} attributes are declared, "
                    "counted from 0",
                )
            yield int(found[1]), found[2].rstrip(_BLANK)
            position, more = found.end(), found[3]

    def _spread(
        self, rows: list[int], values: list[str], numbers: list[int], position: int
    ) -> pa.Array:
        """A whole column from the entries that were given."""
        kind = self.attributes[position][1]
        given = self._array(values, [numbers[row] for row in rows], position)
        if _is_number(kind):
            dense, missing = np.zeros(len(numbers)), np.zeros(len(numbers), dtype=bool)
            dense[rows] = given.to_numpy(zero_copy_only=False)
            missing[rows] = given.is_null().to_numpy(zero_copy_only=False)
            return pa.array(dense, mask=missing)
        texts = [kind[0] if isinstance(kind, tuple) and kind else None] * len(numbers)
        for row, value in zip(rows, given.to_pylist(), strict=True):
            texts[row] = value
        return pa.array(texts, pa.string())

    def _array(self, values: list[str], numbers: list[int], position: int) -> pa.Array:
        """A column of the attribute's type, from its values as written."""
        if _is_number(self.attributes[position][1]):
            floats = np.fromiter(self._floats(values, numbers, position), np.float64, len(values))
            return pa.array(floats, from_pandas=True)  # NaN becomes null
        return pa.array(self._texts(values, numbers, position), pa.string())

    def _texts(self, values: list[str], numbers: list[int], position: int) -> list[str | None]:
        name, kind = self.attributes[position]
        declared = frozenset(kind) if isinstance(kind, tuple) else None
        known: dict[str, str | None] = {"?": None, "": None}
        for raw, number in zip(values, numbers, strict=True):
            if raw in known:
                continue
            text: str | None = _unquoted(raw)
            if declared is not None and text not in declared:
                text = raw.strip("'\"").strip(_BLANK)
                if text in ("?", ""):  # quoted, but not declared
                    text = None
                elif text not in declared:
                    some = ", ".join(kind[:8]) + (", ..." if len(kind) > 8 else "")
                    self._fail(number, f"{text!r} is not a value of {name!r}, which has {{{some}}}")
            known[raw] = text
        return [known[raw] for raw in values]

    def _floats(self, values: list[str], numbers: list[int], position: int) -> Iterator[float]:
        for raw, number in zip(values, numbers, strict=True):
            text = _unquoted(raw)
            if text.lower() in MISSING:
                yield math.nan
                continue
            try:
                yield float(text if "_" not in text else "")  # Python would read 1_000
            except ValueError:
                name, kind = self.attributes[position]
                self._fail(
                    number,
                    f"{text!r} is not a number, but {name!r} is declared {kind}; "
                    "missing is written ?",
                )

    def _fail(self, number: int, what: str) -> NoReturn:
        raise MalformedFile(f"{self.name}, line {number}: {what}")
