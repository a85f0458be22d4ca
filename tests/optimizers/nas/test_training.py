"""A network is trained, stopped, gone on with; what cannot be trained is refused in a sentence."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import nn

from metadb.errors import Diverged, NotFound, WrongUsage
from optimizers.nas.images import of_images, parted, read_images
from optimizers.nas.memory import check_fits, estimate
from optimizers.nas.morphisms import Network, chain
from optimizers.nas.training import accuracy, lacking, train

torch.set_num_threads(1)


def network(seed=0, classes=10):
    return Network(chain((8, 8), halves=(1,)), channels=1, classes=classes, seed=seed)


@pytest.fixture(scope="module")
def digits():
    found = parted(read_images("digits", size=8), validation=0.3)
    assert found.shape == (1, 8, 8)
    x, y = found.train
    return (x[:320], y[:320]), found.validation


def test_a_network_learns_digits_and_says_how(digits):
    net, heard = network(), []
    looks = train(net, *digits, epochs=6, batch=32, rate=0.2, told=heard.append)
    assert heard == looks
    assert [look.epoch for look in looks] == [1, 2, 3, 4, 5, 6]
    assert looks[-1].accuracy > 0.75
    assert looks[-1].accuracy == accuracy(net, digits[1])
    assert looks[-1].loss < looks[0].loss


def test_a_training_that_was_killed_goes_on_as_if_it_was_not(digits, tmp_path):
    class Killed(Exception):
        pass

    def kill(look):
        if look.epoch == 2:
            raise Killed

    whole, part, rest = network(), network(), network(seed=5)
    wanted = train(whole, *digits, epochs=3, batch=64)
    file, about = tmp_path / "t.safetensors", {"config": "one"}
    with pytest.raises(Killed):
        train(part, *digits, epochs=3, batch=64, checkpoint=file, about=about, told=kill)
    found = train(rest, *digits, epochs=3, batch=64, checkpoint=file, about=about)
    assert [(k.epoch, k.loss, k.accuracy) for k in found] == [
        (k.epoch, k.loss, k.accuracy) for k in wanted
    ]
    for a, b in zip(whole.parameters(), rest.parameters(), strict=True):
        assert torch.equal(a, b)
    with pytest.raises(WrongUsage, match="config was 'one' and is 'two'"):
        train(rest, *digits, epochs=3, batch=64, checkpoint=file, about={"config": "two"})


def test_mixed_precision_learns_what_full_precision_learns(digits):
    full, mixed = (
        train(network(), *digits, epochs=2, batch=32, rate=0.1, mixed=m)[-1] for m in (False, True)
    )
    assert mixed.loss != full.loss
    assert mixed.loss == pytest.approx(full.loss, rel=0.05)


@pytest.mark.skipif(not torch.cuda.is_available(), reason="no GPU here")
def test_a_gpu_learns_what_a_processor_learns(digits):
    one, two = (
        train(network(), *digits, epochs=2, batch=32, device=d)[-1] for d in ("cpu", "cuda")
    )
    assert two.loss == pytest.approx(one.loss, rel=0.02)


def test_a_loss_that_is_not_finite_stops_it(digits):
    (x, y), validation = digits
    with pytest.raises(Diverged, match="epoch 1"):
        train(network(), (x * torch.nan, y), validation, epochs=1)


class Sparse(nn.Module):
    """Asks for the pooling of a sparse tensor, which no processor has."""

    def __init__(self):
        super().__init__()
        self.conv = nn.Conv2d(1, 10, 3)

    def forward(self, x):
        return torch.max_pool2d(self.conv(x).to_sparse(), 2)


def test_what_a_device_lacks_is_said(digits):
    with pytest.raises(WrongUsage, match="'cpu' lacks an operation"):
        train(Sparse(), *digits, epochs=1)
    with pytest.raises(WrongUsage, match="lacks"), lacking("tpu"):
        raise NotImplementedError
    with pytest.raises(NotFound, match="no device 'abacus' here"):
        train(network(), *digits, epochs=1, device="abacus")
    if not torch.cuda.is_available():
        with pytest.raises(NotFound, match="no device 'cuda' here; there are cpu"):
            train(network(), *digits, epochs=1, device="cuda")


def test_memory_is_estimated_from_shapes_alone():
    class Plain(nn.Module):
        def __init__(self):
            super().__init__()
            self.a, self.b = nn.Linear(48, 32, bias=False), nn.Linear(32, 5, bias=False)

        def forward(self, x):
            return self.b(torch.relu(self.a(x.flatten(1))))

    found = estimate(Plain, (3, 4, 4), batch=10)
    assert found.weights_bytes == 3 * 4 * (48 * 32 + 32 * 5)
    assert found.activations_bytes == 4 * 10 * (48 + 32)  # the inputs of both; relu keeps its own
    small, twice = (estimate(lambda: network(), (1, 8, 8), batch=b) for b in (8, 16))
    assert twice.weights_bytes == small.weights_bytes
    assert twice.activations_bytes == pytest.approx(2 * small.activations_bytes, rel=0.02)


def test_a_network_too_large_is_refused_before_it_is_built():
    def huge():
        return Network(chain((200_000, 200_000)), channels=1, classes=10)  # 1.4 TB of weights

    with pytest.raises(WrongUsage, match="GB are there; lower the width"):
        check_fits(huge, (1, 64, 64), batch=64)
    assert check_fits(lambda: network(), (1, 8, 8), batch=8).total_bytes < 1e6


def test_images_of_different_sizes_are_refused_or_brought_to_one():
    x = [np.full((8, 8), 7.0), np.full((12, 10), 7.0), np.full((4, 4), 7.0)] * 2
    y = ["a", "b"] * 3
    with pytest.raises(WrongUsage, match=r"different sizes \(8 x 8 and 12 x 10 pixels\)"):
        of_images(x, y)
    same = of_images(x, y, size=6)
    assert same.x.shape == (6, 1, 6, 6)
    assert same.x.unique().tolist() == [7.0]
    with pytest.raises(WrongUsage, match="1 and 3 channels"):
        of_images([np.zeros((4, 4)), np.zeros((3, 4, 4))], [0, 1])
    with pytest.raises(WrongUsage, match="has 2 axes"):
        of_images([np.zeros(4), np.zeros(4)], [0, 1])


def test_every_class_is_on_both_sides():
    rng = np.random.default_rng(0)
    y = np.repeat(["a", "b", "c"], (2, 5, 20))
    found = parted(of_images(rng.integers(0, 255, (27, 6, 6)).astype(np.uint8), y), seed=1)
    assert found.names == ("a", "b", "c")
    for _, classes in (found.train, found.validation):
        assert set(classes.tolist()) == {0, 1, 2}
    assert torch.bincount(found.validation[1]).tolist() == [1, 2, 6]
    assert float(found.train[0].mean()) == pytest.approx(0, abs=1e-5)
    assert float(found.train[0].std()) == pytest.approx(1, abs=1e-5)
    for x, y, why in (
        (np.zeros((3, 2, 2)), [0, 0, 1], "class '1' has 1 image"),
        (np.zeros((3, 2, 2)), [0, 0, 0], "one class"),
    ):
        with pytest.raises(WrongUsage, match=why):
            parted(of_images(x, y))
