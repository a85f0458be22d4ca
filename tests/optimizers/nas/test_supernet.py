"""A supernet holds every network of its space; searches on it agree with slow references."""

from __future__ import annotations

import math

import pytest
import torch
from torch import Generator, nn

from metadb.errors import Diverged, NotFound, WrongUsage
from metadb.space import validate
from optimizers.nas import NAS_SPACES
from optimizers.nas.curvature import largest_eigenvalue
from optimizers.nas.darts import CellDARTS
from optimizers.nas.darts_search import DARTS, rises
from optimizers.nas.decisions import drawn
from optimizers.nas.descent import DECAY, MOMENTUM
from optimizers.nas.enas import Controller
from optimizers.nas.gdas import GDAS, straight_through
from optimizers.nas.nb201 import CellNB201
from optimizers.nas.one_shot import OneShot
from optimizers.nas.ranking import Ranking
from optimizers.nas.shared_random import SharedRandom
from optimizers.nas.supernet import supernet
from optimizers.nas.weight_sharing import WEIGHT_SHARING, share

torch.set_num_threads(1)
OPS = ("none", "skip_connect", "nor_conv_3x3")
FEW = {
    "nb201": lambda: CellNB201(OPS),
    "darts": lambda: CellDARTS(("max_pool_3x3", "skip_connect", "sep_conv_3x3")),
}
CELLS = list(FEW)
DEPTH = {"nb201": 1, "darts": 3}


def made(name="nb201", seed=0, width=2, classes=2, spaces=FEW):
    return supernet(
        spaces[name](), shape=(1, 8, 8), classes=classes, width=width, depth=DEPTH[name],
        seed=seed,
    )  # fmt: skip


def striped(n=16, seed=0):
    """Images of upright or level stripes, under noise."""
    rng = Generator().manual_seed(seed)
    y = torch.arange(n) % 2
    wave = torch.sin(torch.arange(8) * 2.0).expand(8, 8)
    x = torch.stack([wave if k else wave.T for k in y.tolist()]).unsqueeze(1)
    return x + 0.5 * torch.randn(x.shape, generator=rng), y


@pytest.mark.parametrize("name", CELLS)
def test_a_path_is_its_configuration(name):
    net, rng, (x, _) = made(name, spaces=NAS_SPACES), Generator().manual_seed(0), striped(6)
    for _ in range(3):
        config = drawn(net.space, rng)
        validate(net.space.space, config)
        mix, active = net.path(config)
        assert net.strongest(mix) == config
        torch.testing.assert_close(net(x, mix, active), net(x, mix))  # the rest counts as nothing


@pytest.mark.parametrize("name", CELLS)
def test_only_the_weights_of_a_path_move_it(name):
    net, (x, y) = made(name), striped(6)
    mix, active = net.path(drawn(net.space, Generator().manual_seed(1)))
    nn.functional.cross_entropy(net(x, mix, active), y).backward()
    used = {k for k, p in net.named_parameters() if p.grad is not None}
    assert 0 < len(used) < len(list(net.parameters()))
    before = net(x, mix, active)
    with torch.no_grad():
        for key, p in net.named_parameters():
            if key not in used:
                p.add_(1)
    assert torch.equal(net(x, mix, active), before)


@pytest.mark.parametrize("name", CELLS)
def test_images_may_have_odd_sizes_and_any_channels(name):
    net = supernet(NAS_SPACES[name](), shape=(3, 9, 7), classes=4, width=3, depth=3)
    mix = torch.full((net.edges, len(net.ops)), 0.2)
    assert net(torch.randn(5, 3, 9, 7), mix).shape == (5, 4)


def test_a_supernet_too_large_is_refused_before_it_is_built():
    data = striped(8), striped(8)
    with pytest.raises(WrongUsage, match="GB are there; lower the width"):
        share("darts", CellNB201(), *data, classes=2, epochs=1, width=100_000)


def test_a_space_without_cells_has_no_supernet():
    with pytest.raises(WrongUsage, match="'chain' has none; take nb201 or darts"):
        supernet(NAS_SPACES["chain"](), shape=(1, 8, 8), classes=2)


