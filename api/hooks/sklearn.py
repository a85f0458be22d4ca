"""scikit-learn: random searches that evaluate what is recommended first, and what they found.

The searches of scikit-learn take no first candidates. `RandomizedSearch` and `HalvingRandomSearch`
are those searches with one argument more, `first`; and they draw from a ConfigSpace with its
conditions as well as from a dict of lists and distributions.
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Mapping, Sequence
from hashlib import sha256
from typing import TYPE_CHECKING, Any

import numpy as np
from sklearn.base import is_classifier, is_regressor
from sklearn.experimental import enable_halving_search_cv  # noqa: F401
from sklearn.model_selection import HalvingRandomSearchCV, ParameterSampler, RandomizedSearchCV
from sklearn.utils import check_random_state

from api.hooks.projection import Outside, Report, plain, project, unmoved
from metadb.axes import axes_of
from metadb.errors import InvalidConfig, InvalidSpace, WrongUsage
from metadb.metrics import METRICS, Metric, canonical
from metadb.protocols import Recommender
from metadb.records import Config, Evaluation, Task
from metadb.sklearn_metric import from_sklearn

if TYPE_CHECKING:
    from ConfigSpace import ConfigurationSpace

    from metadb.store import Store

    Space = ConfigurationSpace | Mapping[str, Any]

_SCORE = re.compile(r"(?:split(?P<fold>\d+)|mean)_test_(?P<scorer>.+)")


# -- searches -----------------------------------------------------------------------------------


class RandomizedSearch(RandomizedSearchCV):  # type: ignore[misc]
    """`RandomizedSearchCV` that evaluates `first` before what it draws; `n_iter` counts both.

    Args:
        estimator: As of `RandomizedSearchCV`, like all that is not named here.
        param_distributions: Also a ConfigSpace, of which active hyperparameters are drawn.
        first: Parameters to evaluate first, in order; `warm_start` sets them.
    """

    def __init__(
        self,
        estimator: Any,
        param_distributions: Any,
        *,
        first: Sequence[Mapping[str, Any]] = (),
        n_iter: int = 10,
        scoring: Any = None,
        n_jobs: int | None = None,
        refit: Any = True,
        cv: Any = None,
        verbose: int = 0,
        pre_dispatch: Any = "2*n_jobs",
        random_state: Any = None,
        error_score: Any = np.nan,
        return_train_score: bool = False,
    ) -> None:
        super().__init__(
            estimator,
            param_distributions,
            n_iter=n_iter,
            scoring=scoring,
            n_jobs=n_jobs,
            refit=refit,
            cv=cv,
            verbose=verbose,
            pre_dispatch=pre_dispatch,
            random_state=random_state,
            error_score=error_score,
            return_train_score=return_train_score,
        )
        self.first = first

    def _run_search(self, evaluate_candidates: Any) -> None:
        evaluate_candidates(_candidates(self, self.n_iter))


class HalvingRandomSearch(HalvingRandomSearchCV):  # type: ignore[misc]
    """`HalvingRandomSearchCV` whose first round begins with `first`; `n_candidates` counts both.

    Args:
        estimator: As of `HalvingRandomSearchCV`, like all that is not named here.
        param_distributions: Also a ConfigSpace, of which active hyperparameters are drawn.
        first: Parameters to evaluate first, in order; `warm_start` sets them.
    """

    def __init__(
        self,
        estimator: Any,
        param_distributions: Any,
        *,
        first: Sequence[Mapping[str, Any]] = (),
        n_candidates: Any = "exhaust",
        factor: float = 3,
        resource: str = "n_samples",
        max_resources: Any = "auto",
        min_resources: Any = "smallest",
        aggressive_elimination: bool = False,
        cv: Any = 5,
        scoring: Any = None,
        refit: Any = True,
        error_score: Any = np.nan,
        return_train_score: bool = True,
        random_state: Any = None,
        n_jobs: int | None = None,
        verbose: int = 0,
    ) -> None:
        super().__init__(
            estimator,
            param_distributions,
            n_candidates=n_candidates,
            factor=factor,
            resource=resource,
            max_resources=max_resources,
            min_resources=min_resources,
            aggressive_elimination=aggressive_elimination,
            cv=cv,
            scoring=scoring,
            refit=refit,
            error_score=error_score,
            return_train_score=return_train_score,
            random_state=random_state,
            n_jobs=n_jobs,
            verbose=verbose,
        )
        self.first = first

    def _generate_candidate_params(self) -> list[Mapping[str, Any]]:
        n = self.n_candidates
        if n == "exhaust":
            n = self.max_resources_ // self.min_resources_
        return _candidates(self, n)


Search = RandomizedSearch | HalvingRandomSearch

for _search in (RandomizedSearch, HalvingRandomSearch):  # a ConfigSpace is a mapping, no dict
    _search._parameter_constraints = _search._parameter_constraints | {
        "param_distributions": [Mapping, list]
    }


def _candidates(search: Search, n: int) -> list[Mapping[str, Any]]:
    """At least the first ones, in order, then drawn ones up to `n`."""
    from ConfigSpace import ConfigurationSpace

    from metadb.space import sample

    first, given = list(search.first), search.param_distributions
    left, state = max(n - len(first), 0), search.random_state
    if not left:
        return first
    if not isinstance(given, ConfigurationSpace):
        return [*first, *ParameterSampler(given, left, random_state=state)]
    seed = state if isinstance(state, int) else int(check_random_state(state).randint(2**31 - 1))
    return [*first, *sample(given, left, seed)]


# -- spaces -------------------------------------------------------------------------------------


def to_space(
    param_distributions: Mapping[str, Any], *, name: str = "sklearn"
) -> ConfigurationSpace:
    """Lists and SciPy distributions as a ConfigSpace; the choice None becomes the text `None`.

    `uniform`, `loguniform` and `randint` become ranges, another distribution with finite bounds a
    range without its shape.

    Raises:
        InvalidSpace: A list of dicts, or a distribution without bounds.
    """
    from ConfigSpace import ConfigurationSpace

    if not isinstance(param_distributions, Mapping):
        raise InvalidSpace("a list of dicts has conditions; give space=, a ConfigurationSpace")
    space = ConfigurationSpace(name=name)
    try:
        space.add([_hyperparameter(key, one) for key, one in param_distributions.items()])
        axes_of(space)
    except (ValueError, TypeError) as error:
        raise InvalidSpace(f"ConfigSpace cannot hold these distributions: {error}") from error
    return space


def _hyperparameter(name: str, one: Any) -> Any:
    from ConfigSpace import hyperparameters as cs

    if not hasattr(one, "rvs"):
        choices = list(dict.fromkeys(plain(value) for value in one))
        if len(choices) == 1:
            return cs.Constant(name, choices[0])
        return cs.CategoricalHyperparameter(name, choices)
    lower, upper = map(float, one.support())
    if not (math.isfinite(lower) and math.isfinite(upper)):
        raise InvalidSpace(f"{name!r} is drawn without bounds; give space= with a range for it")
    kind = one.dist.name
    if hasattr(one.dist, "pmf"):
        return cs.UniformIntegerHyperparameter(name, int(lower), int(upper))
    log = kind in ("loguniform", "reciprocal")
    return cs.UniformFloatHyperparameter(name, lower, upper, log=log)


# -- a recommendation as first candidates -------------------------------------------------------


def warm_start(
    search: Search,
    recommender: Recommender,
    task: Task,
    k: int = 10,
    *,
    space: Space | None = None,
    observed: Sequence[Evaluation] = (),
    rename: Mapping[str, str] | None = None,
    outside: Outside = "clip",
) -> Report:
    """Set what a search evaluates first to what is recommended for a task.

    Args:
        space: Default the search's own `param_distributions`.
        observed: What was measured on this task before; it is not recommended again.
        rename: The recommender's names to the search's: `{"C": "svc__C"}` for a pipeline.
        outside: `drop` leaves out a config with a number out of range; else it is clipped.

    Raises:
        WrongUsage: The search is not one of this module.
    """
    if not isinstance(search, RandomizedSearch | HalvingRandomSearch):
        raise WrongUsage(
            f"a {type(search).__name__} takes no first candidates; use RandomizedSearch or "
            "HalvingRandomSearch of api.hooks.sklearn, which take the same arguments"
        )
    given = search.param_distributions if space is None else space
    configs = [one.config for one in recommender.recommend(task, k, observed=observed)]
    report = project(configs, _space(given), rename=rename, outside=outside)
    search.first = [_theirs(config, search.param_distributions) for config in report.sent]
    return report


def _space(given: Any) -> ConfigurationSpace:
    from ConfigSpace import ConfigurationSpace

    return given if isinstance(given, ConfigurationSpace) else to_space(given)


def _theirs(config: Config, given: Any) -> dict[str, Any]:
    """A config with the search's own choices: None, not its text."""
    params: dict[str, Any] = dict(config)
    for name, value in config.items():
        choices = given.get(name) if isinstance(given, dict) else None
        if choices is not None and not hasattr(choices, "rvs"):
            params[name] = next((one for one in choices if plain(one) == value), value)
    return params


