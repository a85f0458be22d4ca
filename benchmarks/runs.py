"""Runs of searches on problems, one line each in a cache that a killed study goes on from."""

from __future__ import annotations

import json
import subprocess
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass, field, replace
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.machine import RESULTS
from benchmarks.problems import LEAST, Problem
from metadb.errors import NotFound
from metadb.protocols import Floats, Optimizer
from optimizers import OPTIMIZERS

EVALUATIONS = 50
"""Of a run, at the full budget; over several budgets so much is spent in all."""

BUDGETED = (
    "asha", "hyperband", "successive_halving", "bohb", "curve_stopping",
    "optuna_hyperband", "optuna_bohb", "syne_asha", "syne_hyperband", "syne_bohb",
)  # fmt: skip
"""The searches over several budgets; they have nothing to do on the functions."""

_PACKAGE = {"optuna": "optuna", "botorch": "botorch", "smac": "smac", "syne": "syne-tune"}


def maker(method: str) -> Callable[..., Any]:
    """What makes a search by its name: one of ours, or a peer.

    Raises:
        NotFound: There is none of that name.
    """
    if method in OPTIMIZERS:
        return OPTIMIZERS[method]
    from benchmarks.peers.searches import SEARCHES

    if method not in SEARCHES:
        raise NotFound(f"no search {method!r}; there are {', '.join([*OPTIMIZERS, *SEARCHES])}")
    return SEARCHES[method]


@dataclass(slots=True)
class Run:
    """A search on a problem: what it asked at, what came of it, how long it thought.

    Args:
        losses: Of each evaluation, in order; None where there is no usable score.
        spent: In full evaluations, after each.
        full: Whether each was at the full budget.
        ask_s: Seconds of each ask. tell_s: Of all tells.
        made_by: The version of a peer's package, or the commit of our code.
        error: What the search raised, which ended the run.
    """

    method: str
    problem: str
    seed: int
    losses: list[float | None] = field(default_factory=list)
    spent: list[float] = field(default_factory=list)
    full: list[bool] = field(default_factory=list)
    ask_s: list[float] = field(default_factory=list)
    tell_s: float = 0.0
    made_by: str = ""
    error: str = ""

    @property
    def key(self) -> tuple[str, str, int]:
        """Method, problem and seed."""
        return self.method, self.problem, self.seed

    @property
    def short(self) -> Run:
        """The same with nothing but the evaluations that were better than all before.

        What its asks took is added to `tell_s`.
        """
        least, rows = np.inf, []
        for row in zip(self.losses, self.spent, self.full, strict=True):
            if row[2] and row[0] is not None and row[0] < least:
                least, rows = row[0], [*rows, row]
        losses, spent, full = ([row[i] for row in rows] for i in range(3))
        tell_s = round(sum(self.ask_s) + self.tell_s, 3)
        return replace(self, losses=losses, spent=spent, full=full, ask_s=[], tell_s=tell_s)

    def best(self, n: int = EVALUATIONS) -> Floats:
        """The smallest loss at the full budget after 1..n full evaluations' spending, (n,).

        Infinite where nothing was evaluated at the full budget yet.
        """
        best = np.full(n, np.inf)
        for loss, spent, full in zip(self.losses, self.spent, self.full, strict=True):
            first = int(np.ceil(spent - 1e-9)) - 1
            if full and loss is not None and first < n:
                best[first:] = np.minimum(best[first:], loss)
        return best


def search(method: str, problem: Problem, seed: int, **settings: Any) -> Run:
    """Run a search by its name."""
    made = Run(method, problem.name, seed, made_by=origin(method))
    if method in BUDGETED and method in OPTIMIZERS:
        settings = {"least": LEAST} | settings
    return work(made, problem, lambda: maker(method)(problem.space, seed=seed, **settings))


def work(made: Run, problem: Problem, make: Callable[[], Optimizer]) -> Run:
    """Fill in a run of what `make` makes; what that raises ends the run and is kept."""
    try:
        drive(make(), problem, made)
    except Exception as error:  # a peer's flaw is a finding, and the others are to go on
        made.error = f"{type(error).__name__}: {error}"[:300]
    return made


