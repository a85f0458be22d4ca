"""The opening of a search: defaults and advice in turn, each piece of advice with results in view."""

from __future__ import annotations

from api.opening import Begun, Opening
from api.warm import First
from metadb.records import Evaluation, Trial
from metadb.space import sample
from optimizers import RandomSearch
from optimizers.learners import classifier_space, defaults

SPACE = classifier_space()
DEFAULTS = defaults("classification")
KNOWN = sample(SPACE, 20, 5)


class Past:
    """Past tasks that advise what they know in order, less what was run; remembers what was told."""

    def __init__(self, known=KNOWN):
        self.known, self.heard = known, []

    def __call__(self, k, observed):
        self.heard.append(len(observed))
        run = [e.trial.config for e in observed]
        return [First(c, "advised") for c in self.known if c not in run][:k]


def opening(past=None, k=7, before=()):
    return Opening(before, DEFAULTS, past, k)


def search(begun, n, told=()):
    begun.tell(told) if told else None
    done = list(told)
    while len(done) < n:
        (trial,) = begun.ask(1)
        done.append(Evaluation(trial, float(trial.id % 7)))
        begun.tell(done[-1:])
    return done


def test_a_default_and_then_advice_in_turn_and_then_the_optimiser():
    past = Past()
    first = opening(past, k=3)
    done = search(Begun(first, RandomSearch(SPACE, seed=1)), 14)
    assert [f.why for f in first.first] == ["default", "advised"] * 3 + ["default"] * 4
    assert [e.trial.config for e in done[:10]] == [f.config for f in first.first]
    assert [f.config for f in first.first if f.why == "default"] == DEFAULTS
    assert past.heard == [1, 3, 5]  # asked with all results so far
    assert [e.trial.id for e in done] == list(range(14))


def test_without_a_past_it_is_the_defaults():
    first = opening()
    done = search(Begun(first, RandomSearch(SPACE, seed=1)), 9)
    assert [e.trial.config for e in done[:7]] == DEFAULTS
    assert len(first.first) == 7


def test_what_is_advised_and_a_default_is_tried_once():
    first = opening(Past([DEFAULTS[1], DEFAULTS[0], *KNOWN]), k=4)
    configs = [*first.untold()]
    assert configs[:3] == [DEFAULTS[0], DEFAULTS[1], DEFAULTS[2]]
    assert all(configs.count(config) == 1 for config in configs)
    assert len(configs) == 10


def test_a_past_that_knows_little_leaves_the_rest_to_the_defaults():
    assert [*opening(Past(KNOWN[:1])).untold()] == [DEFAULTS[0], KNOWN[0], *DEFAULTS[1:]]


def test_trials_at_the_same_time_differ_and_are_waited_for():
    begun = Begun(opening(Past(), k=2), RandomSearch(SPACE, seed=1))
    trials = begun.ask(20)
    assert len(trials) == len({str(t.config) for t in trials}) == 9
    assert begun.ask(1) == []
    begun.tell([Evaluation(t, 0.5) for t in trials])
    assert begun.ask(1)[0].id == 9


def test_a_search_that_was_stopped_goes_on_as_if_it_had_not_been():
    whole = search(Begun(opening(Past()), RandomSearch(SPACE, seed=1)), 18)
    for stop in (1, 4, 13, 16):
        first = opening(Past())
        begun = Begun(first, RandomSearch(SPACE, seed=1))
        done = search(begun, stop)
        again = Begun(opening(Past(), before=first.first), RandomSearch(SPACE, seed=1))
        assert search(again, 18, done) == whole, stop


def test_what_was_under_way_when_a_search_was_stopped_is_run_again():
    first = opening(Past(), k=2)
    begun = Begun(first, RandomSearch(SPACE, seed=1))
    trials = begun.ask(4)
    begun.tell([Evaluation(trials[1], 0.5)])
    again = Begun(opening(Past(), k=2, before=first.first), RandomSearch(SPACE, seed=1))
    again.tell([Evaluation(trials[1], 0.5)])
    assert [t.config for t in again.ask(3)] == [trials[i].config for i in (0, 2, 3)]


def test_the_best_of_an_earlier_search_come_before_all():
    before = [First(config, "before") for config in KNOWN[10:12]]
    configs = [*opening(Past(), before=before).untold()]
    assert configs[:4] == [*KNOWN[10:12], DEFAULTS[0], KNOWN[0]]
    assert Trial(configs[0], 1.0, 0).config == KNOWN[10]
