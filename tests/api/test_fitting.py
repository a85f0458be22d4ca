"""What was learnt once for a store is read again, and never stands in the way."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import pytest

from api import fitting
from api.advice import advise
from api.fitting import FOLDER, MOST, fitted
from metadb.records import Task
from metadb.store import Store
from recommenders.auto import Auto
from recommenders.average_rank import AverageRank
from recommenders.random import Random
from recommenders.saving import MANIFEST, load, read_about, save
from tests.conftest import SPACE, block

NEW = Task("toy:task/new")


@pytest.fixture
def filled(store: Store) -> Store:
    store.add(block(0, n_tasks=4, configs=range(12)))
    return store


@pytest.fixture
def all_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    """Whatever is learnt counts as slow."""
    monkeypatch.setattr(fitting, "SLOW_S", -1.0)


def folders(store: Store) -> list[Path]:
    return sorted((Path(store.path) / FOLDER).glob("*"))


def plant(folder: Path, history) -> Random:
    """Put something else in the place of what is kept, to be known by when it is read."""
    other = Random.fit(history, seed=77)
    save(other, folder)
    return other


@pytest.mark.usefixtures("all_kept")
def test_auto_is_learnt_once_and_says_so(filled: Store):
    said: list[str] = []
    history = filled.history(SPACE)
    first = fitted(filled, history, "auto", say=said.append)
    assert isinstance(first, Auto)
    assert len(said) == 1
    assert "kept" in said[0]
    (folder,) = folders(filled)
    assert read_about(folder) == {"recommender": "auto", "store": str(filled.version)}
    again = fitted(filled, filled.history(SPACE), "auto", say=said.append)
    assert len(said) == 1  # nothing was learnt
    assert again is not first
    assert again.lesson == first.lesson
    assert again.recommend(NEW, 5) == first.recommend(NEW, 5)


@pytest.mark.usefixtures("all_kept")
def test_what_is_kept_is_read_and_not_learnt(filled: Store):
    history = filled.history(SPACE)
    assert isinstance(fitted(filled, history, "average_rank"), AverageRank)
    (folder,) = folders(filled)
    other = plant(folder, history)
    got = fitted(filled, history, "average_rank")
    assert isinstance(got, Random)
    assert got.recommend(NEW, 6) == other.recommend(NEW, 6)


def test_a_store_that_grew_a_little_is_not_judged_anew(filled: Store):
    """The members learn from the new task; what was judged stands until a quarter has come in."""
    said: list[str] = []

    def ask(without: int | None = None) -> Auto:
        history = filled.history(SPACE)
        if without is not None:
            history = history.without(history.tasks[without])
        found = fitted(filled, history, "auto", say=said.append)
        assert isinstance(found, Auto)
        return found

    first = ask()
    filled.add(block(10, n_tasks=1, configs=range(12)))
    grown = ask()
    assert len(said) == 1
    assert grown.lesson == first.lesson
    assert len(grown.history.tasks) == 5
    assert first.lesson.tasks == first.history.tasks
    filled.add(block(20, n_tasks=1, configs=range(12)))
    assert len(ask().lesson.tasks) == 6  # 4 tasks grew to 6
    assert len(said) == 2


def test_a_lesson_knows_nothing_of_a_task_that_is_left_out(filled: Store):
    history = filled.history(SPACE)
    fitted(filled, history, "auto")
    gone = history.tasks[0]
    left = fitted(filled, history.without(gone), "auto")
    assert isinstance(left, Auto)
    assert gone not in left.lesson.tasks


def test_what_is_learnt_fast_is_not_kept(filled: Store):
    fitted(filled, filled.history(SPACE), "random")
    assert folders(filled) == []


@pytest.mark.usefixtures("all_kept")
def test_advice_is_the_same_with_what_is_kept(filled: Store):
    ways = [
        advise(filled, NEW, space=SPACE, k=4, recommender="average_rank").recommendations
        for _ in range(2)
    ]
    assert ways[0] == ways[1]
    assert len(folders(filled)) == 1


@pytest.mark.usefixtures("all_kept")
def test_another_question_is_kept_elsewhere(filled: Store):
    history = filled.history(SPACE)
    fitted(filled, history, "average_rank")
    fitted(filled, history, "average_rank", seed=1)
    fitted(filled, history, "random")
    fitted(filled, history.without(history.tasks[0]), "average_rank")
    fitted(filled, replace(history, loss=history.loss + 1e-9), "average_rank")
    assert len(folders(filled)) == 5
    filled.add(block(10, n_tasks=1, configs=range(12)))
    grown = filled.history(SPACE)
    assert len(grown.tasks) == len(history.tasks) + 1
    fitted(filled, grown, "average_rank")
    assert len(folders(filled)) == 6
    assert np.all(history.loss == filled.history(SPACE).without("toy:task/10").loss)


def truncate(folder: Path) -> None:
    manifest = folder / MANIFEST
    manifest.write_bytes(manifest.read_bytes()[:-40])


def flip(folder: Path) -> None:
    array = next(folder.glob("*.safetensors"))
    array.write_bytes(array.read_bytes()[:-1] + b"!")


def empty(folder: Path) -> None:
    (folder / MANIFEST).write_bytes(b"")


def strew(folder: Path) -> None:
    (folder / MANIFEST).unlink()
    (folder / "notes.txt").write_text("not ours")


def remove(folder: Path) -> None:
    (folder / MANIFEST).unlink()


def lose(folder: Path) -> None:
    next(folder.glob("*.safetensors")).unlink()


@pytest.mark.usefixtures("all_kept")
@pytest.mark.parametrize(
    "damage",
    [
        truncate, flip, remove, lose, empty,
        strew,
    ],
)  # fmt: skip
def test_what_is_damaged_is_learnt_anew(filled: Store, damage):
    history = filled.history(SPACE)
    first = fitted(filled, history, "average_rank")
    (folder,) = folders(filled)
    damage(folder)
    again = fitted(filled, history, "average_rank")
    assert again.recommend(NEW, 6) == first.recommend(NEW, 6)
    assert load(folder).recommend(NEW, 6) == first.recommend(NEW, 6)  # whole again


@pytest.mark.usefixtures("all_kept")
def test_a_file_in_the_place_of_the_folder_only_costs_time(filled: Store):
    (Path(filled.path) / FOLDER).write_text("in the way")
    got = fitted(filled, filled.history(SPACE), "average_rank")
    assert isinstance(got, AverageRank)


@dataclass(frozen=True, slots=True, eq=False)
class Unwritten:
    """A family of a user that holds what only pickle could write."""

    rule: Callable[[float], float]

    @classmethod
    def fit(cls, history, *, seed=0):
        return cls(abs)


@pytest.mark.usefixtures("all_kept")
def test_what_cannot_be_written_is_learnt_each_time(filled: Store, monkeypatch):
    from recommenders import RECOMMENDERS

    monkeypatch.setitem(RECOMMENDERS, "unwritten", Unwritten)
    assert isinstance(fitted(filled, filled.history(SPACE), "unwritten"), Unwritten)


@pytest.mark.usefixtures("all_kept")
def test_at_most_so_many_are_kept_those_used_last(filled: Store):
    history = filled.history(SPACE)
    fitted(filled, history, "random", seed=0)
    (oldest,) = folders(filled)
    for seed in range(1, MOST):
        fitted(filled, history, "random", seed=seed)
    assert len(folders(filled)) == MOST
    for age, folder in enumerate(sorted(folders(filled), key=lambda f: f != oldest)):
        os.utime(folder, (1e9 + age, 1e9 + age))  # the clock of files is coarse
    second = next(f for f in folders(filled) if f.stat().st_mtime == 1e9 + 1)
    fitted(filled, history, "random", seed=0)  # used again: no longer the oldest
    fitted(filled, history, "random", seed=MOST)
    left = folders(filled)
    assert len(left) == MOST
    assert oldest in left
    assert second not in left


READER = """
import os, sys
from api import fitting
from metadb.store import Store
from recommenders import RECOMMENDERS
import recommenders.saving, recommenders.verdict, recommenders.reading, recommenders.writing
import safetensors.numpy
fitting.SLOW_S = -1.0
path = sys.argv[1]
with Store(path) as store:  # once as root, so that every module is loaded
    fitting.fitted(store, store.history("svm"), "portfolio")
