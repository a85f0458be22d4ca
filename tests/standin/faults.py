"""Faults on demand: what networks, busy servers and strangers do to an answer."""

from __future__ import annotations

import asyncio
import email.utils
import gzip
import itertools
import json
import re
import time
import zlib
from collections.abc import Awaitable, Callable, MutableMapping
from dataclasses import dataclass, field
from typing import Any

from tests.standin import rendering
from tests.standin.listings import Listings
from tests.standin.refusals import MESSAGES

Message = MutableMapping[str, Any]
Send = Callable[[Message], Awaitable[None]]

KINDS = {
    "stall": "no byte for `seconds`, then the answer",
    "drip": "the answer in ten pieces, `seconds` apart",
    "cut": "the headers and half of the body, then the connection is gone",
    "drop": "the connection is gone before a byte",
    "status": "an HTML page with `status`; `retry_after` in seconds, or `http_date=True` with it",
    "code": "an OpenML error, HTTP 412, with `code` (107 is busy, 542 is nothing, 103 a bad key)",
    "key": "code 103: the API key is refused",
    "html": "HTTP 200 and a page of HTML: this is no OpenML",
    "empty": "HTTP 200 and no byte",
    "damage": "one letter of the body is another, so that an MD5 does not fit",
    "truncate": "HTTP 200 and a body that ends in the middle, as a broken cache sends it",
    "duplicate": "the first row of the page stands in it twice",
    "overlap": "the page begins `rows` earlier than asked",
    "reshuffle": "the rows are in another order from now on",
    "bomb": "a small packed body that unpacks to `megabytes`",
    "deep": "XML, or JSON, nested 100,000 deep",
    "entities": "XML whose document type grows without end when its entities are put in",
    "external": "XML whose document type names a file of the client's",
}


@dataclass
class Fault:
    """One fault: at requests whose path matches, `times` times, after the first `after` of them."""

    kind: str
    match: str = ""
    times: int | None = 1
    after: int = 0
    options: dict[str, Any] = field(default_factory=dict)
    n_seen: int = 0
    n_done: int = 0

    def due(self, path: str) -> bool:
        """Whether it strikes this request, which counts."""
        if not re.search(self.match, path) or (
            self.times is not None and self.n_done >= self.times
        ):
            return False
        self.n_seen += 1
        if self.n_seen <= self.after:
            return False
        self.n_done += 1
        return True


