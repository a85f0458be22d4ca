"""The docs are true: every command and example runs, every registered name and column is there."""

from __future__ import annotations

import os
import re
import shlex
import shutil
import subprocess
import sys
from pathlib import Path
from textwrap import dedent

import pytest

from api import demo
from api.cli import main
from ingest import SOURCES
from metadb.dictionary import data_dictionary, metafeature_dictionary, view_questions
from metadb.metafeatures import METAFEATURES
from metadb.schema import TABLES
from metadb.store import Store
from optimizers import OPTIMIZERS
from optimizers.executors import EXECUTORS
from optimizers.fewshot import FEW_SHOT_LEARNERS
from optimizers.nas import NAS_OPTIMIZERS, NAS_SPACES
from optimizers.nas.weight_sharing import WEIGHT_SHARING
from optimizers.nas.zero_cost import ZERO_COST
from recommenders import RECOMMENDERS, SURROGATES

ROOT = Path(__file__).resolve().parents[1]
DOCS = ROOT / "docs"
ENVIRONMENT = os.environ | {
    "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}",
    "PYTHONPATH": str(ROOT),
    "OMP_NUM_THREADS": "1",
}


def blocks(path: Path, language: str) -> list[str]:
    return re.findall(rf"```{language}\n(.*?)```", path.read_text(), flags=re.DOTALL)


INGEST = "metadb ingest table data/sample --store my-store"


def checkout(folder: Path) -> Path:
    """A folder that looks like a checkout to a command: the sample is there."""
    folder.mkdir(exist_ok=True)
    (folder / "data").symlink_to(ROOT / "data")
    return folder


@pytest.fixture(scope="module")
def filled(tmp_path_factory):
    """The store that most pages begin with, made once: the sample, read by the pages' command."""
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(checkout(tmp_path_factory.mktemp("filled")))
        assert main(shlex.split(INGEST)[1:]) == 0
        yield Path("my-store").absolute()


@pytest.fixture(autouse=True)
def registries():
    """What a page registers is forgotten again."""
    before = dict(METAFEATURES)
    yield
    METAFEATURES.clear()
    METAFEATURES.update(before)


def in_a_process(command: str | list[str], folder: Path) -> None:
    shell = isinstance(command, str)
    done = subprocess.run(
        command,
        shell=shell,
        cwd=folder,
        env=ENVIRONMENT,
        capture_output=True,
        text=True,
        timeout=300,
    )
    assert done.returncode == 0, f"{command}\n{done.stderr}"


def commands(block: str) -> list[str]:
    """The commands of a block; make targets are looked at apart."""
    lines = [line.split(" #")[0].strip() for line in block.replace("\\\n", " ").splitlines()]
    return [c for c in lines if c and not c.startswith(("make ", "export ", "git ", "pip "))]


def follow(page: Path, folder: Path, done: set[str]) -> int:
    """Do what a page says in the order of the page, what was done already not again; how much.

    In this process, which has imported what each would import, but for what starts processes.
    """
    n_run = 0
    for language, block in re.findall(r"```(bash|python)\n(.*?)```", page.read_text(), re.DOTALL):
        if language == "python" and "__main__" in block:
            in_a_process([sys.executable, "-c", block], folder)
        elif language == "python":
            code = compile(block, str(page), "exec", dont_inherit=True)
            exec(code, {"__name__": "__main__"})
        for command in commands(block) if language == "bash" else ():
            if command.startswith("metadb ") and command not in done:
                assert main(shlex.split(command)[1:]) == 0, command
            elif command not in done:
                in_a_process(command, folder)
            n_run += 1
            done.add(command)
        n_run += language == "python"
    return n_run


RUN = [
    ("README.md", "docs/quick-start.md"),
    ("docs/evaluate.md",),
    ("docs/recommenders.md",),
    ("docs/metafeatures.md",),
    ("docs/how-to-choose.md",),
    ("docs/importance.md",),
    ("docs/optimizers.md",),
    ("docs/fewshot.md",),
    ("docs/nas.md",),
    ("docs/sql.md",),
]
"""Pages to follow; those that say much of the same are followed in one folder."""


@pytest.mark.parametrize("pages", RUN, ids=" then ".join)
def test_every_command_and_example_runs(pages, tmp_path, filled, monkeypatch):
    monkeypatch.chdir(checkout(tmp_path))
    done: set[str] = set()
    if commands("".join(blocks(ROOT / pages[0], "bash")))[:1] == [INGEST]:
        shutil.copytree(filled, "my-store")
        done.add(INGEST)
    for page in pages:
        assert follow(ROOT / page, tmp_path, done) >= 3


