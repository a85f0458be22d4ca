"""A server's recommender and memory from elsewhere: the same methods, over HTTP."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from typing import TYPE_CHECKING, Any, Self

import httpx

from metadb.errors import Busy, InvalidRows, MetadbError, NotFound, Unreachable
from metadb.metrics import Metric
from metadb.records import Because, Config, Evaluation, Recommendation, Task

if TYPE_CHECKING:
    from types import TracebackType

    from ConfigSpace import ConfigurationSpace

    from metadb.history import Configs

_AGAIN = {429, 503}
_ERRORS: Mapping[int, type[MetadbError]] = {404: NotFound, 422: InvalidRows, 503: Busy, 429: Busy}


class Client:
    """A `Recommender` that a server was asked for, and a memory to record into.

    Args:
        url: Where the server is, e.g. `http://127.0.0.1:8000`.
        token: Its token; recording needs one.
        space: The space to recommend in.
        metric: Default: the score with the most evaluations in the space.
        recommender: One of the registered names.
        seed: For recommenders that draw.
        patience_s: Seconds to ask again while the server is busy, fitting a recommender say.
    """

    def __init__(
        self,
        url: str,
        token: str | None = None,
        *,
        space: str | None = None,
        metric: str | None = None,
        recommender: str = "auto",
        seed: int = 0,
        patience_s: float = 60.0,
    ) -> None:
        headers = {"authorization": f"Bearer {token}"} if token else {}
        self._http = httpx.Client(base_url=url, headers=headers, timeout=60.0, trust_env=False)
        self.space, self.metric = space, metric
        self.recommender, self.seed, self.patience_s = recommender, seed, patience_s

    def recommend(
        self,
        task: Task,
        k: int,
        *,
        observed: Sequence[Evaluation] = (),
        candidates: Configs | None = None,
    ) -> list[Recommendation]:
        """At most `k` configs to try next, best first, none of them observed already.

        Raises:
            NotFound: The server has no such space, metric or recommender.
            Unreachable: There is no server.
        """
        if self.space is None:
            raise InvalidRows("say in which space: Client(url, space='...')")
        asked: dict[str, Any] = {
            "space": self.space,
            "task": _task(task),
            "metric": self.metric,
            "recommender": self.recommender,
            "k": k,
            "seed": self.seed,
            "observed": [_observed(evaluation) for evaluation in observed],
        }
        if candidates is not None:
            asked["candidates"] = [dict(config) for config in candidates]
        answer = self._post("/recommendations", asked)
        return [_recommendation(one) for one in answer["recommendations"]]

    def record(
        self,
        task: Task | str,
        config: Config,
        *,
        space: str | ConfigurationSpace | None = None,
        metric: str | Metric | None = None,
        value: float | None = None,
        status: str = "ok",
        **more: Any,
    ) -> str:
        """Remember one evaluation, as `Store.record` does; returns the run id.

        Args:
            more: `budget`, `budget_unit`, `cost_s`, `fold`, `repeat`, `seed`, `run`, `origin`.

        Raises:
            InvalidRows: The server does not take it.
            MetadbError: The token is missing or wrong.
        """
        into, by = space or self.space, metric or self.metric
        if into is None or by is None:
            raise InvalidRows("say in which space and by which metric: space=..., metric=...")
        told: dict[str, Any] = {
            "task": task if isinstance(task, str) else _task(task),
            "config": dict(config),
            "metric": by if isinstance(by, str) else asdict(by),
            "value": value,
            "status": status,
            **more,
        }
        if isinstance(into, str):
            told["space"] = into
        else:
            from metadb.space import to_json

            told |= {"space": into.name, "definition": to_json(into)}
        return str(self._post("/evaluations", told)["run"])

    def explain(self, recommendation: str) -> dict[str, Any]:
        """Why a kept recommendation was made; see `metadb explain`.

        Raises:
            NotFound: The store keeps none of that id.
        """
        answer: dict[str, Any] = self._answer("GET", f"/explain/{recommendation}", None)
        return answer

    def close(self) -> None:
        """Let go of the connections."""
        self._http.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def _post(self, path: str, body: dict[str, Any]) -> dict[str, Any]:
        answer: dict[str, Any] = self._answer("POST", path, body)
        return answer

    def _answer(self, method: str, path: str, body: dict[str, Any] | None) -> Any:
        until = time.monotonic() + self.patience_s
        while True:
            try:
                response = self._http.request(method, path, json=body)
            except httpx.HTTPError as error:
                raise Unreachable(f"no answer from {self._http.base_url}: {error}") from error
            except ValueError as error:  # NaN or infinity, which JSON does not know
                raise InvalidRows(f"a number cannot be sent: {error}") from error
            if response.status_code not in _AGAIN or time.monotonic() > until:
                break
            time.sleep(float(response.headers.get("retry-after", 1)))
        if response.is_success:
            return response.json()
        raise _ERRORS.get(response.status_code, MetadbError)(_detail(response))


def _detail(response: httpx.Response) -> str:
    try:
        return str(response.json()["detail"])
    except (ValueError, KeyError, TypeError):
        return f"the server answered {response.status_code}, and is perhaps none of metadb"


def _task(task: Task) -> dict[str, Any]:
    return {name: value for name, value in asdict(task).items() if value is not None}


def _observed(evaluation: Evaluation) -> dict[str, Any]:
    told = {
        "config": dict(evaluation.trial.config),
        "loss": evaluation.loss,
        "status": evaluation.status,
        "cost_s": evaluation.cost_s,
    }
    if evaluation.loss is None and evaluation.status == "ok":
        told["status"] = "failed"  # no usable score, whatever the reason
    return told


def _recommendation(one: dict[str, Any]) -> Recommendation:
    because, interval = one["because"], one["interval"]
    return Recommendation(
        one["config"],
        one["expected_loss"],
        None if interval is None else (interval[0], interval[1]),
        one["probability"],
        Because(
            tasks=tuple(because["tasks"]),
            configs=tuple(because["configs"]),
            metric=because["metric"],
            weights=tuple(because["weights"]),
            members=because["members"],
            note=because["note"],
        ),
    )
