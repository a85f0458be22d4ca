"""The ledger: warm start, foreign results, order, refusals."""

from __future__ import annotations

import numpy as np
import pytest
from ConfigSpace import ConfigurationSpace, Float

from metadb.errors import InvalidConfig, InvalidRows
from metadb.records import Evaluation, Trial
from optimizers.ledger import Ledger


@pytest.fixture
def ledger():
    return Ledger(line(), seed=3)


def line() -> ConfigurationSpace:
    space = ConfigurationSpace(name="line")
    space.add(Float("x", (0.0, 1.0)))
    return space


def test_results_stand_in_the_order_of_trials_whatever_the_order_of_telling(ledger):
    trials = ledger.ask(5, ledger.draw)
    for trial in reversed(trials):
        ledger.tell([Evaluation(trial, float(trial.id))])
    results = ledger.results()
    assert results.loss.tolist() == [0, 1, 2, 3, 4]
    assert results.configs == tuple(t.config for t in trials)
    assert results.x[:, 0] == pytest.approx([t.config["x"] for t in trials])


def test_what_is_asked_and_not_told_is_pending(ledger):
    first, second = ledger.ask(2, ledger.draw)
    ledger.tell([Evaluation(second, 0.5)])
    assert ledger.pending == [first]


def test_a_foreign_result_of_the_same_id_hides_no_pending_trial(ledger):
    (trial,) = ledger.ask(1, ledger.draw)
    ledger.tell([Evaluation(Trial({"x": 0.25}, id=trial.id), 0.1)])
    assert ledger.pending == [trial]


def test_a_result_that_was_never_asked_is_known_and_its_id_is_not_used_again(ledger):
    ledger.tell([Evaluation(Trial({"x": 0.25}, id=7), 0.1)])
    assert not ledger.new({"x": 0.25})
    assert len(ledger.results()) == 1
    assert [t.id for t in ledger.ask(2, ledger.draw)] == [8, 9]


def test_an_asked_config_of_the_warm_start_that_is_known_is_passed_over():
    ledger = Ledger(line(), [{"x": 0.1}, {"x": 0.2}, {"x": 0.1}])
    ledger.tell([Evaluation(Trial({"x": 0.2}), 0.1)])
    assert [t.config["x"] for t in ledger.ask(1, ledger.draw)] == [0.1]
    assert ledger.next_warm() is None


def test_a_search_that_is_told_all_of_an_earlier_one_with_its_seed_goes_on(ledger):
    earlier = ledger.ask(150, ledger.draw)
    again = Ledger(line(), seed=3)
    again.tell([Evaluation(trial, 0.5) for trial in earlier])
    (trial,) = again.ask(1, again.draw)
    assert trial.id == 150
    assert trial.config not in [t.config for t in earlier]


def test_a_failed_result_counts_as_the_worst(ledger):
    a, b, c = ledger.ask(3, ledger.draw)
    ledger.tell([Evaluation(a, 1.0), Evaluation(b, None, status="failed"), Evaluation(c, 3.0)])
    assert ledger.results().filled.tolist() == [1.0, 3.0, 3.0]
    assert np.isnan(ledger.results().loss[1])


@pytest.mark.parametrize(
    ("config", "loss", "says"),
    [({"x": 2.0}, 0.1, "told evaluation 0"), ({"x": 0.5}, float("nan"), "no finite number")],
)
def test_what_cannot_be_is_refused_and_nothing_is_entered(ledger, config, loss, says):
    with pytest.raises((InvalidConfig, InvalidRows), match=says):
        ledger.tell(
            [Evaluation(Trial(config, id=0), loss), Evaluation(Trial({"x": 0.1}, id=1), 0.0)]
        )
    assert not len(ledger.results())


def test_an_illegal_warm_start_is_refused():
    with pytest.raises(InvalidConfig, match="warm start 1"):
        Ledger(line(), [{"x": 0.1}, {"y": 0.1}])


def test_a_large_seed_draws_too():
    assert Ledger(line(), seed=2**31).draw() is not None
