"""Everything that fills the store: the sources, and the one loop that loads them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

from metadb.protocols import Source

SOURCES: dict[str, str] = {
    "openml": "ingest.openml.source:Openml",
    "aslib": "ingest.aslib:Aslib",
    "openml-study": "ingest.openml_study:OpenmlStudy",
    "openml-pimp": "ingest.openml_pimp:OpenmlPimp",
    "tabrepo": "ingest.tabrepo:Tabrepo",
    "text-classification": "ingest.text_classification:TextClassification",
    "lcdb": "ingest.lcdb:Lcdb",
    "lcdb-history": "ingest.lcdb_history:LcdbHistory",
    "autosklearn": "ingest.autosklearn:Autosklearn",
    "hp-transfer": "ingest.hp_transfer:HpTransfer",
    "hpob": "ingest.hpob:Hpob",
    "automlbenchmark": "ingest.automlbenchmark:Automlbenchmark",
    "yahpo": "ingest.yahpo:Yahpo",
    "table": "ingest.table:Table",
    "optuna": "ingest.optuna:Optuna",
    "smac": "ingest.smac:Smac",
    "ray-tune": "ingest.ray_tune:RayTune",
    "syne-tune": "ingest.syne_tune:SyneTune",
    "mlflow": "ingest.mlflow:Mlflow",
    "cv-results": "ingest.cv_results:CvResults",
}
"""Name to `module:class`; a module is loaded when its source is asked for."""


@dataclass(frozen=True, slots=True)
class About:
    """What is to be said of what was fetched.

    Args:
        licence: Licence of the content, where its source states one.
        citation: What to cite.
        files: The files that are read where these are not all files of the fetched path.
    """

    licence: str | None = None
    citation: str | None = None
    files: tuple[Path, ...] = ()


class Described(Source, Protocol):
    """A source that knows the licence of what it brings."""

    def about(self, path: Path) -> About:
        """Licence, citation and files of one fetched path."""


class Pulling(Described, Protocol):
    """A source that pulls from a server into one load, gone on with each time."""

    pull: str
    server: str
    missing: Mapping[str, str]

    def finish(self, cache: Path) -> None:
        """Hear that the store has all that was fetched: the next pull asks what is new."""


def source(name: str, paths: Sequence[str | Path], **options: Any) -> Described:
    """The source of that name over these files and folders.

    Raises:
        NotFound: There is no such source.
    """
    from difflib import get_close_matches
    from importlib import import_module

    from metadb.errors import NotFound

    if name not in SOURCES:
        near = get_close_matches(name, SOURCES, n=1)
        hint = f"did you mean {near[0]!r}? " if near else ""
        raise NotFound(f"no source {name!r}; {hint}there are {', '.join(SOURCES)}")
    module, _, cls = SOURCES[name].partition(":")
    made: Described = getattr(import_module(module), cls)(tuple(paths), **options)
    return made


__all__ = ["SOURCES", "About", "Described", "Pulling", "source"]
