"""Boosted trees that the same configs meet on task after task: what configs decide, decided once."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Self

import numpy as np
from numpy.typing import NDArray

from metadb.protocols import Floats
from recommenders.candidates import Places

if TYPE_CHECKING:
    from lightgbm import Booster

Node = dict[str, Any]


@dataclass(frozen=True, slots=True, eq=False)
class Leaves:
    """The leaves of boosted trees over (columns of a config, columns of a task), for known configs.

    A config comes to a leaf on a task where each goes its way at every split above the leaf. How
    far configs come by their own columns is kept; a task decides its splits, which closes most
    leaves, and every config is then in one open leaf of each tree. Values are added in the order of
    the trees, as LightGBM does, so that the last digit is the same. Cost: to make it, a pass over
    the configs at every split; of a task, a pass over (open leaves, configs), a tenth of
    LightGBM's.

    Args:
        value: In the order of the trees, (leaves,).
        reached: Which configs come so far by their own columns, (leaves, n).
        column: What a split of the task looks at, from 0, (splits,). threshold: (splits,).
        leaf: Which leaf is below a split, (ways,). split: (ways,). left: On which side, (ways,).
    """

    value: Floats
    reached: NDArray[np.bool_]
    column: Places
    threshold: Floats
    leaf: Places
    split: Places
    left: NDArray[np.bool_]

    @classmethod
    def of(cls, booster: Booster, configs: Floats) -> Self:
        """The leaves of trees whose first columns are those of the configs (n, columns)."""
        trees = booster.dump_model()["tree_info"]
        splits: list[tuple[int, float]] = []
        all_configs = np.ones(len(configs), bool)
        found = [
            leaf
            for tree in trees
            for leaf in _leaves(tree["tree_structure"], configs, all_configs, (), splits)
        ]
        ways = [(i, *way) for i, (*_, above) in enumerate(found) for way in above]
        leaf, split, left = np.array(ways, np.intp).reshape(-1, 3).T
        return cls(
            np.array([value for value, _, _ in found], float),
            np.array([reached for _, reached, _ in found], bool).reshape(-1, len(configs)),
            np.array([column for column, _ in splits], np.intp),
            np.array([threshold for _, threshold in splits], float),
            leaf, split, left.astype(bool),
        )  # fmt: skip

    @property
    def nbytes(self) -> int:
        """The bytes of the largest part."""
        return self.reached.nbytes

    def predict(self, task: Floats) -> Floats:
        """What the trees say of each config on a task (columns,), (n,)."""
        to_left = task[self.column] <= self.threshold  # (splits,)
        closed = np.zeros(len(self.value), bool)
        closed[self.leaf[to_left[self.split] != self.left]] = True
        still = np.flatnonzero(~closed)
        leaf, config = np.nonzero(self.reached[still])  # in the order of the trees
        said: Floats = np.bincount(config, self.value[still][leaf], self.reached.shape[1])
        return said


def _leaves(
    node: Node, configs: Floats, reached: NDArray[np.bool_], above: tuple[tuple[int, bool], ...],
    splits: list[tuple[int, float]],
) -> Iterator[tuple[float, NDArray[np.bool_], tuple[tuple[int, bool], ...]]]:  # fmt: skip
    """Each leaf to which a config comes: its value, which come, and the task's splits above it."""
    if not reached.any():
        return
    if "leaf_value" in node:
        yield float(node["leaf_value"]), reached, above
        return
    column, threshold = int(node["split_feature"]), float(node["threshold"])
    below = ((node["left_child"], True), (node["right_child"], False))
    if column < configs.shape[1]:
        goes = configs[:, column] <= threshold
        for child, left in below:
            yield from _leaves(child, configs, reached & (goes == left), above, splits)
    else:
        nth = len(splits)
        splits.append((column - configs.shape[1], threshold))
        for child, left in below:
            yield from _leaves(child, configs, reached, (*above, (nth, left)), splits)
