"""What the stand-in's world is made of: measures, estimation procedures, qualities, algorithms.

Names and codes are those that OpenML uses; every number and every text is the stand-in's own.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import numpy as np

Draw = Callable[[np.random.Generator, int], list[Any]]

TASK_TYPES = {
    1: "Supervised Classification",
    2: "Supervised Regression",
    3: "Learning Curve",
    4: "Supervised Data Stream Classification",
    5: "Clustering",
}


@dataclass(frozen=True)
class Measure:
    """An evaluation measure; `share` of the runs it was computed for have it."""

    name: str
    kinds: tuple[str, ...] = ("classification",)
    share: float = 1.0
    array: bool = False
    text: bool = False


MEASURES = (
    Measure("area_under_roc_curve", array=True),
    Measure("f_measure", array=True),
    Measure("kappa"),
    Measure("mean_absolute_error", ("regression",)),
    Measure("os_information", ("classification", "regression"), share=0.1, text=True),
    Measure("predictive_accuracy"),
    Measure("root_mean_squared_error", ("classification", "regression")),
    Measure("usercpu_time_millis", ("classification", "regression"), share=0.4),
)
MEASURE_INDEX = {measure.name: i for i, measure in enumerate(MEASURES)}
OTHER_MEASURES = (
    "average_cost",
    "build_cpu_time",
    "mean_prior_absolute_error",
    "number_of_instances",
    "precision",
    "recall",
    "relative_absolute_error",
    "root_relative_squared_error",
    "scimark_benchmark",
    "total_cost",
    "usercpu_time_millis_testing",
    "usercpu_time_millis_training",
    "wall_clock_time_millis",
    "wall_clock_time_millis_testing",
    "wall_clock_time_millis_training",
)
"""Measures that the server knows, and has no values of."""


@dataclass(frozen=True)
class Procedure:
    """An estimation procedure."""

    id: int
    task_type: int
    name: str
    type: str
    repeats: int
    folds: int | None
    percentage: int | None = None
    stratified: bool = True

    @property
    def n_folds(self) -> int:
        """Folds of one repeat; a holdout is one."""
        return self.folds or 1


PROCEDURES = (
    Procedure(1, 1, "10-fold Crossvalidation", "crossvalidation", 1, 10),
    Procedure(2, 1, "5 times 2-fold Crossvalidation", "crossvalidation", 5, 2),
    Procedure(5, 1, "33% Holdout set", "holdout", 1, None, 33),
    Procedure(7, 2, "10-fold Crossvalidation", "crossvalidation", 1, 10, None, False),
    Procedure(13, 3, "10-fold Learning Curve", "learningcurve", 1, 10),
)
PROCEDURE = {procedure.id: procedure for procedure in PROCEDURES}

BASIC_QUALITIES = (
    "MajorityClassSize",
    "MaxNominalAttDistinctValues",
    "MinorityClassSize",
    "NumberOfClasses",
    "NumberOfFeatures",
    "NumberOfInstances",
    "NumberOfInstancesWithMissingValues",
    "NumberOfMissingValues",
    "NumberOfNumericFeatures",
    "NumberOfSymbolicFeatures",
)
"""Those that listings show."""
_LANDMARKERS = (
    "DecisionStump",
    "NaiveBayes",
    "kNN1N",
    "REPTreeDepth1",
    "J48.0001.",
    "RandomTreeDepth1",
)
_MOMENTS = ("AttributeEntropy", "KurtosisOfNumericAtts", "MeansOfNumericAtts", "MutualInformation")
_OTHERS = (
    *("AutoCorrelation", "ClassEntropy", "Dimensionality", "EquivalentNumberOfAtts"),
    *("MeanNoiseToSignalRatio", "PercentageOfMissingValues", "PercentageOfNumericFeatures"),
    *("PercentageOfSymbolicFeatures", "MajorityClassPercentage", "MinorityClassPercentage"),
    *(f"{m}{s}" for m in _LANDMARKERS for s in ("AUC", "ErrRate", "Kappa")),
    *(f"{q}{m}" for m in _MOMENTS for q in ("Max", "Mean", "Min", "Quartile1")),
)
QUALITIES = tuple(sorted(BASIC_QUALITIES + _OTHERS))
"""Those that a data set has, known or not."""


def choice(*values: Any) -> Draw:
    """One of these, each as likely."""
    return lambda rng, n: [values[i] for i in rng.integers(len(values), size=n)]


def number(low: float, high: float, *, log: bool = False) -> Draw:
    """A float between two, as it comes out of a random search: with all its digits."""
    if log:
        return lambda rng, n: np.exp(rng.uniform(np.log(low), np.log(high), n)).tolist()
    return lambda rng, n: rng.uniform(low, high, n).tolist()


def whole(low: int, high: int) -> Draw:
    """An integer, the upper end included."""
    return lambda rng, n: rng.integers(low, high + 1, n).tolist()


def serialized(kind: str, value: Any) -> dict[str, Any]:
    """What the Python client writes for an object: component_reference, function, type, rv_frozen."""
    return {"oml-python:serialized_object": kind, "value": value}


def reference(key: str, step: str | None = None) -> dict[str, Any]:
    """A hyperparameter that is another part of the flow."""
    return serialized("component_reference", {"key": key, "step_name": step})


@dataclass(frozen=True)
class Parameter:
    """A hyperparameter: its default as a Python value, and how others are drawn."""

    name: str
    default: Any
    draw: Draw | None = None
    data_type: str = "str"
    description: str = ""


@dataclass(frozen=True)
class Algorithm:
    """One name of an algorithm at OpenML; its versions are flows.

    Args:
        first: Number of the first version there is; a later one is some numbers on.
        style: `json` where values are JSON texts (scikit-learn), `plain` else (Weka, mlr).
        parts: Identifier and algorithm of each component.
        search: `random` or `grid` where it is a search, whose runs have traces.
    """

    name: str
    first: int
    external: str
    parameters: tuple[Parameter, ...] = ()
    parts: tuple[tuple[str, str], ...] = ()
    kind: str = "classification"
    style: str = "json"
    search: str | None = None
    tags: tuple[str, ...] = field(default=("openml-python", "sklearn"))


_P = Parameter
_FOREST = (
    _P("bootstrap", True, choice(True, False), "boolean"),
    _P("class_weight", None, None, "dict, list of dicts"),
    _P("criterion", "gini", choice("gini", "entropy")),
    _P("max_depth", None, choice(None, 3, 10), "integer or None"),
    _P("max_features", "auto", number(0.1, 0.9), "int, float, string or None"),
    _P("min_samples_leaf", 1, whole(1, 20), "int, float"),
    _P("min_samples_split", 2, whole(2, 20), "int, float"),
    _P("n_estimators", 10, choice(10, 100), "integer"),
    _P("n_jobs", None, None, "integer"),
    _P("random_state", None, whole(1, 60000), "int"),
    _P("warm_start", False, None, "bool"),
)
_FOREST_LATER = (*_FOREST[:4], _P("max_features", "sqrt", number(0.1, 0.9)), *_FOREST[5:])
_SVC = (
    _P("C", 1.0, number(0.03, 32768, log=True), "float"),
    _P("cache_size", 200, None, "float"),
    _P("class_weight", None, choice(None, "balanced")),
    _P("coef0", 0.0, number(-1, 1), "float"),
    _P("degree", 3, whole(1, 5), "int"),
    _P("gamma", "auto", number(3e-5, 8, log=True)),
    _P("kernel", "rbf", choice("rbf", "poly", "sigmoid")),
    _P("shrinking", True, choice(True, False), "boolean"),
    _P("tol", 0.001, number(1e-5, 0.1, log=True), "float"),
)
_TREE = (
    _P("criterion", "gini", choice("gini", "entropy")),
    _P("max_depth", None, choice(None, 1, 5, 10)),
    _P("min_samples_leaf", 1, whole(1, 20)),
    _P("splitter", "best", None),
)


def _pipeline(*steps: str) -> tuple[Parameter, ...]:
    return (
        _P("memory", None, None),
        _P("steps", [reference(step, step) for step in steps], None, "list of tuples"),
    )


_FROZEN = serialized(
    "rv_frozen",
    {
        "dist": "scipy.stats._discrete_distns.randint_gen",
        "a": 2,
        "b": 20,
        "args": [2, 21],
        "kwds": {},
    },
)
_SEARCH = (
    _P("cv", 3, None, "int"),
    _P("error_score", "raise", None),
    _P("estimator", reference("estimator"), None, "estimator object"),
    _P("n_jobs", None, None, "int"),
    _P("refit", True, None, "bool"),
)

COMPONENTS = {
    "imputer_old": Algorithm(
        "sklearn.preprocessing.imputation.Imputer",
        3,
        "openml==0.8.0,sklearn==0.18.1",
        (
            _P("axis", 0, None, "int"),
            _P("missing_values", "NaN", None),
            _P("strategy", "mean", choice("mean", "median", "most_frequent")),
        ),
    ),
    "imputer": Algorithm(
        "sklearn.impute._base.SimpleImputer",
        7,
        "openml==0.12.2,sklearn==0.24.0",
        (
            _P("add_indicator", False, None, "bool"),
            _P("strategy", "mean", choice("mean", "median", "most_frequent")),
        ),
    ),
    "encoder": Algorithm(
        "sklearn.preprocessing._encoders.OneHotEncoder",
        5,
        "openml==0.12.2,sklearn==0.24.0",
        (
            _P("categorical_features", [1, 2], None, "list"),
            _P("dtype", serialized("type", "np.float64"), None, "number type"),
            _P("handle_unknown", "ignore", choice("ignore", "error")),
            _P("sparse", True, None, "boolean"),
        ),
    ),
    "best": Algorithm(
        "sklearn.feature_selection._univariate_selection.SelectKBest",
        2,
        "openml==0.12.2,sklearn==0.24.0",
        (
            _P("k", 10, choice(1, 3, "all"), 'int or "all"'),
            _P(
                "score_func",
                serialized("function", "sklearn.feature_selection._univariate_selection.f_classif"),
                choice(
                    *(
                        serialized(
                            "function", f"sklearn.feature_selection._univariate_selection.{f}"
                        )
                        for f in ("f_classif", "chi2")
                    )
                ),
                "callable",
            ),
        ),
    ),
    "svc_old": Algorithm("sklearn.svm.classes.SVC", 4, "openml==0.8.0,sklearn==0.18.1", _SVC),
    "forest": Algorithm(
        "sklearn.ensemble._forest.RandomForestClassifier",
        40,
        "openml==0.12.2,sklearn==0.24.0",
        _FOREST_LATER,
    ),
    "tree": Algorithm(
        "sklearn.tree._classes.DecisionTreeClassifier", 11, "openml==0.12.2,sklearn==0.24.0", _TREE
    ),
    "tree_old": Algorithm(
        "sklearn.tree.tree.DecisionTreeClassifier", 9, "openml==0.8.0,sklearn==0.18.1", _TREE
    ),
}

_SK_TAGS = ("openml-python", "python", "scikit-learn", "sklearn")
ALGORITHMS = (
    Algorithm(
        "sklearn.ensemble.forest.RandomForestClassifier",
        12,
        "openml==0.8.0,sklearn==0.18.1",
        _FOREST,
    ),
    COMPONENTS["forest"],
    Algorithm(
        "sklearn.pipeline.Pipeline(imputation=sklearn.preprocessing.imputation.Imputer,"
        "estimator=sklearn.svm.classes.SVC)",
        1,
        "openml==0.8.0,sklearn==0.18.1",
        _pipeline("imputation", "estimator"),
        (("imputation", "imputer_old"), ("estimator", "svc_old")),
    ),
    Algorithm(
        "sklearn.pipeline.Pipeline(imputation=sklearn.impute._base.SimpleImputer,encoding="
        "sklearn.preprocessing._encoders.OneHotEncoder,selection=sklearn.feature_selection."
        "_univariate_selection.SelectKBest,estimator=sklearn.ensemble._forest.RandomForestClassifier)",
        3,
        "openml==0.12.2,sklearn==0.24.0",
        _pipeline("imputation", "encoding", "selection", "estimator"),
        (
            ("imputation", "imputer"),
            ("encoding", "encoder"),
            ("selection", "best"),
            ("estimator", "forest"),
        ),
    ),
    Algorithm(
        "sklearn.ensemble.weight_boosting.AdaBoostClassifier(base_estimator="
        "sklearn.tree.tree.DecisionTreeClassifier)",
        5,
        "openml==0.8.0,sklearn==0.18.1",
        (
            _P("algorithm", "SAMME.R", choice("SAMME", "SAMME.R")),
            _P("base_estimator", reference("base_estimator"), None, "object"),
            _P("learning_rate", 1.0, number(0.01, 2, log=True), "float"),
            _P("n_estimators", 50, whole(50, 500), "integer"),
        ),
        (("base_estimator", "tree_old"),),
    ),
    Algorithm(
        "weka.J48",
        1,
        "Weka_3.7.10_9117",
        (
            _P("A", False, choice(False, True), "flag"),
            _P("C", 0.25, number(0.05, 0.5), "option"),
            _P("M", 2, whole(1, 20), "option"),
            _P("S", False, None, "flag"),
        ),
        style="plain",
        tags=("weka",),
    ),
    Algorithm(
        "weka.RandomForest",
        1,
        "Weka_3.7.10_9186",
        (
            _P("I", 10, choice(10, 50, 100), "option"),
            _P("K", 0, whole(0, 8), "option"),
            _P("S", 1, None, "option"),
        ),
        style="plain",
        tags=("weka",),
    ),
    Algorithm("weka.ZeroR", 1, "Weka_3.7.10_8034", style="plain", tags=("weka",)),
    Algorithm(
        "mlr.classif.ranger",
        8,
        "R_3.3.2-v2.b955a5ec",
        (
            _P("min.node.size", 1, whole(1, 30), "integer"),
            _P("mtry", 3, whole(1, 8), "integer"),
            _P("num.trees", 500, whole(1, 2000), "integer"),
            _P("openml.kind", "Mersenne-Twister", None, "discrete"),
            _P("openml.seed", 1, whole(1, 99999), "integer"),
            _P("replace", True, choice(True, False), "logical"),
            _P("sample.fraction", 1.0, number(0.1, 1), "numeric"),
            _P("splitrule", "gini", choice("gini", "extratrees"), "discrete"),
        ),
        style="plain",
        tags=("mlr",),
    ),
    Algorithm(
        "sklearn.model_selection._search.RandomizedSearchCV(estimator="
        "sklearn.tree._classes.DecisionTreeClassifier)",
        2,
        "openml==0.12.2,sklearn==0.24.0",
        (
            *_SEARCH,
            _P("n_iter", 4, None, "int"),
            _P(
                "param_distributions",
                {"max_depth": [1, 5, None], "min_samples_leaf": _FROZEN},
                None,
                "dict",
            ),
            _P("random_state", None, whole(1, 60000), "int"),
        ),
        (("estimator", "tree"),),
        search="random",
    ),
    Algorithm(
        "sklearn.model_selection._search.GridSearchCV(estimator="
        "sklearn.tree._classes.DecisionTreeClassifier)",
        4,
        "openml==0.12.2,sklearn==0.24.0",
        (
            *_SEARCH,
            _P("param_grid", {"max_depth": [1, 5], "min_samples_leaf": [1, 10]}, None, "dict"),
        ),
        (("estimator", "tree"),),
        search="grid",
    ),
    Algorithm(
        "sklearn.linear_model.ridge.Ridge",
        6,
        "openml==0.8.0,sklearn==0.18.1",
        (
            _P("alpha", 1.0, number(1e-3, 100, log=True), "float"),
            _P("fit_intercept", True, choice(True, False), "boolean"),
            _P("solver", "auto", choice("auto", "svd", "cholesky")),
        ),
        kind="regression",
    ),
    Algorithm(
        "sklearn.linear_model._ridge.Ridge",
        2,
        "openml==0.12.2,sklearn==0.24.0",
        (
            _P("alpha", 1.0, number(1e-3, 100, log=True), "float"),
            _P("fit_intercept", True, choice(True, False), "boolean"),
            _P("solver", "auto", choice("auto", "svd", "cholesky")),
        ),
        kind="regression",
    ),
    Algorithm(
        "sklearn.neural_network._multilayer_perceptron.MLPClassifier",
        1,
        "openml==0.12.2,sklearn==0.24.0",
        (
            _P("activation", "relu", choice("relu", "tanh")),
            _P("alpha", 0.0001, number(1e-7, 0.1, log=True), "float"),
            _P("hidden_layer_sizes", [100], choice([100], [50, 50], [32, 64, 32]), "tuple"),
            _P("learning_rate_init", 0.001, number(1e-5, 1, log=True), "double"),
        ),
    ),
)
