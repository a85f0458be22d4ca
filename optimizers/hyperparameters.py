"""The hyperparameters of each learner, their ranges and defaults; written once, for all spaces.

Each function gives the hyperparameters of one learner, named with a prefix; `cs` is the module
ConfigSpace, which is loaded by who builds a space.
"""

from __future__ import annotations

from typing import Any


def forest(cs: Any, prefix: str) -> list[Any]:
    """A forest of classification trees."""
    return [
        *regression_forest(cs, prefix),
        cs.Categorical(f"{prefix}criterion", ["gini", "entropy"], default="gini"),
    ]


def regression_forest(cs: Any, prefix: str) -> list[Any]:
    """A forest of regression trees, which split by the squared error."""
    return [
        cs.Integer(f"{prefix}n_estimators", (16, 256), default=100, log=True),
        cs.Float(f"{prefix}max_features", (0.05, 1.0), default=0.3),
        cs.Integer(f"{prefix}min_samples_leaf", (1, 20), default=1, log=True),
        cs.Integer(f"{prefix}min_samples_split", (2, 20), default=2, log=True),
        cs.Categorical(f"{prefix}bootstrap", [True, False], default=True),
    ]


def lightgbm(cs: Any, prefix: str) -> list[Any]:
    """Boosted trees."""
    return [
        cs.Integer(f"{prefix}n_estimators", (16, 256), default=100, log=True),
        cs.Float(f"{prefix}learning_rate", (0.01, 0.5), default=0.1, log=True),
        cs.Integer(f"{prefix}num_leaves", (4, 128), default=31, log=True),
        cs.Integer(f"{prefix}min_child_samples", (2, 64), default=20, log=True),
        cs.Float(f"{prefix}colsample_bytree", (0.2, 1.0), default=1.0),
        cs.Float(f"{prefix}subsample", (0.4, 1.0), default=1.0),
        cs.Float(f"{prefix}reg_lambda", (1e-6, 100.0), default=1e-3, log=True),
    ]


def svm(cs: Any, prefix: str) -> list[Any]:
    """A support vector classifier."""
    return [
        cs.Float(f"{prefix}C", (1e-3, 1e3), default=1.0, log=True),
        cs.Categorical(f"{prefix}kernel", ["rbf", "poly", "sigmoid", "linear"], default="rbf"),
        cs.Float(f"{prefix}gamma", (1e-4, 10.0), default=0.1, log=True),
        cs.Integer(f"{prefix}degree", (2, 5), default=3),
        cs.Float(f"{prefix}coef0", (0.0, 1.0), default=0.0),
    ]


def knn(cs: Any, prefix: str) -> list[Any]:
    """The nearest neighbours."""
    return [
        cs.Integer(f"{prefix}n_neighbors", (1, 64), default=5, log=True),
        cs.Categorical(f"{prefix}weights", ["uniform", "distance"], default="uniform"),
        cs.Categorical(
            f"{prefix}metric", ["euclidean", "manhattan", "cosine"], default="euclidean"
        ),
    ]


def logistic(cs: Any, prefix: str) -> list[Any]:
    """Logistic regression."""
    return [
        cs.Float(f"{prefix}C", (1e-4, 1e4), default=1.0, log=True),
        cs.Categorical(f"{prefix}class_weight", ["none", "balanced"], default="none"),
        cs.Categorical(f"{prefix}intercept", [True, False], default=True),
    ]


def mlp(cs: Any, prefix: str) -> list[Any]:
    """A multi-layer perceptron."""
    return [
        cs.Integer(f"{prefix}width", (8, 128), default=64, log=True),
        cs.Integer(f"{prefix}depth", (1, 3), default=1),
        cs.Categorical(f"{prefix}activation", ["relu", "tanh"], default="relu"),
        cs.Float(f"{prefix}alpha", (1e-6, 1.0), default=1e-4, log=True),
        cs.Float(f"{prefix}learning_rate", (1e-4, 1e-1), default=1e-3, log=True),
        cs.Integer(f"{prefix}epochs", (8, 128), default=64, log=True),
        cs.Integer(f"{prefix}batch_size", (16, 256), default=128, log=True),
    ]


def support_vectors(cs: Any, prefix: str) -> list[Any]:
    """Support vector regression."""
    return [*svm(cs, prefix), cs.Float(f"{prefix}epsilon", (1e-3, 1.0), default=0.1, log=True)]


def ridge(cs: Any, prefix: str) -> list[Any]:
    """Least squares with an L2 penalty."""
    return [
        cs.Float(f"{prefix}alpha", (1e-3, 1e4), default=1.0, log=True),
        cs.Categorical(f"{prefix}intercept", [True, False], default=True),
    ]


def elastic_net(cs: Any, prefix: str) -> list[Any]:
    """Least squares with L1 and L2 penalties; the target is scaled, and so is alpha."""
    return [
        cs.Float(f"{prefix}alpha", (1e-4, 1.0), default=1e-2, log=True),
        cs.Float(f"{prefix}l1_ratio", (0.01, 1.0), default=0.5),
    ]
