"""The learners that the bundled optimisers tune: their space and their pipelines, written once.

The space `classifier` holds them all: `learner` chooses, and every other hyperparameter is named
`<learner>__<hyperparameter>` and active only under its learner (the combined algorithm selection
and hyperparameter optimisation problem; Thornton et al. 2013, Auto-WEKA).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from ConfigSpace import ConfigurationSpace
    from sklearn.pipeline import Pipeline

    from metadb.records import Config

SPACE = "classifier"


def _forest_space(cs: Any, prefix: str) -> list[Any]:
    return [
        cs.Integer(f"{prefix}n_estimators", (16, 256), default=100, log=True),
        cs.Float(f"{prefix}max_features", (0.05, 1.0), default=0.3),
        cs.Integer(f"{prefix}min_samples_leaf", (1, 20), default=1, log=True),
        cs.Integer(f"{prefix}min_samples_split", (2, 20), default=2, log=True),
        cs.Categorical(f"{prefix}criterion", ["gini", "entropy"], default="gini"),
        cs.Categorical(f"{prefix}bootstrap", [True, False], default=True),
    ]


def _lightgbm_space(cs: Any, prefix: str) -> list[Any]:
    return [
        cs.Integer(f"{prefix}n_estimators", (16, 256), default=100, log=True),
        cs.Float(f"{prefix}learning_rate", (0.01, 0.5), default=0.1, log=True),
        cs.Integer(f"{prefix}num_leaves", (4, 128), default=31, log=True),
        cs.Integer(f"{prefix}min_child_samples", (2, 64), default=20, log=True),
        cs.Float(f"{prefix}colsample_bytree", (0.2, 1.0), default=1.0),
        cs.Float(f"{prefix}subsample", (0.4, 1.0), default=1.0),
        cs.Float(f"{prefix}reg_lambda", (1e-6, 100.0), default=1e-3, log=True),
    ]


def _svm_space(cs: Any, prefix: str) -> list[Any]:
    return [
        cs.Float(f"{prefix}C", (1e-3, 1e3), default=1.0, log=True),
        cs.Categorical(f"{prefix}kernel", ["rbf", "poly", "sigmoid", "linear"], default="rbf"),
        cs.Float(f"{prefix}gamma", (1e-4, 10.0), default=0.1, log=True),
        cs.Integer(f"{prefix}degree", (2, 5), default=3),
        cs.Float(f"{prefix}coef0", (0.0, 1.0), default=0.0),
    ]


def _knn_space(cs: Any, prefix: str) -> list[Any]:
    return [
        cs.Integer(f"{prefix}n_neighbors", (1, 64), default=5, log=True),
        cs.Categorical(f"{prefix}weights", ["uniform", "distance"], default="uniform"),
        cs.Categorical(
            f"{prefix}metric", ["euclidean", "manhattan", "cosine"], default="euclidean"
        ),
    ]


def _logistic_space(cs: Any, prefix: str) -> list[Any]:
    return [
        cs.Float(f"{prefix}C", (1e-4, 1e4), default=1.0, log=True),
        cs.Categorical(f"{prefix}class_weight", ["none", "balanced"], default="none"),
        cs.Categorical(f"{prefix}intercept", [True, False], default=True),
    ]


def _mlp_space(cs: Any, prefix: str) -> list[Any]:
    return [
        cs.Integer(f"{prefix}width", (8, 128), default=64, log=True),
        cs.Integer(f"{prefix}depth", (1, 3), default=1),
        cs.Categorical(f"{prefix}activation", ["relu", "tanh"], default="relu"),
        cs.Float(f"{prefix}alpha", (1e-6, 1.0), default=1e-4, log=True),
        cs.Float(f"{prefix}learning_rate", (1e-4, 1e-1), default=1e-3, log=True),
        cs.Integer(f"{prefix}epochs", (8, 128), default=64, log=True),
        cs.Integer(f"{prefix}batch_size", (16, 256), default=128, log=True),
    ]


def _random_forest(p: dict[str, Any], seed: int) -> Any:
    from sklearn.ensemble import RandomForestClassifier

    return RandomForestClassifier(**p, random_state=seed, n_jobs=1)


def _extra_trees(p: dict[str, Any], seed: int) -> Any:
    from sklearn.ensemble import ExtraTreesClassifier

    return ExtraTreesClassifier(**p, random_state=seed, n_jobs=1)


def _lightgbm(p: dict[str, Any], seed: int) -> Any:
    from lightgbm import LGBMClassifier

    return LGBMClassifier(**p, subsample_freq=1, random_state=seed, n_jobs=1, verbose=-1)


def _svm(p: dict[str, Any], seed: int) -> Any:
    from sklearn.svm import SVC

    # The bound keeps a hopeless C x gamma from running for ever; it is part of the learner.
    return SVC(**p, max_iter=20_000, cache_size=100, random_state=seed)


def _knn(p: dict[str, Any], seed: int) -> Any:
    from sklearn.neighbors import KNeighborsClassifier

    return KNeighborsClassifier(**p, n_jobs=1)


def _logistic(p: dict[str, Any], seed: int) -> Any:
    from sklearn.linear_model import LogisticRegression

    return LogisticRegression(
        C=p["C"],
        class_weight=None if p["class_weight"] == "none" else p["class_weight"],
        fit_intercept=p["intercept"],
        max_iter=300,
        random_state=seed,
    )


def _mlp(p: dict[str, Any], seed: int) -> Any:
    from sklearn.neural_network import MLPClassifier

    return MLPClassifier(
        hidden_layer_sizes=(p["width"],) * p["depth"],
        activation=p["activation"],
        alpha=p["alpha"],
        learning_rate_init=p["learning_rate"],
        max_iter=p["epochs"],
        batch_size=p["batch_size"],
        random_state=seed,
    )


Space = Callable[[Any, str], list[Any]]
Build = Callable[[dict[str, Any], int], Any]
LEARNERS: dict[str, tuple[Space, Build]] = {
    "random_forest": (_forest_space, _random_forest),
    "extra_trees": (_forest_space, _extra_trees),
    "lightgbm": (_lightgbm_space, _lightgbm),
    "svm": (_svm_space, _svm),
    "knn": (_knn_space, _knn),
    "logistic_regression": (_logistic_space, _logistic),
    "mlp": (_mlp_space, _mlp),
}

# child: (parent, values of the parent under which the child is active)
_BELOW_KERNEL = {
    "svm__gamma": ["rbf", "poly", "sigmoid"],
    "svm__degree": ["poly"],
    "svm__coef0": ["poly", "sigmoid"],
}


@cache
def classifier_space() -> ConfigurationSpace:
    """The conditional space over all learners of `LEARNERS`, named `classifier`."""
    import ConfigSpace as cs

    space = cs.ConfigurationSpace(name=SPACE)
    learner = cs.Categorical("learner", list(LEARNERS), default="random_forest")
    space.add(learner)
    for name, (hyperparameters, _) in LEARNERS.items():
        own = hyperparameters(cs, f"{name}__")
        space.add(own)
        space.add(
            [
                cs.InCondition(child, space["svm__kernel"], _BELOW_KERNEL[child.name])
                if child.name in _BELOW_KERNEL
                else cs.EqualsCondition(child, learner, name)
                for child in own
            ]
        )
    return space


def estimator(config: Config, *, seed: int = 0) -> Any:
    """The scikit-learn estimator that a config of the space `classifier` stands for."""
    name = str(config["learner"])
    prefix = f"{name}__"
    own = {k.removeprefix(prefix): v for k, v in config.items() if k.startswith(prefix)}
    return LEARNERS[name][1](own, seed)


def pipeline(config: Config, *, categorical: Sequence[int] = (), seed: int = 0) -> Pipeline:
    """Impute, scale, one-hot encode, then the learner of `config`.

    Args:
        config: A config of the space `classifier`.
        categorical: Positions of the columns that hold categories.
        seed: Seed of the learner.
    """
    from sklearn.compose import ColumnTransformer
    from sklearn.impute import SimpleImputer
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import OneHotEncoder, StandardScaler

    nominal = sorted(categorical)
    numeric = make_pipeline(
        SimpleImputer(strategy="median", keep_empty_features=True), StandardScaler()
    )
    one_hot = make_pipeline(
        SimpleImputer(strategy="most_frequent", keep_empty_features=True),
        OneHotEncoder(handle_unknown="ignore", sparse_output=False),
    )
    encode = ColumnTransformer(
        [("nominal", one_hot, nominal), ("numeric", numeric, _Others(nominal))],
    )
    return make_pipeline(encode, estimator(config, seed=seed))


@dataclass(frozen=True, slots=True)
class _Others:
    """Selects the columns that are not in `nominal`, whatever the width of the table."""

    nominal: Sequence[int]

    def __call__(self, x: Any) -> list[int]:
        return sorted(set(range(x.shape[1])) - set(self.nominal))
