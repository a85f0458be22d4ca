"""What a search minimises: the cross-validated loss of a learner on a user's table."""

from __future__ import annotations

import time
import warnings
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from metadb.records import Evaluation, Trial
from optimizers.learners import pipeline


@dataclass(frozen=True)
class CrossValidation:
    """The error rate of a config of the space `classifier`, averaged over stratified folds.

    Args:
        x: Features, (n, d), categories as codes, NaN where missing.
        y: Class numbers, (n,).
        categorical: Positions of the columns that hold categories.
        folds: At least 2 and at most the size of the smallest class.
        seed: Of the folds and the learner.
    """

    x: NDArray[np.float64]
    y: NDArray[Any]
    categorical: Sequence[int] = ()
    folds: int = 3
    seed: int = 0

    def __call__(self, trial: Trial) -> Evaluation:
        """Fit and score every fold; loss = 1 - mean accuracy."""
        from sklearn.model_selection import StratifiedKFold

        start = time.perf_counter()
        splitter = StratifiedKFold(self.folds, shuffle=True, random_state=self.seed)
        scores = []
        with warnings.catch_warnings(action="ignore"):  # a learner that does not converge says so
            for train, test in splitter.split(self.x, self.y):
                model = pipeline(trial.config, categorical=self.categorical, seed=self.seed)
                model.fit(self.x[train], self.y[train])
                scores.append(float(np.mean(model.predict(self.x[test]) == self.y[test])))
        return Evaluation(trial, 1.0 - float(np.mean(scores)), time.perf_counter() - start)