TUNERS = {  # the section to the package that it needs and the origin of what it records
    "Optuna": ("optuna", "optuna"),
    "scikit-learn": ("sklearn", "cv-results"),
    "SMAC": ("smac", "smac"),
    "Ray Tune": ("ray.tune", "ray-tune"),
    "Syne Tune": ("syne_tune", "syne-tune"),
    "Hyperopt": ("hyperopt", "hyperopt"),
    "FLAML": ("flaml", "flaml"),
    "Nevergrad": ("nevergrad", "nevergrad"),
    "scikit-optimize": ("skopt", "skopt"),
    "Ax": ("ax", "ax"),
    "BoTorch": ("botorch", "botorch"),
    "OSS Vizier": ("vizier", "vizier"),
    "KerasTuner": ("keras_tuner", "keras-tuner"),
    "NePS": ("neps", "neps"),
}


@pytest.mark.parametrize("tuner", TUNERS)
def test_the_examples_of_the_page_on_hooks_run(tuner, tmp_path, filled, monkeypatch):
    """What the page begins with and the tuner's own section, in which the store learns of it."""
    package, origin = TUNERS[tuner]
    pytest.importorskip(package, reason=f"{package} is not installed; see make tuners")
    monkeypatch.chdir(checkout(tmp_path))
    shutil.copytree(filled, "my-store")
    beginning, *sections = (DOCS / "hooks.md").read_text().split("\n## ")
    data = next(one for one in sections if one.startswith("Optuna")).split("\n\n\n")[0]
    data = re.sub(r"^.*\boptuna\b.*\n", "", data, flags=re.MULTILINE)  # it may not be installed
    mine = next(one for one in sections if one.startswith(f"{tuner}\n"))
    known: dict[str, object] = {"__name__": "__main__"}
    for text in (beginning, *([] if tuner == "Optuna" else [data + "```"]), mine):
        for block in re.findall(r"```python\n(.*?)```", text, re.DOTALL):
            exec(compile(block, "hooks.md", "exec", dont_inherit=True), known)
    assert known["report"].sent
    counted = known["store"].sql(
        "select count(distinct run) as n from evaluations where origin = ?", [origin]
    )
    assert counted.column("n") == [6 if tuner == "scikit-learn" else 4]


def test_what_make_tuners_runs_stands_on_the_page_on_hooks():
    from tests.api.hooks.tuners import TOGETHER

    text = (DOCS / "hooks.md").read_text()
    for name, (_, tests) in TOGETHER.items():
        for test, package in tests.items():
            row = rf"^\| {package} \| \d[\d.]+ \| {name} \| test_{test}\.py \| [1-9]\d* passed"
            assert re.search(row, text, flags=re.MULTILINE), (package, name)


@pytest.mark.skipif(shutil.which("curl") is None, reason="the page asks with curl")
def test_the_page_on_the_server_runs(tmp_path, filled, monkeypatch):
    """Its commands after the first two, which start a server: here one on a port of its own."""
    from tests.api.server.conftest import served

    monkeypatch.chdir(checkout(tmp_path))
    shutil.copytree(filled, "my-store")
    text = (DOCS / "server.md").read_text()
    found = re.findall(r"```(bash|python)\n(.*?)```", text, re.DOTALL)
    start, *examples = found
    assert commands(start[1]) == [INGEST, "METADB_TOKEN=my-secret metadb serve --store my-store"]
    told: dict[str, object] = {"__name__": "__main__"}
    with served(Path("my-store"), token="my-secret", ahead=("nearest",)) as url:
        for language, block in examples:
            asking = block.replace("http://127.0.0.1:8000", url)
            if language == "python":
                exec(compile(asking, "server.md", "exec", dont_inherit=True), told)
            for command in commands(asking) if language == "bash" else ():
                in_a_process(command.replace("curl -s", "curl -s --fail-with-body"), tmp_path)
    assert len(examples) == 6


def test_every_route_and_setting_stands_in_the_docs():
    from api.server.resources import RESOURCES
    from api.server.settings import Settings

    text = (DOCS / "server.md").read_text()
    for name, resource in RESOURCES.items():
        facets = ", ".join(f"`{column}`" for column in resource.facets)
        assert re.search(rf"^\| `/{name}` \| [^|]+ \| {facets} ?\|$", text, re.MULTILINE), name
    for name in Settings.model_fields:
        assert f"| `METADB_{name.upper()}` |" in text, name


