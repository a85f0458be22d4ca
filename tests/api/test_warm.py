"""Where a search starts: what was best before, and who speaks for past tasks."""

from __future__ import annotations

from api.warm import First, Start, asking, read_start, start_of, write_start
from metadb.records import Evaluation, Task, Trial
from metadb.space import sample
from optimizers.learners import classifier_space, defaults

NEW = Task("toy:new", metafeatures={"nr_inst": 100.0})
DEFAULTS = defaults("classification")
PAST = [c for c in sample(classifier_space(), 60, 5) if c["learner"] in ("knn", "lightgbm")][:8]


def fill(store, tasks, metrics):
    for t in range(tasks):
        task = Task(f"toy:{t}", metafeatures={"nr_inst": 100.0 + t}, dataset=f"toy:data{t}")
        for i, config in enumerate(PAST):
            for metric in metrics:
                value = 0.9 - 0.05 * i + 0.001 * t
                store.record(task, config, space=classifier_space(), metric=metric, value=value)


def result(config, loss=0.5):
    return Evaluation(Trial(config, 1.0, 0), loss)


def start(store, metrics=("accuracy", "balanced_accuracy"), k=6, may=lambda config: True):
    return start_of(
        store, NEW, space="classifier", metrics=metrics, may=may, k=k, seed=0,
        say=lambda said: None,
    )  # fmt: skip


def test_without_a_past_the_defaults_come_first_and_it_is_said(store):
    found, adviser = start(store)
    assert (found.configs, adviser) == ([], None)
    assert found.said == (
        "the store knows no other task of classifier: the default of each learner comes first",
    )


def test_past_tasks_advise_and_it_is_said_what_they_learnt_from(store):
    fill(store, 3, ["accuracy"])
    found, adviser = start(store)
    best = asking(adviser, 1, ())[0]
    assert (best.config, best.why) == (PAST[0], "advised")  # the best on every task
    assert set(best.tasks) <= {"toy:0", "toy:1", "toy:2"}
    assert "learnt from 24 results of 8 configurations on 3 tasks" in found.said[-1]
    assert asking(adviser, 1, [result(PAST[0])])[0].config != PAST[0]
    _, knn = start(store, may=lambda config: config["learner"] == "knn")
    assert {f.config["learner"] for f in asking(knn, 4, ())} == {"knn"}
    assert start(store, k=0)[1] is None


def test_a_metric_that_the_past_hardly_knows_is_not_learnt_from(store):
    fill(store, 3, ["accuracy"])
    fill(store, 1, ["balanced_accuracy"])
    found, adviser = start(store, metrics=("balanced_accuracy", "accuracy"))
    assert adviser.history.metric == "accuracy"
    assert (
        found.said[0] == "past tasks know little of balanced_accuracy, so they advise by accuracy"
    )


def test_what_was_best_on_this_task_before_comes_first(store):
    for i, config in enumerate(PAST[:5]):
        store.record(NEW, config, space=classifier_space(), metric="accuracy", value=0.5 + i / 10)
    found, _ = start(store)
    assert found.configs == [PAST[4], PAST[3], PAST[2]]
    assert {f.why for f in found.first} == {"before"}
    assert found.said[0].startswith("this task was tuned before: its best 3")


def test_a_start_is_remembered_exactly(tmp_path):
    first = (First(PAST[0], "advised", ("toy:0",), 0.25), First(DEFAULTS[0], "default"))
    begun = Start(first, ("said",), 12.5)
    path = tmp_path / "runs" / "tune-1.json"
    assert read_start(path) is None
    write_start(path, begun, task="toy:new")
    assert read_start(path) == begun
    path.write_text("{")
    assert read_start(path) is None
