"""The learners that the bundled optimisers tune: their spaces and their pipelines, written once.

The spaces `classifier` and `regressor` hold them all: `learner` chooses, and every other
hyperparameter is named `<learner>__<hyperparameter>` and active only under its learner (the
combined algorithm selection and hyperparameter optimisation problem; Thornton et al. 2013,
Auto-WEKA).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import cache
from typing import TYPE_CHECKING, Any

from metadb.errors import NotFound
from optimizers import hyperparameters as of

if TYPE_CHECKING:
    from ConfigSpace import ConfigurationSpace
    from sklearn.pipeline import Pipeline

    from metadb.records import Config

SPACE = "classifier"


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
    from optimizers.torch_mlp import MLPClassifier

    return MLPClassifier(**p, seed=seed)


def _random_forest_regressor(p: dict[str, Any], seed: int) -> Any:
    from sklearn.ensemble import RandomForestRegressor

    return RandomForestRegressor(**p, random_state=seed, n_jobs=1)


def _extra_trees_regressor(p: dict[str, Any], seed: int) -> Any:
    from sklearn.ensemble import ExtraTreesRegressor

    return ExtraTreesRegressor(**p, random_state=seed, n_jobs=1)


def _lightgbm_regressor(p: dict[str, Any], seed: int) -> Any:
    from lightgbm import LGBMRegressor

    return LGBMRegressor(**p, subsample_freq=1, random_state=seed, n_jobs=1, verbose=-1)


def _svr(p: dict[str, Any], seed: int) -> Any:
    from sklearn.svm import SVR

    return _scaled(SVR(**p, max_iter=20_000, cache_size=100))


def _knn_regressor(p: dict[str, Any], seed: int) -> Any:
    from sklearn.neighbors import KNeighborsRegressor

    return KNeighborsRegressor(**p, n_jobs=1)


def _ridge(p: dict[str, Any], seed: int) -> Any:
    from sklearn.linear_model import Ridge

    return Ridge(alpha=p["alpha"], fit_intercept=p["intercept"])


def _elastic_net(p: dict[str, Any], seed: int) -> Any:
    from sklearn.linear_model import ElasticNet

    return _scaled(ElasticNet(**p, max_iter=2000, random_state=seed))


def _mlp_regressor(p: dict[str, Any], seed: int) -> Any:
    from optimizers.torch_mlp import MLPRegressor

    return _scaled(MLPRegressor(**p, seed=seed))


def _scaled(regressor: Any) -> Any:
    """A learner whose hyperparameters suppose a target of mean 0 and variance 1."""
    from sklearn.compose import TransformedTargetRegressor
    from sklearn.preprocessing import StandardScaler

    return TransformedTargetRegressor(regressor, transformer=StandardScaler())


Space = Callable[[Any, str], list[Any]]
Build = Callable[[dict[str, Any], int], Any]
LEARNERS: dict[str, tuple[Space, Build]] = {
    "random_forest": (of.forest, _random_forest),
    "extra_trees": (of.forest, _extra_trees),
    "lightgbm": (of.lightgbm, _lightgbm),
    "svm": (of.svm, _svm),
    "knn": (of.knn, _knn),
    "logistic_regression": (of.logistic, _logistic),
    "mlp": (of.mlp, _mlp),
}
"""Of classes."""

REGRESSORS: dict[str, tuple[Space, Build]] = {
    "random_forest": (of.regression_forest, _random_forest_regressor),
    "extra_trees": (of.regression_forest, _extra_trees_regressor),
    "lightgbm": (of.lightgbm, _lightgbm_regressor),
    "svm": (of.support_vectors, _svr),
    "knn": (of.knn, _knn_regressor),
    "ridge": (of.ridge, _ridge),
    "elastic_net": (of.elastic_net, _elastic_net),
    "mlp": (of.mlp, _mlp_regressor),
}
"""Of numbers."""

KINDS = {"classification": (SPACE, LEARNERS), "regression": ("regressor", REGRESSORS)}
"""Kind of task to the name of its space and its learners."""

# child: (parent, values of the parent under which the child is active)
_BELOW_KERNEL = {
    "svm__gamma": ["rbf", "poly", "sigmoid"],
    "svm__degree": ["poly"],
    "svm__coef0": ["poly", "sigmoid"],
}


def classifier_space() -> ConfigurationSpace:
    """The conditional space over all learners of `LEARNERS`, named `classifier`."""
    return space_of("classification")


@cache
def space_of(kind: str, only: tuple[str, ...] | None = None) -> ConfigurationSpace:
    """The conditional space over the learners of a kind of task.

    Args:
        kind: `classification` (space `classifier`) or `regression` (space `regressor`).
        only: These learners; their configs are legal in the whole space too.

    Raises:
        NotFound: No such learner.
    """
    import ConfigSpace as cs

    name, learners = KINDS[kind]
    chosen = list(learners) if only is None else list(dict.fromkeys(only))
    for one in chosen:
        if one not in learners:
            raise NotFound(f"no learner {one!r} for {kind}; there are {', '.join(learners)}")
    space = cs.ConfigurationSpace(name=name)
    learner = cs.Categorical("learner", chosen, default=chosen[0])
    space.add(learner)
    for one in chosen:
        own = learners[one][0](cs, f"{one}__")
        space.add(own)
        space.add(
            [
                cs.InCondition(child, space["svm__kernel"], _BELOW_KERNEL[child.name])
                if child.name in _BELOW_KERNEL
                else cs.EqualsCondition(child, learner, one)
                for child in own
            ]
        )
    return space


def defaults(kind: str, only: tuple[str, ...] | None = None) -> list[Config]:
    """The default of each learner, in the order of the space."""
    from metadb.space import default

    learners = KINDS[kind][1] if only is None else only
    return [default(space_of(kind, (one,))) for one in learners]


def estimator(
    config: Config, *, kind: str = "classification", seed: int = 0, device: str = "cpu"
) -> Any:
    """The scikit-learn estimator that a config of the space of a kind of task stands for.

    Args:
        device: Where a perceptron is trained; the others know the CPU only.
    """
    name = str(config["learner"])
    prefix = f"{name}__"
    own = {k.removeprefix(prefix): v for k, v in config.items() if k.startswith(prefix)}
    if name == "mlp" and device != "cpu":
        own["device"] = device
    return KINDS[kind][1][name][1](own, seed)


def pipeline(
    config: Config,
    *,
    kind: str = "classification",
    categorical: Sequence[int] = (),
    seed: int = 0,
    device: str = "cpu",
    calibrated: bool = False,
) -> Pipeline:
    """Impute, scale, one-hot encode, then the learner of `config`.

    Args:
        config: A config of the space of `kind`.
        categorical: Positions of the columns that hold categories.
        seed: Seed of the learner.
        calibrated: Whether a classifier without probabilities is given some (Platt 1999), at the
            cost of five more fits.
    """
    from sklearn.pipeline import make_pipeline

    from optimizers.preprocessing import preprocessing

    learner = estimator(config, kind=kind, seed=seed, device=device)
    if calibrated and kind == "classification" and not hasattr(learner, "predict_proba"):
        from sklearn.calibration import CalibratedClassifierCV

        learner = CalibratedClassifierCV(learner, ensemble=False)
    return make_pipeline(preprocessing(categorical), learner)
