"""OSS Vizier, the real package: requested trials, its spaces, priors, recording; and its traps."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from uuid import uuid4

import ConfigSpace as cs
import pytest

from metadb.errors import InvalidMetric, InvalidSpace, NotFound, WrongUsage
from metadb.records import Evaluation, Task, Trial
from metadb.space import check, space_id
from tests.api.hooks.recommending import Fixed
from tests.api.hooks.spaces import CONFIGS, FOREIGN, everything, past, svm

pytest.importorskip("vizier", reason="vizier is not installed: pip install google-vizier[jax]")
pytest.importorskip("jax", reason="jax is not installed: pip install google-vizier[jax]")

from vizier.service import clients
from vizier.service import pyvizier as vz

from api.hooks.flat import active
from api.hooks.vizier import (
    add_observed,
    priors,
    record,
    space_of,
    to_search_space,
    to_space,
    warm_start,
)

TASK = Task("mine:churn")
pytestmark = pytest.mark.filterwarnings("ignore")


def problem(space=None, goal="MINIMIZE"):
    made = vz.ProblemStatement(to_search_space(space or svm()))
    made.metric_information.append(vz.MetricInformation("loss", goal=vz.ObjectiveMetricGoal[goal]))
    return made


def study(space=None, goal="MINIMIZE", of=None, algorithm="RANDOM_SEARCH"):
    config = vz.StudyConfig.from_problem(of or problem(space, goal))
    config.algorithm = algorithm
    return clients.Study.from_study_config(config, owner="me", study_id=uuid4().hex)


def run(one, n):
    """What a loop asks, one suggestion at a time."""
    asked = []
    for _ in range(n):
        (trial,) = one.suggest(count=1)
        config = active(trial.parameters, svm())
        asked.append(config)
        trial.complete(vz.Measurement({"loss": config["C"] / 10}))
    return asked


def test_the_first_trials_are_exactly_the_recommendation_in_a_conditional_space():
    one = study()
    report = warm_start(one, Fixed(*CONFIGS), TASK, k=3, space=svm())
    asked = run(one, 6)
    assert asked[:3] == CONFIGS
    assert report.sent == tuple(CONFIGS)
    assert check(svm(), asked) == [None] * 6


def test_what_the_study_has_is_not_requested_again():
    one, space = study(svm(conditional=False)), svm(conditional=False)
    configs = [{"C": 1.0, "kernel": "rbf"}, {"C": 3.0, "kernel": "poly"}]
    assert warm_start(one, Fixed(*configs), TASK).sent == tuple(configs)
    assert list(warm_start(one, Fixed(*configs), TASK, space=space).why) == [0, 1]


def test_vizier_takes_as_it_is_what_is_projected_here():
    bad = study()
    trial = bad.request(vz.TrialSuggestion({"C": 99.0}))
    assert trial.parameters == {"C": 99.0}
    broken = bad.request(vz.TrialSuggestion({"C": 1.0, "kernel": "tanh", "depth": 7}))
    with pytest.raises(ValueError, match="Invalid trial"):
        print(broken.parameters)
    bad = study(svm(conditional=False))
    for c in (1.0, 2.0):
        bad.request(vz.TrialSuggestion({"C": c, "kernel": "rbf"}))
    (suggested,) = bad.suggest(count=1)
    assert suggested.parameters["C"] == 2.0  # last in, first out
    one = study()
    report = warm_start(one, Fixed(*FOREIGN), TASK, space=svm())
    default = report.filled[0].after
    assert run(one, 2) == [
        {"C": 10.0, "kernel": "rbf"},
        {"C": 2.0, "kernel": "poly", "degree": default},
    ]
    assert "'kernel' is 'tanh'" in report.why[2]


@pytest.mark.parametrize(
    "algorithm", ["RANDOM_SEARCH", "QUASI_RANDOM_SEARCH", "NSGA2", "EAGLE_STRATEGY"]
)
def test_these_algorithms_refuse_conditions_so_spaces_are_flat(algorithm):
    of = problem()
    of.search_space.select_root().select("kernel", ["poly"]).add_int_param("coef", 0, 3)
    with pytest.raises(RuntimeError, match="conditional"):
        study(of=of, algorithm=algorithm).suggest(count=1)


def test_what_was_measured_here_is_completed_in_the_goals_direction():
    one = study(goal="MAXIMIZE")
    told = [Evaluation(Trial(c), v) for c, v in zip(CONFIGS, (0.5, 0.1, 0.3), strict=True)]
    report = add_observed(one, [*told, Evaluation(Trial(FOREIGN[0]), 0.0)], space=svm())
    finals = [t.final_measurement.metrics["loss"].value for t in one.trials().get()]
    assert finals == [-0.5, -0.1, -0.3]
    assert "its score would be another one's" in report.why[3]


def test_other_tasks_become_standardised_priors_of_the_designer():
    of = problem(svm(conditional=False), "MAXIMIZE")
    groups, reports = priors(past(), ["past:low", "past:high"], of)
    assert [len(group.trials) for group in groups] == [4, 5]
    assert [len(r.sent) for r in reports] == [4, 5]
    for group in groups:
        values = [t.final_measurement.metrics["loss"].value for t in group.trials]
        assert sum(values) == pytest.approx(0.0, abs=1e-9)
    assert values == sorted(values)  # of past:high: the loss falls with C, so the value grows
    with pytest.raises(NotFound, match="no task"):
        priors(past(), ["past:none"], of)


def test_the_designer_takes_the_priors_and_suggests_what_is_legal():
    import jax
    from vizier import algorithms as vza
    from vizier._src.algorithms.designers.gp_bandit import VizierGPBandit
    from vizier._src.algorithms.optimizers.eagle_strategy import VectorizedEagleStrategyFactory
    from vizier._src.algorithms.optimizers.vectorized_base import VectorizedOptimizerFactory

    space = svm(conditional=False)
    of = problem(space)
    designer = VizierGPBandit(
        of,
        num_seed_trials=0,
        ard_random_restarts=1,
        rng=jax.random.PRNGKey(0),
        acquisition_optimizer_factory=VectorizedOptimizerFactory(
            strategy_factory=VectorizedEagleStrategyFactory(), max_evaluations=500
        ),
    )
    groups, _ = priors(past(), ["past:low"], of)
    designer.set_priors(groups)
    here = vz.Trial({"C": 5.0, "kernel": "rbf"}, id=1)
    here.complete(vz.Measurement({"loss": 0.5}))
    designer.update(vza.CompletedTrials([here]), vza.ActiveTrials([]))
    (suggested,) = designer.suggest(1)
    drawn = {name: one.value for name, one in suggested.parameters.items()}
    assert check(space, [drawn]) == [None]


# -- spaces --------------------------------------------------------------------------------------


def test_a_space_goes_to_vizier_and_back():
    space = everything(conditional=False)
    assert space_id(to_space(to_search_space(space), name="all")) == space_id(space)
    assert space_id(space_of(study(space), name="all")) == space_id(space)


def test_conditions_come_from_vizier():
    made = vz.SearchSpace()
    made.root.add_categorical_param("kernel", ["rbf", "poly"])
    made.select_root().select("kernel", ["poly"]).add_int_param("degree", 2, 5)
    made.root.add_float_param("C", 0.0, 10.0)
    assert check(to_space(made), CONFIGS) == [None] * 3
    with pytest.raises(InvalidSpace, match="numbers only or texts only"):
        to_search_space(cs.ConfigurationSpace(space={"a": [1, "x"]}))
    space = svm()
    space.add(cs.ForbiddenEqualsClause(space["kernel"], "poly"))
    with pytest.warns(UserWarning, match="forbidden clauses"):
        to_search_space(space)


# -- recording -----------------------------------------------------------------------------------


def test_trials_are_recorded_once(store):
    one = study()
    add_observed(one, [Evaluation(Trial({"C": 4.0, "kernel": "rbf"}), 0.4)], space=svm())
    warm_start(one, Fixed(*CONFIGS), TASK, space=svm())
    run(one, 3)
    (trial,) = one.suggest(count=1)
    trial.complete(infeasible_reason="it broke")
    for _ in range(2):
        assert record(one, store, TASK, metric="error_rate", space=svm()) == {}
    rows = store.sql("select status, value from evaluations order by run")
    assert [(r["status"], r["value"]) for r in rows] == [
        ("ok", 0.3), ("ok", 0.1), ("ok", 0.5), ("failed", None),
    ]  # fmt: skip
    # in the order of their ids: what is suggested first is requested last
    with pytest.raises(InvalidMetric):
        record(one, store, TASK, metric="accuracy", space=svm())
    several = problem()
    several.metric_information.append(
        vz.MetricInformation("time", goal=vz.ObjectiveMetricGoal.MINIMIZE)
    )
    with pytest.raises(WrongUsage, match="2 objectives"):
        record(study(of=several), store, TASK)


def test_the_import_brings_neither_vizier_nor_ingest_nor_servers():
    code = "import sys, api.hooks.vizier; print(*{m.split('.')[0] for m in sys.modules})"
    found = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True,
        cwd=Path(__file__).resolve().parents[3],
    )  # fmt: skip
    assert not set(found.stdout.split()) & {"vizier", "jax", "torch", "ingest", "fastapi"}
