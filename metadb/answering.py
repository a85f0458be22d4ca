"""The process that answers foreign SQL: one read-only generation, every setting locked.

Started by `api.guarded_process`, which speaks with it over its standard input and output in frames
of JSON (a frame is four bytes of length and the text; an answer's rows follow as an Arrow stream)
and kills it when its time is up. It answers one statement at a time.
"""

from __future__ import annotations

import json
import os
import struct
import sys
from pathlib import Path
from typing import Any, BinaryIO

import duckdb
import pyarrow as pa

from metadb.confinement import end_after, give_up
from metadb.errors import QueryRefused
from metadb.gate import LONGEST, Gate

_BATCH = 2048
_PASSED = 500  # statements that passed the gate are remembered by their exact text
_CONFIG: dict[str, Any] = {"memory_limit": "256MB", "threads": 1, "async_threads": 0}
_SETTINGS = (
    "temp_directory = ''",
    "max_temp_directory_size = '0B'",
    "autoinstall_known_extensions = false",
    "autoload_known_extensions = false",
    "allow_community_extensions = false",
    "allow_extension_repositories = 'forbidden'",
    "allow_persistent_secrets = false",
    "secret_directory = ''",
    "python_enable_replacements = false",
    "late_materialization_max_rows = 0",  # of our narrow tables the second scan costs more
    "max_expression_depth = 200",
    "pivot_limit = 1000",
    "enable_external_access = false",
)
_HOSTILE = (  # errors after which this process is not to be trusted further, or tells too much
    duckdb.InternalException,
    duckdb.FatalException,
)


def serve(limits: dict[str, float]) -> None:
    """Answer until standard input ends.

    Args:
        limits: `seconds` a statement may take and `memory_bytes` it may take besides what the
            process takes before the first.
    """
    requests, replies = _private_pipes()
    sys.setrecursionlimit(4_000)
    answering = Answering(limits["seconds"])
    give_up(memory_bytes=int(limits["memory_bytes"]))
    _reply(replies, {"ready": True})
    while (request := _request(requests)) is not None:
        end_after(limits["seconds"] + 1)
        if "open" in request:
            _reply(replies, answering.open(request["open"]))
            continue
        try:
            rows, truncated = answering.answer(
                request["sql"], rows=request["rows"], size_bytes=request["size_bytes"]
            )
        except QueryRefused as error:
            _reply(replies, {"refused": str(error)})
        except (MemoryError, pa.ArrowMemoryError, duckdb.OutOfMemoryException):
            _reply(replies, {"limit": "memory"})
        except duckdb.InterruptException:
            _reply(replies, {"limit": "time"})
        except _HOSTILE:
            _reply(
                replies, {"refused": "the engine failed at this statement; write it differently"}
            )
            return
        except (duckdb.Error, pa.ArrowException, ValueError, RecursionError) as error:
            _reply(replies, {"refused": sentence(error, answering.path)})
        else:
            _reply(replies, {"truncated": truncated}, rows)


