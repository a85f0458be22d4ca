from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from metadb.errors import InvalidMetric
from metadb.metrics import ALIASES, METRICS, as_loss, canonical, metric_of, metric_row


@pytest.mark.parametrize("name", METRICS)
def test_a_metric_has_a_sentence_and_sound_bounds(name):
    metric = METRICS[name]
    assert metric.doc.endswith(".")
    assert metric.name == name == canonical(name)
    assert metric.lower is None or metric.upper is None or metric.lower < metric.upper


@pytest.mark.parametrize("name", METRICS)
def test_a_metric_comes_back_from_its_row(name):
    assert metric_of(metric_row(METRICS[name])) == METRICS[name]


@pytest.mark.parametrize("alias", ALIASES)
def test_an_alias_leads_to_a_metric_and_is_none(alias):
    assert canonical(alias) in METRICS
    assert alias not in METRICS


@given(st.sampled_from(sorted(METRICS)), st.lists(st.floats(allow_nan=False), min_size=2))
def test_a_loss_orders_as_the_metric_does_and_turns_back(name, values):
    metric, value = METRICS[name], np.array(values)
    loss = as_loss(value, metric)
    assert np.array_equal(as_loss(loss, metric), value)
    best = value.min() if metric.lower_is_better else value.max()
    assert value[np.argmin(loss)] == best


def test_a_metric_without_direction_is_refused():
    with pytest.raises(InvalidMetric, match="lower is better"):
        metric_of({"metric": "mystery", "lower_is_better": None})
