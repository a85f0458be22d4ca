"""Laws of the views of meta-features: one value a name, the best one; where each task lies."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
import pyarrow as pa
import pytest

from metadb.records import Rows
from metadb.store import Store
from tests.conftest import entities

TASKS = [f"toy:task/{i}" for i in range(12)]
EXTRACTORS = ["metadb", "openml/derived", "aslib", "openml", "zzz"]  # by trust


@pytest.fixture(scope="module")
def described(
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[tuple[Store, list[dict[str, Any]]]]:
    rng = np.random.default_rng(0)
    rows = [
        {"task": task, "name": name, "extractor": extractor, "value": value, "status": status}
        for task in TASKS
        for name in ("a", "b")
        for extractor in (*EXTRACTORS, "openml/close")  # which is never taken for the same
        if rng.random() < 0.5
        for value, status in [
            (None, "failed") if rng.random() < 0.2 else (rng.integers(9) / 4, "ok")
        ]
    ]
    with Store(tmp_path_factory.mktemp("descriptions") / "store") as store:
        store.add(Rows({**entities(TASKS, []), "metafeatures": pa.Table.from_pylist(rows)}))
        yield store, rows


def test_of_several_extractors_the_most_trusted_speaks(described: Any) -> None:
    store, rows = described
    expected = {}
    for extractor in reversed(EXTRACTORS):
        for row in rows:
            if row["extractor"] == extractor and row["status"] == "ok":
                expected[row["task"], row["name"]] = (row["value"], extractor)
    found = {
        (row["task"], row["name"]): (row["value"], row["extractor"])
        for row in store.sql("select * from descriptions")
    }
    assert found == expected


def test_distributions_and_places_by_hand(described: Any) -> None:
    store, rows = described
    for row in store.sql("select * from metafeature_distributions"):
        values = np.array(
            [
                r["value"]
                for r in rows
                if (r["name"], r["extractor"], r["status"]) == (row["name"], row["extractor"], "ok")
            ]
        )
        assert row["n_tasks"] == len(values)
        assert row["n_values"] == len(set(values))
        quantiles = np.quantile(values, [0, 0.25, 0.5, 0.75, 1])
        found = [row[c] for c in ("lowest", "quartile_1", "median", "quartile_3", "highest")]
        np.testing.assert_allclose(found, quantiles)
        assert row["mean"] == pytest.approx(values.mean())
        places = store.sql(
            "select value, share_below, n_tasks from metafeature_places where name = ? and extractor = ?",
            [row["name"], row["extractor"]],
        )
        for place in places:
            assert place["n_tasks"] == len(values)
            assert place["share_below"] == pytest.approx((values < place["value"]).mean())
