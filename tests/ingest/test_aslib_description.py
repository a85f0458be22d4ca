"""`description.txt` in both dialects."""

from __future__ import annotations

from pathlib import Path

import pytest

from ingest.aslib_description import read_description
from metadb.errors import MalformedFile

LISTS = """scenario_id: S
performance_measures:
- predictive_accuracy
- time
maximize:
- true
- false
performance_type:
- solution_quality
- runtime
algorithm_cutoff_time: '?'
feature_steps:
  ALL:
    provides: &id001
    - a
    - b
  more:
    requires:
    - ALL
    provides: [c, 'd']
features_deterministic: *id001
"""
SCALARS = """scenario_id: "S"
performance_measures: PAR10
maximize: false
performance_type: runtime
algorithm_cutoff_time: 1800
algorithm_cutoff_memory: ?
feature_step X: a, b
default_steps: X
"""


def description(tmp_path: Path, text: str) -> Path:
    path = tmp_path / "description.txt"
    path.write_text(text)
    return path


def test_lists(tmp_path: Path) -> None:
    found = read_description(description(tmp_path, LISTS))
    assert (found.scenario, found.cutoff_s) == ("S", None)
    assert [(m.column, m.metric.name, m.runtime) for m in found.measures] == [
        ("predictive_accuracy", "accuracy", False),
        ("time", "S/time", True),
    ]
    assert found.steps == {"ALL": ("a", "b"), "more": ("c", "d")}


def test_scalars(tmp_path: Path) -> None:
    found = read_description(description(tmp_path, SCALARS))
    assert (found.scenario, found.cutoff_s) == ("S", 1800)
    assert found.measures[0].metric.name == "S/PAR10"
    assert found.measures[0].metric.lower_is_better
    assert found.steps == {"X": ("a", "b")}


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("", "no 'scenario_id'"),
        ("scenario_id: S\nperformance_measures: '?'", "no 'performance_measures'"),
        ("scenario_id: S\nperformance_measures: obj", "maximized"),
        ("scenario_id: S\nperformance_measures: roc_auc\nmaximize: false", "a loss made of it"),
    ],
)
def test_what_is_not_said_is_not_guessed(text: str, says: str, tmp_path: Path) -> None:
    with pytest.raises(MalformedFile, match=says):
        read_description(description(tmp_path, text))
