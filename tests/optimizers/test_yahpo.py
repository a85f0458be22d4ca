"""YAHPO's surrogates: inputs in their order and codes, budgets, and the published numbers."""

from __future__ import annotations

import copy
import csv
import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from ingest import source
from metadb.errors import InvalidConfig, MalformedFile, NotFound, WrongUsage
from metadb.records import Trial
from metadb.space import default, sample, space_id
from optimizers import RandomSearch, run
from optimizers.yahpo import Yahpo
from optimizers.yahpo_scenario import SCENARIOS

ROOT = Path(__file__).resolve().parents[2]
REAL = ROOT.parent / "shared" / "data" / "yahpo"
real = pytest.mark.skipif(not REAL.is_dir(), reason=f"real data only with {REAL}")
CONFIG = {
    "batch_size": 64,
    "learning_rate": 0.25,
    "momentum": 0.5,
    "weight_decay": 0.125,
    "num_layers": 3,
    "max_units": 256,
    "max_dropout": 0.75,
}


@pytest.fixture(autouse=True)
def _runtime():
    pytest.importorskip("onnxruntime")


# -- a network written by hand: outputs are sums of inputs -----------------------------------------


def _bytes(field, content):
    """A protobuf field that holds bytes."""
    return _number(field, len(content), wire=2) + content


def _number(field, value, wire=0):
    out = b""
    for number in (field << 3 | wire, value):
        while number > 127:
            out += bytes([number & 127 | 128])
            number >>= 7
        out += bytes([number])
    return out


def _value(name, kind, width):
    dims = _bytes(1, _bytes(2, b"n")) + _bytes(1, _number(1, width))
    return _bytes(1, name) + _bytes(2, _bytes(1, _number(1, kind) + _bytes(2, dims)))


def _node(op, inputs, output, attribute=b""):
    return b"".join(_bytes(1, i) for i in inputs) + _bytes(2, output) + _bytes(4, op) + attribute


def network(weights):
    """ONNX of `concat(x_cont, x_cat) @ weights`; FLOAT is type 1, INT32 is 6, an int attribute 2."""
    n_numbers = len(weights) - 1
    to = _bytes(5, _bytes(1, b"to") + _number(3, 1) + _number(20, 2))
    axis = _bytes(5, _bytes(1, b"axis") + _number(3, 1) + _number(20, 2))
    dims = b"".join(_number(1, size) for size in weights.shape)
    graph = (
        _bytes(1, _node(b"Cast", [b"x_cat"], b"c", to))
        + _bytes(1, _node(b"Concat", [b"x_cont", b"c"], b"x", axis))
        + _bytes(1, _node(b"MatMul", [b"x", b"w"], b"output"))
        + _bytes(2, b"tiny")
        + _bytes(
            5, dims + _number(2, 1) + _bytes(8, b"w") + _bytes(9, weights.astype("<f4").tobytes())
        )
        + _bytes(11, _value(b"x_cat", 6, 1))
        + _bytes(11, _value(b"x_cont", 1, n_numbers))
        + _bytes(12, _value(b"output", 1, weights.shape[1]))
    )
    return _number(1, 8) + _bytes(7, graph) + _bytes(8, _number(2, 13))


