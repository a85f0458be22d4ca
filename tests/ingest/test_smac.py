"""Run histories of SMAC: the real ones of version 2, and the forms of older versions by hand."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from ingest.load import Loaded, load
from ingest.smac import Smac
from metadb.errors import NotFound
from metadb.store import Store


def put(store: Store, *paths: Path, **options: Any) -> list[Loaded]:
    return list(load("smac", Smac(paths, **options), store, store.path / "cache"))


def evaluations(store: Store) -> list[tuple[Any, ...]]:
    found = store.sql(
        "select task, hyperparameters as h, value, status, seed, budget, budget_unit, e.cost_s "
        "from evaluations e join configs using (config) order by all"
    )
    return [tuple(row.values()) for row in found]


def test_an_instance_is_a_task_and_a_crash_has_no_cost(
    tiny: Callable[[str], Path], store: Store
) -> None:
    put(store, tiny("smac"), task="mine:sat")
    assert evaluations(store) == [
        ("mine:sat/a", '{"depth":3}', 2.5, "ok", 7, 1.0, "fraction", 1.5),
        ("mine:sat/a", '{"depth":5}', 1.0, "ok", 7, 1.0, "fraction", 1.5),
        ("mine:sat/b", '{"depth":3}', 3.5, "ok", 7, 1.0, "fraction", 1.5),
        ("mine:sat/b", '{"depth":5}', None, "failed", 7, 1.0, "fraction", 1.5),
    ]
    metric = store.metric("sat/cost")
    assert metric.lower_is_better
    assert store.space("smac:sat")["depth"].upper == 9


OLD = {
    "flat": [[1, None, 0, 27.0, 0.5, 2.0, 1, 0, 1, {}], [2, None, 0, None, 9.0, 2.0, 0, 0, 0, {}]],
    "flat with CPU time": [
        [1, None, 0, 27.0, 0.5, 2.0, 1.0, 1, 0, 1, {}],
        [2, None, 0, None, 9.0, 2.0, 1.0, 0, 0, 0, {}],
    ],
    "version 1": [
        [[1, None, 0, 27.0], [0.5, 2.0, {"__enum__": "StatusType.SUCCESS"}, 0, 1, {}]],
        [[2, None, 0, 0.0], [9.0, 2.0, {"__enum__": "StatusType.RUNNING"}, 0, 0, {}]],
    ],
}


@pytest.mark.parametrize("form", OLD)
def test_older_versions_say_the_same(form: str, tmp_path: Path, store: Store) -> None:
    folder = tmp_path / "run_1"
    folder.mkdir()
    content = {"data": OLD[form], "configs": {"1": {"x": 1.5}, "2": {"x": 2.5}}}
    (folder / "runhistory.json").write_text(json.dumps(content))
    (loaded,) = put(store, folder)
    assert evaluations(store) == [("smac:run_1", '{"x":1.5}', 0.5, "ok", 0, 27.0, "budget", 2.0)]
    assert json.loads(loaded.load["rejections"]).keys() == {"a trial that is still running"}


@pytest.mark.filterwarnings("ignore")
def test_smac_itself(tmp_path: Path, store: Store) -> None:
    smac = pytest.importorskip("smac")
    from ConfigSpace import Categorical, ConfigurationSpace, EqualsCondition, Float

    space = ConfigurationSpace(seed=1)
    kernel, cost = Categorical("kernel", ["rbf", "linear"]), Float("C", (1e-3, 10.0), log=True)
    gamma = Float("gamma", (0.0, 1.0))
    space.add([kernel, cost, gamma])
    space.add(EqualsCondition(gamma, kernel, "rbf"))

    def target(config: Any, seed: int = 0) -> dict[str, float]:
        if config["C"] > 0.5:
            raise ValueError("it broke")
        return {"err": config["C"], "size": 2.0}

    scenario = smac.Scenario(
        space, output_directory=tmp_path / "out", name="churn", n_trials=6, objectives=["err", "size"],
        crash_cost=99.0, deterministic=True, seed=3,
    )  # fmt: skip
    search = smac.RandomFacade(scenario, target, overwrite=True, logging_level=50)
    search.optimize()
    put(store, tmp_path, metric="err=error_rate,size")
    found = store.sql(
        "select metric, status, value, hyperparameters as h from evaluations "
        "join configs using (config) order by all"
    ).table.to_pylist()
    history = search.runhistory
    assert len(found) == 2 * len(history)
    for key, value in history.items():
        config = dict(history.get_config(key.config_id))
        told = [row for row in found if json.loads(row["h"]) == config]
        crashed = value.status.name == "CRASHED"
        assert {row["status"] for row in told} == {"failed" if crashed else "ok"}
        if not crashed:
            assert [row["value"] for row in told] == [
                cost if name == "error_rate" else 2.0
                for name, cost in (("error_rate", config["C"]), ("size", 2.0))
            ]
    (condition,) = store.space("smac:churn").conditions
    assert condition.value == "rbf"
    with pytest.raises(NotFound, match="no study 'other'; there are churn"):
        put(store, tmp_path, study="other")
