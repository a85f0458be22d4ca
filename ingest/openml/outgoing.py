"""The user's own evaluations put together as OpenML runs: what would be sent, before anything is.

A run is one configuration on one task under one seed, with the scores of its folds. OpenML's schema
bounds what can be said: names of letters, digits and `_-.,():`, values of 2,048 ASCII characters.
What cannot be said is left out, counted and named.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from hashlib import sha256
from typing import TYPE_CHECKING, Any

from ingest.openml.measures import MEASURES
from metadb.identity import parse_config, row_id

if TYPE_CHECKING:
    from metadb.store import Store

SOURCE = "publish-runs"
"""Under this name the store remembers what was sent, in `loads`."""
SEED = "random_state"

_NAME = re.compile(r"[a-zA-Z0-9_\-.,():]{1,128}")
_THEIRS: dict[str, tuple[str, float, float]] = {
    "accuracy": ("predictive_accuracy", 1.0, 0.0),
    "error_rate": ("predictive_accuracy", -1.0, 1.0),
    "roc_auc": ("area_under_roc_curve", 1.0, 0.0),
    "f1": ("f_measure", 1.0, 0.0),
    "precision": ("precision", 1.0, 0.0),
    "recall": ("recall", 1.0, 0.0),
    "balanced_accuracy": ("unweighted_recall", 1.0, 0.0),
    "kappa": ("kappa", 1.0, 0.0),
    "mae": ("mean_absolute_error", 1.0, 0.0),
    "rmse": ("root_mean_squared_error", 1.0, 0.0),
    "fit_s": ("wall_clock_time_millis_training", 1000.0, 0.0),
    "predict_s": ("wall_clock_time_millis_testing", 1000.0, 0.0),
    "runtime_s": ("wall_clock_time_millis", 1000.0, 0.0),
} | {name: (name, 1.0, 0.0) for name in MEASURES}
"""Our metric to OpenML's measure, a factor and a summand."""

_OWN = """
select e.evaluation, e.task, e.config, e.metric, e.value, e.status, e.fold, e.repeat, e.seed,
    e.budget, e.budget_unit, c.space, c.native, c.hyperparameters,
    row_number() over (
        partition by e.task, e.config, e.seed, e.metric, e.fold, e.repeat, e.budget, e.budget_unit
        order by e.run, e.evaluation
    ) as nth
from evaluations e join configs c on c.config = e.config
where e.origin = $origin and starts_with(e.task, $tasks)
    and ($space is null or c.space = $space)
    and ($task is null or e.task = $task)
    and e.evaluation not in (
        select s.key from sightings s join loads l on l.load = s.load
        where l.source = $source and l.status = 'complete' and starts_with(l.path, $server)
    )
order by e.task, e.config, e.seed, nth, e.repeat, e.fold, e.metric
"""


@dataclass(frozen=True, slots=True)
class Score:
    """One value of one of OpenML's measures; without repeat and fold it is of the whole run."""

    measure: str
    value: float
    repeat: int | None = None
    fold: int | None = None


@dataclass(frozen=True, slots=True)
class OwnRun:
    """What is to be one run at OpenML.

    Args:
        task: The task's number at the server.
        evaluations: The rows of the store that it is made of.
        error: What the run says of its failure, where it failed.
    """

    task: int
    config: str
    space: str
    hyperparameters: Mapping[str, Any]
    seed: int | None
    scores: tuple[Score, ...]
    evaluations: tuple[str, ...]
    error: str | None = None

    @property
    def file_name(self) -> str:
        """The name that a file of its predictions has: `TASK-CONFIG.arff`, with `-SEED`."""
        seed = "" if self.seed is None else f"-{self.seed}"
        return f"{self.task}-{self.config}{seed}.arff"

    def key(self, server: str) -> str:
        """What the run is known by, here and (as a tag) at the server: of what it is made of."""
        return f"metadb-{row_id(server, *sorted(self.evaluations))}"


@dataclass
class LeftOut:
    """What cannot be sent: reason to how many evaluations, and one of them."""

    counts: dict[str, int] = field(default_factory=dict)
    examples: dict[str, str] = field(default_factory=dict)

    def note(self, reason: str, n: int, example: str) -> None:
        """Count some evaluations under a reason."""
        self.counts[reason] = self.counts.get(reason, 0) + n
        self.examples.setdefault(reason, example)


