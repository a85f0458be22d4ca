"""The pages in a real Chromium: drawn, reachable by keyboard, in order for axe, no word in its log."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from tests.api.web.conftest import TASKS, csv

sync_api = pytest.importorskip("playwright.sync_api", reason="Playwright is not installed")
CHROMIUM = shutil.which("chromium") or shutil.which("google-chrome")
if CHROMIUM is None:
    pytest.skip(
        "there is no Chromium here (Debian: apt-get install chromium)", allow_module_level=True
    )

AXE = (Path(__file__).parent / "vendored" / "axe.min.js").read_text()
RULES = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"]
DRAWN = "() => [...document.querySelectorAll('figure.plot')].every(f => f.dataset.drawn)"
LONG_MS = 120_000

VIEWS = {
    "/": 1,
    "/web/tasks": 0,
    f"/web/task?id={TASKS[0]}": 2,
    "/web/space?name=svm": 2,
    "/web/recommend": 0,
    "/web/recommend?by=numbers": 0,
    "/web/sql?query=select+task,count(*)+as+n+from+evaluations+group+by+1&mark=bar": 1,
    "/web/referee?judge=true": 1,
    "/web/nothing": 0,
}
"""Path to how many plots it draws."""


@pytest.fixture(scope="module")
def chromium():
    with sync_api.sync_playwright() as play:
        browser = play.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        yield browser
        browser.close()


def opened(chromium, address, said, **options):
    """A tab that writes down whatever its log says."""
    context = chromium.new_context(base_url=address, **options)
    context.set_default_timeout(LONG_MS)
    page = context.new_page()
    page.on("console", lambda m: said.append(m.text) if m.type in ("error", "warning") else None)
    page.on("pageerror", lambda error: said.append(str(error)))
    return page


def settle(page):
    page.wait_for_function("() => !document.querySelector('.wait')")
    page.wait_for_function(DRAWN)


def faults(page):
    found = page.evaluate(f"{AXE}; axe.run(document, {{runOnly: {RULES}}})")
    return [(v["id"], v["nodes"][0]["target"]) for v in found["violations"]]


@pytest.mark.parametrize(("scheme", "width"), [("light", 1100), ("dark", 390)])
def test_every_view_is_drawn_and_in_order(scheme, width, chromium, address):
    said = []
    page = opened(chromium, address, said, color_scheme=scheme,
                  viewport={"width": width, "height": 800})  # fmt: skip
    for path, plots in VIEWS.items():
        page.goto(path)
        settle(page)
        assert page.locator("figure.plot svg").count() == plots, path
        assert page.locator("figure.plot svg path, figure.plot svg text").count() >= 5 * plots
        assert faults(page) == [], path
        wide = page.evaluate("document.documentElement.scrollWidth - innerWidth")
        assert wide <= 0, f"{path} is {wide} px wider than the screen"
    assert [text for text in said if "404" not in text] == []
    page.context.close()


def test_a_person_with_a_csv_gets_code_to_paste_by_keyboard(chromium, address, tmp_path):
    (tmp_path / "mine.csv").write_bytes(csv())
    said = []
    page = opened(chromium, address, said)
    page.goto("/")
    page.keyboard.press("Tab")
    assert page.evaluate("document.activeElement.className") == "skip"
    page.get_by_role("link", name="Get a recommendation").press("Enter")
    page.get_by_label("Data file").set_input_files(tmp_path / "mine.csv")
    page.wait_for_selector("#columns option", state="attached")
    assert page.eval_on_selector_all("#columns option", "all => all.map(o => o.value)") == [
        "a",
        "b",
        "y",
    ]
    page.get_by_label("Recommender").select_option("average_rank")
    page.get_by_label("Target").fill("y")
    page.get_by_label("Target").press("Enter")
    page.wait_for_selector("#answer h2")
    settle(page)
    assert page.url.endswith("/web/recommend")  # in place: the form is still there
    assert page.evaluate("document.activeElement.id") == "answer"
    assert "configs = [" in page.locator("#answer details.code pre").first.inner_text()
    page.get_by_role("button", name="Copy the code for Python").press("Enter")
    page.wait_for_function(
        "() => /Copied|Marked/.test(document.querySelector('button.copy').textContent)"
    )
    assert faults(page) == []
    page.get_by_label("Data file").set_input_files([])
    page.get_by_label("Data file").evaluate("input => input.required = false")
    page.get_by_role("button", name="Recommend", exact=True).click()
    page.wait_for_selector("#answer .wrong")
    assert [text for text in said if "422" not in text] == []
    page.context.close()


def test_it_works_without_scripts(chromium, address, tmp_path):
    (tmp_path / "mine.csv").write_bytes(csv())
    page = opened(chromium, address, [], java_script_enabled=False)
    page.goto("/web/recommend")
    page.get_by_label("Data file").set_input_files(tmp_path / "mine.csv")
    page.get_by_label("Recommender").select_option("average_rank")
    page.get_by_role("button", name="Recommend", exact=True).click()
    page.wait_for_selector("#answer h2")
    assert "configs = [" in page.locator("pre").first.inner_text()
    page.locator(".numbers summary").first.click()
    assert page.locator(".numbers table").first.is_visible()
    page.context.close()
