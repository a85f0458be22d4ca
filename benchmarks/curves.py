"""Learning curves: where they end, and what ending hopeless trials early saves.

    python -m benchmarks.curves [--data DIR] [--parts FILE]    # about four minutes of one core

With `--parts` every part that is done is kept in a file, and the same command goes on from there.

The method (window, sizes of noise and stray, number of nodes, steps of the ladder) was chosen on
half of the data: LCDB's data sets and lcbench's tasks in the order of their numbers, those at even
places, and nb301 configs of another seed. Reported are the others.

Extrapolation: the loss at the largest budget from the budgets up to a quarter and a half of it, all
of them or eight in even ratios; beside the last loss seen, and a power law (pow3) fitted alone by
least squares. Mean and median absolute error; the share of curves whose end lies in the predicted
interval of 80 %; the interval of 95 % of the mean error less that of the last loss is a bootstrap
over tasks.

Beside the paper's own method (`benchmarks.peers.curve_mcmc`, where `emcee` is installed): 12
curves of LCDB, and one of each of 12 lcbench tasks, from half of the budget.

Stopping: a search of 50 configs at 52 epochs each reaches a loss; how many epochs does a search
with another seed spend, without and with stopping, until it reaches that loss (at most those of 50
configs)? Intervals are bootstraps over tasks.
"""

from __future__ import annotations

import argparse
import json
import time
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from importlib.util import find_spec
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from benchmarks.machine import write
from metadb.protocols import Floats, Optimizer
from metadb.space import sample
from optimizers import TPE, CurveStopping, RandomSearch, run
from optimizers.yahpo import Yahpo
from recommenders.curve_family import FAMILIES
from recommenders.learning_curve import LearningCurve

DATA = Path(__file__).resolve().parents[2] / "shared" / "data"
FULL, CONFIGS = 52, 50
SEEDS = 2
REPORTED, CHOSEN_ON = 1, 0
BESIDE = 12
"""Curves of each kind that the paper's MCMC extrapolates too, at 5 s each."""


class Curve(NamedTuple):
    """Losses at growing budgets."""

    task: str
    budget: Floats
    loss: Floats


def lcdb(data: Path, half: int, n: int = 400) -> list[Curve]:
    """Validation error against training size: `n` curves of at least 24 sizes, drawn evenly."""
    anchors = np.array(json.loads((data / "lcdb11" / "meta.json").read_text())["anchors"], float)
    files = sorted((data / "lcdb11" / "er").glob("*.json"), key=lambda file: int(file.stem))
    found = []
    for file in files[half::2]:
        for of_learner in np.array(json.loads(file.read_text()), float):
            loss = of_learner[0, :, 1]
            there = ~np.isnan(loss)
            if there.sum() >= 24:
                found.append(Curve(file.stem, anchors[there], loss[there]))
    chosen = np.random.default_rng(0).permutation(len(found))[:n]
    return [found[i] for i in sorted(chosen)]


def yahpo(data: Path, scenario: str, metric: str, half: int, n: int) -> list[Curve]:
    """Losses by epoch of `n` random configs of each task."""
    found = []
    for task in tasks(data, half) if scenario == "lcbench" else [None]:
        surrogate = Yahpo(data / "yahpo", scenario, task, metric=metric, unit="epochs")
        target = next(t for t in surrogate._of.targets if t.name == metric)
        epochs = np.arange(1, surrogate._of.full + 1)
        for config in sample(surrogate.space, n, seed=1 + half):
            values = surrogate.evaluate([config] * len(epochs), epochs.tolist())[metric]
            loss = np.array([target.loss(value) for value in values.to_pylist()])
            found.append(Curve(str(task), epochs.astype(float), loss))
    return found


def tasks(data: Path, half: int) -> list[str]:
    """Half of lcbench's tasks."""
    return sorted(Yahpo(data / "yahpo", "lcbench", "3945").instances, key=int)[half::2]


