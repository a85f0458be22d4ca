"""What the tests of the searches by halving share: spaces, an objective, workers of uneven speed."""

from __future__ import annotations

import math
import random

from ConfigSpace import (
    Categorical,
    ConfigurationSpace,
    EqualsCondition,
    Float,
    ForbiddenAndConjunction,
    ForbiddenEqualsClause,
    Integer,
)

from metadb.records import Evaluation


def plane() -> ConfigurationSpace:
    space = ConfigurationSpace(name="plane")
    space.add([Float("x", (0.0, 15.0)), Float("y", (0.0, 15.0))])
    return space


def crooked() -> ConfigurationSpace:
    """A conditional hyperparameter and a forbidden clause."""
    space = ConfigurationSpace(name="crooked")
    kind, size, rate = (
        Categorical("kind", "abc"),
        Integer("size", (1, 9)),
        Float("rate", (0.0, 1.0)),
    )
    space.add([kind, size, rate])
    space.add(EqualsCondition(rate, kind, "a"))
    space.add(
        ForbiddenAndConjunction(ForbiddenEqualsClause(kind, "b"), ForbiddenEqualsClause(size, 5))
    )
    return space


def nearing(trial) -> Evaluation:
    """A bowl whose value shows the better the larger the budget (up to 1.0)."""
    x, y = trial.config["x"], trial.config["y"]
    value = (x - 9.2) ** 2 + (y - 4.3) ** 2
    ripple = 10 * math.sin(12.9898 * x + 78.233 * y)
    return Evaluation(trial, value + (1 - trial.budget) * ripple, trial.budget)


def run_unevenly(search, objective, *, workers: int, trials: int, seed: int):
    """All trials in the order of asking, told as workers of random speed finish them."""
    rng, clock, running, asked = random.Random(seed), 0.0, [], []
    while len(asked) < trials or running:
        while len(running) < workers and len(asked) < trials and (new := search.ask(1)):
            asked += new
            running.append((clock + rng.random() * (1 + new[0].budget), new[0]))
        if not running:
            break
        running.sort(key=lambda r: r[0])
        clock, trial = running.pop(0)
        search.tell([objective(trial)])
    return asked


def budget_to_the_best(search) -> float:
    """The budget spent until one of the best 0.7 % of the plane was run at all of it."""
    spent = 0.0
    while True:
        (trial,) = search.ask(1)
        evaluation = nearing(trial)
        spent += trial.budget
        if trial.budget == 1.0 and evaluation.loss < 0.5:
            return spent
        search.tell([evaluation])


def failing(trial) -> Evaluation:
    """Every third trial fails."""
    return nearing(trial) if trial.id % 3 else Evaluation(trial, None, 0.1, status="failed")


def key(trial) -> tuple[tuple[tuple[str, float], ...], float]:
    return tuple(sorted(trial.config.items())), trial.budget
