"""The search without transfer: its draws, its model against scikit-learn's, and that it finds."""

from __future__ import annotations

import numpy as np
import pytest
from sklearn.gaussian_process import GaussianProcessRegressor
from sklearn.gaussian_process.kernels import ConstantKernel, Matern

from metadb.history import Configs, History
from metadb.records import Evaluation, Task, Trial
from recommenders.acquisition import log_expected_improvement
from recommenders.candidates import pool
from recommenders.cold import RANDOM, STEPS, Cold, standardised
from recommenders.evidence import from_model
from recommenders.gp import GP
from recommenders.random import Random
from tests.contracts.test_recommenders import NEW, make_history

torch = pytest.importorskip("torch")
SIDE = 12
GRID = [{"a": i / (SIDE - 1), "b": j / (SIDE - 1)} for i in range(SIDE) for j in range(SIDE)]


def grid_history() -> History:
    configs = Configs.of("grid", GRID)
    nothing = np.empty(0)
    none = np.empty(0, np.int32)
    return History("error_rate", (), configs, none, none, nothing, nothing, nothing)


def bowl(config) -> float:
    return (config["a"] - 0.62) ** 2 + 2 * (config["b"] - 0.3) ** 2 + 0.1 * config["a"]


def observe(history, places, loss=lambda c: bowl(c)):
    configs = [history.configs[i] for i in places]
    return [Evaluation(Trial(c, id=i), loss(c)) for i, c in enumerate(configs)]


def test_the_first_ones_are_drawn_by_seed_and_task():
    history = grid_history()
    cold = Cold.fit(history)
    first = cold.recommend(NEW, 5)
    assert all((r.expected_loss, r.interval) == (0.5, (0.1, 0.9)) for r in first)
    others = [Cold.fit(history, seed=s).recommend(NEW, 5) for s in range(1, 5)]
    others.append(cold.recommend(Task("toy:other"), 5))
    assert len({str([r.config for r in a]) for a in [first, *others]}) == 6
    places = [history.configs.index(first[i].config) for i in range(2)]
    then = cold.recommend(NEW, 3, observed=observe(history, places))
    assert [r.config for r in then] == [r.config for r in first[2:]]


def test_what_is_drawn_is_uniform():
    """Over many tasks each config is drawn about as often as any other (chi squared)."""
    history = make_history(0)
    cold = Cold.fit(history)
    drawn = [
        history.configs.index(cold.recommend(Task(f"t:{i}"), 1)[0].config) for i in range(1500)
    ]
    count = np.bincount(drawn, minlength=15)
    assert ((count - 100) ** 2 / 100).sum() < 36.1  # 0.999 quantile with 14 degrees of freedom


def test_losses_all_alike_teach_nothing_and_draws_go_on():
    history = grid_history()
    cold = Cold.fit(history)
    alike = observe(history, range(6), lambda c: 0.25)
    for observed in (alike, [*alike, *observe(history, [7, 8], lambda c: None)]):
        r = cold.recommend(NEW, 1, observed=observed)[0]
        assert (r.expected_loss, r.interval) == (0.5, (0.1, 0.9))


def fitted(history, observed):
    seen = pool(history.configs).seen(observed)
    y = standardised(seen)
    return seen, y, GP.fit(seen.x, y, scaling=(0.0, 1.0), steps=STEPS, seed=0)


@pytest.mark.parametrize("n", [RANDOM, 9, 25])
def test_then_it_maximises_expected_improvement_as_scikit_learn_predicts_it(n):
    history = grid_history()
    observed = observe(history, np.random.default_rng(n).permutation(len(GRID))[:n])
    seen, y, gp = fitted(history, observed)
    h = gp.hyper
    kernel = ConstantKernel(h.variance[0], "fixed") * Matern(h.scale[0], "fixed", nu=2.5)
    peer = GaussianProcessRegressor(kernel, alpha=h.noise[0], optimizer=None)
    peer.fit(seen.x, y - h.mean[0])
    left = pool(history.configs).left(observed)
    mean, sd = peer.predict(history.configs.x[left], return_std=True)
    mean = mean + h.mean[0]
    hoped = log_expected_improvement(mean, sd, y.min())
    r = Cold.fit(history).recommend(NEW, 1, observed=observed)[0]
    pick = left.tolist().index(history.configs.index(r.config))
    assert hoped[pick] == pytest.approx(hoped.max(), abs=1e-5)
    said = from_model(mean[[pick]], sd[[pick]], best=y.min(), worst=y.max())
    assert r.expected_loss == pytest.approx(said.expected[0], abs=1e-4)
    assert r.interval == pytest.approx((said.low[0], said.high[0]), abs=1e-3)
    assert r.probability == pytest.approx(said.probability[0], abs=1e-3)


