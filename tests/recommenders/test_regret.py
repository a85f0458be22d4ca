"""Normalised regret by hand."""

from __future__ import annotations

import numpy as np

from recommenders.regret import normalised_regret


def test_normalised_regret_by_hand():
    loss = np.array([[1.0, 3.0, 2.0, np.inf, np.nan], [5.0, 5.0, np.nan, np.nan, np.inf]])
    expected = [[0.0, 1.0, 0.5, 1.0, np.nan], [0.0, 0.0, np.nan, np.nan, 1.0]]
    np.testing.assert_allclose(normalised_regret(loss), expected)
