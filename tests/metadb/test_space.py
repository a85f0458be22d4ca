"""Laws of `metadb.space`, over generated spaces and over the bundled learners' space."""

from __future__ import annotations

import json
import operator
import pickle
import random
import subprocess
import sys
from typing import Any

import ConfigSpace as cs  # noqa: N813
import numpy as np
import pyarrow as pa
import pytest
from ConfigSpace.exceptions import AmbiguousConditionError
from hypothesis import HealthCheck, given, reject, settings
from hypothesis import strategies as st

from metadb.errors import InvalidConfig, InvalidSpace
from metadb.space import (
    INACTIVE,
    MAX_ONE_HOT,
    check,
    default,
    encoding,
    from_json,
    infer,
    sample,
    space_id,
    to_json,
    validate,
)
from optimizers.learners import classifier_space

quick = settings(
    max_examples=60,
    deadline=None,
    suppress_health_check=[HealthCheck.filter_too_much, HealthCheck.too_slow],
)
TEXTS = ["a", "b", "c", "d", "None"]


@st.composite
def hyperparameters(draw: st.DrawFn, name: str) -> Any:
    """Any hyperparameter that ConfigSpace has, named `name`."""
    kind = draw(
        st.sampled_from(["float", "integer", "categorical", "ordinal", "prior", "constant"])
    )
    lower, width = draw(st.integers(1, 50)), draw(st.integers(1, 500))
    log = draw(st.booleans())
    shift = 0 if log else draw(st.sampled_from([0, -100]))
    if kind == "float":
        return cs.Float(name, (shift + lower / 7, shift + (lower + width) / 7), log=log)
    if kind == "integer":
        return cs.Integer(name, (shift + lower, shift + lower + width), log=log)
    if kind == "prior":
        middle = cs.Normal(lower + width / 2, width)
        return cs.Float(name, (lower, lower + width), distribution=middle, log=log)
    if kind == "constant":
        return cs.Constant(name, draw(st.sampled_from(["x", 3, 0.5, True])))
    choices = draw(
        st.one_of(
            st.lists(st.sampled_from(TEXTS), min_size=1, max_size=5, unique=True),
            st.permutations([True, False]),
            st.permutations([1, 2, 5, 0.5, "auto"]),
        )
    )
    if kind == "ordinal":
        return cs.OrdinalHyperparameter(name, choices)
    weights = draw(st.none() | st.just([float(i + 1) for i in range(len(choices))]))
    return cs.CategoricalHyperparameter(name, choices, weights=weights)


@st.composite
def literals(draw: st.DrawFn, child: Any, parent: Any) -> Any:
    """A condition of `child` on some value of `parent`."""
    values = list(dict.fromkeys(parent.rvs(size=3, random_state=draw(st.integers(0, 99))).tolist()))
    kinds = [cs.EqualsCondition, cs.NotEqualsCondition, cs.InCondition]
    if parent.ORDERABLE:
        kinds += [cs.LessThanCondition, cs.GreaterThanCondition]
    kind = draw(st.sampled_from(kinds))
    if kind is cs.InCondition:
        return kind(child, parent, values)
    return kind(child, parent, values[0])


@st.composite
def spaces(draw: st.DrawFn, *, forbidden: bool = False) -> cs.ConfigurationSpace:
    """A space of up to seven hyperparameters with nested, joined conditions."""
    made = [draw(hyperparameters(f"h{i}")) for i in range(draw(st.integers(1, 7)))]
    space = cs.ConfigurationSpace(name="generated")
    try:
        space.add(made)
        for place in range(1, len(made)):
            n_parents = draw(st.integers(0, min(2, place)))
            parents = draw(st.permutations(made[:place]))[:n_parents]
            parts = [draw(literals(made[place], parent)) for parent in parents]
            if len(parts) == 2:
                joined = draw(st.sampled_from([cs.AndConjunction, cs.OrConjunction]))
                space.add(joined(*parts))
            elif parts:
                space.add(parts[0])
        if forbidden:
            one = made[draw(st.integers(0, len(made) - 1))]
            value = one.rvs(size=1, random_state=draw(st.integers(0, 99))).tolist()[0]
            space.add(cs.ForbiddenEqualsClause(one, value))
    except (ValueError, KeyError, AmbiguousConditionError):  # ConfigSpace refuses its default
        reject()
    return space


def assert_alike(one: Any, other: Any, space: cs.ConfigurationSpace) -> None:
    """Equal configs, floats to within 1e-10 of their range."""
    assert one.keys() == other.keys()
    for name, value in one.items():
        if isinstance(space[name].default_value, float) and hasattr(space[name], "lower"):
            span = space[name].upper - space[name].lower
            assert other[name] == pytest.approx(value, rel=1e-10, abs=1e-10 * span)
        else:
            assert other[name] == value
            assert type(other[name]) is type(value)


