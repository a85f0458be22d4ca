"""A small HTTP client for OpenML's listings: bounded, patient, and clear about what went wrong.

The `openml` package is the client for single objects and publishing. For listings it asks for pages
of 10,000 where the server allows 1,000, waits for ever, does not hear `Retry-After`, and keeps one
evaluation a run. This one asks for one path and gives back its bytes, or says why there are none.
"""

from __future__ import annotations

import email.utils
import json
import logging
import re
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from math import isfinite
from typing import Any, TypeVar

import httpx
import stamina

from metadb import __version__
from metadb.errors import Unreachable, WrongUsage

T = TypeVar("T")

CONNECT_S, READ_S = 10.0, 60.0
MAX_BODY_BYTES = 50_000_000
TRIES = 6
LONGEST_WAIT_S = 60.0
FAILURES_IN_A_ROW = 10

NO_RESULT = frozenset({111, 151, 372, 482, 500, 512, 542, 674, 361, 362, 363, 364, 571, 572, 599})
"""The server's words for: there is nothing."""
NEVER = frozenset({572})
"""And there never will be: a run without a trace."""
NOT_ALLOWED = frozenset({102, 103, 104, 105, 112, 137, 310, 320, 350, 400, 460})
ERROR = 412
_BUSY = 107
_AGAIN = frozenset({429, 500, 502, 503, 504})
_ERROR = re.compile(
    rb"<oml:code>\s*(\d+)\s*</oml:code>(?:.*?<oml:message>(.*?)</oml:message>)?", re.DOTALL
)
_KEY = re.compile(r"api_key=[^&\s\"']+")
_log = logging.getLogger(__name__)


def _without_key(record: logging.LogRecord) -> bool:
    """httpx logs addresses, and OpenML wants its key in them."""
    record.msg, record.args = _KEY.sub("api_key=...", record.getMessage()), ()
    return True


logging.getLogger("httpx").addFilter(_without_key)


class NoAnswer(Exception):
    """One request that gave nothing usable after all tries; the same in smaller pieces may."""


class ServerError(Exception):
    """The server understood and refused: its code and its words."""

    def __init__(self, code: int, message: str) -> None:
        super().__init__(f"{message} (code {code})")
        self.code = code


class _Again(Exception):
    """A try that failed in a way that passes; `wait_s` where the server said how long."""

    def __init__(self, why: str, wait_s: float | None = None, *, there: bool = True) -> None:
        super().__init__(why)
        self.wait_s = wait_s
        self.there = there