@pytest.fixture
def folder(tmp_path):
    """A scenario lcbench whose targets tell its inputs."""
    weights = np.zeros((9, 6))  # epoch .. max_dropout, then the task's code
    weights[0, 0] = 2  # time = 2 s an epoch
    weights[2, 1] = 100  # val_accuracy = 100 learning_rate
    weights[6, 2], weights[1, 2] = 1, 1 / 1024  # val_cross_entropy: max_units, batch_size
    weights[8, 3] = 0.125  # val_balanced_accuracy = code / 8
    weights[4, 4], weights[5, 4] = 1, 10  # test_cross_entropy: weight_decay, num_layers
    weights[3, 5], weights[7, 5] = 1, 10  # test_balanced_accuracy: momentum, max_dropout
    home = tmp_path / "lcbench"
    home.mkdir()
    (home / "model.onnx").write_bytes(network(weights))
    codes = {"#na#": 0, "126025": 1, "3945": 5, "1": 6}
    (home / "encoding.json").write_text(json.dumps({"OpenML_task_id": codes}))

    def uniform(kind, name, lower, upper, log=False):
        middle = {"default": lower, "lower": lower, "upper": upper, "log": log}
        return {"name": name, "type": f"uniform_{kind}", **middle}

    parts = [
        {
            "name": "OpenML_task_id",
            "type": "categorical",
            "choices": ["3945", "126025"],
            "default": "3945",
            "probabilities": None,
        },
        uniform("int", "epoch", 1, 52),
        uniform("int", "batch_size", 16, 512, log=True),
        *(uniform("float", n, 0.0, 1.0) for n in ("learning_rate", "momentum", "weight_decay")),
        uniform("int", "num_layers", 1, 5),
        uniform("int", "max_units", 64, 1024, log=True),
        uniform("float", "max_dropout", 0.0, 1.0),
    ]
    written = {"hyperparameters": parts, "conditions": [], "json_format_version": 0.2}
    (home / "config_space.json").write_text(json.dumps(written))
    return tmp_path


# -- laws -------------------------------------------------------------------------------------------


def test_inputs_stand_in_their_order_and_a_task_by_its_code(folder):
    found = Yahpo(folder, "lcbench", "3945").evaluate([CONFIG, {**CONFIG, "learning_rate": 0.5}])
    assert found.column_names == [target.name for target in SCENARIOS["lcbench"].targets]
    assert [tuple(row.values()) for row in found.to_pylist()] == [
        (104.0, 25.0, 256.0625, 0.625, 30.125, 8.0),
        (104.0, 50.0, 256.0625, 0.625, 30.125, 8.0),
    ]
    assert (
        Yahpo(folder, "lcbench", "126025").evaluate([CONFIG])["val_balanced_accuracy"][0].as_py()
        == 0.125
    )


def test_budgets_are_shares_or_epochs_and_a_curve_is_one_config_at_many(folder):
    share, epochs = (Yahpo(folder, "lcbench", "3945", unit=u) for u in ("fraction", "epochs"))
    assert share.evaluate([CONFIG] * 4, [0.001, 0.5, 0.75, 1.0])["time"].to_pylist() == [
        2,
        52,
        78,
        104,
    ]
    assert epochs.evaluate([CONFIG] * 3, [1, 26, 52])["time"].to_pylist() == [2, 52, 104]
    for surrogate, budget in (
        (share, 0.0),
        (share, 1.5),
        (share, float("nan")),
        (epochs, 53),
        (epochs, 0.5),
    ):
        with pytest.raises(WrongUsage, match="a budget of lcbench"):
            surrogate.evaluate([CONFIG], budget)


def test_no_configs_are_no_rows(folder):
    assert Yahpo(folder, "lcbench", "3945").evaluate([]).num_rows == 0


def test_a_trial_becomes_a_loss_and_seconds(folder):
    trial = Trial(CONFIG, budget=0.5)
    found = Yahpo(folder, "lcbench", "3945")(trial)
    assert (found.trial, found.loss, found.cost_s, found.status) == (trial, 0.75, 52.0, "ok")
    assert Yahpo(folder, "lcbench", "3945", metric="test_cross_entropy")(trial).loss == 30.125
    assert Yahpo(folder, "lcbench", "3945", metric="val_balanced_accuracy")(trial).loss == 0.375


def test_a_search_runs_on_it_from_a_warm_start(folder):
    surrogate = Yahpo(folder, "lcbench", "3945")
    good = {**CONFIG, "learning_rate": 1.0}
    done = run(RandomSearch(surrogate.space, warm_start=[good], seed=3), surrogate, trials=20)
    assert done[0].loss == 0.0
    assert [e.status for e in done] == ["ok"] * 20
    again = run(RandomSearch(surrogate.space, warm_start=[good], seed=3), surrogate, trials=20)
    assert [e.loss for e in again] == [e.loss for e in done]