def seeded_classifier_space() -> cs.ConfigurationSpace:
    """The bundled learners' space, to be sampled by ConfigSpace itself."""
    space = from_json(to_json(classifier_space()))
    space.seed(0)
    return space


# Encoding.


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
        ({"learner": "svm", "svm__C": 1e9}, "from 0.001 to 1000.0"),
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


# The id and the text.


def rebuilt(space: cs.ConfigurationSpace, seed: int, name: str = "generated") -> Any:
    """The same space, its parts added in another order, categories shuffled."""
    shuffle = random.Random(seed).shuffle
    content = json.loads(json.dumps(space.to_serialized_dict()))
    for hyperparameter in content["hyperparameters"]:
        choices, weights = hyperparameter.get("choices"), hyperparameter.get("weights")
        if choices:
            places = list(range(len(choices)))
            shuffle(places)
            hyperparameter["choices"] = [choices[i] for i in places]
            hyperparameter["weights"] = weights and [weights[i] for i in places]
    for part in ("conditions", "forbiddens"):
        for clause in content[part]:
            for key in ("conditions", "clauses", "values"):
                if key in clause:
                    shuffle(clause[key])
    for part in ("hyperparameters", "conditions", "forbiddens"):
        shuffle(content[part])
    content["name"] = name
    content["python_module_version"] = "0.0.1"
    return cs.ConfigurationSpace.from_serialized_dict(content)


@quick
@given(spaces(forbidden=True), st.integers(0, 1000))
def test_order_does_not_change_the_id(space, seed):
    other = rebuilt(space, seed)
    assert space_id(other) == space_id(space)
    assert to_json(other) == to_json(space)
    assert encoding(other).names == encoding(space).names
    assert sample(other, 5, seed) == sample(space, 5, seed)


@quick
@given(spaces(forbidden=True))
def test_a_text_gives_back_the_space(space):
    again = from_json(to_json(space))
    assert space_id(again) == space_id(space)
    assert to_json(again) == to_json(space)
    assert json.loads(to_json(space))["name"] == "generated"


def test_configspaces_own_text_is_read(tmp_path):
    classifier_space().to_json(tmp_path / "space.json")
    again = from_json((tmp_path / "space.json").read_text())
    assert space_id(again) == space_id(classifier_space())


def test_any_name_has_an_id():
    space = from_json('{"hyperparameters": [], "name": "\\ud800 \u00e9"}')
    assert from_json(to_json(space)).name == space.name
    assert "@" in space_id(space)


def test_the_id_is_the_name_and_a_hash_of_the_content():
    space = classifier_space()
    name, _, digits = space_id(space).rpartition("@")
    assert name == "classifier"
    assert len(digits) == 12
    assert space_id(rebuilt(space, 3, name="other")) == f"other@{digits}"
    assert space_id(cs.ConfigurationSpace()).startswith("space@")


def one_of_each(**changes: Any) -> cs.ConfigurationSpace:
    """A small space in which every property can be changed."""
    of: dict[str, Any] = {
        "upper": 9.0, "log": False, "default": 2.0, "choices": ["a", "b"], "weights": [1.0, 2.0],
        "sequence": ["s", "m", "l"], "value": "a", "forbidden": 3, "constant": 1, "type": cs.Float,
        **changes,
    }  # fmt: skip
    space = cs.ConfigurationSpace(name="one")
    f = of["type"]("f", (1, of["upper"]), default=of["default"], log=of["log"])
    c = cs.CategoricalHyperparameter("c", of["choices"], default_value="b", weights=of["weights"])
    o = cs.OrdinalHyperparameter("o", of["sequence"], default_value="s")
    i = cs.Integer("i", (0, 3), default=1)
    space.add(f, c, o, i, cs.Constant("k", of["constant"]))
    space.add(cs.EqualsCondition(f, c, of["value"]))
    space.add(cs.ForbiddenInClause(i, [2, of["forbidden"]]))
    return space


@pytest.mark.parametrize(
    "change",
    [
        {"upper": 10.0}, {"log": True}, {"default": 3.0}, {"choices": ["a", "b", "c"],
        "weights": [1.0, 2.0, 3.0]}, {"weights": [2.0, 1.0]}, {"weights": None},
        {"sequence": ["m", "s", "l"]}, {"value": "b"}, {"forbidden": 0}, {"constant": 2},
        {"type": cs.Integer},
    ],
    ids=str,
)  # fmt: skip
def test_any_change_changes_the_id(change):
    assert space_id(one_of_each(**change)) != space_id(one_of_each())


