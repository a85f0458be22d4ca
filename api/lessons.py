"""What judging recommenders on a store's own tasks taught, kept until the store has grown."""

from __future__ import annotations

import shutil
from contextlib import suppress
from hashlib import blake2b
from pathlib import Path
from typing import TYPE_CHECKING

from metadb.errors import MetadbError

if TYPE_CHECKING:
    from metadb.history import History
    from metadb.store import Store
    from recommenders.trust import Lesson

FOLDER = "lessons"
"""The folder in the store's own; it may be deleted at any time."""

MOST = 20
"""So many are kept for one question, those used last."""


def kept_lesson(store: Store, history: History, decides: str) -> Lesson | None:
    """A lesson that still holds for a history, of the largest past; None where there is none.

    Args:
        decides: What it hangs on besides: the recommender's own source, the seed.
    """
    from recommenders.saving import load
    from recommenders.trust import Lesson

    found: list[tuple[int, Path, Lesson]] = []
    for folder in _folder(store, history, decides).glob("*"):
        with suppress(MetadbError, OSError):
            lesson = load(folder)
            if isinstance(lesson, Lesson) and lesson.holds(history):
                found.append((lesson.results, folder, lesson))
    if not found:
        return None
    _, folder, lesson = max(found, key=lambda one: (one[0], one[1].name))
    with suppress(OSError):  # who may only read may not touch
        folder.touch()
    return lesson


def keep_lesson(store: Store, history: History, decides: str, lesson: Lesson) -> None:
    """Keep a lesson, if anything was judged, and this user may write."""
    from recommenders.saving import save

    if not lesson.tasks or not Path(store.path).is_dir():
        return
    own = blake2b(repr((lesson.tasks, lesson.results)).encode(), digest_size=8).hexdigest()
    folder = _folder(store, history, decides)
    with suppress(MetadbError, OSError):
        folder.mkdir(parents=True, exist_ok=True)
        save(lesson, folder / own, about={"store": str(store.version)})
        kept = sorted(folder.iterdir(), key=lambda one: one.stat().st_mtime, reverse=True)
        for old in kept[MOST:]:
            shutil.rmtree(old, ignore_errors=True)


def _folder(store: Store, history: History, decides: str) -> Path:
    question = (history.configs.space_name, str(history.metric), decides)
    name = blake2b(repr(question).encode(), digest_size=8).hexdigest()
    return Path(store.path) / FOLDER / name
