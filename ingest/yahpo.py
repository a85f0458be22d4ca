"""YAHPO Gym: the tasks and the declared spaces of its surrogates; `optimizers.yahpo` runs them.

There are no evaluations in these files: a surrogate answers for any config, as often as asked.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ingest import About
from ingest.building import beginning, find, rows
from ingest.small_files import read_json
from metadb.errors import InvalidSpace, MalformedFile
from metadb.records import Rows
from metadb.space import from_old, space_id, to_json

_CITATION = (
    "Pfisterer, Schneider, Moosbauer, Binder, Bischl, YAHPO Gym - An Efficient Multi-Objective "
    "Multi-Fidelity Benchmark for Hyperparameter Optimization, AutoML-Conf 2022"
)
_INSTANCES = {  # lcbench means OpenML's tasks; rbv2 and iaml mean data sets, whatever the name says
    "OpenML_task_id": "openml:task",
    "task_id": "openml:dataset",
    "task": "yahpo:fcnet",
}
_FIDELITIES = ("epoch", "trainsize", "repl", "replication")
_REGRESSION = ("fcnet",)
_ONLY = {"nb301": "CIFAR10"}  # scenarios of one task, which the space does not name


@dataclass(frozen=True)
class Yahpo:
    """The files `config_space.json` of scenarios, each in the folder named after its scenario.

    Args:
        paths: Such files, or folders above them.
    """

    paths: Sequence[str | Path]

    def fetch(self, cache: Path, cursor: str | None = None) -> list[Path]:
        """The spaces in ConfigSpace's JSON."""
        return find(
            self.paths,
            "config_space*.json",
            "config_space.json of YAHPO scenarios",
            lambda path: '"hyperparameters"' in beginning(path),
        )

    def about(self, path: Path) -> About:
        """Licence and paper."""
        return About("Apache-2.0", _CITATION)

    def parse(self, path: Path) -> Iterator[Rows]:
        """The tasks and the space of one scenario."""
        content, scenario = _content(path), scenario_name(path)
        family = scenario.removesuffix("_v2")
        kind = "regression" if family in _REGRESSION else "classification"
        tasks = _tasks(content, family)
        datasets = [task if task.startswith("openml:dataset/") else None for task in tasks]
        known = [dataset for dataset in datasets if dataset]
        tables = {"datasets": rows("datasets", dataset=known)} if known else {}
        try:
            space = from_old(content, f"yahpo-{scenario}", without=(*_INSTANCES, *_FIDELITIES))
        except InvalidSpace as error:
            raise MalformedFile(f"{path} holds no space: {error}") from error
        yield Rows(
            {
                **tables,
                "spaces": rows(
                    "spaces", space=[space_id(space)], name=space.name, definition=to_json(space)
                ),
                "tasks": rows("tasks", task=tasks, kind=kind, dataset=datasets),
            }
        )


def scenario_name(path: Path) -> str:
    """The scenario of a file: its folder's name, with `_v2` where the file is of version 2."""
    folder = path.resolve().parent.name
    return folder if folder.endswith("_v2") or not path.stem.endswith("_v2") else f"{folder}_v2"


def _content(path: Path) -> dict[str, Any]:
    """The space as it stands in the file: ConfigSpace's JSON of format 0.2."""
    try:
        content = read_json(path)
        names = [part["name"] for part in content["hyperparameters"]]
        parts = [part for part in content["hyperparameters"] if part["name"] in _INSTANCES]
        choices = [choice for part in parts for choice in part["choices"]]
    except (TypeError, KeyError) as error:
        raise MalformedFile(
            f"{path} must be a space in ConfigSpace's JSON, with 'hyperparameters' ({error!r})"
        ) from error
    if not all(isinstance(text, str) for text in (*names, *choices)):
        raise MalformedFile(f"{path}: the names of hyperparameters and of tasks must be text")
    return dict(content)


def _tasks(content: dict[str, Any], family: str) -> list[str]:
    for part in content["hyperparameters"]:
        if origin := _INSTANCES.get(part["name"]):
            return [
                f"{origin}/{name}" if name.isdecimal() else f"yahpo:{family}/{name}"
                for name in part["choices"]
            ]
    return [f"yahpo:{family}/{_ONLY.get(family, 'task')}"]
