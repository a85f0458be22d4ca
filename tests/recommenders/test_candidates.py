"""What may be advised and what was observed, against plain loops over dictionaries."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from metadb.history import Configs
from metadb.identity import canonical_config
from metadb.records import Evaluation, Trial
from recommenders.candidates import pool, within

KNOWN = Configs.of("toy", [{"x": float(i), "kind": "ab"[i % 2]} for i in range(6)])
LEGAL = {"x": 2.5, "kind": "b"}
OUTSIDE = [{"x": 99.0, "kind": "a"}, {"unheard": 1}, {"x": 1.0, "kind": "c"}]


def ran(config, loss=0.5, **more):
    return Evaluation(Trial(config), loss, **more)


def test_all_that_the_history_knows_may_be_advised_by_default():
    for allowed in (pool(KNOWN), pool(KNOWN, KNOWN)):
        assert allowed.configs is KNOWN
        assert allowed.place.tolist() == list(range(6))
        assert allowed.n_outside == 0
        assert allowed.x is KNOWN.x


def test_candidates_are_encoded_in_the_space_of_the_history_and_found_in_it():
    given_ones = Configs.of("toy", [LEGAL, KNOWN[4], OUTSIDE[0], KNOWN[1], OUTSIDE[2]])
    allowed = pool(KNOWN, given_ones)
    assert list(allowed.configs) == [LEGAL, KNOWN[4], KNOWN[1]]
    assert allowed.place.tolist() == [-1, 4, 1]
    assert allowed.n_outside == 2
    np.testing.assert_array_equal(allowed.x[1:], KNOWN.x[[4, 1]])
    column = int(np.flatnonzero(np.ptp(KNOWN.x[::2], axis=0))[0])  # that of the number x
    assert allowed.x[0, column] == pytest.approx(2.5 / 5)  # the range is that of the history
    assert allowed.configs.space is KNOWN.space


def test_candidates_that_are_all_outside_leave_nothing():
    allowed = pool(KNOWN, Configs.of("toy", OUTSIDE))
    assert (len(allowed), allowed.n_outside) == (0, 3)
    assert allowed.left([ran(KNOWN[0])]).size == 0
    assert len(allowed.seen([ran(KNOWN[0])])) == 1


def test_a_pool_is_remembered_for_the_same_candidates():
    some = KNOWN.take([3, 1])
    assert pool(KNOWN, some) is pool(KNOWN, some)


ALL = [*KNOWN, LEGAL, {"x": 0.25, "kind": "a"}, *OUTSIDE]
OBSERVED = st.lists(
    st.tuples(st.integers(0, len(ALL) - 1), st.sampled_from([None, float("nan"), 0.5, -2.0, 7.0])),
    max_size=8,
)


@given(OBSERVED, st.sets(st.integers(0, 7)))
def test_left_and_seen_are_what_plain_loops_say(observed, chosen):
    told = [ran(ALL[i], loss) for i, loss in observed]
    configs = [ALL[i] for i in sorted(chosen)]
    allowed = pool(KNOWN, Configs.of("toy", configs))
    run = {canonical_config(e.trial.config) for e in told}
    left = [i for i, c in enumerate(configs) if canonical_config(c) not in run]
    assert allowed.left(told).tolist() == left

    by_config: dict[int, list[float]] = {}
    for i, loss in observed:
        by_config.setdefault(i, []).append(np.inf if loss is None or loss != loss else loss)
    inside = [i for i in by_config if i < 8]
    seen = allowed.seen(told)
    assert list(seen.configs) == [ALL[i] for i in inside]
    np.testing.assert_allclose(seen.loss, [sum(by_config[i]) / len(by_config[i]) for i in inside])
    assert seen.ok.tolist() == [np.inf not in by_config[i] for i in inside]
    assert seen.place.tolist() == [configs.index(ALL[i]) if i in chosen else -1 for i in inside]
    assert seen.known.tolist() == [i if i < 6 else -1 for i in inside]
    assert seen.n_outside == len(by_config) - len(inside)
    np.testing.assert_array_equal(
        seen.x, KNOWN.with_encoding_of(Configs.of("toy", [ALL[i] for i in inside])).x
    )


def test_one_failure_among_several_evaluations_is_a_failure():
    seen = pool(KNOWN).seen([ran(KNOWN[2], 0.1), ran(KNOWN[2], None), ran(KNOWN[3], 0.2)])
    assert seen.loss.tolist() == [np.inf, 0.2]
    assert seen.ok.tolist() == [False, True]


def test_the_same_config_written_in_two_ways_is_one():
    one, other = {"kind": "a", "x": -0.0}, {"x": 0.0, "kind": "a"}
    seen = pool(KNOWN).seen([ran(one, 0.2), ran(other, 0.4)])
    assert seen.known.tolist() == [0]
    assert seen.loss[0] == pytest.approx(0.3)


def test_within_keeps_places():
    configs, kept = within(KNOWN, Configs.of("toy", [OUTSIDE[1], LEGAL, KNOWN[5]]))
    assert kept.tolist() == [1, 2]
    assert list(configs) == [LEGAL, KNOWN[5]]
    configs, kept = within(KNOWN, KNOWN.take([5, 0]))
    assert kept.tolist() == [0, 1]
    assert configs.ids == (KNOWN.ids[5], KNOWN.ids[0])


def forbidding():
    """Configs of a space with a forbidden clause: a = u together with b = v."""
    from ConfigSpace import ConfigurationSpace, ForbiddenAndConjunction, ForbiddenEqualsClause

    from metadb.space import to_json

    space = ConfigurationSpace(name="f", space={"a": ["u", "v"], "b": ["u", "v"]})
    a, b = ForbiddenEqualsClause(space["a"], "u"), ForbiddenEqualsClause(space["b"], "v")
    space.add(ForbiddenAndConjunction(a, b))
    known = [{"a": "u", "b": "u"}, {"a": "v", "b": "v"}]
    return Configs.of("f", known, definition=to_json(space))


def test_what_a_clause_forbids_is_left_out_next_to_a_candidate_that_cannot_be_encoded():
    some = Configs.of("f", [{"a": "u", "b": "v"}, {"a": "v", "b": "u"}, {"z": 1}])
    allowed = pool(forbidding(), some)
    assert list(allowed.configs) == [{"a": "v", "b": "u"}]
    assert allowed.n_outside == 2


def test_what_a_clause_forbids_is_left_out():
    allowed = pool(forbidding(), Configs.of("f", [{"a": "u", "b": "v"}, {"a": "v", "b": "u"}]))
    assert list(allowed.configs) == [{"a": "v", "b": "u"}]


def test_a_candidate_given_twice_may_be_advised_once():
    twice = Configs.of("toy", [KNOWN[1], LEGAL, KNOWN[1], LEGAL])
    allowed = pool(KNOWN, twice)
    assert list(allowed.configs) == [KNOWN[1], LEGAL]
    assert allowed.left([ran(KNOWN[1])]).tolist() == [1]
