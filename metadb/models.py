"""Trained weights kept with the store: files called by their hash, told of by the table `models`.

A file is written before its row, so that a row never tells of weights that are not there.
"""

from __future__ import annotations

import json
import re
import time
import uuid
from collections.abc import Mapping
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pyarrow as pa

from metadb.errors import NotFound, WrongUsage
from metadb.loads import Load
from metadb.records import Rows
from metadb.schema import TABLES

if TYPE_CHECKING:
    from metadb.store import Store

FOLDER, SUFFIX = "models", ".safetensors"
_ID = re.compile(r"[0-9a-f]{4,64}")
GRACE_S = 3600.0
"""Weights without a row are left alone for so long: their row may be about to come."""


@dataclass(frozen=True, slots=True)
class Model:
    """One row of `models`, with where its weights lie.

    Args:
        id: SHA-256 of the weights.
        about: What is needed to build it again.
    """

    id: str
    learner: str
    task: str
    trained_on: tuple[str, ...]
    metric: str
    value: float | None
    half_width: float | None
    steps: int | None
    about: Mapping[str, Any]
    weights: Path


def keep(store: Store, weights: bytes, row: Mapping[str, Any]) -> str:
    """Keep weights and what is known of them; kept again, nothing is added.

    Args:
        weights: The content of a safetensors file.
        row: Columns of `models`, `about` as a mapping; task, config and metric must be there.

    Returns: the model's id.
    """
    model = sha256(weights).hexdigest()
    folder = store.path / FOLDER
    folder.mkdir(exist_ok=True)
    if not (path := folder / f"{model}{SUFFIX}").exists():
        part = folder / f"{uuid.uuid4().hex}.part"
        part.write_bytes(weights)
        part.replace(path)
    whole = {
        **row,
        "model": model,
        "about": json.dumps(row["about"], sort_keys=True),
        "size_bytes": len(weights),
    }
    table = pa.Table.from_pylist([whole], schema=TABLES["models"].arrow)
    done = store.add(Rows({"models": table}), load=Load("models", "fewshot"))
    if done.rejections.total:
        raise WrongUsage(f"the model is not kept: {', '.join(done.rejections.counts)}")
    return model


def models(store: Store, *, where: str = "true", given: tuple[Any, ...] = ()) -> list[Model]:
    """The models of a store, in order of their tasks and learners.

    Args:
        where: A condition over the columns of `models`, of ours; values go into `given`.
    """
    rows = store.sql(f"select * from models where {where} order by task, learner, model", given)
    return [
        Model(
            r["model"], r["learner"], r["task"], tuple(r["trained_on"] or ()), r["metric"],
            r["value"], r["half_width"], r["steps"], json.loads(r["about"]),
            store.path / FOLDER / f"{r['model']}{SUFFIX}",
        )
        for r in rows
    ]  # fmt: skip


def model_of(store: Store, text: str) -> Model:
    """The model whose id begins with `text`.

    Raises:
        NotFound: There is none.
        WrongUsage: Several begin so.
    """
    found = models(store, where="starts_with(model, ?)", given=(text,)) if is_id(text) else []
    if not found:
        there = ", ".join(f"{m.id[:12]} ({m.learner})" for m in models(store)[:5])
        raise NotFound(
            f"no model {text!r} in {store.path}; "
            + (f"there are {there}" if there else "it has none: metadb fewshot train makes some")
        )
    if len(found) > 1:
        raise WrongUsage(f"{len(found)} models begin with {text!r}; give more of the id")
    return found[0]


def is_id(text: str) -> bool:
    """Whether this may be a model's id, or its beginning (four digits or more)."""
    return _ID.fullmatch(text) is not None


def sweep(store: Store, keep_days: float) -> None:
    """Remove weights that no row tells of and that are older than `keep_days`."""
    folder, told = store.path / FOLDER, set(store.sql("select model from models").column("model"))
    oldest = time.time() - max(GRACE_S, keep_days * 86_400)
    for path in folder.iterdir() if folder.is_dir() else ():
        if path.name.removesuffix(SUFFIX) not in told and path.stat().st_mtime < oldest:
            path.unlink()
