"""The routes that advise: for a task, for a data file, and why."""

from __future__ import annotations

import shutil
from collections.abc import Sequence
from pathlib import Path
from tempfile import TemporaryDirectory
from threading import BoundedSemaphore
from typing import Annotated, Any

from fastapi import APIRouter, File, Form, Request, UploadFile
from fastapi import Path as InPath
from fastapi.concurrency import run_in_threadpool

from api.describing import Described, describe_file, shared_groups
from api.explaining import explained, found
from api.learnt import Learnt
from api.server.access import check_token
from api.server.answers import Answer
from api.server.fits import SHORT, Wanted
from api.server.settings import Settings
from api.server.wire import Advised, AdvisedOnFile, Asked, TaskModel, Text, recommended
from metadb.errors import Busy, MalformedFile, MetadbError, NotFound
from metadb.history import Configs
from metadb.records import Evaluation, Recommendation, Task

SUFFIXES = (".csv", ".tsv", ".parquet", ".arrow", ".json", ".jsonl", ".arff")
"""How the name of a data file may end, which says what it is."""

DESCRIBE_S = 20.0
"""Seconds that describing a data file may take."""

_describing = BoundedSemaphore(1)


async def advise(request: Request, asked: Asked) -> Answer:
    """Say which configurations to try next for a task.

    Nothing is written and no token is needed, unless the answer is to be kept. A task's own results
    in the store are left out, as by `metadb recommend`.
    """
    state = request.app.state
    if asked.keep:
        check_token(request, state.settings)
    said = at_once(state, asked)
    return said if said is not None else await run_in_threadpool(in_time, state, asked)


def at_once(state: Any, asked: Asked) -> Answer | None:
    """The answer, where all is at hand and it is short; else None."""
    if asked.keep or asked.observed or asked.candidates is not None or asked.k > SHORT:
        return None
    task = asked.task.task() if isinstance(asked.task, TaskModel) else state.tasks.get(asked.task)
    learnt = None if task is None else state.fits.at_hand(wanted(asked), task.id)
    if learnt is None or learnt.busy or not learnt.quick:
        return None
    return Answer(advised(state, asked, task, learnt))


def in_time(state: Any, asked: Asked) -> Answer:
    """The answer, when the recommender is fitted."""
    told = asked.task
    task = told.task() if isinstance(told, TaskModel) else known_task(state, told)
    return Answer(advised(state, asked, task, state.fits.of(wanted(asked), task.id)))


def advise_on_file(
    request: Request,
    file: Annotated[UploadFile, File(description="CSV, Parquet, Arrow, JSON or ARFF")],
    space: Annotated[Text, Form()],
    target: Annotated[Text | None, Form(description="Default: the last column.")] = None,
    metric: Annotated[Text | None, Form()] = None,
    recommender: Annotated[Text, Form()] = "auto",
    k: Annotated[int, Form(ge=1, le=1000)] = 10,
    seed: Annotated[int, Form(ge=0, lt=2**31)] = 0,
) -> Answer:
    """Say which configurations to try first on a data file, by its meta-features.

    The file is described and let go of; nothing of it is kept.
    """
    state = request.app.state
    task = described(state, file, space=space, target=target).task
    asked = Asked(space=space, metric=metric, recommender=recommender, k=k, seed=seed)
    learnt = state.fits.of(wanted(asked), task.id)
    said = advised(state, asked, task, learnt)
    return Answer(said | {"metafeatures": dict(task.metafeatures)})


def explain(
    request: Request,
    recommendation: Annotated[str, InPath(pattern="^[0-9a-fA-F]{4,32}$")],
) -> Answer:
    """Say why a kept recommendation was made, from the store as it was then."""
    with request.app.state.readers.lent() as store:
        try:
            id_ = found(store, recommendation)
        except NotFound:
            raise NotFound("no recommendation, or more than one, has an id like this") from None
        return Answer(explained(store, id_).as_dict())


def advice(settings: Settings) -> APIRouter:
    """The routes that advise."""
    router = APIRouter(tags=["advice"], max_body_size=settings.body_bytes)
    router.post("/recommendations", response_model=Advised)(advise)
    router.post(
        "/recommendations/file", response_model=AdvisedOnFile, max_body_size=settings.upload_bytes
    )(advise_on_file)
    router.get("/explain/{recommendation}", response_model=dict[str, Any])(explain)
    return router


def wanted(asked: Asked) -> Wanted:
    """Which recommender a question is for."""
    return Wanted(asked.space, asked.metric, asked.recommender, asked.seed)


def advised(state: Any, asked: Asked, task: Task, learnt: Learnt) -> dict[str, Any]:
    """The answer to a question about a task, as `Advised` has it."""
    observed: Sequence[Evaluation] = [
        o.evaluation(learnt.metric, nth) for nth, o in enumerate(asked.observed, 1)
    ]
    candidates = None
    if asked.candidates is not None:
        candidates = Configs.of(asked.space, [dict(c) for c in asked.candidates])
    chosen, cautions = learnt.ask(task, asked.k, observed=observed, candidates=candidates)
    ids = _kept(state, asked, task, learnt, chosen) if asked.keep else []
    return {
        "task": task.id,
        "space": asked.space,
        "metric": learnt.metric.name,
        "recommender": asked.recommender,
        "learnt_from": learnt.about,
        "own_evaluations_left_out": learnt.left_out,
        "cautions": cautions,
        "recommendations": recommended(chosen, ids),
    }


def _kept(
    state: Any, asked: Asked, task: Task, learnt: Learnt, chosen: list[Recommendation]
) -> list[str]:
    with state.writer.store() as store:
        kept: list[str] = store.record_recommendations(
            task,
            chosen,
            space=asked.space,
            metric=learnt.metric.name,
            recommender=asked.recommender,
            version=learnt.version,
        )
    return kept


def known_task(state: Any, id: str) -> Task:
    """A task of the store, read once for as long as the server remembers it.

    Raises:
        NotFound: The store has no such task.
    """
    known: dict[str, Task] = state.tasks
    if id not in known:
        with state.readers.lent() as store:
            task = store.task(id)
        if len(known) >= 10_000:
            known.clear()
        known[id] = task
    return known[id]


def described(state: Any, file: UploadFile, *, space: str, target: str | None) -> Described:
    """A data file as a task, by what the store's tasks are described by; one file at a time.

    Raises:
        NotFound: No such space or target.
        Busy: Others are being described.
        MalformedFile: It is not what its name says.
    """
    with state.readers.lent() as store:
        store.main_metric(space)  # no such space is said before the file is read
        groups = shared_groups(store)
    suffix = Path(file.filename or "").suffix.lower()
    if suffix not in SUFFIXES:
        raise MalformedFile(f"name the file after what it is, with one of {', '.join(SUFFIXES)}")
    if not _describing.acquire(timeout=DESCRIBE_S):
        raise Busy("other data files are being described; ask again in a moment")
    try:
        with TemporaryDirectory(prefix="metadb-upload-") as folder:
            path = Path(folder) / f"upload{suffix}"
            with path.open("wb") as copy:
                shutil.copyfileobj(file.file, copy)
            try:
                return describe_file(path, target=target, groups=groups, time_limit_s=DESCRIBE_S)
            except MetadbError as error:
                raise type(error)(str(error).replace(f"{folder}/", "")) from None
    finally:
        _describing.release()
