"""Optuna, the real package: first trials, spaces, what is known, recording; and its traps."""

from __future__ import annotations

import subprocess
import sys
import warnings
from pathlib import Path

import ConfigSpace as cs
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from metadb.errors import InvalidMetric, InvalidSpace, NotFound, WrongUsage
from metadb.records import Evaluation, Task, Trial
from metadb.space import check, default, sample
from recommenders import RECOMMENDERS
from tests.api.hooks.recommending import Fixed
from tests.conftest import SPACE, block
from tests.metadb.spaces import SMALL, quick, spaces

optuna = pytest.importorskip("optuna", reason="optuna is not installed: pip install optuna")

from optuna.distributions import (  # noqa: E402
    CategoricalDistribution,
    FloatDistribution,
    IntDistribution,
)
from optuna.trial import TrialState, create_trial  # noqa: E402

from api.hooks.optuna import (  # noqa: E402
    Record,
    add_observed,
    source_trials,
    space_of,
    suggest,
    to_distributions,
    to_space,
    warm_start,
)

TASK = Task("mine:churn")
SVM = {
    "C": FloatDistribution(1e-3, 1000.0, log=True),
    "kernel": CategoricalDistribution(["rbf", "linear", None]),
    "n": IntDistribution(2, 20, step=2),
}
GOOD = {"C": 1.0, "kernel": "rbf", "n": 4}


@pytest.fixture(autouse=True)
def quiet():
    optuna.logging.set_verbosity(optuna.logging.ERROR)


def new(direction="minimize", seed=0, **more):
    sampler = more.pop("sampler", optuna.samplers.RandomSampler(seed=seed))
    return optuna.create_study(direction=direction, sampler=sampler, **more)


def svm(trial):
    cost = trial.suggest_float("C", 1e-3, 1000.0, log=True)
    trial.suggest_categorical("kernel", ["rbf", "linear", None])
    return cost + trial.suggest_int("n", 2, 20, step=2)


# -- the recommendation as first trials ----------------------------------------------------------


def test_the_first_trials_are_exactly_the_recommendation():
    study = new()
    configs = [{**GOOD, "C": float(i + 1)} for i in range(5)]
    advice = Fixed(*configs)
    report = warm_start(study, advice, TASK, k=4, space=SVM)
    study.optimize(svm, n_trials=6)
    assert [t.params for t in study.trials[:4]] == configs[:4]
    assert report.sent == tuple(configs[:4])
    assert study.trials[4].params not in configs
    assert advice.asked == [("mine:churn", 4, 0)]


def test_a_recommender_of_a_store_warms_a_conditional_study():
    space = cs.ConfigurationSpace(SPACE, space={"C": (0.0, 50.0), "kernel": ["rbf", "linear"]})
    space.add(cs.Float("gamma", (1e-3, 1.0), log=True, default=0.1))
    space.add(cs.EqualsCondition(space["gamma"], space["kernel"], "rbf"))

    def objective(trial):
        config = suggest(trial, space)
        assert check(space, [config]) == [None]
        assert config == trial.params
        return config["C"]

    configs = [{"C": 1.0, "kernel": "rbf"}, {"C": 2.0, "kernel": "linear", "gamma": 0.5}]
    study = new()
    report = warm_start(study, Fixed(*configs), TASK, space=space)
    with warnings.catch_warnings():
        warnings.simplefilter("error", UserWarning)
        study.optimize(objective, n_trials=10)
    assert [t.params for t in study.trials[:2]] == [
        {"C": 1.0, "kernel": "rbf", "gamma": 0.1},
        {"C": 2.0, "kernel": "linear"},
    ]
    assert [c.name for c in report.filled] == ["gamma"]
    assert [c.name for c in report.dropped] == ["gamma"]
    assert {"gamma" in t.params for t in study.trials[2:]} == {True, False}


def test_a_real_recommender_and_a_real_store(store):
    """Two lines: the first trials are the portfolio's, and the store has learnt them at the end."""
    store.add(block(0, 4, range(6)))
    portfolio = RECOMMENDERS["average_rank"].fit(store.history(SPACE))
    task, space = Task("mine:new"), {
        "C": FloatDistribution(0, 10),
        "kernel": CategoricalDistribution(["linear", "rbf"]),
    }  # fmt: skip

    def objective(trial):
        cost = trial.suggest_float("C", 0, 10)
        return cost / 20 + (trial.suggest_categorical("kernel", ["linear", "rbf"]) == "rbf") / 2

    study = new("maximize")
    report = warm_start(study, portfolio, task, 3, space=space)
    record = Record(study, store, task, metric="accuracy", space=SPACE)
    study.optimize(objective, n_trials=4, callbacks=[record])
    expected = [one.config for one in portfolio.recommend(task, 3)]
    assert [t.params for t in study.trials[:3]] == expected == list(report.sent)
    history = store.history(SPACE)
    assert "mine:new" in history.tasks
    known = [
        history.configs[int(i)]
        for i in history.config[history.task == history.tasks.index("mine:new")]
    ]
    assert all(config in known for config in expected)


