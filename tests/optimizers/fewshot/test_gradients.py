"""What each learner does to its weights, against finite differences, closed forms and formulas."""

from __future__ import annotations

import pytest
import torch
from torch import Generator, nn

from optimizers.fewshot.anil import ANIL
from optimizers.fewshot.episode import Episodes, Examples
from optimizers.fewshot.forward import losses, outputs
from optimizers.fewshot.imaml import IMAML, conjugate_gradients
from optimizers.fewshot.maml import FOMAML, MAML
from optimizers.fewshot.maml_plus_plus import MAMLPlusPlus
from optimizers.fewshot.meta_sgd import MetaSGD
from optimizers.fewshot.networks import mlp
from optimizers.fewshot.reptile import Reptile
from optimizers.fewshot.sinusoid import Sinusoids


def smooth(seed=0):
    """A small network without kinks, in float64."""
    module = nn.Sequential(nn.Linear(1, 6), nn.Tanh(), nn.Linear(6, 1)).double()
    rng = Generator().manual_seed(seed)
    for p in module.parameters():
        p.data = torch.randn(p.shape, generator=rng, dtype=torch.float64) * 0.5
    return module


def episodes(tasks=3, seed=1):
    rng = Generator().manual_seed(seed)
    return Sinusoids(shots=5, queries=7, dtype=torch.float64).draw(tasks, rng)


def gradients(learner, batch):
    """The mean gradient that a step takes, by name, and the loss; nothing is moved."""
    found = {}

    def caught(sloped, some):
        each, slopes = sloped(some)
        found.update(zip(learner.learnt, [s / len(some) for s in slopes], strict=True))
        return float(each.mean())

    learner.outer.apply = caught
    return learner.step(batch), found


SECOND_ORDER = {
    "maml": lambda: MAML(smooth(), steps=3, rate=0.05),
    "anil": lambda: ANIL(smooth(), steps=3, rate=0.05),
    "meta_sgd": lambda: MetaSGD(smooth(), steps=2, rate=0.05),
    "maml_plus_plus": lambda: MAMLPlusPlus(smooth(), steps=3, rate=0.05, first_order=0),
    # solved well enough that the way to the solution does not matter
    "imaml": lambda: IMAML(smooth(), steps=200, rate=0.1, strength=3.0, solver_steps=40),
}


@pytest.mark.parametrize("name", SECOND_ORDER)
def test_the_gradient_across_tasks_is_that_of_finite_differences(name):
    batch, learner = episodes(), SECOND_ORDER[name]()
    _, slopes = gradients(learner, batch)
    step, rng = 1e-5, Generator().manual_seed(0)
    way = {
        key: torch.randn(w.shape, generator=rng, dtype=torch.float64)
        for key, w in learner.learnt.items()
    }
    seen = []
    for sign in (1, -2):
        for key, w in learner.learnt.items():
            w.data += sign * step * way[key]
        seen.append(gradients(learner, batch)[0])
    wanted = (seen[0] - seen[1]) / (2 * step)
    found = sum(float((slopes[key] * way[key]).sum()) for key in way)
    assert found == pytest.approx(wanted, rel=1e-5)


class Point(nn.Module):
    """A network whose output is its weight, whatever the input."""

    def __init__(self, d):
        super().__init__()
        self.w = nn.Parameter(torch.zeros(d, dtype=torch.float64))

    def forward(self, x):
        return self.w.expand(len(x), -1)


def quadratic(tasks=4, d=3):
    """Tasks whose losses are |w - a|^2 / d on the support and |w - b|^2 / d on the queries."""
    rng = Generator().manual_seed(5)
    a, b = torch.randn(2, tasks, 1, d, generator=rng, dtype=torch.float64)
    x = torch.zeros(tasks, 1, 1, dtype=torch.float64)
    return a[:, 0], b[:, 0], Episodes(Examples(x, a), Examples(x, b))


@pytest.mark.parametrize("steps", [1, 4])
def test_the_gradient_on_a_quadratic_is_the_closed_form(steps):
    (a, b, batch), rate, d = quadratic(), 0.3, 3
    shrink = (1 - 2 * rate / d) ** steps  # w after the steps: a + shrink (w - a)
    after = a + shrink * (torch.zeros(d) - a)
    first = (2 / d * (after - b)).mean(0)
    _, slopes = gradients(MAML(Point(d), steps=steps, rate=rate), batch)
    torch.testing.assert_close(slopes["w"], shrink * first)
    _, slopes = gradients(FOMAML(Point(d), steps=steps, rate=rate), batch)
    torch.testing.assert_close(slopes["w"], first)


def test_the_implicit_gradient_on_a_quadratic_is_the_closed_form():
    (a, b, batch), strength, d = quadratic(), 1.5, 3
    curve = 2 / d
    solved = curve * a / (curve + strength)  # from w = 0
    wanted = (2 / d * (solved - b)).mean(0) * strength / (strength + curve)
    learner = IMAML(Point(d), steps=400, rate=0.2, strength=strength)
    _, slopes = gradients(learner, batch)
    torch.testing.assert_close(slopes["w"], wanted)


