"""LCDB 1.1: learning curves of 28 learners on OpenML data sets, error rate against training size.

The budget is the number of training instances. Each point is a mean over 5 x 5 splits and its
standard error, of the training, validation and test part: six metrics a point, `error_rate` (test),
`error_rate/validation`, `error_rate/train`, and each with `/standard_error` behind it. A point that
was not run (too large, out of time, not applicable) has no row: the files do not say which it was.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa

from ingest import About
from ingest.building import distinct, find, metafeature_rows, metric_rows, rows
from ingest.small_files import number, read_json, read_records
from metadb.errors import MalformedFile, NotFound
from metadb.identity import canonical_config, config_id, family
from metadb.metrics import METRICS, Metric
from metadb.records import Rows

SPACE = "lcdb"

_CITATION = (
    "Yan, Mohr, Viering, LCDB 1.1: A Database Illustrating Learning Curves Are More Ill-Behaved "
    "Than Previously Thought, NeurIPS 2025"
)
_SPLITS = {"train": "/train", "val": "/validation", "test": ""}
_STATS = {"mean": "", "stderr": "/standard_error"}
_META = ("learners", "anchors", "stat_labels", "tvt_labels")
_SUMMARY = "datasets_FULL_summary.csv"
_ANCHORS = "datasets_FULL_max_anchor.csv"
_ZOO = "learner_zoo.csv"
_NAMES = "names.json"
_FEATURES = {  # ours where it is the same, else the origin's own name
    "#Samples": "nr_inst",
    "#Features": "nr_attr",
    "#Classes": "nr_class",
    "MaxClassRatio": "MaxClassRatio",
}
_NUMBER = re.compile("[1-9][0-9]{0,17}")
_BATCH = 24
"""Data sets in one `Rows`: about 250,000 evaluations, and 150 MB while they are put together."""


@dataclass(frozen=True)
class Lcdb:
    """The folder with `meta.json` and `er/<OpenML data set>.json`, one load as a whole.

    1.8 million evaluations from 177 data sets; never more than 24 data sets are held in memory.

    Args:
        paths: The folder, its `meta.json`, or folders above it.
    """

    paths: Sequence[str | Path]

    def fetch(self, cache: Path, cursor: str | None = None) -> list[Path]:
        """The folders that hold `meta.json` and `er`."""
        files = find(
            self.paths,
            "meta.json",
            "a folder of LCDB 1.1 (meta.json beside a folder er with a JSON file a data set)",
            lambda path: (path.parent / "er").is_dir(),
        )
        return distinct(file.parent for file in files)

    def about(self, path: Path) -> About:
        """Licence, paper, and the files that are read."""
        named = [path / name for name in ("meta.json", _SUMMARY, _ANCHORS, _ZOO, _NAMES)]
        files = [file for file in [*named, *_curves(path)] if file.is_file()]
        return About("CC-BY-4.0", _CITATION, tuple(files))

    def parse(self, path: Path) -> Iterator[Rows]:
        """The rows of one folder, some data sets at a time."""
        grid = _Grid.read(path / "meta.json")
        files = _curves(path)
        if not files:
            raise NotFound(f"there are no curves er/<OpenML data set>.json in {path}")
        tables = grid.entities(path / _ZOO) | _tasks(path, [int(file.stem) for file in files])
        for start in range(0, len(files), _BATCH):
            batch = files[start : start + _BATCH]
            evaluations = grid.evaluations([int(file.stem) for file in batch], batch)
            share = (start + len(batch)) / len(files)
            yield Rows({**tables, "evaluations": evaluations}, share=share)
            tables = {}


@dataclass(frozen=True, slots=True)
class _Grid:
    """What the axes of every file mean: learners, statistics, anchors and splits."""

    learners: list[str]
    anchors: list[float]
    stats: list[str]
    splits: list[str]

    @classmethod
    def read(cls, path: Path) -> _Grid:
        meta = read_json(path)
        lists = [meta.get(name) if isinstance(meta, dict) else None for name in _META]
        learners, anchors, stats, splits = ([*v] if isinstance(v, list) else [] for v in lists)
        if not (learners and anchors and stats and splits):
            raise MalformedFile(f"{path} must be a JSON object with the lists {', '.join(_META)}")
        if not (_among(stats, _STATS) and _among(splits, _SPLITS)):
            raise MalformedFile(
                f"{path}: the statistics {stats} and splits {splits} are not among "
                f"{[*_STATS]} and {[*_SPLITS]}, each once"
            )
        if not all(isinstance(anchor, int | float) and 0 < anchor < 1e18 for anchor in anchors):
            raise MalformedFile(f"{path}: an anchor is not a positive number of instances")
        if len({*map(str, learners)}) < len(learners):
            raise MalformedFile(f"{path} names a learner twice")
        return cls([str(name) for name in learners], anchors, stats, splits)

    @property
    def shape(self) -> tuple[int, int, int, int]:
        """(learners, statistics, anchors, splits)."""
        return len(self.learners), len(self.stats), len(self.anchors), len(self.splits)

    def metric(self, stat: str, split: str) -> Metric:
        """The metric of one statistic on one split."""
        part = {"train": "training", "val": "validation", "test": "test"}[split]
        name = f"error_rate{_SPLITS[split]}{_STATS[stat]}"
        if name in METRICS:
            return METRICS[name]
        what = "Standard error of the mean" if stat == "stderr" else "Mean"
        return Metric(name, True, "1", 0.0, 1.0, f"{what} error rate on the {part} part.")

    def entities(self, zoo: Path) -> dict[str, pa.Table]:
        """Rows of metrics, flows and configs: a learner is a config, its defaults unchanged."""
        records = read_records(zoo, ("learner_full", "learner")) if zoo.is_file() else []
        full = {record["learner"]: record["learner_full"] for record in records}
        names = [full.get(learner, learner) for learner in self.learners]
        flows = [f"lcdb:{learner}" for learner in self.learners]
        return {
            "metrics": metric_rows(self.metric(s, t) for t in self.splits for s in self.stats),
            "flows": rows("flows", flow=flows, name=names, family=[family(name) for name in names]),
            "configs": rows(
                "configs",
                config=self._configs(),
                space=SPACE,
                hyperparameters=[canonical_config({"learner": name}) for name in self.learners],
                flow=flows,
            ),
        }

    def _configs(self) -> list[str]:
        return [config_id(SPACE, {"learner": name}) for name in self.learners]

    def evaluations(self, datasets: Sequence[int], files: Sequence[Path]) -> pa.Table:
        """One evaluation for each number in these files."""
        value = np.stack([self._values(file) for file in files])  # (files, *self.shape)
        file, learner, stat, anchor, split = np.nonzero(~np.isnan(value))
        metrics = [self.metric(s, t).name for s in self.stats for t in self.splits]
        tasks = [f"openml:dataset/{did}" for did in datasets]
        return rows(
            "evaluations",
            task=pa.array(tasks).take(pa.array(file)),
            config=pa.array(self._configs()).take(pa.array(learner)),
            metric=pa.array(metrics).take(pa.array(stat * len(self.splits) + split)),
            value=value[file, learner, stat, anchor, split],
            status="ok",
            budget=np.asarray(self.anchors, float)[anchor],
            budget_unit="instances",
            origin="lcdb",
        )

    def _values(self, path: Path) -> np.ndarray[Any, np.dtype[np.float64]]:
        content = read_json(path)
        try:
            values = np.array(content, float)
        except (ValueError, TypeError, OverflowError) as error:
            raise MalformedFile(f"{path} is not a nested list of numbers and null") from error
        if values.shape != self.shape:
            raise MalformedFile(
                f"{path} has the shape {values.shape}, where meta.json says {self.shape}: "
                "learners, statistics, anchors, splits"
            )
        return values


def _among(names: list[Any], known: Mapping[str, str]) -> bool:
    """Whether these are some of the known names, each once."""
    return all(name in list(known) for name in names) and len(names) == len({*map(str, names)})


def _curves(path: Path) -> list[Path]:
    """The files of curves, in order of their data sets' numbers."""
    files = [file for file in (path / "er").glob("*.json") if file.is_file()]
    wrong = [file for file in files if not _NUMBER.fullmatch(file.stem)]
    if wrong:
        raise MalformedFile(f"{wrong[0]} is not named after an OpenML data set, such as 61.json")
    return sorted(files, key=lambda file: int(file.stem))


