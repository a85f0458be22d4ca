"""Laws of the simple group: its values are pymfe's; what is undefined is said to be."""

from __future__ import annotations

import math

import numpy as np
import pyarrow as pa
import pytest

from metadb.datafile import Data
from metadb.metafeatures import extract_table, table_of
from metadb.metafeatures import simple as module
from metadb.metafeatures.simple import SIMPLE

# pymfe 0.4.4 on seeded_table(): MFE(groups=["general"], summary=["mean", "sd", "min", "max"])
# .fit(x, y, cat_cols=[4, 5], transform_cat=None, transform_num=False).extract(), x an object array.
PYMFE = {
    "attr_to_inst": 0.15,
    "cat_to_num": 0.5,
    "freq_class.max": 0.625,
    "freq_class.mean": 0.3333333333333333,
    "freq_class.min": 0.15,
    "freq_class.sd": 0.25535922410074274,
    "inst_to_attr": 6.666666666666667,
    "nr_attr": 6.0,
    "nr_bin": 2.0,
    "nr_cat": 2.0,
    "nr_class": 3.0,
    "nr_inst": 40.0,
    "nr_num": 4.0,
    "num_to_cat": 2.0,
}


def describe(data: Data) -> dict[str, float]:
    return extract_table(table_of(data), groups=["simple"]).known()


def seeded_table() -> Data:
    rng = np.random.default_rng(0)
    number = rng.normal(size=(40, 3)).round(3)
    flag = rng.integers(0, 2, 40)
    colour = rng.choice(["red", "green", "blue"], 40)
    door = rng.choice(["open", "shut"], 40)
    y = rng.choice(["a", "b", "c"], 40, p=[0.6, 0.3, 0.1])
    columns = [*number.T, flag, colour, door]
    x = pa.table([pa.array(column) for column in columns], names=list("uvwfcd"))
    return Data(x, pa.array(y), "y", "classification", (4, 5))


def small(y: pa.Array | None, kind: str) -> Data:
    x = pa.table({"a": [1.0, None, None], "b": ["p", "q", None]})
    return Data(x, y, None if y is None else "y", kind, (1,))


def test_they_are_pymfes() -> None:
    found = describe(seeded_table())
    assert {name: found[name] for name in PYMFE} == pytest.approx(PYMFE, rel=1e-12)


def test_every_name_is_documented_and_found() -> None:
    assert set(describe(seeded_table())) == set(SIMPLE)
    documented = [
        line.split("|")[1].strip() for line in (module.__doc__ or "").splitlines() if "|" in line
    ]
    assert documented[2:] == [name for name in documented[2:] if name in SIMPLE]
    assert set(documented[2:]) == set(SIMPLE)


def test_by_hand() -> None:
    found = describe(small(pa.array(["u", "v", "v"]), "classification"))
    assert found == pytest.approx(
        {
            "nr_inst": 3,
            "nr_attr": 2,
            "nr_num": 1,
            "nr_cat": 1,
            "nr_bin": 1,
            "nr_missing": 3,
            "nr_inst_missing": 2,
            "nr_attr_missing": 2,
            "pct_missing": 50.0,
            "attr_to_inst": 2 / 3,
            "inst_to_attr": 1.5,
            "cat_to_num": 1.0,
            "num_to_cat": 1.0,
            "log_nr_inst": math.log(3),
            "log_nr_attr": math.log(2),
            "nr_class": 2,
            "freq_class.mean": 0.5,
            "freq_class.sd": math.sqrt(1 / 18),
            "freq_class.min": 1 / 3,
            "freq_class.max": 2 / 3,
            "imbalance_ratio": 2.0,
            "class_ent_norm": -(math.log2(1 / 3) / 3 + 2 * math.log2(2 / 3) / 3),
        }
    )


@pytest.mark.parametrize(
    ("y", "kind"), [(pa.array([0.5, 1.0, 2.0]), "regression"), (None, "clustering")]
)
def test_without_classes_nothing_is_said_of_them(y: pa.Array | None, kind: str) -> None:
    assert not set(describe(small(y, kind))) & set(module.SHARES)


def test_what_is_undefined_is_absent() -> None:
    one = describe(small(pa.array(["u", "u", "u"]), "classification"))
    assert one["nr_class"] == 1
    assert not {"freq_class.sd", "class_ent_norm"} & set(one)
    numeric = Data(pa.table({"a": [1.0]}), pa.array(["u"]), "y", "classification")
    assert "num_to_cat" not in describe(numeric)
    assert describe(numeric)["cat_to_num"] == 0.0


def test_the_encoding_of_a_column_does_not_matter() -> None:
    plain = seeded_table()
    coded = plain.x.set_column(4, "c", plain.x.column("c").dictionary_encode())
    y = None if plain.y is None else plain.y.dictionary_encode()
    assert describe(Data(coded, y, "y", plain.kind, (4, 5))) == describe(plain)
