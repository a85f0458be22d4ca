"""The one loop: limits, failures, recording, resuming, executors of the standard library."""

from __future__ import annotations

import math
import os
import signal
import subprocess
import sys
import threading
import time
from concurrent.futures import ProcessPoolExecutor, ThreadPoolExecutor

import numpy as np
import pytest
from ConfigSpace import Categorical, ConfigurationSpace, Float

from metadb.errors import MetadbError, WrongUsage
from metadb.identity import canonical_config
from metadb.records import Evaluation, Trial
from optimizers import OPTIMIZERS, Hyperband, RandomSearch, run
from optimizers.learners import classifier_space
from optimizers.progress import best_of
from tests.optimizers.objectives import fateful, number

SPACE = classifier_space()
ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))


def tiny(n):
    space = ConfigurationSpace(name="tiny")
    space.add(Categorical("a", list(range(n))))
    return space


def test_a_config_that_breaks_is_a_failed_evaluation_and_the_search_goes_on():
    heard = []

    def objective(trial):
        if trial.id == 1:
            raise ZeroDivisionError
        return Evaluation(trial, float(trial.id), 0.1)

    done = run(RandomSearch(SPACE), objective, trials=4, record=heard.append)
    assert [e.status for e in done] == ["ok", "failed", "ok", "ok"]
    assert done[1].loss is None
    assert heard == done


@pytest.mark.parametrize("name", OPTIMIZERS)
def test_the_loop_stops_where_the_optimiser_has_nothing_to_ask(name):
    done = run(OPTIMIZERS[name](tiny(2)), lambda t: 0.0, trials=50)
    assert {e.trial.config["a"] for e in done} == {0, 1}
    assert len(done) < 50


@pytest.mark.parametrize("name", OPTIMIZERS)
def test_a_space_of_one_point_and_objectives_that_always_fail_are_a_search_too(name):
    def broken(trial):
        raise RuntimeError("never")

    one = run(OPTIMIZERS[name](tiny(1)), lambda t: 1.0, trials=9)
    assert one[0].trial.config == {"a": 0}
    done = run(OPTIMIZERS[name](SPACE, seed=4), broken, trials=12)
    assert [e.status for e in done] == ["failed"] * 12


def test_a_search_without_an_end_is_refused():
    with pytest.raises(WrongUsage, match="trials, time_s or cost_s"):
        run(RandomSearch(SPACE), lambda t: 0.0)


@pytest.mark.parametrize(
    "limits", [{"trials": -1}, {"time_s": 0}, {"cost_s": math.nan}, {"trials": 3, "parallel": 0},
               {"trials": 3, "trial_time_s": -1.0}]
)  # fmt: skip
def test_limits_that_make_no_sense_are_refused(limits):
    with pytest.raises(WrongUsage):
        run(RandomSearch(SPACE), lambda t: 0.0, **limits)


def test_the_summed_cost_ends_the_search_and_that_of_earlier_evaluations_counts():
    def objective(trial):
        return Evaluation(trial, 0.0, 1.0)

    first = run(RandomSearch(SPACE), objective, cost_s=2.5)
    assert len(first) == 3
    assert len(run(RandomSearch(SPACE), objective, cost_s=5.0, resume=first)) == 5


def test_time_ends_the_search_in_the_middle_of_a_trial_which_is_left_out():
    def objective(trial):
        time.sleep(0.01 if trial.id < 2 else 600)
        return 0.0

    start = time.monotonic()
    done = run(RandomSearch(SPACE), objective, time_s=0.4)
    assert time.monotonic() - start < 100  # of the 600 that it would take
    assert [e.status for e in done] == ["ok", "ok"]


