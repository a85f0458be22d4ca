"""What the sources of tuners do alike: the trials of one study become rows of the store."""

from __future__ import annotations

import json
import math
import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any, Protocol

import pyarrow as pa
import pyarrow.compute as pc

from ingest.building import chunks, mapped, metric_rows, rows
from ingest.study_metric import Scale, kind_of, scales
from metadb.admission import ID
from metadb.declared import Declared, checked
from metadb.errors import NotFound, WrongUsage
from metadb.identity import canonical_config, config_ids
from metadb.records import Rows

if TYPE_CHECKING:
    from pathlib import Path

    from ConfigSpace import ConfigurationSpace

POINTS = pa.schema(
    [
        ("trial", pa.int64()),
        ("metric", pa.string()),
        ("value", pa.float64()),
        ("status", pa.string()),
        ("budget", pa.float64()),
        ("budget_unit", pa.string()),
        ("cost_s", pa.float64()),
        ("fold", pa.int32()),
        ("seed", pa.int64()),
        ("instance", pa.string()),
    ]
)
"""What was measured: `trial` counts from 0; `metric` is the tuner's word for it."""

OWN = "the user's own results"
"""The licence of a study that nobody published."""

_DEFAULTS = {"status": "ok", "budget": 1.0, "budget_unit": "fraction"}
_PLACE = ("trial", "metric", "budget", "budget_unit", "fold", "seed", "instance")


class Asked(Protocol):
    """The options that every source of a tuner takes; None where not given."""

    @property
    def task(self) -> str | None:
        """Id of the task the studies were run on."""

    @property
    def metric(self) -> str | None:
        """Metrics to keep, `theirs` or `theirs=ours`, by comma; or the objective's true name."""

    @property
    def space(self) -> str | None:
        """Name of the space; default `tuner:study`, as of the task."""

    @property
    def study(self) -> str | None:
        """The one study of several to read."""

    @property
    def minimize(self) -> bool | None:
        """Direction of metrics of which neither the file nor the name tells it."""


@dataclass(frozen=True, slots=True)
class Study:
    """What a tuner left behind of one search.

    Args:
        tuner: The origin.
        name: The tuner's name of the study.
        configs: The hyperparameters of each trial; inactive ones absent.
        runs: An id of each trial, unique at the tuner.
        points: What was measured, with the columns of `POINTS`; see `points`.
        objectives: Metric to whether lower is better; None where the tuner does not say.
        anonymous: Whether the objectives have no names of their own.
        declared: The space as the tuner has it.
        rejected: Reason to count of what could not be read.
    """

    tuner: str
    name: str
    configs: Sequence[Mapping[str, Any]]
    runs: Sequence[str]
    points: pa.Table
    objectives: Mapping[str, bool | None]
    anonymous: bool = False
    declared: Declared | ConfigurationSpace | None = None
    rejected: Mapping[str, int] = field(default_factory=dict)


def points(**columns: Any) -> pa.Table:
    """A table of `POINTS`; a plain value is repeated, what is left out is unknown or the default.

    Args:
        columns: Arrays or lists of one length, `trial` among them.
    """
    n = len(columns["trial"])
    arrays = []
    for entry in POINTS:
        given = columns.get(entry.name, _DEFAULTS.get(entry.name))
        if given is None or isinstance(given, str | float | int):
            arrays.append(pa.repeat(pa.scalar(given, entry.type), n))
        elif isinstance(given, pa.Array | pa.ChunkedArray):
            arrays.append(given.cast(entry.type))
        else:
            arrays.append(pa.array(given, entry.type))
    return pa.table(arrays, schema=POINTS)


def joined(parts: Iterable[pa.Table]) -> pa.Table:
    """Several tables of points as one."""
    return pa.concat_tables([points(trial=[]), *parts])


