from __future__ import annotations

import numpy as np

from optimizers.nas.ensemble import MEMBERS, Ensemble, _gradients, _layers


def test_gradients_are_those_of_finite_differences():
    rng = np.random.default_rng(0)
    weights = [rng.normal(size=(2, into + 1, out)) for into, out in ((4, 3), (3, 3), (3, 1))]
    x, y = rng.normal(size=(2, 6, 4)), rng.normal(size=(2, 6))

    def error():
        return np.abs(_layers(weights, x)[-1][..., 0] - y).mean(axis=1).sum()

    for w, gradient in zip(weights, _gradients(weights, x, y), strict=True):
        assert gradient.shape == w.shape
        for place in [(0, 0, 0), (1, w.shape[1] - 1, 0), (1, 1, w.shape[2] - 1)]:
            old, step = w[place], 1e-6
            w[place] = old + step
            more = error()
            w[place] = old - step
            less = error()
            w[place] = old
            np.testing.assert_allclose(gradient[place], (more - less) / (2 * step), atol=1e-5)


def test_it_learns_what_adds_up_and_doubts_what_it_has_not_seen():
    rng = np.random.default_rng(1)
    x = (rng.random((200, 20)) < 0.3).astype(float)
    y = x @ rng.normal(size=20)
    y = (y - y.mean()) / y.std()
    ensemble = Ensemble.fit(x[:150], y[:150], seed=0)
    predicted = ensemble.predict(x)
    assert predicted.shape == (MEMBERS, 200)
    assert np.corrcoef(predicted.mean(axis=0)[150:], y[150:])[0, 1] > 0.8
    far = ensemble.predict(np.ones((1, 20)))
    assert far.std(axis=0)[0] > predicted.std(axis=0)[:150].mean()
    np.testing.assert_array_equal(
        Ensemble.fit(x, y, seed=3).predict(x), Ensemble.fit(x, y, seed=3).predict(x)
    )
