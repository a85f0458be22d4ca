"""Run histories of SMAC: `runhistory.json` with the `configspace.json` and `scenario.json` beside.

SMAC minimises a cost. Each instance is a task of its own; without instances a run is one task.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pyarrow as pa

from ingest import About
from ingest.building import find
from ingest.small_files import read_object
from ingest.study import OWN, Study, of_the_study, points, study_rows
from metadb.errors import InvalidSpace, MalformedFile
from metadb.records import Rows

if TYPE_CHECKING:
    from ConfigSpace import ConfigurationSpace

MAX_BYTES = 1 << 30
"""A larger run history is refused."""

_FILE = "runhistory.json"
_SPACE, _SCENARIO = "configspace.json", "scenario.json"
_DATA = ("config_id", "instance", "seed", "budget", "cost", "time", "status")
_STATUS = {
    "SUCCESS": "ok",
    "CRASHED": "failed",
    "ABORT": "failed",
    "TIMEOUT": "timeout",
    "MEMORYOUT": "memout",
    "MEMOUT": "memout",
    "CAPPED": "censored",
    "DONOTADVANCE": "ok",
}
_BY_NUMBER = ("RUNNING", "SUCCESS", "CRASHED", "TIMEOUT", "MEMORYOUT")
_UNFINISHED = "a trial that is still running"


@dataclass(frozen=True)
class Smac:
    """Run histories of SMAC 1 and 2, one load each.

    Args:
        paths: Files `runhistory.json`, or folders above them.
        task: Id of the task, before `/instance` where there are instances; default `smac:<name>`.
        metric: What the cost is, of several by comma; default `<name>/cost`, or as SMAC has it.
        space: Name of the space; default `smac:<name>`.
        study: The one scenario to read; default all.
        minimize: Not needed: a cost is minimised.
    """

    paths: Sequence[str | Path]
    task: str | None = None
    metric: str | None = None
    space: str | None = None
    study: str | None = None
    minimize: bool | None = None

    def fetch(self, cache: Path, cursor: str | None = None) -> list[Path]:
        """The run histories, of the scenario that is asked for."""
        found = find(self.paths, _FILE, f"{_FILE} of SMAC", lambda path: True)
        return of_the_study(found, _name, self, found[0].parent)

    def about(self, path: Path) -> About:
        """The user's own results, and the files that belong together."""
        beside = [path.parent / name for name in (_SPACE, _SCENARIO)]
        return About(OWN, None, (path, *(file for file in beside if file.is_file())))

    def parse(self, path: Path) -> Iterator[Rows]:
        """The rows of one run history."""
        content = _content(path)
        try:
            study = _study(path, content)
        except (
            pa.ArrowException,
            LookupError,
            TypeError,
            ValueError,
            AttributeError,
            OverflowError,
        ) as error:
            raise MalformedFile(
                f"{path} is no run history of SMAC; it needs 'data' and 'configs' ({error!r})"
            ) from error
        yield from study_rows(study, self)


def _study(path: Path, content: dict[str, Any]) -> Study:
    scenario, name = _scenario(path), _name(path)
    entries = [_entry(entry) for entry in content["data"]]
    finished = [entry for entry in entries if entry["status"] in _STATUS]
    configs = {str(key): dict(config) for key, config in content["configs"].items()}
    place = {key: i for i, key in enumerate(configs)}
    given = scenario.get("objectives") or "cost"
    objectives = [given] if isinstance(given, str) else [str(one) for one in given]
    anonymous = objectives == ["cost"]
    if anonymous:
        objectives = [f"{name}/cost"]
    n = len(objectives)
    costs = [c for entry in finished for c in _costs(entry["cost"], n)]
    status = [_STATUS[entry["status"]] for entry in finished for _ in range(n)]
    bounded = ("ok", "censored")  # the cost of a crash is SMAC's penalty
    budgets = [entry["budget"] for entry in finished]

    def each(column: list[Any]) -> list[Any]:
        return [value for value in column for _ in range(n)]

    rejected = len(entries) - len(finished)
    return Study(
        tuner="smac",
        name=name,
        configs=list(configs.values()),
        runs=[f"{name}/{scenario.get('seed', path.parent.name)}/{key}" for key in configs],
        points=points(
            trial=each([place[str(entry["config_id"])] for entry in finished]),
            metric=objectives * len(finished),
            value=[c if s in bounded else None for c, s in zip(costs, status, strict=True)],
            status=status,
            budget=each([float(budget or 1.0) for budget in budgets]),
            budget_unit=each(["budget" if budget else "fraction" for budget in budgets]),
            cost_s=each([entry["time"] for entry in finished]),
            seed=each([entry["seed"] for entry in finished]),
            instance=each([entry["instance"] for entry in finished]),
        ),
        objectives=dict.fromkeys(objectives, True),
        anonymous=anonymous,
        declared=_space(path.parent / _SPACE),
        rejected={_UNFINISHED: rejected} if rejected else {},
    )


def _entry(entry: Any) -> dict[str, Any]:
    """One trial, in whichever form its version of SMAC writes it."""
    if isinstance(entry, Mapping):
        found = {name: entry[name] for name in _DATA}
    elif isinstance(entry[0], list):  # SMAC 1: [[config, instance, seed, budget], [cost, ...]]
        key, value = entry
        found = dict(zip(_DATA, [*key, *[None] * (4 - len(key)), *value[:3]], strict=True))
    else:  # SMAC 2.0: flat, later with the CPU time before the status
        n_times = 1 if len(entry) < 11 else 2
        found = dict(zip(_DATA, [*entry[:6], entry[5 + n_times]], strict=True))
    found["status"] = _word(found["status"])
    if found["instance"] is not None:
        found["instance"] = str(found["instance"])
    return found


def _word(status: Any) -> str:
    """A status as a word: 1, `StatusType.SUCCESS` or SMAC 1's `{"__enum__": ...}`."""
    if isinstance(status, int):
        return _BY_NUMBER[status]
    if isinstance(status, Mapping):
        status = status["__enum__"]
    return str(status).rpartition(".")[2].upper()


def _costs(cost: Any, n: int) -> list[float | None]:
    """The cost of each objective."""
    costs = list(cost) if isinstance(cost, list) else [cost] * n
    if len(costs) != n:
        raise ValueError(f"{len(costs)} costs of {n} objectives")
    return [None if c is None else float(c) for c in costs]


def _space(path: Path) -> ConfigurationSpace | None:
    """The declared space; None where this ConfigSpace cannot read it."""
    if not path.is_file():
        return None
    from metadb.space import from_json

    try:
        return from_json(json.dumps(_content(path)))
    except InvalidSpace:  # of a version of long ago; the configs tell the space
        return None


def _scenario(path: Path) -> dict[str, Any]:
    file = path.parent / _SCENARIO
    return _content(file) if file.is_file() else {}


def _name(path: Path) -> str:
    """The scenario's name, or that of the folder."""
    return str(_scenario(path).get("name") or path.resolve().parent.name)


def _content(path: Path) -> dict[str, Any]:
    return read_object(path, "as SMAC writes it", MAX_BYTES)
