"""A DataFrame in memory, read as the source `table` reads a file."""

from __future__ import annotations

from typing import Any

import pyarrow as pa
import pytest

from ingest.frame import add_frame
from metadb.errors import MalformedFile, NotFound
from metadb.store import Store

MAPPING: dict[str, Any] = {
    "origin": "lab",
    "licence": "CC0-1.0",
    "space": "svm",
    "evaluations": {
        "columns": {"task": "dataset", "config": ["C", "kernel"], "fold": "fold", "cost_s": "s"},
        "metrics": {"acc": "accuracy"},
    },
}
COLUMNS: dict[str, list[Any]] = {
    "dataset": ["iris", "iris", "openml:task/31"],
    "C": [1.0, 0.5, 1.0],
    "kernel": ["linear", None, "rbf"],
    "fold": [0, 1, 0],
    "acc": [0.5, 0.75, None],
    "s": [1.0, 2.0, 3.0],
}


@pytest.mark.parametrize("kind", ["pandas", "arrow"])
def test_a_frame_is_a_table_of_evaluations(kind: str, store: Store) -> None:
    frame: Any = pa.table(COLUMNS)
    if kind == "pandas":
        frame = pytest.importorskip("pandas").DataFrame(COLUMNS, index=[7, 8, 9])
    (first,) = add_frame(store, frame, MAPPING)
    found = store.sql(
        "select task, fold, value, e.cost_s, hyperparameters as h from evaluations e "
        "join configs using (config) order by all"
    )
    assert [tuple(row.values()) for row in found] == [
        ("lab:iris", 0, 0.5, 1.0, '{"C":1.0,"kernel":"linear"}'),
        ("lab:iris", 1, 0.75, 2.0, '{"C":0.5}'),
    ]
    assert (first.load["licence"], first.load["n_rejected"]) == ("CC0-1.0", 1)
    (second,) = add_frame(store, frame, MAPPING)
    assert (second.load["load"], second.added.added["evaluations"]) == (first.load["load"], 0)


def test_a_mapping_that_does_not_fit_says_so(store: Store) -> None:
    columns = {"task": "dataset", "config": ["gamma"]}
    mapping = MAPPING | {"evaluations": MAPPING["evaluations"] | {"columns": columns}}
    with pytest.raises(NotFound, match="gamma"):
        add_frame(store, pa.table(COLUMNS), mapping)
    with pytest.raises(MalformedFile, match="one type each"):
        add_frame(store, 7, MAPPING)