def as_budgets(
    steps: pa.Array | pa.ChunkedArray, trial: pa.Array | pa.ChunkedArray
) -> pa.Array | pa.ChunkedArray:
    """Steps as budgets: counted from 1, also where a trial counts from 0.

    A trial decides of its own steps only: those of a study that has grown stay what they were.
    """
    told = pa.table({"trial": trial, "step": steps}).group_by("trial").aggregate([("step", "min")])
    from_0 = told["trial"].filter(pc.equal(told["step_min"], 0)).combine_chunks()
    return pc.add(steps, pc.cast(pc.is_in(trial, from_0), steps.type))


def wanted(names: Sequence[str], asked: Asked, where: object) -> list[str]:
    """The names of the studies to read: all, or the one that is asked for.

    Raises:
        NotFound: There is none, or none of that name.
        WrongUsage: There are several, and one task is given for all.
    """
    if asked.study is None:
        if not names:
            raise NotFound(f"{where} holds no study; looked for one with trials")
        if asked.task is not None and len(names) > 1:
            raise WrongUsage(
                f"{where} holds the studies {', '.join(names[:9])}, and all would be of the task "
                f"{asked.task}; say which with --study"
            )
        return list(names)
    if asked.study not in names:
        there = ", ".join(names[:30]) or "none"
        raise NotFound(f"{where} holds no study {asked.study!r}; there are {there}")
    return [asked.study]


def of_the_study(
    found: Sequence[Path], name: Callable[[Path], str], asked: Asked, where: object
) -> list[Path]:
    """Of files or folders of one study each, those of the study that is asked for, else all.

    Raises:
        NotFound: There is none of that name.
    """
    if asked.study is None:
        return list(found)
    names = [name(path) for path in found]
    (one,) = wanted(list(dict.fromkeys(names)), asked, where)
    return [path for path, its in zip(found, names, strict=True) if its == one]


def study_rows(study: Study, asked: Asked) -> Iterator[Rows]:
    """The rows of one study: task, space, metrics, configs and evaluations.

    Its memory is that of the study's points, about 200 bytes each.

    Raises:
        NotFound: A metric that is asked for is not there.
        WrongUsage: An option contradicts what the study says.
    """
    task = _task(study, asked)
    space = asked.space or f"{study.tuner}:{study.name}"  # tuners call their studies alike
    found, unknown = scales(study.name, study.objectives, study.anonymous, asked)
    rejected = dict(study.rejected)
    kept = study.points.filter(pc.is_in(study.points["metric"], pa.array(list(found), pa.string())))
    for name, reason in unknown.items():
        n = pc.sum(pc.equal(study.points["metric"], name)).as_py() or 0
        rejected[reason] = rejected.get(reason, 0) + n
    measured = _in_our_terms(_last(kept), found)
    configs = [tidy(config) for config in study.configs]
    definition, whole = _declared(study, space, configs, measured)
    measured, n_partial = _without(measured, whole)
    if n_partial:
        rejected["a trial that failed before it had all of its hyperparameters"] = n_partial
    if measured.num_rows:
        tables = _tables(study, task, space, configs, measured, found)
        pieces = chunks(definition | tables)
    else:
        pieces = iter([Rows({})])
    for nth, piece in enumerate(pieces):
        yield replace(piece, rejected=rejected) if nth == 0 else piece


def tidy(config: Mapping[str, Any]) -> dict[str, Any]:
    """A config of plain values: nested names joined by `/`, other values as JSON texts."""
    plain: dict[str, Any] = {}
    for name, value in config.items():
        if isinstance(value, Mapping) and value:
            plain |= {f"{name}/{inner}": v for inner, v in tidy(value).items()}
        else:
            plain[str(name)] = plain_value(value)
    return plain


def plain_value(value: Any) -> Any:
    """One value as the store keeps it: a list becomes its JSON text, infinity the text `inf`."""
    if isinstance(value, float) and not math.isfinite(value):
        return str(value)
    if value is None or isinstance(value, bool | int | float | str):
        return value
    return json.dumps(value, ensure_ascii=False, sort_keys=True, default=str)


