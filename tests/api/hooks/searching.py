"""One search space, its configs and what was measured: the same for the tests of several tuners."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Any

import ConfigSpace as cs

from metadb.axes import axes_of
from metadb.records import Config, Evaluation, Task, Trial

TASK = Task("mine:churn")


def svm() -> cs.ConfigurationSpace:
    """Every kind of hyperparameter, and one that is there on a condition."""
    space = cs.ConfigurationSpace("svm", space={"x": (0.0, 1.0), "kernel": ["rbf", "poly"]})
    space.add(cs.Float("C", (0.125, 1024.0), log=True), cs.Integer("n", (1, 64), log=True))
    space.add(cs.Integer("degree", (2, 5)), cs.Constant("k", "v"))
    space.add(cs.OrdinalHyperparameter("size", [1, 2, 4, 16]))
    space.add(cs.EqualsCondition(space["degree"], space["kernel"], "poly"))
    return space


CONFIGS: list[Config] = [
    {"C": 1.0, "x": 0.5, "kernel": "poly", "degree": 5, "n": 4, "size": 16, "k": "v"},
    {"C": 16.0, "x": 0.25, "kernel": "rbf", "n": 32, "size": 1, "k": "v"},
    {"C": 0.5, "x": 1.0, "kernel": "rbf", "n": 1, "size": 4, "k": "v"},
]

STRANGE: list[Config] = [
    {"C": 5e5, "x": 0.5, "kernel": "RBF", "n": 4, "size": 2},
    {"C": 1.0, "kernel": "poly", "n": 4, "foreign": 1},
    {"C": 1.0, "kernel": "tanh"},
]
"""Out of range and spelt otherwise; without values and with a foreign one; no such choice."""

PROJECTED: list[Config] = [
    {"C": 1024.0, "x": 0.5, "kernel": "rbf", "n": 4, "size": 2, "k": "v"},
    {"C": 1.0, "x": 0.5, "kernel": "poly", "degree": 4, "n": 4, "size": 1, "k": "v"},
]


def loss_of(config: Config) -> float:
    """Something to minimise."""
    return float(config["x"]) + float(config["C"]) / 1024.0


def told(configs: list[Config], losses: list[float], **more: Any) -> list[Evaluation]:
    """What was measured on the task."""
    pairs = zip(configs, losses, strict=True)
    return [Evaluation(Trial(config), loss, **more) for config, loss in pairs]


def shape(space: cs.ConfigurationSpace, *, ordered: bool = True) -> dict[str, Any]:
    """A space without its conditions, to be compared; an ordinal is a choice unless `ordered`."""
    found: dict[str, Any] = {}
    for name, axis in axes_of(space).items():
        one = axis.hyperparameter
        if axis.choices:
            kind = "categorical" if axis.kind == "ordinal" and not ordered else axis.kind
            choices = axis.choices if kind == "ordinal" else tuple(sorted(map(repr, axis.choices)))
            found[name] = (kind, choices)
        else:
            found[name] = (axis.kind, float(one.lower), float(one.upper), bool(one.log))
    return found


def brought(hook: str, tuner: str) -> set[str]:
    """The packages that an import of a hook brings, beyond those of its tuner."""
    names = "{m.split('.')[0] for m in sys.modules}"
    code = f"import sys, {tuner}; its = {names}; import {hook}; print(*({names} - its))"
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True,
        cwd=Path(__file__).resolve().parents[3],
    )  # fmt: skip
    return set(done.stdout.split("\n")[-2].split())