class Answering:
    """A locked engine over one generation.

    Args:
        seconds: After which the engine is asked to stop by itself; not all of it listens.
    """

    def __init__(self, seconds: float) -> None:
        self._max_execution_ms = int(seconds * 1000)
        self._parser = duckdb.connect(":memory:", config=_CONFIG)
        self._lock(self._parser)
        (self._serialize,) = self._parser.extract_statements("select json_serialize_sql(?)")
        self._passed: dict[str, None] = {}
        self._con: duckdb.DuckDBPyConnection | None = None
        self._gate = Gate(())
        self.path = ""  # of the generation

    def open(self, path: str) -> dict[str, Any]:
        """Answer from this file from now on; stay with the last one where it cannot be opened."""
        try:
            con = duckdb.connect(path, read_only=True, config=_CONFIG)
            # Before it is locked, see there.
            found = con.execute(
                "select table_schema, table_name from information_schema.tables"
            ).fetchall()
            self._lock(con)
        except (duckdb.Error, MemoryError):
            return {"opened": False}
        if self._con is not None:
            self._con.close()
        self._con, self.path = con, path
        self._passed.clear()
        self._gate = Gate([(t,) if schema == "main" else (schema, t) for schema, t in found])
        return {"opened": True}

    def _lock(self, con: duckdb.DuckDBPyConnection) -> None:
        # Global: a setting of one connection is not that of its cursors, which answer. The time a
        # statement may take comes late: on a machine that stands still it would end ours too.
        for setting in (*_SETTINGS, f"max_execution_time = {self._max_execution_ms}"):
            con.execute(f"set global {setting}")
        con.execute("set global lock_configuration = true")

    def answer(self, sql: str, *, rows: int, size_bytes: int) -> tuple[bytes, bool]:
        """The first rows that a statement answers, as an Arrow stream, and whether there were more.

        Raises:
            QueryRefused: The gate does not let it pass.
            duckdb.Error: It fails.
        """
        if len(sql) > LONGEST:
            raise QueryRefused(f"the statement has over {LONGEST:,} characters; make it shorter")
        assert self._con is not None
        self._admit(sql)
        with self._con.cursor() as cursor:
            reader = cursor.sql(sql).to_arrow_reader(_BATCH)  # execute would keep all rows
            return _first(reader, rows, size_bytes)

    def _admit(self, sql: str) -> None:
        """Let the gate look at a text that it has not let pass before."""
        if sql in self._passed:
            return
        self._gate.check(self._parse(sql))
        if len(self._passed) >= _PASSED:
            self._passed.clear()
        self._passed[sql] = None

    def _parse(self, sql: str) -> str:
        statements = self._parser.extract_statements(sql)
        if len(statements) != 1:
            raise QueryRefused("one select statement at a time is answered; send one")
        found = self._parser.execute(self._serialize, [sql]).fetchall()
        return str(found[0][0])


def _first(reader: pa.RecordBatchReader, rows: int, size_bytes: int) -> tuple[bytes, bool]:
    kept: list[pa.RecordBatch] = []
    truncated = False
    for batch in reader:
        fitting = _fitting(batch.slice(0, rows), size_bytes)
        truncated = fitting.num_rows < batch.num_rows
        kept.append(fitting)
        rows -= fitting.num_rows
        size_bytes -= fitting.nbytes
        if truncated:
            break
    sink = pa.BufferOutputStream()
    with pa.ipc.new_stream(sink, reader.schema) as writer:
        for batch in kept:
            writer.write_batch(batch)
    return sink.getvalue().to_pybytes(), truncated


def _fitting(batch: pa.RecordBatch, size_bytes: int) -> pa.RecordBatch:
    """As many of its first rows as take at most so many bytes."""
    if batch.nbytes <= size_bytes:
        return batch
    low, high = 0, batch.num_rows
    while low < high:
        middle = (low + high + 1) // 2
        if batch.slice(0, middle).nbytes <= size_bytes:
            low = middle
        else:
            high = middle - 1
    return batch.slice(0, low)


def sentence(error: Exception, path: str) -> str:
    """The engine's first sentence without our paths, our SQL, and its advice to change settings."""
    text = str(error).split("\nLINE ")[0]
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    hints = [line for line in lines[1:2] if line.startswith(("Candidate", "Did you mean"))]
    said = " ".join(lines[:1] + hints)[:300] or "the statement fails"
    files = isinstance(error, duckdb.IOException | duckdb.PermissionException)
    if files or Path(path).name in text or str(Path(path).parent) in text:
        return "the statement asks for a file, which foreign SQL never gets"
    return "".join(c if c.isprintable() else "?" for c in said)


def _private_pipes() -> tuple[BinaryIO, BinaryIO]:
    """Standard input and output for frames alone: what else prints, prints into nothing."""
    requests, replies = os.fdopen(os.dup(0), "rb"), os.fdopen(os.dup(1), "wb")
    nothing = os.open(os.devnull, os.O_RDWR)
    for descriptor in (0, 1, 2):
        os.dup2(nothing, descriptor)
    return requests, replies


def _request(requests: BinaryIO) -> dict[str, Any] | None:
    head = requests.read(4)
    if len(head) < 4:
        return None
    (size,) = struct.unpack("<I", head)
    request: dict[str, Any] = json.loads(requests.read(size))
    return request


def _reply(replies: BinaryIO, said: dict[str, Any], rows: bytes = b"") -> None:
    text = json.dumps(said | {"size": len(rows)}).encode()
    replies.write(struct.pack("<I", len(text)) + text + rows)
    replies.flush()
