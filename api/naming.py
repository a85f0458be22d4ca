"""Recommenders as a command names them: by their registered name, or a class as module:Name."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from importlib import import_module
from pathlib import Path
from types import ModuleType
from typing import Any

from metadb.errors import MetadbError, NotFound, WrongUsage
from recommenders import RECOMMENDERS, Family, family


def families_of(text: str | None) -> Mapping[str, Family]:
    """The families that a comma-separated list names, in its order; None: all registered ones.

    `module:Name` is imported, so it is for words that a user typed and never for data; the folder
    one stands in is searched first, as `python -m` does.

    Raises:
        NotFound: No such recommender, module or class.
        WrongUsage: The class has no `fit`, or two have one name.
        MetadbError: The module cannot be imported.
    """
    if text is None:
        return dict(RECOMMENDERS)
    found: dict[str, Family] = {}
    for word in (w.strip() for w in text.split(",")):
        if not word:
            continue
        name, one = (word.rpartition(":")[2], _own(word)) if ":" in word else (word, family(word))
        if name in found or (":" in word and name in RECOMMENDERS):
            raise WrongUsage(f"{word!r} is the second recommender named {name!r}; name one anew")
        found[name] = one
    if not found:
        raise WrongUsage("--recommenders names none; give some, e.g. random,portfolio")
    return found


def _own(word: str) -> Family:
    where, _, name = word.partition(":")
    if not where or not name or ":" in name:
        raise WrongUsage(f"{word!r} is no module:Name, e.g. my_project.tuner:MyRecommender")
    module = _module(where, word)
    if not hasattr(module, name):
        there = sorted(n for n, v in vars(module).items() if hasattr(v, "fit"))
        has = f"; with a fit there are {', '.join(there)}" if there else ""
        raise NotFound(f"module {where} has no {name!r}{has}")
    one: Any = getattr(module, name)
    if not callable(getattr(one, "fit", None)):
        raise WrongUsage(f"{word} is no recommender family: it has no fit(history, *, seed)")
    return one  # type: ignore[no-any-return]


def _module(where: str, word: str) -> ModuleType:
    here = str(Path.cwd())
    if here not in sys.path and "" not in sys.path:
        sys.path.insert(0, here)  # and it stays there: processes of a pool need it too
    try:
        return import_module(where)
    except ModuleNotFoundError as error:
        if error.name is not None and f"{where}.".startswith(f"{error.name}."):
            raise NotFound(f"there is no module {error.name!r} ({word})") from None
        raise MetadbError(f"{where} needs {error.name!r}, which is not installed") from error
    except MetadbError:
        raise
    except Exception as error:
        said = f"{type(error).__name__}: {error}"
        raise MetadbError(f"module {where!r} cannot be imported: {said}") from error
