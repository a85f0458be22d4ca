"""The route that records an evaluation."""

from __future__ import annotations

from typing import TYPE_CHECKING

from fastapi import APIRouter, Depends, Request

from api.server.access import needs_token
from api.server.settings import Settings
from api.server.wire import MetricModel, Recorded, Run, TaskModel
from metadb.errors import InvalidSpace
from metadb.metrics import Metric

if TYPE_CHECKING:
    from ConfigSpace import ConfigurationSpace


def record(request: Request, told: Recorded) -> Run:
    """Remember one evaluation; it is safe when this returns, and in every list a moment later."""
    given = told.model_dump(exclude={"task", "space", "definition", "config", "metric"})
    task = told.task.task() if isinstance(told.task, TaskModel) else told.task
    metric = (
        Metric(**told.metric.model_dump()) if isinstance(told.metric, MetricModel) else told.metric
    )
    with request.app.state.writer.store() as store:
        run = store.record(task, told.config, space=_space(told), metric=metric, **given)
    return Run(run=run)


def records(settings: Settings) -> APIRouter:
    """The routes that write."""
    router = APIRouter(
        tags=["recording"],
        dependencies=[Depends(needs_token)],
        max_body_size=settings.body_bytes,
    )
    router.post("/evaluations", status_code=201, response_model=Run)(record)
    return router


def _space(told: Recorded) -> str | ConfigurationSpace:
    if told.definition is None:
        return told.space
    from metadb.space import from_json

    try:
        space = from_json(told.definition)
    except RecursionError:
        raise InvalidSpace("the definition is nested too deeply") from None
    if space.name != told.space:
        raise InvalidSpace(f"the definition is of space {space.name!r}, not {told.space!r}")
    return space
