"""Hyperopt, the real package: waiting trials, spaces with branches, recording; and its traps."""

from __future__ import annotations

import ConfigSpace as cs
import numpy as np
import pytest

from metadb.errors import InvalidMetric, InvalidSpace
from metadb.space import check
from tests.api.hooks.recommending import Fixed
from tests.api.hooks.searching import (
    CONFIGS,
    PROJECTED,
    STRANGE,
    TASK,
    brought,
    loss_of,
    shape,
    svm,
    told,
)

pytest.importorskip("hyperopt", reason="hyperopt is not installed: pip install hyperopt")

from hyperopt import Trials, fmin, hp, rand, tpe
from hyperopt.fmin import generate_trials_to_calculate
from hyperopt.pyll import scope

from api.hooks.hyperopt import active, add_observed, record, to_search, to_space, warm_start

SPACE = svm()


def search(trials, n, space=SPACE, algo=rand.suggest, broken=()):
    """What the objective was asked, as configs."""
    asked = []

    def objective(drawn):
        config = active(drawn, space)
        asked.append(config)
        if len(asked) - 1 in broken:
            return {"status": "fail"}
        return loss_of(config)

    fmin(
        objective, to_search(space), algo=algo, max_evals=n, trials=trials,
        rstate=np.random.default_rng(0), show_progressbar=False,
    )  # fmt: skip
    return asked


def test_the_first_trials_are_exactly_the_recommendation():
    trials, report = warm_start(SPACE, Fixed(*CONFIGS), TASK, k=2)
    asked = search(trials, 6)
    assert asked[:2] == CONFIGS[:2]
    assert len(asked) == 6
    assert check(SPACE, asked) == [None] * 6
    assert [dict(one) for one in report.sent] == CONFIGS[:2]
    assert {"degree" in one for one in asked[2:]} == {True, False}


def test_what_is_strange_is_projected_and_told():
    trials, report = warm_start(SPACE, Fixed(*STRANGE), TASK)
    assert search(trials, 3)[:2] == PROJECTED
    assert {c.name for c in report.clipped} == {"kernel", "C"}
    assert {c.name for c in report.filled} == {"x", "degree", "size", "k"}
    assert [c.name for c in report.dropped] == ["foreign"]
    assert "'kernel' is 'tanh'" in report.why[2]


def test_a_search_that_goes_on_is_not_sent_what_it_has():
    trials, _ = warm_start(SPACE, Fixed(*CONFIGS[:1]), TASK)
    search(trials, 3)
    trials, report = warm_start(SPACE, Fixed(*CONFIGS), TASK, trials=trials)
    assert report.why == {0: "the tuner has it already"}
    assert search(trials, 6)[:2] == CONFIGS[1:]


# -- its traps ------------------------------------------------------------------------------------


def kernels():
    return {
        "kernel": hp.choice("kernel", [{"kernel": "rbf"}, {"kernel": "poly", "n": hp.uniformint("n", 2, 5)}]),
        "x": hp.uniform("x", 0, 1),
    }  # fmt: skip


def run(points, algo=rand.suggest, n=3, **more):
    asked = []

    def objective(drawn):
        asked.append(drawn)
        return drawn["x"]

    fmin(
        objective, kernels(), algo=algo, max_evals=n, points_to_evaluate=points,
        rstate=np.random.default_rng(0), show_progressbar=False, **more,
    )  # fmt: skip
    return asked


def test_hyperopt_ignores_first_points_beside_trials_and_ours_are_the_trials():
    point = {"kernel": 0, "n": 3, "x": 0.125}
    assert run([point])[0]["x"] == 0.125
    assert all(drawn["x"] != 0.125 for drawn in run([point], trials=Trials()))


def test_hyperopt_takes_the_index_of_a_choice_and_no_partial_point():
    with pytest.raises(Exception, match=r"."):
        run([{"kernel": "rbf", "n": 3, "x": 0.125}])
    with pytest.raises((TypeError, AssertionError)):
        run([{"kernel": 0}])
    trials, _ = warm_start(kernels(), Fixed({"kernel": "poly", "n": 2}), TASK)
    assert trials.trials[0]["misc"]["vals"] == {"kernel": [1], "n": [2], "x": [0.5]}


