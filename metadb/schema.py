"""The tables of a store: every column with its type, meaning and place in the row's identity.

The data dictionary in `docs/` is printed from here, the Delta tables are made from here, and an
older store is brought up from here: a column or table added later names the schema number that
brought it (`since`), and upgrading adds whatever is newer than the store, never changing what is.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import pyarrow as pa

SCHEMA = 3
"""The schema number this metadb writes; a store with a larger one is refused."""


@dataclass(frozen=True)
class Column:
    """One column: its Arrow type and what it holds; `required` ones may not be null.

    Args:
        since: The schema number that brought it, where it is younger than its table.
    """

    name: str
    type: pa.DataType
    doc: str
    required: bool = False
    since: int = 1


@dataclass(frozen=True)
class Table:
    """One table: its columns, its key, and the columns that make up a row's identity.

    Args:
        key: The column that names a row.
        identity: The columns that tell two rows apart. Where `key` is not among them, the key is
            the MD5 of their texts, made by the store.
        content: The columns that must agree where two rows have one identity; a later row that
            differs is rejected as a conflict.
    """

    name: str
    doc: str
    key: str
    identity: tuple[str, ...]
    content: tuple[str, ...]
    columns: tuple[Column, ...]
    since: int = 1

    @cached_property
    def arrow(self) -> pa.Schema:
        """The columns as Arrow has them."""
        return pa.schema([(c.name, c.type) for c in self.columns])

    @property
    def hashed(self) -> bool:
        """Whether the store makes the key from the identity."""
        return self.key not in self.identity


_text, _number, _int, _flag = pa.string(), pa.float64(), pa.int64(), pa.bool_()
_time = pa.timestamp("us")
_texts, _numbers = pa.list_(_text), pa.list_(_number)


def _load() -> Column:
    return Column("load", _text, "The load that brought the row first (`loads.load`).")


_TABLES = (
    Table(
        "datasets",
        "Data sets, apart from the tasks that are set on them.",
        key="dataset",
        identity=("dataset",),
        content=("origin", "native", "name"),
        columns=(
            Column("dataset", _text, "Id, `origin:native`, e.g. `openml:dataset/61`.", True),
            Column("origin", _text, "The server or package the number belongs to.", True),
            Column("native", _text, "The id at the origin, e.g. `dataset/61`.", True),
            Column("name", _text, "Name at the origin."),
            Column("licence", _text, "Licence of the data set, where known."),
            _load(),
        ),
    ),
    Table(
        "tasks",
        "What is to be solved: a data set, a target and a kind.",
        key="task",
        identity=("task",),
        content=("origin", "native", "dataset", "target"),
        columns=(
            Column("task", _text, "Id, `origin:native`, e.g. `openml:task/31`.", True),
            Column("origin", _text, "The server or package the number belongs to.", True),
            Column("native", _text, "The id at the origin, e.g. `task/31`.", True),
            Column("kind", _text, "classification, regression, clustering or another.", True),
            Column("dataset", _text, "The data set (`datasets.dataset`), where known."),
            Column("target", _text, "The target column, where known."),
            Column("name", _text, "A name for people."),
            _load(),
        ),
    ),
    Table(
        "flows",
        "Implementations as their origin numbers them: one algorithm in one library version.",
        key="flow",
        identity=("flow",),
        content=("origin", "native", "name"),
        columns=(
            Column("flow", _text, "Id, `origin:native`, e.g. `openml:flow/6969`.", True),
            Column("origin", _text, "The server or package the number belongs to.", True),
            Column("native", _text, "The id at the origin, e.g. `flow/6969`.", True),
            Column("name", _text, "Name at the origin, with its module path and version."),
            Column("family", _text, "The name without module path and version, one per algorithm."),
            Column("version", _text, "Version of the flow at the origin."),
            Column("library", _text, "The library, e.g. `sklearn`."),
            Column("library_version", _text, "The library's version, where known."),
            _load(),
        ),
    ),
    Table(
        "spaces",
        "Search spaces as declared by their origin; others are inferred from their configs.",
        key="space",
        identity=("space",),
        content=("name",),
        columns=(
            Column("space", _text, "Id, `name@hash of the definition`.", True),
            Column("name", _text, "The name that `configs.space` refers to.", True),
            Column("definition", _text, "ConfigSpace JSON.", True),
            _load(),
        ),
    ),
    Table(
        "configs",
        "Configurations: one row for one setting of the hyperparameters, whoever ran it.",
        key="config",
        identity=("space", "native", "hyperparameters"),
        content=(),
        columns=(
            Column("config", _text, "Id: MD5 of space, native and hyperparameters.", True),
            Column("space", _text, "Name of its space (`spaces.name`).", True),
            Column(
                "native",
                _text,
                "Only where the hyperparameters are not known: the id at the origin, which then "
                "is part of the identity.",
            ),
            Column(
                "hyperparameters", _text, "Canonical JSON, name to value; inactive = absent.", True
            ),
            Column("flow", _text, "A flow it was first seen with (`flows.flow`), where known."),
            _load(),
        ),
    ),
    Table(
        "metrics",
        "What an evaluation's value means.",
        key="metric",
        identity=("metric",),
        content=("lower_is_better", "lower", "upper"),
        columns=(
            Column("metric", _text, "Name, e.g. `accuracy`.", True),
            Column("lower_is_better", _flag, "The direction.", True),
            Column("unit", _text, "Unit of the value; `1` for a pure number."),
            Column("lower", _number, "Smallest possible value; null where there is none."),
            Column("upper", _number, "Largest possible value; null where there is none."),
            Column("doc", _text, "One sentence."),
            _load(),
        ),
    ),
    Table(
        "evaluations",
        "What was measured: one row per task, config, metric, fold, repeat, budget and seed.",
        key="evaluation",
        identity=(
            "origin",
            "task",
            "config",
            "metric",
            "fold",
            "repeat",
            "seed",
            "budget",
            "budget_unit",
            "run",
        ),
        content=("value", "status"),
        columns=(
            Column(
                "evaluation",
                _text,
                "Id: MD5 of origin, task, config, metric, fold, repeat, "
                "seed, budget, budget_unit and run.",
                True,
            ),
            Column("task", _text, "`tasks.task`.", True),
            Column("config", _text, "`configs.config`.", True),
            Column("metric", _text, "`metrics.metric`.", True),
            Column(
                "value",
                _number,
                "The score in the metric's own direction and unit; null unless "
                "status is ok; where status is censored, the bound at which it was cut off.",
            ),
            Column("status", _text, "ok, failed, timeout, memout or censored.", True),
            Column("fold", pa.int32(), "Fold number; null = the mean over folds."),
            Column(
                "repeat",
                pa.int32(),
                "Repeat number; null = the mean over repeats, or the only one.",
            ),
            Column("seed", _int, "Seed of the learner, where known."),
            Column(
                "budget", _number, "What it was allowed to use; 1.0 fraction is everything.", True
            ),
            Column("budget_unit", _text, "fraction, instances, epochs or another.", True),
            Column("cost_s", _number, "Seconds the run took, fitting and predicting."),
            Column("origin", _text, "Whose measurement it is, e.g. `openml`.", True),
            Column("run", _text, "The run at the origin, where it has an id."),
            Column("flow", _text, "`flows.flow`: the version of the implementation, where known."),
            _load(),
        ),
    ),
    Table(
        "metafeatures",
        "What is known about tasks before anything is run on them.",
        key="metafeature",
        identity=("task", "name", "extractor"),
        content=("value", "status"),
        columns=(
            Column("metafeature", _text, "Id: MD5 of task, name and extractor.", True),
            Column("task", _text, "`tasks.task`.", True),
            Column("name", _text, "Name as in pymfe, or the origin's own.", True),
            Column("value", _number, "Null unless status is ok."),
            Column(
                "status",
                _text,
                "ok, undefined (no value for such data), failed, timeout, memout.",
                True,
            ),
            Column("extractor", _text, "Who computed it: `metadb` or the origin.", True),
            Column("version", _text, "Version of the extractor."),
            Column("cost_s", _number, "Seconds it took, where known."),
            _load(),
        ),
    ),
    Table(
        "models",
        "What was trained to start from: weights, what they were trained on, how good they were.",
        key="model",
        identity=("model",),
        content=("task", "config"),
        columns=(
            Column(
                "model",
                _text,
                "SHA-256 of the weights, which lie in the store as `models/<model>.safetensors`.",
                True,
            ),
            Column("task", _text, "`tasks.task`: what it was trained for and judged by.", True),
            Column("config", _text, "`configs.config`: the settings it was trained with.", True),
            Column("learner", _text, "Name of the learner, e.g. `maml`.", True),
            Column("trained_on", _texts, "The groups of classes it was trained on."),
            Column("metric", _text, "`metrics.metric`: of `value`.", True),
            Column("value", _number, "How good it was on `task`, in the metric's own direction."),
            Column("half_width", _number, "Half the width of the 95 % interval of `value`."),
            Column("steps", _int, "Steps it was trained."),
            Column("cost_s", _number, "Seconds that the training took."),
            Column("about", _text, "JSON: all that is needed to build it again.", True),
            Column("size_bytes", _int, "Size of the weights.", True),
            _load(),
        ),
        since=3,
    ),
    Table(
        "loads",
        "Every filling of the store: where it came from, what it brought, what was turned away.",
        key="load",
        identity=("load",),
        content=(),
        columns=(
            Column("load", _text, "Id: hash of the source and the content of what it read.", True),
            Column("source", _text, "Name of the source.", True),
            Column("path", _text, "What was read."),
            Column("file_hash", _text, "SHA-256 of the content that was read."),
            Column("licence", _text, "Licence of the content, where its source states one."),
            Column("citation", _text, "What to cite."),
            Column("status", _text, "started, complete or forgotten.", True),
            Column("recorded_at", _time, "UTC time of this state.", True),
            Column("cursor", _text, "Where the source stood at the end."),
            Column(
                "n_read",
                _int,
                "Evaluations and meta-features read, and all other rows that were turned away: "
                "the sum of n_added, n_known and n_rejected.",
            ),
            Column("n_added", _int, "Evaluations and meta-features that it brought first."),
            Column("n_known", _int, "Evaluations and meta-features that were there already."),
            Column("n_rejected", _int, "Rows turned away, of any table."),
            Column("rejections", _text, "JSON: reason to {count, example}."),
            Column("metadb", _text, "Version of metadb that did it."),
        ),
    ),
    Table(
        "recommendations",
        "What was advised: at which store version and on which evaluations it rests.",
        key="recommendation",
        identity=("recommendation",),
        content=(),
        columns=(
            Column("recommendation", _text, "Id, random.", True),
            Column("recorded_at", _time, "UTC time.", True),
            Column(
                "task", _text, "For which task; a user's own file has a task id of its own.", True
            ),
            Column("space", _text, "In which space.", True),
            Column("metric", _text, "For which metric.", True),
            Column("recommender", _text, "By which recommender.", True),
            Column("rank", pa.int32(), "1 = try first.", True),
            Column("config", _text, "`configs.config`, or the MD5 it would have.", True),
            Column("hyperparameters", _text, "The configuration as canonical JSON.", True),
            Column(
                "expected_loss",
                _number,
                "Expected normalised regret on the task: 0 = as good as its best config, 1 = as "
                "bad as its worst (rows older than schema 2: what the recommender made of it).",
            ),
            Column(
                "expected_from",
                _number,
                "Where that regret lies with probability 0.8: from.",
                since=2,
            ),
            Column(
                "expected_to", _number, "Where that regret lies with probability 0.8: to.", since=2
            ),
            Column(
                "probability",
                _number,
                "How likely its regret is at most 0.01: within 1 % of the best.",
            ),
            Column("tasks", _texts, "The tasks it rests on, most important first."),
            Column(
                "weights",
                _numbers,
                "How much each of `tasks` counted, in their order; empty where all counted alike.",
                since=2,
            ),
            Column("evaluations", _texts, "The evaluations it rests on."),
            Column(
                "members",
                _text,
                "JSON: recommender to its share of trust, where several spoke.",
                since=2,
            ),
            Column(
                "note", _text, "What to know before trusting it, where there is anything.", since=2
            ),
            Column("store_version", _text, "JSON: table to Delta version."),
        ),
    ),
    Table(
        "sightings",
        "Rows that a load brought although they were there: their further provenance.",
        key="sighting",
        identity=("load", "key"),
        content=(),
        columns=(
            Column("sighting", _text, "Id: MD5 of load and key.", True),
            Column("load", _text, "The load that brought the row again.", True),
            Column("key", _text, "The row's id in its table.", True),
        ),
    ),
)

TABLES: dict[str, Table] = {table.name: table for table in _TABLES}

WRITE_ORDER = (
    "loads",
    "datasets",
    "flows",
    "spaces",
    "metrics",
    "tasks",
    "configs",
    "metafeatures",
    "evaluations",
    "models",
    "sightings",
    "recommendations",
)
"""What is referred to is written before what refers to it; readers fix versions the other way."""
