"""Laws of `metadb.encoding`, over generated spaces and over the bundled learners' space."""

from __future__ import annotations

import pickle

import ConfigSpace as cs
import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from metadb.axes import MAX_ONE_HOT
from metadb.encoding import INACTIVE, encoding
from metadb.errors import InvalidConfig
from metadb.space import check, default, sample
from optimizers.learners import classifier_space
from tests.metadb.spaces import SMALL, assert_alike, quick, seeded_classifier_space, spaces


@quick
@given(spaces(), st.integers(0, 1000))
def test_decoding_gives_back_what_was_encoded(space, seed):
    configs = sample(space, 20, seed)
    columns = encoding(space)
    x = columns.encode(configs)
    assert x.shape == (20, columns.width)
    assert x.dtype == np.float64
    for config, decoded in zip(configs, columns.decode(x), strict=True):
        assert_alike(config, decoded, space)
        assert all(type(value) in {float, int, str, bool} for value in decoded.values())


@quick
@given(spaces(), st.integers(0, 1000))
def test_encoding_agrees_with_configspace(space, seed):
    configs = sample(space, 10, seed)
    columns = encoding(space)
    for config, row in zip(configs, columns.encode(configs), strict=True):
        ours = dict(zip(columns.names, row, strict=True))
        for name, hyperparameter in space.items():
            if name in config and hasattr(hyperparameter, "lower"):
                assert ours[name] == pytest.approx(
                    hyperparameter.to_vector(config[name]), abs=1e-12
                )
            elif isinstance(hyperparameter, cs.CategoricalHyperparameter):
                for choice in hyperparameter.choices:
                    chosen = name in config and config[name] == choice
                    assert ours[f"{name}={choice}"] == float(chosen)
            elif name not in config and name in ours:
                assert ours[name] == INACTIVE


def test_encoding_agrees_with_configspaces_own_configurations():
    space = seeded_classifier_space()
    configs = [dict(config) for config in space.sample_configuration(200)]
    columns = encoding(space)
    x = columns.encode(configs)
    theirs = np.array(
        [cs.Configuration(space, values=config).get_array() for config in configs]
    )  # (n, hyperparameters)
    for name, place in space.index_of.items():
        expected = theirs[:, place]
        if name in columns.names:
            ours = x[:, columns.names.index(name)]
            np.testing.assert_allclose(ours, np.nan_to_num(expected, nan=INACTIVE), atol=1e-12)
        else:
            for code, choice in enumerate(space[name].choices):
                ours = x[:, columns.names.index(f"{name}={choice}")]
                np.testing.assert_array_equal(ours, expected == code)


@quick
@given(spaces(), st.integers(0, 1000))
def test_any_matrix_decodes_to_configs_that_the_space_allows(space, seed):
    rng = np.random.default_rng(seed)
    columns = encoding(space)
    x = rng.normal(0.5, 1.0, size=(20, columns.width))
    x[rng.random(x.shape) < 0.1] = np.nan
    decoded = columns.decode(x)
    assert check(space, decoded) == [None] * 20
    for config, again in zip(decoded, columns.decode(columns.encode(decoded)), strict=True):
        assert_alike(config, again, space)


@quick
@given(spaces(), st.integers(0, 1000))
def test_columns_are_encoded_as_rows_are(space, seed):
    configs = sample(space, 15, seed)
    columns = {name: [config.get(name) for config in configs] for name in space}
    x = encoding(space).encode(configs)
    np.testing.assert_array_equal(encoding(space).encode(columns), x)
    assert check(space, columns) == [None] * 15


