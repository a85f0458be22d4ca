"""A few-shot learner by name, with a network that suits what it is to learn."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import torch
from torch import nn

from metadb.errors import NotFound, WrongUsage
from optimizers.fewshot import CLASSIFIERS, EMBEDDERS, FEW_SHOT_LEARNERS
from optimizers.fewshot.learner import FewShotLearner
from optimizers.fewshot.networks import conv4, features, mlp

if TYPE_CHECKING:
    from ConfigSpace import ConfigurationSpace

    from metadb.records import Config


def space_of(name: str) -> ConfigurationSpace:
    """The hyperparameters of a learner as a search space, `fewshot_<name>`; defaults its own.

    Raises:
        NotFound: No such learner.
    """
    from ConfigSpace import ConfigurationSpace

    family = _family(name)
    space = ConfigurationSpace(name=f"fewshot_{name}")
    space.add(*getattr(family, "func", family).hyperparameters)
    return space


def build(
    name: str,
    *,
    shape: tuple[int, ...],
    ways: int | None,
    classes: int | None = None,
    config: Config | None = None,
    width: int = 64,
    total: int | None = None,
    device: str = "cpu",
    seed: int = 0,
) -> FewShotLearner:
    """A learner that has learnt nothing yet.

    Args:
        name: Of `FEW_SHOT_LEARNERS`.
        shape: Of one input: (channels, height, width) of images, which get four blocks of
            convolution, or (d,), which get a perceptron with two hidden layers.
        ways: Classes of a task; None: one number is regressed.
        classes: All classes of the source; what is trained on all at once needs them.
        config: Hyperparameters; those left out are the learner's defaults.
        width: Channels of a block, or units of a hidden layer.
        total: Steps planned, for learners whose rates change on the way.
        device: Where it learns.
        seed: Of all first weights.

    Raises:
        NotFound: No such learner.
        WrongUsage: A learner of classes for a regression, a config with an unknown name.
    """
    family, settings = _family(name), dict(config or {})
    known = inspect.signature(family).parameters
    if unknown := sorted(set(settings) - set(known)):
        wanted = ", ".join(space_of(name))
        raise WrongUsage(f"{name} has no hyperparameter {unknown[0]!r}; it has {wanted}")
    if ways is None and name in CLASSIFIERS:
        regressing = ", ".join(n for n in FEW_SHOT_LEARNERS if n not in CLASSIFIERS)
        raise WrongUsage(f"{name} tells classes apart; for numbers there are {regressing}")
    module = _network(name, shape, ways, width, seed)
    if torch.device(device).type == "cpu":  # a quarter to a third faster there, the same numbers
        module.to(memory_format=torch.channels_last)  # type: ignore[call-overload]  # its stub
    offered: dict[str, Any] = {
        "features": lambda: features(module, shape),
        "classes": lambda: classes if ways is not None else None,
        "total": lambda: total,
    }
    for parameter, given in offered.items():
        if parameter in known and parameter not in settings and given() is not None:
            settings[parameter] = given()
    made: Callable[..., FewShotLearner] = family
    return made(module, device=device, seed=seed, **settings)


def _network(
    name: str, shape: tuple[int, ...], ways: int | None, width: int, seed: int
) -> nn.Module:
    embeds = name in EMBEDDERS and ways is not None
    outputs = None if embeds else (ways or 1)
    if len(shape) == 3:
        channels, height, breadth = shape
        return conv4(
            (channels, height, breadth), outputs=outputs, width=width, flat=name != "relation",
            seed=seed,
        )  # fmt: skip
    if len(shape) != 1:
        raise WrongUsage(f"inputs are images (3 axes) or rows of numbers (1 axis), not {shape}")
    widths = (width, width)
    return mlp(shape[0], outputs or width, widths=widths, seed=seed)


def _family(name: str) -> Any:
    if name not in FEW_SHOT_LEARNERS:
        known = ", ".join(FEW_SHOT_LEARNERS)
        raise NotFound(f"no few-shot learner {name!r}; there are {known}")
    return FEW_SHOT_LEARNERS[name]


__all__ = ["build", "space_of"]
