"""HPO-B: millions of OpenML runs of 176 search spaces, hyperparameters scaled to [0, 1].

The files are large, so one is read a task at a time: memory grows with the largest task (its text
twice, and its rows) and with `BATCH`, not with the file.
"""

from __future__ import annotations

import io
import json
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.json

from ingest import About
from ingest.building import beginning, distinct, find, mapped, metric_rows, rows
from ingest.config_columns import config_rows, config_texts
from ingest.hpob_text import LAYOUT, task_texts
from ingest.small_files import read_json
from metadb.errors import MalformedFile, NotFound
from metadb.metrics import METRICS
from metadb.protocols import Floats
from metadb.records import Rows

BATCH = 100_000
"""Evaluations in one `Rows`, or one task's where it has more."""

_CITATION = (
    "Pineda Arango, Jomaa, Wistuba, Grabocka, HPO-B: A Large-Scale Reproducible Benchmark for "
    "Black-Box HPO based on OpenML, NeurIPS Datasets and Benchmarks 2021"
)
_DESCRIPTORS = "meta-dataset-descriptors.json"
_BEGINNING = re.compile(r'\s*\{\s*"\d+"\s*:\s*\{\s*"\d+"\s*:\s*\{\s*"[Xy]"')
_HOT, _NA, _UNSET = ".ohe._", ".na", "INVALID"


@dataclass(frozen=True)
class Hpob:
    """Files of HPO-B (`meta-*-dataset.json`, augmented or not), beside their descriptors.

    Args:
        paths: Files, or folders above them.
    """

    paths: Sequence[str | Path]

    def fetch(self, cache: Path, cursor: str | None = None) -> list[Path]:
        """The JSON files that begin as HPO-B's evaluations do."""
        return find(
            self.paths,
            "*.json",
            f"HPO-B evaluations in JSON, {LAYOUT}",
            lambda path: _BEGINNING.match(beginning(path)) is not None,
        )

    def about(self, path: Path) -> About:
        """Licence, paper, and the two files that belong together."""
        beside = path.parent / _DESCRIPTORS
        return About("MIT", _CITATION, (path, beside) if beside.is_file() else (path,))

    def parse(self, path: Path) -> Iterator[Rows]:
        """The rows of one file, some tasks at a time."""
        descriptors, size = _descriptors(path), path.stat().st_size
        made: list[dict[str, pa.Table]] = []
        n = 0
        for space, task, text, n_read in task_texts(path):
            where = f"{path}: task {task!r} of search space {space!r}"
            x, y = _numbers(text, space, descriptors, where)
            made.append(_tables(space, task, descriptors[space], x, y))
            n += len(y)
            if n >= BATCH:
                yield _together(made, n_read / size)
                made, n = [], 0
        if made:
            yield _together(made, 1.0)


def _descriptors(path: Path) -> dict[str, tuple[str, ...]]:
    beside = path.parent / _DESCRIPTORS
    if not beside.is_file():
        raise NotFound(
            f"there is no {_DESCRIPTORS} beside {path}; it names the hyperparameters and comes "
            "with HPO-B's data"
        )
    try:
        content = read_json(beside)
        return {
            space: tuple(map(str, entry["variables_order"])) for space, entry in content.items()
        }
    except (TypeError, KeyError, AttributeError) as error:
        raise MalformedFile(
            f"{beside} must be a JSON object of search space to 'variables_order' ({error!r})"
        ) from error


def _numbers(
    text: bytes, space: str, descriptors: dict[str, tuple[str, ...]], where: str
) -> tuple[Floats, Floats]:
    """The configurations (n, variables) and the accuracies (n,) of one task."""
    if space not in descriptors:
        raise MalformedFile(f"{where}: {_DESCRIPTORS} does not describe this search space")
    width = len(descriptors[space])
    try:
        found = pyarrow.json.read_json(
            io.BytesIO(text),
            read_options=pyarrow.json.ReadOptions(use_threads=False, block_size=len(text) + 1),
        )
        x, x_lengths = _lists(found, "X")
        y, y_lengths = _lists(found, "y")
    except (pa.ArrowInvalid, pa.ArrowNotImplementedError, KeyError, TypeError) as error:
        why = str(error).splitlines()[0]
        raise MalformedFile(
            f"{where} must be {{'X': rows of numbers, 'y': ...}} ({why})"
        ) from error
    n = len(y_lengths)
    if len(x_lengths) != n or set(x_lengths.tolist()) - {width} or set(y_lengths.tolist()) - {1}:
        raise MalformedFile(
            f"{where} must have as many rows of {width} numbers in X (its search space has "
            f"{width} variables) as single numbers in y"
        )
    return x.reshape(n, width), y


