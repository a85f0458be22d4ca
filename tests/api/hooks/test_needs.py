"""A hook without its tuner says in a sentence what to install."""

from __future__ import annotations

import re
import tomllib
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path

import pytest

from metadb.errors import WrongUsage

ROOT = Path(__file__).resolve().parents[3]
NEEDS = {  # a hook to its package and extra, as its file says
    path.stem: found.groups()
    for path in sorted((ROOT / "api" / "hooks").glob("*.py"))
    if (found := re.search(r'^needs\("(\w+)", extra="([\w-]+)"\)$', path.read_text(), re.MULTILINE))
}
EXTRAS = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["optional-dependencies"]
DISTRIBUTIONS = {
    "skopt": "scikit-optimize", "ax": "ax-platform", "vizier": "google-vizier",
    "neps": "neural-pipeline-search",
}  # fmt: skip


def test_every_tuner_that_metadb_does_not_bring_is_named():
    assert len(NEEDS) >= 11
    assert {"optuna", "smac", "ax", "vizier", "nevergrad"} <= set(NEEDS)


@pytest.mark.parametrize("hook", NEEDS)
def test_the_extra_brings_the_tuner(hook):
    package, extra = NEEDS[hook]
    name = DISTRIBUTIONS.get(package, package.replace("_", "-"))
    assert any(re.match(rf"{name}\b", wanted) for wanted in EXTRAS[extra])


@pytest.mark.parametrize("hook", NEEDS)
def test_a_missing_tuner_is_told_in_a_sentence(hook):
    package, extra = NEEDS[hook]
    if find_spec(package) is not None:
        pytest.skip(f"{package} is installed here")
    with pytest.raises(WrongUsage, match=f"{package}, which is .*'metadb\\[{extra}\\]'"):
        import_module(f"api.hooks.{hook}")
