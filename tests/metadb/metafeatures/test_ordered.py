"""Laws of sorted numbers: quantiles are NumPy's, bins are pymfe's."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from metadb.metafeatures.ordered import bins, count_present, quantiles

SHARES = np.array([0.0, 0.05, 0.25, 1 / 3, 0.5, 0.75, 0.9, 1.0])


@given(st.lists(st.floats(-1e6, 1e6), min_size=1, max_size=40))
def test_quantiles_are_numpys_to_the_bit(values: list[float]) -> None:
    ordered = np.sort(np.array([values]))
    expected = np.quantile(ordered[0], SHARES)
    np.testing.assert_array_equal(quantiles(ordered, count_present(ordered), SHARES)[0], expected)


def test_missing_values_do_not_count() -> None:
    x = np.array([[3.0, np.nan, 1.0, 2.0], [np.nan] * 4, [1.0, 2.0, 3.0, 4.0]])
    ordered = np.sort(x, axis=1)
    present = count_present(ordered)
    assert present.tolist() == [3, 0, 4]
    found = quantiles(ordered, present, np.array([0.5]))[:, 0]
    np.testing.assert_array_equal(found, [2.0, np.nan, 2.5])


@pytest.mark.parametrize("n_bins", [1, 2, 5, 9])
@pytest.mark.filterwarnings("ignore:It is not possible")
def test_bins_are_pymfes(n_bins: int) -> None:
    internal = pytest.importorskip("pymfe._internal", reason="pymfe is not installed")
    rng = np.random.default_rng(0)
    x = np.stack(
        [
            rng.normal(size=200),
            rng.integers(0, 4, 200).astype(float),
            np.full(200, 3.0),
            np.round(rng.exponential(size=200), 1),
            np.where(rng.random(200) < 0.8, 0.0, rng.normal(size=200)),
            rng.normal(size=200) * 1e-9,
        ]
    )
    theirs = internal.transform_num(x.T, num_bins=n_bins).T
    for row, (codes, n_codes) in zip(theirs, bins(x, np.sort(x, axis=1), n_bins), strict=True):
        there, expected = np.unique(row, return_inverse=True)
        np.testing.assert_array_equal(codes, expected)
        assert n_codes == len(there)


def test_missing_values_are_the_last_bin() -> None:
    x = np.array([[1.0, np.nan, 2.0, 3.0, np.nan]])
    ((codes, n_codes),) = bins(x, np.sort(x, axis=1), 3)
    assert codes.tolist() == [0, 3, 1, 2, 3]
    assert n_codes == 4
