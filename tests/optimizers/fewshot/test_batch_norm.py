"""Our batch norm is torch's, its gradient and its gradient's gradient those of finite differences."""

from __future__ import annotations

import pytest
import torch
from torch import Generator, nn
from torch.autograd import gradcheck, gradgradcheck
from torch.func import functional_call, vmap

from optimizers.fewshot import batch_norm
from optimizers.fewshot.batch_norm import ByBatch
from optimizers.fewshot.networks import by_batch, conv4, learnable

SHAPES = {"images": (4, 3, 5, 2), "rows": (7, 3), "series": (5, 3, 4)}
KINDS = {2: nn.BatchNorm1d, 3: nn.BatchNorm1d, 4: nn.BatchNorm2d}


@pytest.fixture(autouse=True)
def _always_ours(monkeypatch):
    monkeypatch.setattr(batch_norm, "LARGE", 0)


def drawn(shape, rng):
    return torch.randn(shape, generator=rng, dtype=torch.float64, requires_grad=True)


def normed(shape):
    """Torch's module, inputs, and ours as a function of inputs, weight and bias."""
    rng, torchs = Generator().manual_seed(0), KINDS[len(shape)](3).double()
    ours = ByBatch(torchs)

    def made(x, weight, bias):
        return functional_call(ours, {"weight": weight, "bias": bias}, (x,))

    return torchs, made, (drawn(shape, rng), drawn((3,), rng), drawn((3,), rng))


@pytest.mark.parametrize("shape", SHAPES.values(), ids=SHAPES)
def test_what_it_makes_is_what_torch_makes(shape):
    torchs, made, (x, weight, bias) = normed(shape)
    wanted = functional_call(torchs.train(), {"weight": weight, "bias": bias}, (x,))
    torch.testing.assert_close(made(x, weight, bias), wanted)


@pytest.mark.parametrize("shape", SHAPES.values(), ids=SHAPES)
def test_it_can_be_differentiated_twice(shape):
    _, made, given = normed(shape)
    assert gradcheck(made, given)
    assert gradgradcheck(made, given)


def test_a_third_time_is_refused():
    _, made, (x, weight, bias) = normed((7, 3))
    (first,) = torch.autograd.grad(made(x, weight, bias).pow(3).sum(), x, create_graph=True)
    (second,) = torch.autograd.grad(first.pow(2).sum(), x, create_graph=True)
    with pytest.raises(RuntimeError, match="once_differentiable"):
        second.sum().backward()


def test_tasks_at_once_are_normed_each_by_itself():
    _, made, _ = normed((7, 3))
    rng = Generator().manual_seed(1)
    given = drawn((6, 4, 3, 5, 2), rng), drawn((6, 3), rng), drawn((6, 3), rng)

    def twice(outputs):
        slopes = torch.autograd.grad(outputs.pow(3).sum(), given, create_graph=True)
        return torch.autograd.grad(sum(s.pow(2).sum() for s in slopes), given)

    together = twice(vmap(made)(*given))
    apart = twice(torch.stack([made(*one) for one in zip(*given, strict=True)]))
    for a, b in zip(together, apart, strict=True):
        torch.testing.assert_close(a, b)


@pytest.mark.parametrize("module", [conv4((1, 16, 16), outputs=3, width=4), nn.BatchNorm1d(3)])
def test_the_names_of_what_is_learnt_stay(module):
    names = list(learnable(by_batch(module)))
    assert list(learnable(by_batch(module, twice=True))) == names
    assert names == [name for name, _ in module.named_parameters()]
