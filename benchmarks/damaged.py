"""Data files that are damaged in every way that files are, seeded: what `uploads` sends."""

from __future__ import annotations

import io
import json
import random
from collections.abc import Callable

import pyarrow as pa
import pyarrow.csv
import pyarrow.parquet

FORMATS = ("parquet", "arrow", "csv", "json", "arff")
TEXT = ("csv", "json", "arff")


def table(n: int = 40) -> pa.Table:
    """A small sound table: numbers, whole numbers, text with gaps, a target of two classes."""
    rng = random.Random(0)
    return pa.table(
        {
            "a": [rng.random() for _ in range(n)],
            "b": [rng.randrange(1000) for _ in range(n)],
            "c": [rng.choice(["rot", "blau", None]) for _ in range(n)],
            "y": [("no", "yes")[i % 2] for i in range(n)],
        }
    )


def sound(format: str) -> bytes:
    """The table as a file of this format."""
    file, rows = io.BytesIO(), table()
    if format == "parquet":
        pyarrow.parquet.write_table(rows, file)
    elif format == "arrow":
        with pa.ipc.new_file(file, rows.schema) as writer:
            writer.write_table(rows)
    elif format == "csv":
        pyarrow.csv.write_csv(rows, file)
    elif format == "json":
        file.write(json.dumps(rows.to_pylist()).encode())
    else:
        head = "@relation r\n@attribute a numeric\n@attribute b integer\n"
        head += "@attribute c {rot,blau}\n@attribute y {no,yes}\n@data\n"
        lines = (
            ",".join("?" if v is None else str(v) for v in r.values()) for r in rows.to_pylist()
        )
        file.write((head + "\n".join(lines)).encode())
    return file.getvalue()


def flipped(body: bytes, rng: random.Random, format: str) -> bytes:
    """Some bytes are others."""
    changed = bytearray(body)
    for _ in range(rng.choice([1, 2, 8, 64])):
        changed[rng.randrange(len(changed))] = rng.randrange(256)
    return bytes(changed)


def cut(body: bytes, rng: random.Random, format: str) -> bytes:
    """The end is missing, or the beginning."""
    at = rng.randrange(len(body))
    return body[:at] if rng.random() < 0.8 else body[at:]


def renamed(body: bytes, rng: random.Random, format: str) -> bytes:
    """The first bytes, and the last, say that it is something else; or it is."""
    if rng.random() < 0.3:
        return sound(rng.choice([other for other in FORMATS if other != format]))
    magic = rng.choice([b"PK\3\4", b"\x1f\x8b\x08\0", b"MZ\0\0", b"ARROW1\0\0", b"PAR1", b"%PDF"])
    end = magic[:4] if rng.random() < 0.5 else body[-4:]
    return magic + body[len(magic) : -4] + end


def huge(body: bytes, rng: random.Random, format: str) -> bytes:
    """A size, or a number, is larger than anything."""
    if format in TEXT:
        number = rng.choice(
            [b"1e999999", b"9" * 400, b"-1e400", b"0x7fffffffffffffff", b"1" * 70000]
        )
        at = rng.randrange(len(body))
        return body[:at] + number + body[at:]
    width = rng.choice([4, 8])
    claim = rng.choice([2 ** (8 * width - 1) - 1, 2 ** (8 * width) - 1, 2**31, 2**30])
    at = rng.choice([rng.randrange(len(body) // 4) * 4, len(body) - 8 - rng.randrange(200)])
    at = min(max(at, 0), len(body) - width)
    return body[:at] + claim.to_bytes(width + 1, "little")[:width] + body[at + width :]


def nested(body: bytes, rng: random.Random, format: str) -> bytes:
    """Brackets in brackets, and no end of quotes."""
    opening = rng.choice([b"[", b'{"a":', b'[{"a":', b"{", b'"', b"@attribute x {", b"'"])
    depth, at = rng.choice([3, 300, 30_000]), rng.randrange(len(body))
    return (b"" if rng.random() < 0.3 else body[:at]) + opening * depth + body[at:]


def empty_bytes(body: bytes, rng: random.Random, format: str) -> bytes:
    """Zeros, where there should be none."""
    at, n = rng.randrange(len(body)), rng.choice([1, 16, 4096])
    return body[:at] + b"\0" * n + body[at + rng.choice([0, n]) :]


def encoded(body: bytes, rng: random.Random, format: str) -> bytes:
    """Text that is no UTF-8."""
    if format in TEXT and rng.random() < 0.6:
        said = body.decode(errors="replace").replace("rot", "röt\u2028")
        kind = rng.choice(["utf-16", "utf-32", "utf-16-be", "cp037", "latin-1", "utf-7"])
        return said.encode(kind, errors="replace")
    at = rng.randrange(len(body))
    return (
        body[:at] + rng.choice([b"\xff\xfe", b"\xc3\x28", b"\xed\xa0\x80", b"\xf8\x88"]) + body[at:]
    )


def spliced(body: bytes, rng: random.Random, format: str) -> bytes:
    """Parts are missing, twice there, or in the wrong order."""
    one, two = sorted(rng.randrange(len(body)) for _ in range(2))
    return rng.choice(
        [body[:one] + body[two:], body[:two] + body[one:], body[two:] + body[one:two] + body[:one]]
    )


def noise(body: bytes, rng: random.Random, format: str) -> bytes:
    """Nothing but noise, or nothing at all."""
    return rng.randbytes(rng.choice([0, 1, 12, 1000, 20_000]))


DAMAGES: tuple[Callable[[bytes, random.Random, str], bytes], ...] = (
    flipped, flipped, cut, renamed, huge, nested, empty_bytes, encoded, spliced, noise,
)  # fmt: skip


def damaged(format: str, nth: int) -> bytes:
    """The nth damaged file of a format; the same each time."""
    rng = random.Random(f"{format} {nth}")
    body = rng.choice(DAMAGES)(sound(format), rng, format)
    if rng.random() < 0.8 or len(body) < 16:
        return body
    return rng.choice(DAMAGES)(body, rng, format)  # twice
