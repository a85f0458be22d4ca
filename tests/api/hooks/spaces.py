"""Spaces and a history for the tests of hooks."""

from __future__ import annotations

import ConfigSpace as cs
import numpy as np

from metadb.history import Configs, History


def everything(*, conditional: bool = True, ordered: bool = True) -> cs.ConfigurationSpace:
    """Logarithmic, whole, chosen, ordered and constant values, and one on a condition."""
    space = cs.ConfigurationSpace(
        "all", seed=0, space={"C": (0.1, 10.0), "kernel": ["rbf", "poly"], "k": 3}
    )
    space.add(cs.Float("gamma", (1e-4, 1.0), log=True), cs.Integer("n", (1, 64), log=True))
    space.add(cs.Categorical("shrink", [False, True]))
    if ordered:
        space.add(cs.OrdinalHyperparameter("batch", [16, 32, 128]))
    if conditional:
        space.add(cs.Integer("degree", (2, 6)))
        space.add(cs.EqualsCondition(space["degree"], space["kernel"], "poly"))
    return space


def svm(*, conditional: bool = True) -> cs.ConfigurationSpace:
    """The space of `CONFIGS`."""
    space = cs.ConfigurationSpace(
        "svm", seed=0, space={"C": (0.0, 10.0), "kernel": ["rbf", "poly"]}
    )
    if conditional:
        space.add(cs.Integer("degree", (2, 5)))
        space.add(cs.EqualsCondition(space["degree"], space["kernel"], "poly"))
    return space


CONFIGS = [
    {"C": 5.0, "kernel": "poly", "degree": 4},
    {"C": 1.0, "kernel": "rbf"},
    {"C": 3.0, "kernel": "rbf"},
]
FOREIGN = [
    {"C": 99.0, "kernel": "rbf", "degree": 3, "depth": 7},
    {"C": 2.0, "kernel": "poly"},
    {"C": 1.0, "kernel": "tanh"},
]
"""Out of range, inactive and unknown; missing; no such choice."""

FLAT = [{"C": c, "kernel": "rbf"} for c in (0.5, 1.0, 2.0, 4.0, 8.0)]


def past() -> History:
    """Two tasks that prefer opposite ends, their losses a thousand times apart; one run failed."""
    c = np.array([config["C"] for config in FLAT])
    loss = np.concatenate([c, 1000.0 * (10.0 - c)])
    loss[4] = np.inf
    return History(
        "error_rate", ("past:low", "past:high"), Configs.of("svm", FLAT),
        np.repeat([0, 1], 5).astype(np.int32), np.tile(np.arange(5), 2).astype(np.int32),
        loss, np.full(10, np.nan), np.ones(10),
    )  # fmt: skip
