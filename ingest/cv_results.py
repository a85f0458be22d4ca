"""What a search of scikit-learn found: its `cv_results_`, saved or in memory.

Each split is a fold, the mean over them the aggregated score; a score that is NaN is a fit that
failed. Scorers named `neg_...` become the loss they are.
"""

from __future__ import annotations

import ast
import json
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pyarrow as pa
import pyarrow.parquet as pq

from ingest import About
from ingest.building import beginning, find
from ingest.study import OWN, Study, joined, plain_value, points, study_rows
from ingest.text_csv import text_columns
from metadb.errors import MalformedFile
from metadb.identity import typed
from metadb.metrics import METRICS, canonical
from metadb.records import Rows
from metadb.sklearn_metric import from_sklearn

if TYPE_CHECKING:
    from ingest.load import Loaded
    from metadb.store import Store

MAX_BYTES = 1 << 30

_SUFFIXES = (".csv", ".json", ".parquet")
_SCORE = re.compile(r"(?:split(?P<fold>\d+)|mean)_test_(?P<scorer>.+)")
_LITERAL = 100_000  # characters of a config that is still parsed

Table = dict[str, list[Any]]


@dataclass(frozen=True)
class CvResults:
    """Saved `cv_results_`, one load a file.

    Args:
        paths: Files (`.csv`, `.json` or `.parquet`) or folders above them.
        task: Id of the task; default `cv-results:<file name>`.
        metric: The scorers to keep, or what the one scorer (`score`) is.
        space: Name of the space; default `cv-results:<file name>`.
        study: The name of the search; default the file's name.
        minimize: Direction of scorers of one's own, where it is not higher = better.
    """

    paths: Sequence[str | Path]
    task: str | None = None
    metric: str | None = None
    space: str | None = None
    study: str | None = None
    minimize: bool | None = None

    def fetch(self, cache: Path, cursor: str | None = None) -> list[Path]:
        """The files that have columns of `cv_results_`."""
        what = "cv_results_ of scikit-learn saved as CSV, JSON or Parquet"
        return find(self.paths, "*", what, _is_saved)

    def about(self, path: Path) -> About:
        """The user's own results."""
        return About(OWN)

    def parse(self, path: Path) -> Iterator[Rows]:
        """The rows of one search."""
        table = _read(path)
        try:
            study = _study(self.study or path.stem, table, lower=bool(self.minimize))
        except (
            ValueError,
            TypeError,
            KeyError,
            AttributeError,
            OverflowError,
            pa.ArrowException,
        ) as error:
            raise MalformedFile(f"{path} is no cv_results_ of scikit-learn: {error}") from error
        yield from study_rows(study, self)


def add_cv_results(
    store: Store, results: Mapping[str, Any], study: str, **options: str | bool | None
) -> list[Loaded]:
    """Put `search.cv_results_` into a store; the same results twice add nothing.

    Args:
        study: The name of the search; with `task=` and `space=` its results meet others.
        options: As of `CvResults`.
    """
    from ingest.load import load

    cache = store.path / "cache"
    source = CvResults((saved(results, study, cache),), study=study, **options)  # type: ignore[arg-type]
    return list(load("cv-results", source, store, cache))


def saved(results: Mapping[str, Any], study: str, folder: Path) -> Path:
    """`cv_results_` as a JSON file, named after the study and its content.

    What has no JSON form (an estimator as a hyperparameter) becomes text.
    """
    columns = {str(name): [_plain(v) for v in column] for name, column in results.items()}
    text = json.dumps(columns, default=str, sort_keys=True)
    slug = re.sub(r"[^A-Za-z0-9_.-]+", "-", study)[:64]
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / f"{slug}-{sha256(text.encode()).hexdigest()[:12]}.json"
    part = path.with_suffix(".part")
    part.write_text(text, encoding="utf-8")
    return part.replace(path)


def _plain(value: Any) -> Any:
    """A cell as JSON has it; a masked one is null."""
    if isinstance(value, Mapping):
        return {str(name): _plain(one) for name, one in value.items()}
    if getattr(value, "mask", None) is not None:
        return None
    if hasattr(value, "item") and not getattr(value, "shape", ()):
        return value.item()
    return value


def _study(name: str, table: Table, *, lower: bool) -> Study:
    scores = {column: match for column in table if (match := _SCORE.fullmatch(column))}
    if not scores:
        raise ValueError("it needs columns like mean_test_score")
    n = len(table["mean_test_score"] if "mean_test_score" in table else next(iter(table.values())))
    fit, score = (_numbers(table, f"mean_{what}_time", n) for what in ("fit", "score"))
    costs = [None if a is None or b is None else a + b for a, b in zip(fit, score, strict=True)]
    resources = _numbers(table, "n_resources", n)
    halving = any(resource is not None for resource in resources)
    parts, objectives = [], {}
    for column, match in scores.items():
        scorer = match["scorer"]
        metric = f"{name}/score" if scorer == "score" else from_sklearn(scorer)
        named = canonical(metric) in METRICS or metric.startswith("neg_")  # its name tells it
        objectives[metric] = None if named else lower
        parts.append(
            points(
                trial=list(range(n)),
                metric=metric,
                value=_numbers(table, column, n),
                fold=None if match["fold"] is None else int(match["fold"]),
                cost_s=costs,
                budget=resources if halving else 1.0,
                budget_unit="resources" if halving else "fraction",
            )
        )
    configs = _configs(table, n)
    told = {c: [None if v != v else v for v in _numbers(table, c, n)] for c in sorted(scores)}
    content = json.dumps(told)
    digest = sha256(content.encode()).hexdigest()[:12]  # whatever the file is called
    return Study(
        tuner="cv-results",
        name=name,
        configs=configs,
        runs=[f"{digest}/{i}" for i in range(n)],
        points=joined(parts),
        objectives=objectives,
        anonymous=list(objectives) == [f"{name}/score"],
    )


