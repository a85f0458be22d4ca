"""Whatever an objective does is an evaluation whose parts fit together."""

from __future__ import annotations

import math

import pytest

from metadb.records import Evaluation, Trial
from optimizers.outcome import evaluate, settle

TRIAL = Trial({"a": 1}, 0.5, 7, 3)
INF, NAN = math.inf, math.nan


@pytest.mark.parametrize(
    ("found", "loss", "status"),
    [
        (0.25, 0.25, "ok"),
        (3, 3.0, "ok"),
        (NAN, None, "failed"),
        (INF, None, "failed"),
        (-INF, None, "failed"),
        ("0.5", None, "failed"),
        (b"1", None, "failed"),
        (None, None, "failed"),
        ([0.5], None, "failed"),
        (1j, None, "failed"),
        (Evaluation(TRIAL, 0.5), 0.5, "ok"),
        (Evaluation(TRIAL, "0.5"), None, "failed"),
        (Evaluation(TRIAL, NAN), None, "failed"),
        (Evaluation(TRIAL, None), None, "failed"),
        (Evaluation(TRIAL, 0.5, None, "failed"), None, "failed"),
        (Evaluation(TRIAL, None, 1.0, "timeout"), None, "timeout"),
        (Evaluation(TRIAL, None, 1.0, "memout"), None, "memout"),
        (Evaluation(TRIAL, 0.5, 1.0, "censored"), 0.5, "censored"),
        (Evaluation(TRIAL, None, 1.0, "censored"), None, "censored"),
        (Evaluation(TRIAL, NAN, 1.0, "censored"), None, "failed"),
        (Evaluation(TRIAL, 0.5, 1.0, "fine"), None, "failed"),
        (Evaluation(Trial({"a": 2}, 0.5, 7, 3), 0.5), None, "failed"),
        (Evaluation(Trial({"a": 1}, 0.5, 8, 3), 0.5), None, "failed"),
    ],
    ids=repr,
)
def test_what_is_returned_becomes_an_evaluation_of_the_trial(found, loss, status):
    outcome = settle(TRIAL, found, 2.0)
    assert outcome.evaluation.trial == TRIAL
    assert (outcome.evaluation.loss, outcome.evaluation.status) == (loss, status)
    assert (outcome.why is None) == (loss is not None)
    assert "\n" not in (outcome.why or "")


@pytest.mark.parametrize(
    ("given", "cost_s"), [(None, 2.0), (NAN, 2.0), (-1.0, 2.0), (INF, 2.0), ("1", 2.0), (0.5, 0.5)]
)
def test_an_objectives_own_cost_counts_where_it_is_one(given, cost_s):
    assert settle(TRIAL, Evaluation(TRIAL, 1.0, given), 2.0).evaluation.cost_s == cost_s


class OutOfMemoryError(RuntimeError):
    """As torch names its own."""


@pytest.mark.parametrize(
    ("error", "status"),
    [
        (ValueError("no"), "failed"),
        (SystemExit(2), "failed"),
        (MemoryError(), "memout"),
        (OutOfMemoryError("CUDA"), "memout"),
        (RecursionError("deep"), "failed"),
    ],
    ids=repr,
)
def test_what_is_raised_becomes_one_too(error, status):
    def objective(trial):
        raise error

    outcome = evaluate(objective, TRIAL)
    assert outcome.evaluation.status == status
    assert outcome.evaluation.loss is None
    assert outcome.evaluation.cost_s >= 0
    assert type(error).__name__ in outcome.why
    assert "raise error" in outcome.trace


def test_an_interrupt_is_nobodys_failure():
    def objective(trial):
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        evaluate(objective, TRIAL)
