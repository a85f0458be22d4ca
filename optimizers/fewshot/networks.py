"""The networks of the few-shot papers, and what any module needs to be learnt across tasks."""

from __future__ import annotations

from collections.abc import Sequence
from copy import deepcopy
from itertools import pairwise

import torch
from torch import Tensor, nn

from metadb.errors import WrongUsage
from optimizers.fewshot.batch_norm import ByBatch


def mlp(inputs: int, outputs: int, *, widths: Sequence[int] = (40, 40), seed: int = 0) -> nn.Module:
    """A perceptron with ReLU; Finn et al. 2017 fit sinusoids with two hidden layers of 40."""
    layers: list[nn.Module] = []
    sizes = [inputs, *widths]
    for a, b in pairwise(sizes):
        layers += [nn.Linear(a, b), nn.ReLU()]
    return fresh(nn.Sequential(*layers, nn.Linear(sizes[-1], outputs)), seed)


def conv4(
    shape: tuple[int, int, int],
    *,
    outputs: int | None = None,
    width: int = 64,
    flat: bool = True,
    seed: int = 0,
) -> nn.Module:
    """Four blocks of 3 x 3 convolution, batch norm, max-pooling by 2 and ReLU; then maybe a layer.

    Args:
        shape: Channels, height and width of an image.
        outputs: Of the linear layer; None: no such layer, the network is an embedding.
        width: Channels of each block.
        flat: An embedding is a vector (n, features); else maps (n, width, height, width) of the
            first two blocks' pooling alone, as relation networks compare them.

    Pooling before ReLU gives the same as after it, for a quarter of the work.

    Vinyals et al. 2016, "Matching Networks for One Shot Learning", section 4.1.
    """
    channels, height, breadth = shape
    if min(height, breadth) < 16:
        raise WrongUsage(
            f"images of {height} x {breadth} pixels are too small for four blocks that halve "
            "them: 16 x 16 is the least; enlarge them, or take an mlp"
        )
    layers: list[nn.Module] = []
    for block, (a, b) in enumerate(pairwise([channels, *[width] * 4])):
        layers += [nn.Conv2d(a, b, 3, padding=1), nn.BatchNorm2d(b)]
        layers += [nn.MaxPool2d(2)] if flat or block < 2 else []
        layers += [nn.ReLU()]
    if flat:
        layers += [nn.Flatten()]
    if outputs is not None:
        layers += [nn.Linear(width * (height // 16) * (breadth // 16), outputs)]
    return fresh(nn.Sequential(*layers), seed)


def fresh(module: nn.Module, seed: int) -> nn.Module:
    """A copy with weights drawn anew, the same for the same seed; the global generator is kept."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        module = deepcopy(module).cpu()
        for part in module.modules():
            reset = getattr(part, "reset_parameters", None)
            if callable(reset):
                reset()
    return module


def by_batch(module: nn.Module, *, twice: bool = False) -> nn.Module:
    """A copy whose batch norms use each batch's own statistics, in training and after it.

    An initialisation is learnt so (Finn et al. 2017): what a batch of one task looks like is part
    of the task. Queries are then judged together, which tells about each from the others.

    Args:
        twice: It will be differentiated twice, so that norms are chosen which do that fast.
    """
    whole = nn.Sequential(_normed(module, tracking=False))  # so that each part has a name
    for name, part in list(whole.named_modules()):
        if twice and isinstance(part, nn.modules.batchnorm._BatchNorm) and part.affine:
            whole.set_submodule(name, ByBatch(part))
    return whole[0].train()


def by_running(module: nn.Module) -> nn.Module:
    """A copy whose batch norms keep running statistics, and use these once training is over."""
    return _normed(module, tracking=True)


def _normed(module: nn.Module, *, tracking: bool) -> nn.Module:
    module = deepcopy(module)
    for part in module.modules():
        if not isinstance(part, nn.modules.batchnorm._BatchNorm):
            continue
        place = next(module.parameters())
        part.track_running_stats = tracking
        kept = (torch.zeros, torch.ones) if tracking else (None, None)
        for name, filled in zip(("running_mean", "running_var"), kept, strict=True):
            old = getattr(part, name)
            if filled is None:
                setattr(part, name, None)
            elif old is None:
                setattr(
                    part, name, filled(part.num_features, device=place.device, dtype=place.dtype)
                )
        if not tracking:
            part.num_batches_tracked = None
        elif part.num_batches_tracked is None:
            part.num_batches_tracked = torch.tensor(0, device=place.device)
    return module


def learnable(module: nn.Module) -> dict[str, Tensor]:
    """A module's parameters by name, as leaves of their own."""
    found = {
        name: p.detach().clone().requires_grad_()
        for name, p in module.named_parameters()
        if p.requires_grad
    }
    if not found:
        raise WrongUsage("this module has nothing to learn: no parameter requires a gradient")
    return found


def last_layer(module: nn.Module) -> list[str]:
    """The names of the parameters of the last layer that has any: the head."""
    owners = dict.fromkeys(name.rpartition(".")[0] for name, _ in module.named_parameters())
    head = list(owners)[-1]
    return [name for name, _ in module.named_parameters() if name.rpartition(".")[0] == head]


def features(module: nn.Module, shape: Sequence[int]) -> tuple[int, ...]:
    """The shape of what a module makes of one input of `shape`."""
    place = next(module.parameters())
    with torch.no_grad():
        tried = deepcopy(module).eval()(
            torch.zeros(2, *shape, device=place.device, dtype=place.dtype)
        )
    return tuple(tried.shape[1:])
