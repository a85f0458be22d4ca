"""Fitted recommenders, kept beside the tables: learnt once for what a store holds."""

from __future__ import annotations

import shutil
import time
from collections.abc import Callable
from contextlib import suppress
from hashlib import blake2b
from pathlib import Path
from typing import TYPE_CHECKING

from api.lessons import keep_lesson, kept_lesson
from metadb.errors import MetadbError
from metadb.store import Store
from recommenders import family

if TYPE_CHECKING:
    from metadb.history import History
    from metadb.protocols import Recommender

FOLDER = "recommenders"
"""The folder in the store's own; it may be deleted at any time."""

SLOW_S = 2.0
"""What took longer to learn is kept."""

MOST = 20
"""So many are kept, those used last."""


def fitted(
    store: Store,
    history: History,
    name: str,
    *,
    seed: int = 0,
    say: Callable[[str], object] = lambda said: None,
) -> Recommender:
    """The recommender of that name, learnt from the history, or read where it was learnt before.

    What is kept is known by all that decides it: the evaluations and meta-features learnt from, the
    seed, and the recommender's own source. A folder that was damaged, or that this user may not
    write, only costs the time to learn again. Where the store has changed, what `auto` learnt by
    judging its members stands as long as `Lesson.holds` says; the members learn from all there is.

    Args:
        say: Told of what takes long.
    """
    from recommenders.verdict import digest, origin

    learner = family(name)
    deciding = (digest(history), origin(learner), str(seed))
    folder = (
        Path(store.path) / FOLDER / blake2b(repr(deciding).encode(), digest_size=16).hexdigest()
    )
    if folder.is_dir():
        from recommenders.saving import load

        with suppress(MetadbError, OSError):
            kept: Recommender = load(folder)
            with suppress(OSError):  # who may only read may not touch
                folder.touch()
            return kept
        shutil.rmtree(folder, ignore_errors=True)  # damaged
    start = time.perf_counter()
    if name == "auto":
        learnt: Recommender = _auto(store, history, seed, f"{origin(learner)} {seed}", say)
    else:
        learnt = learner.fit(history, seed=seed)
    if time.perf_counter() - start > SLOW_S and Path(store.path).is_dir():
        _keep(learnt, folder, store, name)
    return learnt


def _auto(
    store: Store, history: History, seed: int, decides: str, say: Callable[[str], object]
) -> Recommender:
    from recommenders.auto import Auto

    lesson = kept_lesson(store, history, decides)
    if lesson is not None:
        return Auto.fit(history, seed=seed, lesson=lesson)
    say("judging recommenders on this store's own tasks; what comes of it is kept")
    learnt = Auto.fit(history, seed=seed)
    keep_lesson(store, history, decides, learnt.lesson)
    return learnt


def _keep(learnt: Recommender, folder: Path, store: Store, name: str) -> None:
    from recommenders.saving import save

    with suppress(MetadbError, OSError):
        folder.parent.mkdir(exist_ok=True)
        save(learnt, folder, about={"recommender": name, "store": str(store.version)})
        kept = sorted(folder.parent.iterdir(), key=lambda one: one.stat().st_mtime, reverse=True)
        for old in kept[MOST:]:
            shutil.rmtree(old, ignore_errors=True)
