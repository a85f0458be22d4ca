from __future__ import annotations

import enum
import json

import duckdb
import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from metadb.admission import key_sql
from metadb.errors import InvalidConfig
from metadb.identity import (
    canonical_config,
    config_id,
    config_ids,
    family,
    parse_config,
    row_id,
    typed,
)
from metadb.schema import TABLES

CON = duckdb.connect()
TEXTS = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\x1f"), max_size=12)
FLOATS = st.floats(allow_nan=False, allow_infinity=False)
ODD_FLOATS = [1e-7, 0.1, 1e15, 1e16, 1e17, 1e22, 1 / 3, 5e-324, 1.7976931348623157e308, 123456.0]
PLAIN = st.one_of(TEXTS, FLOATS, st.booleans(), st.integers(-(2**63), 2**63))
CONFIGS = st.dictionaries(TEXTS.filter(bool), PLAIN, max_size=5)


def keys_in_sql(name: str, rows: list[dict[str, object]]) -> list[str]:
    table = TABLES[name]
    CON.register("incoming", pa.Table.from_pylist(rows, schema=table.arrow))
    return [row[0] for row in CON.execute(f"select {key_sql(table)} from incoming").fetchall()]


@given(
    st.lists(
        st.fixed_dictionaries(
            {
                "origin": TEXTS,
                "task": TEXTS,
                "config": TEXTS,
                "metric": TEXTS,
                "fold": st.none() | st.integers(-(2**31), 2**31 - 1),
                "repeat": st.none() | st.integers(0, 9),
                "seed": st.none() | st.integers(-(2**63), 2**63 - 1),
                "budget": FLOATS | st.sampled_from(ODD_FLOATS),
                "budget_unit": TEXTS,
                "run": st.none() | TEXTS,
            }
        ),
        min_size=1,
        max_size=20,
    )
)
def test_sql_and_python_make_the_same_key_of_an_evaluation(rows):
    identity = TABLES["evaluations"].identity
    assert keys_in_sql("evaluations", rows) == [row_id(*(r[c] for c in identity)) for r in rows]


@pytest.mark.parametrize("budget", ODD_FLOATS)
def test_sql_and_python_write_a_float_alike(budget):
    row = dict.fromkeys(TABLES["evaluations"].identity) | {"budget": budget}
    expected = row_id(*(row[c] for c in TABLES["evaluations"].identity))
    assert keys_in_sql("evaluations", [row]) == [expected]


@given(TEXTS, CONFIGS, st.none() | TEXTS)
def test_sql_and_python_make_the_same_key_of_a_config(space, config, native):
    row = {"space": space, "native": native, "hyperparameters": canonical_config(config)}
    assert keys_in_sql("configs", [row]) == [config_id(space, config, native)]


@given(CONFIGS)
def test_a_canonical_text_is_read_back_and_does_not_depend_on_order(config):
    text = canonical_config(config)
    assert parse_config(text) == {
        k: v + 0.0 if isinstance(v, float) else v for k, v in config.items()
    }
    assert canonical_config(dict(reversed(config.items()))) == text
    assert canonical_config(parse_config(text)) == text
    assert config_ids("s", [text]) == [config_id("s", config)]


class Kernel(str, enum.Enum):  # noqa: UP042 - a text whose str() is another one
    RBF = "rbf"


@pytest.mark.parametrize(
    ("spelling", "plain"),
    [
        (np.float64(0.1), 0.1),
        (np.float32(0.5), 0.5),
        (np.array(0.25), 0.25),
        (np.int64(3), 3),
        (np.bool_(True), True),
        (np.str_("rbf"), "rbf"),
        (Kernel.RBF, "rbf"),
        (-0.0, 0.0),
        (None, "None"),
    ],
)
def test_a_value_is_one_value_however_it_is_spelled(spelling, plain):
    assert canonical_config({"x": spelling}) == canonical_config({"x": plain})


def test_an_integer_a_float_a_truth_value_and_a_text_are_four_configs():
    assert len({config_id("s", {"x": x}) for x in (1, 1.0, True, "1")}) == 4


@pytest.mark.parametrize(
    "config",
    [
        {"x": float("nan")},
        {"x": float("inf")},
        {"x": np.float32("nan")},
        {"x": [1]},
        {"x": {"y": 1}},
        {"x": np.array([1])},
        {"x": np.array([1, 2])},
        {"x": b"a"},
        {"x": np.datetime64("2020-01-01")},
        {"": 1},
        {1: 1},
        {"x": "\ud800"},
        {"\ud800": 1},
    ],
    ids=ascii,
)
def test_what_is_no_plain_value_is_refused(config):
    with pytest.raises(InvalidConfig):
        canonical_config(config)


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("3", 3),
        ("-3", -3),
        ("3.0", 3.0),
        ("1e-3", 1e-3),
        (" true ", True),
        ("False", False),
        ("none", "None"),
        ("NULL", "None"),
        ('"rbf"', "rbf"),
        ("rbf", "rbf"),
        ("nan", "nan"),
        ("inf", "inf"),
        ("1e999", "1e999"),
        ("1_000", "1_000"),
        ("٣", "٣"),
        (".", "."),
        ("", ""),
        ("9" * 5000, "9" * 5000),
    ],
    ids=lambda v: str(v)[:12],
)
def test_a_foreign_text_is_the_value_it_stands_for(text, value):
    found = typed(text)
    assert found == value
    assert type(found) is type(value)


@given(st.integers(-(2**70), 2**70) | FLOATS | st.booleans())
def test_a_number_written_as_text_is_that_number(value):
    found = typed(str(value))
    assert found == value
    assert type(found) is type(value)


def test_a_family_is_one_across_the_renaming_of_sklearns_modules():
    old = (
        "sklearn.pipeline.Pipeline(imp=sklearn.preprocessing.imputation.Imputer,"
        "svc=sklearn.svm.classes.SVC)(3)"
    )
    new = "sklearn.pipeline.Pipeline(imp=sklearn.preprocessing.imputation.Imputer,svc=sklearn.svm._classes.SVC)(7)"
    assert family(old) == family(new) == "sklearn.Pipeline(imp=sklearn.Imputer,svc=sklearn.SVC)"
    assert family("weka.J48") == "weka.J48"
    assert family("weka.J48(12)") != family("weka.RandomForest(12)")


def test_identity_separates_what_text_would_run_together():
    assert row_id("ab", "c") != row_id("a", "bc")
    assert row_id("a", None, "b") != row_id("a", "b", None)
    assert json.loads(canonical_config({"x": "é\x1f'\""})) == {"x": "é\x1f'\""}
    assert "\x1f" not in canonical_config({"x": "\x1f"})  # so no config can run parts together