def _tasks(path: Path, datasets: Sequence[int]) -> dict[str, pa.Table]:
    """Data sets, tasks and meta-features of the data sets that have curves."""
    titles = read_json(path / _NAMES) if (path / _NAMES).is_file() else {}
    if not isinstance(titles, dict):
        raise MalformedFile(f"{path / _NAMES} must be a JSON object of data set to name")
    ids = [f"openml:dataset/{did}" for did in datasets]
    names = [titles.get(str(did)) for did in datasets]
    summary = _by_dataset(path / _SUMMARY, "OpenML_ID", _FEATURES)
    largest = _by_dataset(path / _ANCHORS, "openml_id", {"max_anchor": "max_anchor"})
    features = [*_FEATURES.values(), "max_anchor"]
    found = [summary.get(str(did), {}) | largest.get(str(did), {}) for did in datasets]
    values = np.array([[one.get(name, np.nan) for name in features] for one in found])
    return {
        "datasets": rows("datasets", dataset=ids, name=names),
        "tasks": rows("tasks", task=ids, kind="classification", dataset=ids, name=names),
        "metafeatures": metafeature_rows(ids, features, values, "lcdb"),
    }


def _by_dataset(path: Path, key: str, columns: dict[str, str]) -> dict[str, dict[str, float]]:
    """Data set to its numbers under our names; empty where there is no such file."""
    if not path.is_file():
        return {}
    return {
        record[key]: {
            name: number(record[column], f"{path}, column {column}")
            for column, name in columns.items()
        }
        for record in read_records(path, (key, *columns))
    }
