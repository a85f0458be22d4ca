"""What a space of architectures is to a search: configurations, and the networks they stand for."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

import numpy as np

if TYPE_CHECKING:
    from ConfigSpace import ConfigurationSpace
    from torch import nn

    from metadb.records import Config
    from optimizers.cube import Cube
    from optimizers.nas.graph import Graph


class NasSpace(Protocol):
    """Architectures as configurations of a space."""

    name: str
    space: ConfigurationSpace

    def graph(self, config: Config) -> Graph:
        """The operations of an architecture and what leads to them, dead ones left out."""

    def canonical(self, config: Config) -> Config:
        """The configuration that stands for all that are the same network as this one."""

    def neighbours(self, config: Config) -> list[Config]:
        """The other networks that one change leads to, each once, in its canonical form."""

    def build(
        self,
        config: Config,
        *,
        shape: tuple[int, int, int],
        classes: int,
        width: int = 16,
        depth: int = 1,
        seed: int = 0,
    ) -> nn.Module:
        """The network, which takes (n, *shape) and gives (n, classes).

        Args:
            shape: Channels, height and width of an image.
            width: Channels after the first layer.
            depth: How often the cell is repeated (what that means is the space's).
            seed: Of the first weights.

        Raises:
            InvalidConfig: The config is not legal in the space.
            WrongUsage: No path leads from the input to the output, or the network would not fit
                into memory.
        """


def distinct(space: NasSpace, config: Config, moved: list[Config]) -> list[Config]:
    """The canonical forms of some configs, each once, that of `config` left out."""
    from metadb.identity import canonical_config

    forms = {canonical_config(form): form for form in map(space.canonical, moved)}
    forms.pop(canonical_config(space.canonical(config)), None)
    return list(forms.values())


def one_away(cube: Cube, config: Config) -> list[Config]:
    """The legal configs with one active hyperparameter changed: to each other choice, or by one.

    What a change switches on takes its middle value.

    Args:
        cube: Of a space of choices and integers.
    """
    point = cube.encode((config,))[0]
    moved = []
    for j in np.flatnonzero(cube.active([config])[0]):
        axis = cube.moving[j]
        size = len(axis.choices)
        if size:
            now = axis.choices.index(config[axis.name])
            places = [(i + 0.5) / size for i in range(size) if i != now]
        else:
            near = float(config[axis.name]) + np.array([-1.0, 1.0])
            places = [p for p in axis.to_unit(near).tolist() if 0 <= p <= 1]
        for place in places:
            moved.append(point.copy())
            moved[-1][j] = place
    if not moved:
        return []
    configs, legal = cube.decode(np.array(moved))
    return [configs[i] for i in np.flatnonzero(legal)]