def own_runs(
    store: Store,
    server: str,
    *,
    task_origin: str,
    origin: str = "local",
    space: str | None = None,
    task: str | None = None,
) -> tuple[list[OwnRun], LeftOut]:
    """The runs that were not sent to this server yet, and what cannot be sent.

    Args:
        task_origin: What the ids of the server's tasks begin with, e.g. `openml`.
        origin: Whose evaluations.
        space: Only configurations of this space.
        task: Only this task.
    """
    asked = {
        "origin": origin,
        "tasks": f"{task_origin}:task/",
        "space": space,
        "task": task,
        "source": SOURCE,
        "server": f"{server}/",
    }
    groups: dict[tuple[Any, ...], list[dict[str, Any]]] = {}
    left = LeftOut()
    for row in store.sql(_OWN, asked):
        reason = _unspeakable(row)
        if reason:
            left.note(reason, 1, str(row["evaluation"]))
        else:
            key = (row["task"], row["config"], row["seed"], row["nth"])
            groups.setdefault(key, []).append(dict(row))
    runs = []
    for rows in groups.values():
        config = parse_config(rows[0]["hyperparameters"])
        wrong = _inexpressible(config)
        if wrong:
            left.note(wrong, len(rows), f"config {rows[0]['config']}")
        else:
            runs.append(_run(rows, config))
    return runs, left


def _unspeakable(row: Mapping[str, Any]) -> str | None:
    """Why an evaluation cannot be part of a run."""
    number = str(row["task"]).rpartition("/")[2]
    if not (number.isascii() and number.isdigit()):
        return "the task is not one of the server's, which are numbers"
    if (row["budget"], row["budget_unit"]) != (1.0, "fraction"):
        return f"a budget of {row['budget_unit']}; a run at OpenML has the whole of its task"
    if row["metric"] not in _THEIRS:
        return f"OpenML has no measure for the metric {row['metric']}"
    if row["repeat"] is not None and row["fold"] is None:
        return "a mean over the folds of one repeat; give the folds, or the mean of all"
    if row["status"] == "censored":
        return "cut off before its end; a run at OpenML has ended"
    if row["native"] is not None:
        return "the configuration's hyperparameters are not known"
    return None


def _inexpressible(config: Mapping[str, Any]) -> str | None:
    """Why OpenML's schema does not take a configuration."""
    for name, value in config.items():
        if not _NAME.fullmatch(name):
            return f"the hyperparameter {name!r}: OpenML takes letters, digits and _-.,(): in names"
        text = text_of(value)
        if not text.isascii() or len(text) > 2048:
            return f"the value of {name!r}: OpenML takes at most 2,048 ASCII characters"
    return None


def text_of(value: Any) -> str:
    """A hyperparameter's value as the openml package writes it: JSON, and None as null."""
    return "null" if value == "None" else json.dumps(value, ensure_ascii=False)


def _run(rows: Sequence[Mapping[str, Any]], config: Mapping[str, Any]) -> OwnRun:
    first = rows[0]
    scores, wrong = [], []
    for row in rows:
        where: dict[str, int | None] = {"repeat": None, "fold": None}
        if row["fold"] is not None:
            where = {"repeat": row["repeat"] or 0, "fold": row["fold"]}
        if row["status"] == "ok":
            measure, factor, plus = _THEIRS[row["metric"]]
            scores.append(Score(measure, factor * row["value"] + plus, **where))
        else:
            fold = "" if row["fold"] is None else f" in fold {row['fold']}"
            wrong.append(f"{row['status']}{fold}")
    error = ", ".join(dict.fromkeys(wrong))[:128]
    return OwnRun(
        task=int(str(first["task"]).rpartition("/")[2]),
        config=first["config"],
        space=first["space"],
        hyperparameters=config,
        seed=first["seed"],
        scores=tuple({(s.measure, s.repeat, s.fold): s for s in scores}.values()),
        evaluations=tuple(row["evaluation"] for row in rows),
        error=error or None,
    )


# -- the flow of a space ------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class SpaceFlow:
    """A flow that stands for a search space: its name, and one parameter a hyperparameter.

    Its external version is a hash of the names, so that a space that has grown is a new version
    and one that has not is found again.
    """

    space: str
    names: tuple[str, ...]

    @property
    def name(self) -> str:
        """The flow's name at OpenML."""
        return "metadb." + re.sub(r"[^a-zA-Z0-9_\-.]", "_", self.space)[:1000]

    @property
    def external_version(self) -> str:
        """What tells it from other flows of the name."""
        digest = sha256(json.dumps([self.space, *self.names]).encode()).hexdigest()
        return f"metadb-space=={digest[:12]}"

    @property
    def description(self) -> str:
        """What the flow says of itself."""
        return (
            f"The search space {self.space!r} of a metadb store: a run is one of its "
            "configurations as its uploader's own code ran it. The code is not part of the flow. "
            "A hyperparameter that a run does not set was inactive."
        )


def space_flow(store: Store, space: str, runs: Iterable[OwnRun]) -> SpaceFlow:
    """The flow of a space: every hyperparameter that the store has seen in it."""
    query = """
    select distinct unnest(json_keys(hyperparameters)) as name from configs
    where space = ? and native is null
    """
    names = set(store.sql(query, [space]).column("name"))
    told = {name for run in runs for name in run.hyperparameters}
    return SpaceFlow(space, tuple(sorted(told | {n for n in names if _NAME.fullmatch(n)} | {SEED})))
