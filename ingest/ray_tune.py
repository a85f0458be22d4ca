"""Experiments of Ray Tune: a folder a trial with its `params.json` and `result.json`.

Nothing pickled is read, so the direction of a metric comes from its name or from the user. What
`experiment_state-*.json` says in JSON (the status of each trial, the metric) is used where it is.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pyarrow as pa

from ingest import About
from ingest.building import distinct, find
from ingest.small_files import read_object
from ingest.study import OWN, Study, of_the_study, points, study_rows
from metadb.errors import MalformedFile
from metadb.records import Rows

_PARAMS, _RESULT, _ERROR, _STATE = (
    "params.json",
    "result.json",
    "error.txt",
    "experiment_state*.json",
)
_BUDGET = "training_iteration"
_ITS_OWN = {  # what Ray adds to every result
    _BUDGET, "timestamp", "done", "trial_id", "date", "time_this_iter_s", "time_total_s", "pid",
    "time_since_restore", "iterations_since_restore", "timesteps_total", "timesteps_since_restore",
    "episodes_total", "experiment_id", "hostname", "node_ip", "config", "experiment_tag",
    "warmup_time", "checkpoint_dir_name", "should_checkpoint", "auto",
}  # fmt: skip
_UNFINISHED = ("RUNNING", "PENDING")


@dataclass(frozen=True)
class RayTune:
    """Experiments of Ray Tune, one load each.

    Args:
        paths: Folders of experiments, or folders above them.
        task: Id of the task; default `ray-tune:<experiment>`.
        metric: The metrics to keep; default the experiment's own, or all with a known direction.
        space: Name of the space; default `ray-tune:<experiment>`.
        study: The one experiment to read; default all.
        minimize: Direction of a metric whose name does not tell it.
    """

    paths: Sequence[str | Path]
    task: str | None = None
    metric: str | None = None
    space: str | None = None
    study: str | None = None
    minimize: bool | None = None

    def fetch(self, cache: Path, cursor: str | None = None) -> list[Path]:
        """The folders of the experiments."""
        what = f"an experiment of Ray Tune: a folder a trial, with {_PARAMS} and {_RESULT}"
        files = find(self.paths, _PARAMS, what, lambda path: True)
        folders = distinct(file.resolve().parent.parent for file in files)
        return of_the_study(folders, lambda folder: folder.name, self, self.paths[0])

    def about(self, path: Path) -> About:
        """The user's own results, and the files that are read."""
        files = [path / folder / name for folder in _trials(path) for name in (_PARAMS, _RESULT)]
        files += [path / folder / _ERROR for folder in _trials(path)]
        files += _state_files(path)[-1:]
        return About(OWN, None, tuple(file for file in files if file.is_file()))

    def parse(self, path: Path) -> Iterator[Rows]:
        """The rows of one experiment."""
        try:
            study = _study(path, self.metric)
        except (pa.ArrowException, ValueError, TypeError, AttributeError, OverflowError) as error:
            raise MalformedFile(
                f"{path} is no experiment of Ray Tune; a result holds no number where one should "
                f"stand ({error})"
            ) from error
        yield from study_rows(study, self)


@dataclass
class _Trials:
    """The trials read so far, and their results a column each."""

    configs: list[dict[str, Any]] = field(default_factory=list)
    runs: list[str] = field(default_factory=list)
    failed: list[int] = field(default_factory=list)
    trial: list[int] = field(default_factory=list)
    metric: list[str] = field(default_factory=list)
    value: list[float] = field(default_factory=list)
    budget: list[float] = field(default_factory=list)
    cost_s: list[float | None] = field(default_factory=list)

    def add(self, results: Sequence[Mapping[str, Any]]) -> None:
        """The results of the newest trial."""
        for nth, result in enumerate(results, 1):
            for name, value in _numbers(result):
                self.trial.append(len(self.configs) - 1)
                self.metric.append(name)
                self.value.append(value)
                self.budget.append(_budget(result, nth))
                self.cost_s.append(result.get("time_total_s"))