def test_the_space_is_what_is_searched_and_the_sources_too(folder):
    surrogate = Yahpo(folder, "lcbench", "3945")
    assert sorted(surrogate.space) == sorted(CONFIG)
    assert (surrogate.task, surrogate.instances) == ("openml:task/3945", ("3945", "126025"))
    (path,) = source("yahpo", [folder]).fetch(folder)
    (rows,) = source("yahpo", [folder]).parse(path)
    assert rows.tables["spaces"]["space"].to_pylist() == [space_id(surrogate.space)]
    assert rows.tables["tasks"]["task"].to_pylist() == ["openml:task/3945", "openml:task/126025"]


def test_a_copy_for_another_process_answers_the_same(folder):
    one = Yahpo(folder, "lcbench", "126025", metric="val_cross_entropy", unit="epochs")
    other = copy.deepcopy(one)
    assert other(Trial(CONFIG, 7)) == one(Trial(CONFIG, 7))


@pytest.mark.parametrize(
    ("options", "error", "said"),
    [
        ({"scenario": "lcbnech"}, NotFound, "did you mean 'lcbench'"),
        ({"instance": "31"}, NotFound, "there are 3945, 126025"),
        ({"instance": "1"}, NotFound, "there are 3945, 126025"),  # has a code, but is not offered
        ({"instance": None}, WrongUsage, "needs an instance, like '3945'"),
        ({"metric": "accuracy"}, NotFound, "there are time, val_accuracy"),
        ({"unit": "instances"}, WrongUsage, "fraction or epochs"),
        ({"folder": "/nowhere"}, NotFound, "give the folder of yahpo_data"),
    ],
)
def test_what_is_not_there_is_answered_with_what_is(folder, options, error, said):
    asked = {"folder": folder, "scenario": "lcbench", "instance": "3945"} | options
    with pytest.raises(error, match=said):
        Yahpo(**asked)


@pytest.mark.parametrize(
    "change", [{"batch_size": 8}, {"num_layers": None}, {"epoch": 3}, {"momentum": "high"}]
)
def test_a_config_outside_the_space_is_refused(folder, change):
    with pytest.raises(InvalidConfig, match="config 1 of lcbench"):
        Yahpo(folder, "lcbench", "3945").evaluate([CONFIG, {**CONFIG, **change}])


@pytest.mark.parametrize(
    ("file", "content", "said"),
    [
        ("model.onnx", b"no network", "no network that onnxruntime reads"),
        ("model.onnx", network(np.zeros((4, 6))), "another version"),
        ("encoding.json", b"{", "must be a JSON object"),
        ("encoding.json", b"{}", "says nothing of 'OpenML_task_id'"),
        ("config_space.json", b"[1]", "must be a JSON object"),
    ],
)
def test_a_damaged_file_is_named(folder, file, content, said):
    (folder / "lcbench" / file).write_bytes(content)
    with pytest.raises(MalformedFile, match=said) as found:
        Yahpo(folder, "lcbench", "3945").evaluate([CONFIG])
    assert file in str(found.value)


def test_without_onnxruntime_one_sentence_names_the_extra(folder, monkeypatch):
    monkeypatch.setitem(sys.modules, "onnxruntime", None)
    with pytest.raises(WrongUsage, match=r"pip install 'metadb\[yahpo\]'"):
        Yahpo(folder, "lcbench", "3945")


def test_importing_it_is_light():
    code = "import optimizers.yahpo, sys; print([m for m in ('onnxruntime', 'torch') if m in sys.modules])"
    found = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=ROOT
    )
    assert found.stdout.strip() == "[]"


# -- the published surrogates -------------------------------------------------------------------------


