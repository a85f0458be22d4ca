"""What the repository ships is what its README says, and what `metadb tune` can start from."""

from __future__ import annotations

from pathlib import Path

import pytest

from benchmarks.sample import PLANS, sample_configs
from benchmarks.sample_files import DATA, FOLDERS
from benchmarks.sample_tasks import sample_tasks
from ingest import source
from ingest.load import load
from metadb.identity import canonical_config
from metadb.space import check
from metadb.store import Store
from optimizers.learners import KINDS, defaults, space_of


@pytest.fixture(scope="module")
def filled(tmp_path_factory: pytest.TempPathFactory) -> Store:
    folder = tmp_path_factory.mktemp("sample")
    store = Store(folder / "store")
    for _ in load("table", source("table", [DATA / "regression"]), store, folder):
        pass
    return store


def test_every_task_ran_every_config_and_each_default_is_one(filled: Store):
    history = filled.history("regressor", "rmse")
    chosen = sample_configs("regression")
    n = PLANS["regression"].configs * len(KINDS["regression"][1])
    assert sum(map(len, chosen.values())) == n == len(history.configs)
    assert len(history.tasks) == len(sample_tasks("regression")) == 10
    assert len(history.finals()) == 10 * n
    known = set(history.configs.texts)
    assert {canonical_config(c) for c in defaults("regression")} <= known
    assert not [why for why in check(space_of("regression"), history.configs.values) if why]


def test_its_tasks_are_described_regressions(filled: Store):
    kinds = filled.sql("select distinct kind from tasks").column("kind")
    assert kinds == ["regression"]
    history = filled.history("regressor", "rmse")
    assert len(history.metafeatures(["nr_inst", "nr_attr"]).ravel()) == 20


@pytest.mark.parametrize(("kind", "counts"), [
    ("classification", ["28, from 12 data sets", "210, the same", "70,560 = 28 tasks x 210"]),
    ("regression", ["10, from 10 data sets", "96, the same", "2,880 = 10 tasks x 96"]),
])  # fmt: skip
def test_the_readme_of_the_data_counts_right(kind: str, counts: list[str]):
    text = (Path(DATA) / FOLDERS[kind] / "README.md").read_text()
    assert all(said in text for said in counts)
    tasks, plan = sample_tasks(kind), PLANS[kind]
    n = plan.configs * len(KINDS[kind][1])
    fits = len(tasks) * n * 3 * len(plan.fractions)
    assert f"{len(tasks)}, from {len({t.dataset for t in tasks})} data sets" in text
    assert f"{fits:,} = {len(tasks)} tasks x {n}" in text