@dataclass
class Client:
    """Asks one OpenML server.

    Safe to use from several threads. A connection may take 10 s, a silence 60 s, a body 50 MB.

    Args:
        server: The server's address, e.g. `https://www.openml.org`.
        api_key: Sent with each request where given; never part of an error or a log.
        read_s: Longest silence in the middle of an answer, in seconds.
        wait_s: The first pause before trying again, in seconds; the later ones double.
    """

    server: str
    api_key: str | None = field(default=None, repr=False)
    read_s: float = READ_S
    wait_s: float = 0.5
    n_requests: int = 0
    n_failed_in_a_row: int = 0
    _http: httpx.Client = field(init=False, repr=False)
    _lock: threading.Lock = field(init=False, repr=False, default_factory=threading.Lock)

    def __post_init__(self) -> None:
        try:
            self._http = self._made()
        except (httpx.InvalidURL, ValueError) as error:
            raise WrongUsage(f"{self.server!r} is no address of a server ({error})") from None

    def _made(self) -> httpx.Client:
        return httpx.Client(
            base_url=f"{self.server.rstrip('/')}/api/v1/",
            headers={
                "user-agent": f"metadb/{__version__} (OpenML ingestion; httpx/{httpx.__version__})",
                "accept-encoding": "gzip",
            },
            params={"api_key": self.api_key} if self.api_key else None,
            timeout=httpx.Timeout(self.read_s, connect=CONNECT_S),
            follow_redirects=True,
            max_redirects=3,
        )

    def get(self, path: str, read: Callable[[bytes], T]) -> tuple[bytes, T]:
        """The body of one answer, unpacked, and what `read` makes of it.

        Args:
            path: From `json/` or `xml/` on, e.g. `json/task/31`.
            read: Raises a ValueError where the body is not what it should be, as when it was cut.

        Raises:
            ServerError: The server refused, with one of its codes.
            NoAnswer: Nothing usable after six tries; a smaller piece of the same may be.
            Unreachable: There is no server, it is no OpenML, it asks to be left alone, or ten
                requests in a row gave nothing.
        """
        try:
            for attempt in stamina.retry_context(
                on=self._pause,
                attempts=TRIES,
                timeout=None,
                wait_initial=self.wait_s,
                wait_max=LONGEST_WAIT_S,
                wait_jitter=self.wait_s,
            ):
                with attempt, self._saying_why(last=attempt.num == TRIES):
                    body = self._once(path)
                    found = _read(read, body)
        except _Again as error:
            raise self._given_up(path, error) from None
        with self._lock:
            self.n_failed_in_a_row = 0
        return body, found

    def close(self) -> None:
        """Let go of the connections."""
        self._http.close()

    def _pause(self, error: Exception) -> bool | float:
        """Whether to try again, or after how many seconds, for stamina."""
        if not isinstance(error, _Again):
            return False
        return True if error.wait_s is None else error.wait_s

    @contextmanager
    def _saying_why(self, *, last: bool) -> Iterator[None]:
        try:
            yield
        except _Again as error:
            if not last:
                _log.warning("%s: %s; trying again", self.server, error)
            raise

    def _given_up(self, path: str, error: _Again) -> Exception:
        if not error.there:
            return Unreachable(f"{self.server} cannot be reached: {error}; run it again to go on")
        with self._lock:
            self.n_failed_in_a_row += 1
            failed = self.n_failed_in_a_row
        if failed >= FAILURES_IN_A_ROW or error.wait_s is not None:
            return Unreachable(
                f"{self.server} gave no usable answer {TRIES * failed} times in a row, at last: "
                f"{error}; what came before is kept, so run the same command later to go on"
            )
        return NoAnswer(f"{path}: {error}")

    def _once(self, path: str) -> bytes:
        with self._lock:
            self.n_requests += 1
        try:
            with self._http.stream("GET", path) as response:
                body = b"".join(_capped(response))
        except (httpx.ConnectError, httpx.ConnectTimeout) as error:
            raise _Again(_clean(error), there=False) from None
        except httpx.UnsupportedProtocol:
            raise Unreachable(
                f"{self.server!r} is no address of a server; it begins with http:// or https://"
            ) from None
        except (httpx.HTTPError, httpx.StreamError) as error:
            raise _Again(_clean(error)) from None
        return self._checked(response, body)

    def _checked(self, response: httpx.Response, body: bytes) -> bytes:
        """The body of a good answer."""
        refused = _refusal(body)
        if refused is not None:
            if refused.code == _BUSY:
                raise _Again(str(refused))
            raise refused
        if response.status_code in _AGAIN:
            raise _Again(f"HTTP {response.status_code}", _retry_after(response))
        if response.status_code == ERROR:  # as the server's errors have it, but cut short
            raise _Again("an error that cannot be read")
        if response.status_code in (413, 414):
            raise NoAnswer(f"HTTP {response.status_code}, too long a request")
        head = body[:200].lstrip().lower()
        if head.startswith((b"<!doctype", b"<html")) or response.status_code != 200:
            raise Unreachable(
                f"{self.server} answered HTTP {response.status_code} "
                f"({response.headers.get('content-type', 'no type')}), not as an OpenML server "
                "does; give its address as in --server https://www.openml.org"
            )
        return body


def _read(read: Callable[[bytes], T], body: bytes) -> T:
    try:
        return read(body)
    except Exception as error:  # whatever a foreign text makes a parser raise
        why = f"{type(error).__name__}: {str(error)[:200]}"
        raise _Again(f"an answer of {len(body):,} bytes that cannot be read ({why})") from error


def _capped(response: httpx.Response) -> Iterator[bytes]:
    size = 0
    for chunk in response.iter_bytes(1 << 16):
        size += len(chunk)
        if size > MAX_BODY_BYTES:
            raise _Again(f"an answer of more than {MAX_BODY_BYTES / 1e6:.0f} MB")
        yield chunk


def _refusal(body: bytes) -> ServerError | None:
    """The error that a body tells, in XML or JSON."""
    start = body[:4096]
    if start.lstrip()[:1] == b"{" and b'"error"' in start[:40]:
        try:
            told: dict[str, Any] = json.loads(body)["error"]
            return ServerError(int(told["code"]), str(told.get("message", "")))
        except (ValueError, KeyError, TypeError, OverflowError, RecursionError):
            return None
    if b"oml:error" in start[:400]:
        match = _ERROR.search(start)
        if match:
            return ServerError(int(match[1]), (match[2] or b"").decode(errors="replace").strip())
    return None


def _retry_after(response: httpx.Response) -> float | None:
    """How long the server asks to wait, in seconds, at most ten minutes."""
    text = response.headers.get("retry-after", "").strip()
    if not text:
        return None
    try:
        wait = float(text)
    except ValueError:
        try:
            wait = email.utils.parsedate_to_datetime(text).timestamp() - time.time()
        except ValueError:
            return None
    return min(max(wait, 0.0), 600.0) if isfinite(wait) else None


def _clean(error: Exception) -> str:
    """What a failure says, without a key."""
    return _KEY.sub("api_key=...", str(error)) or type(error).__name__