def test_what_the_study_has_is_not_enqueued_again(tmp_path):
    place = f"sqlite:///{tmp_path}/study.db"
    for _ in range(2):  # the script is started anew
        study = new(storage=place, study_name="s", load_if_exists=True)
        report = warm_start(study, Fixed(GOOD, {**GOOD, "kernel": "None"}), TASK, space=SVM)
        study.optimize(svm, n_trials=1)
    assert report.sent == ()
    assert set(report.why.values()) == {"the tuner has it already"}
    assert [t.params for t in study.trials] == [GOOD, {**GOOD, "kernel": None}]


def test_the_space_of_a_study_that_has_begun_is_known():
    with pytest.raises(NotFound, match="give space="):
        warm_start(new(), Fixed(GOOD), TASK)
    study = new()
    study.optimize(svm, n_trials=1)
    report = warm_start(study, Fixed({**GOOD, "C": 5000.0}), TASK)
    study.optimize(svm, n_trials=1)
    assert study.trials[1].params == {**GOOD, "C": 1000.0}
    assert [c.after for c in report.clipped] == [1000.0]


def test_names_and_ranges_that_differ_are_projected():
    advice = Fixed({"cost": 1.0, "kernel": "RBF", "n": 5, "shrinking": True}, {**GOOD, "C": 1e9})
    study = new()
    report = warm_start(study, advice, TASK, space=SVM, rename={"cost": "C"}, outside="drop")
    study.optimize(svm, n_trials=1)
    assert study.trials[0].params == GOOD
    assert [c.name for c in report.dropped] == ["shrinking"]
    assert list(report.why) == [1]


# -- Optuna's traps: what it does by itself, and that nobody falls into it here --------------------


def test_optuna_hands_on_a_value_out_of_range_and_we_clip_it():
    raw, study = new(), new()
    raw.enqueue_trial({**GOOD, "C": 5000.0})
    with pytest.warns(UserWarning, match="out of range"):
        raw.optimize(svm, n_trials=1)
    assert raw.trials[0].params["C"] == 5000.0
    warm_start(study, Fixed({**GOOD, "C": 5000.0}), TASK, space=SVM)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        study.optimize(svm, n_trials=1)
    assert study.trials[0].params["C"] == 1000.0


def test_optuna_fails_a_trial_with_an_unknown_choice_and_we_do_not_send_it():
    raw, study = new(), new()
    raw.enqueue_trial({**GOOD, "kernel": "poly"})
    raw.optimize(svm, n_trials=1, catch=(ValueError,))
    assert raw.trials[0].state == TrialState.FAIL
    report = warm_start(study, Fixed({**GOOD, "kernel": "poly"}, GOOD), TASK, space=SVM)
    study.optimize(svm, n_trials=1)
    assert study.trials[0].params == GOOD
    assert "'kernel' is 'poly'" in report.why[0]


def test_optuna_ignores_unknown_names_and_draws_missing_ones_and_we_say_so():
    raw, study = new(), new()
    raw.enqueue_trial({"C": 1.0, "kernel": "rbf", "foreign": 3})
    raw.optimize(svm, n_trials=1)
    assert "foreign" not in raw.trials[0].params
    report = warm_start(study, Fixed({"C": 1.0, "kernel": "rbf", "foreign": 3}), TASK, space=SVM)
    study.optimize(svm, n_trials=1)
    assert [(c.name, c.before) for c in report.dropped] == [("foreign", 3)]
    assert {c.name: c.after for c in report.filled} == {"n": study.trials[0].params["n"]}


def test_bounds_that_configspace_rounds_are_kept_to_the_last_digit():
    low, high = 1 / 3, 2 / 3 + 1e-15
    study = new()
    warm_start(
        study, Fixed({"x": 0.0}, {"x": 1.0}), TASK, space={"x": FloatDistribution(low, high)}
    )
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        study.optimize(lambda trial: trial.suggest_float("x", low, high), n_trials=2)
    assert [t.params["x"] for t in study.trials] == [low, high]


