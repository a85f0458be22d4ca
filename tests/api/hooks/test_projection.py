"""A recommendation in the space of a tuner: all that is sent is legal, and nothing gets lost."""

from __future__ import annotations

import ConfigSpace as cs
import pytest
from hypothesis import given
from hypothesis import strategies as st

from api.hooks.projection import Change, project
from metadb.errors import InvalidConfig, NotFound
from metadb.space import check, default, sample
from tests.metadb.spaces import SMALL, quick, spaces

VALUES = st.one_of(
    st.integers(-1000, 1000),
    st.integers(-(10**400), 10**400),
    st.floats(allow_nan=True),
    st.booleans(),
    st.none(),
    st.sampled_from(["a", "A", "b", "True", "3", "0.5", "1e9", "inf", "x", "auto", ""]),
)
NAMES = st.sampled_from([*(f"h{i}" for i in range(7)), "foreign"])
CONFIGS = st.lists(st.dictionaries(NAMES, VALUES, max_size=8), max_size=6)
RENAMES = st.sampled_from([{}, {"foreign": "h0"}])


def same(one, other):
    return one == other or (one != one and other != other)


# -- laws ----------------------------------------------------------------------------------------


@quick
@given(spaces(forbidden=True), CONFIGS, RENAMES, st.sampled_from(["clip", "drop"]))
def test_all_that_is_sent_is_legal_and_there_once(space, configs, rename, outside):
    report = project(configs, space, rename=rename, outside=outside)
    assert check(space, report.sent) == [None] * len(report.sent)
    assert all(one not in report.sent[:i] for i, one in enumerate(report.sent))
    assert list(report.places) == sorted(report.places)


@quick
@given(spaces(forbidden=True), st.integers(0, 99))
def test_a_legal_config_passes_unchanged(space, seed):
    drawn = sample(space, 5, seed)
    configs = [one for i, one in enumerate(drawn) if one not in drawn[:i]]
    report = project(configs, space)
    assert list(report.sent) == configs
    assert (report.clipped, report.filled, report.dropped, report.why) == ((), (), (), {})
    assert project(report.sent, space, outside="drop").sent == report.sent


@quick
@given(spaces(forbidden=True), CONFIGS, RENAMES, st.sampled_from(["clip", "drop"]))
def test_the_report_accounts_for_every_config_and_value(space, configs, rename, outside):
    report = project(configs, space, rename=rename, outside=outside)
    assert sorted([*report.places, *report.why]) == list(range(len(configs)))
    assert all(report.why.values())
    for place, sent in zip(report.places, report.sent, strict=True):
        clipped, filled, dropped = (
            {c.name: c for c in changes if c.place == place}
            for changes in (report.clipped, report.filled, report.dropped)
        )
        given_ = {k: v for k, v in configs[place].items() if v is not None}
        kept = {rename.get(k, k): v for k, v in given_.items() if k not in dropped}
        known = {rename.get(k, k): v for k, v in given_.items()} | given_
        assert all(same(known[k], c.before) for k, c in dropped.items())
        assert sent.keys() == kept.keys() | filled.keys()
        assert not kept.keys() & filled.keys()
        for name, value in kept.items():
            if name in clipped:
                assert same(clipped[name].before, value)
                assert clipped[name].after == sent[name]
            else:
                assert sent[name] == value
        assert all(sent[name] == c.after for name, c in filled.items())
    text = str(report)
    assert text.startswith(f"{len(report.sent)} of {len(configs)} ")


@quick
@given(spaces())
def test_an_empty_config_becomes_the_default(space):
    report = project([{}], space)
    assert list(report.sent) == [default(space)]
    assert {c.name for c in report.filled} == set(default(space))


# -- cases ---------------------------------------------------------------------------------------

LEGAL = {"f": 0.5, "n": 4, "c": "a", "k": "v"}


def changed(**values):
    return {**LEGAL, **values}


