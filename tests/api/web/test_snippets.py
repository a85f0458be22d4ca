"""Pasted code does what it says: with the real tuners, the first trials are the recommendation."""

from __future__ import annotations

import ast
import json
import re
from pathlib import Path

import numpy as np
import pyarrow.compute as pc
import pyarrow.parquet as pq
import pytest
from ConfigSpace import ConfigurationSpace

from api.web.snippets import snippets
from metadb.history import Configs, History
from metadb.metrics import METRICS
from metadb.records import Task
from recommenders import family
from tests.api.cluster import cluster

SAMPLE = Path(__file__).resolve().parents[3] / "data" / "sample"
CONFIGS = [{"C": 0.5, "gamma": 0.125}, {"gamma": 1e-05, "C": 10.0}]
PYTHON = ("Python", "Optuna", "Ray Tune", "SMAC", "scikit-learn")


@pytest.fixture(scope="module")
def space():
    """That of the sample: seven learners, each with hyperparameters of its own."""
    return ConfigurationSpace.from_json(SAMPLE / "space.json")


@pytest.fixture(scope="module")
def advice():
    """What a portfolio recommends that learnt from the sample."""
    rows = pq.read_table(SAMPLE / "evaluations.parquet", filters=pc.field("fraction") == 1.0)
    mean = rows.group_by(["task", "config"]).aggregate([("accuracy", "mean")]).to_pydict()
    tasks, configs = sorted(set(mean["task"])), sorted(set(mean["config"]))
    n = len(mean["task"])
    history = History(
        "accuracy", tuple(tasks), Configs.of("classifier", [json.loads(one) for one in configs]),
        np.array([tasks.index(one) for one in mean["task"]], dtype=np.int32),
        np.array([configs.index(one) for one in mean["config"]], dtype=np.int32),
        np.array([np.inf if one is None else 1.0 - one for one in mean["accuracy_mean"]]),
        np.full(n, np.nan), np.ones(n),
    )  # fmt: skip
    found = family("portfolio").fit(history).recommend(Task("mine:new"), 5)
    return [dict(one.config) for one in found]


def run(title, configs, n=None, **names):
    """What pasted code leaves behind, with the lines that want the user's names; in `n` trials."""
    code = snippets(configs, METRICS["accuracy"])[title]
    head, tail = code.rsplit(":\n", 1)
    tail = re.sub(r"^# ", "", tail, flags=re.MULTILINE)
    if n is not None:
        tail, changed = re.subn(r"(n_trials|num_samples)=50\b", rf"\1={n}", tail)
        assert changed == 1
    exec(compile(f"{head}:\n{tail}", title, "exec"), names)
    return names


def test_every_language_holds_the_configurations_themselves():
    hostile = [
        {"kernel": "rbf'\"\\</script>\n", "on": True, "n": 7, "ä": 1e-300, **dict(CONFIGS[0])}
    ]
    for configs in (CONFIGS, hostile):
        written = snippets(configs, METRICS["accuracy"])
        assert json.loads(written["JSON"]) == configs
        for title in PYTHON:
            tree = ast.parse(written[title])
            values = next(n.value for n in tree.body if isinstance(n, ast.Assign)
                          and n.targets[0].id == "configs")  # fmt: skip
            assert ast.literal_eval(values) == configs, title


def test_what_is_run_is_code_and_not_words():
    for title in PYTHON[1:]:
        code = snippets(CONFIGS, METRICS["accuracy"])[title]
        assert code.count("\n# ") >= 2
        ast.parse(re.sub(r"^# ", "", code.rsplit(":\n", 1)[1], flags=re.MULTILINE))


def test_all_of_a_long_list_are_tried():
    many = [{"C": float(i)} for i in range(1, 61)]
    written = snippets(many, METRICS["accuracy"])
    assert "n_trials=120)" in written["Optuna"]
    assert "num_samples=120)" in written["Ray Tune"]


def test_optuna_tries_them_first(space, advice):
    optuna = pytest.importorskip("optuna", reason="Optuna is not installed (extra: hooks)")
    from api.hooks.optuna import suggest

    optuna.logging.set_verbosity(optuna.logging.WARNING)
    study = run("Optuna", advice, 6, objective=lambda t: float(len(suggest(t, space))))["study"]
    assert study.direction.name == "MAXIMIZE"
    assert [trial.params for trial in study.trials[:5]] == advice
    assert len(study.trials) == 6


def test_scikit_learn_tries_exactly_them():
    from sklearn.datasets import load_iris
    from sklearn.svm import SVC

    x, y = load_iris(return_X_y=True)
    search = run("scikit-learn", CONFIGS, estimator=SVC(), X=x, y=y)["search"]
    assert search.cv_results_["params"] == CONFIGS
    assert search.best_params_ in CONFIGS


def test_smac_tries_them_first(space, advice, tmp_path):
    pytest.importorskip("smac", reason="SMAC is not installed (extra: hooks)")
    from smac import Scenario

    asked = []

    def objective(config, seed=0):
        asked.append(dict(config))
        return float(len(asked))

    scenario = Scenario(space, n_trials=7, deterministic=True, output_directory=tmp_path)
    told = run("SMAC", advice, scenario=scenario, objective=objective)
    assert asked[:5] == advice
    assert len(asked) == 7
    assert dict(told["best"]) == advice[0]


def test_ray_tries_them_first(space, advice, tmp_path, monkeypatch):
    monkeypatch.setenv("HOME", str(tmp_path))  # Ray keeps its results there; read at its import
    pytest.importorskip("ray.tune", reason="Ray Tune is not installed (extra: ray)")
    from ray import tune

    from api.hooks.ray_tune import to_domains

    def trainable(config):
        tune.report({"accuracy": 1.0 / len(config["learner"])})

    with cluster():
        told = run("Ray Tune", advice[:2], 3, trainable=trainable, space=to_domains(space))
    ran = [one.config for one in told["results"]]
    assert len(ran) == 3
    assert not told["results"].errors
    for one, first in zip(ran[:2], advice[:2], strict=True):
        assert first.items() <= one.items()
    best = told["results"].get_best_result()
    assert len(best.config["learner"]) == min(len(one["learner"]) for one in ran)