def _task(study: Study, asked: Asked) -> str:
    task = asked.task or f"{study.tuner}:{study.name}"
    if not re.match(ID.pattern, task):
        raise WrongUsage(
            f"{task!r} is no id of a task; an id is origin:name, for example --task mine:churn"
        )
    return task


def _last(found: pa.Table) -> pa.Table:
    """Of what was measured twice at one place (a trial that started anew), the last."""
    placed = found.append_column("place", pa.array(range(found.num_rows), pa.int64()))
    last = placed.group_by(list(_PLACE)).aggregate([("place", "max")])["place_max"]
    return found.take(last.take(pc.sort_indices(last)))


def _in_our_terms(found: pa.Table, known: Mapping[str, Scale]) -> pa.Table:
    """Values in their metric's own direction; a score that is no number is a failure."""
    sign = mapped(found["metric"], lambda name: known[name].sign, pa.float64())
    value = pc.multiply(found["value"], sign)
    finite = pc.fill_null(pc.is_finite(value), False)
    broken = pc.and_(pc.equal(found["status"], "ok"), pc.invert(finite))
    value = pc.if_else(finite, value, pa.scalar(None, pa.float64()))
    cost = found["cost_s"]
    usable = pc.and_(pc.is_finite(cost), pc.greater_equal(cost, 0.0))
    cost = pc.if_else(pc.fill_null(usable, False), cost, pa.scalar(None, pa.float64()))
    for name, column in (
        ("metric", mapped(found["metric"], lambda name: known[name].metric.name)),
        ("value", value),
        ("status", pc.if_else(broken, "failed", found["status"])),
        ("cost_s", cost),
    ):
        found = found.set_column(found.schema.get_field_index(name), name, column)
    return found


def _declared(
    study: Study, space: str, configs: Sequence[dict[str, Any]], measured: pa.Table
) -> tuple[dict[str, pa.Table], list[bool]]:
    """The row of `spaces`, where the tuner's space explains its trials, and which trials fit."""
    ok = set(measured.filter(pc.equal(measured["status"], "ok"))["trial"].to_pylist())
    if study.declared is None:
        return {}, [True] * len(configs)
    found, whole = checked(space, study.declared, configs, [i in ok for i in range(len(configs))])
    if found is None:
        return {}, whole
    from metadb.space import space_id, to_json

    definition = rows("spaces", space=[space_id(found)], name=space, definition=to_json(found))
    return {"spaces": definition}, whole


def _without(measured: pa.Table, whole: Sequence[bool]) -> tuple[pa.Table, int]:
    """The points of whole trials, and how many the others had."""
    flags = pa.array(whole, pa.bool_()).take(measured["trial"].combine_chunks())
    return measured.filter(flags), measured.num_rows - (pc.sum(flags).as_py() or 0)


def _tables(
    study: Study,
    task: str,
    space: str,
    configs: Sequence[dict[str, Any]],
    measured: pa.Table,
    found: Mapping[str, Scale],
) -> dict[str, pa.Table]:
    used = set(measured["trial"].unique().to_pylist())
    texts = [canonical_config(c) if i in used else "{}" for i, c in enumerate(configs)]
    ids = pa.array(config_ids(space, texts), pa.string())
    distinct = {ids[i].as_py(): texts[i] for i in sorted(used)}
    trial = measured["trial"].combine_chunks()
    tasks = mapped(measured["instance"], lambda one: task if one is None else f"{task}/{one}")
    metrics = [scale.metric for scale in found.values()]
    return {
        "tasks": rows("tasks", task=tasks.unique(), kind=kind_of(metrics)),
        "metrics": metric_rows({metric.name: metric for metric in metrics}.values()),
        "configs": rows(
            "configs", config=list(distinct), space=space, hyperparameters=list(distinct.values())
        ),
        "evaluations": rows(
            "evaluations",
            task=tasks,
            config=ids.take(trial),
            origin=study.tuner,
            run=pa.array(study.runs, pa.string()).take(trial),
            **{name: measured[name] for name in POINTS.names if name not in ("trial", "instance")},
        ),
    }
