"""Surrogates that carry past tasks say at any point what their recommenders say of candidates."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from metadb.errors import InvalidRows, NotFound
from metadb.history import Configs, History
from metadb.records import Evaluation, Task, Trial
from metadb.space import check
from optimizers import BO, ForestBO
from recommenders import RECOMMENDERS, SURROGATES, fitter

NEW = Task("toy:new")
TRANSFER = [name for name in SURROGATES if name in RECOMMENDERS]
BEYOND = [*TRANSFER, "ranked_rgpe"]


def past(tasks: int = 5, each: int = 12, extra: int = 6, seed: int = 0) -> History:
    """Tasks with optima near (0.4, 0.4); no two ran the same config, the last ones nobody ran."""
    rng = np.random.default_rng(seed)
    n = tasks * each
    values = rng.random((n + extra, 2))
    configs = Configs.of("toy", [{"a": float(a), "b": float(b)} for a, b in values])
    task = np.repeat(np.arange(tasks, dtype=np.int32), each)
    optimum = 0.4 + 0.05 * rng.normal(size=(tasks, 2))
    loss = ((values[:n] - optimum[task]) ** 2).sum(axis=1) * (1 + task)
    names = tuple(f"toy:{i}" for i in range(tasks))
    return History(
        "error_rate", names, configs, task, np.arange(n, dtype=np.int32), loss, np.ones(n),
        np.ones(n), {}, names,
    )  # fmt: skip


HISTORY = past()
SEEN = [3, 20, 41, 50]
LOSS = np.array([0.3, 0.1, np.nan, 0.2])


@pytest.mark.parametrize("name", TRANSFER)
@pytest.mark.parametrize("n_seen", [0, 4])
def test_it_chooses_as_its_recommender_does(name, n_seen):
    """Also of several at once, each next one as if the last had come out as expected."""
    x = HISTORY.configs.x
    seen, loss = SEEN[:n_seen], LOSS[:n_seen]
    observed = [
        Evaluation(Trial(HISTORY.configs[i]), None if np.isnan(v) else float(v))
        for i, v in zip(seen, loss, strict=True)
    ]
    advice = RECOMMENDERS[name].fit(HISTORY).recommend(NEW, 4, observed=observed)
    model = fitter(name, HISTORY, NEW)(x[seen], loss, 0)
    left, chosen = np.setdiff1d(np.arange(len(x)), seen), []
    for _ in range(4):
        order = np.lexsort((model.predict(x[left])[0], -model.gain(x[left])))
        chosen.append(int(left[order[0]]))
        left = left[left != chosen[-1]]
        model = model.believe(x[chosen[-1:]])
    assert chosen == [HISTORY.configs.index(r.config) for r in advice]


@pytest.mark.parametrize("name", SURROGATES)
def test_what_it_says_of_a_point_hangs_on_no_other(name):
    at = np.random.default_rng(7).random((40, 2))
    model = fitter(name, HISTORY, NEW)(HISTORY.configs.x[SEEN], LOSS, 0)
    model = model.believe(at[:2])
    mean, sd = model.predict(at)
    assert mean.shape == sd.shape == (40,)
    assert np.isfinite(mean).all()
    assert (sd >= 0).all()
    alone = [model.predict(at[[i]]) for i in range(5)]
    assert np.array([m[0] for m, _ in alone]) == pytest.approx(mean[:5], abs=1e-8)
    assert np.array([s[0] for _, s in alone]) == pytest.approx(sd[:5], abs=1e-6)
    if hasattr(model, "gain"):
        gain = model.gain(at)
        assert [model.gain(at[[i]])[0] for i in range(5)] == pytest.approx(gain[:5], abs=1e-5)


def told_few():
    """Three results of a new task like the past ones, far from its optimum."""
    x = np.array([[0.9, 0.9], [0.1, 0.8], [0.95, 0.1]])
    return x, ((x - 0.42) ** 2).sum(axis=1)


def distance(model):
    grid = np.stack(np.meshgrid(*[np.linspace(0, 1, 21)] * 2), axis=-1).reshape(-1, 2)
    mean, _ = model.predict(grid)
    return float(np.linalg.norm(grid[np.argmin(mean)] - 0.42))


@pytest.mark.parametrize("name", BEYOND)
def test_on_a_task_like_the_past_ones_it_knows_the_optimum_sooner(name):
    x, loss = told_few()
    plain = distance(fitter("gp", HISTORY, NEW)(x, loss, 0))
    assert distance(fitter(name, HISTORY, NEW)(x, loss, 0)) < min(plain, 0.2)


@pytest.mark.parametrize("name", BEYOND)
def test_a_search_begins_with_what_past_tasks_taught(name):
    space = HISTORY.configs.space
    optimizer = ForestBO(space, surrogate=fitter(name, HISTORY, NEW), random=0.0)
    trials = optimizer.ask(2)
    optimizer.tell([Evaluation(t, None, status="failed") for t in trials[:1]])
    trials += optimizer.ask(1)
    assert check(space, [t.config for t in trials]) == [None] * 3
    off = [abs(t.config["a"] - 0.4) + abs(t.config["b"] - 0.4) for t in trials]
    assert off[0] < 0.4
    assert len({t.config["a"] for t in trials}) == 3


def test_bayesian_optimisation_takes_them_too():
    optimizer = BO(HISTORY.configs.space, surrogate=fitter("rgpe", HISTORY, NEW))
    for _ in range(3):
        (trial,) = optimizer.ask()
        off = (trial.config["a"] - 0.42) ** 2 + (trial.config["b"] - 0.42) ** 2
        optimizer.tell([Evaluation(trial, off)])
    assert off < 0.05


BAD = {
    "one task": lambda h: h.without(*h.tasks[1:]),
    "all failed": lambda h: replace(h, loss=np.full(len(h), np.inf)),
    "constant": lambda h: replace(h, loss=np.zeros(len(h))),
    "one outlier": lambda h: replace(h, loss=np.where(h.config == 7, 1e200, h.loss)),
}
ODD = {
    "all failed": [np.nan, np.inf, np.nan],
    "equal": [0.5, 0.5, 0.5],
    "huge": [1e200, -1e200, 0.0],
}


@pytest.mark.parametrize("name", SURROGATES)
def test_bad_histories_and_odd_results_get_sound_predictions(name):
    at = np.random.default_rng(7).random((10, 2))
    for spoil in BAD.values():
        mean, sd = fitter(name, spoil(HISTORY), NEW)(
            at[:3], np.array([0.1, 0.2, np.nan]), 0
        ).predict(at)
        assert np.isfinite(mean).all()
        assert np.isfinite(sd).all()
    made = fitter(name, HISTORY, NEW)
    for loss in ODD.values():
        mean, sd = made(at[:3], np.array(loss), 0).predict(at)
        assert np.isfinite(mean).all()
        assert np.isfinite(sd).all()
    twice = made(at[[0, 0, 1]], np.array([0.1, 0.2, 0.3]), 0).predict(at)
    assert np.isfinite(twice).all()


@pytest.mark.parametrize("name", sorted({*BEYOND} - {"pretrained"}))
def test_tasks_that_have_no_weight_change_nothing(name):
    """They are not asked; the judge that is told what all of them say answers the same."""
    x, loss = HISTORY.configs.x[SEEN], np.array([0.3, 0.1, 0.25, 0.2])
    made = fitter(name, HISTORY, NEW)
    model, at = made(x, loss, 0), np.random.default_rng(7).random((20, 2))
    mean, sd = made.family.sources.at(at, np.full(20, -1), made.family.sources.gp)
    slow = made.family.judge(replace(model.asked, x=at, mean=mean, sd=sd))
    assert model.gain(at) == pytest.approx(slow.gain, abs=1e-6)
    assert model.predict(at)[0] == pytest.approx(slow.mean, abs=1e-9)
    assert model.predict(at)[1] == pytest.approx(slow.sd, abs=1e-6)


def test_ranked_rgpe_asks_the_order_of_losses_not_their_scale():
    """A past task whose one hopeless config hides all differences says as much as one without."""
    spoiled = replace(HISTORY, loss=np.where(HISTORY.config % 12 == 7, 1e6, HISTORY.loss))
    x, loss = told_few()
    ranked = distance(fitter("ranked_rgpe", spoiled, NEW)(x, loss, 0))
    assert ranked < min(0.2, distance(fitter("rgpe", spoiled, NEW)(x, loss, 0)))


@pytest.mark.parametrize("name", BEYOND)
def test_points_of_another_space_are_refused(name):
    with pytest.raises(InvalidRows, match="'toy' encodes to 2 columns, but x is"):
        fitter(name, HISTORY, NEW)(np.ones((3, 5)), np.ones(3), 0)


def test_an_unknown_surrogate_is_named_with_those_that_exist():
    with pytest.raises(NotFound, match="no surrogate 'magic'; there are gp, forest, tst"):
        fitter("magic", HISTORY, NEW)


def test_the_process_of_the_task_alone_goes_through_its_results():
    x = np.random.default_rng(0).random((25, 2))
    loss = 1e6 + ((x - 0.5) ** 2).sum(axis=1)
    model = fitter("gp", HISTORY, NEW)(x, loss, 0)
    assert np.corrcoef(model.predict(x)[0], loss)[0, 1] > 0.999
    at = np.array([[0.99, 0.01]])
    assert model.believe(at).predict(at)[0] == pytest.approx(model.predict(at)[0], abs=1e-3)
    assert model.believe(at).predict(at)[1] < model.predict(at)[1]