def _numbers(table: Table, name: str, n: int) -> list[float | None]:
    return [
        None if value is None or value == "" else float(value)
        for value in table.get(name, [None] * n)
    ]


# -- hyperparameters ----------------------------------------------------------------------------


def _configs(table: Table, n: int) -> list[dict[str, Any]]:
    """The hyperparameters of each candidate, from `params`, or else from the `param_*` columns."""
    given = table.get("params")
    if given is not None:
        configs = [_params(cell) for cell in given]
        if all(config is not None for config in configs):
            return [config for config in configs if config is not None]
    columns = {
        name.removeprefix("param_"): column
        for name, column in table.items()
        if name.startswith("param_")
    }
    if not columns:
        raise ValueError("it needs a column params, or columns like param_alpha")
    values = {name: _whole(column) for name, column in columns.items()}
    return [
        {name: column[i] for name, column in values.items() if column[i] is not None}
        for i in range(n)
    ]


def _params(cell: Any) -> dict[str, Any] | None:
    """One cell of `params`; CSV holds it as Python's own text. None where it cannot be read."""
    if isinstance(cell, str) and len(cell) <= _LITERAL:
        try:
            cell = ast.literal_eval(cell)
        except (ValueError, SyntaxError, MemoryError, RecursionError):
            return None  # `{'svc': SVC()}`: an estimator is no literal
    if not isinstance(cell, Mapping):
        return None
    return {str(name): plain_value(value) for name, value in cell.items()}


def _whole(column: list[Any]) -> list[Any]:
    """A column of values, None where masked; whole numbers that NaN made floats are whole."""
    values = [typed(v) if isinstance(v, str) and v else v for v in column]
    values = [None if v == "" or v == "--" or v != v else v for v in values]
    there = [v for v in values if v is not None]
    masked = len(there) < len(values)
    if masked and there and all(isinstance(v, float) and v.is_integer() for v in there):
        return [None if v is None else int(v) for v in values]
    return [plain_value(v) for v in values]


# -- files --------------------------------------------------------------------------------------


def _is_saved(path: Path) -> bool:
    if not path.is_file():
        return False
    if path.suffix == ".parquet":
        try:
            return any(_SCORE.fullmatch(name) for name in pq.read_schema(path).names)
        except (pa.ArrowException, OSError):
            return False
    return path.suffix in _SUFFIXES and "mean_test_" in beginning(path, 1 << 16)


def _read(path: Path) -> Table:
    """The columns of a file; those of a CSV hold texts."""
    if path.suffix not in _SUFFIXES:
        raise MalformedFile(f"{path} is no cv_results_; right is one of {', '.join(_SUFFIXES)}")
    if path.stat().st_size > MAX_BYTES:
        raise MalformedFile(f"{path} is larger than {MAX_BYTES:,} bytes; save it as Parquet parts")
    try:
        if path.suffix == ".parquet":
            found: Table = {
                name: column.to_pylist() for name, column in zip(*_parquet(path), strict=True)
            }
        elif path.suffix == ".csv":
            table = text_columns(path.read_bytes())
            found = {name: table[name].to_pylist() for name in table.column_names}
        else:
            found = _columns(json.loads(path.read_text(encoding="utf-8")))
    except (pa.ArrowException, OSError, ValueError, TypeError, RecursionError) as error:
        why = (str(error).splitlines() or [type(error).__name__])[0][:200]
        raise MalformedFile(f"{path} cannot be read as cv_results_: {why}") from error
    if len({len(column) for column in found.values()}) != 1:
        raise MalformedFile(f"{path} is no cv_results_: its columns are not of one length")
    return found


def _parquet(path: Path) -> tuple[list[str], list[pa.ChunkedArray]]:
    table = pq.read_table(path)
    if "params" in table.column_names:  # in a struct, a hyperparameter set to None looks inactive
        table = table.drop_columns("params")
    return table.column_names, table.columns


def _columns(content: Any) -> Table:
    """JSON as `json.dump` of columns, or as pandas writes it: by row number, or a list of rows."""
    if isinstance(content, list):
        names = list(dict.fromkeys(name for row in content for name in row))
        return {name: [row.get(name) for row in content] for name in names}
    return {
        name: list(column.values()) if isinstance(column, dict) else list(column)
        for name, column in content.items()
    }
