"""GPs factorised once say what GPs factorised at each call say."""

from __future__ import annotations

import numpy as np
import pytest

from recommenders import posteriors
from recommenders.gp import GP
from recommenders.posteriors import Posteriors


def three_tasks(device: str) -> GP:
    """Of 20, 12 and 1 points, on different scales."""
    rng = np.random.default_rng(3)
    x, y = rng.random((3, 20, 4)), rng.normal(size=(3, 20)) * [[1.0], [50.0], [0.01]]
    mask = np.arange(20) < np.array([[20], [12], [1]])
    return GP.fit(x, y, mask, steps=5, device=device)


@pytest.mark.parametrize("cells", [1, 300, 1_000_000])
def test_they_say_the_same_in_whatever_pieces(cells, device, monkeypatch):
    monkeypatch.setattr(posteriors, "_CACHE", cells)
    monkeypatch.setattr(posteriors, "_MEMORY", cells)
    gp = three_tasks(device)
    x = np.random.default_rng(4).random((31, 4))
    x[0] = gp.x[0, 0]
    told, slow = Posteriors.of(gp).predict(x), gp.predict(x)
    width = gp.width[:, None]
    assert told[0] / width == pytest.approx(slow[0] / width, abs=1e-9)
    assert told[1] / width == pytest.approx(slow[1] / width, abs=1e-6)
    some = Posteriors.of(gp).take([2, 0])
    assert len(some) == 2
    assert some.predict(x)[0] == pytest.approx(told[0][[2, 0]], abs=1e-12)


def test_no_task_and_no_point_are_no_answer(device):
    gp = three_tasks(device)
    assert Posteriors.of(gp).predict(np.empty((0, 4)))[0].shape == (3, 0)
    none = Posteriors.of(gp.take(np.empty(0, np.intp)))
    assert none.predict(np.zeros((5, 4)))[1].shape == (0, 5)
