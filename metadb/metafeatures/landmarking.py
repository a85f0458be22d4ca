"""Landmarking: how well simple learners do on a data set, fold by fold.

A classification is landmarked by the accuracy, a regression by R2 on the left-out folds, against
the mean target of the training folds: ``1 - sum (y - f)^2 / sum (y - mean)^2``, NaN on a fold
whose targets all lie on that mean. The ten folds are stratified, by the classes or by the rank of
the target (`metadb.metafeatures.folds`). Every feature has a value for each fold. Attributes are
the columns of `Table.matrix`; their ranking is the importance in the tree of the training folds,
of equal ones the first column the lowest (trees often leave several out: their importance is 0).

| name | formula | range | source |
| --- | --- | --- | --- |
| random_node | accuracy of a tree with one split, on one attribute drawn by the seed | [0, 1] | Bensusan & Giraud-Carrier 2000 |
| naive_bayes | accuracy of naive Bayes with normal densities | [0, 1] | Pfahringer et al. 2000 |
| best_node | accuracy of a tree with one split, on the attribute with the best one | [0, 1] | Bensusan & Giraud-Carrier 2000 |
| linear_discr | accuracy of linear discriminant analysis | [0, 1] | Pfahringer et al. 2000 |
| one_nn | accuracy of the nearest neighbour, Euclidean distance | [0, 1] | Pfahringer et al. 2000 |
| elite_nn | accuracy of the nearest neighbour by the attribute that ranks highest | [0, 1] | Bensusan & Giraud-Carrier 2000 |
| worst_node | accuracy of a tree with one split, on the attribute that ranks lowest | [0, 1] | Bensusan & Giraud-Carrier 2000 |
| r2_random_node | R2 of a regression tree with one split, on one attribute drawn by the seed | (-inf, 1] | as random_node |
| r2_linear | R2 of linear regression by least squares | (-inf, 1] | as linear_discr |
| r2_best_node | R2 of a regression tree with one split, on the attribute with the best one | (-inf, 1] | as best_node |
| r2_one_nn | R2 of the nearest neighbour | (-inf, 1] | as one_nn |
| r2_elite_nn | R2 of the nearest neighbour by the attribute that ranks highest | (-inf, 1] | as elite_nn |
| r2_worst_node | R2 of a regression tree with one split, on the attribute that ranks lowest | (-inf, 1] | as worst_node |

Names and definitions of the classification are those of pymfe's landmarking group (Alcobaça et
al. 2020). Where several neighbours are equally near, their mean counts (what is expected of one
drawn at random); pymfe takes whichever its search meets first, and of attributes that are equally
important whichever an unstable sort puts there.

Bensusan & Giraud-Carrier 2000, Discovering Task Neighbourhoods through Landmark Learning
Performances; Pfahringer, Bensusan & Giraud-Carrier 2000, Meta-Learning by Landmarking Various
Learning Algorithms; Alcobaça et al. 2020, MFE: Towards Reproducible Meta-feature Extraction.
"""  # noqa: E501

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from metadb.metafeatures import linear_discriminant, naive_bayes
from metadb.metafeatures.cart import Tree
from metadb.metafeatures.features import CLASSIFICATION, REGRESSION, Feature, Found
from metadb.metafeatures.folds import folds
from metadb.metafeatures.nearest_neighbour import level, nearest, nearest_number, space
from metadb.metafeatures.table import Table
from metadb.metafeatures.tree import node_of, singles, target, tree_of
from metadb.protocols import Floats


@dataclass(frozen=True, eq=False)
class Split:
    """Instances to train on and others to test on.

    Args:
        train: Those to train on, (n,).
        test: Places of those to test on.
        seed: Of trees and of the random attribute.
    """

    train: NDArray[np.bool_]
    test: NDArray[np.intp]
    seed: int


Learner = Callable[[Table, Split], "Floats | None"]
"""What became of the test instances, (test,): for a classification 1 where the learner was right
and 0 where it was wrong (a share where it may be either), for a regression what it predicted;
None where it cannot be trained on these instances."""


def bayes(table: Table, split: Split) -> Floats | None:
    """Naive Bayes."""
    x, y = _level(table), np.asarray(table.y)
    return _right(table, split, naive_bayes.predict(x[split.train], y[split.train], x[split.test]))


def discriminant(table: Table, split: Split) -> Floats | None:
    """Linear discriminant analysis."""
    x, y = table.matrix, np.asarray(table.y)
    said = linear_discriminant.predict(x[split.train], y[split.train], x[split.test])
    return None if said is None else _right(table, split, said)


def linear(table: Table, split: Split) -> Floats | None:
    """Linear regression."""
    x, y = table.matrix, target(table)
    return linear_discriminant.fit_line(x[split.train], y[split.train], x[split.test])


def one_nn(table: Table, split: Split) -> Floats | None:
    """The nearest neighbour."""
    pool, y = np.flatnonzero(split.train), target(table)
    classes = table.kind == "classification"
    return nearest(space(table), pool, split.test, y, classes=classes)


