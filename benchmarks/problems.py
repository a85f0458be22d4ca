"""What the optimisers are judged on: three closed forms and the surrogate tasks of YAHPO.

Every problem is a space and an objective that takes a `Trial` and gives an `Evaluation`; less is
better; a budget is a fraction, 1.0 is everything.

Branin (2 dimensions, [-5, 10] x [0, 15], minimum 0.397887), Hartmann-6 ([0, 1]^6, minimum
-3.32237) and Ackley-10 ([-32.768, 32.768]^10, minimum 0): Surjanovic, Bingham 2013, "Virtual
Library of Simulation Experiments". They have no smaller budgets.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np

from metadb.errors import NotFound
from metadb.protocols import Floats
from metadb.records import Config, Evaluation, Trial
from metadb.space import sample
from optimizers.yahpo import Yahpo
from optimizers.yahpo_scenario import SCENARIOS

DATA = Path(__file__).resolve().parents[2] / "shared" / "data" / "yahpo"
SCENARIO = {"lcbench": "lcbench", "nb301": "nb301_v2", "rbv2_ranger": "rbv2_ranger_v2"}
SMALL = 3
"""So many tasks of a family stand for it where a method is too slow for all."""

LEAST = 1 / 27
"""The smallest budget of searches over several budgets; the others are 1/9, 1/3 and 1."""

REFERENCE = 20_000
"""So many random configs tell the range of a surrogate's losses."""


@dataclass(frozen=True, slots=True, eq=False)
class Problem:
    """A space to search and what is minimised over it.

    Args:
        name: `family:task`, or the family's name where it has one task.
        losses: Of configs at the full budget, (n,), without being asked one by one.
        optimum: The smallest loss, where it is known.
        resumes: Whether a larger budget goes on from a smaller one and costs the difference
            (epochs), or begins anew (rows of training data).
    """

    name: str
    family: str
    space: Any
    objective: Callable[[Trial], Evaluation]
    losses: Callable[[Sequence[Config]], Floats]
    optimum: float | None = None
    resumes: bool = False

    def reference(self) -> tuple[float, float]:
        """The smallest and the largest loss of `REFERENCE` random configs."""
        loss = self.losses(sample(self.space, REFERENCE, seed=20_000))
        best = float(loss.min()) if self.optimum is None else self.optimum
        return best, float(loss.max())


def branin(x: Floats) -> Floats:
    """(n, 2) -> (n,)."""
    a, b = x[:, 0], x[:, 1]
    curve = b - 5.1 / (4 * np.pi**2) * a**2 + 5 / np.pi * a - 6
    return np.asarray(curve**2 + 10 * (1 - 1 / (8 * np.pi)) * np.cos(a) + 10)


def hartmann6(x: Floats) -> Floats:
    """(n, 6) -> (n,)."""
    alpha = np.array([1.0, 1.2, 3.0, 3.2])
    A = np.array(
        [
            [10, 3, 17, 3.5, 1.7, 8],
            [0.05, 10, 17, 0.1, 8, 14],
            [3, 3.5, 1.7, 10, 17, 8],
            [17, 8, 0.05, 10, 0.1, 14],
        ]
    )
    P = 1e-4 * np.array(
        [
            [1312, 1696, 5569, 124, 8283, 5886],
            [2329, 4135, 8307, 3736, 1004, 9991],
            [2348, 1451, 3522, 2883, 3047, 6650],
            [4047, 8828, 8732, 5743, 1091, 381],
        ]
    )
    away = (A * (x[:, None, :] - P) ** 2).sum(axis=2)  # (n, 4)
    return np.asarray(-np.exp(-away) @ alpha)


def ackley(x: Floats) -> Floats:
    """(n, d) -> (n,)."""
    far = np.exp(-0.2 * np.sqrt((x**2).mean(axis=1)))
    return np.asarray(-20 * far - np.exp(np.cos(2 * np.pi * x).mean(axis=1)) + 20 + np.e)


FUNCTIONS: dict[str, tuple[Callable[[Floats], Floats], list[tuple[float, float]], float]] = {
    "branin": (branin, [(-5.0, 10.0), (0.0, 15.0)], 0.39788735772973816),
    "hartmann6": (hartmann6, [(0.0, 1.0)] * 6, -3.32236801141551),
    "ackley10": (ackley, [(-32.768, 32.768)] * 10, 0.0),
}
"""Name to function, bounds and minimum."""


def _function(name: str) -> Problem:
    from ConfigSpace import ConfigurationSpace, Float

    of, bounds, optimum = FUNCTIONS[name]
    space = ConfigurationSpace(name=name)
    names = [f"x{i}" for i in range(len(bounds))]
    space.add(*(Float(n, b) for n, b in zip(names, bounds, strict=True)))

    def losses(configs: Sequence[Config]) -> Floats:
        return of(np.array([[float(c[n]) for n in names] for c in configs]))

    def objective(trial: Trial) -> Evaluation:
        return Evaluation(trial, float(losses([trial.config])[0]), 1.0)

    return Problem(name, "functions", space, objective, losses, optimum)


def _surrogate(family: str, instance: str | None, data: Path) -> Problem:
    yahpo = Yahpo(data, SCENARIO[family], instance)
    name = f"{family}:{instance}" if instance else family
    target = next(t for t in SCENARIOS[SCENARIO[family]].targets if t.name == yahpo.metric)

    def losses(configs: Sequence[Config]) -> Floats:
        score = yahpo.evaluate(configs)[yahpo.metric].to_numpy()
        return np.array([target.loss(value) for value in score])

    return Problem(name, family, yahpo.space, yahpo, losses, resumes=family != "rbv2_ranger")


@lru_cache(maxsize=8)
def problem(name: str, data: Path = DATA) -> Problem:
    """A problem by its name.

    Raises:
        NotFound: There is none of that name, or its data are not there.
    """
    if name in FUNCTIONS:
        return _function(name)
    family, _, instance = name.partition(":")
    if family not in SCENARIO:
        raise NotFound(f"no problem {name!r}; there are {', '.join([*FUNCTIONS, *SCENARIO])}")
    return _surrogate(family, instance or None, data)


def tasks(family: str, data: Path = DATA) -> list[str]:
    """The names of a family's problems, sorted as text."""
    if family == "functions":
        return list(FUNCTIONS)
    if family == "nb301":
        return ["nb301"]
    first = {"lcbench": "3945", "rbv2_ranger": "3"}[family]
    return sorted(f"{family}:{i}" for i in Yahpo(data, SCENARIO[family], first).instances)


def small(family: str, data: Path = DATA) -> list[str]:
    """The tasks that stand for a family: the middle ones of `SMALL` equal parts of the sorted list.

    lcbench: 167149, 168331, 189906; rbv2_ranger: 1476, 377, 41168.
    """
    names = tasks(family, data)
    n = min(SMALL, len(names))
    return [names[(2 * i + 1) * len(names) // (2 * n)] for i in range(n)]


FAMILIES = ("functions", "lcbench", "nb301", "rbv2_ranger")


def chosen(words: Sequence[str], data: Path = DATA) -> list[str]:
    """Problems by name; `all`, `small`, a family or `family/small` stands for several."""
    names: list[str] = []
    for word in words:
        if word in ("all", "small"):
            names += [n for f in FAMILIES for n in (tasks if word == "all" else small)(f, data)]
        elif word in FAMILIES:
            names += tasks(word, data)
        elif word.removesuffix("/small") in FAMILIES:
            names += small(word.removesuffix("/small"), data)
        else:
            names.append(word)
    return list(dict.fromkeys(names))
