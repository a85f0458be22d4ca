"""A browser signs in with the token once; no other site can act in its name."""

from __future__ import annotations

import time

import httpx
import pytest

from api.server import session
from tests.api.server.conftest import problem, served
from tests.api.web.conftest import TOKEN


@pytest.fixture(scope="module")
def guarded(filled):
    """A server that other machines could reach."""
    with served(filled, token=TOKEN, host="0.0.0.0", ahead=()) as url:
        yield url


@pytest.fixture
def browser(guarded):
    with httpx.Client(base_url=guarded, timeout=60, trust_env=False) as client:
        yield client


def sign_in(browser, token=TOKEN, **headers):
    return browser.post("/web/sign-in", data={"token": token}, headers=headers)


def test_without_the_token_a_page_asks_for_it_and_shows_nothing(browser):
    for path in ("/", "/web/tasks", "/web/sql?query=select+1"):
        answer = browser.get(path)
        assert answer.status_code == 401
        assert 'type="password"' in answer.text
        assert "toy" not in answer.text
    problem(browser.get("/tasks"), 401)
    assert browser.get("/web/sign-in").status_code == 200
    assert sign_in(browser, "wrong").status_code == 401
    assert "not the server" in sign_in(browser, "").text
    assert not browser.cookies


def test_a_session_opens_pages_and_lists_and_ends(browser):
    answer = sign_in(browser)
    assert (answer.status_code, answer.headers["location"]) == (303, "/")
    cookie = answer.headers["set-cookie"].lower()
    assert "httponly" in cookie
    assert "samesite=strict" in cookie
    assert TOKEN not in answer.headers["set-cookie"]
    assert browser.get("/web/tasks").status_code == 200
    assert browser.get("/tasks").json()["total"] == 7
    browser.post("/web/sign-out", headers={"sec-fetch-site": "same-origin"})
    assert browser.get("/web/tasks").status_code == 401


@pytest.mark.parametrize(
    ("headers", "right"),
    [
        ({}, False),
        ({"sec-fetch-site": "cross-site"}, False),
        ({"sec-fetch-site": "same-site"}, False),
        ({"origin": "http://evil.example"}, False),
        ({"origin": "null"}, False),
        ({"sec-fetch-site": "same-origin"}, True),
    ],
)
def test_a_session_writes_only_from_a_page_of_its_own(headers, right, browser):
    sign_in(browser)
    answer = browser.post("/evaluations", json={}, headers=headers)
    problem(answer, 422 if right else 401)


@pytest.mark.parametrize(
    "headers", [{"sec-fetch-site": "cross-site"}, {"origin": "http://evil.example"}]
)
def test_a_form_of_another_site_is_refused(headers, http):
    told = {"by": "numbers", "space": "svm", "nr_inst": "9", "recommender": "average_rank"}
    assert http.post("/web/recommend", data=told, headers=headers).status_code == 403
    assert sign_in(http, **headers).status_code == 403


def test_a_cookie_that_is_forged_or_old_opens_nothing(browser, monkeypatch):
    sealed = session.sealed(TOKEN)
    until, _, seal = sealed.partition(".")
    monkeypatch.setattr(session, "LIVES_S", -1)
    for forged in (f"{int(until) + 9}.{seal}", until, f".{seal}", "", "é.é", session.sealed("other"),
                   session.sealed(TOKEN)):  # fmt: skip
        headers = {"cookie": f"{session.COOKIE}={forged}".encode()}
        assert browser.get("/web/tasks", headers=headers).status_code == 401, forged
    assert int(until) > time.time()
    headers = {"cookie": f"{session.COOKIE}={sealed}"}
    assert browser.get("/web/tasks", headers=headers).status_code == 200