def test_columns_may_be_numpy_and_arrow():
    space = cs.ConfigurationSpace("s", space={"n": (1, 9), "f": (0.0, 1.0), "c": ["a", "b"]})
    rows = [{"n": 2, "f": 0.25, "c": "a"}, {"n": 9, "f": 1.0, "c": "b"}]
    x = encoding(space).encode(rows)
    columns = {"n": np.array([2.0, 9.0]), "f": pa.array([0.25, 1.0]), "c": np.array(["a", "b"])}
    np.testing.assert_array_equal(encoding(space).encode(columns), x)
    gaps = {"n": np.array([np.nan, 9.0]), "f": pa.array([None, 1.0]), "c": ["a", None]}
    assert encoding(space).encode(gaps)[0].tolist() == [1.0, 0.0, INACTIVE, INACTIVE]
    with pytest.raises(InvalidConfig, match="equally long"):
        encoding(space).encode({"n": [1], "f": [0.1, 0.2]})


def test_the_columns_have_names():
    columns = encoding(classifier_space())
    assert columns.width == len(columns.names) == len(set(columns.names))
    assert {"svm__C", "svm__kernel=rbf", "learner=mlp"} <= set(columns.names)


def test_equal_looking_choices_have_different_names():
    space = cs.ConfigurationSpace("s", space={"c": [1, "1", "a"]})
    assert encoding(space).names == ("c=1", "c='1'", "c='a'")


@pytest.mark.parametrize("config", [{"c": "a"}, {"f": 0.5}, {"n": 3}])
def test_one_config_is_not_taken_for_columns(config):
    with pytest.raises(InvalidConfig, match="for one config"):
        encoding(SMALL).encode(config)


def test_a_value_of_an_inactive_hyperparameter_is_dropped():
    columns = encoding(classifier_space())
    config = default(classifier_space())
    x = columns.encode([config, {**config, "svm__C": 3.0}])
    np.testing.assert_array_equal(x[0], x[1])


def test_what_is_active_without_a_value_decodes_to_its_default():
    space = classifier_space()
    columns = encoding(space)
    x = np.full((1, columns.width), INACTIVE)
    x[0, columns.names.index("learner=svm")] = 1.0
    config = columns.decode(x)[0]
    assert config["learner"] == "svm"
    assert config["svm__C"] == 1.0
    assert "svm__degree" not in config


def test_many_choices_take_one_column():
    space = cs.ConfigurationSpace("s", space={"c": [f"v{i:03}" for i in range(MAX_ONE_HOT + 1)]})
    columns = encoding(space)
    assert columns.names == ("c",)
    configs = sample(space, 30, 0)
    assert columns.decode(columns.encode(configs)) == configs


@pytest.mark.parametrize(
    ("config", "why"),
    [
        ({"leraner": "svm"}, "did you mean 'learner'"),
        ({"learner": "svn"}, "'learner' is 'svn'; it must be one of 'extra_trees'"),
        (
            {"learner": "svm", "svm__C": 1e9},
            "config 1 .* 'svm__C' is 1000000000.0; it must be a number from 0.001 to 1000.0",
        ),
        ({"learner": ["svm"]}, "must be one of"),
    ],
)
def test_what_cannot_be_encoded_is_named(config, why):
    with pytest.raises(InvalidConfig, match=why):
        encoding(classifier_space()).encode([default(classifier_space()), config])


def test_a_matrix_of_another_width_is_refused():
    with pytest.raises(InvalidConfig, match="must have shape"):
        encoding(classifier_space()).decode(np.zeros((2, 3)))


def test_an_encoding_travels_to_another_process():
    columns = encoding(classifier_space())
    configs = sample(classifier_space(), 5, 0)
    again = pickle.loads(pickle.dumps(columns))
    np.testing.assert_array_equal(again.encode(configs), columns.encode(configs))


def test_human_numbers_come_back_exactly():
    space = cs.ConfigurationSpace("s")
    space.add(cs.Float("log", (1e-10, 10.0), log=True), cs.Float("linear", (0.0, 1000.0)))
    configs = [{"log": a, "linear": b} for a in (1e-9, 3e-4, 0.1, 7.3) for b in (0.1, 0.7, 123.4)]
    columns = encoding(space)
    assert columns.decode(columns.encode(configs)) == configs
