"""A morphed network computes what the network before it computed, and is larger."""

from __future__ import annotations

import pytest
import torch
from torch import Generator, nn

from metadb.errors import WrongUsage
from optimizers.nas.hill_climbing import climb
from optimizers.nas.morphisms import (
    Network,
    chain,
    deeper,
    morphed,
    possible_skips,
    skip,
    tied,
    wider,
)

torch.set_num_threads(1)


def lived(seed=0, widths=(4, 6, 6, 5), halves=(2,)):
    """A network whose norms, strengths and weights are as after a training."""
    network = Network(chain(widths, halves=halves), channels=2, classes=3, seed=seed)
    rng = Generator().manual_seed(seed)
    with torch.no_grad():
        for norm in (block.norm for block in network.blocks):
            norm.running_mean.normal_(generator=rng)
            norm.running_var.uniform_(0.2, 3, generator=rng)
            norm.weight.normal_(generator=rng)
            norm.bias.normal_(generator=rng)
    return network.eval()


def images(n=6, seed=9):
    return torch.randn(n, 2, 8, 8, generator=Generator().manual_seed(seed))


def size(network):
    return sum(p.numel() for p in network.parameters())


@pytest.mark.parametrize("seed", range(8))
def test_any_row_of_random_morphisms_keeps_the_function(seed):
    network, rng, x = lived(seed), Generator().manual_seed(seed), images()
    for _ in range(8):
        grown = morphed(network, rng, widest=40)
        assert size(grown) > size(network)
        torch.testing.assert_close(grown(x), network(x), rtol=1e-5, atol=1e-5)
        with torch.no_grad():  # the skips that are there have been learnt
            for block in grown.blocks:
                block.strength.uniform_(-1, 1, generator=rng)
        network = grown


def test_a_deeper_network_keeps_the_function_in_training_on_the_batch_it_was_given():
    network, x = lived().train(), images(40)
    grown = deeper(network, 2, batch=x)
    assert [layer.width for layer in grown.plan] == [4, 6, 6, 6, 5]
    assert [layer.halves for layer in grown.plan] == [False, True, False, False, False]
    torch.testing.assert_close(grown(x), network(x), rtol=1e-4, atol=1e-4)
    other = images(200, seed=1)
    away = deeper(network, 2)(other) - network(other)
    near = deeper(network, 2, batch=images(200, seed=2))(other) - network(other)
    assert near.norm() < 0.5 * away.norm()


def test_wider_layers_that_are_added_stay_as_wide_as_each_other():
    network = skip(lived(), 2, 3, added=True)  # behind the pooling: images of one size
    assert tied(network.plan, 3) == tied(network.plan, 2) == {2, 3}
    grown = wider(network, 3, 4)
    assert [layer.width for layer in grown.plan] == [4, 10, 10, 5]
    torch.testing.assert_close(grown(images()), network(images()), rtol=1e-5, atol=1e-5)


def test_what_a_morphism_adds_can_learn():
    network, x, y = lived(), images(12), torch.arange(12) % 3
    for grown, fresh in (
        (wider(network, 2, 3), lambda g: g.block(3).convolution.weight.grad[:, 6:]),
        (skip(network, 0, 2), lambda g: g.block(2).convolution.weight.grad[:, 4:]),
        (skip(network, 2, 3, added=True), lambda g: g.block(3).strength.grad),
    ):
        nn.functional.cross_entropy(grown.train()(x), y).backward()
        assert fresh(grown).numel()
        assert float(fresh(grown).abs().max()) > 0


def test_skips_go_between_images_of_one_size_and_channels_of_one_number():
    plan = lived().plan
    assert (1, 3, False) not in possible_skips(plan)  # across the pooling
    assert (2, 3, True) in possible_skips(plan)
    assert (2, 4, True) not in possible_skips(plan)  # 6 and 5 channels
    for source, to, added in ((1, 3, False), (2, 4, True), (3, 2, False), (1, 2, False)):
        with pytest.raises(WrongUsage, match="no skip from"):
            skip(lived(), source, to, added=added)
    with pytest.raises(WrongUsage, match="no layer 9"):
        deeper(lived(), 9)
    with pytest.raises(WrongUsage, match="wider by 0"):
        wider(lived(), 1, 0)


def striped(n, seed):
    """Images of upright or level stripes, under noise."""
    rng = Generator().manual_seed(seed)
    y = torch.arange(n) % 2
    wave = torch.sin(torch.arange(8) * 2.0)
    up, level = wave.expand(8, 8), wave.expand(8, 8).T
    x = torch.stack([up if k else level for k in y.tolist()]).unsqueeze(1)
    return x + 0.5 * torch.randn(x.shape, generator=rng), y


def test_hill_climbing_learns_and_the_same_seed_climbs_the_same():
    train, validation = striped(96, 0), striped(64, 1)
    options = {"steps": 2, "children": 3, "epochs": 6, "batch": 16}
    one, two = (
        climb(train, validation, plan=chain((4,)), classes=2, seed=3, **options) for _ in range(2)
    )
    assert one.steps == two.steps
    assert len(one.steps) == 3
    assert one.steps[-1].accuracy > 0.9
    assert size(one.network) >= size(Network(chain((4,)), channels=1, classes=2))
    x = validation[0]
    assert torch.equal(one.network.eval()(x), two.network.eval()(x))
    with pytest.raises(WrongUsage, match="children is 0"):
        climb(train, validation, classes=2, children=0)