def test_optuna_refuses_most_bad_scored_trials_but_not_a_wrong_scale_and_ours_is_right():
    study, space = new(), {"x": FloatDistribution(1e-3, 1.0, log=True)}
    for params, distributions, values in [
        ({"x": 5.0}, space, {"value": 1.0}),
        ({"x": 0.5}, {}, {"value": 1.0}),
        ({"x": 0.5}, space, {"value": float("nan")}),
        ({"x": 0.5}, space, {"values": [1.0, 2.0]}),
    ]:
        with pytest.raises(ValueError, match=r"."):
            study.add_trial(create_trial(params=params, distributions=distributions, **values))
    study.add_trial(
        create_trial(params={"x": 0.5}, distributions={"x": FloatDistribution(1e-3, 1)}, value=1)
    )
    assert not study.trials[0].distributions["x"].log  # silently
    add_observed(study, observed([{"x": 0.25}]), space=space)
    assert study.trials[1].distributions["x"].log


# -- what is known already -----------------------------------------------------------------------


def observed(configs, losses=None, budget=1.0, status="ok"):
    losses = losses or [float(i) for i in range(len(configs))]
    return [
        Evaluation(Trial(one, budget), loss if status == "ok" else None, status=status)
        for one, loss in zip(configs, losses, strict=True)
    ]


@pytest.mark.parametrize("direction", ["minimize", "maximize"])
def test_observed_evaluations_become_finished_trials_with_the_sign_of_the_study(direction):
    study = new(direction)
    known = [
        *observed([GOOD, {**GOOD, "C": 5000.0}, {**GOOD, "kernel": "None"}], [3.0, 0.0, 2.0]),
        *observed([{**GOOD, "n": 8}], [1.0], budget=0.5),
        *observed([{**GOOD, "n": 10}], status="failed"),
    ]
    report = add_observed(study, known, space=SVM)
    assert study.best_trial.params == {**GOOD, "kernel": None}
    assert [abs(t.value) for t in study.trials] == [3.0, 2.0]
    assert list(report.why) == [1]
    assert "its score would be another one's" in report.why[1]
    assert add_observed(study, known, space=SVM).sent == ()
    assert len(study.trials) == 2


def test_observed_trials_are_start_up_trials_of_tpe():
    def objective(trial):
        return abs(trial.suggest_float("x", 0, 1) - 0.8)

    space = {"x": FloatDistribution(0, 1)}
    values = np.linspace(0.0, 0.9, 12)
    known = observed([{"x": float(x)} for x in values], [abs(x - 0.8) for x in values])
    distances = {}
    for warm in (True, False):
        study = new(sampler=optuna.samplers.TPESampler(seed=1))
        if warm:
            add_observed(study, known, space=space)
        study.optimize(objective, n_trials=6)
        distances[warm] = np.mean([t.value for t in study.trials[-6:]])
    assert distances[True] < 0.5 * distances[False]


def test_a_study_with_several_objectives_has_no_one_score(store):
    study = optuna.create_study(directions=["minimize", "maximize"])
    with pytest.raises(WrongUsage, match="several objectives"):
        add_observed(study, observed([GOOD]), space=SVM)
    with pytest.raises(WrongUsage, match="several objectives"):
        Record(study, store)


@pytest.mark.filterwarnings("ignore::optuna.exceptions.ExperimentalWarning")
@pytest.mark.parametrize("direction", ["minimize", "maximize"])
def test_another_task_is_a_prior_of_cma_es_and_no_trial_of_the_study(direction, store):
    """The past task's best are near (.8, .8): the first generation is drawn there."""
    space = cs.ConfigurationSpace("plane", space={"a": (0.0, 1.0), "b": (0.0, 1.0)})
    for config in sample(space, 40, 0):
        loss = 1000 * ((config["a"] - 0.8) ** 2 + (config["b"] - 0.8) ** 2)
        store.record(Task("mine:old"), config, space=space, metric="mae", value=loss)
    history = store.history("plane", "mae")
    trials, report = source_trials(history, "mine:old", space=space, direction=direction)
    assert len(trials) == len(report.sent) == 40
    assert {abs(t.value) for t in trials} <= {i / 39 for i in range(40)}
    sign = 1 if direction == "minimize" else -1
    best = min(trials, key=lambda t: sign * t.value).params
    assert max(abs(best["a"] - 0.8), abs(best["b"] - 0.8)) < 0.2

    pytest.importorskip("cmaes")
    study = new(direction, sampler=optuna.samplers.CmaEsSampler(source_trials=trials, seed=0))
    study.optimize(lambda trial: suggest(trial, space)["a"], n_trials=7)
    assert len(study.trials) == 7
    drawn = np.array([list(t.params.values()) for t in study.trials[1:]])  # CMA-ES begins at 1
    assert np.abs(drawn - 0.8).mean() < 0.2
    with pytest.raises(ValueError, match="separable"):
        optuna.samplers.CmaEsSampler(source_trials=trials, use_separable_cma=True)
    with pytest.raises(NotFound, match="mine:old"):
        source_trials(history, "mine:none", space=space)
    with pytest.raises(WrongUsage, match="'minimize' or 'maximize'"):
        source_trials(history, "mine:old", space=space, direction="up")