def test_a_cell_that_leads_nowhere_is_not_derived():
    net = made(spaces=NAS_SPACES)
    strength = torch.zeros(6, 5)
    strength[:, 0], strength[:, 3] = 2, 1  # none is strongest everywhere, then nor_conv_3x3
    assert set(net.strongest(strength).values()) == {"nor_conv_3x3"}


@pytest.mark.parametrize("space", CELLS)
@pytest.mark.parametrize("name", WEIGHT_SHARING)
def test_the_same_seed_searches_the_same_and_finds_a_legal_cell(name, space):
    options = {"candidates": 3} if name in {"one_shot", "shared_random", "enas"} else {}
    if name == "enas":
        options["draws"] = 2
    one, two = (WEIGHT_SHARING[name](made(space), total=4, seed=3, **options) for _ in range(2))
    for k in range(2 if space == "nb201" else 1):
        loss = one.step(striped(4, k), striped(4, k + 10))
        assert loss == two.step(striped(4, k), striped(4, k + 10))
        assert math.isfinite(loss)
    found = one.derive()
    assert found == two.derive()
    validate(one.net.space.space, found)
    assert one.net.space.graph(found).connected


@pytest.mark.parametrize("name", WEIGHT_SHARING)
def test_a_search_that_was_killed_goes_on_as_if_it_was_not(name, tmp_path):
    class Killed(Exception):
        pass

    def kill(epoch, loss):
        raise Killed

    more = {
        "darts": {"perturbation": 0.3, "look_every": 3},
        "one_shot": {"candidates": 4},
        "shared_random": {"candidates": 4},
        "enas": {"candidates": 4, "draws": 2},
    }
    options = more.get(name, {}) | {
        "classes": 2, "epochs": 2, "batch": 8, "width": 2, "seed": 1,
    }  # fmt: skip
    data, heard, again = (striped(16, 0), striped(16, 1)), [], []
    space, file = CellNB201(OPS), tmp_path / "search.safetensors"
    whole = share(name, space, *data, told=lambda *said: heard.append(said), **options)
    with pytest.raises(Killed):
        share(name, space, *data, checkpoint=file, told=kill, **options)
    found = share(
        name, space, *data, checkpoint=file, told=lambda *said: again.append(said), **options
    )
    assert found == whole
    assert again == heard[1:]
    with pytest.raises(WrongUsage, match="another search"):
        share(name, space, *data, checkpoint=file, **options | {"seed": 2})


@pytest.mark.parametrize("name", WEIGHT_SHARING)
def test_weights_are_learnt(name):
    options = {"candidates": 4} if name in {"one_shot", "shared_random", "enas"} else {}
    if name == "enas":
        options["draws"] = 1
    steps = 10 if name == "darts_second" else 20
    search = WEIGHT_SHARING[name](made(), total=steps, rate=0.1, **options)
    unseen = Ranking(search.net)
    unseen.see(striped(64, 999))
    rng = Generator().manual_seed(5)
    cells = [drawn(search.net.space, rng) for _ in range(12)]
    before = [unseen.accuracy(cell) for cell in cells]
    for k in range(steps):
        search.step(striped(16, k), striped(16, k + 50))
    after = [unseen.accuracy(cell) for cell in cells]
    assert max(after) > 0.9
    assert sum(after) > 1.2 * sum(before)


def test_a_loss_that_is_not_finite_stops_a_search_and_moves_no_weight():
    search = WEIGHT_SHARING["shared_random"](made(), total=4)
    before = {key: t.clone() for key, t in search.net.state_dict().items()}
    x, y = striped(8)
    with pytest.raises(Diverged, match="step 1"):
        search.step((x * torch.nan, y), (x, y))
    assert all(torch.equal(t, before[key]) for key, t in search.net.state_dict().items())


def test_what_is_asked_amiss_is_said():
    data = striped(8), striped(8)
    with pytest.raises(NotFound, match="'magic'; there are darts"):
        share("magic", CellNB201(), *data, classes=2, epochs=1)
    with pytest.raises(WrongUsage, match="epochs is 0"):
        share("gdas", CellNB201(), *data, classes=2, epochs=0)
    with pytest.raises(WrongUsage, match="take a step before"):
        Ranking(made()).accuracy(drawn(CellNB201(), Generator()))