def test_hyperopt_wants_every_branch_when_it_models_and_ours_has_empty_ones():
    with pytest.raises(KeyError, match="n"):
        run([{"kernel": 0, "x": 0.125}], algo=tpe.suggest, n=25)
    trials, _ = warm_start(kernels(), Fixed({"kernel": "rbf", "x": 0.125}), TASK)
    assert trials.trials[0]["misc"]["vals"]["n"] == []
    assert len(run(None, algo=tpe.suggest, n=25, trials=trials)) == 25


def test_hyperopt_checks_no_range_and_we_clip():
    assert run([{"kernel": 0, "n": 3, "x": 7.0}])[0]["x"] == 7.0
    trials, report = warm_start(kernels(), Fixed({"kernel": "rbf", "x": 7.0}), TASK)
    assert run(None, trials=trials)[0]["x"] == 1.0
    assert [c.name for c in report.clipped] == ["x"]


def test_raw_points_with_every_branch_are_what_it_makes_of_them():
    raw = generate_trials_to_calculate([{"kernel": 1, "n": 3, "x": 0.5}])
    raw.refresh()
    ours, _ = warm_start(kernels(), Fixed({"kernel": "poly", "n": 3, "x": 0.5}), TASK)
    assert raw.trials[0]["misc"]["vals"] == ours.trials[0]["misc"]["vals"]
    assert raw.trials[0]["misc"]["idxs"] == ours.trials[0]["misc"]["idxs"]


# -- what is known --------------------------------------------------------------------------------


def test_observed_evaluations_are_start_up_trials_of_tpe():
    space, trials = {"x": hp.uniform("x", 0, 1)}, Trials()
    configs = [{"x": float(x)} for x in np.linspace(0, 1, 40)]
    known = told([*configs, {"x": 2.0}], [*(abs(one["x"] - 0.25) for one in configs), 0.0])
    report = add_observed(trials, known, space=space)
    assert len(report.sent) == 40
    assert "its score would be another one's" in report.why[40]
    asked = []
    fmin(
        lambda drawn: asked.append(drawn["x"]) or abs(drawn["x"] - 0.25), space, algo=tpe.suggest,
        max_evals=50, trials=trials, rstate=np.random.default_rng(0), show_progressbar=False,
    )  # fmt: skip
    assert len(asked) == 10
    assert np.mean(np.abs(np.array(asked) - 0.25)) < 0.15  # at random: 0.31


# -- spaces ---------------------------------------------------------------------------------------


def test_a_space_becomes_a_search_space_and_comes_back():
    back = to_space(to_search(SPACE))
    assert shape(back) == shape(SPACE, ordered=False)
    assert {(c.child.name, c.parent.name, c.value) for c in back.conditions} == {
        ("degree", "kernel", "poly")
    }


def test_branches_within_branches_and_several_parents():
    space = cs.ConfigurationSpace(
        "deep", space={"a": ["p", "q", "r"], "b": ["s", "t"], "f": (0, 9)}
    )
    space.add(cs.Float("g", (0.0, 1.0)))
    space.add(cs.InCondition(space["b"], space["a"], ["p", "q"]))
    space.add(cs.OrConjunction(
        cs.EqualsCondition(space["g"], space["b"], "s"), cs.EqualsCondition(space["g"], space["a"], "r")
    ))  # fmt: skip
    back = to_space(to_search(space))
    assert shape(back) == shape(space)
    for config in [
        {"a": "p", "b": "t", "f": 1},
        {"a": "r", "f": 1, "g": 0.5},
        {"a": "q", "b": "s", "f": 2, "g": 0.1},
    ]:
        assert check(back, [config]) == [None]
    assert check(back, [{"a": "r", "b": "s", "f": 1, "g": 0.5}])[0]
    trials, _ = warm_start(to_search(space), Fixed({"a": "r", "f": 1, "g": 0.5}), TASK)
    asked = []
    fmin(
        lambda drawn: asked.append(active(drawn, space)) or 1.0, to_search(space), algo=rand.suggest,
        max_evals=8, trials=trials, rstate=np.random.default_rng(1), show_progressbar=False,
    )  # fmt: skip
    assert asked[0] == {"a": "r", "f": 1, "g": 0.5}
    assert check(space, asked) == [None] * 8


