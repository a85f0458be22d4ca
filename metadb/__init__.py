"""metadb: a meta-knowledge database and recommender for AutoML."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

__version__ = "0.1.0"

if TYPE_CHECKING:
    from metadb.errors import MetadbError
    from metadb.history import Configs, History
    from metadb.records import Because, Config, Evaluation, Recommendation, Rows, Task, Trial
    from metadb.result import Result
    from metadb.store import Store

_HOME = {
    "MetadbError": "errors",
    "Configs": "history",
    "History": "history",
    "Because": "records",
    "Config": "records",
    "Evaluation": "records",
    "Recommendation": "records",
    "Rows": "records",
    "Task": "records",
    "Trial": "records",
    "Result": "result",
    "Store": "store",
}


def __getattr__(name: str) -> Any:
    """Load a name from its module when it is first asked for, so that the import stays light."""
    if name not in _HOME:
        raise AttributeError(f"module 'metadb' has no attribute {name!r}")
    return getattr(import_module(f"metadb.{_HOME[name]}"), name)


def __dir__() -> list[str]:
    return [*_HOME, "__version__"]


__all__ = [
    "Because",
    "Config",
    "Configs",
    "Evaluation",
    "History",
    "MetadbError",
    "Recommendation",
    "Result",
    "Rows",
    "Store",
    "Task",
    "Trial",
    "__version__",
]