def test_a_trial_that_hangs_is_ended_here_too_and_the_alarm_of_others_is_kept():
    def objective(trial):
        if trial.id == 1:
            time.sleep(600)
        return 0.0

    rung = []
    before = signal.signal(signal.SIGALRM, lambda *_: rung.append(True))
    signal.setitimer(signal.ITIMER_REAL, 600)
    try:
        done = run(RandomSearch(SPACE), objective, trials=3, trial_time_s=0.1)
        left, _ = signal.setitimer(signal.ITIMER_REAL, 0)
        assert 500 < left <= 600
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)
    assert [e.status for e in done] == ["ok", "timeout", "ok"]
    assert not rung


def test_a_limit_that_cannot_be_kept_is_refused():
    """Only a main thread hears signals."""
    caught = []

    def search(**how):
        try:
            run(RandomSearch(SPACE), number, trials=2, trial_time_s=1.0, **how)
        except WrongUsage as error:
            caught.append(str(error))

    thread = threading.Thread(target=search)
    thread.start()
    thread.join()
    with ThreadPoolExecutor(1) as threads:
        search(executor=threads)
    assert len(caught) == 2
    assert all("executor" in why for why in caught)


@pytest.mark.parametrize("kind", [ThreadPoolExecutor, ProcessPoolExecutor])
def test_any_executor_of_the_standard_library_will_do(kind):
    with kind(2) as executor:
        done = run(RandomSearch(SPACE), number, trials=20, executor=executor, parallel=5)
    assert sorted(e.loss for e in done) == list(range(20))


def test_a_pool_that_breaks_says_so_and_what_ended_is_recorded():
    recorded = []
    with ProcessPoolExecutor(1) as executor, pytest.raises(MetadbError, match="Local"):
        run(RandomSearch(SPACE), fateful, trials=9, executor=executor, record=recorded.append)
    assert [e.trial.id for e in recorded] == [0]


def test_an_objective_that_cannot_be_pickled_says_so():
    with ProcessPoolExecutor(1) as executor, pytest.raises(WrongUsage, match="top level"):
        run(RandomSearch(SPACE), lambda t: 0.0, trials=3, executor=executor)


def test_in_parallel_no_more_than_so_many_are_under_way_and_rungs_wait():
    """Hyperband asks nothing while a rung of its last bracket waits; the loop waits too."""
    now, most, lock = 0, 0, threading.Lock()

    def objective(trial):
        nonlocal now, most
        with lock:
            now += 1
            most = max(most, now)
        time.sleep(0.002)
        with lock:
            now -= 1
        return trial.config["a"] / trial.budget

    optimizer = Hyperband(tiny(9), least=1 / 9, eta=3)
    with ThreadPoolExecutor(8) as threads:
        done = run(optimizer, objective, trials=500, executor=threads, parallel=4)
    assert 1 < most <= 4
    assert {e.trial.budget for e in done} == {1 / 9, 1 / 3, 1.0}
    assert {e.trial.config["a"] for e in done} == set(range(9))


@pytest.mark.parametrize("at", [0, 3, 8])
@pytest.mark.parametrize("name", ["grid", "random", "sobol", "asha", "hyperband"])
def test_a_search_resumed_ends_as_one_that_was_never_interrupted(name, at):
    space = ConfigurationSpace(name="line")
    space.add(Float("x", (0, 1)))

    def objective(trial):
        return Evaluation(trial, trial.config["x"], 0.5)

    def warm():
        return OPTIMIZERS[name](space, warm_start=[{"x": 0.5}, {"x": 0.25}], seed=2)

    whole = run(warm(), objective, trials=14)
    recorded = []
    again = run(warm(), objective, trials=14, resume=whole[:at], record=recorded.append)
    assert again == whole
    assert recorded == whole[at:]