def _lists(found: pa.Table, name: str) -> tuple[Floats, np.ndarray[Any, Any]]:
    """All numbers of a list of rows, one after the other, and how many each row has."""
    if found.num_rows != 1:
        raise TypeError("more than one object")
    inner = found.column(name).combine_chunks().flatten()
    lengths = np.full(len(inner), 0 if name == "X" else 1)
    if pa.types.is_list(inner.type):
        if inner.null_count:
            raise TypeError(f"null instead of a row of {name}")
        lengths = inner.value_lengths().to_numpy(zero_copy_only=False)
        inner = inner.flatten()
    if pa.types.is_string(inner.type) or pa.types.is_boolean(inner.type):
        raise TypeError(f"{name} holds {inner.type} values")
    values = inner.cast(pa.float64()).to_numpy(zero_copy_only=False)  # null becomes NaN
    return values, lengths


def _tables(
    space: str, task: str, variables: tuple[str, ...], x: Floats, y: Floats
) -> dict[str, pa.Table]:
    """The rows of one task; a config with several results on it has a repeat for each."""
    name, task_id, flow = f"hpob-{space}", f"openml:task/{task}", f"openml:flow/{space}"
    columns = hyperparameters(variables, x)
    texts = config_texts(columns) if len(x) else pa.array([], pa.string())
    configs, config = config_rows(name, texts, flow=flow)
    kept, repeat = _repeats(texts, y)
    value = pa.array(y[kept], from_pandas=True)
    return {
        "tasks": rows("tasks", task=[task_id], kind="classification"),
        "flows": rows("flows", flow=[flow]),
        "metrics": metric_rows([METRICS["accuracy"]]),
        "configs": configs,
        "evaluations": rows(
            "evaluations",
            task=pa.repeat(task_id, len(kept)),
            config=config.take(pa.array(kept)),
            metric="accuracy",
            value=value,
            status=pc.if_else(value.is_valid(), "ok", "failed"),
            repeat=repeat,
            budget=1.0,
            budget_unit="fraction",
            origin="openml",
            flow=flow,
        ),
    }


def hyperparameters(variables: Sequence[str], x: Floats) -> dict[str, pa.Array]:
    """Hyperparameter to its values as JSON texts, null where it is not set.

    `a.na` is 1 where `a` was not set; the columns `b.ohe._u`, `b.ohe._v` are the category of `b`,
    where the category INVALID says that it was not set.

    Args:
        variables: Names of the columns, as the descriptors order them.
        x: (n, variables), NaN where missing.
    """
    place = {name: i for i, name in enumerate(variables)}
    columns: dict[str, pa.Array] = {}
    for name, i in place.items():
        if _HOT in name or (name.endswith(_NA) and name.removesuffix(_NA) in place):
            continue
        unset = np.isnan(x[:, i])
        if name + _NA in place:
            unset |= x[:, place[name + _NA]] > 0.5
        numbers = pa.array(x[:, i] + 0.0, mask=unset)  # -0.0 is 0.0
        columns[name] = mapped(numbers, lambda v: None if v is None else float.__repr__(v))
    for name in distinct(v.partition(_HOT)[0] for v in variables if _HOT in v):
        choices = [v for v in variables if v.startswith(name + _HOT)]
        columns[name] = _category(name, choices, x[:, [place[v] for v in choices]])
    return columns


def _category(name: str, choices: list[str], hot: Floats) -> pa.Array:
    """The one choice of each row that is 1, as a JSON text; null where there is none."""
    values = [choice.removeprefix(name + _HOT) for choice in choices]
    texts = pa.array([None if v == _UNSET else json.dumps(v, ensure_ascii=False) for v in values])
    one = np.nan_to_num(hot) > 0.5  # (n, choices)
    return texts.take(pa.array(one.argmax(axis=1), mask=~one.any(axis=1)))


def _repeats(texts: pa.Array, y: Floats) -> tuple[np.ndarray[Any, Any], pa.Array]:
    """The places of the distinct (config, accuracy) pairs, and the repeat number of each.

    The number is null where a config has one accuracy, else it counts its accuracies upwards.
    """
    codes = texts.dictionary_encode().indices.to_numpy()
    pairs = np.unique(np.column_stack([codes, y]), axis=0, return_index=True)[1]  # by code, then y
    code = codes[pairs]
    begins = np.flatnonzero(np.r_[True, code[1:] != code[:-1]]) if len(code) else code
    counts = np.diff(np.r_[begins, len(code)])
    nth = np.arange(len(code)) - np.repeat(begins, counts)
    order = pairs.argsort()  # as in the file
    alone = np.repeat(counts, counts) == 1
    return pairs[order], pa.array(nth[order], pa.int32(), mask=alone[order])


def _together(made: list[dict[str, pa.Table]], share: float) -> Rows:
    return Rows({name: pa.concat_tables([m[name] for m in made]) for name in made[0]}, share=share)