# -- references ---------------------------------------------------------------------------------


def slow_gradient(search, train, validation, *, h=1e-5):
    """By two evaluations a number: the validation loss after the step of the weights, if any."""

    def judged(alpha):
        mix, net = alpha.softmax(1), search.net
        named = dict(net.named_parameters())
        if search.second_order:
            loss = nn.functional.cross_entropy(net(train[0], mix), train[1])
            grads = torch.autograd.grad(loss, list(named.values()), allow_unused=True)
            rate = search.descent.rate
            named = {
                key: p if g is None
                else p - rate * (MOMENTUM * search.descent.momentum(p) + DECAY * p + g)
                for (key, p), g in zip(named.items(), grads, strict=True)
            }  # fmt: skip
        said = torch.func.functional_call(net, named, (validation[0], mix))
        return nn.functional.cross_entropy(said, validation[1]).item()

    alpha, found = search.alpha.detach(), torch.zeros_like(search.alpha)
    for i in range(alpha.shape[0]):
        for j in range(alpha.shape[1]):
            step = torch.zeros_like(alpha)
            step[i, j] = h
            found[i, j] = (judged(alpha + step) - judged(alpha - step)) / (2 * h)
    return found


@pytest.mark.parametrize("second", [False, True])
def test_the_gradient_of_the_mix_agrees_with_differences(second):
    ops = ("none", "skip_connect", "nor_conv_1x1")
    net = supernet(CellNB201(ops), shape=(1, 4, 4), classes=2, width=2).double()
    search = DARTS(net, total=10, rate=0.3, second_order=second)
    train, validation = ((x[:, :, :4, :4].double(), y) for x, y in (striped(6, 0), striped(6, 1)))
    train, validation = tuple(train), tuple(validation)
    search.step(train, validation)  # so that there is momentum
    fast = search.mix_gradient(train, validation)
    slow = slow_gradient(search, train, validation)
    torch.testing.assert_close(fast, slow, rtol=1e-4, atol=1e-8)
    other = DARTS(net, total=10, rate=0.3, second_order=not second)
    other.alpha, other.descent = search.alpha, search.descent
    assert float((other.mix_gradient(train, validation) - slow).norm()) > 1e-3 * float(slow.norm())


@pytest.mark.parametrize("shape", [(3, 2), (6, 5)])
def test_the_largest_eigenvalue_is_that_of_the_whole_hessian(shape):
    rng = Generator().manual_seed(0)
    a = torch.randn(math.prod(shape), 7, generator=rng, dtype=torch.float64)

    def loss(at):
        return (torch.tanh(at.flatten() @ a) ** 3).sum() - 5 * at.pow(2).sum()

    at = torch.randn(shape, generator=rng, dtype=torch.float64).requires_grad_()
    n = at.numel()
    whole = torch.autograd.functional.hessian(loss, at).reshape(n, n)
    values = torch.linalg.eigvalsh(whole)
    assert values[0].abs() > values[-1].abs()  # the largest is not the largest in absolute value
    assert largest_eigenvalue(loss(at), at) == pytest.approx(float(values[-1]), rel=1e-3)


def test_the_eigenvalue_of_a_supernet_is_that_of_the_whole_hessian():
    net = supernet(
        CellNB201(("none", "skip_connect", "nor_conv_1x1")), shape=(1, 4, 4), classes=2, width=2
    ).double()
    search = DARTS(net, total=10)
    x, y = striped(6)
    x = x[:, :, :4, :4].double()

    def loss(alpha):
        return nn.functional.cross_entropy(net(x, alpha.softmax(1)), y)

    whole = torch.autograd.functional.hessian(loss, search.alpha.detach()).reshape(18, 18)
    wanted = float(torch.linalg.eigvalsh(whole)[-1])
    assert search.eigenvalue((x, y)) == pytest.approx(wanted, rel=1e-3, abs=1e-9)


