"""The HTTP application: which doors there are, and what stands before them."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from fastapi import FastAPI, Request, Response
from threadpoolctl import threadpool_limits

from api.guarded_process import Limits
from api.server.access import Access
from api.server.advising import advice
from api.server.answers import Answer
from api.server.buckets import Buckets, Limited
from api.server.fits import Fits
from api.server.generations import Generations
from api.server.headers import Headers
from api.server.lists import lists
from api.server.metrics import Counted, metrics
from api.server.problems import RESPONSES, Translated, handle_problems, problem
from api.server.readers import Readers
from api.server.recording import records
from api.server.settings import Settings
from api.server.statements import statements
from api.server.writer import Writer
from api.web.findings import Findings
from api.web.overview import facts_now
from api.web.pages import pages
from api.web.problems import Shown
from metadb import __version__
from metadb.store import Store


def create_app(settings: Settings) -> FastAPI:
    """The application for one store.

    A request passes the headers, the rate limit, the check of name and token, then its route.

    Raises:
        NotAStore: The folder holds no store.
    """
    Store(settings.store, create=False).close()
    app = FastAPI(
        title="metadb",
        version=__version__,
        description="What every tuning run learnt, listed, recommended and recorded over HTTP.",
        lifespan=_living,
        docs_url=None,  # its page loads scripts from a foreign server
        redoc_url=None,
        telemetry={"tracing": False, "metrics": False, "logs": False},  # /metrics tells
        responses=RESPONSES,
    )
    app.state.settings = settings
    app.state.tasks = {}
    app.state.readers = Readers(settings.store, n=settings.readers, wait_s=settings.wait_s)
    app.state.fits = Fits(settings.store, ahead=settings.ahead, wait_s=settings.wait_s)
    app.state.generations = Generations(
        settings.store,
        limits=Limits(seconds=settings.sql_s, rows=settings.sql_rows),
        processes=settings.sql_processes,
        wait_s=settings.wait_s,
    )
    app.state.findings = Findings(settings.store)
    app.state.studies = Findings(settings.store)  # which take minutes, so they wait apart
    handle_problems(app, str(settings.store))
    # The last one added is the first that a request passes.
    app.add_middleware(Access, settings=settings)
    app.add_middleware(Limited, buckets=Buckets(settings.rate, settings.burst))
    app.add_middleware(Translated)
    app.add_middleware(Shown)
    app.add_middleware(Headers)
    if settings.metrics:
        from prometheus_client import CollectorRegistry

        registry = CollectorRegistry()
        app.add_middleware(Counted, registry=registry)
        app.get("/metrics", tags=["state"], response_class=Response)(metrics(registry))
    app.get("/health", tags=["state"])(health)
    app.get("/ready", tags=["state"])(ready)
    app.include_router(advice(settings))  # what is asked most often is found first
    app.include_router(statements(settings))
    app.include_router(lists())
    app.include_router(records(settings))
    app.include_router(pages(settings))
    return app


@asynccontextmanager
async def _living(app: FastAPI) -> AsyncIterator[None]:
    state = app.state
    state.writer = Writer(state.settings.store)
    with threadpool_limits(limits=1):  # requests run side by side already
        state.fits.start()
        facts_now(state, None, wait_s=0)  # for the first reader
        try:
            yield
        finally:
            state.fits.close()
            state.findings.close()
            state.studies.close()
            state.generations.close()
            state.writer.close()
            state.readers.close()


async def health() -> dict[str, str]:
    """Say that the server lives."""
    return {"status": "ok"}


def ready(request: Request) -> Answer:
    """Say whether recommenders are fitted and the store answers, so that nobody has to wait."""
    if not request.app.state.fits.ready:
        return problem(503, "recommenders are being fitted", headers={"retry-after": "1"})
    with request.app.state.readers.lent() as store:
        version = store.version
    return Answer({"status": "ready", "version": version})
