"""BoTorch, the real package: first points, training data, other tasks as tensors."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
import torch

from api.hooks.botorch import Box, multi_task, observed_of, record, training, warm_start
from metadb.errors import InvalidConfig, NotFound
from metadb.records import Evaluation, Task, Trial
from metadb.space import check, sample
from tests.api.hooks.recommending import Fixed
from tests.api.hooks.spaces import CONFIGS, FLAT, FOREIGN, everything, past, svm

TASK = Task("mine:churn")


def told():
    return [Evaluation(Trial(c), v) for c, v in zip(CONFIGS, (0.5, 0.1, 0.3), strict=True)]


@pytest.mark.parametrize("unit", [True, False])
def test_a_space_goes_to_tensors_and_back(unit):
    space = everything()
    box, configs = Box(space, unit=unit), sample(space, 40, 0)
    x = box.x(configs)
    assert x.shape == (40, 7)
    assert x.dtype == torch.float64
    lower, upper = box.bounds
    assert bool(((x >= lower) & (x <= upper)).all())
    back = box.configs(x)
    assert check(space, back) == [None] * 40
    for one, other in zip(configs, back, strict=True):
        assert other == {k: pytest.approx(v) if type(v) is float else v for k, v in one.items()}


def test_columns_have_their_names_bounds_and_kinds():
    box = Box(everything(), unit=False)
    columns = dict(zip(box.names, box.bounds.T.tolist(), strict=True))
    assert "k" not in columns
    assert columns["gamma"] == [1e-4, 1.0]
    assert columns["batch"] == [0.0, 2.0]
    assert {box.names[i] for i in box.categorical} == {"kernel", "shrink"}
    assert {box.names[i] for i in box.integral} == {"n", "degree", "batch", "kernel", "shrink"}
    with pytest.raises(InvalidConfig, match="it must be"):
        box.configs(torch.zeros(2, 3))


def test_what_is_recommended_are_the_first_points():
    x, report = warm_start(svm(), Fixed(*CONFIGS), TASK, k=3)
    assert Box(svm()).configs(x) == CONFIGS
    assert report.sent == tuple(CONFIGS)
    x, report = warm_start(Box(svm(), unit=False), Fixed(*FOREIGN), TASK)
    assert Box(svm(), unit=False).configs(x)[0] == {"C": 10.0, "kernel": "rbf"}
    assert "'kernel' is 'tanh'" in report.why[2]


def test_the_value_is_minus_the_loss_of_what_needs_no_change():
    failed = Evaluation(Trial({"C": 2.0, "kernel": "rbf"}), None, status="failed")
    x, y, report = training(svm(), [*told(), failed, Evaluation(Trial(FOREIGN[0]), 0.0)])
    assert y.tolist() == [[-0.5], [-0.1], [-0.3]]
    assert len(x) == 3
    assert "its score would be another one's" in report.why[3]


def test_each_task_is_standardised_and_has_its_feature():
    space = svm(conditional=False)
    here = [Evaluation(Trial(c), float(i)) for i, c in enumerate(FLAT[:3])]
    x, y, reports = multi_task(space, past(), ["past:low", "past:high"], here)
    assert [len(r.sent) for r in reports] == [3, 4, 5]
    assert x[:, -1].tolist() == [0.0] * 3 + [1.0] * 4 + [2.0] * 5
    for task in range(3):
        mine = y[x[:, -1] == task]
        assert float(mine.mean()) == pytest.approx(0.0, abs=1e-9)
        assert float(mine.std(correction=0)) == pytest.approx(1.0)
    high = y[x[:, -1] == 2].flatten()
    assert high.tolist() == sorted(high.tolist())  # 1000 * (10 - C) is a loss
    with pytest.raises(NotFound, match="no task"):
        multi_task(space, past(), ["past:none"])


def test_points_are_recorded_once(store):
    x, _ = warm_start(svm(), Fixed(*CONFIGS), TASK)
    y = torch.tensor([[-0.5], [-0.1], [-0.3]])
    for n in (2, 3):
        assert record(x[:n], y[:n], store, TASK, metric="error_rate", space=svm()) == {}
    rows = store.sql("select value from evaluations order by run")
    assert rows.column("value") == pytest.approx([0.5, 0.1, 0.3])
    history = store.history("svm", "error_rate")
    assert sorted(one.loss for one in observed_of(history, TASK.id)) == pytest.approx(
        [0.1, 0.3, 0.5]
    )
    record(x, -y, store, TASK, metric="accuracy", space=svm(), study="other")
    assert store.history("svm", "accuracy").tasks == (TASK.id,)


@pytest.mark.filterwarnings("ignore")
def test_a_search_of_botorch_begins_with_the_recommendation_and_learns_from_other_tasks():
    """A multi-task GP of the real package, which proposes what is then legal in the space."""
    botorch = pytest.importorskip("botorch", reason="botorch is not installed: pip install botorch")
    from botorch.acquisition import LogExpectedImprovement
    from botorch.models import MultiTaskGP
    from botorch.optim import optimize_acqf
    from gpytorch.mlls import ExactMarginalLogLikelihood

    torch.manual_seed(0)
    box = Box(svm())
    x, _ = warm_start(box, Fixed(*CONFIGS), TASK)
    asked = box.configs(x)
    assert asked == CONFIGS
    here = [Evaluation(Trial(c), c["C"] / 10) for c in asked]
    X, Y, _ = multi_task(box, past(), ["past:low"], here)
    model = MultiTaskGP(X, Y, task_feature=-1, output_tasks=[0])
    options = {"options": {"maxiter": 10}}
    botorch.fit_gpytorch_mll(
        ExactMarginalLogLikelihood(model.likelihood, model), optimizer_kwargs=options
    )
    best = Y[X[:, -1] == 0].max()
    point, _ = optimize_acqf(
        LogExpectedImprovement(model, best), box.bounds, q=1, num_restarts=2, raw_samples=16,
        options={"maxiter": 10},
    )  # fmt: skip
    assert check(svm(), box.configs(point)) == [None]


def test_the_import_brings_neither_torch_nor_ingest_nor_servers():
    code = "import sys, api.hooks.botorch; print(*{m.split('.')[0] for m in sys.modules})"
    found = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True,
        cwd=Path(__file__).resolve().parents[3],
    )  # fmt: skip
    assert not set(found.stdout.split()) & {"torch", "botorch", "ingest", "fastapi", "openml"}
