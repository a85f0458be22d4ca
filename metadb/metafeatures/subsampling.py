"""Subsampling landmarks: simple learners after growing samples, points of their learning curves.

A random order of the instances (by the seed, the classes spread evenly over it) is cut: its last
part is the test part, a quarter of the data, at least 50 and at most 1,000 instances; learners
train on its first 32, 64, ..., 4,096. The score is the mean over five such orders (those that can
be learnt from: linear_discr needs two classes).

| name | formula | range | source |
| --- | --- | --- | --- |
| naive_bayes.at_{s} | accuracy of naive Bayes on the test part after s training instances | [0, 1] | Fürnkranz & Petrak 2001 |
| best_node.at_{s} | accuracy of a tree with one split | [0, 1] | Fürnkranz & Petrak 2001 |
| linear_discr.at_{s} | accuracy of linear discriminant analysis | [0, 1] | Fürnkranz & Petrak 2001 |
| one_nn.at_{s} | accuracy of the nearest neighbour | [0, 1] | Fürnkranz & Petrak 2001 |
| r2_linear.at_{s} | R2 of linear regression, for a regression | (-inf, 1] | as linear_discr |
| r2_best_node.at_{s} | R2 of a regression tree with one split | (-inf, 1] | as best_node |
| r2_one_nn.at_{s} | R2 of the nearest neighbour | (-inf, 1] | as one_nn |

{s} is 32, 64, 128, 256, 512, 1024, 2048 or 4096. The learners are those of
`metadb.metafeatures.landmarking`, and so is R2. Of data larger than the largest training and test
part together it looks at a sample of that size, the same for all orders.

Fürnkranz & Petrak 2001, An Evaluation of Landmarking Variants; Petrak 2000, Fast Subsampling
Performance Estimates for Classification Algorithm Selection; Leite & Brazdil 2005, Predicting
Relative Performance of Classifiers from Samples.
"""  # noqa: E501

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from metadb.metafeatures.features import Feature, Found
from metadb.metafeatures.landmarking import LANDMARKERS, Split, score
from metadb.metafeatures.table import Table

SIZES = tuple(32 * 2**i for i in range(8))
"""Training instances of the points: 32 to 4,096."""

TEST = (50, 1_000)
"""The fewest and the most test instances."""

REPEATS = 5

LEARNERS = {
    "classification": ("naive_bayes", "best_node", "linear_discr", "one_nn"),
    "regression": ("r2_linear", "r2_best_node", "r2_one_nn"),
}
"""The landmarkers that are cheap enough for many points, by the kind of task."""


@dataclass(frozen=True, slots=True)
class Point:
    """One point of a learning curve.

    Args:
        learner: The landmarker.
        instances: How many it was trained on.
        score: Mean accuracy, or mean R2 of a regression; NaN where it has none.
    """

    learner: str
    instances: int
    score: float

    @property
    def name(self) -> str:
        """The feature."""
        return f"{self.learner}.at_{self.instances}"


SUBSAMPLING: dict[str, Feature] = {
    Point(learner, size, np.nan).name: Feature(
        "there are not so many instances beside the test part, or the learner cannot learn",
        kinds=(kind,),
    )
    for kind, learners in LEARNERS.items()
    for size in SIZES
    for learner in learners
}
"""Every name of the group, small samples first."""


def subsampling(table: Table, seed: int = 0) -> Iterator[Found]:
    """The subsampling landmarks of a data set, see the table of this module.

    With 50 numeric attributes they cost about 1 s, however many instances there are.
    """
    for point in curve(table, seed):
        yield point.name, point.score


def curve(table: Table, seed: int = 0) -> Iterator[Point]:
    """The points of the learning curves of all learners, small samples first."""
    if table.kind not in LEARNERS or not table.width:
        return
    table = table.sample(SIZES[-1] + TEST[1], seed)
    n_test = int(np.clip(table.n // 4, *TEST))
    orders = [_order(table, seed, repeat) for repeat in range(REPEATS)]
    for size in SIZES:
        if size > table.n - n_test:
            return
        splits = []
        for order in orders:
            train = np.zeros(table.n, bool)
            train[order[:size]] = True
            splits.append(Split(train, np.sort(order[table.n - n_test :]), seed))
        for name in LEARNERS[table.kind]:
            learner = LANDMARKERS[table.kind][name]
            scores = np.array([score(table, split, learner) for split in splits])
            scores = scores[~np.isnan(scores)]
            yield Point(name, size, float(scores.mean()) if len(scores) else np.nan)


def _order(table: Table, seed: int, repeat: int) -> NDArray[np.intp]:
    """All instances in a random order, (n,), in every part of which classes keep their shares.

    The i-th of the m instances of a class, at random, lies at (i + u) / m of the whole, u uniform.
    """
    rng = np.random.default_rng([seed, repeat])
    if not len(table.class_sizes):
        return rng.permutation(table.n)
    y = np.asarray(table.y)
    shuffled = rng.permutation(table.n)
    by_class = shuffled[np.argsort(y[shuffled], kind="stable")]
    start = np.cumsum(table.class_sizes) - table.class_sizes
    of = y[by_class]
    place = (np.arange(table.n) - start[of] + rng.random(table.n)) / table.class_sizes[of]
    return by_class[np.argsort(place, kind="stable")]