def test_the_gradient_of_the_first_order_is_that_at_the_adapted_weights():
    batch, rate = episodes(), 0.05
    learner = FOMAML(smooth(), steps=2, rate=rate)
    wanted = {name: torch.zeros_like(w) for name, w in learner.learnt.items()}
    for i in range(len(batch)):
        module = smooth()
        for part in (batch.support, batch.support, batch.query):
            module.zero_grad()
            (module(part.x[i]) - part.y[i]).square().mean().backward()
            if part is batch.query:
                break
            for p in module.parameters():
                p.data -= rate * p.grad
        for name, p in module.named_parameters():
            wanted[name] += p.grad / len(batch)
    _, slopes = gradients(learner, batch)
    for name in wanted:
        torch.testing.assert_close(slopes[name], wanted[name])


def test_reptile_moves_a_share_of_the_way_to_the_mean_of_the_trained_weights():
    batch, rate, share = episodes(), 0.05, 0.4
    learner = Reptile(smooth(), steps=3, batch=None, rate=rate, plain=True, outer_rate=share)
    ends = []
    for i in range(len(batch)):
        module = smooth()
        x = torch.cat([batch.support.x[i], batch.query.x[i]])
        y = torch.cat([batch.support.y[i], batch.query.y[i]])
        for _ in range(3):
            module.zero_grad()
            (module(x) - y).square().mean().backward()
            for p in module.parameters():
                p.data -= rate * p.grad
        ends.append(dict(module.named_parameters()))
    learner.step(batch)
    for name, p in smooth().named_parameters():
        mean = sum(end[name].data for end in ends) / len(ends)
        torch.testing.assert_close(learner.learnt[name].data, p.data + share * (mean - p.data))


def test_reptile_falls_to_rest_at_the_end_of_its_steps():
    learner = Reptile(smooth(), total=2, batch=None)
    learner.step(episodes())
    learner.step(episodes())
    assert learner.outer.rate == 0.5
    before = {name: w.clone() for name, w in learner.learnt.items()}
    learner.step(episodes())
    assert all(torch.equal(w, before[name]) for name, w in learner.learnt.items())


def test_conjugate_gradients_solve_each_task_apart():
    rng = Generator().manual_seed(2)
    root = torch.randn(3, 6, 6, generator=rng, dtype=torch.float64)
    a = root @ root.mT + torch.eye(6)
    b = torch.randn(3, 6, generator=rng, dtype=torch.float64)
    b[1] = 0

    def times(vector):
        whole = (a @ torch.cat([v.flatten(1) for v in vector], dim=1).unsqueeze(2)).squeeze(2)
        return [whole[:, :2], whole[:, 2:].view(3, 2, 2)]

    wanted = [b[:, :2], b[:, 2:].view(3, 2, 2)]
    found = torch.cat([f.flatten(1) for f in conjugate_gradients(times, wanted, steps=9)], dim=1)
    torch.testing.assert_close(found, torch.linalg.solve(a, b.unsqueeze(2)).squeeze(2))


def test_maml_plus_plus_judges_every_step_at_first_and_the_last_alone_later():
    learner = MAMLPlusPlus(smooth(), steps=4, total=100, many_losses=0.1)
    assert learner.importance() == pytest.approx([0.25] * 4)
    learner.outer.steps = 100
    assert learner.importance() == pytest.approx([0.0075] * 3 + [0.9775])
    learner.outer.steps = 5
    assert sum(learner.importance()) == pytest.approx(1)


def test_maml_plus_plus_with_equal_rates_and_the_last_loss_is_maml():
    batch = episodes()
    plus = MAMLPlusPlus(smooth(), steps=1, rate=0.05, first_order=0)
    same = MAML(smooth(), steps=1, rate=0.05)
    loss, slopes = gradients(plus, batch)
    wanted_loss, wanted = gradients(same, batch)
    assert loss == pytest.approx(wanted_loss)
    for name, slope in wanted.items():
        torch.testing.assert_close(slopes[name], slope)


def test_maml_learns_to_fit_sinusoids_in_one_step():
    """Li et al. 2017, table 1: a mean squared error of 0.77 after one step on ten points."""
    rng = Generator().manual_seed(0)
    learner = MAML(mlp(1, 1), steps=1, rate=0.01, outer_rate=1e-2)
    source = Sinusoids(shots=10)
    tried = source.draw(500, rng)

    def error():
        return float(losses(learner.adapt(tried.support)(tried.query.x), tried.query.y).mean())

    assert error() > 3
    for _ in range(700):
        learner.step(source.draw(25, rng))
    assert error() < 0.9


@pytest.mark.parametrize("shared", [False, True])
def test_tasks_do_not_see_each_other(shared):
    """All at once, with statistics of batches, as one by one."""
    rng = Generator().manual_seed(0)
    module = nn.Sequential(nn.Linear(4, 5), nn.BatchNorm1d(5, track_running_stats=False), nn.ReLU())
    module = module.double()
    x = torch.randn(3, 6, 4, generator=rng, dtype=torch.float64)
    weights = dict(module.named_parameters())
    if not shared:
        weights = {
            n: torch.randn(3, *w.shape, generator=rng, dtype=torch.float64)
            for n, w in weights.items()
        }
    whole = outputs(module, weights, x, shared=shared)
    for i in range(3):
        own = weights if shared else {n: w[i : i + 1] for n, w in weights.items()}
        torch.testing.assert_close(
            whole[i : i + 1], outputs(module, own, x[i : i + 1], shared=shared)
        )
