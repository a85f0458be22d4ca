"""An architecture as a row of decisions, one a hyperparameter, those before it in view."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch import Generator

from metadb.errors import WrongUsage
from metadb.records import Config
from optimizers.nas.space import NasSpace

TRIES = 1000
"""So often a drawing is repeated that leads to no output."""


def decide(space: NasSpace, choose: Callable[[int, Sequence[Any]], int]) -> Config:
    """The configuration that some choices lead to; what they switch off is not asked.

    Args:
        choose: Of a hyperparameter's number and its choices, the place of the one to take.
    """
    config: dict[str, Any] = {}
    for number, one in enumerate(space.space.values()):
        conditions = space.space.parent_conditions_of[one.name]
        if all(_holds(condition, config) for condition in conditions):
            choices = choices_of(one)
            config[one.name] = choices[choose(number, choices)]
    return config


def choices_of(hyperparameter: Any) -> Sequence[Any]:
    """What a decision is between."""
    choices: Sequence[Any] = hyperparameter.choices
    return choices


def drawn(space: NasSpace, rng: Generator) -> Config:
    """A configuration whose output can be reached, every decision uniform.

    Raises:
        WrongUsage: A thousand drawings have led to no output.
    """
    for _ in range(TRIES):
        config = decide(
            space, lambda _, choices: int(torch.randint(len(choices), (), generator=rng))
        )
        if space.graph(config).connected:
            return config
    raise WrongUsage(f"no architecture of {space.name} leads from its input to its output")


def _holds(condition: Any, config: Config) -> bool:
    return condition.parent.name in config and bool(condition.satisfied_by_value(config))


__all__ = ["choices_of", "decide", "drawn"]
