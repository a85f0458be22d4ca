"""What a search minimises: the cross-validated loss of a learner on a user's table."""

from __future__ import annotations

import time
import warnings
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from statistics import fmean
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from metadb.metrics import METRICS, as_loss
from metadb.records import Config, Evaluation, Trial
from optimizers.learners import defaults, pipeline
from optimizers.scoring import Predicted, scores

if TYPE_CHECKING:
    from sklearn.pipeline import Pipeline

Rows = NDArray[np.intp]


@dataclass(frozen=True, slots=True)
class CrossValidated(Evaluation):
    """An evaluation with what each fold says.

    Args:
        folds: Metric to its value on each fold, in the metric's own direction.
        fold_cost_s: Seconds that each fold took to fit and predict.
    """

    folds: Mapping[str, tuple[float, ...]] = field(default_factory=dict)
    fold_cost_s: tuple[float, ...] = ()


@dataclass(frozen=True)
class CrossValidation:
    """The loss of a config, averaged over folds that are the same for every config.

    A trial's budget is the fraction of each fold's training rows that is fitted on; what a smaller
    one takes is part of what a larger one takes, and the test rows are always all of the fold's.

    Args:
        x: Features, (n, d), categories as codes, NaN where missing.
        y: Class numbers from 0, or the numeric target, (n,).
        categorical: Positions of the columns that hold categories.
        folds: At least 2; of classes at most the size of the smallest one, as folds are stratified.
        seed: Of the folds, of the order of rows, and of the learner.
        kind: `classification` or `regression`.
        metric: The one that is minimised (a score with its sign turned), of `SCORES`.
        device: Where perceptrons are trained.
    """

    x: NDArray[np.float64]
    y: NDArray[Any]
    categorical: Sequence[int] = ()
    folds: int = 3
    seed: int = 0
    kind: str = "classification"
    metric: str = "accuracy"
    device: str = "cpu"

    def __call__(self, trial: Trial) -> CrossValidated:
        """Fit and score every fold; what a learner raises passes.

        Raises:
            ValueError: A fold has no finite score.
        """
        from threadpoolctl import threadpool_limits

        found: list[dict[str, float]] = []
        costs: list[float] = []
        with threadpool_limits(1), warnings.catch_warnings(action="ignore"):  # no convergence, ...
            for train, test in self._splits:
                model = self.pipeline(trial.config)  # what it imports is no cost of the config
                start = time.perf_counter()
                rows = train[: self._share(trial.budget, len(train))]
                model.fit(self.x[rows], self.y[rows])
                found.append(scores(self.kind, self._predicted(model, test)))
                costs.append(time.perf_counter() - start)
        if any(self.metric not in one for one in found):
            raise ValueError(f"{self.metric} cannot be told of what this learner predicts")
        told = [name for name in found[0] if all(name in one for one in found)]
        by_fold = {name: tuple(one[name] for one in found) for name in told}
        loss = float(as_loss(fmean(by_fold[self.metric]), METRICS[self.metric]))
        return CrossValidated(trial, loss, sum(costs), folds=by_fold, fold_cost_s=tuple(costs))

    def load(self, learners: Sequence[str] | None = None) -> None:
        """Import what the learners need: an import that a time limit cuts short stays broken."""
        import scipy.stats  # noqa: F401
        import threadpoolctl  # noqa: F401

        for config in defaults(self.kind, None if learners is None else tuple(learners)):
            self.pipeline(config)

    def pipeline(self, config: Config) -> Pipeline:
        """The unfitted pipeline of a config, with probabilities where the metric asks for them."""
        return pipeline(
            config,
            kind=self.kind,
            categorical=self.categorical,
            seed=self.seed,
            device=self.device,
            calibrated=self.metric == "log_loss",
        )

    @cached_property
    def _splits(self) -> list[tuple[Rows, Rows]]:
        """Training rows of each fold, in an order of which every prefix is a sample; test rows."""
        from sklearn.model_selection import KFold, StratifiedKFold

        stratified = self.kind == "classification"
        splitter = (StratifiedKFold if stratified else KFold)(
            self.folds, shuffle=True, random_state=self.seed
        )
        return [
            (self._mixed(train, fold), test)
            for fold, (train, test) in enumerate(splitter.split(self.x, self.y))
        ]

    def _mixed(self, rows: Rows, fold: int) -> Rows:
        """The rows in a random order; of classes, each prefix has them in equal shares.

        One row of each class comes first, so that a class is missing only where there are fewer
        rows than classes.
        """
        rng = np.random.default_rng([self.seed, fold])
        rows = rng.permutation(rows)
        if self.kind != "classification":
            return rows
        place = np.empty(len(rows))
        for c in np.unique(self.y[rows]):
            own = np.flatnonzero(self.y[rows] == c)
            place[own] = (np.arange(len(own)) + rng.random()) / len(own)
            place[own[0]] = -1.0
        return rows[np.argsort(place, kind="stable")]

    def _share(self, budget: float, n: int) -> int:
        """How many of `n` training rows a budget stands for."""
        return n if budget >= 1.0 else max(2, round(budget * n))

    def _predicted(self, model: Pipeline, test: Rows) -> Predicted:
        x, y = self.x[test], self.y[test]
        if self.kind == "regression":
            return Predicted(y, model.predict(x))
        n_classes = int(self.y.max()) + 1
        probability = score = None
        if hasattr(model, "predict_proba"):
            probability = score = self._wide(model, model.predict_proba(x), n_classes)
        elif hasattr(model, "decision_function"):
            said = model.decision_function(x)
            said = np.column_stack([-said, said]) if said.ndim == 1 else said
            score = self._wide(model, said, n_classes, absent=float(said.min()) - 1.0)
        return Predicted(y, model.predict(x), score, probability)

    def _wide(
        self, model: Pipeline, found: NDArray[np.float64], n_classes: int, absent: float = 0.0
    ) -> NDArray[np.float64]:
        """A column for each class of the task, (n, classes); a model may know fewer."""
        wide = np.full((len(found), n_classes), absent)
        wide[:, np.asarray(model.classes_, int)] = found
        return wide