os.setgid(65534); os.setuid(65534)
with Store(path) as store:
    history = store.history("svm")
    print(type(fitting.fitted(store, history, "average_rank")).__name__)
    print(type(fitting.fitted(store, history, "portfolio", seed=9)).__name__)
print(len(os.listdir(os.path.join(path, fitting.FOLDER))))
"""


@pytest.mark.skipif(os.geteuid() != 0, reason="needs root, to become a user who may not write")
@pytest.mark.usefixtures("all_kept")
def test_who_may_only_read_reads_what_is_kept():
    """What is kept was exchanged for another's: who reads it, and does not learn, gets that."""
    parent = Path(tempfile.mkdtemp(prefix="metadb-shared-"))
    parent.chmod(0o755)
    try:
        with Store(parent / "store") as store:
            store.add(block(0, n_tasks=4, configs=range(12)))
            history = store.history(SPACE)
            fitted(store, history, "average_rank")
            plant(folders(store)[0], history)
        done = subprocess.run(
            [sys.executable, "-c", READER, str(parent / "store")],
            capture_output=True, text=True, cwd=Path(__file__).parents[2],
        )  # fmt: skip
    finally:
        shutil.rmtree(parent)
    assert done.returncode == 0, done.stderr
    assert done.stdout.split() == ["Random", "Portfolio", "2"]
