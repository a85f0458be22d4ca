"""A search into the store and back: nothing lost, nothing twice, whatever ends it."""

from __future__ import annotations

import os
import signal
import subprocess
import sys

import pytest
from ConfigSpace import Categorical, ConfigurationSpace, EqualsCondition, Float, Integer

from metadb.errors import Busy, InvalidRows, NotFound
from metadb.records import Evaluation, Task, Trial
from metadb.space import sample
from metadb.store import Store
from optimizers import Hyperband, RandomSearch, run
from optimizers.recording import Recording
from tests.optimizers.test_loop import ROOT

TASK = Task("local:wine", metafeatures={"n": 178.0})


def mixed():
    space = ConfigurationSpace(name="mixed")
    kind = Categorical("kind", ["linear", "rbf"])
    gamma = Float("gamma", (1e-5, 10.0), log=True)
    space.add(kind, gamma, Integer("degree", (1, 5)), Categorical("shrink", [True, False]))
    space.add(EqualsCondition(gamma, kind, "rbf"))
    return space


SPACE = mixed()


@pytest.fixture
def store(tmp_path):
    with Store(tmp_path / "store") as opened:
        yield opened


@pytest.mark.parametrize(("metric", "turned"), [("accuracy", -1.0), ("log_loss", 1.0)])
def test_done_gives_back_what_was_recorded(store, metric, turned):
    configs = sample(SPACE, 6, seed=1)
    told = [
        Evaluation(Trial(configs[0], 1 / 3, 0), turned * 0.123456789012345678, 0.25),
        Evaluation(Trial(configs[1], 1 / 3, 1), None, 3.5, "timeout"),
        Evaluation(Trial(configs[0], 1.0, 2, resume=0), turned * 0.1, None),
        Evaluation(Trial(configs[2], 1.0, 3), None, 0.0, "memout"),
        Evaluation(Trial(configs[3], 1.0, 5), turned * 0.5, 1.0, "censored"),
        Evaluation(Trial(configs[4], 1.0, 11), None, None, "failed"),
    ]
    with Recording(store, TASK, SPACE, metric, run="search/1", seed=3) as recording:
        for evaluation in reversed(told):
            recording(evaluation)
        assert recording.done() == told
    values = store.sql("select value, seed from evaluations where status = 'ok' order by value")
    assert values.column("value") == [0.1, 0.123456789012345678]
    assert values.column("seed") == [3, 3]
    with Recording(store, TASK.id, SPACE, metric, run="search/1", seed=3) as again:
        assert again.done() == told


def test_runs_do_not_mix(store):
    config = sample(SPACE, 1, seed=0)[0]
    others = {
        "another run": {"run": "b"},
        "one whose id goes on": {"run": "a/1"},
        "another unit": {"run": "a", "budget_unit": "epochs"},
        "another origin": {"run": "a", "origin": "colleague"},
    }
    for how in others.values():
        with Recording(store, TASK, SPACE, "accuracy", **how) as recording:
            recording(Evaluation(Trial(config, 1.0, 7), -0.5, 1.0))
    with Recording(store, TASK, SPACE, "log_loss", run="a") as recording:
        recording(Evaluation(Trial(config, 1.0, 7), 0.5, 1.0))
    with Recording(store, Task("local:iris"), SPACE, "accuracy", run="a") as recording:
        recording(Evaluation(Trial(config, 1.0, 7), -0.5, 1.0))
    with Recording(store, TASK, SPACE, "accuracy", run="a") as recording:
        assert recording.done() == []
    with Recording(store, TASK, SPACE, "accuracy", run="a/1") as recording:
        assert len(recording.done()) == 1


def test_one_run_is_recorded_by_one_at_a_time(store):
    with Recording(store, TASK, SPACE, "accuracy", run="a"):
        with pytest.raises(Busy, match="'a'"):
            Recording(store, TASK, SPACE, "accuracy", run="a")
        Recording(store, TASK, SPACE, "accuracy", run="b").close()
    again = Recording(store, TASK, SPACE, "accuracy", run="a")
    again.close()
    again.close()
    assert list((store.path / "runs").iterdir()) == []


