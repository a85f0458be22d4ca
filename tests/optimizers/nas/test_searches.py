"""What each search without a model does, step by step."""

from __future__ import annotations

import numpy as np
import pytest

from metadb.identity import canonical_config
from metadb.records import Evaluation, Trial
from metadb.space import sample
from optimizers.nas import CellNB201, LocalSearch, NeuroEvolution, Reinforce
from optimizers.nas.reinforce import softmax
from optimizers.nas.replay import Replay

NAS = CellNB201()


def error(config):
    return 6 - sum(op == "nor_conv_3x3" for op in config.values())


def told(trials, loss=error):
    return [Evaluation(trial, float(loss(trial.config))) for trial in trials]


# Replay.


def test_a_state_depends_on_the_trials_and_not_on_the_order_of_telling():
    config = {"x": 1}
    evaluations = [Evaluation(Trial(config, 1.0, i), float(i)) for i in range(6)]

    def read(order):
        replay = Replay(list, lambda state, result: state.append((result.id, result.loss)))
        for i in order:
            replay.tell([evaluations[i]])
            assert [i for i, _ in replay.state] == sorted(i for i, _ in replay.state)
        return replay.state

    assert read([0, 1, 2, 3, 4, 5]) == read([5, 0, 3, 1, 4, 2]) == [(i, float(i)) for i in range(6)]


def test_a_result_told_again_takes_the_place_of_the_old_one():
    replay = Replay(list, lambda state, result: state.append(result.loss))
    for loss in (1.0, 2.0):
        replay.tell([Evaluation(Trial({"x": 1}, 1.0, 0), loss)])
        assert replay.state == [loss]
    replay.tell(
        [Evaluation(Trial({"x": 1}, 0.5, 1), 9.0), Evaluation(Trial({"x": 1}, 1.0, 2), None)]
    )
    assert replay.state == [2.0, np.inf]  # what is not at full budget is left out


# Local search.


def test_neighbours_of_the_best_are_asked_until_one_is_better():
    search = LocalSearch(NAS, seed=0, first=3)
    trials = search.ask(3)
    search.tell(told(trials))
    best = min(trials, key=lambda t: (error(t.config), t.id)).config
    for _ in range(20):
        (trial,) = search.ask(1)
        near = {canonical_config(c) for c in NAS.neighbours(best)}
        assert canonical_config(trial.config) in near
        search.tell(told([trial]))
        if error(trial.config) < error(best):
            best = trial.config


def test_a_climb_that_is_over_begins_anew_from_random_cells():
    search = LocalSearch(NAS, seed=1, first=1)
    (top,) = search.ask(1)
    search.tell([Evaluation(top, 0.0)])  # nothing is better
    near = {canonical_config(c) for c in NAS.neighbours(top.config)}
    for _ in near:
        (trial,) = search.ask(1)
        assert canonical_config(trial.config) in near
        search.tell([Evaluation(trial, 1.0)])
    (start,) = search.ask(1)
    assert canonical_config(start.config) not in near
    search.tell([Evaluation(start, 2.0)])  # worse than the top, and the best of its own climb
    (step,) = search.ask(1)
    assert canonical_config(step.config) in {
        canonical_config(c) for c in NAS.neighbours(start.config)
    }


# Tournaments.


def test_the_worst_loses_every_tournament_and_the_best_none():
    search = NeuroEvolution(NAS, seed=0, population=6)
    asked = search.ask(6)
    search.tell([Evaluation(t, float(t.id)) for t in asked])
    ids = set()
    for _ in range(60):
        (trial,) = search.ask(1)
        search.tell([Evaluation(trial, 3.5)])
        ids = {result.id for result in search._living.state}
        assert len(ids) == 6
        assert 0 in ids
    assert 5 not in ids


def test_a_child_is_one_change_away_from_one_that_lives():
    search = NeuroEvolution(NAS, seed=2, population=5)
    search.tell(told(search.ask(5)))
    for _ in range(15):
        living = [result.config for result in search._living.state]
        (trial,) = search.ask(1)
        near = {canonical_config(c) for one in living for c in NAS.neighbours(one)}
        assert canonical_config(trial.config) in near
        search.tell(told([trial]))


@pytest.mark.parametrize("wrong", [{"population": 1}])
def test_a_population_of_one_is_refused(wrong):
    with pytest.raises(ValueError, match="2 or more"):
        NeuroEvolution(NAS, **wrong)
    with pytest.raises(ValueError, match="1 or more"):
        LocalSearch(NAS, first=0)


# REINFORCE.


def test_the_gradient_is_that_of_the_logarithm_of_the_probability():
    search = Reinforce(NAS, seed=0, rate=0.1)
    one, two = sample(NAS.space, 2, seed=4)
    search.tell([Evaluation(Trial(one, 1.0, 0), 2.0), Evaluation(Trial(two, 1.0, 1), 1.0)])
    logits = search._controller.state.logits  # (6, 5)
    # the advantage of the second over the first, 1, is divided by its own size, 1
    made, _ = search._choices([two])
    np.testing.assert_allclose(logits, 0.1 * (made[0] - 1 / 5))

    def log_probability(at):
        return np.log((softmax(at) * made[0]).sum(axis=1)).sum()

    step = 1e-6 * np.eye(30).reshape(30, 6, 5)
    slope = [(log_probability(s) - log_probability(-s)) / 2e-6 for s in step]
    np.testing.assert_allclose(logits, 0.1 * np.reshape(slope, (6, 5)), atol=1e-8)


def test_the_controller_learns_which_operations_pay():
    search = Reinforce(NAS, seed=0)
    for _ in range(300):
        search.tell(told(search.ask(1)))
    share = softmax(search._controller.state.logits)
    conv = sorted(NAS.operations).index("nor_conv_3x3")
    assert share[:, conv].mean() > 0.5
    assert np.mean([error(t.config) for t in search.ask(20)]) < 3.5  # 4.8 at random


def test_a_choice_that_is_not_active_is_not_rewarded():
    from optimizers.nas import Chain

    search = Reinforce(Chain(layers=3), seed=0)
    configs = [{"layers": 1, "op0": "max_pool_3x3"}, {"layers": 1, "op0": "avg_pool_3x3"}]
    search.tell([Evaluation(Trial(c, 1.0, i), float(i)) for i, c in enumerate(configs)])
    moved = np.where(
        np.isfinite(search._controller.state.logits), search._controller.state.logits, 0
    )
    names = [axis.name for axis in search._cube.moving]
    assert {name for name, row in zip(names, moved, strict=True) if row.any()} == {"layers", "op0"}
