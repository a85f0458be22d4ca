"""The page that recommends: for a data file, a task of the store, or typed meta-features."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from math import isfinite
from pathlib import Path
from typing import Annotated, Any, Literal

from fastapi import File, Form, Query, Request, Response, UploadFile

from api.metafeature_chart import TITLES, chart
from api.server.advising import SUFFIXES, advised, described, known_task, wanted
from api.server.wire import Asked, Text
from api.web import charts
from api.web.overview import facts_now
from api.web.rendering import page
from api.web.snippets import snippets
from api.web.tasks import described as listed
from metadb.errors import MalformedFile, NotFound, WrongUsage
from metadb.identity import canonical_config, config_ids
from metadb.records import Task
from metadb.store import Store
from recommenders import RECOMMENDERS

By = Literal["file", "task", "numbers"]

TYPED = ("nr_inst", "nr_attr", "nr_class", "nr_num", "nr_cat", "pct_missing")
"""The meta-features that can be typed."""

KINDS = ("classification", "regression")

EVIDENCE = 5
"""So many of the tasks behind a recommendation are named."""

NAMED = 500
"""So many tasks are offered by name."""

_REACHED = """
select config, task, value, rank, n_configs from regrets
where space = $space and metric = $metric
    and task in (select unnest($tasks::varchar[]))
    and config in (select unnest($configs::varchar[]))
"""


def ask(
    request: Request,
    by: Annotated[By, Query()] = "file",
    task: Annotated[Text | None, Query()] = None,
    space: Annotated[Text | None, Query()] = None,
) -> Response:
    """The form."""
    state = request.app.state
    with state.readers.lent() as store:
        version = store.version
        tasks = (
            list(store.sql("select task, name from tasks order by task limit ?", [NAMED]))
            if by == "task"
            else []
        )
    facts = facts_now(state, version)
    if facts is None:
        return page(request, "waiting.html", title="Recommend", what="which spaces there are")
    spaces = [each for each in facts["spaces"] if each["n_evaluations"]]
    return page(
        request,
        "recommend.html",
        by=by,
        task=task,
        space=space,
        spaces=spaces,
        tasks=tasks,
        recommenders=list(RECOMMENDERS),
        typed=[(name, TITLES[name]) for name in TYPED],
        kinds=KINDS,
        suffixes=SUFFIXES,
        most_bytes=state.settings.upload_bytes,
    )


def answer(
    request: Request,
    by: Annotated[By, Form()],
    space: Annotated[str, Form(max_length=500)] = "",
    recommender: Annotated[Text, Form()] = "auto",
    k: Annotated[str, Form(max_length=10)] = "5",
    file: Annotated[UploadFile | None, File()] = None,
    target: Annotated[str, Form(max_length=500)] = "",
    task: Annotated[str, Form(max_length=500)] = "",
    kind: Annotated[Literal["classification", "regression"], Form()] = "classification",
    nr_inst: Annotated[str, Form(max_length=50)] = "",
    nr_attr: Annotated[str, Form(max_length=50)] = "",
    nr_class: Annotated[str, Form(max_length=50)] = "",
    nr_num: Annotated[str, Form(max_length=50)] = "",
    nr_cat: Annotated[str, Form(max_length=50)] = "",
    pct_missing: Annotated[str, Form(max_length=50)] = "",
) -> Response:
    """The recommendation, with what it rests on."""
    state = request.app.state
    if not space:
        raise WrongUsage("no space was chosen; choose whose configurations are to be recommended")
    given = dict(zip(TYPED, (nr_inst, nr_attr, nr_class, nr_num, nr_cat, pct_missing), strict=True))
    notes: list[str] = []
    if by == "file":
        found, notes = _of_file(state, file, space=space, target=target)
    elif by == "task":
        found = known_task(state, task) if task else _missing("no task was chosen; choose one")
    else:
        found = Task("local:typed", kind=kind, metafeatures=numbers(given), name="what you typed")
    asked = Asked(space=space, recommender=recommender, k=_whole(k))
    said = advised(state, asked, found, state.fits.of(wanted(asked), found.id))
    advice = said["recommendations"]
    with state.readers.lent() as store:
        metric = store.metric(said["metric"])
        evidence = evidence_of(store, said)
        try:
            lies = chart(store, found)
        except NotFound:  # none of its meta-features is known of the stored tasks
            lies = None
    return page(
        request,
        "advice.html",
        by=by,
        task=found,
        notes=notes,
        said=said,
        advice=advice,
        metric=metric,
        evidence=evidence,
        expected=charts.expected(advice) if any(r["interval"] for r in advice) else None,
        snippets=snippets([r["config"] for r in advice], metric),
        lies=lies,
        known=listed(found),
    )


def evidence_of(store: Store, said: Mapping[str, Any]) -> list[list[dict[str, Any]]]:
    """For each recommendation the tasks that speak most, and what its config reached there."""
    advice = said["recommendations"]
    ids = config_ids(said["space"], [canonical_config(r["config"]) for r in advice])
    speak = [_heaviest(r["because"]) for r in advice]
    tasks = sorted({task for each in speak for task, _ in each})
    bound = {"space": said["space"], "metric": said["metric"], "tasks": tasks, "configs": list(ids)}
    reached = {(row["config"], row["task"]): row for row in store.sql(_REACHED, bound)}
    return [
        [
            {"task": task, "share": share, **{name: reached.get((config, task), {}).get(name)
             for name in ("value", "rank", "n_configs")}}
            for task, share in each
        ]
        for config, each in zip(ids, speak, strict=True)
    ]  # fmt: skip


def numbers(given: Mapping[str, str]) -> dict[str, float]:
    """Typed meta-features; what was left empty is unknown.

    Raises:
        WrongUsage: One is no number, or all were left empty.
    """
    found = {}
    for name, text in given.items():
        if text.strip():
            try:
                found[name] = float(text)
            except ValueError:
                found[name] = float("nan")
            if not isfinite(found[name]) or found[name] < 0:
                raise WrongUsage(f"{TITLES[name]}: {text!r} is no number from 0 on; type one")
    if not found:
        raise WrongUsage("nothing was typed; say at least how many instances the data has")
    return found


def _of_file(
    state: Any, file: UploadFile | None, *, space: str, target: str
) -> tuple[Task, list[str]]:
    if file is None or not file.filename:
        raise MalformedFile("no file was chosen; choose a CSV, Parquet, Arrow, JSON or ARFF file")
    said = described(state, file, space=space, target=target.strip() or None)
    name = Path(file.filename).name[:100]
    read_as = said.read_as.partition(": ")[2]
    return replace(said.task, name=name), [f"Read as {read_as}.", *said.found.notes]


def _heaviest(because: Mapping[str, Any]) -> list[tuple[str, float | None]]:
    """The tasks that weigh most, each with its share of the whole weight."""
    tasks, weights = because["tasks"], because["weights"]
    if len(weights) != len(tasks):
        return [(task, None) for task in tasks[:EVIDENCE]]
    total = sum(weights) or 1.0
    ordered = sorted(zip(tasks, weights, strict=True), key=lambda each: -each[1])
    return [(task, weight / total) for task, weight in ordered[:EVIDENCE]]


def _whole(text: str) -> int:
    if not text.isdecimal() or not 1 <= int(text) <= 100:
        raise WrongUsage(f"how many: {text!r} is no whole number from 1 to 100; type one")
    return int(text)


def _missing(said: str) -> Task:
    raise WrongUsage(said)