def test_what_cannot_be_recorded_is_refused_with_a_reason(store):
    with pytest.raises(NotFound, match="no metric"):
        Recording(store, TASK, SPACE, "beauty", run="a")
    with pytest.raises(InvalidRows, match="run id"):
        Recording(store, TASK, SPACE, "accuracy", run="")
    config = sample(SPACE, 1, seed=0)[0]
    with Recording(store, TASK, SPACE, "accuracy", run="a") as recording:
        with pytest.raises(InvalidRows, match="bounds"):
            recording(Evaluation(Trial(config), 0.25))  # the error rate, not the accuracy turned
        assert recording.done() == []


def test_a_search_over_budgets_goes_on_with_its_promotions(store):
    def objective(trial):
        return Evaluation(trial, trial.config["degree"] / trial.budget / 100, trial.budget)

    whole = run(Hyperband(SPACE, seed=1), objective, trials=40)
    with Recording(store, TASK, SPACE, "log_loss", run="h") as recording:
        run(Hyperband(SPACE, seed=1), objective, trials=33, record=recording)
    with Recording(store, TASK, SPACE, "log_loss", run="h") as recording:
        past = recording.done()
        assert any(e.trial.resume is not None for e in past)
        again = run(Hyperband(SPACE, seed=1), objective, trials=40, record=recording, resume=past)
        assert again == whole
        assert recording.done() == whole


SCRIPT = """
import sys
from ConfigSpace import ConfigurationSpace, Float
from metadb.records import Task
from metadb.store import Store
from optimizers import RandomSearch, run
from optimizers.recording import Recording
from tests.optimizers.objectives import bowl

if __name__ == "__main__":
    space = ConfigurationSpace(name="line")
    space.add(Float("x", (0, 1)))
    with Store(sys.argv[1]) as store, \\
            Recording(store, Task("local:line"), space, "log_loss", run="line") as recording:
        def record(evaluation):
            recording(evaluation)
            print(evaluation.trial.id, flush=True)
        done = run(RandomSearch(space, seed=5), bowl, trials=120, record=record,
                   resume=recording.done())
        print("done", len(done), flush=True)
"""


def killed_after(n, process):
    said = [process.stdout.readline() for _ in range(n)]
    process.kill()
    said += process.stdout.readlines()
    process.wait()
    assert process.returncode == -signal.SIGKILL
    return [int(line) for line in said]


def test_killed_twice_and_resumed_it_ends_as_one_that_was_never_killed(tmp_path):
    script, folder = tmp_path / "search.py", tmp_path / "store"
    script.write_text(SCRIPT)

    def start():
        return subprocess.Popen(
            [sys.executable, script, folder], stdout=subprocess.PIPE, text=True,
            env=os.environ | {"PYTHONPATH": ROOT},
        )  # fmt: skip

    first = killed_after(25, start())
    with Store(folder) as store:  # what was said to be recorded is there
        recorded = store.sql("select count(*) as n from evaluations").column("n")[0]
    assert recorded >= len(first) >= 25
    second = killed_after(30, start())
    assert second[0] in (len(first), len(first) + 1)  # killed before it could say so
    out, _ = start().communicate(timeout=60)
    assert out.splitlines()[-1] == "done 120"

    space = ConfigurationSpace(name="line")
    space.add(Float("x", (0, 1)))
    from tests.optimizers.objectives import bowl

    whole = run(RandomSearch(space, seed=5), bowl, trials=120)
    with (
        Store(folder) as store,
        Recording(store, "local:line", space, "log_loss", run="line") as recording,
    ):
        done = recording.done()
    assert [(e.trial, e.loss, e.status) for e in done] == [
        (e.trial, e.loss, e.status) for e in whole
    ]
