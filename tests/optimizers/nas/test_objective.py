"""Architectures as trials of a search: their curves are recorded, and what fails is said."""

from __future__ import annotations

import pytest
import torch

from metadb.records import Evaluation, Task, Trial
from metadb.store import Store
from optimizers import run
from optimizers.nas import NAS_SPACES, CellNB201
from optimizers.nas.curve_recording import CurveRecording
from optimizers.nas.decisions import drawn
from optimizers.nas.epochs import Epochs
from optimizers.nas.images import Parted, parted, read_images
from optimizers.nas.objective import Training
from optimizers.outcome import evaluate
from optimizers.random_search import RandomSearch

torch.set_num_threads(1)
NAS = CellNB201()
CELL = NAS.of_text(
    "|nor_conv_1x1~0|+|none~0|none~1|+|skip_connect~0|skip_connect~1|avg_pool_3x3~2|"
)


@pytest.fixture(scope="module")
def images():
    found = parted(read_images("digits", size=8))
    (x, y), (vx, vy) = found.train, found.validation
    return Parted((x[:96], y[:96]), (vx[:96], vy[:96]), found.names)


def test_a_trial_that_was_killed_goes_on_from_its_last_epoch(images, tmp_path):
    class Killed(BaseException):
        pass

    def kill(trial, look):
        if look.epoch == 2:
            raise Killed

    whole = Training(NAS, images, width=2)(Trial(CELL, 3.0, 7))
    with pytest.raises(Killed):
        Training(NAS, images, width=2, folder=tmp_path, told=kill)(Trial(CELL, 3.0, 7))
    assert [file.name for file in tmp_path.iterdir()] == ["trial-7.safetensors"]
    heard = []
    rest = Training(
        NAS, images, width=2, folder=tmp_path, told=lambda trial, look: heard.append(look.epoch)
    )(Trial(CELL, 3.0, 7))
    assert heard == [3]
    assert rest.loss == whole.loss == -whole.looks[-1].accuracy
    assert [k.loss for k in rest.looks] == [k.loss for k in whole.looks]
    assert not list(tmp_path.iterdir())


def test_why_an_architecture_has_no_score_is_said(images):
    dead = dict.fromkeys(CELL, "none")
    outcome = evaluate(Training(NAS, images, width=2), Trial(dead, 1.0))
    assert outcome.evaluation.status == "failed"
    assert "no path leads from the input to the output" in (outcome.why or "")
    outcome = evaluate(Training(NAS, images, width=2, limit_bytes=10**5), Trial(CELL, 1.0))
    assert outcome.evaluation.status == "memout"
    assert "lower the width, the depth or the batch" in (outcome.why or "")


@pytest.mark.parametrize("name", NAS_SPACES)
def test_architectures_of_every_space_are_trained(name, images):
    space = NAS_SPACES[name]()
    config = dict(
        drawn(space, torch.Generator().manual_seed(0)) if name in {"nb201", "darts"}
        else next(t for t in RandomSearch(space.space, seed=0).ask(9)
                  if space.graph(t.config).connected).config
    )  # fmt: skip
    found = Training(space, images, width=2, depth=1)(Trial(config, 1.0))
    assert -1 <= found.loss <= 0
    assert len(found.looks) == 1


def test_learning_curves_are_recorded_and_trials_come_back(images, tmp_path):
    with Store(tmp_path, create=True) as store:
        task = Task("images:some")
        with CurveRecording(store, task, NAS.space, run="r", seed=0) as recording:
            done = run(
                Epochs(RandomSearch(NAS.space, warm_start=[CELL], seed=1), 2),
                Training(NAS, images, width=2), trials=1, record=recording,
            )  # fmt: skip
            assert [e.trial.budget for e in done] == [2.0]
            back = recording.done()
        assert [(e.trial, e.loss) for e in back] == [(e.trial, e.loss) for e in done]
        curve = store.sql("select budget, value from evaluations order by budget")
        assert curve.column("budget") == [1.0, 2.0]
        assert curve.column("value") == [look.accuracy for look in done[0].looks]


def test_a_search_of_one_budget_asks_for_epochs_and_is_told_of_its_own():
    plain = RandomSearch(NAS.space, seed=3)
    asked = Epochs(RandomSearch(NAS.space, seed=3), 12).ask(3)
    assert [t.budget for t in asked] == [12.0] * 3
    assert [t.config for t in asked] == [t.config for t in plain.ask(3)]

    class Heard:
        def ask(self, n=1):
            return []

        def tell(self, evaluations):
            self.met = list(evaluations)

    heard = Heard()
    Epochs(heard, 12).tell([Evaluation(asked[0], 0.5)])
    assert [(e.trial.budget, e.loss) for e in heard.met] == [(1.0, 0.5)]
