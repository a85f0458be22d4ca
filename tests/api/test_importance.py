"""`metadb importance` as a user meets it: the table, the JSON, the picture, and what it warns of."""

from __future__ import annotations

import json
from pathlib import Path
from xml.etree import ElementTree

import numpy as np
import pytest

from api.cli import main
from api.importance import as_dict, importance, picture
from api.terminal import Common
from metadb.errors import NotFound, WrongUsage
from recommenders.importance import Importance

SAMPLE = Path(__file__).resolve().parents[2] / "data" / "sample"


@pytest.fixture(scope="module")
def sample(tmp_path_factory: pytest.TempPathFactory) -> Path:
    store = tmp_path_factory.mktemp("sample") / "store"
    assert main(["ingest", "table", str(SAMPLE), "--store", str(store), "--quiet"]) == 0
    return store


def found_of(single: list[list[float]], why: list[str | None]) -> Importance:
    n, d = np.shape(single)
    return Importance(
        tuple(f"part__h{i}" for i in range(d)), tuple(f"toy:{t}" for t in range(n)),
        np.array(single), (), np.empty((n, 0)), (9,) * n, np.full(n, 0.5), tuple(why), "loss",
    )  # fmt: skip


def test_one_task_with_pairs_as_a_table(sample, capsys):
    with_pairs = Common(store=sample)
    assert importance(space="classifier", metric="accuracy", pairs=True, task=first_task(sample),
                      common=with_pairs) == 0  # fmt: skip
    out, err = capsys.readouterr()
    lines = out.splitlines()
    assert lines[0].split() == ["hyperparameter", "share"]
    shares = [float(line.split()[-1]) for line in lines[1:] if not line.endswith(("share", "seen"))]
    assert 0.9 < sum(shares) < 1.01 + 0.0005 * len(shares)
    assert any(line.startswith("together, beyond each alone") for line in lines)
    assert lines[-1].startswith("1 task, 210 evaluations each")
    assert "a forest for 1 task of space classifier, metric accuracy" in err


def first_task(store: Path) -> str:
    from metadb.store import Store

    with Store(store) as opened:
        return opened.history("classifier", "accuracy").tasks[0]


def test_json_and_picture(sample, capsys, tmp_path):
    drawn = tmp_path / "one.svg"
    task = first_task(sample)
    common = Common(store=sample, json=True)
    assert importance(space="classifier", task=task, out=drawn, common=common) == 0
    said = json.loads(capsys.readouterr().out)
    assert said["space"] == "classifier"
    (one,) = said["tasks"]
    assert one["task"] == task
    assert set(one["importance"]) == set(said["hyperparameters"])
    assert one["importance"][said["across"][0]["of"][0]] == said["across"][0]["median"]
    root = ElementTree.fromstring(drawn.read_text())
    titles = [t.text for t in root.iter("{http://www.w3.org/2000/svg}title")]
    assert len(titles) == len(said["hyperparameters"])
    assert said["across"][0]["of"][0] in titles[0]


def test_what_is_wrong_is_said(sample, tmp_path):
    with pytest.raises(WrongUsage, match=r"\.svg"):
        importance(space="classifier", out=tmp_path / "a.pdf", common=Common(store=sample))
    with pytest.raises(NotFound, match="no task 'toy:1'"):
        importance(space="classifier", task="toy:1", common=Common(store=sample))
    with pytest.raises(NotFound, match="no space 'clasifier'"):
        importance(space="clasifier", common=Common(store=sample))


def test_the_picture_has_a_dot_a_task_and_escapes_names():
    found = found_of([[0.7, 0.2], [0.5, 0.1], [np.nan, np.nan]], [None, None, "all failed"])
    drawn = picture(found, title="a < b")
    assert drawn.count("<circle") == 4
    assert "a &lt; b" in drawn
    ElementTree.fromstring(drawn)
    nothing = found_of([[np.nan]], ["all failed"])
    assert "no task has an importance" in picture(nothing, title="x")


def test_json_is_strict_where_there_is_no_figure():
    from api.terminal import json_text

    said = json.loads(json_text(as_dict(found_of([[np.nan]], ["all failed"]))))
    assert said["tasks"][0]["importance"] == {"part__h0": None}
    assert said["tasks"][0]["why"] == "all failed"
    assert said["across"] == []


def test_cautions_name_the_tasks_and_the_reason():
    from api.importance import _cautions, _lines

    found = found_of([[np.nan]] * 5 + [[0.6]], ["all failed"] * 5 + [None])
    (said,) = _cautions(found)
    assert said == "no importance for toy:0, toy:1, toy:2 and 2 more tasks: all failed"
    assert list(_lines(found_of([[np.nan]], ["all failed"]))) == ["no task has an importance"]