@real
def test_the_reference_value_of_lcbench():
    config = {"batch_size": 91, "learning_rate": 0.0031622777, "momentum": 0.545}
    config |= {"weight_decay": 0.050005, "num_layers": 3, "max_units": 256, "max_dropout": 0.5}
    found = Yahpo(REAL, "lcbench", "3945", unit="epochs").evaluate([config], 52)
    values = [165.6897, 93.3988, 0.3801, 0.6845, 0.5415, 0.67015]
    assert list(found.to_pylist()[0].values()) == pytest.approx(values, abs=1e-3)


@real
def test_the_reference_value_of_ranger():
    config = {"respect.unordered.factors": "ignore", "splitrule": "gini", "replace": "TRUE"}
    config |= {"num.impute.selected.cpo": "impute.mean", "num.trees": 500, "sample.fraction": 0.8}
    config |= {"mtry.power": 0.5, "min.node.size": 5}
    found = Yahpo(REAL, "rbv2_ranger_v2", "3").evaluate([config])
    values = [0.98862, 0.98926, 1.0, 0.01879, 0.09952, 0.0, 0.13697]
    assert list(found.to_pylist()[0].values()) == pytest.approx(values, abs=1e-3)


@real
def test_random_configs_stay_within_the_published_extremes():
    with (REAL / "instance_target_statistics.subset.csv").open() as stream:
        rows = [r for r in csv.DictReader(stream) if r["scenario"] == "lcbench"]
    seen = 0
    for instance in ("3945", "189866"):
        surrogate = Yahpo(REAL, "lcbench", instance, unit="epochs")
        configs = sample(surrogate.space, 5_000, seed=0)
        found = surrogate.evaluate(
            configs, np.random.default_rng(0).integers(1, 53, 5_000).tolist()
        )
        for row in rows:
            if row["instance"] == instance and row["statistic"] in ("min", "max"):
                values, bound = found[row["metric"]].to_numpy(), float(row["value"])
                margin = 1e-3 * abs(bound) + 1e-6
                inside = (
                    values >= bound - margin
                    if row["statistic"] == "min"
                    else values <= bound + margin
                )
                assert inside.mean() > 0.999
                seen += 1
    assert seen >= 12


@real
@pytest.mark.parametrize(
    ("scenario", "instance"),
    [("lcbench", "167168"), ("nb301_v2", None), ("rbv2_ranger_v2", "41138")],
)
def test_it_says_what_onnxruntime_says_to_inputs_made_by_hand(scenario, instance):
    """The reference goes config by config, name by name, and looks each code up in the file."""
    import onnxruntime

    surrogate, of = Yahpo(REAL, scenario, instance), SCENARIOS[scenario]
    version = "_v2" if scenario.endswith("_v2") else ""
    codes = json.loads((REAL / scenario / f"encoding{version}.json").read_text())
    configs = [*sample(surrogate.space, 50, seed=1), default(surrogate.space)]
    fixed = {of.fidelity: of.full, of.instance: instance, "repl": "10"}
    category = [[codes[n][{**fixed, **c}.get(n, "#na#")] for n in of.categories] for c in configs]
    number = [[{**fixed, **c}.get(n, 0.0) for n in of.numbers] for c in configs]
    session = onnxruntime.InferenceSession(REAL / scenario / f"model{version}.onnx")
    inputs = {"x_cat": np.array(category, np.int32), "x_cont": np.array(number, np.float32)}
    (expected,) = session.run(None, inputs)
    found = surrogate.evaluate(configs)
    assert np.column_stack(found.columns) == pytest.approx(expected, rel=1e-4, abs=1e-5)
    assert found.equals(surrogate.evaluate(configs))
    assert surrogate.evaluate(configs[:1]).to_pylist()[0] == pytest.approx(
        found.to_pylist()[0], rel=1e-4
    )
    if scenario != "lcbench":
        assert any(set(config) < set(surrogate.space) for config in configs)  # some are inactive
