"""The house guards itself: who may lean on whom, what an import costs, how large a file may grow."""

from __future__ import annotations

import ast
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
MAY_IMPORT = {
    "metadb": set(),
    "ingest": {"metadb"},
    "recommenders": {"metadb"},
    "optimizers": {"metadb", "recommenders"},
    "api": {"metadb", "ingest", "recommenders", "optimizers"},
}
HEAVY = {"torch", "sklearn", "scipy", "ConfigSpace", "openml", "fastapi", "pandas", "lightgbm"}
HOMES = {  # an outside library and the rooms that may use it
    "openml": {"ingest"},
    "httpx": {"ingest", "api"},
    "fastapi": {"api"},
    "duckdb": {"metadb"},
    "deltalake": {"metadb"},
    "torch": {"recommenders", "optimizers", "api"},  # api: the tensors of hooks
    "cyclopts": {"api"},
    "skops": {"optimizers"},
}
FORBIDDEN = {"utils", "helpers", "common", "misc", "functions", "base", "core", "manager"}
FILES = [p.relative_to(ROOT) for room in MAY_IMPORT for p in sorted((ROOT / room).rglob("*.py"))]


def imported(path: Path, *, top_level_only: bool = False) -> set[str]:
    """The first names of the modules that a file imports, those for type checkers left out."""
    tree = ast.parse((ROOT / path).read_text())
    names: set[str] = set()
    skipped = {
        id(node)
        for block in ast.walk(tree)
        if isinstance(block, ast.If) and "TYPE_CHECKING" in ast.unparse(block.test)
        for node in ast.walk(block)
    }
    nodes = ast.iter_child_nodes(tree) if top_level_only else ast.walk(tree)
    for node in nodes:
        if id(node) in skipped:
            continue
        if isinstance(node, ast.Import):
            names |= {alias.name.split(".")[0] for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
            names.add(node.module.split(".")[0])
    return names


def test_there_are_files_to_guard():
    assert len(FILES) > 40


@pytest.mark.parametrize("path", FILES, ids=str)
def test_a_room_leans_only_on_the_rooms_below(path):
    room = path.parts[0]
    assert imported(path) & set(MAY_IMPORT) <= MAY_IMPORT[room] | {room}
    assert "benchmarks" not in imported(path)


@pytest.mark.parametrize("path", FILES, ids=str)
def test_an_outside_library_stays_in_its_home(path):
    for library in imported(path) & set(HOMES):
        assert path.parts[0] in HOMES[library], f"{library} is used in {path}"


@pytest.mark.parametrize("path", [p for p in FILES if p.parts[0] == "metadb"], ids=str)
def test_the_ground_floor_imports_nothing_heavy_at_its_top(path):
    assert not imported(path, top_level_only=True) & HEAVY


@pytest.mark.parametrize("path", FILES, ids=str)
def test_a_file_has_an_honest_name_and_a_readable_size(path):
    assert path.stem not in FORBIDDEN
    assert len((ROOT / path).read_text().splitlines()) <= 500


@pytest.mark.parametrize("path", FILES, ids=str)
def test_a_module_opens_with_a_sentence(path):
    doc = ast.get_docstring(ast.parse((ROOT / path).read_text()))
    assert doc
    assert doc.splitlines()[0].rstrip().endswith((".", "?", ","))


@pytest.mark.parametrize(
    "module", ["metadb", "metadb.store", "api", "ingest", "api.cli", "recommenders"]
)
def test_an_import_brings_nothing_heavy(module):
    code = (
        f"import sys, {module}; print(' '.join(sorted(set(m.split('.')[0] for m in sys.modules))))"
    )
    found = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=ROOT
    )
    assert not set(found.stdout.split()) & HEAVY
    if module == "metadb":
        assert not set(found.stdout.split()) & {"duckdb", "pyarrow", "numpy", "deltalake"}


def test_nothing_is_pickled():
    for path in FILES:
        assert not imported(path) & {
            "pickle",
            "joblib",
            "dill",
            "cloudpickle",
            "shelve",
            "marshal",
        }, path


@pytest.mark.parametrize("path", ["pyproject.toml", "constraints.txt", "Makefile", ".ci/run"])
def test_the_packaging_names_no_host_and_no_cuda(path):
    text = (ROOT / path).read_text()
    assert "http://" not in text
    assert "https://" not in text
    if path == "constraints.txt":
        assert "nvidia" not in text
        assert "torch" not in text


def test_what_is_left_out_of_quick_runs_is_there():
    for name in (ROOT / "tests" / "slow.txt").read_text().split():
        file, _, test = name.partition("[")[0].partition("::")
        assert f"def {test}(" in (ROOT / file).read_text(), name
