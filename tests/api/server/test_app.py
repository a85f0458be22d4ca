"""What stands before every route: problems, headers, names, tokens, limits."""

from __future__ import annotations

import time

import httpx
import pytest

from api.server.buckets import MOST_CLIENTS, Buckets
from api.server.settings import settings_of
from metadb.errors import WrongUsage
from tests.api.server.conftest import TOKEN, fill, problem, served

BEARER = {"authorization": f"Bearer {TOKEN}"}


def test_it_lives_and_becomes_ready(http):
    assert http.get("/health").json() == {"status": "ok"}
    for _ in range(600):
        answer = http.get("/ready")
        if answer.status_code == 200:
            break
        problem(answer, 503)
        assert answer.headers["retry-after"]
        time.sleep(0.05)
    assert answer.json()["status"] == "ready"
    assert answer.json()["version"]["evaluations"] > 0


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [("GET", "/nothing", 404), ("PUT", "/tasks", 405), ("GET", "/docs", 404), ("GET", "/tasks/nothing", 404),
     ("GET", "/explain/..%2f..%2fetc", 404), ("GET", "/explain/zz", 422),
     ("GET", "/explain/abcdef", 404)],
)  # fmt: skip
def test_every_error_is_a_problem_with_headers(method, path, status, http):
    answer = http.request(method, path)
    problem(answer, status)
    assert answer.headers["x-content-type-options"] == "nosniff"
    assert "unsafe" not in answer.headers["content-security-policy"]
    assert answer.headers["cache-control"] == "no-store"


@pytest.mark.parametrize(
    ("method", "path", "allowed"),
    [("OPTIONS", "/evaluations", "GET, POST"), ("PUT", "/tasks", "GET"), ("GET", "/recommendations", "POST")],
)  # fmt: skip
def test_a_method_that_is_not_there_is_told_all_that_are(method, path, allowed, http):
    answer = http.request(method, path)
    problem(answer, 405)
    assert answer.headers["allow"] == allowed


@pytest.mark.parametrize(
    ("body", "status"),
    [
        (b"", 422), (b"{", 400), (b"[]", 422), (b"\xff\xfe", 400), (b"[" * 50_000, 400),
        (b'{"space": "svm", "k": ' + b"9" * 5000 + b"}", 400),
        (b'{"space": "svm", "k": 1e999}', 422), (b'{"space": "svm", "k": NaN}', 422),
        (b'{"space": "svm", "k": true}', 422), (b'{"space": "svm", "k": "3"}', 422),
        (b'{"space": "svm", "more": 1}', 422), (b'{"space": "\\ud800"}', 422),
        (b'{"space": "svm", "task": {"metafeatures": {"nr_inst": NaN}}}', 422),
        (b'{"space": "svm", "task": {"metafeatures": {"nr_inst": -Infinity}}}', 422),
        (b'{"space": "svm", "observed": [{"config": {"C": Infinity}, "value": 1}]}', 422),
        (b'{"space": "svm", "observed": [{"config": {"C": [1]}, "value": 1}]}', 422),
        (b"x" * 200_000, 413),
    ],
)  # fmt: skip
def test_a_hostile_body_is_refused_with_its_reason(body, status, http):
    answer = http.post(
        "/recommendations", content=body, headers={"content-type": "application/json"}
    )
    problem(answer, status)
    assert http.get("/health").status_code == 200


def test_a_body_without_a_length_is_cut_off_too(http):
    chunks = (b"x" * 10_000 for _ in range(50))
    headers = {"content-type": "application/json"}
    problem(http.post("/recommendations", content=chunks, headers=headers), 413)


@pytest.mark.parametrize(
    "given", [None, "", "Bearer", "Bearer wrong", f"Basic {TOKEN}", "Bearer é"]
)
def test_a_write_needs_the_token(given, http):
    headers = {} if given is None else {"authorization": given.encode()}
    answer = http.post("/evaluations", json={}, headers=headers)
    problem(answer, 401)
    assert answer.headers["www-authenticate"] == "Bearer"
    asked = {"space": "svm", "recommender": "average_rank", "keep": True}
    problem(http.post("/recommendations", json=asked, headers=headers), 401)


