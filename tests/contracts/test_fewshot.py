"""Laws that every few-shot learner keeps; the members come from the registry."""

from __future__ import annotations

import inspect
from dataclasses import replace

import pytest
import torch
from torch import Generator

from metadb.errors import Diverged, NotFound, WrongUsage
from optimizers.fewshot import CLASSIFIERS, FEW_SHOT_LEARNERS
from optimizers.fewshot.building import build, space_of
from optimizers.fewshot.episode import Episodes, Examples
from optimizers.fewshot.evaluation import evaluate
from optimizers.fewshot.sinusoid import Sinusoids
from optimizers.fewshot.training import train
from optimizers.fewshot.ways import Ways
from optimizers.fewshot.weights import put, tensors_of
from optimizers.labelled import Labelled
from optimizers.tensor_file import read_tensors, write_tensors

NAMES = list(FEW_SHOT_LEARNERS)
WAYS, D = 3, 6

DEVICES = [
    "cpu",
    pytest.param(
        "cuda", marks=pytest.mark.skipif(not torch.cuda.is_available(), reason="no GPU here")
    ),
]


def clusters(classes=12, each=12, seed=0, *, apart=3.0):
    """Classes of rows that lie around points of their own."""
    rng = Generator().manual_seed(seed)
    centres = apart * torch.randn(classes, 1, D, generator=rng)
    x = (centres + torch.randn(classes, each, D, generator=rng)).flatten(0, 1)
    y = torch.arange(classes).repeat_interleave(each)
    names = tuple(f"c{i}" for i in range(classes))
    return Ways(Labelled(x, y, names, names), ways=WAYS, shots=2, queries=4)


def learner(name, source=None, **options):
    source = source or clusters()
    options = {"width": 8, "total": 100, **options}
    return build(name, shape=(D,), ways=WAYS, classes=source.classes, **options)


def drawn(tasks=3, seed=0):
    return clusters().draw(tasks, Generator().manual_seed(seed))


def said(name_or_learner, batch):
    return name_or_learner.adapt(batch.support)(batch.query.x)


@pytest.mark.parametrize("name", NAMES)
def test_the_same_seed_learns_the_same(name):
    one, two, other = (learner(name, seed=seed) for seed in (1, 1, 2))
    for seed in range(2):
        assert one.step(drawn(seed=seed)) == two.step(drawn(seed=seed))
        other.step(drawn(seed=seed))
    assert torch.equal(said(one, drawn()), said(two, drawn()))
    assert not torch.equal(said(one, drawn()), said(other, drawn()))


@pytest.mark.parametrize("device", DEVICES)
@pytest.mark.parametrize("name", NAMES)
def test_a_task_is_learnt_the_same_alone_and_among_others(name, device):
    one = learner(name, device=device)
    one.step(drawn(seed=5))
    batch = drawn()
    whole = said(one, batch)
    assert whole.shape == (3, WAYS * 4, WAYS)
    for i in range(3):
        alone = said(one, batch.part(slice(i, i + 1)))
        torch.testing.assert_close(whole[i : i + 1], alone, rtol=1e-3, atol=1e-4)


@pytest.mark.parametrize("name", NAMES)
def test_tasks_worked_on_at_once_teach_what_they_teach_one_by_one(name):
    family = FEW_SHOT_LEARNERS[name]
    if "at_once" not in inspect.signature(family).parameters:
        pytest.skip(f"{name} works on all examples at once")
    one, two = (learner(name, config={"at_once": size}) for size in (1, 3))
    assert one.step(drawn()) == pytest.approx(two.step(drawn()), rel=1e-4)
    for key, t in one.learnt.items():
        torch.testing.assert_close(t, two.learnt[key], rtol=1e-3, atol=2e-3, msg=key)


@pytest.mark.parametrize("name", NAMES)
def test_how_weights_lie_in_memory_changes_nothing_of_what_is_learnt(name):
    rng = Generator().manual_seed(0)
    images, y = torch.rand(36, 1, 16, 16, generator=rng), torch.arange(6).repeat_interleave(6)
    letters = tuple("abcdef")
    source = Ways(Labelled(images, y, letters, letters), ways=WAYS, shots=2, queries=4)
    batch = source.draw(2, rng)
    one, two = (
        build(name, shape=(1, 16, 16), ways=WAYS, classes=6, width=8, total=100) for _ in range(2)
    )
    for t in two.learnt.values():
        t.data = t.data.contiguous()
    assert one.step(batch) == pytest.approx(two.step(batch), rel=1e-4)
    torch.testing.assert_close(said(one, batch), said(two, batch), rtol=1e-2, atol=1e-2)


@pytest.mark.parametrize("name", NAMES)
def test_adapting_changes_nothing_of_what_was_learnt(name):
    one = learner(name)
    one.step(drawn())
    before = {key: t.clone() for key, t in tensors_of(one).items()}
    said(one, drawn(seed=3))
    assert all(torch.equal(t, before[key]) for key, t in tensors_of(one).items())


@pytest.mark.parametrize("name", NAMES)
def test_what_was_learnt_goes_to_another_of_its_kind_through_a_file(name, tmp_path):
    one, two = learner(name, seed=1), learner(name, seed=1)
    for seed in range(2):
        one.step(drawn(seed=seed))
    digest = write_tensors(tmp_path / "w.safetensors", tensors_of(one), {"learner": name})
    tensors, about = read_tensors(tmp_path / "w.safetensors", expected_sha256=digest)
    assert about == {"learner": name}
    put(two, tensors)
    assert torch.equal(said(one, drawn()), said(two, drawn()))