def extrapolation(curves: Sequence[Curve], share: float, points: int | None) -> dict[str, Any]:
    """Errors at the largest budget of each method, and how often the interval holds it."""
    ours, last, power, inside, seconds = [], [], [], [], []
    for curve in curves:
        seen = curve.budget <= curve.budget[-1] * share
        budget, loss = curve.budget[seen], curve.loss[seen]
        if points:
            places = np.geomspace(1, len(budget), points).round().astype(int) - 1
            budget, loss = budget[np.unique(places)], loss[np.unique(places)]
        at, end = float(curve.budget[-1]), float(curve.loss[-1])
        start = time.perf_counter()
        fitted = LearningCurve.fit(budget, loss)
        ours.append(abs(float(fitted.predict(at)[0]) - end))
        seconds.append(time.perf_counter() - start)
        inside.append(0.1 <= fitted.probability_below(at, end) <= 0.9)
        last.append(abs(float(loss[-1]) - end))
        alone = FAMILIES["pow3"].fit(budget, loss, starts=16)
        power.append(abs(float(alone.predict(np.array([at]))[0]) - end))
    names = [curve.task for curve in curves]
    low, high = interval(names, np.array(ours) - np.array(last))
    return {
        "curves": len(curves),
        "mean_error": {k: _round(np.mean(v)) for k, v in _methods(ours, last, power)},
        "median_error": {k: _round(np.median(v)) for k, v in _methods(ours, last, power)},
        "mean_error_less_last_value": [_round(low), _round(high)],
        "inside_80": round(float(np.mean(inside)), 3),
        "median_ms": round(1e3 * float(np.median(seconds)), 1),
    }


def extrapolations(curves: Callable[[], Sequence[Curve]]) -> dict[str, Any]:
    """From a quarter and a half of the budget, by all points and by eight."""
    found = curves()
    return {
        f"{share:.0%} of the budget, {points or 'all'} points": extrapolation(found, share, points)
        for share in (0.25, 0.5)
        for points in (None, 8)
    }


def _methods(ours: list[float], last: list[float], power: list[float]) -> Iterator[Any]:
    return zip(("families", "last_value", "pow3_alone"), (ours, last, power), strict=True)


def interval(names: Sequence[str], values: Floats) -> tuple[float, float]:
    """95 % of the mean over a bootstrap of tasks (of values where there is but one task)."""
    of = np.unique(names, return_inverse=True)[1] if len(set(names)) > 1 else np.arange(len(values))
    totals, counts = np.bincount(of, values), np.bincount(of)
    drawn = np.random.default_rng(0).integers(len(totals), size=(2000, len(totals)))
    means = totals[drawn].sum(axis=1) / counts[drawn].sum(axis=1)
    return float(np.quantile(means, 0.025)), float(np.quantile(means, 0.975))


def _round(value: Any) -> float:
    return float(f"{value:.3g}")


def to_reach(search: Optimizer, surrogate: Yahpo, target: float) -> tuple[float, float]:
    """Epochs until a full-budget loss is at most `target` (50 configs at most), and the best."""
    spent, best = 0.0, np.inf
    at: dict[int | None, float] = {None: 0.0}
    while spent < CONFIGS * FULL and best > target:
        (trial,) = search.ask(1)
        evaluation = surrogate(trial)
        search.tell([evaluation])
        at[trial.id] = trial.budget
        spent += FULL * (trial.budget - at[trial.resume])
        if trial.budget == 1.0 and evaluation.loss is not None:
            best = min(best, evaluation.loss)
    return spent, best


def pair(
    data: Path,
    task: str,
    inner: Callable[..., Optimizer],
    seed: int,
    stop: Callable[..., Optimizer] = CurveStopping,
) -> tuple[float, float, bool, bool]:
    """Epochs to what another seed's 50 configs reach, without stopping and with; who reached it."""
    surrogate = Yahpo(data / "yahpo", "lcbench", task)
    done = run(inner(surrogate.space, seed=1000 + seed), surrogate, trials=CONFIGS)
    target = min(e.loss for e in done if e.loss is not None)
    plain, found = to_reach(inner(surrogate.space, seed=seed), surrogate, target)
    search = stop(surrogate.space, inner=inner, least=1 / FULL, seed=seed)
    spent, best = to_reach(search, surrogate, target)
    return plain, spent, found <= target, best <= target


def stopping(of: Sequence[str], pairs: Sequence[Sequence[float]]) -> dict[str, Any]:
    """Tasks and their pairs, in sum."""
    without, with_it, reached, reached_with = np.array(pairs, float).T
    ratio = np.log(with_it / without)
    return {
        "tasks": len(set(of)),
        "seeds": len(of) // len(set(of)),
        "mean_epochs": {"without": round(without.mean()), "with": round(with_it.mean())},
        "geometric_mean_of_ratios": [
            round(float(np.exp(v)), 3) for v in (ratio.mean(), *interval(of, ratio))
        ],
        "reached": {"without": _round(reached.mean()), "with": _round(reached_with.mean())},
    }