def test_its_own_words_for_a_space_are_read():
    space = to_space({
        "model": hp.choice("model", [{"type": "svm", "C": hp.loguniform("C", 0, 3)}, {"type": "forest"}]),
        "none": hp.choice("none", ["a", None, 3]),
        "odd": hp.choice("odd", [hp.uniform("u", 0, 1), {"z": hp.randint("z", 3, 9)}]),
        "n": scope.int(hp.quniform("n", 2, 20, 2)),
        "p": hp.pchoice("p", [(0.25, "a"), (0.75, "b")]),
        "r": hp.randint("r", 5),
        "w": scope.int(hp.qloguniform("w", 0, np.log(90), 1)),
    })  # fmt: skip
    assert {c.child.name: (c.parent.name, c.value) for c in space.conditions} == {
        "C": ("model", "svm"), "u": ("odd", 0), "z": ("odd", 1),
    }  # fmt: skip
    assert shape(space)["n"] == ("ordinal", tuple(range(2, 21, 2)))
    assert shape(space)["r"] == ("integer", 0.0, 4.0, False)
    assert shape(space)["z"] == ("integer", 3.0, 8.0, False)
    assert shape(space)["w"] == ("integer", 1.0, 90.0, True)
    assert set(space["none"].choices) == {"a", "None", 3}
    assert list(space["p"].probabilities) == [0.25, 0.75]


def test_what_cannot_be_said_is_refused_in_words():
    with pytest.raises(InvalidSpace, match="'x' is drawn by normal, which has no bounds"):
        to_space({"x": hp.normal("x", 0, 1)})
    space = cs.ConfigurationSpace("by number", space={"a": (0, 9), "b": (0, 9)})
    space.add(cs.GreaterThanCondition(space["b"], space["a"], 5))
    with pytest.raises(InvalidSpace, match="'b' is active by a number"):
        to_search(space)
    space = cs.ConfigurationSpace("clause", space={"a": (0, 9)})
    space.add(cs.ForbiddenEqualsClause(space["a"], 3))
    with pytest.warns(UserWarning, match="Hyperopt has no place for its forbidden clauses"):
        to_search(space)


# -- recording ------------------------------------------------------------------------------------


def test_finished_trials_are_recorded_once(store):
    trials, _ = warm_start(SPACE, Fixed(*CONFIGS), TASK)
    add_observed(trials, told([{**CONFIGS[1], "x": 0.75}], [0.5]), space=SPACE)
    asked = search(trials, 6, broken=(1,))
    for _ in range(2):
        assert record(trials, store, TASK, space=SPACE, metric="mae") == {}
    rows = store.sql("select status, value from evaluations order by value nulls first")
    assert [row["status"] for row in rows] == ["failed", *["ok"] * 4]
    history = store.history("svm", "mae")
    assert history.tasks == ("mine:churn",)
    assert all(config in list(history.configs) for config in asked)
    assert history.loss[np.isfinite(history.loss)].min() == min(
        loss_of(one) for place, one in enumerate(asked) if place != 1
    )


def test_a_score_that_is_better_the_higher_is_refused(store):
    with pytest.raises(InvalidMetric, match="lower is better"):
        record(Trials(), store, TASK, space=SPACE, metric="accuracy")


def test_the_import_brings_neither_ingest_nor_servers():
    found = brought("api.hooks.hyperopt", "hyperopt")
    assert not found & {"ingest", "fastapi", "uvicorn", "openml", "optuna"}
    assert "metadb" in found
