"""Laws of `metadb.space`, over generated spaces and over the bundled learners' space."""

from __future__ import annotations

import json
import operator
import random
import subprocess
import sys
from typing import Any

import ConfigSpace as cs
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from metadb.encoding import encoding
from metadb.errors import InvalidConfig, InvalidSpace
from metadb.space import check, default, from_json, sample, space_id, to_json, validate
from optimizers.learners import classifier_space
from tests.metadb.spaces import SMALL, quick, seeded_classifier_space, spaces

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
    ids=" ".join,  # of the keys: a value may print its address, which pytest-xdist minds
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


def test_the_import_is_light():
    code = (
        "import sys, metadb.encoding, metadb.inference, metadb.space;"
        "print({'ConfigSpace', 'scipy', 'torch'} & set(sys.modules))"
    )
    out = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert out.stdout.strip() == "set()"
