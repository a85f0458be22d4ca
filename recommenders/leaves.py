"""Boosted trees that one set of configs meets on task after task; their part is done once."""

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
Bools = NDArray[np.bool_]


@dataclass(frozen=True, slots=True, eq=False)
class Leaves:
    """The leaves of boosted trees over (columns of a config, columns of a task), for fixed configs.

    A config comes to a leaf on a task where each goes its way at every split above the leaf. Those
    that go alike at all splits of their own in a tree are one class of the tree. A task decides the
    other splits, which closes leaves until each class has one; the values of the trees are then
    added in their order, as LightGBM does, so that no digit differs. Cost: to make it, a pass over
    the configs at every split; for a task, one over (trees, configs).

    Args:
        column: What a split of the task looks at, from 0, (splits,). threshold: (splits,).
        below: A leaf below a split, (ways,). split: The split, (ways,). left: The side, (ways,).
        leaf: A leaf that a class may come to, (pairs,). group: The class, (pairs,).
        value: Of each leaf, (leaves,).
        of: The class of each config in each tree, (trees, n).
    """

    column: Places
    threshold: Floats
    below: Places
    split: Places
    left: Bools
    leaf: Places
    group: Places
    value: Floats
    of: Places

    @classmethod
    def fit(cls, booster: Booster, configs: Floats) -> Self:
        """The leaves of trees whose first columns are those of the configs (n, columns)."""
        splits: list[tuple[int, float]] = []
        values: list[float] = []
        ways: list[tuple[int, int, bool]] = []
        pairs: list[Places] = []
        of: list[Places] = []
        n_groups, everyone = 0, np.ones(len(configs), bool)
        for tree in booster.dump_model()["tree_info"]:
            reached = []
            for value, who, above in _leaves(tree["tree_structure"], configs, everyone, (), splits):
                ways += [(len(values), *way) for way in above]
                values.append(value)
                reached.append(who)
            groups, inverse = np.unique(np.array(reached), axis=1, return_inverse=True)
            leaf, group = np.nonzero(groups)  # (leaves, classes) of this tree
            pairs.append(np.array([leaf + len(values) - len(reached), group + n_groups]))
            of.append(inverse.ravel() + n_groups)
            n_groups += groups.shape[1]
        below, split, left = np.array(ways, np.intp).reshape(-1, 3).T
        leaf, group = np.concatenate(pairs, axis=1)
        return cls(
            np.array([column for column, _ in splits], np.intp),
            np.array([threshold for _, threshold in splits], float),
            below, split, left.astype(bool), leaf, group, np.array(values), np.array(of),
        )  # fmt: skip

    @property
    def nbytes(self) -> int:
        """The bytes of the largest part."""
        return self.of.nbytes

    def predict(self, task: Floats) -> Floats:
        """What the trees say of each config on a task (columns,), (n,)."""
        closed = np.zeros(len(self.value), bool)
        to_left = task[self.column] <= self.threshold  # (splits,)
        closed[self.below[to_left[self.split] != self.left]] = True
        still = np.flatnonzero(~closed[self.leaf])
        said = np.empty(len(still))  # by each class: one of its leaves is open
        said[self.group[still]] = self.value[self.leaf[still]]
        total: Floats = said[self.of].sum(axis=0)
        return total


def _leaves(
    node: Node, configs: Floats, who: Bools, above: tuple[tuple[int, bool], ...],
    splits: list[tuple[int, float]],
) -> Iterator[tuple[float, Bools, tuple[tuple[int, bool], ...]]]:  # fmt: skip
    """Each leaf to which a config may come: its value, which may, and the task's splits above it.

    Args:
        who: The configs that come to the node, (n,).
        splits: Gets the task's splits, as column and threshold.
    """
    if not who.any():
        return
    if "leaf_value" in node:
        yield float(node["leaf_value"]), who, above
        return
    column, threshold = int(node["split_feature"]), float(node["threshold"])
    sides = ((node["left_child"], True), (node["right_child"], False))
    if column < configs.shape[1]:
        goes_left = configs[:, column] <= threshold
        for child, left in sides:
            yield from _leaves(child, configs, who & (goes_left == left), above, splits)
    else:
        nth = len(splits)
        splits.append((column - configs.shape[1], threshold))
        for child, left in sides:
            yield from _leaves(child, configs, who, (*above, (nth, left)), splits)