# -- what a search found into the store ---------------------------------------------------------


def record(
    search: Any,
    store: Store,
    task: Task | str,
    *,
    metric: str | Metric | None = None,
    space: Space | str | None = None,
    rename: Mapping[str, str] | None = None,
    study: str | None = None,
) -> dict[int, str]:
    """Record what a fitted search of scikit-learn found: each split, and their mean.

    Any search with `cv_results_` will do, also one of scikit-learn's own. Recording it twice adds
    nothing, nor does reading the same results with `metadb ingest cv-results`.

    Args:
        metric: What the score is; default what `scoring` says.
        space: Default the search's own; the name of a space of the store will do.
        rename: As of `warm_start`: the store's names to the search's.
        study: What a space without a name is called, `cv-results:<study>`; default the task's id.

    Returns: place of a candidate to the reason why the store does not take it.

    Raises:
        WrongUsage: The search is not fitted, or nobody knows what its score is.
        NotFound: A task id or metric that is not known.
    """
    if not hasattr(search, "cv_results_"):
        raise WrongUsage(f"the {type(search).__name__} is not fitted; call fit first, then record")
    results, task_id = search.cv_results_, task if isinstance(task, str) else task.id
    name = f"cv-results:{study or task_id}"
    where = name if space is None else space
    if not isinstance(where, str):
        where = _space(where)
    scores = {column: found for column in results if (found := _SCORE.fullmatch(column))}
    digest = _digest(results, list(scores))
    names = {new: old for old, new in (rename or {}).items()}
    halving = "n_resources" in results
    lost: dict[int, str] = {}
    for i, params in enumerate(results["params"]):
        config = {names.get(key, key): plain(value) for key, value in params.items()}
        try:
            legal = config if isinstance(where, str) else unmoved(config, where)
        except InvalidConfig as error:
            lost[i] = str(error)
            continue
        for column, found in scores.items():
            its, sign = _metric(search, store, found["scorer"], metric, study or task_id)
            value = float(results[column][i])
            scored = math.isfinite(value)
            store.record(
                task,
                legal,
                space=where,
                metric=its,
                value=sign * value if scored else None,
                status="ok" if scored else "failed",
                fold=None if found["fold"] is None else int(found["fold"]),
                budget=float(results["n_resources"][i]) if halving else 1.0,
                budget_unit="resources" if halving else "fraction",
                cost_s=float(results["mean_fit_time"][i] + results["mean_score_time"][i]),
                run=f"{digest}/{i}",
                origin="cv-results",
            )
    return lost


