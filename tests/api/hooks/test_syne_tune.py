"""Syne Tune, the real package: first points, past tasks, spaces, recording; and its traps."""

from __future__ import annotations

import ConfigSpace as cs
import numpy as np
import pytest

from metadb.errors import InvalidMetric, InvalidSpace, NotFound
from metadb.records import Task
from metadb.space import check, sample
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
)

pytest.importorskip("syne_tune", reason="syne-tune is not installed: pip install syne-tune")

from syne_tune import config_space as st
from syne_tune.optimizer.baselines import RandomSearch

from api.hooks.syne_tune import (
    Record,
    active,
    to_domains,
    to_space,
    transfer_learning_evaluations,
    warm_start,
)

SPACE = svm()


def scheduler(points, domains=None, **more):
    given = domains or to_domains(SPACE)
    return RandomSearch(given, metrics=["loss"], random_seed=0, points_to_evaluate=points, **more)


def asked(made, n):
    return [made.suggest().config for _ in range(n)]


def test_the_first_suggestions_are_exactly_the_recommendation():
    points, report = warm_start(SPACE, Fixed(*CONFIGS), TASK, k=2)
    found = [active(one, SPACE) for one in asked(scheduler(points), 6)]
    assert found[:2] == CONFIGS[:2] == list(report.sent)
    assert check(SPACE, found) == [None] * 6


def test_what_is_strange_is_projected_and_told():
    points, report = warm_start(SPACE, Fixed(*STRANGE), TASK)
    assert [active(one, SPACE) for one in asked(scheduler(points), 2)] == PROJECTED
    assert {c.name for c in report.clipped} == {"kernel", "C"}
    assert [c.name for c in report.dropped] == ["foreign"]
    assert "'kernel' is 'tanh'" in report.why[2]


# -- its traps ------------------------------------------------------------------------------------


def test_syne_tune_leaks_domains_for_what_is_missing_and_ours_has_every_value():
    domains = {"x": st.uniform(0, 1), "n": st.randint(1, 9)}
    assert isinstance(asked(scheduler([{"x": 0.25}], domains), 1)[0]["n"], st.Domain)
    points, report = warm_start(domains, Fixed({"x": 0.25}), TASK)
    assert asked(scheduler(points, domains), 1) == [{"x": 0.25, "n": 5}]
    assert [c.name for c in report.filled] == ["n"]


def test_syne_tune_fails_for_a_foreign_choice_and_drops_foreign_names():
    domains = {"c": st.choice(["a", "b"])}
    with pytest.raises(AssertionError, match="not contained"):
        asked(scheduler([{"c": "z"}], domains), 1)
    assert asked(scheduler([{"c": "b", "foreign": 3}], domains), 1) == [{"c": "b"}]
    points, report = warm_start(domains, Fixed({"c": "z"}, {"c": "B", "foreign": 3}), TASK)
    assert points == [{"c": "b"}]
    assert list(report.why) == [0]
    assert [c.name for c in report.dropped] == ["foreign"]


def test_syne_tune_runs_what_is_out_of_range_and_we_clip_it():
    domains = {"x": st.uniform(0, 1)}
    assert asked(scheduler([{"x": 7.0}], domains), 1) == [{"x": 7.0}]
    points, _ = warm_start(domains, Fixed({"x": 7.0}), TASK)
    assert asked(scheduler(points, domains), 1) == [{"x": 1.0}]


# -- past tasks -----------------------------------------------------------------------------------


@pytest.fixture
def past(store):
    """Two past tasks whose best are near (0.8, 0.8), one with losses of another scale."""
    space = cs.ConfigurationSpace(
        "plane", space={"a": (0.0, 1.0), "b": (0.0, 1.0), "c": ["p", "q"]}
    )
    for scale, task in [(1.0, "mine:old"), (1000.0, "mine:older")]:
        for config in sample(space, 40, int(scale)):
            loss = scale * ((config["a"] - 0.8) ** 2 + (config["b"] - 0.8) ** 2)
            store.record(Task(task), config, space=space, metric="mae", value=loss)
    return space, store.history("plane", "mae")


@pytest.mark.parametrize("minimize", [True, False])
def test_past_tasks_are_ranks_and_narrow_the_bounding_box(past, minimize):
    from syne_tune.optimizer.schedulers.transfer_learning.bounding_box import BoundingBox

    space, history = past
    tasks = ["mine:old", "mine:older"]
    evaluations, reports = transfer_learning_evaluations(
        history, tasks, space=space, metric="loss", minimize=minimize
    )
    assert [len(reports[task].sent) for task in tasks] == [40, 40]
    for one in evaluations.values():
        assert set(np.abs(one.objectives_evaluations).ravel()) <= {i / 39 for i in range(40)}
    made = BoundingBox(
        lambda domains, metric, do_minimize, seed: RandomSearch(
            domains, metrics=[metric], do_minimize=do_minimize, random_seed=seed
        ),
        to_domains(space), "loss", evaluations, do_minimize=minimize,
        num_hyperparameters_per_task=3, random_seed=0,
    )  # fmt: skip
    drawn = np.array([[one["a"], one["b"]] for one in asked(made, 10)])
    assert np.abs(drawn - 0.8).max() < 0.35
    with pytest.raises(NotFound, match="mine:none"):
        transfer_learning_evaluations(history, ["mine:none"], space=space, metric="loss")


