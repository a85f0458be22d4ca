from __future__ import annotations

import numpy as np
import pytest

from metadb.errors import InvalidConfig
from metadb.history import Configs, History
from metadb.identity import canonical_config
from metadb.space import sample
from optimizers.nas import WLGP, Bananas, CellDARTS, CellNB201, Reinforce
from optimizers.nas.expectation import Expectation, Trend
from recommenders.region import Region

NAS = CellNB201()


def error(config, shift=0.0):
    """Less with more 3x3 convolutions, and with a skip on the last edge but two."""
    ops = list(config.values())
    return (
        1 - 0.1 * sum(op == "nor_conv_3x3" for op in ops) - 0.2 * (ops[3] == "skip_connect") + shift
    )


def history(nas, configs, losses):
    """Of as many tasks as there are rows of losses, (tasks, configs)."""
    losses = np.asarray(losses, float)
    task, config = np.divmod(np.arange(losses.size, dtype=np.int32), len(configs))
    ones = np.ones(losses.size)
    batch = Configs.of(nas.space.name, configs)
    names = tuple(f"t:{k}" for k in range(len(losses)))
    there = ~np.isnan(losses.ravel())
    whole = History("error_rate", names, batch, task, config, losses.ravel(), ones, ones)
    return whole.at(np.flatnonzero(there))


@pytest.fixture(scope="module")
def past():
    configs = list({canonical_config(c): c for c in sample(NAS.space, 400, seed=0)}.values())
    return history(NAS, configs, [[error(c, shift) for c in configs] for shift in (0.0, 5.0)])


def test_what_was_run_is_expected_as_it_ranked_whatever_the_scale(past):
    expectation = Expectation.fit(past, NAS)
    best = expectation.ranked[0]
    assert error(best) == min(error(NAS.canonical(c)) for c in past.configs)
    known = list(expectation.ranked)
    scores = expectation.of(known)
    assert np.all(np.diff(scores) >= 0)
    assert np.corrcoef(scores, [error(c) for c in known])[0, 1] > 0.9


def test_what_nobody_ran_is_predicted(past):
    expectation = Expectation.fit(past, NAS)
    new = map(NAS.canonical, sample(NAS.space, 600, seed=5))
    new = [c for c in new if canonical_config(c) not in expectation.scores]
    assert len(new) > 100
    found = expectation.of(new)
    assert np.corrcoef(found, [error(c) for c in new])[0, 1] > 0.7
    np.testing.assert_array_equal(expectation.of(new), found)


def test_isomorphic_cells_are_one_and_what_a_task_did_not_run_counts_nothing():
    none, skip, conv = "none", "skip_connect", "nor_conv_3x3"
    one = {f"x{k}": op for k, op in enumerate((conv, none, none, none, skip, none))}
    same = {f"x{k}": op for k, op in enumerate((none, conv, none, none, none, skip))}
    worse = {f"x{k}": op for k, op in enumerate((skip,) * 6)}
    expectation = Expectation.fit(
        history(NAS, [one, same, worse], [[1, 3, 2], [5, np.nan, 6]]), NAS
    )
    assert len(expectation.ranked) == 2
    assert expectation.of([one])[0] == expectation.of([same])[0]
    assert expectation.ranked[-1] == worse


def test_a_history_of_another_space_is_refused(past):
    with pytest.raises(InvalidConfig, match="nothing can be expected of darts"):
        Expectation.fit(past, CellDARTS())
    with pytest.raises(InvalidConfig, match="holds no evaluations"):
        Expectation.fit(past.at(np.empty(0, int)), NAS)


def test_the_line_is_one_of_least_squares_drawn_to_a_slope_of_one(past):
    expectation = Expectation.fit(past, NAS)
    configs = list(expectation.ranked[:60])
    expected = expectation.of(configs)
    line = Trend.fit(expectation, configs, 3 + 2 * expected)
    m = expected - expected.mean()
    assert line.slope == pytest.approx((2 * (m @ m) + 1) / (m @ m + 1))
    assert line.of(configs).mean() == pytest.approx((3 + 2 * expected).mean())
    one = Trend.fit(expectation, configs[:1], np.array([0.5]))
    assert one.slope == 1.0
    assert one.of(configs[:1])[0] == pytest.approx(0.5)
    assert np.all(Trend(None).of(configs) == 0)


@pytest.mark.parametrize("search", [Bananas, WLGP])
def test_a_taught_search_begins_with_what_did_best_elsewhere(search, past):
    expectation = Expectation.fit(past, NAS)
    first = [t.config for t in search(NAS, expectation=expectation, seed=3).ask(3)]
    at_random = [error(t.config) for t in search(NAS, seed=3).ask(3)]
    assert first[0] == expectation.ranked[0]
    assert max(map(error, first)) < min(at_random)


def test_a_taught_controller_draws_what_did_well_elsewhere(past):
    taught = Reinforce(NAS, prior=Region.fit(past), seed=0).ask(40)
    alone = Reinforce(NAS, seed=0).ask(40)
    assert (
        np.mean([error(t.config) for t in taught]) < np.mean([error(t.config) for t in alone]) - 0.1
    )
