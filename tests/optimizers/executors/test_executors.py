"""Laws of all executors: a trial ends alone, whatever it does, and the others come back."""

from __future__ import annotations

import os
import time
from importlib.util import find_spec

import pytest

from metadb.errors import WrongUsage
from optimizers import RandomSearch, run
from optimizers.executors import EXECUTORS
from optimizers.learners import classifier_space
from tests.optimizers.objectives import FATES, fateful, hanging, number

NEEDS = {"ray": "ray", "dask": "distributed"}
SPACE = classifier_space()


@pytest.fixture(scope="module", params=EXECUTORS)
def executor(request):
    package = NEEDS.get(request.param)
    if package is not None and find_spec(package) is None:
        pytest.skip(f"{package} is not installed")
    before = os.environ.pop("OMP_NUM_THREADS", None)
    try:
        with EXECUTORS[request.param](["0", "1"] if request.param == "gpu" else 2) as made:
            yield made
    finally:
        if before is not None:
            os.environ["OMP_NUM_THREADS"] = before


def test_a_trial_that_hangs_or_dies_ends_alone(executor):
    heard = []
    done = run(
        RandomSearch(SPACE), fateful, trials=9, executor=executor, trial_time_s=1.5,
        callbacks=[heard.append],
    )  # fmt: skip
    found = {e.trial.id: e for e in done}
    assert {i: e.status for i, e in found.items()} == {i: FATES.get(i, "ok") for i in range(9)}
    assert all(found[i].loss is None for i in FATES)
    assert all((found[i].loss, found[i].cost_s) == (i, 0.5) for i in range(9) if i not in FATES)
    why = {p.last.trial.id: p.why for p in heard if p.last}
    assert "1.5 s" in why[3]
    assert "died" in why[1] or "exit code 3" in why[1]
    assert "10 TB" in why[4]


def test_short_trials_all_come_back_once(executor):
    done = run(RandomSearch(SPACE), number, trials=150, executor=executor, parallel=60)
    assert sorted(e.loss for e in done) == list(range(150))
    assert all(e.loss == e.trial.id for e in done)


def test_when_the_time_is_over_nothing_runs_on(executor):
    start = time.monotonic()
    done = run(RandomSearch(SPACE), hanging, trials=9, executor=executor, parallel=6, time_s=1.5)
    assert time.monotonic() - start < 100  # of the 600 that it would take
    assert [e.trial.id for e in done] in ([0], [])  # a worker may take longer to start
    again = run(RandomSearch(SPACE), number, trials=3, executor=executor)
    assert sorted(e.loss for e in again) == [0, 1, 2]


def test_it_is_an_executor_as_the_standard_library_has_them(executor):
    assert list(executor.map(pow, [2, 3], [5, 2])) == [32, 9]
    with pytest.raises(ZeroDivisionError):
        executor.submit(divmod, 1, 0).result()


def test_numerical_libraries_start_one_thread_in_a_worker(executor):
    assert executor.submit(os.getenv, "OMP_NUM_THREADS").result() == "1"


@pytest.mark.parametrize("name", EXECUTORS)
def test_no_worker_is_refused(name):
    if name in NEEDS and find_spec(NEEDS[name]) is None:
        pytest.skip(f"{NEEDS[name]} is not installed")
    with pytest.raises(WrongUsage):
        EXECUTORS[name]([] if name == "gpu" else 0)


@pytest.mark.parametrize("name", NEEDS)
def test_a_package_that_is_missing_is_named_with_its_extra(name, monkeypatch):
    monkeypatch.setitem(__import__("sys").modules, NEEDS[name], None)
    with pytest.raises(WrongUsage, match=rf"pip install 'metadb\[{name}\]'"):
        EXECUTORS[name](1)