def test_a_foreign_name_is_not_served(http):
    problem(http.get("/tasks", headers={"host": "evil.example"}), 400)
    assert http.get("/tasks", headers={"host": "localhost:1"}).status_code == 200


def test_elsewhere_a_token_is_needed_to_start_and_for_all(tmp_path):
    with pytest.raises(WrongUsage, match="METADB_TOKEN"):
        settings_of(host="0.0.0.0")
    with pytest.raises(WrongUsage, match="METADB_TOKEN"):
        settings_of(host="192.0.2.1", token="")
    with pytest.raises(WrongUsage, match="port"):
        settings_of(port=70_000)
    assert settings_of(host="::1").loopback
    fill(tmp_path / "store")
    with (
        served(tmp_path / "store", token=TOKEN, host="0.0.0.0", ahead=()) as url,
        httpx.Client(base_url=url, trust_env=False) as http,
    ):
        for path in ("/health", "/tasks", "/openapi.json", "/nothing"):
            problem(http.get(path), 401)
        assert http.get("/tasks", headers=BEARER).json()["total"] == 5


def test_settings_come_from_the_environment(monkeypatch):
    monkeypatch.setenv("METADB_TOKEN", "from there")
    monkeypatch.setenv("METADB_RATE", "5")
    found = settings_of(port=1)
    assert (found.secret, found.rate, found.port) == ("from there", 5.0, 1)
    assert "from there" not in repr(found)


def test_without_a_token_nothing_is_written_and_too_much_is_too_much(tmp_path):
    fill(tmp_path / "store")
    with (
        served(tmp_path / "store", rate=0.01, burst=3, ahead=()) as url,
        httpx.Client(base_url=url, trust_env=False) as http,
    ):
        assert "METADB_TOKEN" in problem(http.post("/evaluations", json={}, headers=BEARER), 403)
        assert http.get("/health").status_code == 200
        assert http.get("/health").status_code == 200
        answer = http.get("/health")
        problem(answer, 429)
        assert int(answer.headers["retry-after"]) > 10
        assert answer.headers["x-content-type-options"] == "nosniff"


def test_a_bucket_is_filled_again_and_few_are_kept():
    buckets = Buckets(1e6, 2)
    assert [buckets.take("a") for _ in range(3)][:2] == [0, 0]
    slow = Buckets(1e-6, 1)
    assert slow.take("a") == 0
    assert slow.take("a") > 1000
    assert slow.take("b") == 0
    for i in range(MOST_CLIENTS + 10):
        slow.take(str(i))
    assert len(slow._left) == MOST_CLIENTS


def test_openapi_tells_of_every_route_with_examples(http):
    told = http.get("/openapi.json").json()
    for path in ("/tasks", "/spaces", "/configs", "/evaluations", "/curves", "/metafeatures",
                 "/recommendations", "/recommendations/file", "/explain/{recommendation}",
                 "/health", "/ready"):  # fmt: skip
        assert path in told["paths"], path
    for name in ("Asked", "Recorded"):
        assert told["components"]["schemas"][name]["examples"]
        assert told["components"]["schemas"][name]["additionalProperties"] is False
    said = told["paths"]["/tasks"]["get"]["responses"]
    assert "application/problem+json" in said["422"]["content"]
    assert {"application/json", "text/csv"} <= set(said["200"]["content"])


def test_openapi_states_the_bounds_and_what_a_record_needs(http):
    told = http.get("/openapi.json").json()
    schema = told["components"]["schemas"]["Recorded"]
    assert schema["properties"]["seed"]["anyOf"][0]["exclusiveMaximum"] == 2**63
    given, failed = schema["anyOf"]
    assert given["required"] == ["value"]
    assert failed["properties"]["status"] == {"not": {"const": "ok"}}
    for parameter in told["paths"]["/evaluations"]["get"]["parameters"]:
        if parameter["name"] in ("seed", "fold", "repeat"):
            assert parameter["schema"]["items"]["minimum"] == -(2**63)
