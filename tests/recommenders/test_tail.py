"""A long bad tail is pulled in, and no order is changed."""

from __future__ import annotations

import numpy as np
import pytest

from recommenders.tail import scaled


def test_scaled_losses_keep_their_order_and_never_overflow():
    rng = np.random.default_rng(0)
    for loss in (rng.lognormal(0, 3, 50), rng.normal(size=50), -rng.lognormal(0, 3, 50)):
        y = scaled(loss)
        assert y.mean() == pytest.approx(0, abs=1e-9)
        assert y.std() == pytest.approx(1)
        assert (np.argsort(y, kind="stable") == np.argsort(loss, kind="stable")).all()
    assert np.isfinite(scaled(np.array([1e308, -1e308, 0.0, 5.0, 1e300]))).all()
    assert (scaled(np.full(9, 0.25)) == 0).all()
    heavy = scaled(np.append(np.linspace(0, 1, 20), 1e6))
    assert heavy[19] - heavy[0] > 1  # the good ones can be told apart