@pytest.mark.parametrize("name", NAMES)
def test_a_training_that_was_cut_off_goes_on_as_if_it_was_not(name, tmp_path):
    source = clusters()
    whole, part, rest = (learner(name, source, seed=1) for _ in range(3))
    wanted = train(whole, source, steps=4, tasks=2, every=2)
    file = tmp_path / "training.safetensors"
    train(part, source, steps=2, tasks=2, every=2, checkpoint=file, about={"learner": name})
    found = train(rest, source, steps=4, tasks=2, every=2, checkpoint=file, about={"learner": name})
    assert [k.step for k in found] == [k.step for k in wanted] == [2, 4]
    assert [k.loss for k in found] == pytest.approx([k.loss for k in wanted], rel=1e-5)
    torch.testing.assert_close(said(whole, drawn()), said(rest, drawn()), rtol=1e-4, atol=1e-5)
    with pytest.raises(WrongUsage, match="learner was"):
        train(rest, source, steps=5, checkpoint=file, about={"learner": "another"})


@pytest.mark.parametrize("name", [n for n in NAMES if n != "scratch"])
def test_a_loss_that_is_not_finite_stops_it_and_moves_nothing(name):
    one, batch = learner(name), drawn()
    one.step(batch)
    before = {key: t.clone() for key, t in one.learnt.items()}
    bad = Episodes(
        Examples(batch.support.x * torch.nan, batch.support.y), batch.query, batch.classes
    )
    with pytest.raises(Diverged, match="step 2"):
        one.step(bad)
    assert all(torch.equal(t, before[key]) for key, t in one.learnt.items())


class Spoilt:
    """Draws tasks that hold what is no number from the fourth batch on."""

    def __init__(self):
        self.source, self.drawn = clusters(), 0

    def draw(self, tasks, rng):
        batch, self.drawn = self.source.draw(tasks, rng), self.drawn + 1
        if self.drawn < 4:
            return batch
        x = batch.support.x.clone()
        x[0, 0] = torch.nan
        return replace(batch, support=Examples(x, batch.support.y))


@pytest.mark.parametrize("name", [n for n in NAMES if n != "scratch"])
def test_a_training_that_diverges_keeps_what_it_was_at_its_last_look(name, tmp_path):
    file = tmp_path / "training.safetensors"
    with pytest.raises(Diverged, match=r"loss of step 4 .* holds the weights of step 2"):
        train(learner(name), Spoilt(), steps=6, tasks=2, every=2, checkpoint=file)
    tensors, _ = read_tensors(file)
    assert all(bool(t.isfinite().all()) for t in tensors.values())
    before = learner(name)
    train(before, clusters(), steps=2, tasks=2, every=2)
    for key, t in tensors_of(before).items():
        torch.testing.assert_close(tensors[key], t.detach(), rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("name", NAMES)
def test_classes_it_has_not_met_are_told_apart_better_than_by_chance(name):
    source = clusters(classes=40, apart=5.0)
    fast = {} if name in ("scratch", "reptile") else {"outer_rate": 0.01}
    one = learner(name, source, width=16, config=fast)
    train(one, source, steps=1 if name == "scratch" else 40, tasks=4)
    scores = evaluate(one, clusters(seed=1, apart=5.0), episodes=50)
    assert scores.metric == "accuracy"
    assert scores.mean - scores.half_width > 1 / WAYS


@pytest.mark.parametrize("name", NAMES)
def test_numbers_are_regressed_or_refused(name):
    if name in CLASSIFIERS:
        with pytest.raises(WrongUsage, match="tells classes apart"):
            build(name, shape=(1,), ways=None)
        return
    one, source = build(name, shape=(1,), ways=None, width=8), Sinusoids(5, 5)
    one.step(source.draw(2, Generator().manual_seed(0)))
    assert evaluate(one, source, episodes=3).metric == "mse"


@pytest.mark.parametrize("name", NAMES)
def test_its_hyperparameters_are_a_space_with_its_own_defaults(name):
    family, space = FEW_SHOT_LEARNERS[name], space_of(name)
    own = {
        key: p.default
        for key, p in inspect.signature(family).parameters.items()
        if p.default is not inspect.Parameter.empty
    }
    assert space.name == f"fewshot_{name}"
    assert {key: own[key] for key in space} == pytest.approx(
        dict(space.get_default_configuration())
    )


def test_what_is_not_there_is_named():
    with pytest.raises(NotFound, match="no few-shot learner 'mammal'; there are maml"):
        build("mammal", shape=(D,), ways=3)
    with pytest.raises(WrongUsage, match="maml has no hyperparameter 'speed'; it has"):
        build("maml", shape=(D,), ways=3, config={"speed": 1})


def test_weights_of_another_architecture_are_refused_and_nothing_is_changed():
    small, large = learner("maml"), learner("maml", width=16)
    before = {key: t.clone() for key, t in large.learnt.items()}
    with pytest.raises(
        WrongUsage, match=r"of another architecture: learnt\.0\.weight has the shape"
    ):
        put(large, tensors_of(small))
    assert all(torch.equal(t, before[key]) for key, t in large.learnt.items())
