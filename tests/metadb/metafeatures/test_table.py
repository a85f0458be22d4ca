"""Laws of the table: what is encoded is what is there, whole or in blocks, and of a sample too."""

from __future__ import annotations

import numpy as np
import pyarrow as pa
import pytest

from metadb.datafile import data_of
from metadb.metafeatures import Table, table_of
from metadb.metafeatures import table as module
from metadb.metafeatures.table import LEVELS, Arrays

N = 60


def mixed(seed: int = 0) -> pa.Table:
    rng = np.random.default_rng(seed)
    number = rng.normal(size=(N, 3))
    number[rng.random((N, 3)) < 0.1] = np.nan
    colour = rng.choice(np.array(["red", "green", "blue", None], object), N)
    door = rng.choice(np.array(["open", "shut"], object), N)
    return pa.table(
        {
            "a": pa.array(number[:, 0], from_pandas=True),
            "colour": pa.array(colour),
            "b": pa.array(number[:, 1], from_pandas=True),
            "door": pa.array(door),
            "flag": pa.array(rng.random(N) < 0.5),
            "c": pa.array(number[:, 2], from_pandas=True),
        }
    )


def table() -> Table:
    return table_of(data_of(mixed(), pa.array(np.arange(N) % 3)))


def test_the_matrix_is_that_of_a_linear_model() -> None:
    """Numbers with the mean for a missing one; all levels of the first category, then all but one."""
    frame = mixed().to_pandas()
    columns = [frame[name].fillna(frame[name].mean()).to_numpy() for name in ("a", "b", "c")]
    texts = frame[["colour", "door", "flag"]].astype(object)
    colour = texts["colour"].where(texts["colour"].notna(), "~ missing")  # sorts last
    columns += [(colour == level).to_numpy(float) for level in sorted(set(colour))]
    columns += [(texts["door"] == "shut").to_numpy(float), (texts["flag"] == True).to_numpy(float)]  # noqa: E712
    np.testing.assert_allclose(table().matrix, np.column_stack(columns), rtol=1e-12)


@pytest.mark.parametrize("cells", [1, 7, 100, 10**6])
def test_blocks_of_any_size_are_the_whole(cells: int, monkeypatch: pytest.MonkeyPatch) -> None:
    whole = table()
    expected, discrete = whole.matrix, [codes for codes, _ in whole.discrete()]
    monkeypatch.setattr(module, "CELLS", cells)
    again = table()
    encoded = np.concatenate(list(again.encoded()))  # (width, n)
    gone = np.isnan(encoded)
    np.testing.assert_allclose(encoded[~gone], expected.T[~gone])
    assert gone.sum() == again.missing[0][:3].sum()
    np.testing.assert_array_equal(
        np.concatenate([r for _, r in again.blocks()], axis=1), expected.T
    )
    for (codes, _), before in zip(again.discrete(), discrete, strict=True):
        np.testing.assert_array_equal(codes, before)


def test_codes_are_dense() -> None:
    for codes, n_codes in table().discrete():
        assert set(codes.tolist()) == set(range(n_codes))


def test_a_sample_keeps_the_shares_of_the_classes() -> None:
    rng = np.random.default_rng(0)
    sizes = np.array([7_000, 2_000, 990, 9, 1])
    y = rng.permutation(np.repeat(np.arange(5), sizes))
    whole = Table(
        Arrays(rng.normal(size=(2, 10_000)), np.empty((0, 10_000), np.int32)), "classification", y
    )
    sample = whole.sample(1_000, seed=3)
    assert sample.n == 1_000
    assert sample.class_sizes.min() == 1
    assert abs(sample.class_sizes - sizes / 10).max() <= 1
    assert (sample.of, whole.of) == (10_000, None)
    np.testing.assert_array_equal(
        sample.columns.numbers(0, 2), whole.sample(1_000, seed=3).columns.numbers(0, 2)
    )
    assert (sample.columns.numbers(0, 1) != whole.sample(1_000, seed=4).columns.numbers(0, 1)).any()
    assert whole.sample(10_000, seed=0) is whole
    places = np.searchsorted(
        np.sort(whole.columns.numbers(0, 1)[0]), sample.columns.numbers(0, 1)[0]
    )
    assert len(np.unique(places)) == sample.n  # without replacement


@pytest.mark.parametrize("seed", range(30))
def test_a_sample_has_the_size_asked_for(seed: int) -> None:
    rng = np.random.default_rng(seed)
    sizes = rng.integers(1, 3, rng.integers(1, 80)).tolist() + rng.integers(1, 900, 3).tolist()
    y = rng.permutation(np.repeat(np.arange(len(sizes)), sizes))
    size = int(rng.integers(len(sizes), len(y) + 1))
    whole = Table(
        Arrays(np.zeros((1, len(y))), np.empty((0, len(y)), np.int32)), "classification", y
    )
    sample = whole.sample(size, seed)
    assert sample.n == size
    assert sample.class_sizes.min() >= 1
    assert (sample.class_sizes <= whole.class_sizes).all()


def test_more_classes_than_instances_to_draw() -> None:
    n = 500
    whole = Table(
        Arrays(np.arange(n, dtype=float)[None], np.empty((0, n), np.int32)),
        "classification",
        np.arange(n),
    )
    part = whole.sample(100, seed=0)
    assert part.n == 100
    assert part.class_sizes.tolist() == [1] * 100  # every class of a table occurs in it


def test_a_sample_forgets_the_categories_it_does_not_hold() -> None:
    c = np.array([[0] * 98 + [1, 2]], np.int32)
    whole = Table(Arrays(np.zeros((1, 100)), c, (3,), (True,)), "clustering", None)
    part = whole.sample(10, seed=0)
    assert part.columns.levels[0] == len(set(part.columns.codes(0).tolist()))
    assert part.missing[0][1] <= 1


def test_of_many_categories_the_most_frequent_have_a_column() -> None:
    n_levels = LEVELS + 50
    codes = np.concatenate([np.arange(n_levels), np.arange(10, 10 + LEVELS)])
    c = codes[None].astype(np.int32)
    whole = Table(Arrays(np.empty((0, len(codes))), c, (n_levels,), (False,)), "clustering", None)
    assert whole.kept_levels[0].tolist() == list(range(10, 10 + LEVELS))
    assert whole.matrix.shape == (len(codes), LEVELS)


def test_missing_values_are_counted_where_they_are() -> None:
    frame = mixed().to_pandas()
    by_attribute, n_instances = table().missing
    order = ["a", "b", "c", "colour", "door", "flag"]
    assert by_attribute.tolist() == [int(frame[name].isna().sum()) for name in order]
    assert n_instances == int(frame.isna().any(axis=1).sum())
