"""Chains: one layer after the other, each of a type and a width, with skips over two layers.

Baker, Gupta, Naik, Raskar 2017, "Designing Neural Network Architectures using Reinforcement
Learning", and, for the skips, Zoph, Le 2017.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from metadb.records import Config
from optimizers.cube import Cube
from optimizers.nas.graph import INPUT, OUTPUT, Graph
from optimizers.nas.space import distinct, one_away

if TYPE_CHECKING:
    from torch import nn

POOLS = ("max_pool_3x3", "avg_pool_3x3")
CONVOLUTIONS = ("nor_conv_1x1", "nor_conv_3x3", "nor_conv_5x5", "sep_conv_3x3")
WIDTHS = (1, 2, 4)


class Chain:
    """Up to `layers` layers; a pool halves the image, a convolution has a width.

    `layers` says how many; layer k has a type `op<k>`, a width `width<k>` in multiples of the
    network's, and from the second on a skip `skip<k>`: whether the input of the layer before it is
    added to its output, pooled and passed through a 1x1 convolution where the shapes differ. No two
    configs are the same network.

    Args:
        layers: The longest chain.
    """

    name = "chain"

    def __init__(self, layers: int = 6) -> None:
        from ConfigSpace import (
            AndConjunction,
            Categorical,
            ConfigurationSpace,
            GreaterThanCondition,
            InCondition,
            Integer,
            OrdinalHyperparameter,
        )

        self.layers = layers
        self.space = ConfigurationSpace(name="nas-chain")
        n = Integer("layers", (1, layers), default=(1 + layers) // 2)
        self.space.add(n)
        for k in range(layers):
            op = Categorical(f"op{k}", CONVOLUTIONS + POOLS)
            width = OrdinalHyperparameter(f"width{k}", WIDTHS)
            self.space.add([op, width])
            convolves = InCondition(width, op, [*CONVOLUTIONS])
            if k == 0:
                self.space.add(convolves)
                continue
            skip = Categorical(f"skip{k}", (False, True))
            self.space.add(skip)
            self.space.add(
                [
                    GreaterThanCondition(op, n, k),
                    AndConjunction(GreaterThanCondition(width, n, k), convolves),
                    GreaterThanCondition(skip, n, k),
                ]
            )
        self._cube = Cube.of(self.space)

    def graph(self, config: Config) -> Graph:
        """One node a layer; a skip leads past two of them."""
        n = int(config["layers"])
        ops = [INPUT]
        for k in range(n):
            width = config.get(f"width{k}")
            ops.append(f"{config[f'op{k}']}" + (f" x{width}" if width is not None else ""))
        return Graph((*ops, OUTPUT), frozenset(self._edges(config, n)))

    def _edges(self, config: Config, n: int) -> set[tuple[int, int]]:
        """What is added to a layer's output leads to all that this leads to."""
        gives: list[set[int]] = [{0}]  # by layer, what its output is the sum of
        for k in range(n):
            added = gives[k - 1] if config.get(f"skip{k}") else set()
            gives.append({k + 1} | added)
        return {(start, k) for k in range(1, n + 2) for start in gives[k - 1]}

    def canonical(self, config: Config) -> Config:
        """The config itself."""
        return config

    def neighbours(self, config: Config) -> list[Config]:
        """The other networks that one change leads to, each once."""
        return distinct(self, config, one_away(self._cube, config))

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
        """The chain, `depth` times one after the other (pools in the first time only)."""
        from optimizers.nas.building import built
        from optimizers.nas.networks import Chained, Layer

        def make() -> nn.Module:
            layers = [
                Layer(
                    str(config[f"op{k}"]),
                    width * int(config.get(f"width{k}", 0)),
                    bool(config.get(f"skip{k}", False)),
                )
                for k in range(int(config["layers"]))
            ]
            again = [layer for layer in layers if layer.op not in POOLS] * (depth - 1)
            return Chained(layers + again, shape, classes, width)

        return built(self, config, make, seed=seed)