# -- spaces --------------------------------------------------------------------------------------


@quick
@given(spaces())
def test_a_space_drawn_by_optuna_gives_legal_configs(space):
    study = new()
    for _ in range(3):
        config = suggest(study.ask(), space)
        assert check(space, [config]) == [None]


@quick
@given(spaces(), st.integers(0, 9))
def test_what_is_enqueued_is_what_suggest_gives(space, seed):
    (config,) = sample(space, 1, seed)
    study = new()
    warm_start(study, Fixed(config), TASK, space=space)
    assert suggest(study.ask(), space) == config


def test_distributions_become_a_space_and_come_back():
    distributions = {
        **SVM,
        "x": FloatDistribution(0.0, 1.0, step=0.1),
        "deep": IntDistribution(1, 100, log=True),
        "one": CategoricalDistribution(["only"]),
    }
    space = to_space(distributions)
    back = to_distributions(space)
    assert {k: back[k] for k in ("C", "n", "x", "deep", "one")} == {
        k: distributions[k] for k in ("C", "n", "x", "deep", "one")
    }
    assert back["kernel"].choices == ("None", "linear", "rbf")
    assert default(space)["one"] == "only"
    with pytest.raises(InvalidSpace, match="100,001 values"):
        to_space({"x": FloatDistribution(0, 1, step=1e-5)})
    with pytest.raises(InvalidSpace, match="cannot hold"):
        to_space({"x": FloatDistribution(1e-20, 1e-15)})


@pytest.mark.filterwarnings("ignore:Choices for a categorical")
def test_a_step_is_a_grid_and_lists_are_texts():
    space = {
        "x": FloatDistribution(0, 1, step=0.1),
        "layers": CategoricalDistribution([(8,), (8, 4)]),
    }
    study = new()
    report = warm_start(study, Fixed({"x": 0.33, "layers": "[8, 4]"}), TASK, space=space)

    def objective(trial):
        return trial.suggest_float("x", 0, 1, step=0.1) + len(
            trial.suggest_categorical("layers", [(8,), (8, 4)])
        )

    with warnings.catch_warnings():
        warnings.filterwarnings("error", message=".*out of range")
        study.optimize(objective, n_trials=1)
    assert study.trials[0].params == {"x": 0.3, "layers": (8, 4)}
    assert [c.name for c in report.clipped] == ["x"]


def branches(trial):
    kind = trial.suggest_categorical("kind", ["svm", "forest", None])
    if kind == "svm":
        trial.suggest_float("C", 0.1, 10.0, log=True)
    if kind == "forest":
        trial.suggest_int("depth", 1, 999)
    return float(trial.number)


def test_the_branches_of_define_by_run_become_conditions():
    study = new()
    study.optimize(branches, n_trials=20)
    space = space_of(study)
    found = {c.child.name: (c.parent.name, c.value) for c in space.conditions}
    assert found == {"C": ("kind", "svm"), "depth": ("kind", "forest")}
    configs = [{"kind": "forest", "depth": 500}, {"kind": "svm", "C": 0.5}, {"kind": "None"}]
    report = warm_start(study, Fixed(*configs), TASK)
    study.optimize(branches, n_trials=2)
    assert [t.params for t in study.trials[-2:]] == configs[:2]
    assert report.why == {2: "the tuner has it already"}


def test_a_forbidden_draw_is_pruned():
    study = new(seed=3)
    study.optimize(lambda trial: suggest(trial, SMALL).get("f"), n_trials=60)
    pruned = [t.params for t in study.trials if t.state == TrialState.PRUNED]
    assert pruned
    assert all(p["n"] == 3 and p["c"] == "a" for p in pruned)


# -- recording -----------------------------------------------------------------------------------


def churn(trial):
    value = svm(trial)
    for step in range(3):
        trial.report(value / (step + 1), step)
        if trial.number % 4 == 1 and step == 1:
            raise optuna.TrialPruned
    if trial.number == 3:
        raise ValueError("it broke")
    return value