def test_past_tasks_teach_the_quantile_searcher(past):
    """It needs huggingface_hub, which a plain install of Syne Tune lacks."""
    pytest.importorskip("huggingface_hub", reason="pip install 'huggingface_hub<1' xgboost")
    pytest.importorskip("xgboost", reason="xgboost is not installed: pip install xgboost")
    from syne_tune.optimizer.schedulers.transfer_learning.quantile_based.quantile_based_searcher import (
        QuantileBasedSurrogateSearcher,
    )

    space, history = past
    evaluations, _ = transfer_learning_evaluations(
        history, ["mine:old", "mine:older"], space=space, metric="loss"
    )
    made = QuantileBasedSurrogateSearcher(to_domains(space), evaluations, random_seed=0)
    drawn = np.array([[one["a"], one["b"]] for one in (made.suggest() for _ in range(20))])
    assert np.abs(drawn - 0.8).mean() < 0.3  # at random: 0.34


def test_zero_shot_transfer_of_syne_tune_draws_at_random(past):
    """Why the module's docstring advises against it."""
    pytest.importorskip("huggingface_hub", reason="pip install 'huggingface_hub<1' xgboost")
    from syne_tune.optimizer.schedulers.transfer_learning.zero_shot import ZeroShotTransfer

    space, history = past
    evaluations, _ = transfer_learning_evaluations(
        history, ["mine:old", "mine:older"], space=space, metric="loss"
    )
    made = ZeroShotTransfer(to_domains(space), "loss", evaluations, random_seed=0)
    known = {(c["a"], c["b"]) for c in history.configs}
    assert not {(c["a"], c["b"]) for c in asked(made, 5)} & known


# -- spaces ---------------------------------------------------------------------------------------


def test_a_space_becomes_domains_and_comes_back():
    assert shape(to_space(to_domains(SPACE))) == shape(SPACE)


def test_its_own_domains_are_read():
    space = to_space({
        "f": st.finrange(0.0, 1.0, 5), "g": st.logfinrange(1, 100, 3, cast_int=True),
        "o": st.logordinal([1, 10, 100]), "c": st.choice(["a"]), "k": 3,
    })  # fmt: skip
    assert shape(space) == {
        "c": ("constant", ("'a'",)),
        "f": ("ordinal", (0.0, 0.25, 0.5, 0.75, 1.0)),
        "g": ("ordinal", (1, 10, 100)),
        "k": ("constant", ("3",)),
        "o": ("ordinal", (1, 10, 100)),
    }


def test_choices_of_several_types_are_texts_there_and_come_back():
    space = cs.ConfigurationSpace("mixed", space={"m": ["auto", 1, 2.5]})
    points, _ = warm_start(space, Fixed({"m": 1}), TASK)
    (drawn,) = asked(scheduler(points, to_domains(space)), 1)
    assert drawn == {"m": "1"}
    assert active(drawn, space) == {"m": 1}


def test_what_cannot_be_said_is_refused_in_words():
    with pytest.raises(InvalidSpace, match="which ConfigSpace lacks"):
        to_space({"x": st.reverseloguniform(0.1, 0.9)})
    space = cs.ConfigurationSpace("clause", space={"a": (0, 9)})
    space.add(cs.ForbiddenEqualsClause(space["a"], 3))
    with pytest.warns(UserWarning, match="Syne Tune has no place for its forbidden clauses"):
        to_domains(space)


# -- recording ------------------------------------------------------------------------------------


SCRIPT = """
import argparse
from syne_tune import Reporter
asked = argparse.ArgumentParser()
for name in ("C", "x", "n", "size", "degree"):
    asked.add_argument(f"--{name}", type=float)
asked.add_argument("--kernel"), asked.add_argument("--k")
given = asked.parse_known_args()[0]
if given.n == 1:
    raise SystemExit("it broke")
Reporter()(loss=given.x + given.C / 1024.0)
"""


def test_a_search_runs_the_recommendation_first_and_is_recorded(store, tmp_path, monkeypatch):
    from syne_tune import StoppingCriterion, Tuner
    from syne_tune.backend import LocalBackend

    monkeypatch.setenv("SYNETUNE_FOLDER", str(tmp_path))
    monkeypatch.chdir(tmp_path)  # it writes std.out where it is
    script = tmp_path / "objective.py"
    script.write_text(SCRIPT)
    points, _ = warm_start(SPACE, Fixed(*CONFIGS), TASK)
    made = scheduler(points)
    record = Record(made, store, TASK, metric="mae", space=SPACE, study="mine")
    tuner = Tuner(
        trial_backend=LocalBackend(entry_point=str(script)), scheduler=made, n_workers=1,
        stop_criterion=StoppingCriterion(max_num_trials_finished=3), callbacks=[record],
        sleep_time=0.2, tuner_name="mine", save_tuner=False, print_update_interval=600,
    )  # fmt: skip
    tuner.run()
    assert record.lost == {}
    history = store.history("svm", "mae")
    found = {str(dict(one)) for one in history.configs}
    expected = [dict(history.configs[int(i)]) for i in history.config]
    assert all(one in expected for one in CONFIGS), found
    rows = store.sql("select status, value from evaluations order by value nulls first")
    assert next(row["status"] for row in rows) == "failed"
    assert {loss_of(one) for one in CONFIGS[:2]} <= {row["value"] for row in rows}


def test_a_score_that_is_better_the_other_way_is_refused(store):
    with pytest.raises(InvalidMetric, match="lower is better"):
        Record(scheduler(None), store, TASK, metric="accuracy")
    Record(scheduler(None, do_minimize=False), store, TASK, metric="accuracy")


def test_the_import_brings_neither_ingest_nor_servers():
    found = brought("api.hooks.syne_tune", "syne_tune")
    assert not found & {"ingest", "fastapi", "uvicorn", "openml", "optuna"}
    assert "metadb" in found
