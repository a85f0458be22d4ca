"""The figures for Prometheus: off unless asked for, and by declared routes only."""

from __future__ import annotations

import re

import httpx
import pytest

from tests.api.server.conftest import fill, problem, served


def test_they_are_off_by_default(http):
    problem(http.get("/metrics"), 404)


def test_requests_are_counted_by_declared_route_and_status(tmp_path):
    pytest.importorskip("prometheus_client", reason="prometheus_client is not installed")
    fill(tmp_path / "store")
    with (
        served(tmp_path / "store", metrics=True, ahead=()) as url,
        httpx.Client(base_url=url, trust_env=False, timeout=60) as http,
    ):
        for path in (
            "/tasks",
            "/tasks?origin=toy",
            "/explain/abcdef",
            "/no/such",
            "/tasks?limit=0",
        ):
            http.get(path)
        answer = http.get("/metrics")
        assert answer.headers["content-type"].startswith("text/plain; version=")
        counts = re.findall(
            r'metadb_request_seconds_count\{method="(\w+)",route="([^"]+)",status="(\d+)"\} (\S+)',
            answer.text,
        )
        assert set(counts) == {
            ("GET", "/tasks", "200", "2.0"), ("GET", "/tasks", "422", "1.0"),
            ("GET", "/explain/{recommendation}", "404", "1.0"), ("GET", "none", "404", "1.0"),
        }  # fmt: skip
