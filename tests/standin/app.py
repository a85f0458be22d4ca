"""The stand-in as a FastAPI app: OpenML's REST v1 in XML and JSON, and the files behind it."""

from __future__ import annotations

import asyncio
import gzip
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

from fastapi import FastAPI, Request, Response

from tests.standin import arff, rendering, uploads
from tests.standin.entities import User
from tests.standin.listings import Listings
from tests.standin.refusals import MESSAGES, Refusal
from tests.standin.world import World


@dataclass
class Site:
    """One world with its listings, served under one address.

    Args:
        inline_setups: Whether `evaluation/setup/list` is there; some servers do not know it.
        evaluate_uploads: Whether an engine scores published predictions at once.
    """

    world: World
    page_limit: int = 1000
    latency_s: float = 0.0
    inline_setups: bool = True
    evaluate_uploads: bool = True
    listings: Listings = field(init=False)

    def __post_init__(self) -> None:
        self.listings = Listings(self.world, self.page_limit)

    def user(self, key: str | None, *, required: bool = False) -> User | None:
        """Whose key it is.

        Raises:
            Refusal: 103 where it is nobody's; 102 where there is none and one is needed.
        """
        if not key:
            if required:
                raise Refusal(102)
            return None
        for person in self.world.people:
            if person.api_key == key:
                return person
        raise Refusal(103)

    def get(self, path: Sequence[str], form: str, base: str) -> tuple[str, bool]:
        """The answer to a GET, and whether it is already in the form asked for."""
        lists = self.listings
        match path:
            case ["data", "list", *rest]:
                return lists.datasets(rest, form), True
            case ["task", "list", *rest]:
                return lists.tasks(rest, form), True
            case ["flow", "list", *rest]:
                return lists.flows(rest, form), True
            case ["evaluation", "list", *rest]:
                return lists.evaluations(rest, form), True
            case ["evaluation", "setup", "list", *rest] if self.inline_setups:
                return lists.evaluations(rest, form, inline=True), True
            case ["setup", "list", *rest]:
                return lists.setups(rest, form), True
            case ["run", "list", *rest]:
                return lists.runs(rest), False
            case ["study", "list", *rest]:
                return lists.studies(rest), False
            case ["user", "list", *rest]:
                return lists.users(rest), False
        return self._one(path, base), False

    def _one(self, path: Sequence[str], base: str) -> str:
        world = self.world
        match path:
            case ["evaluationmeasure", "list"]:
                return rendering.measures()
            case ["estimationprocedure", "list"]:
                return rendering.procedures()
            case ["tasktype", "list"]:
                return rendering.task_types()
            case ["data", "qualities", "list"]:
                return rendering.quality_names()
            case ["data", "features", one]:
                return rendering.features(_found(world.by_dataset.get, one, 271))
            case ["data", "qualities", one]:
                dataset = _found(world.by_dataset.get, one, 361)
                if not dataset.qualities:
                    raise Refusal(363)
                return rendering.qualities(dataset)
            case ["data", one] if one.isdigit():
                return rendering.dataset(world, _found(world.by_dataset.get, one, 111), base)
            case ["task", one] if one.isdigit():
                place = _found(world.by_task.get, one, 151)
                return rendering.task(world, world.task_list[place], base)
            case ["flow", "exists", name, version]:
                return uploads.flow_exists(world, name, version)
            case ["flow", one] if one.isdigit():
                return rendering.flow_element(_found(world.flow_book.by_id.get, one, 181))
            case ["setup", one] if one.isdigit():
                _found(world.setup_book.index.get, one, 281)
                return rendering.setup(world, int(one))
            case ["run", "trace", one] if one.isdigit():
                at = _found(world.at, one, 571)
                flow = world.flow_of(world.setup_book.ids[world.run_setup[at]])
                if flow.algorithm.search is None or int(one) in world.uploads:
                    raise Refusal(572)
                return rendering.trace(world, at)
            case ["run", one] if one.isdigit():
                return rendering.run(world, _found(world.at, one, 236), base)
            case ["study", one]:
                by = {s.alias: s for s in world.studies} | {str(s.id): s for s in world.studies}
                if one not in by:
                    raise Refusal(601)
                return rendering.study(world, by[one])
        raise Refusal(100)

    def file(self, file_id: int) -> bytes | None:
        """A file by its id."""
        for dataset in self.world.datasets:
            if dataset.file_id == file_id:
                return arff.data(dataset)
        run, k = divmod(file_id - 1_000_000, 10)
        at = self.world.at(run)
        if at is None:
            return None
        if run in self.world.uploads:
            files = self.world.uploads[run].files
            return files[sorted(files)[k]][1] if k < len(files) else None
        if k == 1:
            return arff.predictions(self.world, at)
        return rendering.run(self.world, at, "").encode() if k == 0 else None


def _found(get: Callable[[int], Any], text: str, code: int) -> Any:
    if not text.isdigit():
        raise Refusal(100)
    thing = get(int(text))
    if thing is None:
        raise Refusal(code)
    return thing


def answer(request: Request, body: str | bytes, media: str, status: int = 200) -> Response:
    """A response, packed where the client takes it."""
    content = body.encode() if isinstance(body, str) else body
    headers = {}
    if "gzip" in request.headers.get("accept-encoding", ""):
        content = gzip.compress(content, compresslevel=1, mtime=0)
        headers["content-encoding"] = "gzip"
    return Response(content, status, headers, media_type=media)


def make_app(site: Site) -> FastAPI:
    """The app of one site."""
    app = FastAPI(openapi_url=None)

    @app.api_route("/api/v1/{path:path}", methods=["GET", "POST", "DELETE"])
    async def api(path: str, request: Request) -> Response:
        if site.latency_s:
            await asyncio.sleep(site.latency_s)
        parts = [part for part in path.split("/") if part]
        form = parts.pop(0) if parts and parts[0] in ("xml", "json") else "xml"
        base = str(request.base_url).rstrip("/")
        media = "application/json" if form == "json" else "text/xml; charset=utf-8"
        try:
            if request.method == "GET":
                site.user(request.query_params.get("api_key"))
                body, ready = site.get(parts, form, base)
            else:
                body, ready = await uploads.handle(site, parts, request), False
        except Refusal as refusal:
            body = rendering.error(refusal.code, MESSAGES[refusal.code], refusal.more)
            body = rendering.as_json(body) if form == "json" else body
            return answer(request, body, media, 412)
        body = rendering.as_json(body) if form == "json" and not ready else body
        return answer(request, body, media)

    async def download(file_id: int, request: Request) -> Response:
        body = site.file(file_id)
        if body is None:
            return answer(request, "<html><body>404 Not Found</body></html>", "text/html", 404)
        return answer(request, body, "text/plain; charset=utf-8")

    for path in ("/data/download/{file_id}/{name}", "/data/download/{file_id}"):
        app.get(path)(download)
        app.get(path.replace("/data/", "/data/v1/"))(download)

    @app.get("/api_splits/get/{task_id}/{name}")
    async def splits(task_id: int, name: str, request: Request) -> Response:
        place = site.world.by_task.get(task_id)
        if place is None:
            return answer(request, "<html><body>404 Not Found</body></html>", "text/html", 404)
        body = arff.splits(site.world, site.world.task_list[place])
        return answer(request, body, "text/plain; charset=utf-8")

    @app.get("/{path:path}")
    async def page(path: str, request: Request) -> Response:
        body = (
            "<!DOCTYPE html>\n<html><head><title>stand-in</title></head><body>no API</body></html>"
        )
        return answer(request, body, "text/html", 200 if not path else 404)

    return app