@dataclass
class Faults:
    """ASGI in front of the app: strikes where a fault is due, and lets the rest through."""

    app: Any
    listings: Listings
    abort: Callable[[tuple[str, int]], None]
    active: list[Fault] = field(default_factory=list)

    def add(self, kind: str, **options: Any) -> None:
        """Set a fault; see `KINDS`."""
        if kind not in KINDS:
            raise ValueError(f"no fault {kind!r}; there are {', '.join(KINDS)}")
        own = {k: options.pop(k) for k in ("match", "times", "after") if k in options}
        self.active.append(Fault(kind, **own, options=options))

    async def __call__(self, scope: Message, receive: Any, send: Send) -> None:
        """Answer a request, or fail to."""
        if scope["type"] != "http" or scope["path"].startswith("/_control"):
            await self.app(scope, receive, send)
            return
        due = next((f for f in self.active if f.due(scope["path"])), None)
        if due is None:
            await self.app(scope, receive, send)
            return
        scope["fault"] = due.kind
        await getattr(self, f"_{due.kind}")(due.options, scope, receive, send)

    # -- instead of the answer --------------------------------------------------------------

    async def _say(
        self, send: Send, body: bytes, *, status: int = 200, media: str = "text/html", **more: str
    ) -> None:
        headers = {"content-type": media, "content-length": str(len(body))} | {
            name.replace("_", "-"): value for name, value in more.items()
        }
        raw = [(k.encode(), v.encode()) for k, v in headers.items()]
        await send({"type": "http.response.start", "status": status, "headers": raw})
        await send({"type": "http.response.body", "body": body})

    async def _status(self, o: dict[str, Any], scope: Message, receive: Any, send: Send) -> None:
        status = o.get("status", 503)
        more = {}
        if "retry_after" in o:
            wait = o["retry_after"]
            date = email.utils.formatdate(time.time() + float(wait), usegmt=True)
            more["retry_after"] = date if o.get("http_date") else str(wait)
        page = f"<html><head><title>{status}</title></head><body><h1>{status}</h1><hr>nginx</body></html>"
        await self._say(send, page.encode(), status=status, **more)

    async def _code(self, o: dict[str, Any], scope: Message, receive: Any, send: Send) -> None:
        code = o.get("code", 107)
        xml = rendering.error(code, MESSAGES.get(code, "Something is wrong"))
        as_json = "/json/" in scope["path"]
        body = rendering.as_json(xml) if as_json else xml
        media = "application/json" if as_json else "text/xml"
        await self._say(send, body.encode(), status=412, media=media)

    async def _key(self, o: dict[str, Any], scope: Message, receive: Any, send: Send) -> None:
        await self._code({"code": 103}, scope, receive, send)

    async def _html(self, o: dict[str, Any], scope: Message, receive: Any, send: Send) -> None:
        await self._say(send, b"<!DOCTYPE html>\n<html><body>Welcome to the library</body></html>")

    async def _empty(self, o: dict[str, Any], scope: Message, receive: Any, send: Send) -> None:
        await self._say(send, b"", media="text/xml")

    async def _bomb(self, o: dict[str, Any], scope: Message, receive: Any, send: Send) -> None:
        packer = zlib.compressobj(9, wbits=31)
        megabyte = b" " * (1 << 20)
        pieces = [packer.compress(b"<oml:evaluations>")]
        pieces += [packer.compress(megabyte) for _ in range(o.get("megabytes", 200))]
        body = b"".join([*pieces, packer.flush()])
        await self._say(send, body, media="text/xml", content_encoding="gzip")

    async def _deep(self, o: dict[str, Any], scope: Message, receive: Any, send: Send) -> None:
        n = 100_000
        if "/json/" in scope["path"]:
            await self._say(send, b"[" * n + b"]" * n, media="application/json")
        else:
            await self._say(send, b"<a>" * n + b"</a>" * n, media="text/xml")

    async def _entities(self, o: dict[str, Any], scope: Message, receive: Any, send: Send) -> None:
        names = "abcdefghij"
        lines = ['<!ENTITY a "lol">'] + [
            f'<!ENTITY {two} "{"".join(f"&{one};" for _ in range(10))}">'
            for one, two in itertools.pairwise(names)
        ]
        xml = f'<?xml version="1.0"?>\n<!DOCTYPE evaluations [{"".join(lines)}]>\n'
        xml += rendering.root("evaluations", f"<oml:evaluation>&{names[-1]};</oml:evaluation>\n")
        await self._say(send, xml.encode(), media="text/xml")

    async def _external(self, o: dict[str, Any], scope: Message, receive: Any, send: Send) -> None:
        xml = '<?xml version="1.0"?>\n<!DOCTYPE e [<!ENTITY x SYSTEM "file:///etc/hostname">]>\n'
        xml += rendering.root("evaluations", "<oml:evaluation>&x;</oml:evaluation>\n")
        await self._say(send, xml.encode(), media="text/xml")

    async def _drop(self, o: dict[str, Any], scope: Message, receive: Any, send: Send) -> None:
        self.abort(tuple(scope["client"]))

    # -- before the answer ------------------------------------------------------------------

    async def _stall(self, o: dict[str, Any], scope: Message, receive: Any, send: Send) -> None:
        await asyncio.sleep(o.get("seconds", 5.0))
        await self.app(scope, receive, send)

    async def _overlap(self, o: dict[str, Any], scope: Message, receive: Any, send: Send) -> None:
        def earlier(found: re.Match[str]) -> str:
            return f"/offset/{max(int(found[1]) - o.get('rows', 10), 0)}"

        path = re.sub(r"/offset/(\d+)", earlier, scope["path"])
        await self.app({**scope, "path": path, "raw_path": path.encode()}, receive, send)

    async def _reshuffle(self, o: dict[str, Any], scope: Message, receive: Any, send: Send) -> None:
        self.listings.shuffle += 1
        await self.app(scope, receive, send)

    # -- of the answer ----------------------------------------------------------------------

    async def _answer(self, scope: Message, receive: Any) -> tuple[Message, bytes]:
        start: Message = {}
        body = b""

        async def keep(message: Message) -> None:
            nonlocal body
            if message["type"] == "http.response.start":
                start.update(message)
            else:
                body += message.get("body", b"")

        await self.app(scope, receive, keep)
        return start, body

    async def _resend(
        self, scope: Message, receive: Any, send: Send, change: Callable[[bytes], bytes]
    ) -> None:
        start, body = await self._answer(scope, receive)
        headers = dict(start["headers"])
        packed = headers.get(b"content-encoding") == b"gzip"
        plain = change(gzip.decompress(body) if packed else body)
        body = gzip.compress(plain, 1, mtime=0) if packed else plain
        headers[b"content-length"] = str(len(body)).encode()
        await send({**start, "headers": list(headers.items())})
        await send({"type": "http.response.body", "body": body})

    async def _damage(self, o: dict[str, Any], scope: Message, receive: Any, send: Send) -> None:
        await self._resend(scope, receive, send, _other_digit)

    async def _truncate(self, o: dict[str, Any], scope: Message, receive: Any, send: Send) -> None:
        await self._resend(scope, receive, send, lambda body: body[: len(body) // 2])

    async def _duplicate(self, o: dict[str, Any], scope: Message, receive: Any, send: Send) -> None:
        await self._resend(scope, receive, send, _first_row_twice)

    async def _cut(self, o: dict[str, Any], scope: Message, receive: Any, send: Send) -> None:
        start, body = await self._answer(scope, receive)
        await send(start)
        await send(
            {"type": "http.response.body", "body": body[: len(body) // 2], "more_body": True}
        )
        await asyncio.sleep(0.05)
        self.abort(tuple(scope["client"]))

    async def _drip(self, o: dict[str, Any], scope: Message, receive: Any, send: Send) -> None:
        start, body = await self._answer(scope, receive)
        await send(start)
        step = len(body) // 10 + 1
        for at in range(0, len(body), step):
            await asyncio.sleep(o.get("seconds", 0.5))
            piece = {"body": body[at : at + step], "more_body": at + step < len(body)}
            await send({"type": "http.response.body", **piece})


def _other_digit(body: bytes) -> bytes:
    """The body with its last digit, one that is not zero, another."""
    at = max(body.rfind(digit) for digit in (b"1", b"2", b"3", b"4"))
    return body[:at] + b"5" + body[at + 1 :]


def _first_row_twice(body: bytes) -> bytes:
    if body.lstrip()[:1] == b"{":
        told = json.loads(body)
        rows = told
        while isinstance(rows, dict):
            rows = next(iter(rows.values()))
        rows.append(rows[0])
        return json.dumps(told).encode()
    row = re.search(
        rb"<oml:(evaluation|run|setup|flow|task|dataset)>.*?</oml:\1>\n", body, re.DOTALL
    )
    if row is None:
        return body
    end = body.rstrip().rfind(b"</oml:")
    return body[:end] + row[0] + body[end:]
