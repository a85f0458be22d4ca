"""auto-sklearn 2.0's JSON files: eight strategies measured on 208 OpenML tasks, and portfolios.

`askl2_training_data.json` holds `y_values`, tasks x strategies: the losses of whole auto-sklearn
runs under each strategy of validation and budgets, one minus the score where the metric is a score.
A file of `askl2_portfolios` holds configurations without results: they become configs and nothing
else.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa

from ingest.building import metafeature_rows, metric_rows, rows
from ingest.small_files import read_json
from metadb.errors import InvalidConfig, MalformedFile
from metadb.identity import canonical_config, config_id, typed
from metadb.metrics import METRICS
from metadb.protocols import Floats
from metadb.records import Config, Rows

CITATION = "Feurer et al., Auto-Sklearn 2.0: Hands-free AutoML via Meta-Learning, JMLR 2022"

STRATEGIES = "autosklearn-strategies"
PORTFOLIOS = "autosklearn-classification-dense"
"""Portfolios are of the space of the folders for dense data: the same hyperparameters."""

_MATRIX = "askl2_training_data.json"


def is_part(path: Path) -> bool:
    """Whether a file is one of auto-sklearn 2.0's, by its name and folder."""
    return path.name == _MATRIX or (
        path.suffix == ".json" and path.resolve().parent.name == "askl2_portfolios"
    )


def parse(path: Path) -> Rows:
    """The rows of one file: a matrix of strategies, or a portfolio.

    Raises:
        MalformedFile: It is neither.
    """
    content = read_json(path)
    if isinstance(content, dict) and {"y_values", "strategies", "metafeatures"} <= content.keys():
        return Rows(_matrix(content, path))
    if isinstance(content, dict) and isinstance(content.get("portfolio"), dict):
        return Rows({"configs": _portfolio(content["portfolio"], path)})
    raise MalformedFile(
        f"{path} must be a JSON object with y_values, strategies and metafeatures, or "
        "with portfolio"
    )


def _portfolio(portfolio: dict[str, Any], path: Path) -> pa.Table:
    found: dict[str, str] = {}
    for name, given in portfolio.items():
        if not isinstance(given, dict):
            raise MalformedFile(f"{path}: {name!r} in the portfolio is not a configuration")
        config = {key: typed(v) if isinstance(v, str) else v for key, v in given.items()}
        try:
            found[config_id(PORTFOLIOS, config)] = canonical_config(config)
        except InvalidConfig as error:
            raise MalformedFile(f"{path}: {name!r} in the portfolio: {error}") from error
    return rows(
        "configs", config=list(found), space=PORTFOLIOS, hyperparameters=list(found.values())
    )


def _matrix(content: dict[str, Any], path: Path) -> dict[str, pa.Table]:
    folder = path.resolve().parent.name
    metric = METRICS.get(folder)
    if metric is None:
        raise MalformedFile(
            f"{path}: the folder of a matrix is named after its metric, such as log_loss, and "
            f"{folder!r} is none"
        )
    loss, features, names, numbers = _arrays(content, path)  # (tasks, strategies), (tasks, names)
    strategies: list[Config] = [{"strategy": str(name)} for name in content["strategies"]]
    configs = [config_id(STRATEGIES, strategy) for strategy in strategies]
    ids = [f"openml:task/{number}" for number in numbers]
    value = loss if metric.lower_is_better else 1.0 - loss
    return {
        "tasks": rows("tasks", task=ids, kind="classification"),
        "metrics": metric_rows([metric]),
        "configs": rows(
            "configs",
            config=configs,
            space=STRATEGIES,
            hyperparameters=[canonical_config(strategy) for strategy in strategies],
        ),
        "metafeatures": metafeature_rows(ids, names, features, "autosklearn"),
        "evaluations": rows(
            "evaluations",
            task=np.repeat(ids, len(configs)),
            config=configs * len(ids),
            metric=metric.name,
            value=value.ravel(),
            status="ok",
            budget=1.0,
            budget_unit="fraction",
            origin="autosklearn",
        ),
    }


def _arrays(content: dict[str, Any], path: Path) -> tuple[Floats, Floats, list[str], list[str]]:
    """Losses, meta-features with their names, and task numbers, all of one length."""
    try:
        columns = dict(content["metafeatures"])
        numbers = list(next(iter(columns.values())))
        features = np.array([[columns[name][n] for name in columns] for n in numbers], float)
        loss = np.array(content["y_values"], float)
    except (ValueError, TypeError, OverflowError, KeyError, StopIteration) as error:
        raise MalformedFile(
            f"{path}: metafeatures must be name to task to number, and y_values a list of lists "
            f"of numbers ({error!r})"
        ) from error
    shape = (len(numbers), len(content["strategies"]))
    if loss.shape != shape or not all(number.isdigit() for number in numbers):
        raise MalformedFile(
            f"{path}: y_values has the shape {loss.shape}, where metafeatures and strategies make "
            f"{shape}; tasks are numbers of OpenML"
        )
    return loss, features, list(columns), numbers