@pytest.mark.filterwarnings("ignore::RuntimeWarning")  # of NumPy, on infinite bounds
@pytest.mark.parametrize(
    "text",
    [
        "", "{", "[]", "null", "{}", '{"hyperparameters": 3}', '{"hyperparameters": [3]}',
        '{"hyperparameters": [{"type": "uniform_float"}]}',
        '{"hyperparameters": [{"type": "os.system", "name": "x"}]}',
        '{"hyperparameters": [{"type": "uniform_float", "name": "x", "lower": 2, "upper": 1}]}',
        '{"hyperparameters": [{"type": "uniform_float", "name": "x", "lower": 0, "upper": NaN}]}',
        '{"hyperparameters": [{"type": "uniform_float", "name": "x", "lower": 0, "upper": 1e999}]}',
        '{"hyperparameters": [{"type": "constant", "name": "x", "value": null}]}',
        '{"hyperparameters": [{"type": "categorical", "name": "x", "choices": [["a"], ["b"]]}]}',
        '{"hyperparameters": [], "conditions": [{"type": "EQ", "child": "a", "parent": "b"}]}',
        '{"hyperparameters": [], "name": ["a"]}', "[" * 100_000,
    ],
    ids=lambda text: text[:70],
)  # fmt: skip
def test_a_text_that_is_no_space_is_refused(text):
    with pytest.raises(InvalidSpace):
        from_json(text)


def test_none_is_no_choice():
    space = cs.ConfigurationSpace("s", space=[cs.CategoricalHyperparameter("c", ["a", None])])
    with pytest.raises(InvalidSpace, match="write None as the text 'None'"):
        encoding(space)


# Checking.


@quick
@given(spaces(forbidden=True), st.integers(0, 1000))
def test_sampled_configs_and_the_default_are_legal(space, seed):
    assert check(space, sample(space, 20, seed)) == [None] * 20
    assert check(space, [default(space)]) == [None]


SMALL = cs.ConfigurationSpace("small", space={"f": (0.0, 1.0), "n": (1, 9), "c": ["a", "b"]})
SMALL.add(cs.Float("g", (1e-3, 1.0), log=True), cs.Constant("k", "v"))
SMALL.add(cs.EqualsCondition(SMALL["g"], SMALL["c"], "b"))
SMALL.add(
    cs.ForbiddenAndConjunction(
        cs.ForbiddenEqualsClause(SMALL["n"], 3), cs.ForbiddenInClause(SMALL["c"], ["a"])
    )
)
GOOD = {"f": 0.5, "n": 2, "c": "a", "k": "v"}


@pytest.mark.parametrize(
    ("change", "why"),
    [
        ({}, None),
        ({"f": 1}, None),
        ({"f": 1.0 + 1e-12, "n": 2.0}, None),
        ({"f": 1.5}, "hyperparameter 'f' is 1.5; it must be a number from 0.0 to 1.0"),
        ({"f": True}, "hyperparameter 'f' is True; it must be a number from 0.0 to 1.0"),
        ({"f": float("nan")}, "hyperparameter 'f' is nan; it must be a number from 0.0 to 1.0"),
        ({"f": 10**400}, f"hyperparameter 'f' is {10**400}; it must be a number from 0.0 to 1.0"),
        ({"n": "2"}, "hyperparameter 'n' is '2'; it must be an integer from 1 to 9"),
        ({"n": 2.5}, "hyperparameter 'n' is 2.5; it must be an integer from 1 to 9"),
        ({"n": 10}, "hyperparameter 'n' is 10; it must be an integer from 1 to 9"),
        ({"c": "z"}, "hyperparameter 'c' is 'z'; it must be one of 'a', 'b'"),
        ({"c": ["a"]}, "hyperparameter 'c' is ['a']; it must be one of 'a', 'b'"),
        ({"k": "w"}, "hyperparameter 'k' is 'w'; it must be 'v'"),
        ({"h": 1}, "there is no hyperparameter 'h' (here 1); there are ['c', 'f', 'g', 'k', 'n']"),
        ({"g": 0.1}, "hyperparameter 'g' is 0.1 but inactive; leave it out unless c == 'b'"),
        ({"c": "b"}, "hyperparameter 'g' is missing; as c == 'b' it must be a number from 0.001"
         " to 1.0"),
        ({"f": None}, "hyperparameter 'f' is missing; in every config it must be a number from 0.0"
         " to 1.0"),
        ({"n": 3}, "'c' is 'a' and 'n' is 3, but the space forbids (n == 3 && c in {'a'}); change"
         " one of them"),
        ({"n": 3, "c": "b", "g": 0.1}, None),
    ],
)  # fmt: skip
def test_the_sentence_names_what_is_wrong_and_what_is_right(change, why):
    config = {**GOOD, **change}
    assert check(SMALL, [GOOD, config, GOOD]) == [None, why, None]
    if why is None:
        validate(SMALL, config)
    else:
        with pytest.raises(InvalidConfig) as error:
            validate(SMALL, config)
        assert str(error.value) == why


