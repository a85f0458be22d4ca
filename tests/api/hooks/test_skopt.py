"""scikit-optimize, the real package: `x0` and `y0`, spaces, recording; and its traps."""

from __future__ import annotations

import ConfigSpace as cs
import pytest

from metadb.errors import InvalidMetric, InvalidSpace
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

pytest.importorskip("skopt", reason="skopt is not installed: pip install scikit-optimize")

from skopt import Optimizer, gp_minimize
from skopt.space import Categorical, Integer, Real

from api.hooks.skopt import (
    Record,
    active,
    add_observed,
    to_dimensions,
    to_space,
    warm_start,
)

SPACE = svm()


def minimize(n_calls=6, **more):
    """What the objective was asked, as configs; after the first points, all is random."""
    more.setdefault("n_initial_points", n_calls - (0 if "y0" in more else len(more["x0"])))
    asked, names = [], [one.name for one in to_dimensions(SPACE)]

    def objective(point):
        asked.append(active(dict(zip(names, point, strict=True)), SPACE))
        return loss_of(asked[-1])

    result = gp_minimize(objective, to_dimensions(SPACE), n_calls=n_calls, random_state=0, **more)
    return asked, result


@pytest.mark.filterwarnings("ignore::UserWarning")
def test_the_first_calls_are_exactly_the_recommendation():
    x0, report = warm_start(SPACE, Fixed(*CONFIGS), TASK, k=2)
    asked, result = minimize(4, x0=x0, n_initial_points=0)
    assert asked[:2] == CONFIGS[:2] == [dict(one) for one in report.sent]
    assert len(asked) == len(result.x_iters) == 4


def test_what_is_strange_is_projected_and_told():
    x0, report = warm_start(SPACE, Fixed(*STRANGE), TASK)
    assert minimize(x0=x0)[0][:2] == PROJECTED
    assert {c.name for c in report.clipped} == {"kernel", "C"}
    assert [c.name for c in report.dropped] == ["foreign"]
    assert "'kernel' is 'tanh'" in report.why[2]


def test_scikit_optimize_raises_out_of_range_and_ours_is_clipped():
    dimensions = [Real(0.0, 1.0, name="x")]
    with pytest.raises(ValueError, match="Not all points are within the bounds"):
        gp_minimize(lambda point: point[0], dimensions, x0=[[7.0]], n_calls=2, n_initial_points=1)
    x0, _ = warm_start(dimensions, Fixed({"x": 7.0}), TASK)
    result = gp_minimize(lambda point: point[0], dimensions, x0=x0, n_calls=2, n_initial_points=1)
    assert result.x_iters[0] == [1.0]


def test_points_with_scores_are_no_calls_and_random_ones_follow_all_the_same():
    x0, y0, report = add_observed(SPACE, told([*CONFIGS, STRANGE[0]], [0.5, 0.25, 0.75, 0.0]))
    assert y0 == [0.5, 0.25, 0.75]
    assert "its score would be another one's" in report.why[3]
    asked, result = minimize(x0=x0, y0=y0, n_calls=4)
    assert len(asked) == 4
    assert len(result.x_iters) == 7
    assert not any(one in asked for one in CONFIGS)


@pytest.mark.filterwarnings("ignore::UserWarning")
def test_an_optimizer_that_is_told_asks_its_model_at_once():
    dimensions = [Real(0.0, 1.0, name="x")]
    known = told([{"x": x / 10} for x in range(10)], [abs(x / 10 - 0.7) for x in range(10)])
    x0, y0, _ = add_observed(dimensions, known)
    optimizer = Optimizer(dimensions, n_initial_points=0, random_state=0)
    optimizer.tell(x0, y0)
    assert abs(optimizer.ask()[0] - 0.7) < 0.2


def test_a_space_becomes_dimensions_and_comes_back():
    assert shape(to_space(to_dimensions(SPACE))) == shape(SPACE, ordered=False)
    mine = [
        Real(0.5, 8.0, prior="log-uniform", name="r"),
        Integer(1, 9, name="i"),
        Categorical([None, "a", 3], prior=[0.5, 0.25, 0.25], name="c"),
    ]
    space = to_space(mine)
    back = {one.name: one for one in to_dimensions(space)}
    assert [back["r"], back["i"]] == mine[:2]
    assert set(back["c"].categories) == {"None", "a", 3}
    x0, _ = warm_start(mine, Fixed({"r": 2.0, "i": 3, "c": "None"}), TASK)
    assert x0 == [[2.0, 3, None]]


def test_what_cannot_be_said_is_refused_in_words():
    with pytest.raises(InvalidSpace, match="has no name; give it one"):
        to_space([Real(0.0, 1.0)])
    space = cs.ConfigurationSpace(
        "prior", space={"a": cs.Float("a", (0, 9), distribution=cs.Normal(5, 1))}
    )
    with pytest.warns(UserWarning, match="no place for the priors of a"):
        to_dimensions(space)


def test_each_call_is_recorded_as_it_ends_and_what_is_given_with_scores_is_not(store):
    x0, y0, _ = add_observed(SPACE, told(CONFIGS[:2], [0.5, 0.25]))
    record = Record(SPACE, store, TASK, metric="mae", told=len(y0))
    seen = []

    def counted(result):
        seen.append(store.sql("select count(*) as n from evaluations").column("n")[0])

    asked, result = minimize(x0=x0, y0=y0, n_calls=4, callback=[record, counted])
    assert record.lost == {}
    assert seen[-1] == 4
    history = store.history("svm", "mae")
    assert sorted(history.loss) == pytest.approx(sorted(map(loss_of, asked)))
    record(result)
    assert store.sql("select count(*) as n from evaluations").column("n") == [4]


def test_a_score_that_is_better_the_higher_is_refused(store):
    with pytest.raises(InvalidMetric, match="lower is better"):
        Record(SPACE, store, TASK, metric="accuracy")


def test_the_import_brings_neither_ingest_nor_servers():
    found = brought("api.hooks.skopt", "skopt")
    assert not found & {"ingest", "fastapi", "uvicorn", "openml", "optuna"}
    assert "metadb" in found