def _digest(results: Mapping[str, Any], columns: Sequence[str]) -> str:
    """What names the results, as for the source `cv-results`: their scores."""
    told = {
        column: [None if math.isnan(value) else float(value) for value in results[column]]
        for column in sorted(columns)
    }
    return sha256(json.dumps(told).encode()).hexdigest()[:12]


def _metric(
    search: Any, store: Store, scorer: str, given: str | Metric | None, study: str
) -> tuple[Metric, float]:
    """The metric of a scorer, and what turns its score into it: scikit-learn maximises."""
    if given is not None:
        found = given if isinstance(given, Metric) else store.metric(given)
        return found, -1.0 if found.lower_is_better else 1.0
    if scorer == "score":
        scorer = _scorer(search)
    if scorer.startswith("neg_"):
        name = canonical(scorer.removeprefix("neg_"))
        return METRICS.get(name, Metric(name, True)), -1.0
    name = canonical(from_sklearn(scorer))
    known = METRICS.get(name, Metric(name, False))
    return (Metric(f"{study}/{name}", False) if known.lower_is_better else known), 1.0


def _scorer(search: Any) -> str:
    """The name of the one score of a search."""
    if isinstance(search.scoring, str):
        return search.scoring
    if search.scoring is None and is_classifier(search.estimator):
        return "accuracy"
    if search.scoring is None and is_regressor(search.estimator):
        return "r2"
    raise WrongUsage("nobody knows what the score is; say metric=, for example metric='accuracy'")