@pytest.mark.parametrize(
    ("clause", "forbids"),
    [
        (cs.ForbiddenLessThanRelation, lambda a, b: a < b),
        (cs.ForbiddenGreaterThanRelation, lambda a, b: a > b),
        (cs.ForbiddenEqualsRelation, lambda a, b: a == b),
    ],
)
def test_forbidden_relations_compare_values(clause, forbids):
    space = cs.ConfigurationSpace("s")
    a, b = cs.Integer("a", (0, 5), default=2), cs.OrdinalHyperparameter("b", [7, 1, 2])
    if forbids(2, 7):
        b = cs.OrdinalHyperparameter("b", [1, 7, 2])
    space.add(a, b, clause(a, b))
    configs = [{"a": i, "b": j} for i in range(6) for j in (7, 1, 2)]
    assert [bool(why) for why in check(space, configs)] == [
        forbids(c["a"], c["b"]) for c in configs
    ]


@pytest.mark.parametrize("kind", ["LessThan", "LessThanEquals", "GreaterThan", "GreaterThanEquals"])
def test_forbidden_thresholds(kind):
    clause = getattr(cs.forbidden, f"Forbidden{kind}Clause", None)
    if clause is None:
        pytest.skip(f"this ConfigSpace has no Forbidden{kind}Clause")
    a = cs.Integer("a", (0, 5), default=0 if kind.startswith("G") else 5)
    space = cs.ConfigurationSpace("s", space=[a])
    space.add(clause(a, 3))
    compare = {
        "LessThan": operator.lt,
        "LessThanEquals": operator.le,
        "GreaterThan": operator.gt,
        "GreaterThanEquals": operator.ge,
    }[kind]
    assert [bool(why) for why in check(space, [{"a": v} for v in range(6)])] == [
        compare(v, 3) for v in range(6)
    ]
    assert not any(compare(config["a"], 3) for config in sample(space, 50, 0))


def test_configspace_agrees_on_what_is_legal():
    space = seeded_classifier_space()
    configs = [dict(config) for config in space.sample_configuration(300)]
    assert check(space, configs) == [None] * 300
    rng = random.Random(0)
    broken = []
    for config in configs:
        name = rng.choice(sorted(config))
        broken.append({key: value for key, value in config.items() if key != name})
        other = rng.choice(sorted(space.keys()))
        broken.append({**config, other: space[other].default_value})
    for config, why in zip(broken, check(space, broken), strict=True):
        try:
            cs.Configuration(space, values=config)
        except ValueError:
            assert why is not None
        else:
            assert why is None


# Sampling.


@quick
@given(spaces(), st.integers(0, 1000))
def test_the_seed_fixes_the_sample_and_the_space_is_left_alone(space, seed):
    state = space.random.get_state()[1].copy()
    one = sample(space, 7, seed)
    assert sample(space, 7, seed) == one
    assert len(one) == 7
    np.testing.assert_array_equal(space.random.get_state()[1], state)
    assert sample(space, 0, seed) == []


def test_a_sample_follows_the_prior():
    weighted = cs.CategoricalHyperparameter("c", ["b", "a"], weights=[9.0, 1.0])
    space = cs.ConfigurationSpace("s", space=[weighted, cs.Float("f", (1e-4, 1.0), log=True)])
    configs = sample(space, 2000, 1)
    assert 0.87 < np.mean([config["c"] == "b" for config in configs]) < 0.93
    assert 0.45 < np.mean([config["f"] < 1e-2 for config in configs]) < 0.55


def test_a_space_that_forbids_all_but_its_default_cannot_be_sampled():
    space = cs.ConfigurationSpace("s", space=[cs.Float("f", (0.0, 1.0), default=0.0)])
    space.add(cs.ForbiddenGreaterThanClause(space["f"], 0.0))
    with pytest.raises(InvalidSpace, match="loosen"):
        sample(space, 1, 0)


# Inferring.


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


def test_the_import_is_light():
    code = "import sys, metadb.space; print({'ConfigSpace', 'scipy', 'torch'} & set(sys.modules))"
    out = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert out.stdout.strip() == "set()"