def elite_nn(table: Table, split: Split) -> Floats | None:
    """The nearest neighbour by the attribute that ranks highest."""
    pool, y = np.flatnonzero(split.train), target(table)
    values = _level(table)[:, _ranking(table, split)[-1]]
    classes = table.kind == "classification"
    return nearest_number(values, pool, split.test, y, classes=classes)


def best_node(table: Table, split: Split) -> Floats | None:
    """One split on the attribute with the best one."""
    return _stump(table, split, tree_of(table, split.seed, within=split.train, depth=1))


def random_node(table: Table, split: Split) -> Floats | None:
    """One split on an attribute that the seed draws."""
    drawn = np.random.RandomState(split.seed).randint(0, table.width)
    return _stump(table, split, node_of(table, drawn, split.seed, split.train))


def worst_node(table: Table, split: Split) -> Floats | None:
    """One split on the attribute that ranks lowest."""
    lowest = int(_ranking(table, split)[0])
    return _stump(table, split, node_of(table, lowest, split.seed, split.train))


LANDMARKERS: dict[str, dict[str, Learner]] = {
    "classification": {
        "random_node": random_node,
        "naive_bayes": bayes,
        "best_node": best_node,
        "linear_discr": discriminant,
        "one_nn": one_nn,
        "elite_nn": elite_nn,
        "worst_node": worst_node,
    },
    "regression": {
        "r2_random_node": random_node,
        "r2_linear": linear,
        "r2_best_node": best_node,
        "r2_one_nn": one_nn,
        "r2_elite_nn": elite_nn,
        "r2_worst_node": worst_node,
    },
}
"""The learners by the kind of task and the name of the feature, cheap ones first."""

_WHY = "there is no attribute, or too few instances for two folds"

LANDMARKING: dict[str, Feature] = {
    **{
        name: Feature(_WHY, many=True, kinds=CLASSIFICATION)
        for name in LANDMARKERS["classification"]
    },
    "linear_discr": Feature(f"{_WHY}, or one class only", many=True, kinds=CLASSIFICATION),
    **{
        name: Feature(f"{_WHY}, or the target does not vary", many=True, kinds=REGRESSION)
        for name in LANDMARKERS["regression"]
    },
}
"""Every name of the group, in the order of the table above."""


def landmarking(table: Table, seed: int = 0) -> Iterator[Found]:
    """The landmarks of a data set, see the table of this module.

    The learners up to one_nn are cheap (one_nn grows with the square of the instances); the other
    two need ten full trees: about 1 s together for 10,000 instances and 50 numeric attributes.
    """
    for name in LANDMARKERS.get(table.kind, {}):
        yield name, landmark(table, name, seed)


def landmark(table: Table, name: str, seed: int) -> Floats:
    """The score of one landmarker on each fold, computed once for a table; NaN without folds."""

    def compute() -> Floats:
        learner = LANDMARKERS[table.kind][name]
        scores = [score(table, split, learner) for split in _splits(table, seed)]
        return np.array(scores or [np.nan])

    return table.once(("landmark", name, seed), compute)


def score(table: Table, split: Split, learner: Learner) -> float:
    """The accuracy or R2 of a learner on the test instances."""
    said = learner(table, split)
    if said is None:
        return np.nan
    if table.kind == "classification":
        return float(said.mean())
    y = target(table)
    truth = y[split.test]
    mean = y[split.train].mean()
    around = float(((truth - mean) ** 2).mean())
    rest = float(((truth - said) ** 2).mean())
    varies = around > (4 * np.finfo(float).eps * mean) ** 2  # by more than the mean is rounded
    return 1 - rest / around if varies else np.nan


def _splits(table: Table, seed: int) -> list[Split]:
    def compute() -> list[Split]:
        splits = []
        for test in folds(table) if table.width else []:
            train = np.ones(table.n, bool)
            train[test] = False
            splits.append(Split(train, test, seed))
        return splits

    return table.once(("splits", seed), compute)


def _ranking(table: Table, split: Split) -> NDArray[np.intp]:
    """The attributes in the order of their importance, the least important first."""

    def compute() -> NDArray[np.intp]:
        importance = tree_of(table, split.seed, within=split.train).importance
        return np.argsort(importance, kind="stable")  # others order ties by what the CPU can do

    return table.once(("ranking", split), compute)


def _stump(table: Table, split: Split, tree: Tree) -> Floats:
    said = tree.stump(singles(table)[:, split.test])
    return _right(table, split, said) if table.kind == "classification" else said


def _right(table: Table, split: Split, said: NDArray[np.int64]) -> Floats:
    right: NDArray[np.bool_] = said == np.asarray(table.y)[split.test]
    return right.astype(float)


def _level(table: Table) -> Floats:
    """The attributes at a scale whose squares are finite."""
    return table.once("level", lambda: level(table.matrix))