def test_of_several_each_next_one_is_chosen_as_if_the_last_had_come_out_as_expected():
    history = grid_history()
    observed = observe(history, [0, 30, 77, 100, 140])
    _, y, gp = fitted(history, observed)
    left = pool(history.configs).left(observed)
    picks = []
    for _ in range(4):
        mean, sd = (v[0] for v in gp.predict(history.configs.x[left]))
        i = int(np.argmax(log_expected_improvement(mean, sd, y.min())))
        gp = gp.condition(history.configs.x[left[[i]]], mean[[i]])
        y = np.append(y, mean[i])
        picks.append(int(left[i]))
        left = np.delete(left, i)
    advice = Cold.fit(history).recommend(NEW, 4, observed=observed)
    assert [history.configs.index(r.config) for r in advice] == picks


def test_it_finds_better_configs_than_random_search_on_a_smooth_function():
    history = grid_history()
    best = min(bowl(c) for c in GRID)
    worst = max(bowl(c) for c in GRID)
    found = {Cold: [], Random: []}
    for family, regrets in found.items():
        for seed in range(20):
            search, observed = family.fit(history, seed=seed), []
            while len(observed) < 12:
                config = search.recommend(NEW, 1, observed=observed)[0].config
                observed.append(Evaluation(Trial(config), bowl(config)))
            regrets.append((min(e.loss for e in observed) - best) / (worst - best))
    assert np.mean(found[Cold]) < 0.3 * np.mean(found[Random])
    assert sum(c <= r for c, r in zip(found[Cold], found[Random], strict=True)) >= 15


def test_a_failed_config_counts_as_the_worst_seen():
    history = grid_history()
    cold = Cold.fit(history)
    some = observe(history, [3, 40, 90, 120])
    worst = max(e.loss for e in some)
    one, other = (
        cold.recommend(NEW, 3, observed=[*some, *observe(history, [66], lambda c, v=v: v)])
        for v in (None, worst)
    )
    assert one == other


@pytest.mark.parametrize("unit", [1e-200, 1e-12, 1e6, 1e150, 1e307])
def test_losses_of_any_size_give_the_same_advice(unit):
    history = grid_history()
    cold = Cold.fit(history)
    places = [3, 40, 66, 90, 120]
    plain = cold.recommend(NEW, 2, observed=observe(history, places))
    with np.errstate(all="raise", under="ignore"):
        scaled = cold.recommend(NEW, 2, observed=observe(history, places, lambda c: unit * bowl(c)))
    assert [r.config for r in scaled] == [r.config for r in plain]
    assert scaled[0].expected_loss == pytest.approx(plain[0].expected_loss, abs=1e-6)


def test_standardised_losses_have_mean_0_and_deviation_1():
    history = grid_history()
    observed = observe(history, [3, 40, 90]) + observe(history, [5], lambda c: None)
    seen = pool(history.configs).seen(observed)
    y = standardised(seen)
    loss = np.array([*seen.loss[:3], seen.loss[:3].max()])
    np.testing.assert_allclose(y, (loss - loss.mean()) / loss.std(), atol=1e-12)


def test_it_says_that_no_past_task_was_asked_and_what_lies_outside():
    history = grid_history()
    strange = [Evaluation(Trial({"a": 7.0, "b": 0.0}), 0.1)]
    because = Cold.fit(history).recommend(NEW, 1, observed=strange)[0].because
    assert because.note.startswith("the task's own results alone decide")
    assert "1 of those observed lie outside the space" in because.note
    assert (because.tasks, because.configs) == ((), ())
