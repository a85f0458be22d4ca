"""Laws of `metadb.inference`: the inferred space holds what it was inferred from."""

from __future__ import annotations

import ConfigSpace as cs
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from metadb.encoding import INACTIVE, encoding
from metadb.errors import InvalidConfig
from metadb.inference import infer
from metadb.space import check, from_json, sample, to_json
from optimizers.learners import classifier_space
from tests.metadb.spaces import assert_alike, quick, spaces


@quick
@given(spaces(), st.integers(0, 1000))
def test_inferred_spaces_encode_what_they_were_inferred_from(space, seed):
    configs = sample(space, 30, seed)
    inferred = infer("s", configs)
    columns = encoding(inferred)
    decoded = columns.decode(columns.encode(configs))
    for config, why, again in zip(configs, check(inferred, configs), decoded, strict=True):
        assert why is None or "is missing" in why
        if why is None:
            assert_alike(config, again, inferred)


values = st.one_of(
    st.booleans(),
    st.integers(-(2**70), 2**70),
    st.integers(0, 3),
    st.floats(allow_nan=False, allow_infinity=False),
    st.sampled_from([0.0, -0.0, 1.0, 1e-14, 2e-14, "auto", "1", ""]),
)


@quick
@given(st.lists(st.dictionaries(st.sampled_from("abc"), values), max_size=12), st.randoms())
def test_any_plain_configs_can_be_inferred_from(configs, rng):
    inferred = infer("s", configs)
    x = encoding(inferred).encode(configs)
    assert x.shape == (len(configs), encoding(inferred).width)
    assert all(why is None or "is missing" in why for why in check(inferred, configs))
    shuffled = list(configs)
    rng.shuffle(shuffled)
    assert to_json(infer("s", shuffled)) == to_json(inferred)
    assert to_json(from_json(to_json(inferred))) == to_json(inferred)


def test_the_learners_space_is_found_again():
    configs = sample(classifier_space(), 3000, 0)
    inferred = infer("classifier", configs)
    assert check(inferred, configs) == [None] * 3000
    for name, hyperparameter in classifier_space().items():
        found = inferred[name]
        assert type(found) is type(hyperparameter)
        if (
            hasattr(hyperparameter, "log")
            and hyperparameter.upper >= 100 * hyperparameter.lower > 0
        ):
            assert found.log == hyperparameter.log, name
    words = {str(condition) for condition in inferred.conditions}
    assert "svm__degree | svm__kernel == 'poly'" in words
    assert "svm__gamma | svm__kernel in {'poly', 'rbf', 'sigmoid'}" in words
    assert "mlp__alpha | learner == 'mlp'" in words
    assert len(words) == len(classifier_space().conditions)


@pytest.mark.parametrize(
    ("seen", "kind"),
    [
        ([True, False], cs.CategoricalHyperparameter),
        ([1, 2, 2], cs.UniformIntegerHyperparameter),
        ([1, 2.0], cs.UniformFloatHyperparameter),
        ([0.5, 0.25], cs.UniformFloatHyperparameter),
        (["a", "b"], cs.CategoricalHyperparameter),
        (["auto", 0.3], cs.CategoricalHyperparameter),
        ([7, 7], cs.Constant),
        ([2**60, 1], cs.UniformFloatHyperparameter),
        ([1e-15, 2e-15], cs.CategoricalHyperparameter),  # ConfigSpace keeps 13 decimals
        (list(np.array([1, 5])), cs.UniformIntegerHyperparameter),
    ],
)
def test_the_kind_follows_from_the_values(seen, kind):
    configs = [{"h": value} for value in seen]
    inferred = infer("s", configs)
    assert type(inferred["h"]) is kind
    assert check(inferred, configs) == [None] * len(seen)


@pytest.mark.parametrize(
    ("seen", "log"),
    [
        ([1e-4, 1e-3, 1e-2, 1e-1], True),
        ([1, 10, 100], True),
        ([1, 2, 4, 8, 16, 32, 64, 128], True),
        ([0.01, 0.3, 0.5, 0.7, 1.0], False),  # even as it is
        ([0.1, 0.5, 5.0], False),  # less than two decades
        ([0.0, 0.1, 100.0], False),
        ([-1.0, 100.0], False),
    ],
)
def test_the_scale_follows_from_the_values(seen, log):
    assert infer("s", [{"h": value} for value in seen])["h"].log is log


def test_depth_activates_the_layers_above_it():
    configs = [{"depth": d, **{f"width{i}": 8 + i for i in range(d)}} for d in (1, 2, 3, 3)]
    inferred = infer("s", configs)
    assert check(inferred, configs) == [None] * 4
    assert str(inferred.parent_conditions_of["width2"][0]) == "width2 | depth > 2"


def test_an_absence_that_nothing_explains_is_encoded_all_the_same():
    configs = [{"c": "a", "f": 0.1, "k": 1}, {"c": "a"}, {"c": "b", "f": 0.3}, {"c": "b", "k": 1}]
    inferred = infer("s", configs)
    assert list(inferred.conditions) == []
    x = encoding(inferred).encode(configs)
    names = encoding(inferred).names
    assert x[:, names.index("f")].tolist() == [0.0, INACTIVE, 1.0, INACTIVE]
    assert x[:, names.index("k=1")].tolist() == [1.0, 0.0, 0.0, 1.0]
    assert [bool(why) for why in check(inferred, configs)] == [False, True, True, True]


@pytest.mark.parametrize("bad", [float("nan"), float("inf"), [1], {"a": 1}])
def test_a_value_that_is_not_plain_is_refused(bad):
    with pytest.raises(InvalidConfig, match="give a"):
        infer("s", [{"h": 0.5}, {"h": bad}])


def test_no_configs_make_an_empty_space():
    assert len(infer("s", [])) == 0
    assert encoding(infer("s", [])).encode([]).shape == (0, 0)
    assert encoding(infer("s", [{}])).decode(np.zeros((2, 0))) == [{}, {}]
