"""Texts of setups as typed values, under names that outlive versions."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ingest.openml.hyperparameters import IDLE, configuration, decoded
from metadb.identity import canonical_config, family


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("null", "None"),
        ('"None"', "None"),
        ("None", "None"),
        ("true", True),
        ("True", True),
        ("0.1", 0.1),
        ("1e-3", 0.001),
        ("3", 3),
        ('"gini"', "gini"),
        ("gini", "gini"),
        ('"0.1"', "0.1"),
        ("NaN", "NaN"),
        ("-Infinity", "-Infinity"),
        ("", ""),
        ("[1, 2.50]", "[1,2.5]"),
        ('{"b": 1, "a": [null]}', '{"a":[null],"b":1}'),
        ('{"oml-python:serialized_object": "function", "value": "a.b.f_classif"}', "f_classif"),
        ('{"oml-python:serialized_object": "type", "value": "np.float64"}', "float64"),
        ('{"oml-python:serialized_object": "component_reference", "value": {"key": "e"}}', None),
        ('[{"oml-python:serialized_object": "component_reference", "value": {"key": "e"}}]', None),
        (
            '{"oml-python:serialized_object": "rv_frozen", "value": {"dist": "scipy.randint", '
            '"a": 1, "args": [1, 9]}}',
            '{"rv_frozen":{"a":1,"args":[1,9],"dist":"scipy.randint"}}',
        ),
        ("[" * 5000, "[" * 5000),
    ],
)
def test_a_text_is_the_value_it_stands_for(text: str, value: object) -> None:
    found = decoded(text)
    assert found == value
    assert type(found) is type(value)


@given(
    st.recursive(
        st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
        lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    )
)
def test_any_json_becomes_a_plain_value_of_a_config(value: object) -> None:
    found = decoded(json.dumps(value))
    assert found is not None
    canonical_config({"x": found})  # raises where it is not plain


PIPELINE = (
    "sklearn.pipeline.Pipeline(imp=sklearn.{impute}.SimpleImputer,clf=sklearn.{forest}.Forest)"
)
OLD = PIPELINE.format(impute="preprocessing.imputation", forest="ensemble.forest")
NEW = PIPELINE.format(impute="impute._base", forest="ensemble._forest")


def setup(flow: str, forest: str) -> list[tuple[str, str, str]]:
    return [
        (flow, "memory", "null"),
        (flow, "steps", '[{"oml-python:serialized_object": "component_reference", "value": {}}]'),
        (forest, "max_features", '"sqrt"'),
        (forest, "n_jobs", "4"),
        (forest, "random_state", "7"),
    ]


def test_one_configuration_in_two_versions_is_one() -> None:
    old = configuration(f"{OLD}(3)", setup(OLD, "sklearn.ensemble.forest.Forest"))
    new = configuration(f"{NEW}(1)", setup(NEW, "sklearn.ensemble._forest.Forest"))
    assert old == new == ({"memory": "None", "clf__max_features": "sqrt"}, 7)
    assert family(f"{OLD}(3)") == family(f"{NEW}(1)")


def test_parts_within_parts_are_named_by_their_place() -> None:
    search = f"sklearn.model_selection._search.GridSearchCV(estimator={NEW})"
    config, seed = configuration(
        search,
        [("sklearn.ensemble._forest.Forest", "depth", "2"), (search, "random_state", "null")],
    )
    assert config == {"estimator__clf__depth": 2}
    assert seed is None


def test_a_part_that_is_there_twice_is_named_by_its_class() -> None:
    flow = "a.Union(x=b.Scale,y=b.Scale)"
    assert configuration(flow, [("b.Scale", "mean", "true")])[0] == {"Scale__mean": True}


@pytest.mark.parametrize("name", sorted(IDLE))
def test_what_changes_no_result_is_left_out(name: str) -> None:
    assert configuration("weka.J48(1)", [("weka.J48", name, "3")]) == ({}, None)