def drive(optimizer: Optimizer, problem: Problem, made: Run) -> None:
    """Ask one, evaluate, tell, until `EVALUATIONS` are spent or nothing is asked."""
    budgets: dict[int, float] = {}
    spent = 0.0
    while spent < EVALUATIONS - 1e-9:
        start = time.perf_counter()
        asked = optimizer.ask(1)
        made.ask_s.append(round(time.perf_counter() - start, 5))
        if not asked:
            break
        trial = asked[0]
        resumed = budgets.get(trial.resume, 0.0) if trial.resume is not None else 0.0
        budgets[trial.id] = trial.budget
        evaluation = problem.objective(trial)
        spent += trial.budget - (resumed if problem.resumes else 0.0)
        loss = evaluation.loss
        made.losses.append(None if loss is None else float(f"{loss:.10g}"))
        made.spent.append(round(spent, 6))
        made.full.append(trial.budget >= 1.0)
        start = time.perf_counter()
        optimizer.tell([evaluation])
        made.tell_s += time.perf_counter() - start


def origin(method: str) -> str:
    """The version of a peer's package, or the commit of our code (and whether it was changed)."""
    package = _PACKAGE.get(method.split("_")[0])
    if package and method not in OPTIMIZERS:
        try:
            return f"{package} {version(package)}"
        except PackageNotFoundError:
            return package
    return _commit()


def _commit() -> str:
    command = ["git", "describe", "--always", "--dirty", "--exclude=*"]
    try:
        here = Path(__file__).parent
        done = subprocess.run(command, check=True, capture_output=True, text=True, cwd=here)
    except (OSError, subprocess.CalledProcessError):
        return "metadb"
    return f"metadb {done.stdout.strip()}"


def read(cache: Path) -> dict[tuple[str, str, int], Run]:
    """The runs of a cache by their keys, the last of each; a line that a kill cut is left out.

    What was kept of earlier studies, in `results/` under the same name, comes before.
    """
    runs: dict[tuple[str, str, int], Run] = {}
    for path in (RESULTS / cache.name, cache):
        for line in path.read_text().splitlines() if path.exists() else ():
            try:
                made = Run(**json.loads(line))
            except ValueError:
                continue
            runs[made.key] = made
    return runs


def keep(cache: Path) -> None:
    """Keep the runs in `results/`, shortened, so that another checkout goes on from them."""
    lines = [json.dumps(asdict(made.short)) for _, made in sorted(read(cache).items())]
    (RESULTS / cache.name).write_text("\n".join(lines) + "\n")


def append(cache: Path, made: Run) -> None:
    """A run as a line of its own, though the line before was cut."""
    cache.parent.mkdir(parents=True, exist_ok=True)
    content = {name: getattr(made, name) for name in Run.__dataclass_fields__}
    with cache.open("a+b") as file:
        if file.seek(0, 2) > 0:
            file.seek(-1, 2)
            if file.read(1) != b"\n":
                file.write(b"\n")
        file.write(json.dumps(content).encode() + b"\n")


def missing(
    methods: Sequence[str],
    problems: Sequence[str],
    seeds: Sequence[int],
    done: set[tuple[str, str, int]],
) -> Iterator[tuple[str, str, int]]:
    """What is to be run, a seed after the other, so that at any end all have the same seeds."""
    for seed in seeds:
        for name in problems:
            for method in methods:
                functional = ":" not in name and name != "nb301"
                if (method, name, seed) not in done and not (functional and method in BUDGETED):
                    yield method, name, seed


def work_off(
    jobs: Sequence[tuple[str, str, int]],
    run: Callable[[str, str, int], Run],
    cache: Path,
    hours: float,
) -> None:
    """Run what is missing, one after the other, each kept as it ends; none begun after `hours`."""
    end = time.monotonic() + 3600 * hours
    for nth, (method, name, seed) in enumerate(jobs, 1):
        if time.monotonic() > end:
            print(f"time is up; {len(jobs) - nth + 1} runs are left", flush=True)
            return
        start = time.perf_counter()
        made = run(method, name, seed)
        append(cache, made)
        seconds = time.perf_counter() - start
        print(
            f"{time.strftime('%H:%M:%S')} {nth}/{len(jobs)} {method} {name} {seed}: "
            f"{made.error or made.best()[-1]} in {seconds:.1f} s",
            flush=True,
        )


def finished(cache: Path) -> set[tuple[str, str, int]]:
    """The keys of the runs that ended well; those that failed are to be run again."""
    return {key for key, made in read(cache).items() if not made.error}