def test_the_search_of_the_mix_ends_where_the_eigenvalue_rises():
    assert rises([1.0] * 9) is None
    assert rises([1.0] * 20) is None
    assert rises([1.0] * 5 + [1.4] * 5) == 4
    assert rises([2.0] * 5 + [1.0] * 5) is None
    search = DARTS(made(), total=40, look_every=1, mix_rate=0.01)
    search.eigenvalues, search._looked = [1e-12] * 9, [search.alpha.detach() + k for k in range(9)]
    search.step(striped(8), striped(8, 1))
    assert search.stopped == (search.eigenvalues[-1] > 0)
    kept = search.alpha.detach().clone()
    search.step(striped(8), striped(8, 1))
    assert torch.equal(search.alpha, kept) == search.stopped


def test_perturbations_rise_and_stay_within_the_mix():
    search = DARTS(made(), total=10, perturbation=0.3)
    mix = search.alpha.softmax(1).detach()
    assert torch.equal(search._perturbed(mix), mix)
    search.descent.taken = 10
    away = search._perturbed(mix) - mix
    assert 0.05 < float(away.abs().max()) <= 0.3
    assert float(search._perturbed(mix).min()) >= 0


def test_the_gradient_goes_straight_through_the_drawing():
    soft = torch.randn(4, 3, generator=Generator().manual_seed(0)).requires_grad_()
    hard = straight_through(soft.softmax(1))
    assert torch.equal(hard.detach().sum(1), torch.ones(4))
    assert torch.equal(hard.detach().argmax(1), soft.argmax(1))
    weights = torch.arange(12.0).reshape(4, 3)
    (found,) = torch.autograd.grad((hard * weights).sum(), soft)
    (wanted,) = torch.autograd.grad((soft.softmax(1) * weights).sum(), soft)
    torch.testing.assert_close(found, wanted)


def test_gdas_draws_operations_as_often_as_their_weights_say():
    search = GDAS(made(spaces=NAS_SPACES), total=10)
    with torch.no_grad():
        search.alpha.copy_(torch.tensor([0.5, 0.2, 0.1, 0.1, 0.1]).log().expand(6, 5))
    share = sum(search.drawn().detach() for _ in range(300)).mean(0) / 300
    torch.testing.assert_close(share[:2], torch.tensor([0.5, 0.2]), atol=0.04, rtol=0)
    assert search.temperature == 10
    search.descent.taken = 10
    assert search.temperature == pytest.approx(0.1)


def test_ever_more_paths_are_dropped():
    search = OneShot(made(spaces=NAS_SPACES), total=10, dropout=0.1)
    assert search.dropped == 0
    assert bool(search.left()[0].all())
    search.descent.taken = 10
    assert search.dropped == pytest.approx(0.1 ** (1 / 5))
    kept = sum(float(search.left()[0].mean()) for _ in range(200)) / 200
    assert kept == pytest.approx(1 - search.dropped, abs=0.05)


@pytest.mark.parametrize("name", CELLS)
def test_the_controller_says_how_likely_its_drawings_are(name):
    space = NAS_SPACES[name]()
    controller, rng = Controller(space, width=8, seed=1), Generator().manual_seed(0)
    with torch.no_grad():
        for head in controller.heads:
            head.weight.normal_(0, 20, generator=rng)
        met = [controller.draw(rng) for _ in range(60)]
    for config, _, _ in met[:5]:
        validate(space.space, config)
    logs, entropies = (torch.stack([m[i] for m in met]) for i in (1, 2))
    near = 4 * float((logs + entropies).std()) / 60**0.5
    assert float(logs.mean() + entropies.mean()) == pytest.approx(0, abs=near)
    assert float(entropies.mean()) < 0.97 * sum(
        math.log(len(space.space[key].choices)) for key in met[0][0]
    )


def test_the_best_of_some_cells_is_the_one_that_tells_most_images():
    search = SharedRandom(made(), total=60, rate=0.1, candidates=8)
    for k in range(40):
        search.step(striped(16, k), striped(16, k + 60))
    rng = Generator().manual_seed(1)
    cells = [drawn(search.net.space, rng) for _ in range(8)]
    best = search.ranking.best(cells)
    assert search.ranking.accuracy(best) == max(
        search.ranking.accuracy(search.net.space.canonical(c)) for c in cells
    )
