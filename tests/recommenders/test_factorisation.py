"""Factorisation finds its way where tasks are mixtures of few kinds."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from metadb.records import Evaluation, Task, Trial
from recommenders.completion import Completion
from recommenders.factorisation import Factorisation
from tests.contracts.test_recommenders import NEW, make_history
from tests.recommenders.test_side import telling


@pytest.fixture
def two_kinds():
    """On tasks of one kind config 2 is best and 11 worst, on the others the other way round."""
    history = make_history(0)
    sign = np.where(history.task % 2, 1.0, -1.0)
    loss = 0.5 + 0.4 * sign * ((history.config == 2) * 1.0 - (history.config == 11))
    loss += 0.3 * (history.config == 7) * sign + 0.01 * history.loss
    return replace(history, loss=loss, described={})


@pytest.mark.parametrize(("seven", "best"), [(0.8, 11), (0.2, 2)])
def test_one_evaluation_tells_the_kind_of_the_task(two_kinds, seven, best):
    """Config 7 is bad where config 2 is bad; its loss and that of a plain one say which it is."""
    observed = [
        Evaluation(Trial(two_kinds.configs[7]), seven), Evaluation(Trial(two_kinds.configs[0]), 0.5)
    ]  # fmt: skip
    advice = Factorisation.fit(two_kinds).recommend(NEW, 1, observed=observed)[0]
    assert advice.config == two_kinds.configs[best]
    assert advice.expected_loss < 0.1
    kind = {two_kinds.tasks.index(t) % 2 for t in advice.because.tasks[:3]}
    assert len(kind) == 1  # the tasks of this kind weigh most


def test_first_is_the_least_mean_regret(two_kinds):
    plain = make_history(9)
    mean = Completion.fit(plain).regret.reshape(8, 15).mean(axis=0)
    advice = Factorisation.fit(plain, side=False).recommend(NEW, 1)
    assert advice[0].config == plain.configs[int(mean.argmin())]


def test_meta_features_lead_where_they_help():
    history = telling(0.01)
    fitted = Factorisation.fit(history)
    assert fitted.side is not None
    ends = [Task("toy:new", metafeatures={"z": z}) for z in (0.0, 1.0)]
    first, last = (fitted.weights(task) for task in ends)
    assert first[0] > last[0]
    assert last[-1] > first[-1]
