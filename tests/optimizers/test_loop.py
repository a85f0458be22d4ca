"""The one loop: counts, failures, recording."""

from __future__ import annotations

from metadb.records import Evaluation
from optimizers import RandomSearch, run
from optimizers.learners import classifier_space


def test_a_config_that_breaks_is_a_failed_evaluation_and_the_search_goes_on():
    heard = []

    def objective(trial):
        if trial.id == 1:
            raise ZeroDivisionError
        return Evaluation(trial, float(trial.id), 0.1)

    done = run(RandomSearch(classifier_space()), objective, trials=4, record=heard.append)
    assert [e.status for e in done] == ["ok", "failed", "ok", "ok"]
    assert done[1].loss is None
    assert heard == done


def test_the_loop_stops_where_the_optimiser_has_nothing_to_ask():
    from ConfigSpace import Categorical, ConfigurationSpace

    tiny = ConfigurationSpace(name="tiny")
    tiny.add(Categorical("a", [1, 2]))
    assert len(run(RandomSearch(tiny), lambda t: Evaluation(t, 0.0), trials=10)) == 2