def beside_mcmc(curve: Curve) -> dict[str, Any]:
    """One curve from half of its budget: errors, whether inside, seconds; ours and the paper's.

    An accuracy is one minus the loss; where the paper's prior rules the curve out, its answer is
    the last value, without an interval.
    """
    from benchmarks.peers.curve_mcmc import draws

    seen = curve.budget <= curve.budget[-1] / 2
    budget, loss = curve.budget[seen], curve.loss[seen]
    at, end = float(curve.budget[-1]), float(curve.loss[-1])
    begin = time.process_time()
    fitted = LearningCurve.fit(budget, loss)
    ours = {
        "error": abs(float(fitted.predict(at)[0]) - end),
        "inside": float(0.1 <= fitted.probability_below(at, end) <= 0.9),
        "seconds": time.process_time() - begin,
    }
    begin = time.process_time()
    drawn = draws(budget, 1 - loss, at)
    found = np.array([np.nan]) if drawn is None else 1 - drawn
    answer = float(loss[-1]) if drawn is None else float(np.median(found))
    low, high = np.quantile(found, [0.1, 0.9])
    theirs = {
        "error": abs(answer - end),
        "inside": float(low <= end <= high),
        "seconds": time.process_time() - begin,
        "answered": float(drawn is not None),
    }
    return {"families": ours, "mcmc": theirs, "last_value": {"error": abs(float(loss[-1]) - end)}}


def paper(curves: Sequence[Curve], parts: Parts, name: str) -> dict[str, Any]:
    """Means over curves, and the median error."""
    found = [
        parts.get(f"mcmc {name} {i}", partial(beside_mcmc, one)) for i, one in enumerate(curves)
    ]
    figures: dict[str, Any] = {"curves": len(curves)}
    for method in ("families", "mcmc", "last_value"):
        of = [one[method] for one in found]
        figures[method] = {key: _round(np.mean([one[key] for one in of])) for key in of[0]}
        figures[method]["median_error"] = _round(np.median([one["error"] for one in of]))
    return figures


class Parts:
    """Results by name, kept in a file where there is one."""

    def __init__(self, path: Path | None) -> None:
        self._path = path
        self._done = json.loads(path.read_text()) if path and path.exists() else {}

    def get(self, name: str, make: Callable[[], Any]) -> Any:
        """What was made of this name, now or before."""
        if name not in self._done:
            self._done[name] = make()
            if self._path:
                part = self._path.with_suffix(".part")
                part.write_text(json.dumps(self._done))
                part.replace(self._path)
        return self._done[name]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", type=Path, default=DATA)
    parser.add_argument("--parts", type=Path)
    arguments = parser.parse_args()
    data, parts, start = arguments.data, Parts(arguments.parts), time.process_time()
    sets = {
        "lcdb_error": partial(lcdb, data, REPORTED),
        "lcbench_accuracy": partial(yahpo, data, "lcbench", "val_accuracy", REPORTED, 20),
        "lcbench_cross_entropy": partial(yahpo, data, "lcbench", "val_cross_entropy", REPORTED, 20),
        "nb301_accuracy": partial(yahpo, data, "nb301_v2", "val_accuracy", REPORTED, 100),
    }
    table = {
        name: parts.get(name, partial(extrapolations, curves)) for name, curves in sets.items()
    }
    early = {}
    for name, inner in (("random", RandomSearch), ("tpe", TPE)):
        runs = [(task, seed) for task in tasks(data, REPORTED) for seed in range(SEEDS)]
        pairs = [
            parts.get(f"{name} {task} {seed}", partial(pair, data, task, inner, seed))
            for task, seed in runs
        ]
        early[name] = stopping([task for task, _ in runs], pairs)
    seconds = parts.get("seconds", lambda: time.process_time() - start)
    figures = {"extrapolation": table, "stopping": early, "core_minutes": round(seconds / 60, 1)}
    if find_spec("emcee"):
        figures["beside_mcmc"] = {
            "lcdb_error": paper(lcdb(data, REPORTED, BESIDE), parts, "lcdb"),
            "lcbench_accuracy": paper(sets["lcbench_accuracy"]()[::20][:BESIDE], parts, "lcbench"),
        }
    else:
        print("without emcee nothing is compared with the paper's own method")
    write("curves", figures)


if __name__ == "__main__":
    main()
