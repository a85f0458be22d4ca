"""The pages as a browser without scripts gets them: whole, escaped, and with a way on."""

from __future__ import annotations

import ast
import json
import re
import time
from html import unescape
from html.parser import HTMLParser
from urllib.parse import quote

import httpx
import pytest

from api.web.spaces import branches_of, coordinates
from metadb.store import Store
from tests.api.server.conftest import served
from tests.api.web.conftest import HOSTILE, TASKS, csv

VOID = {"meta", "link", "input", "br", "rect", "img", "option"}


class Page(HTMLParser):
    """What a test asks of a page: its tags, texts and data; a tag that is not closed is an error."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.open: list[str] = []
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.words: list[str] = []
        self.data: list[str] = []
        self.feed(text)
        assert not self.open, f"not closed: {self.open}"

    def handle_starttag(self, tag, attrs):
        self.tags.append((tag, dict(attrs)))
        if tag not in VOID:
            self.open.append(tag)

    def handle_endtag(self, tag):
        if tag not in VOID:
            assert self.open, f"</{tag}> closes nothing"
            assert self.open.pop() == tag

    def handle_data(self, data):
        (self.data if self.open and self.open[-1] == "script" else self.words).append(data)

    @property
    def text(self) -> str:
        return re.sub(r"\s+", " ", " ".join(self.words))

    def all(self, tag):
        return [attrs for name, attrs in self.tags if name == tag]


def page_of(answer: httpx.Response, status: int = 200) -> Page:
    assert answer.status_code == status, answer.text
    assert answer.headers["content-type"].startswith("text/html")
    assert "unsafe" not in answer.headers["content-security-policy"]
    for leak in ("Traceback", "/tmp", "site-packages", "read_parquet", 'File "'):
        assert leak not in answer.text
    found = Page(answer.text)
    for script in found.all("script"):  # a policy without inline scripts lets only these through
        assert script.get("src", "").startswith("/web/assets/") or script["type"].endswith("json")
    assert not found.all("style")
    for tag, attrs in found.tags:
        assert "style" not in attrs, tag
        assert not [name for name in attrs if name.startswith("on")], tag
    return found


def settled(http, path):
    """A page, when nothing on it is being worked out any more."""
    for _ in range(200):
        answer = http.get(path)
        if 'class="wait"' not in answer.text:
            return page_of(answer)
        time.sleep(0.2)
    raise AssertionError(f"{path} still waits")


PATHS = [
    "/", "/web/tasks", "/web/tasks?q=task/3", f"/web/task?id={TASKS[0]}", "/web/spaces",
    "/web/space?name=svm", "/web/recommend", "/web/recommend?by=task", "/web/recommend?by=numbers",
    "/web/sql", "/web/referee", "/web/sign-in",
]  # fmt: skip


@pytest.mark.parametrize("path", PATHS)
def test_every_view_is_a_whole_page_with_landmarks_and_labels(path, http):
    page = settled(http, path)
    assert page.all("html")[0]["lang"] == "en"
    assert len(page.all("main")) == len(page.all("h1")) == 1
    labelled = {attrs["for"] for attrs in page.all("label")}
    for tag in ("input", "select", "textarea"):
        for attrs in page.all(tag):
            assert attrs.get("type") == "hidden" or attrs["id"] in labelled
    assert all("scope" in attrs for attrs in page.all("th"))
    assert len(page.data) == len(page.all("figcaption"))
    for spec in map(json.loads, page.data):
        assert {"data", "layer", "concat"} & set(spec)
    ids = [attrs["id"] for _, attrs in page.tags if "id" in attrs]
    assert len(ids) == len(set(ids))


def test_the_overview_counts_what_the_store_holds(http, filled):
    page = settled(http, "/")
    with Store(filled, create=False) as store:
        n = store.sql("select count(*) as n from evaluations").column("n")[0]
    assert f"{n:,} evaluations" in re.sub(r"evaluations (\S+)", r"\1 evaluations", page.text)
    assert "63 of 63 pairs have one" in page.text
    cells = json.loads(page.data[0])["data"]["values"]
    assert sum((c["x2"] - c["x"]) * (c["y2"] - c["y"]) * c["share"] for c in cells) == 63


def test_a_task_shows_what_its_leaderboard_has_in_sql(http, filled):
    page = settled(http, f"/web/task?id={TASKS[2]}")
    with Store(filled, create=False) as store:
        best = store.sql(
            "select value from regrets where task = ? order by rank limit 1", [TASKS[2]]
        ).column("value")[0]
    assert f"{best:.4g}" in page.text
    curves = json.loads(page.data[0])["data"]["values"]
    assert {point["budget"] for point in curves} == {0.25, 0.5, 1.0}
    assert len({point["name"] for point in curves}) == 6
    near = page.text[page.text.index("Similar tasks") :]
    assert TASKS[1] in near
    assert TASKS[2] not in near


def test_a_space_shows_what_is_good_and_what_matters(http):
    page = settled(http, "/web/space?name=svm")
    lines = json.loads(page.data[0])["layer"][0]["data"]["values"]
    assert {line["axis"] for line in lines} == {"C", "kernel"}
    assert all(0 <= line["place"] <= 1 for line in lines)
    shares = json.loads(page.data[1])["data"]["values"]
    assert {share["name"] for share in shares} == {"C", "kernel"}
    assert sum(share["median"] for share in shares) <= 1.001


def test_configurations_of_a_branch_are_drawn_together():
    rows = [
        {"hyperparameters": {"learner": "svm", "C": 10.0**i}, "regret": i / 9} for i in range(4)
    ] + [{"hyperparameters": {"learner": "knn", "n": i}, "regret": i / 9} for i in range(4)]
    assert branches_of(rows) == ("learner", ["knn", "svm"])
    assert branches_of(rows[:4]) is None
    axes, lines = coordinates(rows[:4])
    assert [axis["name"] for axis in axes] == ["C"]
    assert [line["places"][0] for line in lines] == pytest.approx([0, 1 / 3, 2 / 3, 1])


def test_foreign_text_stays_text(http):
    for path in (f"/web/task?id={quote(HOSTILE)}", "/web/tasks", f"/web/tasks?q={quote(HOSTILE)}",
                 f"/web/sql?query={quote('select ' + chr(39) + HOSTILE + chr(39) + ' as t, 1 as n')}&mark=bar",
                 "/", f"/web/space?name={quote(HOSTILE)}"):  # fmt: skip
        answer = http.get(path)
        assert "<script>alert" not in answer.text, path
        assert "<b>toy" not in answer.text, path
        page_of(answer, answer.status_code)


def ask(http, **fields):
    file = fields.pop("file", None)
    told = {"by": "numbers", "space": "svm", "recommender": "average_rank", "k": "3"} | fields
    return http.post("/web/recommend", data=told, files={"file": file} if file else None)


def snippets_of(text: str) -> dict[str, str]:
    found = re.findall(r'aria-label="Code for ([^"]+)"><code>(.*?)</code>', text, flags=re.DOTALL)
    return {title: unescape(code) for title, code in found}


def test_a_file_gets_what_the_api_recommends_as_code_to_paste(http):
    answer = ask(http, by="file", file=("mine.csv", csv()), target="y")
    page = page_of(answer)
    assert "mine.csv" in page.text
    assert "60 rows" in page.text
    said = http.post(
        "/recommendations/file",
        data={"space": "svm", "recommender": "average_rank", "k": "3", "target": "y"},
        files={"file": ("mine.csv", csv())},
    ).json()
    right = [r["config"] for r in said["recommendations"]]
    snippets = snippets_of(answer.text)
    assert json.loads(snippets["JSON"]) == right
    assert ast.literal_eval(snippets["Python"].removeprefix("configs = ")) == right
    assert {"Optuna", "Ray Tune", "SMAC", "scikit-learn"} < set(snippets)


def test_a_task_and_typed_numbers_are_answered_too(http):
    page = page_of(ask(http, by="task", task=TASKS[1]))
    assert "27 results of this task itself were left out" in page.text
    page = page_of(ask(http, nr_inst="250", nr_attr="5", nr_class="2", recommender="nearest"))
    assert "Evidence" in page.text
    assert "this task shares" not in page.text


@pytest.mark.parametrize(
    ("fields", "status", "named"),
    [
        ({"by": "file"}, 422, "No file was chosen"),
        ({"by": "file", "file": ("a.exe", b"MZ")}, 422, ".csv"),
        ({"by": "file", "file": ("a.csv", csv()), "target": "z"}, 404, "z"),
        ({"by": "file", "file": ("a.csv", b"a,b\n" + b"1,2\n" * 100_000)}, 413, "Too Large"),
        ({"by": "task"}, 422, "No task was chosen"),
        ({"by": "task", "task": "toy:nothing"}, 404, "did you mean"),
        ({}, 422, "Nothing was typed"),
        ({"nr_inst": "many"}, 422, "is no number"),
        ({"nr_inst": "nan"}, 422, "is no number"),
        ({"nr_inst": "9", "k": "0"}, 422, "from 1 to 100"),
        ({"nr_inst": "9", "space": "nothing"}, 404, "svm"),
        ({"nr_inst": "9", "recommender": "nothing"}, 404, "portfolio"),
        ({"nr_inst": "9", "by": "guessing"}, 422, "by"),
    ],
)
def test_what_is_wrong_is_said_in_a_sentence_on_a_page(fields, status, named, http):
    answer = ask(http, **fields)
    page = page_of(answer, status)
    assert named in page.text
    assert answer.text.count('role="alert"') == 1
    assert 'id="answer"' in answer.text  # so that it comes in place where scripts run
    assert "metadb-upload" not in answer.text


@pytest.mark.parametrize(
    ("path", "status"),
    [("/web/nothing", 404), ("/web/task?id=toy:none", 404), ("/web/space?name=none", 404),
     ("/web/task", 422), ("/web/space?name=svm&metric=none", 404), ("/web/tasks?offset=-1", 422), ("/?space=none", 404),
     ("/web/task?id=toy:task/1&metric=none", 404), ("/web/sql?query=select+1&mark=pie", 422),
     ("/web/sql?query=drop+table+tasks", 422), ("/web/sql?query=select+1+as+a&mark=bar&x=b", 422),
     ("/web/referee?space=none", 404), ("/web/assets/000000000000/..%2f..%2fetc%2fpasswd", 404),
     ("/web/assets/000000000000/vendored/vendored.json", 404)],
)  # fmt: skip
def test_a_wrong_address_is_a_page_too(path, status, http):
    answer = http.get(path)
    page_of(answer, status)
    assert answer.text.count('role="alert"') == 1


def test_sql_is_answered_as_a_table_and_a_plot_by_address(http):
    query = "select task, count(*) as n from evaluations group by task order by task"
    page = settled(http, f"/web/sql?query={quote(query)}&mark=bar")
    plot = json.loads(page.data[0])
    assert plot["mark"]["type"] == "bar"
    assert {value["y"] for value in plot["data"]["values"]} == {27}
    assert "7 rows" in page.text
    assert query in page.text


def test_the_referee_judges_when_asked(filled):
    with (
        served(filled, ahead=()) as url,
        httpx.Client(base_url=url, trust_env=False, timeout=60) as http,
    ):
        assert "Nothing was judged" in page_of(http.get("/web/referee")).text
        page = settled(http, "/web/referee?judge=true")
        for name in ("random", "portfolio", "nearest"):
            assert name in page.text
        assert len(page.data) == 1
        assert "Nothing was judged" not in settled(http, "/web/referee").text


def test_an_empty_store_says_what_to_do(tmp_path):
    with Store(tmp_path / "store"):
        pass
    with (
        served(tmp_path / "store", ahead=()) as url,
        httpx.Client(base_url=url, trust_env=False, timeout=60) as http,
    ):
        for path in ("/", "/web/tasks", "/web/spaces", "/web/recommend", "/web/referee"):
            assert "metadb ingest" in settled(http, path).text
        assert "once the server has a token" in settled(http, "/").text


def test_a_refused_statement_stays_in_its_form_with_the_reason(http):
    page = page_of(http.get("/web/sql?query=drop+table+tasks"), 422)
    assert "drop table tasks" in page.text
    assert page.all("textarea")
