"""Functional ANOVA of regression trees: how much of the variance is due to which hyperparameters.

A tree is constant on boxes, one a leaf, so integrals over the whole space are sums over leaves and
nothing is sampled. With the space's product measure mu = mu_1 x ... x mu_d, leaf l of value v_l and
box B_l1 x ... x B_ld,

    a_U(c) = sum over l of v_l [c in B_lU] prod over j not in U of mu_j(B_lj)         (marginal)
    V_j = Var a_j,    V_ij = Var a_ij - V_i - V_j,    V = sum over l of v_l^2 mu(B_l) - a^2

and V_U / V is the fraction of the variance due to U alone.

Hutter, Hoos, Leyton-Brown 2014, "An efficient approach for assessing hyperparameter importance",
algorithm 2.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from metadb.encoding import INACTIVE
from metadb.protocols import Floats

if TYPE_CHECKING:
    from ConfigSpace import ConfigurationSpace

    from metadb.axes import Axis

MOST_ATOMS = 1000
"""An integer with more values than this is taken for continuous."""


@dataclass(frozen=True, slots=True, eq=False)
class Dimension:
    """A hyperparameter with its measure, over its columns of the encoding.

    Numbers are uniform on the scale of the space (its logarithm where the hyperparameter is
    logarithmic), integers and choices value by value. Being inactive is a value of its own.

    Args:
        name: Of the hyperparameter.
        columns: Its columns of the encoding.
        points: Its values encoded, (atoms, columns); None where it is continuous on [0, 1].
        mass: What share of the active part each value has, (atoms,).
        absent: The share of the whole in which it is inactive.
        inactive: What is written into its columns then.
    """

    name: str
    columns: slice
    points: Floats | None
    mass: Floats
    absent: float
    inactive: float

    def cells(self, thresholds: Floats) -> tuple[Floats, Floats]:
        """A point in each part that no threshold cuts, (cells, columns), and its mass, (cells,)."""
        if self.points is None:
            inner = thresholds[(thresholds > 0.0) & (thresholds < 1.0)]
            edges = np.unique(np.concatenate([[0.0], inner, [1.0]]))
            points, mass = ((edges[1:] + edges[:-1]) / 2)[:, None], np.diff(edges)
        else:
            points, mass = self.points, self.mass
        if self.absent == 0.0:
            return points, mass
        nowhere = np.full((1, points.shape[1]), self.inactive)
        mass = np.append((1 - self.absent) * mass, self.absent)
        return np.concatenate([points, nowhere]), mass


@dataclass(frozen=True, slots=True, eq=False)
class Boxes:
    """The leaves of a tree: where low < x <= high in every column, the tree is value.

    Args:
        low: (leaves, width). high: (leaves, width). value: (leaves,).
    """

    low: Floats
    high: Floats
    value: Floats


@dataclass(frozen=True, slots=True, eq=False)
class Variances:
    """The variance of a tree over the space, and the parts of it.

    Args:
        total: V. single: V_j, (dimensions,). pair: V_ij, (pairs,).
    """

    total: float
    single: Floats
    pair: Floats


def dimensions(
    space: ConfigurationSpace, x: Floats, *, intervals: bool = False
) -> tuple[Dimension, ...]:
    """The hyperparameters of a space that can vary.

    Args:
        x: Encoded configs, (n, width); the share of them in which a hyperparameter is inactive is
            the mass of that value.
        intervals: Take integers for continuous, as the authors' package does: the smallest and
            the largest value then weigh half of the others.
    """
    from metadb.axes import axes_of

    found = []
    for name, axis in axes_of(space).items():
        if axis.kind == "constant":
            continue
        columns = slice(axis.start, axis.start + len(axis.column_names))
        inactive = 0.0 if axis.one_hot else INACTIVE
        absent = float((x[:, columns] == inactive).all(axis=1).mean()) if len(x) else 0.0
        points, mass = _atoms(axis, most=0 if intervals else MOST_ATOMS)
        found.append(Dimension(name, columns, points, mass, absent, inactive))
    return tuple(found)


def _atoms(axis: Axis, *, most: int) -> tuple[Floats | None, Floats]:
    """The values of a hyperparameter encoded, with their mass; None where it is continuous."""
    if axis.choices:
        n = len(axis.choices)
        points = np.eye(n) if axis.one_hot else axis.to_unit(np.arange(float(n)))[:, None]
        return points, np.full(n, 1 / n)
    lower, upper = float(axis.hyperparameter.lower), float(axis.hyperparameter.upper)
    if axis.kind == "float" or upper - lower >= most:
        return None, np.empty(0)
    values = np.arange(lower, upper + 1)
    edges = np.append(values - 0.5, upper + 0.5)
    mass = np.diff(np.log(edges) if getattr(axis.hyperparameter, "log", False) else edges)
    return axis.to_unit(values)[:, None], mass / mass.sum()


def boxes(tree: Any, width: int) -> Boxes:
    """The leaves of a fitted scikit-learn tree (its `tree_`), a level at a time from the root."""
    low = np.full((tree.node_count, width), -np.inf)
    high = np.full((tree.node_count, width), np.inf)
    level = np.zeros(1, np.intp)
    while len(level := level[tree.children_left[level] >= 0]):
        column, threshold = tree.feature[level], tree.threshold[level]
        for children, bound in ((tree.children_left, high), (tree.children_right, low)):
            child = children[level]
            low[child], high[child] = low[level], high[level]
            bound[child, column] = threshold  # tighter than the parent's, or it were no split
        level = np.concatenate([tree.children_left[level], tree.children_right[level]])
    leaf = tree.children_left < 0
    return Boxes(low[leaf], high[leaf], tree.value[leaf, 0, 0])


def variances(
    leaves: Boxes, dims: Sequence[Dimension], pairs: Sequence[tuple[int, int]] = ()
) -> Variances:
    """The variance of a tree and its parts by single dimensions and by pairs of them.

    Cost: leaves x cells for each dimension, leaves x cells x cells for each pair.
    """
    if not dims:
        return Variances(0.0, np.empty(0), np.empty(0))
    inside: list[Floats] = []  # whether a leaf holds a cell, each (leaves, cells)
    masses: list[Floats] = []  # each (cells,)
    for dim in dims:
        member, mass = _cells(leaves, dim)
        inside.append(member)
        masses.append(mass)
    share = np.array([m @ w for m, w in zip(inside, masses, strict=True)])  # (dims, leaves)
    weight = share.prod(axis=0)
    value = leaves.value - weight @ leaves.value / weight.sum()
    total = float(weight @ value**2)

    def rest(*used: int) -> Floats:
        """Value times the share of all other dimensions, (leaves,)."""
        others = np.ones(len(dims), bool)
        others[list(used)] = False
        product: Floats = value * share[others].prod(axis=0)
        return product

    single = np.array(
        [masses[j] @ (rest(j) @ inside[j]) ** 2 for j in range(len(dims))]
    )  # the mean is 0
    pair = np.empty(len(pairs))
    for nth, (i, j) in enumerate(pairs):
        marginal = (inside[i] * rest(i, j)[:, None]).T @ inside[j]  # (cells of i, cells of j)
        pair[nth] = max(masses[i] @ marginal**2 @ masses[j] - single[i] - single[j], 0.0)
    return Variances(total, single, pair)


def _cells(leaves: Boxes, dim: Dimension) -> tuple[Floats, Floats]:
    low, high = leaves.low[:, dim.columns], leaves.high[:, dim.columns]  # (leaves, columns)
    thresholds: NDArray[np.float64] = high[np.isfinite(high)]  # each is some leaf's upper bound
    points, mass = dim.cells(thresholds)  # (cells, columns)
    member = np.ones((len(low), len(points)))
    for column in range(points.shape[1]):
        at = points[None, :, column]
        member *= (low[:, column, None] < at) & (at <= high[:, column, None])
    return member, mass
