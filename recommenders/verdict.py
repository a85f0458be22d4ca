"""What the referee found: how one recommender did on one task left out, and its way to a file."""

from __future__ import annotations

import ast
import inspect
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import lru_cache
from hashlib import blake2b
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from metadb import __version__
from metadb.history import History
from metadb.protocols import Floats

if TYPE_CHECKING:
    import pyarrow as pa

_NUMBERS = ("regret", "expected", "low", "high", "probability", "suggest_s")


@dataclass(frozen=True, slots=True, eq=False)
class Verdict:
    """One recommender on one task that it had not seen, one config at a time.

    Args:
        recommender: Its name. task: The task left out. dataset: The data set left out with it.
        seed: Of the fit. seeds: The seeds this verdict stands for; more than one where the
            advice was seen not to depend on the seed.
        tried: Ids of the configs in the order in which they were advised, (m,).
        regret: Normalised regret of each, (m,).
        best: The smallest regret of the first 1, 2, ... configs; 1 before the first, (n,) with n
            the budget or the number of candidates. Where the recommender stopped (m < n) the last
            value holds; it is not asked on once the best candidate is found.
        expected: What it said of each before it was run: expected regret, (m,); an interval of
            probability 0.8 from `low` to `high`; the `probability` of a regret <= 0.01. NaN where
            it said nothing.
        suggest_s: Seconds of each suggestion, (m,). fit_s: Seconds of the fit, shared by the tasks
            that were left out together.
        refused: Why it would not advise on this task, in its own words; None if it did.
    """

    recommender: str
    task: str
    dataset: str
    seed: int
    seeds: tuple[int, ...]
    tried: tuple[str, ...]
    best: Floats
    regret: Floats
    expected: Floats
    low: Floats
    high: Floats
    probability: Floats
    suggest_s: Floats
    fit_s: float
    refused: str | None = None


def to_table(verdicts: Iterable[Verdict]) -> pa.Table:
    """Verdicts in long form, a row for each recommender, task, seed and step from 1.

    A step at which nothing was advised any more has no config.
    """
    import pyarrow as pa

    columns: dict[str, list[Any]] = {name: [] for name in _schema().names}
    for v in verdicts:
        n, m = len(v.best), len(v.tried)
        same = {
            "recommender": v.recommender,
            "task": v.task,
            "dataset": v.dataset,
            "seed": v.seed,
            "seeds": list(v.seeds),
            "fit_s": v.fit_s,
            "refused": v.refused,
        }
        for name, value in same.items():
            columns[name] += [value] * n
        columns["step"] += range(1, n + 1)
        columns["best"] += v.best.tolist()
        columns["config"] += [*v.tried, *[None] * (n - m)]
        for name in _NUMBERS:
            columns[name] += [*getattr(v, name).tolist(), *[None] * (n - m)]
    return pa.table(columns, schema=_schema())


def from_table(table: pa.Table) -> list[Verdict]:
    """The verdicts of a table that `to_table` made, or several of them put together."""
    columns = {name: table.column(name).to_pylist() for name in _schema().names}
    starts = [i for i, step in enumerate(columns["step"]) if step == 1]
    found = []
    for start, end in zip(starts, [*starts[1:], table.num_rows], strict=True):
        tried = tuple(c for c in columns["config"][start:end] if c is not None)
        m = start + len(tried)
        numbers: dict[str, Any] = {
            name: np.array(columns[name][start:m], float) for name in _NUMBERS
        }
        found.append(
            Verdict(
                **{k: columns[k][start] for k in ("recommender", "task", "dataset", "seed")},
                seeds=tuple(columns["seeds"][start]),
                tried=tried,
                best=np.array(columns["best"][start:end], float),
                fit_s=columns["fit_s"][start],
                refused=columns["refused"][start],
                **numbers,
            )
        )
    return found


def _schema() -> pa.Schema:
    import pyarrow as pa

    text, number, whole = pa.string(), pa.float64(), pa.int64()
    return pa.schema(
        [
            ("recommender", text),
            ("task", text),
            ("dataset", text),
            ("seed", whole),
            ("seeds", pa.list_(whole)),
            ("step", whole),
            ("config", text),
            ("regret", number),
            ("best", number),
            *((name, number) for name in _NUMBERS[1:]),
            ("fit_s", number),
            ("refused", text),
        ]
    )


def keep(verdicts: Sequence[Verdict], path: Path) -> None:
    """Write verdicts to a file, whole or not at all."""
    import os

    from pyarrow import parquet

    part = path.with_name(f".{path.name}.{os.getpid()}.part")
    parquet.write_table(to_table(verdicts), part, compression="zstd")
    part.replace(path)


def kept(path: Path) -> list[Verdict] | None:
    """The verdicts of a file; None where there is none, or none that can be read."""
    from pyarrow import ArrowException, parquet

    if not path.exists():
        return None
    try:
        return from_table(parquet.read_table(path))
    except (ArrowException, KeyError, TypeError):
        return None


def digest(history: History) -> str:
    """128 bits that are equal for equal histories: arrays, ids, meta-features, the space."""
    hashed = blake2b(digest_size=16)

    def take(*texts: str) -> None:
        hashed.update(f"{len(texts)}\0".encode() + "\0".join(texts).encode() + b"\0")

    take(history.metric, history.configs.space_name, history.configs.definition or "")
    take(*history.tasks)
    take(*history.datasets)
    take(*history.configs.ids)
    take(*history.configs.texts)
    for name in ("task", "config", "loss", "cost_s", "budget"):
        hashed.update(np.ascontiguousarray(getattr(history, name)).tobytes())
    for name in sorted(history.described):
        take(name)
        hashed.update(np.ascontiguousarray(history.described[name], dtype=float).tobytes())
    return hashed.hexdigest()


def origin(family: object) -> str:
    """What decides a family's advice apart from history and seed, as text.

    Its module and name, its options where it is an object that holds some, the version of the
    package, and the source of its module and of all modules of ours or beside it that this one
    imports: an edited family is judged anew, and no other.
    """
    kind = family if isinstance(family, type) else type(family)
    name = f"{kind.__module__}.{kind.__qualname__}"
    options = "" if kind is family else repr(family)
    hashed = blake2b(digest_size=16)
    rooms = {"metadb", "recommenders", "optimizers", "benchmarks", kind.__module__.split(".")[0]}
    try:
        sources = {kind.__module__: Path(inspect.getfile(kind))}
    except (TypeError, OSError):  # typed in by hand, or built in
        sources = {}
    todo = list(sources.items())
    while todo:
        _, path = todo.pop()
        for module in _imported(path):
            if module not in sources and module.split(".")[0] in rooms:
                found = _file(module)
                if found is not None:
                    sources[module] = found
                    todo.append((module, found))
    for module, path in sorted(sources.items()):
        hashed.update(module.encode() + b"\0" + path.read_bytes())
    return f"{name}({options}) of metadb {__version__}, source {hashed.hexdigest()}"


@lru_cache(maxsize=1024)
def _imported(path: Path) -> frozenset[str]:
    """Names of what a file imports, wherever in it; a name from a module may be a module too."""
    names: set[str] = set()
    for node in ast.walk(ast.parse(path.read_bytes())):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
            names |= {node.module, *(f"{node.module}.{alias.name}" for alias in node.names)}
    return frozenset(names)


@lru_cache(maxsize=4096)
def _file(module: str) -> Path | None:
    try:
        found = find_spec(module)
    except (ImportError, ValueError, AttributeError):
        return None
    python = found is not None and found.origin is not None and found.origin.endswith(".py")
    return Path(found.origin) if python and found is not None and found.origin else None
