"""`metadb nas` as a person uses it."""

from __future__ import annotations

import json

import pytest

from api.cli import main
from metadb.store import Store

SMALL = {
    "--data": "digits", "--size": "8", "--width": "2", "--epochs": "2", "--batch": "256",
    "--trials": "3", "--validation": "0.5",
}  # fmt: skip


def nas(tmp_path, *more, **words):
    given = SMALL | {f"--{name.replace('_', '-')}": value for name, value in words.items()}
    return main(
        ["nas", *(w for pair in given.items() for w in pair), *more, "--json",
         "--store", str(tmp_path / "store"), "--out", str(tmp_path / "model")]
    )  # fmt: skip


def test_a_search_is_run_recorded_and_gone_on_with(tmp_path, capsys):
    assert nas(tmp_path, trials="2", optimizer="evolution") == 0
    first = json.loads(capsys.readouterr().out)
    assert (first["trials"], first["resumed"]) == (2, 0)
    assert first["optimizer"] == "regularized_evolution"
    assert 0 < first["accuracy"] < 1
    assert first["final"] == {"epochs": 2, "accuracy": first["accuracy"]}  # the same training
    assert nas(tmp_path, optimizer="evolution") == 0
    second = json.loads(capsys.readouterr().out)
    assert (second["trials"], second["resumed"], second["run"]) == (3, 2, first["run"])
    assert second["accuracy"] >= first["accuracy"]
    with Store(tmp_path / "store") as store:
        rows = store.sql(
            "select c.config, budget, value from evaluations join configs c using (config) "
            "where c.space = 'nas-bench-201' and budget_unit = 'epochs' order by all"
        )
        scored = [row for row in rows if row["value"] is not None]
        assert sorted(row["budget"] for row in scored) == [1.0] * (len(scored) // 2) + [2.0] * (
            len(scored) // 2
        )
    page = (tmp_path / "model" / "report.html").read_text()
    assert page.count("<svg") == 2
    assert list((tmp_path / "model").glob("network-*.safetensors"))
    assert nas(tmp_path, optimizer="evolution") == 0  # nothing is left to do
    assert json.loads(capsys.readouterr().out)["accuracy"] == second["accuracy"]


def test_the_next_task_begins_with_what_was_best(tmp_path, capsys):
    assert nas(tmp_path, optimizer="random") == 0
    before = json.loads(capsys.readouterr().out)
    assert before["first"] == 0
    assert nas(tmp_path, optimizer="local_search", seed="1", warm_start="2", trials="2") == 0
    after = json.loads(capsys.readouterr().out)
    assert after["task"] != before["task"]  # the images are parted anew
    assert after["first"] == 2
    assert after["taught"] is None  # it has no model that could be taught
    for optimizer, taught in (("wl_gp", "expectation"), ("reinforce", "prior"), ("random", None)):
        for warm_start, expected in (("1", taught), ("0", None)):
            words = {"optimizer": optimizer, "warm_start": warm_start, "trials": "2"}
            assert nas(tmp_path, **words) == 0
            assert json.loads(capsys.readouterr().out)["taught"] == expected


@pytest.mark.parametrize("optimizer", ["gdas", "successive_halving"])
def test_other_ways_to_search(optimizer, tmp_path, capsys):
    assert nas(tmp_path, optimizer=optimizer, search_epochs="1", epochs="3", trials="4") == 0
    found = json.loads(capsys.readouterr().out)
    if optimizer == "gdas":
        assert (found["trials"], found["first"]) == (1, 1)
        assert found["shared_s"] > 0
    else:
        assert found["trials"] == 4


def test_what_is_asked_amiss_is_said(tmp_path, capsys):
    for words, why in (
        ({"space": "torus"}, "no space of architectures 'torus'; there are nb201"),
        ({"optimizer": "luck"}, "no optimiser of architectures 'luck'; there are random"),
        ({"epochs": "0"}, "--epochs is 0; give 1 or more"),
        ({"device": "abacus"}, "no device 'abacus' here"),
        ({"data": str(tmp_path / "none")}, "there is no file or folder"),
    ):
        assert nas(tmp_path, **words) != 0
        assert why in json.loads(capsys.readouterr().out)["error"]["message"]


def test_networks_that_do_not_fit_are_said_to(tmp_path, capsys):
    assert nas(tmp_path, width="200000", trials="1", optimizer="random") != 0
    assert "take a smaller width" in capsys.readouterr().out
