"""Processes of this machine: what a script does wrong, and what is left when it dies."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time

import pytest

from metadb.errors import WrongUsage
from optimizers import RandomSearch, run
from optimizers.executors import GPU, Local, local
from optimizers.learners import classifier_space
from tests.optimizers.objectives import fateful, number
from tests.optimizers.test_loop import ROOT

SPACE = classifier_space()


def started(script, *arguments):
    return subprocess.Popen(
        [sys.executable, script, *arguments], stdout=subprocess.PIPE, stderr=subprocess.PIPE,
        text=True, env=os.environ | {"PYTHONPATH": ROOT},
    )  # fmt: skip


def test_an_objective_that_cannot_reach_a_process_says_so():
    with Local(1) as executor:
        with pytest.raises(WrongUsage, match="top level"):
            run(RandomSearch(SPACE), lambda t: 0.0, trials=2, executor=executor)
        assert len(run(RandomSearch(SPACE), number, trials=2, executor=executor)) == 2
        with pytest.raises(Exception, match="pickle"):
            executor.submit(open, os.devnull).result()  # what it returns stays there
        assert executor.submit(len, "ab").result() == 2


@pytest.mark.parametrize("name", ["Local", "Dask"])
def test_a_script_without_a_main_guard_is_told_of_it(name, tmp_path):
    if name == "Dask":
        pytest.importorskip("distributed")
    script = tmp_path / "search.py"
    script.write_text(
        "from optimizers import RandomSearch, run\n"
        f"from optimizers.executors import {name}\n"
        "from optimizers.learners import classifier_space\n"
        "from tests.optimizers.objectives import number\n"
        f"run(RandomSearch(classifier_space()), number, trials=2, executor={name}(1))\n"
    )
    _, err = started(script).communicate(timeout=60)
    assert 'if __name__ == "__main__":' in err
    assert "WrongUsage" in err.splitlines()[-1]


FOLLOWED = """
import os, sys, time
from optimizers.executors import Local

def pid_and_child(folder):
    import subprocess
    child = subprocess.Popen(["sleep", "600"])
    with open(folder + "/pids", "w") as file:
        file.write(f"{os.getpid()} {child.pid}\\n")
    time.sleep(600)

if __name__ == "__main__":
    executor = Local(1)
    future = executor.submit(pid_and_child, sys.argv[1])
    if sys.argv[2] == "forgotten":
        while not os.path.exists(sys.argv[1] + "/pids"):
            time.sleep(0.05)
        sys.exit()
    future.result()
"""


@pytest.mark.parametrize("how", ["killed", "forgotten"])
def test_no_process_outlives_the_search(how, tmp_path):
    """Neither the worker nor what the objective started, whether killed or never shut down."""
    script = tmp_path / "search.py"
    script.write_text(FOLLOWED)
    process = started(script, str(tmp_path), how)
    pids = tmp_path / "pids"
    end = time.monotonic() + 60
    while not (pids.exists() and pids.read_text().endswith("\n")) and time.monotonic() < end:
        time.sleep(0.05)
    both = [int(pid) for pid in pids.read_text().split()]
    if how == "killed":
        process.send_signal(signal.SIGKILL)
    process.communicate(timeout=30)
    while any(map(alive, both)) and time.monotonic() < end:
        time.sleep(0.05)
    assert not any(map(alive, both))


def alive(pid):
    try:
        with open(f"/proc/{pid}/stat") as file:
            return file.read().rsplit(")", 1)[1].split()[0] != "Z"
    except FileNotFoundError:
        return False


def test_a_process_that_the_system_kills_as_memory_runs_out_is_a_memout(monkeypatch):
    """Memory is not really used up here: the system's count of such kills is told."""
    counts = iter([5, 6, 6, 6])
    monkeypatch.setattr(local, "_oom_kills", lambda: next(counts))
    heard = []
    with Local(1) as executor:
        done = run(Only2(SPACE), fateful, trials=1, executor=executor, callbacks=[heard.append])
    assert [e.status for e in done] == ["memout"]
    assert "memory ran out" in heard[-1].why


class Only2(RandomSearch):
    """Asks trial 2, which is killed."""

    def ask(self, n=1):
        return [t for t in super().ask(3) if t.id == 2]


def test_each_process_sees_the_device_it_was_given():
    seen, end = set(), time.monotonic() + 60
    with GPU(["3", "GPU-0a1b"]) as executor:
        while len(seen) < 2 and time.monotonic() < end:
            seen |= set(executor.map(os.getenv, ["CUDA_VISIBLE_DEVICES"] * 9))
    assert seen == {"3", "GPU-0a1b"}


@pytest.mark.parametrize(
    ("visible", "devices", "names"),
    [("4,7", None, 2), ("4, 7", 1, 1), ("4,7", 3, "2 seen"), ("", None, "0 seen"),
     ("-1", None, "0 seen")],
)  # fmt: skip
def test_devices_are_those_that_this_process_sees(visible, devices, names, monkeypatch):
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", visible)
    if isinstance(names, str):
        with pytest.raises(WrongUsage, match=names):
            GPU(devices)
    else:
        with GPU(devices, per_device=2) as executor:
            assert len(executor) == 2 * names
