"""Nevergrad, the real package: suggestions, what it is told, spaces, recording; and its traps."""

from __future__ import annotations

import ConfigSpace as cs
import pytest

from metadb.errors import InvalidMetric, InvalidSpace, WrongUsage
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

ng = pytest.importorskip("nevergrad", reason="nevergrad is not installed: pip install nevergrad")

from api.hooks.nevergrad import (  # noqa: E402
    Record,
    active,
    add_observed,
    to_parametrization,
    to_space,
    warm_start,
)

SPACE = svm()
pytestmark = pytest.mark.filterwarnings("ignore")


def new(name="OnePlusOne", parametrization=None, budget=12):
    made = to_parametrization(SPACE) if parametrization is None else parametrization
    return ng.optimizers.registry[name](parametrization=made, budget=budget)


def run(optimizer, n):
    """What was asked, as configs."""
    asked = []
    for _ in range(n):
        candidate = optimizer.ask()
        asked.append(active(candidate.value, SPACE))
        optimizer.tell(candidate, loss_of(asked[-1]))
    return asked


def assert_same(asked, expected):
    """Nevergrad turns floats into its own scale and back."""
    for one, other in zip(asked, expected, strict=True):
        assert one == {
            name: pytest.approx(value, rel=1e-12) if isinstance(value, float) else value
            for name, value in other.items()
        }


@pytest.mark.parametrize("name", ["OnePlusOne", "NGOpt", "TwoPointsDE", "CMA", "RandomSearch"])
def test_the_first_asks_are_exactly_the_recommendation(name):
    optimizer = new(name)
    report = warm_start(optimizer, Fixed(*CONFIGS), TASK, k=2, space=SPACE)
    asked = run(optimizer, 5)
    assert_same(asked[:2], CONFIGS[:2])
    assert list(report.sent) == CONFIGS[:2]
    assert check(SPACE, asked) == [None] * 5


def test_what_is_strange_is_projected_and_told():
    optimizer = new()
    report = warm_start(optimizer, Fixed(*STRANGE), TASK, space=SPACE)
    assert_same(run(optimizer, 2), PROJECTED)
    assert {c.name for c in report.clipped} == {"kernel", "C"}
    assert [c.name for c in report.dropped] == ["foreign"]
    assert "'kernel' is 'tanh'" in report.why[2]


def test_an_instrumentation_takes_keywords():
    made = ng.p.Instrumentation(x=ng.p.Scalar(lower=0, upper=1), c=ng.p.Choice([None, "a"]), k=3)
    optimizer = new(parametrization=made)
    warm_start(optimizer, Fixed({"x": 0.25, "c": "None"}, {"x": 0.5, "c": "a"}), TASK)
    first, second = optimizer.ask(), optimizer.ask()
    assert first.kwargs == {"x": pytest.approx(0.25), "c": None, "k": 3}
    assert second.kwargs == {"x": pytest.approx(0.5), "c": "a", "k": 3}
    add_observed(optimizer, told([{"x": 0.75, "c": "a", "k": 3}], [0.5]))
    assert optimizer.num_tell_not_asked == 1


def test_nevergrad_is_last_in_first_out_and_refuses_what_we_project():
    made = ng.p.Dict(x=ng.p.Scalar(lower=0, upper=1), c=ng.p.Choice(["a", "b"]))
    raw = new(parametrization=made)
    raw.suggest({"x": 0.25, "c": "a"})
    raw.suggest({"x": 0.5, "c": "b"})
    assert raw.ask().value["x"] == pytest.approx(0.5)
    for bad in ({"x": 7.0, "c": "a"}, {"x": 0.5, "c": "z"}, {"x": 0.5}):
        with pytest.raises(ValueError, match=r"."):
            raw.suggest(bad)
    optimizer = new(parametrization=made)
    report = warm_start(optimizer, Fixed({"x": 7.0, "c": "A"}, {"x": 0.5}), TASK)
    assert optimizer.ask().value == {"x": pytest.approx(1.0), "c": "a"}
    assert optimizer.ask().value == {"x": pytest.approx(0.5), "c": "a"}
    assert len(report.clipped) == 2


def test_what_is_known_is_told_and_eda_takes_only_what_it_asked():
    optimizer = new("OnePlusOne")
    report = add_observed(
        optimizer, told([*CONFIGS, STRANGE[0]], [0.5, 0.25, 0.75, 0.0]), space=SPACE
    )
    assert optimizer.num_tell_not_asked == 3
    assert "its score would be another one's" in report.why[3]
    assert active(optimizer.provide_recommendation().value, SPACE)["n"] == CONFIGS[1]["n"]
    with pytest.raises(WrongUsage, match="takes only what it has asked"):
        add_observed(new("EDA"), told(CONFIGS, [0.5, 0.25, 0.75]), space=SPACE)


def test_a_space_becomes_a_parametrization_and_comes_back():
    assert shape(to_space(to_parametrization(SPACE))) == shape(SPACE)


def test_what_cannot_be_said_is_refused_in_words():
    for made, words in [
        (ng.p.Dict(x=ng.p.Scalar(init=0.0)), "'x' has no bounds"),
        (ng.p.Dict(x=ng.p.Choice([ng.p.Scalar(lower=0, upper=1), 3])), "choice of parametrizations"),
        (ng.p.Dict(x=ng.p.Array(shape=(2,))), "'x' is"),
        (ng.p.Scalar(lower=0, upper=1), "have no names"),
        (ng.p.Instrumentation(ng.p.Scalar(lower=0, upper=1)), "parameters without names"),
    ]:  # fmt: skip
        with pytest.raises(InvalidSpace, match=words):
            to_space(made)


def test_a_clause_is_lost_with_a_warning():
    space = cs.ConfigurationSpace("clause", space={"a": (0, 9)})
    space.add(cs.ForbiddenEqualsClause(space["a"], 3))
    with pytest.warns(UserWarning, match="Nevergrad has no place for its forbidden clauses"):
        to_parametrization(space)


def test_each_evaluation_is_recorded_as_it_is_told(store):
    optimizer = new()
    record = Record(optimizer, store, TASK, metric="mae", space=SPACE)
    optimizer.register_callback("tell", record)
    add_observed(optimizer, told(CONFIGS[2:], [0.5]), space=SPACE)
    warm_start(optimizer, Fixed(*CONFIGS[:2]), TASK, space=SPACE)
    asked = run(optimizer, 4)
    assert record.lost == {}
    history = store.history("svm", "mae")
    assert sorted(history.loss) == pytest.approx(sorted(map(loss_of, asked)))
    optimizer.tell(optimizer.ask(), float("inf"))
    assert store.sql("select status from evaluations where value is null").column("status") == [
        "failed"
    ]


def test_a_score_that_is_better_the_higher_is_refused(store):
    with pytest.raises(InvalidMetric, match="lower is better"):
        Record(new(), store, TASK, metric="accuracy", space=SPACE)


def test_the_import_brings_neither_ingest_nor_servers():
    found = brought("api.hooks.nevergrad", "nevergrad")
    assert not found & {"ingest", "fastapi", "uvicorn", "openml", "optuna"}
    assert "metadb" in found