def _study(path: Path, metric: str | None) -> Study:
    objective, statuses = _state(path)
    trials, rejected, curves = _Trials(), Counter[str](), False
    for folder in _trials(path):
        results = _results(path / folder / _RESULT)
        config = read_object(path / folder / _PARAMS, "of hyperparameters, as Ray Tune writes it")
        curves |= any(_budget(result, nth) > 1 for nth, result in enumerate(results, 1))
        error = (path / folder / _ERROR).is_file()
        status = statuses.get(folder, "ERROR" if error else "TERMINATED")
        changed = any(result.get("config", config) != config for result in results)
        if status in _UNFINISHED or changed:
            reason = (
                "a trial whose hyperparameters changed while it ran"
                if changed
                else "a trial that is still running"
            )
            rejected[reason] += 1
            continue
        trials.configs.append(config)
        trials.runs.append(str(results[0].get("trial_id", folder)) if results else folder)
        if status == "ERROR":
            trials.failed.append(len(trials.configs) - 1)
        trials.add(results)
    names = distinct(trials.metric) or [objective or f"{path.name}/objective"]
    if metric is None and objective in names:
        names = [objective]
    return _assembled(path.name, trials, names, rejected, curves=curves)


def _assembled(
    name: str,
    trials: _Trials,
    names: Sequence[str],
    rejected: Mapping[str, int],
    *,
    curves: bool,
) -> Study:
    """The study; a failed trial fails at the full budget.

    Args:
        curves: Whether some trial, also one that still runs, has several results: else the one
            result of each is that at the full budget.
    """
    n, n_failed = len(trials.trial), len(trials.failed) * len(names)
    kept = points(
        trial=trials.trial + [i for i in trials.failed for _ in names],
        metric=trials.metric + list(names) * len(trials.failed),
        value=[*trials.value, *[None] * n_failed],
        status=["ok"] * n + ["failed"] * n_failed,
        budget=trials.budget + [1.0] * n_failed,
        budget_unit=["iterations" if curves else "fraction"] * n + ["fraction"] * n_failed,
        cost_s=[*trials.cost_s, *[None] * n_failed],
    )
    objectives: dict[str, bool | None] = dict.fromkeys(names)
    return Study("ray-tune", name, trials.configs, trials.runs, kept, objectives, rejected=rejected)


def _trials(path: Path) -> list[str]:
    """The folders of the trials, in order."""
    return sorted(file.parent.name for file in path.glob(f"*/{_PARAMS}"))


def _budget(result: Mapping[str, Any], nth: int) -> float:
    return float(result.get(_BUDGET, nth))


def _numbers(result: Mapping[str, Any], before: str = "") -> Iterator[tuple[str, float]]:
    """The metrics of one result, nested names joined by `/`."""
    for name, value in result.items():
        if before == "" and name in _ITS_OWN:
            continue
        if isinstance(value, Mapping):
            yield from _numbers(value, f"{before}{name}/")
        elif isinstance(value, int | float) and not isinstance(value, bool):
            yield f"{before}{name}", float(value)


def _results(path: Path) -> list[dict[str, Any]]:
    """The lines of a result file; a trial that failed before its first result has none."""
    if not path.is_file():
        return []
    try:
        with path.open(encoding="utf-8") as stream:
            found = [json.loads(line) for line in stream if line.strip()]
    except (ValueError, RecursionError) as error:
        raise MalformedFile(f"{path} is no result file of Ray Tune: {error}") from error
    if not all(isinstance(result, dict) for result in found):
        raise MalformedFile(f"{path} must hold a JSON object a line")
    return found


def _state_files(path: Path) -> list[Path]:
    return sorted(path.glob(_STATE))


def _state(path: Path) -> tuple[str | None, dict[str, str]]:
    """The experiment's metric, and the status of each trial's folder, as far as JSON has them."""
    try:
        content = json.loads(_state_files(path)[-1].read_text(encoding="utf-8"))
        entries = content.get("trial_data") or content.get("checkpoints") or []
        texts = [entry if isinstance(entry, str) else entry[0] for entry in entries]
        states = [json.loads(text) for text in texts]
        objective = (content.get("runner_data") or {}).get("_metric")
    except (ValueError, LookupError, TypeError, AttributeError, RecursionError):
        return None, {}
    statuses = {}
    for state in states:
        folder = state.get("relative_logdir") or state.get("logdir") or ""
        statuses[Path(str(folder)).name] = str(state.get("status"))
    return objective if isinstance(objective, str) else None, statuses
