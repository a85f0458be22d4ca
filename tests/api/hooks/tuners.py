"""`make tuners`: the tests of the hooks against the real packages, and a table of what passed, as docs/hooks.md has it.

An environment is made once and kept under `.tuners`; one whose tests passed at this state of the
code is not run again. `make tuners TUNERS="ax search"` takes only these; remove `.tuners` to begin
anew.
"""

from __future__ import annotations

import hashlib
import json
import re
import shutil
import subprocess
import sys
import venv
from pathlib import Path

ROOT = Path(__file__).resolve().parents[3]
PLACE = ROOT / ".tuners"

TOGETHER = {  # an environment: what is installed, and the tests with their packages
    "search": (
        [
            "ray[tune]>=2.50",
            "hyperopt",
            "flaml[automl]",
            "nevergrad",
            "scikit-optimize",
            "optuna>=5",
        ],
        {
            "ray_tune": "ray",
            "snippets": "ray",
            "hyperopt": "hyperopt",
            "flaml": "flaml",
            "nevergrad": "nevergrad",
            "skopt": "scikit-optimize",
            "optuna": "optuna",
            "sklearn": "scikit-learn",
        },
    ),
    "optuna4": (["optuna>=4.5,<5"], {"optuna": "optuna"}),
    "smac": (["smac>=2.3"], {"smac": "smac", "snippets": "smac"}),
    "syne": (["syne-tune>=0.16", "xgboost", "huggingface_hub<1"], {"syne_tune": "syne-tune"}),
    "ax": (
        [
            "ax-platform>=1.3",
            "keras-tuner>=1.4.8",
            "keras",
            "google-vizier[jax]>=0.1.24",
            "jax<0.6",
            "jaxlib<0.6",
        ],
        {
            "ax": "ax-platform",
            "botorch": "botorch",
            "vizier": "google-vizier",
            "keras_tuner": "keras-tuner",
        },
    ),
    "neps": (["neural-pipeline-search>=0.17"], {"neps": "neural-pipeline-search"}),
}
"""Tuners that exclude each other have an environment each."""


def state(test: Path) -> str:
    """What a test depends on, as a hash: a run that passed at the same state is not repeated."""
    found = hashlib.sha256(test.read_bytes())
    for folder in ("metadb", "recommenders", "api/hooks", "api/web", "tests/api/hooks"):
        for path in sorted((ROOT / folder).rglob("*.py")):
            if not path.name.startswith("test_") and path != Path(__file__):
                found.update(path.read_bytes())
    return found.hexdigest()[:16]


def made(name: str, packages: list[str]) -> str | None:
    """Make an environment unless it is there; the end of pip's words where that fails."""
    folder = PLACE / name
    ready, python = folder / ".ready", str(folder / "bin" / "python")
    if ready.is_file() and ready.read_text() == json.dumps(packages):
        return None
    uv = shutil.which("uv")  # minutes faster, as in the Makefile
    venv.create(folder, with_pip=uv is None)
    pip = [uv, "pip", "install", "--python", python] if uv else [python, "-m", "pip", "install"]
    tests = ["--quiet", "-e", f"{ROOT}", "pytest", "hypothesis", *packages]
    pinned = [*pip, "-c", f"{ROOT / 'constraints.txt'}", *tests]
    for command in (pinned, [*pip, *tests]):  # a tuner may want other versions
        done = subprocess.run(command, capture_output=True, text=True)
        if done.returncode == 0:
            ready.write_text(json.dumps(packages))
            return None
    return (done.stderr.strip().splitlines() or ["pip failed"])[-1][:200]


def tested(name: str, test: str, package: str) -> tuple[str, str]:
    """The version of a tuner, and what became of its tests."""
    path = next((ROOT / "tests" / "api").glob(f"*/test_{test}.py"))
    python = str(PLACE / name / "bin" / "python")
    ask = f"import importlib.metadata as m; print(m.version({package!r}))"
    version = subprocess.run([python, "-c", ask], capture_output=True, text=True).stdout.strip()
    kept = PLACE / name / f".{test}"
    now = f"{state(path)} {version}"
    if kept.is_file() and kept.read_text().split("\n")[0] == now:
        return version, kept.read_text().split("\n")[1]
    done = subprocess.run(
        [python, "-m", "pytest", "-q", "-p", "no:cacheprovider", str(path)],
        capture_output=True, text=True, cwd=ROOT,
    )  # fmt: skip
    (PLACE / name / f"{test}.log").write_text(done.stdout + done.stderr)
    lines = done.stdout.strip().splitlines() or ["nothing was run"]
    told = re.sub(r"(, \d+ warnings?)? in [\d.]+s.*", "", lines[-1]).strip("= ")
    if done.returncode != 0 or ("skipped" in told and "passed" not in told):
        return version, f"FAILED: {told}; see {PLACE.name}/{name}/{test}.log"
    kept.write_text(f"{now}\n{told}")
    return version, told


def main(names: list[str]) -> int:
    """Run them all, or these; the table at the end; 1 where something failed."""
    rows: list[tuple[str, ...]] = []
    for name in names or list(TOGETHER):
        packages, tests = TOGETHER[name]
        print(f"{name}: {' '.join(packages)}", flush=True)
        failed = made(name, packages)
        for test, package in tests.items():
            version, told = (
                ("-", f"NOT INSTALLED: {failed}") if failed else tested(name, test, package)
            )
            rows.append((package, version, name, f"test_{test}.py", told))
            print(f"  {package} {version}: {told}", flush=True)
    print("\n| package | version | environment | tests | result |\n|---|---|---|---|---|")
    for row in rows:
        print(f"| {' | '.join(row)} |")
    return int(any(row[-1].startswith(("FAILED", "NOT")) for row in rows))


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
