"""Studies of Optuna: what a storage (a database or a journal file) remembers of its trials.

Optuna itself is not needed to read an SQLite file or a journal; a database server is reached
through the package `optuna`, which copies its studies to a journal in the cache. Nothing is ever
written to a storage.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import chain
from pathlib import Path

import pyarrow as pa

from ingest import About
from ingest.building import find
from ingest.optuna_storage import Stored, copied, is_storage, studies
from ingest.sqlite import local
from ingest.study import OWN, Study, as_budgets, joined, points, study_rows, wanted
from metadb.errors import MalformedFile
from metadb.records import Rows

_STATUS = {"COMPLETE": "ok", "PRUNED": "censored", "FAIL": "failed"}
_UNFINISHED = "a trial that is still running or waiting"


@dataclass(frozen=True)
class Optuna:
    """Storages of Optuna, one load each.

    Args:
        paths: SQLite files, journal files, folders above them, or URLs (`sqlite:///study.db`).
        task: Id of the task the studies were run on; default `optuna:<study>`.
        metric: What the objective is, of several by comma; default as Optuna has it.
        space: Name of the space; default `optuna:<study>`.
        study: The one study to read; default all.
        minimize: Not needed: a study says its direction.
    """

    paths: Sequence[str | Path]
    task: str | None = None
    metric: str | None = None
    space: str | None = None
    study: str | None = None
    minimize: bool | None = None

    def fetch(self, cache: Path, cursor: str | None = None) -> list[Path]:
        """The storages; one behind a URL of a server is copied to a journal in the cache."""
        places = [local(path) for path in self.paths]
        remote = [str(path) for path in places if "://" in str(path)]
        files = [path for path in places if "://" not in str(path)]
        found = [copied(url, cache) for url in remote]
        if files or not remote:
            what = "a storage of Optuna: an SQLite file or a journal file"
            found += find(files, "*", what, is_storage)
        return found

    def about(self, path: Path) -> About:
        """The user's own results."""
        return About(OWN)

    def parse(self, path: Path) -> Iterator[Rows]:
        """The rows of one storage, study by study."""
        found = studies(path)
        for name in wanted(list(found), self, path):
            try:
                study = _study(found[name]())
            except (pa.ArrowException, ValueError, TypeError, LookupError, OverflowError) as error:
                raise MalformedFile(
                    f"{path}, study {name!r}: a trial holds what Optuna never writes ({error})"
                ) from error
            yield from study_rows(study, self)


def _study(stored: Stored) -> Study:
    objectives = stored.metric_names or _anonymous(stored)
    finished = [i for i, state in enumerate(stored.states) if state in _STATUS]
    rejected = len(stored.states) - len(finished)
    return Study(
        tuner="optuna",
        name=stored.name,
        configs=stored.configs,
        runs=[f"{stored.name}/{number}" for number in range(len(stored.states))],
        points=joined([_results(stored, objectives, finished), _curves(stored, objectives)]),
        objectives=dict(zip(objectives, stored.minimized, strict=True)),
        anonymous=not stored.metric_names,
        declared=stored.declared,
        rejected={_UNFINISHED: rejected} if rejected else {},
    )


def _anonymous(stored: Stored) -> list[str]:
    if len(stored.minimized) == 1:
        return [f"{stored.name}/objective"]
    return [f"{stored.name}/objective_{i}" for i in range(len(stored.minimized))]


def _results(stored: Stored, objectives: Sequence[str], finished: Sequence[int]) -> pa.Table:
    """What the trials came to; a pruned one has no score at the full budget."""
    n = len(objectives)
    status = [_STATUS[stored.states[i]] for i in finished]
    values = [
        stored.values.get((i, k)) if state == "ok" else None
        for i, state in zip(finished, status, strict=True)
        for k in range(n)
    ]
    return points(
        trial=[i for i in finished for _ in range(n)],
        metric=list(objectives) * len(finished),
        value=values,
        status=list(chain.from_iterable([state] * n for state in status)),
        cost_s=[stored.seconds[i] for i in finished for _ in range(n)],
    )


def _curves(stored: Stored, objectives: Sequence[str]) -> pa.Table:
    """What the trials reported on their way; a trial that still runs is left out."""
    trial = pa.array(stored.reported_by, pa.int64())
    known = pa.array([state in _STATUS for state in stored.states], pa.bool_()).take(trial)
    steps = pa.array(stored.steps, pa.int64())
    if not len(trial) or len(objectives) > 1:
        return points(trial=[])
    return points(
        trial=trial,
        metric=objectives[0],
        value=pa.array(stored.reports, pa.float64()),
        budget=as_budgets(steps, trial),
        budget_unit="steps",
    ).filter(known)
