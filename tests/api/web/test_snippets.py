"""Pasted code does what it says: with the real tuners, the first trials are the recommendation."""

from __future__ import annotations

import ast
import json

import pytest

from api.web.snippets import snippets
from metadb.metrics import METRICS

CONFIGS = [{"C": 0.5, "gamma": 0.125}, {"gamma": 1e-05, "C": 10.0}]
PYTHON = ("Python", "Optuna", "Ray Tune", "SMAC", "scikit-learn")


def run(title, configs=CONFIGS):
    told = {}
    exec(compile(snippets(configs, METRICS["accuracy"])[title], title, "exec"), told)
    return told


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


def test_optuna_tries_them_first():
    optuna = pytest.importorskip("optuna")
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    study = run("Optuna")["study"]
    assert study.direction.name == "MAXIMIZE"
    study.optimize(lambda t: t.suggest_float("C", 1e-3, 1e3, log=True)
                   + t.suggest_float("gamma", 1e-6, 10, log=True), n_trials=3)  # fmt: skip
    assert [trial.params for trial in study.trials[:2]] == CONFIGS


def test_scikit_learn_tries_exactly_them():
    from sklearn.datasets import load_iris
    from sklearn.svm import SVC

    told = run("scikit-learn")
    search = told["GridSearchCV"](SVC(), told["grid"], cv=2).fit(*load_iris(return_X_y=True))
    assert search.cv_results_["params"] == CONFIGS


def test_smac_tries_them_first(tmp_path):
    pytest.importorskip("smac", reason="SMAC is not installed (extra: hooks)")
    from ConfigSpace import ConfigurationSpace
    from smac import Scenario

    space = ConfigurationSpace({"C": (0.1, 100.0), "gamma": (1e-06, 1.0)})
    scenario = Scenario(space, n_trials=5, output_directory=tmp_path)
    design = run("SMAC")["first_of"](scenario)
    assert [dict(c) for c in design.select_configurations()] == CONFIGS


def test_ray_hands_them_out_first():
    pytest.importorskip("ray.tune", reason="Ray is not installed (extra: ray)")
    assert run("Ray Tune")["first"]._points_to_evaluate == CONFIGS