@pytest.mark.parametrize("name", OPTIMIZERS)
def test_a_search_resumed_asks_nothing_again_and_counts_what_was_done(name):
    space = ConfigurationSpace(name="plane")
    space.add(Float("x", (0, 1)), Categorical("c", ["a", "b", "c"]))

    def objective(trial):
        return Evaluation(trial, (trial.id * 7 % 5) / 5, 0.5)

    whole = run(OPTIMIZERS[name](space, seed=2), objective, trials=9)
    again = run(OPTIMIZERS[name](space, seed=2), objective, trials=14, resume=whole)
    assert again[:9] == whole
    assert sorted(e.trial.id for e in again) == list(range(14))
    assert len({(canonical_config(e.trial.config), e.trial.budget) for e in again}) == 14


def test_more_evaluations_than_trials_are_given_back_as_they_are():
    whole = run(RandomSearch(SPACE), number, trials=5)
    assert run(RandomSearch(SPACE), number, trials=3, resume=whole) == whole


def test_progress_tells_the_best_the_time_left_and_why_a_trial_has_no_loss():
    losses = [5.0, 2.0, "no number", 7.0]
    heard = []
    first = [Evaluation(Trial({}, 1.0, 99), 6.0, 1.0)]

    class Told(RandomSearch):
        def tell(self, evaluations):
            if evaluations != first:
                super().tell(evaluations)

    run(Told(SPACE), lambda t: losses[t.id], trials=5, resume=first, callbacks=[heard.append])
    assert [p.n_done for p in heard] == [1, 2, 3, 4, 5]
    assert [p.best.loss for p in heard] == [6.0, 5.0, 2.0, 2.0, 2.0]
    assert [p.share for p in heard] == [0.2, 0.4, 0.6, 0.8, 1.0]
    assert heard[0].last is None
    assert heard[0].left_s is None
    assert heard[-1].left_s == 0
    assert "'no number'" in heard[3].why
    assert [p.why for i, p in enumerate(heard) if i != 3] == [None] * 4


def test_the_best_is_that_of_the_largest_budget():
    small = Evaluation(Trial({}, 0.1), 0.0)
    large = [Evaluation(Trial({}, 1.0), loss, None, s) for loss, s in [(3, "ok"), (1, "failed")]]
    assert best_of([small, *large]) == large[0]
    assert best_of(large[1:]) is None


def test_an_error_of_whoever_records_ends_the_search():
    def full(evaluation):
        raise OSError("no room")

    with pytest.raises(OSError, match="no room"):
        run(RandomSearch(SPACE), number, trials=3, record=full)


SCRIPT = """
import sys, time
from optimizers import RandomSearch, run
from optimizers.executors import Local
from optimizers.learners import classifier_space
from tests.optimizers.objectives import hanging

def said(evaluation):
    print("recorded", evaluation.trial.id, flush=True)

if __name__ == "__main__":
    executor = Local(2) if sys.argv[1] == "local" else None
    run(RandomSearch(classifier_space()), hanging, trials=5, executor=executor, record=said)
"""


@pytest.mark.parametrize("where", ["here", "local"])
def test_an_interrupt_goes_on_up_and_leaves_nothing_running(where, tmp_path):
    script = tmp_path / "search.py"
    script.write_text(SCRIPT)
    process = subprocess.Popen(
        [sys.executable, script, where], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
        env=os.environ | {"PYTHONPATH": ROOT}, start_new_session=True,
    )  # fmt: skip
    assert process.stdout.readline() == "recorded 0\n"
    os.killpg(process.pid, signal.SIGINT)
    out, err = process.communicate(timeout=30)  # the pipes close once no worker holds them
    assert process.returncode == -signal.SIGINT
    assert out == ""
    assert err.rstrip().endswith("KeyboardInterrupt")


def test_losses_of_numpy_and_torch_are_numbers():
    import torch

    losses = [np.float32(0.5), np.array(0.25), torch.tensor(0.125), np.array([1.0, 2.0]), 1]
    done = run(RandomSearch(SPACE), lambda t: losses[t.id], trials=5)
    assert [e.loss for e in done] == [0.5, 0.25, 0.125, None, 1.0]
    assert all(type(e.loss) is float for e in done if e.loss is not None)