@pytest.mark.parametrize("space", [None, SVM], ids=["inferred", "declared"])
def test_what_is_recorded_is_what_reading_the_storage_gives(tmp_path, store, space):
    from ingest.load import load
    from ingest.optuna import Optuna

    study = new(storage=f"sqlite:///{tmp_path}/study.db", study_name="churn")
    record = Record(study, store, space=space)
    study.optimize(churn, n_trials=6, catch=(ValueError,), callbacks=[record])
    assert record.lost == {}
    rows = store.sql(
        "select status, budget_unit as unit, count(*) as n from evaluations group by all"
    )
    assert {(r["unit"], r["status"]): r["n"] for r in rows} == {
        ("fraction", "ok"): 3,
        ("fraction", "censored"): 2,
        ("fraction", "failed"): 1,
        ("steps", "ok"): 16,
    }
    (loaded,) = load("optuna", Optuna([tmp_path / "study.db"]), store, store.path / "cache")
    assert loaded.load["n_read"] >= 22
    assert loaded.added.added.get("evaluations", 0) == 0
    record.catch_up(study)
    assert store.sql("select count(*) as n from evaluations").column("n") == [22]


def test_recorded_trials_meet_the_history_they_came_from(store):
    """Under the store's names, in the store's space; so the next recommendation knows them."""
    space = cs.ConfigurationSpace("mine", space={"C": (0.0, 1.0), "grid": [1, 2], "k": "fixed"})
    study = new()

    def objective(trial):
        return trial.suggest_float("cost", 0.0, 1.0) * trial.suggest_categorical("grid", [1, 2])

    record = Record(study, store, TASK, metric="mae", space=space, rename={"C": "cost"})
    study.optimize(objective, n_trials=4, callbacks=[record])
    history = store.history("mine", "mae")
    assert history.tasks == ("mine:churn",)
    assert sorted(history.loss) == pytest.approx(sorted(t.value for t in study.trials))
    assert all(config["k"] == "fixed" and "C" in config for config in history.configs)


def test_trials_of_several_threads_are_recorded(store):
    study = new()
    record = Record(study, store, TASK, metric="mae")
    study.optimize(svm, n_trials=12, n_jobs=3, callbacks=[record])
    assert store.sql("select count(*) as n from evaluations").column("n") == [12]


def test_a_trial_that_the_store_refuses_does_not_stop_the_search(store):
    study = new()
    study.enqueue_trial({"x": 3.0})
    study.enqueue_trial({"x": 0.5})
    record = Record(study, store, TASK, metric="mae", space={"x": FloatDistribution(0, 1)})
    with pytest.warns(UserWarning, match=r"out of range|trial 0 is not recorded"):
        study.optimize(lambda t: t.suggest_float("x", 0, 1), n_trials=2, callbacks=[record])
    assert list(record.lost) == [0]
    assert store.sql("select value from evaluations").column("value") == [0.5]


def test_what_the_study_was_told_is_not_recorded_as_run(store):
    study = new()
    add_observed(study, observed([GOOD]), space=SVM)
    Record(study, store, TASK, metric="mae").catch_up(study)
    assert store.sql("select count(*) as n from evaluations").column("n") == [0]


def test_a_failure_with_half_a_config_is_not_recorded(store):
    def objective(trial):
        value = svm(trial) if trial.number else trial.suggest_float("C", 1e-3, 1000.0, log=True)
        if trial.number in (0, 2):
            raise ValueError("it broke")
        return value

    study = new()
    record = Record(study, store, TASK, metric="mae")
    with pytest.warns(UserWarning, match="before it had all"):
        study.optimize(objective, n_trials=3, catch=(ValueError,), callbacks=[record])
    found = store.sql("select status from evaluations order by 1").column("status")
    assert found == ["failed", "ok"]


def test_a_metric_that_contradicts_the_study_is_refused_at_once(store):
    with pytest.raises(InvalidMetric, match="better the other way"):
        Record(new(), store, TASK, metric="accuracy")
    with pytest.raises(NotFound, match="no metric"):
        Record(new(), store, TASK, metric="nonsense")
    with pytest.raises(NotFound, match="no task"):
        Record(new(), store, "mine:nothing", metric="mae")


# -- the import ----------------------------------------------------------------------------------


@pytest.mark.parametrize("module", ["api.hooks", "api.hooks.optuna"])
def test_the_import_brings_neither_ingest_nor_servers_nor_torch(module):
    code = f"import sys, {module}; print(*{{m.split('.')[0] for m in sys.modules}})"
    found = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True,
        cwd=Path(__file__).resolve().parents[3],
    )  # fmt: skip
    names = set(found.stdout.split())
    assert not names & {"ingest", "fastapi", "uvicorn", "torch", "openml", "sklearn"}
    assert ("optuna" in names) == (module == "api.hooks.optuna")