def test_the_recommender_of_the_page_on_extending_can_be_judged(tmp_path, filled):
    text = (DOCS / "extending.md").read_text()
    block = next(b for b in blocks(DOCS / "extending.md", "python") if "class MedianRegret" in b)
    (tmp_path / "mine.py").write_text(dedent(f"   {block.lstrip()}"))
    command = re.search(r"`metadb (evaluate --recommenders \S+mine:MedianRegret)`", text)
    assert command
    shutil.copytree(filled, tmp_path / "my-store")
    done = subprocess.run(
        shlex.split(
            f"metadb {command[1]} --space classifier --folds 2 --budget 3 --store my-store"
        ),
        cwd=tmp_path, env=ENVIRONMENT, capture_output=True, text=True, timeout=300,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert re.search(r"^MedianRegret +\.\d", done.stdout, flags=re.MULTILINE)


def test_the_make_targets_of_the_readme_exist():
    named = set(re.findall(r"(?:^|`)make ([a-z]+)", (ROOT / "README.md").read_text(), re.M))
    makefile = (ROOT / "Makefile").read_text()
    assert {"demo", "test"} <= named
    for target in named:
        assert re.search(rf"^{target}:", makefile, flags=re.MULTILINE), target


def test_the_demo_tells_its_whole_story(tmp_path, capfd):
    """With one search of 10 trials a side; `make demo` does five of 20."""
    demo.main(tmp_path / "demo", 1, 10)
    said = capfd.readouterr().out
    for step in ("1. Load sample", "2. One question", "3. Five configurations", "4. Random search"):
        assert step in said
    assert said.count("rests on") == 5
    for name in ("cold start", "warm start"):
        line = next(x for x in said.splitlines() if x.strip().startswith(name))
        errors = [float(v) for v in line.split()[2:]]
        assert len(errors) == 5
        assert errors == sorted(errors, reverse=True)
        assert errors[-1] < 0.1
    assert (tmp_path / "demo" / "curves.svg").read_text().startswith("<svg")
    with Store(tmp_path / "demo" / "store") as store:
        recorded = store.sql("select count(*) as n from evaluations where origin = 'local'")
        assert recorded.column("n") == [2 * 10]


@pytest.mark.parametrize(
    ("names", "page"),
    [
        (SOURCES, "sources.md"),
        (RECOMMENDERS, "recommenders.md"),
        (OPTIMIZERS, "optimizers.md"),
        (FEW_SHOT_LEARNERS, "fewshot.md"),
        (NAS_SPACES, "nas.md"),
        (NAS_OPTIMIZERS, "nas.md"),
        (WEIGHT_SHARING, "nas.md"),
        (ZERO_COST, "nas.md"),
        (EXECUTORS, "optimizers.md"),
    ],
    ids=[
        "sources",
        "recommenders",
        "optimizers",
        "few-shot learners",
        "nas spaces",
        "nas",
        "nas with shared weights",
        "zero-cost scores",
        "executors",
    ],
)
def test_every_registered_name_has_its_row(names, page):
    rows = (DOCS / page).read_text()
    for name in names:
        assert f"| `{name}` |" in rows, name


def test_every_surrogate_stands_in_the_docs():
    text = (DOCS / "recommenders.md").read_text()
    section = text[text.index("## Surrogates") : text.index("## Evidence")]
    assert all(f"`{name}`" in section for name in SURROGATES)


@pytest.mark.parametrize("name", SOURCES)
def test_every_source_has_its_page(name):
    """It lies in docs/sources, begins with the source's name, and can be found from both indexes."""
    page = DOCS / "sources" / f"{name}.md"
    assert page.is_file(), f"docs/sources/{name}.md is missing"
    assert page.read_text().startswith(f"# `{name}`")
    assert f"](sources/{name}.md)" in (DOCS / "sources.md").read_text()
    nav = (ROOT / "mkdocs.yml").read_text()
    assert re.search(rf": sources/{name}\.md$", nav, flags=re.MULTILINE), name


def test_every_page_is_in_the_navigation():
    nav = (ROOT / "mkdocs.yml").read_text()
    named = re.findall(r": (\S+\.md)$", nav, flags=re.MULTILINE)
    there = sorted(str(page.relative_to(DOCS)) for page in DOCS.rglob("*.md"))
    assert sorted(named) == there


def test_the_data_dictionary_is_the_schemas(tmp_path):
    with Store(tmp_path / "store") as store:
        assert (DOCS / "data-dictionary.md").read_text().strip() == data_dictionary(store).strip()
    text = (DOCS / "data-dictionary.md").read_text()
    for name, table in TABLES.items():
        assert f"### {name}\n" in text
        assert all(f"| `{c.name}` |" in text for c in table.columns)
    assert all(question and f"### {view}\n" in text for view, question in view_questions().items())


def test_every_meta_feature_stands_in_the_docs():
    text = (DOCS / "metafeatures-dictionary.md").read_text()
    assert text == metafeature_dictionary()
    for group, members in METAFEATURES.items():
        assert f"## {group}\n" in text
        assert members.features
    for feature in METAFEATURES["simple"].features:
        assert f"| {feature} |" in text


def test_the_figures_are_the_measured_ones():
    """Every figure in the docs comes from a file in benchmarks/results."""
    from benchmarks.page import MARKS, page, parity, pictures, readme

    assert (DOCS / "benchmarks.md").read_text() == page()
    assert (DOCS / "metafeatures-parity.md").read_text() == parity()
    assert pictures() == {name: (DOCS / name).read_text() for name in pictures()}
    text = (ROOT / "README.md").read_text()
    assert all(mark in text for mark in MARKS)
    assert text == readme(text)


def test_links_lead_somewhere():
    for page in [ROOT / "README.md", *DOCS.rglob("*.md")]:
        for link in re.findall(r"\]\(([^)#]+?)(?:#[^)]*)?\)", page.read_text()):
            if not link.startswith("http"):
                assert (page.parent / link).exists(), f"{page.name}: {link}"