@pytest.mark.parametrize(
    ("name", "value", "after"),
    [
        ("f", 5000, 1.0),
        ("f", -1, 0.0),
        ("f", float("inf"), 1.0),
        ("f", "0.25", 0.25),
        ("n", 4.6, 5),
        ("n", 99, 9),
        ("n", 10**400, 9),
        ("c", "A", "a"),
    ],
)
def test_a_value_goes_to_the_nearest_legal_one(name, value, after):
    report = project([changed(**{name: value})], SMALL)
    assert report.sent == ({**LEGAL, name: after},)
    assert type(report.sent[0][name]) is type(after)
    (change,) = report.clipped
    assert (change.name, change.before, change.after) == (name, value, after)


def test_whole_numbers_on_a_log_scale_are_rounded_by_ratio():
    space = cs.ConfigurationSpace(space={"n": cs.Integer("n", (1, 100), log=True)})
    space.add(cs.Integer("m", (1, 100)))
    (sent,) = project([{"n": 1.45, "m": 1.45}], space).sent
    assert sent == {"n": 2, "m": 1}


def test_a_number_goes_to_the_nearest_choice_and_true_is_a_text_too():
    space = cs.ConfigurationSpace(space={"size": ["auto", 16, 64], "flag": [True, False]})
    report = project([{"size": 50, "flag": "true"}, {"size": 1, "flag": False}], space)
    assert report.sent == ({"size": 64, "flag": True}, {"size": 16, "flag": False})
    assert project([{"size": 1, "flag": True}], space, outside="drop").sent == ()


def test_a_config_that_cannot_be_said_is_not_sent_and_the_report_says_why():
    configs = [changed(c="z"), changed(f=2.0), changed(n=3), changed(k="w"), LEGAL]
    report = project([*configs, changed(extra=1)], SMALL, outside="drop")
    assert report.sent == (LEGAL,)
    assert report.places == (4,)
    assert "must be one of 'a', 'b'" in report.why[0]
    assert "from 0.0 to 1.0" in report.why[1]
    assert "forbids" in report.why[2]
    assert "it must be 'v'" in report.why[3]
    assert report.why[5] == "in this space it is the same as config 4"
    assert "config 0 is not sent" in str(report)


def test_active_ones_are_filled_and_inactive_ones_removed():
    report = project([changed(g=0.1), changed(c="b", f=0.1)], SMALL)
    assert report.sent == (LEGAL, changed(c="b", f=0.1, g=SMALL["g"].default_value))
    (dropped,), (filled,) = report.dropped, report.filled
    assert dropped == Change(0, "g", 0.1, None, "it is inactive unless c == 'b'")
    assert (filled.place, filled.name, filled.before) == (1, "g", None)


def test_names_are_mapped_and_unknown_ones_are_named():
    report = project([{"share": 0.5, "f": 0.7, "n": 4, "c": "a", "k": "v", "nn": 1}], SMALL,
                     rename={"share": "f"})  # fmt: skip
    assert report.sent == (LEGAL,)
    assert {(c.name, c.before) for c in report.dropped} == {("f", 0.7), ("nn", 1)}
    assert "did you mean 'n'" in str(report)
    with pytest.raises(NotFound, match="renamed to 'z'"):
        project([], SMALL, rename={"a": "z"})
    with pytest.raises(InvalidConfig, match="'clip' or 'drop'"):
        project([], SMALL, outside="no")


def test_a_config_with_its_score_is_sent_as_it_is_or_not_at_all():
    configs = [LEGAL, changed(f=2.0), changed(extra=1), {"f": 0.5, "c": "a", "k": "v"}]
    report = project(configs, SMALL, exact=True)
    assert report.sent == (LEGAL,)
    assert [report.why[i].split(": ")[1] for i in (1, 2, 3)] == ["f", "extra", "n"]


def test_what_the_tuner_has_is_not_sent_again():
    report = project([LEGAL, changed(n=5)], SMALL, known=[LEGAL])
    assert report.sent == (changed(n=5),)
    assert report.why == {0: "the tuner has it already"}


def test_the_config_of_another_algorithm_does_not_become_the_default():
    report = project([{"learner": "knn", "knn__n": 3}, {}], SMALL)
    assert report.sent == (default(SMALL),)
    assert report.why == {0: "none of its values has a place in this space"}
