"""Each zero-cost score agrees with a slow or closed form, and leaves the network as it was."""

from __future__ import annotations

import math

import pytest
import torch
from torch import Generator, nn

from metadb.errors import NotFound
from optimizers.nas.zero_cost import (
    ZERO_COST,
    gradient_norm,
    jacobian_covariance,
    metafeatures,
    parameters,
    snip,
    synflow,
)

torch.set_num_threads(1)


def network(seed=0):
    torch.manual_seed(seed)
    return nn.Sequential(
        nn.Conv2d(1, 2, 3, padding=1), nn.BatchNorm2d(2), nn.Tanh(), nn.AvgPool2d(2), nn.Flatten(),
        nn.Linear(8, 3),
    ).double()  # fmt: skip


def batch(n=5, seed=1):
    rng = Generator().manual_seed(seed)
    return torch.randn(n, 1, 4, 4, generator=rng, dtype=torch.float64), torch.arange(n) % 3


def by_differences(net, x, y, h=1e-6):
    """Of each weight tensor, the loss's gradient from two evaluations a number."""
    found = []
    for p in (p for p in net.parameters() if p.dim() > 1):
        g, flat = torch.zeros_like(p), p.data.view(-1)
        for i in range(p.numel()):
            losses = []
            for step in (h, -h):
                flat[i] += step
                losses.append(nn.functional.cross_entropy(net(x), y).item())
                flat[i] -= step
            g.view(-1)[i] = (losses[0] - losses[1]) / (2 * h)
        found.append((p.data, g))
    return found


def test_gradient_norm_and_snip_agree_with_differences():
    net, (x, y) = network(), batch()
    slow = by_differences(net, x, y)
    norms = sum(float(g.pow(2).sum().sqrt()) for _, g in slow)
    assert gradient_norm(net, x, y) == pytest.approx(norms, rel=1e-6)
    assert snip(net, x, y) == pytest.approx(
        sum(float((w * g).abs().sum()) for w, g in slow), rel=1e-6
    )


def test_synflow_of_linear_layers_is_the_sum_over_all_paths():
    torch.manual_seed(0)
    a, b = nn.Linear(4, 5, bias=False), nn.Linear(5, 3, bias=False)
    net = nn.Sequential(a, nn.ReLU(), b)
    paths = (b.weight.abs() @ a.weight.abs()).sum().item()  # every layer carries all of it
    x, y = torch.randn(6, 4), torch.arange(6) % 3
    assert synflow(net, x, y) == pytest.approx(math.log1p(2 * paths), rel=1e-6)
    normed = nn.Sequential(a, nn.BatchNorm1d(5), nn.ReLU(), b)
    assert synflow(normed, x, y) == pytest.approx(math.log1p(2 * paths), rel=1e-6)


def test_jacobian_covariance_agrees_with_the_full_jacobian():
    net, (x, y) = network().eval(), batch()
    full = torch.autograd.functional.jacobian(lambda t: net.train()(t).sum(), x).flatten(1)
    v = torch.linalg.eigvals(torch.corrcoef(full)).real + 1e-5
    wanted = -float((v.log() + 1 / v).sum())
    assert jacobian_covariance(net, x, y) == pytest.approx(wanted, rel=1e-6)
    alike = x[:1].expand(5, -1, -1, -1)  # all images answer alike: the worst there is
    assert jacobian_covariance(net, alike, y) < wanted


def test_parameters_are_counted():
    assert parameters(network(), *batch()) == (9 * 2 + 2) + 2 * 2 + (8 * 3 + 3)


@pytest.mark.parametrize("name", ZERO_COST)
def test_a_score_leaves_the_network_as_it_was(name):
    net, (x, y) = network().eval(), batch()
    before = {key: t.clone() for key, t in net.state_dict().items()}
    first = ZERO_COST[name](net, x, y)
    assert ZERO_COST[name](net, x, y) == first
    assert all(torch.equal(t, before[key]) for key, t in net.state_dict().items())
    assert not net.training
    assert all(p.grad is None for p in net.parameters())
    assert math.isfinite(first)


def test_scores_by_name():
    found = metafeatures(network(), *batch(), names=("snip", "parameters"))
    assert list(found) == ["snip", "parameters"]
    with pytest.raises(NotFound, match="no zero-cost score 'speed'"):
        metafeatures(network(), *batch(), names=("speed",))
