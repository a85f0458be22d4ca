"""Every fold under every metric is remembered, and comes back as the same evaluations."""

from __future__ import annotations

import pytest

from metadb.errors import Busy
from metadb.metrics import METRICS
from metadb.records import Evaluation, Task, Trial
from metadb.store import Store
from optimizers.fold_recording import FoldRecording
from optimizers.learners import classifier_space, defaults
from optimizers.objective import CrossValidated

CONFIGS = defaults("classification")
TASK = Task("toy:1", metafeatures={"nr_inst": 9.0}, name="toy")


def recording(store, run="tune-1", **more):
    given = {"folds": 3, "seed": 0} | more
    return FoldRecording(store, TASK, classifier_space(), METRICS["accuracy"], run=run, **given)


def validated(n, config, values, budget=1.0, resume=None):
    folds = {"accuracy": values, "log_loss": tuple(1 - v for v in values)}
    trial = Trial(config, budget, n, resume)
    return CrossValidated(trial, -sum(values) / 3, 0.6, folds=folds, fold_cost_s=(0.1, 0.2, 0.3))


EVALUATIONS = [
    validated(0, CONFIGS[0], (0.5, 0.75, 0.25), budget=0.25),
    validated(1, CONFIGS[0], (0.5, 0.75, 1.0), resume=0),
    Evaluation(Trial(CONFIGS[1], id=2), None, 9.0, "timeout"),
]


def test_what_was_recorded_comes_back_after_the_process_is_gone(path):
    with Store(path) as store, recording(store) as record:
        for evaluation in EVALUATIONS:
            record(evaluation)
    with Store(path) as store, recording(store) as record:
        done = record.done()
        assert [(e.trial, e.loss, e.status) for e in done] == [
            (e.trial, e.loss, e.status) for e in EVALUATIONS
        ]
        assert sorted(done[1].folds["accuracy"]) == [0.5, 0.75, 1.0]
        assert done[1].cost_s == pytest.approx(0.6)
        assert recording(store, "tune-2").done() == []
        rows = store.sql("select metric, fold, value from evaluations where status = 'ok'")
        assert len(rows) == 2 * 2 * 3
        assert sorted({row["metric"] for row in rows}) == ["accuracy", "log_loss"]
        history = store.history("classifier", "log_loss", tasks=["toy:1"])
        assert sorted(history.loss) == [0.25, 0.5]


def test_a_trial_whose_folds_are_not_all_there_was_not_run(path, monkeypatch):
    with Store(path) as store, recording(store) as record:
        record(EVALUATIONS[0])
        kept, n = store.record, 0

        def killed(*arguments, **more):
            nonlocal n
            n += 1
            if n == 5:
                raise KeyboardInterrupt
            return kept(*arguments, **more)

        monkeypatch.setattr(store, "record", killed)
        with pytest.raises(KeyboardInterrupt):
            record(EVALUATIONS[1])
        monkeypatch.undo()
        assert [e.trial.id for e in record.done()] == [0]
        record(EVALUATIONS[1])  # run again, it is there once
        assert [e.trial.id for e in record.done()] == [0, 1]
        assert len(store.sql("select * from evaluations")) == 12


def test_one_search_is_recorded_by_one_process_at_a_time(store):
    with recording(store), pytest.raises(Busy, match="is being recorded already"):
        recording(store)
    recording(store).close()
