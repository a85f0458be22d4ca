"""The real openml package reads the stand-in, and publishes to it."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest

from tests.standin.catalogue import MEASURE_INDEX
from tests.standin.serving import Server
from tests.standin.world import OK, SERVER_ERROR, World


@pytest.fixture(scope="module")
def openml(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Any]:
    """The openml package, its cache in a folder of the tests, at a stand-in of its own."""
    patch = pytest.MonkeyPatch()
    folder = tmp_path_factory.mktemp("openml")
    for name, value in (
        ("OPENML_SKIP_PARQUET", "true"),
        ("HOME", str(folder)),
        ("XDG_CONFIG_HOME", str(folder)),
    ):
        patch.setenv(name, value)
    import openml as package

    with Server(World(seed=2), page_limit=10_000) as running:
        before = package.config.server, package.config.apikey
        package.config.server = f"{running.url}/api/v1/xml"
        package.config.set_root_cache_directory(folder)
        package.standin = running
        yield package
        package.config.server, package.config.apikey = before
    patch.undo()


def test_the_client_reads_data_sets_and_tasks(
    openml: Any, caplog: pytest.LogCaptureFixture
) -> None:
    world = openml.standin.world
    with caplog.at_level(logging.WARNING):
        listed = openml.datasets.list_datasets(output_format="dataframe")
        assert sorted(listed.did) == sorted(d.id for d in world.datasets if d.status == "active")
        d = world.datasets[0]
        dataset = openml.datasets.get_dataset(
            d.id, download_data=True, download_qualities=True, download_features_meta_data=True
        )
        x, *_ = dataset.get_data()
        assert x.shape == (d.n_rows, d.n_numeric + 2)
        assert dataset.default_target_attribute == "class"
        assert dataset.qualities["NumberOfInstances"] == d.n_rows
        known = {k: v for k, v in d.qualities.items() if v is not None}
        assert {k: v for k, v in dataset.qualities.items() if v == v} == pytest.approx(known)
        tasks = openml.tasks.list_tasks(output_format="dataframe")
        assert len(tasks) == len(world.task_list) - 1
        for t in world.task_list:
            task = openml.tasks.get_task(t.id, download_data=False, download_qualities=False)
            p = t.procedure
            assert task.get_split_dimensions() == (p.repeats, p.n_folds, len(world.samples(t)) or 1)
        train, test = task.get_train_test_split_indices(fold=9, sample=0)
        assert (len(train), len(test)) == (world.samples(t)[0], 40)
    assert not [r for r in caplog.records if "uncompressed" in r.getMessage()]


def test_the_client_reads_evaluations_and_setups(openml: Any) -> None:
    world = openml.standin.world
    found = openml.evaluations.list_evaluations(
        "predictive_accuracy", output_format="dataframe", size=None
    )
    # The client keeps one evaluation a run, the later of two engines.
    true = dict(
        zip(
            *(world.evaluations("predictive_accuracy")[c].to_pylist() for c in ("run", "value")),
            strict=True,
        )
    )
    assert sorted(found.run_id) == sorted(true)
    assert all(abs(v - true[r]) < 0.002 for r, v in zip(found.run_id, found.value, strict=True))
    task = world.task_list[0].id
    folds = openml.evaluations.list_evaluations(
        "predictive_accuracy", output_format="dataframe", tasks=[task], per_fold=True
    )
    assert {len(v) for v in folds["values"]} == {10}
    merged = openml.evaluations.list_evaluations_setups(
        "predictive_accuracy", output_format="dataframe", tasks=[task]
    )
    row = merged[merged.parameters.map(len) > 0].iloc[0]
    values = world.setup_book.settings(int(row.setup_id))[1]
    assert list(row.parameters.values()) == values
    assert len(openml.setups.list_setups(output_format="dataframe")) == len(world.setup_book.ids)
    setup = openml.setups.get_setup(int(row.setup_id))
    assert [p.value for p in setup.parameters.values()] == values
    assert "predictive_accuracy" in openml.evaluations.list_evaluation_measures()


def test_the_client_reads_flows_runs_traces_and_studies(openml: Any) -> None:
    world = openml.standin.world
    assert len(openml.flows.list_flows(output_format="dataframe")) == len(world.flow_book.by_id)
    for flow in world.flow_book.tops[:10]:
        read = openml.flows.get_flow(flow.id)
        assert read.name == flow.name
        assert list(read.components) == [identifier for identifier, _ in flow.parts]
        assert list(read.parameters) == [i.parameter.name for i in flow.inputs]
    runs = openml.runs.list_runs(output_format="dataframe")
    assert len(runs) == int((world.run_state != SERVER_ERROR).sum())
    at = int(np.flatnonzero((world.run_state == OK) & (world.run_task == 0))[0])
    run = openml.runs.get_run(int(world.run[at]))
    which = MEASURE_INDEX["predictive_accuracy"]
    assert run.evaluations["predictive_accuracy"] == world.value[at, which]
    assert (
        list(run.fold_evaluations["predictive_accuracy"][0].values())
        == world.folds(np.array([at]), which)[0].tolist()
    )
    searches = [
        i
        for i in np.flatnonzero(world.run_task == 0)
        if world.flow_of(world.setup_book.ids[world.run_setup[i]]).algorithm.search
    ]
    trace = openml.runs.get_run_trace(int(world.run[searches[0]]))
    assert len(trace.trace_iterations) == 40
    assert sum(t.selected for t in trace) == 10
    suite = openml.study.get_suite("standin-suite")
    assert suite.tasks == [t.id for t in world.task_list if t.type == 1]
    assert len(openml.study.get_study("standin-runs").runs) == 200
    assert len(openml.study.list_suites(output_format="dataframe")) == 1


def test_the_client_finds_nothing_where_there_is_nothing(openml: Any) -> None:
    found = openml.evaluations.list_evaluations(
        "predictive_accuracy", tasks=[999999], output_format="dataframe"
    )
    assert len(found) == 0
    with pytest.raises(openml.exceptions.OpenMLServerException, match="Unknown task"):
        openml.tasks.get_task(999999)


def test_the_client_publishes_a_run_of_a_flow_on_a_task(openml: Any) -> None:
    from sklearn.tree import DecisionTreeClassifier

    running, world = openml.standin, openml.standin.world
    task = openml.tasks.get_task(world.task_list[0].id)
    run = openml.runs.run_model_on_task(
        DecisionTreeClassifier(max_depth=2, random_state=1),
        _numeric(task),
        avoid_duplicate_runs=False,
    )
    openml.config.apikey = "f" * 32
    with pytest.raises(openml.exceptions.OpenMLServerException, match="Authentication failed"):
        run.publish()
    openml.config.apikey = ""
    with pytest.raises(openml.exceptions.OpenMLNotAuthorizedError):
        run.publish()
    openml.config.apikey = running.api_key
    run.publish()
    read = openml.runs.get_run(run.run_id, ignore_cache=True)
    assert read.uploader == world.people[0].id
    assert read.parameter_settings == run.parameter_settings or len(read.parameter_settings) == len(
        run.parameter_settings
    )
    local = np.mean(
        [s for f in run.fold_evaluations["predictive_accuracy"].values() for s in f.values()]
    )
    assert read.evaluations["predictive_accuracy"] == pytest.approx(local, abs=0.02)
    listed = openml.runs.list_runs(id=[run.run_id], output_format="dataframe")
    assert list(listed.run_id) == [run.run_id]
    assert openml.setups.setup_exists(openml.flows.get_flow(read.flow_id, reinstantiate=True)) >= 0


def _numeric(task: Any) -> Any:
    """The task without its nominal feature, which a bare tree does not take."""
    dataset = task.get_dataset()
    dataset.ignore_attribute = [*(dataset.ignore_attribute or []), "shade"]
    task.get_dataset = lambda **_: dataset
    return task
