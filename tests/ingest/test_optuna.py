"""Studies of Optuna, as the real package writes them and as a journal is written by hand."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from ingest.load import Loaded, load
from ingest.optuna import Optuna
from ingest.optuna_storage import copied, drawn_from
from metadb.declared import Range
from metadb.errors import MalformedFile, NotFound, Unreachable
from metadb.store import Store


def put(store: Store, *paths: str | Path, **options: Any) -> list[Loaded]:
    return list(load("optuna", Optuna(paths, **options), store, store.path / "cache"))


# -- a journal written by hand -------------------------------------------------------------------


def test_every_end_of_a_trial_is_told_apart(tiny: Callable[[str], Path], store: Store) -> None:
    put(store, tiny("optuna"))
    found = store.sql(
        "select run, status, budget, budget_unit as unit, value, e.cost_s from evaluations e "
        "where task = 'optuna:churn' order by all"
    )
    assert [tuple(row.values()) for row in found] == [
        ("churn/0", "ok", 1.0, "fraction", 0.75, 10.0),
        ("churn/0", "ok", 1.0, "steps", 0.5, None),
        ("churn/0", "ok", 2.0, "steps", 0.75, None),
        ("churn/1", "ok", 1.0, "fraction", 0.625, 9.0),
        ("churn/1", "ok", 1.0, "steps", 0.25, None),
        ("churn/1", "ok", 2.0, "steps", 0.625, None),
        ("churn/2", "censored", 1.0, "fraction", None, 8.0),
        ("churn/2", "ok", 1.0, "steps", 0.125, None),
        ("churn/3", "failed", 1.0, "fraction", None, 7.0),
    ]
    texts = store.sql("select hyperparameters as h from configs order by 1").column("h")
    assert texts == ['{"lr":0.25,"m":2,"opt":"sgd"}', '{"lr":0.25,"opt":"None"}']
    (condition,) = store.space("optuna:churn").conditions
    assert (condition.child.name, condition.parent.name) == ("m", "opt")


def test_distributions_of_older_versions_are_read() -> None:
    old = '{"name": "IntLogUniformDistribution", "attributes": {"low": 1, "high": 64, "step": 1}}'
    assert drawn_from(old) == Range(1.0, 64.0, log=True, whole=True)
    old = '{"name": "DiscreteUniformDistribution", "attributes": {"low": 0, "high": 1, "q": 0.5}}'
    assert drawn_from(old) == Range(0.0, 1.0)
    with pytest.raises(MalformedFile, match="no distribution"):
        drawn_from('{"name": "CategoricalDistribution", "attributes": {}}')


def test_a_database_that_is_not_there_is_not_made(tmp_path: Path, store: Store) -> None:
    with pytest.raises(NotFound, match="no file or folder"):
        put(store, f"sqlite:///{tmp_path}/nothing.db")
    assert not (tmp_path / "nothing.db").exists()


# -- what the real package writes ----------------------------------------------------------------


def objective(trial: Any) -> float:
    import optuna

    kernel = trial.suggest_categorical("kernel", ["rbf", "linear", None])
    cost = trial.suggest_float("C", 1e-3, 10.0, log=True)
    trial.suggest_int("n", 2, 20, step=2)
    trial.suggest_categorical("layers", [[8], [8, 4]])
    if kernel == "rbf":
        trial.suggest_float("gamma", 0.0, 1.0)
    for step in range(3):
        trial.report(cost / (step + 1), step)
        if trial.number % 4 == 1 and step == 1:
            raise optuna.TrialPruned
    if trial.number == 3:
        raise ValueError("it broke")
    return float(cost)


def storage(folder: Path, kind: str) -> tuple[Any, Path]:
    optuna = pytest.importorskip("optuna")
    optuna.logging.set_verbosity(optuna.logging.ERROR)
    if kind == "sqlite":
        return f"sqlite:///{folder}/study.db", folder / "study.db"
    path = folder / "journal.log"
    from optuna.storages.journal import JournalFileBackend

    return optuna.storages.JournalStorage(JournalFileBackend(str(path))), path


def optimized(place: Any, name: str, n: int) -> Any:
    import optuna

    sampler = optuna.samplers.RandomSampler(seed=3)
    study = optuna.create_study(
        storage=place, study_name=name, sampler=sampler, load_if_exists=True
    )
    study.optimize(objective, n_trials=n, catch=(ValueError,))
    return study


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("kind", ["sqlite", "journal"])
def test_a_storage_tells_what_optuna_itself_tells(kind: str, tmp_path: Path, store: Store) -> None:
    place, path = storage(tmp_path, kind)
    study = optimized(place, "churn", 10)
    study.ask()
    before = path.read_bytes(), sorted(tmp_path.iterdir())
    (loaded,) = put(store, path, task="mine:churn", metric="log_loss", space="svm")
    assert loaded.load["n_rejected"] == 1  # the one that is still running
    found = store.sql(
        "select run, budget_unit as unit, budget, value, status, hyperparameters as h "
        "from evaluations join configs using (config) "
        "where task = 'mine:churn' and space = 'svm' and metric = 'log_loss'"
    ).table.to_pylist()
    trials = {f"churn/{trial.number}": trial for trial in study.get_trials()}
    words = {"COMPLETE": "ok", "PRUNED": "censored", "FAIL": "failed"}
    for row in found:
        trial = trials[row["run"]]
        if row["unit"] == "fraction":
            assert row["status"] == words[trial.state.name]
            assert row["value"] == (trial.value if row["status"] == "ok" else None)
        else:
            assert row["value"] == trial.intermediate_values[row["budget"] - 1]
        n_parts = 5 if trial.params["kernel"] == "rbf" else 4
        assert f'"C":{trial.params["C"]!r}' in row["h"]
        assert len(trial.params) == n_parts == row["h"].count('":')
    reported = sum(len(trials[f"churn/{i}"].intermediate_values) for i in range(10))
    assert len(found) == 10 + reported
    assert (path.read_bytes(), sorted(tmp_path.iterdir())) == before

    optimized(place, "churn", 2)
    (loaded,) = put(store, path, task="mine:churn", metric="log_loss", space="svm")
    assert {row["run"] for row in store.sql("select run from evaluations")} == {
        *(f"churn/{i}" for i in (*range(10), 11, 12))
    }


@pytest.mark.filterwarnings("ignore")
def test_one_study_of_several_and_its_objectives(tmp_path: Path, store: Store) -> None:
    place, _ = storage(tmp_path, "sqlite")
    optimized(place, "one", 2)
    import optuna

    study = optuna.create_study(
        storage=place, study_name="two", directions=["minimize", "maximize"]
    )
    study.optimize(lambda trial: (trial.suggest_float("x", 0, 1), 0.5), n_trials=2)
    put(store, place, study="two", metric="log_loss,accuracy")
    found = store.sql("select task, metric, count(*)::int as n from evaluations group by all")
    assert {tuple(row.values()) for row in found} == {
        ("optuna:two", "log_loss", 2),
        ("optuna:two", "accuracy", 2),
    }
    with pytest.raises(NotFound, match="no study 'three'; there are one, two"):
        put(store, place, study="three")


@pytest.mark.filterwarnings("ignore")
def test_a_server_is_copied_once(tmp_path: Path, store: Store) -> None:
    place, path = storage(tmp_path, "sqlite")  # a database that only Optuna is asked to open
    optimized(place, "churn", 4)
    first = copied(place, tmp_path / "cache")
    assert copied(place, tmp_path / "cache") == first
    one, two = Optuna((path,)), Optuna((first,))
    tables = [list(source.parse(source.paths[0])) for source in (one, two)]
    assert tables[0][0].tables["evaluations"].drop(["cost_s"]) == tables[1][0].tables[
        "evaluations"
    ].drop(["cost_s"])
    with pytest.raises(Unreachable, match="postgresql://") as refused:
        copied("postgresql://me:secret@localhost:1/db", tmp_path)
    assert "secret" not in str(refused.value)
    with pytest.raises(Unreachable) as refused:
        copied("postgresql://localhost:1/db?user=me&password=secret", tmp_path)
    assert "secret" not in str(refused.value)


def test_another_database_is_no_storage(tmp_path: Path, store: Store) -> None:
    import sqlite3

    with sqlite3.connect(tmp_path / "other.db") as con:
        con.execute("create table trials (a)")
    con.close()
    with pytest.raises(MalformedFile, match="no table 'studies'"):
        put(store, tmp_path / "other.db")
    with pytest.raises(NotFound, match="looked for"):
        put(store, tmp_path)
