"""Model-based meta-features: the shape of a decision tree grown on all instances.

The tree is that of scikit-learn's `DecisionTreeClassifier(random_state=seed)` (for a regression
`DecisionTreeRegressor`) on `Table.matrix`, grown until its leaves are pure. It reads attributes in
single precision, in which values closer than 1e-7 count as one: shift and scale columns whose
numbers differ by less. The target of a regression is first scaled to a range of 1 in steps of
2^-32, so that its unit and its offset do not matter; a leaf is pure where its variance is then at
most 2e-16. The tree has t nodes, of which l are leaves; leaf i lies at depth h_i (the root at 0)
and holds n_i of n instances; d columns.

| name | formula | range | source |
| --- | --- | --- | --- |
| leaves | l | [1, n] | Peng et al. 2002 |
| leaves_branch | h_i, for each leaf | [0, n) | Peng et al. 2002 |
| leaves_corrob | n_i / n, for each leaf | (0, 1] | Bensusan et al. 2000 |
| leaves_homo | l / s_i with s_i of tree_shape, for each leaf | [4, inf) | Bensusan et al. 2000 |
| leaves_per_class | share of the leaves that answer a class, for each class that has one | (0, 1] | Filchenkov & Pendryak 2015 |
| nodes | t - l | [0, n) | Peng et al. 2002 |
| nodes_per_attr | (t - l) / d | [0, inf) | Bensusan et al. 2000 |
| nodes_per_inst | (t - l) / n | [0, 1) | Bensusan et al. 2000 |
| nodes_per_level | nodes with children, for each depth that has one | [1, n) | Peng et al. 2002 |
| nodes_repeated | nodes that split on an attribute, for each attribute with one | [1, n) | Bensusan et al. 2000 |
| tree_depth | depth of each node | [0, n) | Peng et al. 2002 |
| tree_imbalance | q 2^-q with q = 2^-h times the leaves at depth h, for each h that has leaves | (0, 0.5] | Bensusan et al. 2000 |
| tree_shape | s_i = h_i 2^-h_i, for each leaf | [0, 0.5] | Bensusan et al. 2000 |
| var_importance | share of each column in the decrease of impurity; all 0 if there is none | [0, 1] | Bensusan et al. 2000 |

Names and definitions are those of pymfe's model-based group (Alcobaça et al. 2020).

Bensusan, Giraud-Carrier & Kennedy 2000, A Higher-order Approach to Meta-learning; Peng, Flach,
Brazdil & Soares 2002, Decision Tree-Based Data Characterization for Meta-Learning; Filchenkov &
Pendryak 2015, Datasets Meta-feature Description for Recommending Feature Selection Algorithm;
Alcobaça et al. 2020, MFE: Towards Reproducible Meta-feature Extraction.
"""  # noqa: E501

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from metadb.metafeatures.features import CLASSIFICATION, REGRESSION, Feature, Found
from metadb.metafeatures.table import Table
from metadb.metafeatures.tree import tree_of
from metadb.protocols import Floats

_BOTH = CLASSIFICATION + REGRESSION
_WHY = "there is no attribute"
_ROOT = "the tree is one leaf"

MODEL_BASED: dict[str, Feature] = {
    "leaves": Feature(_WHY, kinds=_BOTH),
    "leaves_branch": Feature(_WHY, many=True, kinds=_BOTH),
    "leaves_corrob": Feature(_WHY, many=True, kinds=_BOTH),
    "leaves_homo": Feature(f"{_WHY}, or {_ROOT}", many=True, kinds=_BOTH),
    "leaves_per_class": Feature(_WHY, many=True, kinds=CLASSIFICATION),
    "nodes": Feature(_WHY, kinds=_BOTH),
    "nodes_per_attr": Feature(_WHY, kinds=_BOTH),
    "nodes_per_inst": Feature(_WHY, kinds=_BOTH),
    "nodes_per_level": Feature(f"{_WHY}, or {_ROOT}", many=True, kinds=_BOTH),
    "nodes_repeated": Feature(f"{_WHY}, or {_ROOT}", many=True, kinds=_BOTH),
    "tree_depth": Feature(_WHY, many=True, kinds=_BOTH),
    "tree_imbalance": Feature(_WHY, many=True, kinds=_BOTH),
    "tree_shape": Feature(_WHY, many=True, kinds=_BOTH),
    "var_importance": Feature(_WHY, many=True, kinds=_BOTH),
}
"""Every name of the group, in the order of the table above."""


def model_based(table: Table, seed: int = 0) -> Iterator[Found]:
    """The model-based meta-features of a data set, see the table of this module.

    It costs one tree: about 0.1 s for 10,000 instances and 50 numeric attributes.
    """
    if table.y is None or not table.width or not table.n:
        return
    tree = tree_of(table, seed)
    leaf, depth = tree.is_leaf, tree.depths()
    branch = depth[leaf].astype(float)  # (leaves,)
    n_leaves, n_nodes = int(leaf.sum()), int((~leaf).sum())
    n_at_depth = np.bincount(depth[leaf])
    n_at_depth = np.ldexp(n_at_depth.astype(float), -np.arange(len(n_at_depth)))
    reached = n_at_depth[n_at_depth > 0]  # by a walk that turns at random, for each depth
    shape = np.ldexp(branch, -depth[leaf])
    yield "leaves", n_leaves
    yield "leaves_branch", branch
    yield "leaves_corrob", tree.size[leaf] / table.n
    with np.errstate(divide="ignore", over="ignore"):
        yield "leaves_homo", np.where(branch > 0, n_leaves / shape, np.nan)
    if table.kind == "classification":
        yield "leaves_per_class", _occurring(tree.answer[leaf].astype(np.int64)) / n_leaves
    yield "nodes", n_nodes
    yield "nodes_per_attr", n_nodes / table.width
    yield "nodes_per_inst", n_nodes / table.n
    yield "nodes_per_level", _occurring(depth[~leaf])
    yield "nodes_repeated", _occurring(tree.feature[~leaf])
    yield "tree_depth", depth.astype(float)
    yield "tree_imbalance", reached * 2.0**-reached
    yield "tree_shape", shape
    yield "var_importance", tree.importance


def _occurring(codes: np.ndarray[tuple[int], np.dtype[np.integer]]) -> Floats:
    """How often each code occurs that does."""
    sizes = np.bincount(codes)
    return sizes[sizes > 0].astype(float)
