"""From the evaluations of a search to a model in a folder, with leaderboard and report."""

from __future__ import annotations

import platform
import warnings
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, Any

from api.leaderboard import Leaderboard, Place
from api.terminal import Common, json_text, remark
from metadb import __version__
from metadb.errors import MetadbError
from metadb.records import Task

if TYPE_CHECKING:
    from api.search import Found, Plan
    from metadb.store import Store
    from optimizers.prepared import Prepared
    from optimizers.saving import Model

PACKAGES = ("scikit-learn", "lightgbm", "torch", "numpy", "skops")


def finish(
    store: Store,
    task: Task,
    ready: Prepared,
    plan: Plan,
    found: Found,
    out: Path,
    common: Common,
) -> dict[str, Any]:
    """Fit the best on all rows, save it, say what was found; returns all of it as plain values.

    Raises:
        MetadbError: No trial has a usable result; nothing is written.
    """
    from api.report import report
    from optimizers.saving import save_model

    board = Leaderboard.of(
        found.evaluations, plan.metric, folds=ready.folds, first=found.start.configs
    )
    if not board.places:
        raise MetadbError(_hopeless(found))
    best = board.places[0]
    if board.budget < 1:
        remark(
            common,
            f"no configuration reached all rows yet; the best is by {board.budget:.0%} of them "
            "(more trials take it further)",
        )
    model = _fitted(task, ready, plan, found, board, best)
    page = report(store, task, ready, plan, found, board)
    answer = {
        "task": task.id,
        "run": found.run,
        "kind": task.kind,
        "target": ready.target,
        "optimizer": plan.optimizer,
        "seed": plan.seed,
        "notes": list(ready.notes),
        "warm_start": list(found.start.said),
        "trials": len(found.evaluations),
        "resumed": found.resumed,
        **board.as_dict(),
    }
    save_model(
        model,
        out,
        also={
            "report.html": page,
            "leaderboard.json": json_text(answer) + "\n",
            "leaderboard.csv": board.csv(),
        },
    )
    if not common.json:
        print("\n".join(board.lines()))
        remark(common, f"\nmodel: {out} (metadb predict {out} new.csv), report: {out}/report.html")
    return {**answer, "model": str(out)}


def _fitted(
    task: Task, ready: Prepared, plan: Plan, found: Found, board: Leaderboard, best: Place
) -> Model:
    """The best configuration, fitted on all rows."""
    from threadpoolctl import threadpool_limits

    from optimizers.saving import Model

    pipeline = found.objective.pipeline(best.config)
    with threadpool_limits(1), warnings.catch_warnings(action="ignore"):
        pipeline.fit(ready.x, ready.y)
    about = {
        "task": task.id,
        "name": task.name,
        "learner": best.learner,
        "config": dict(best.config),
        "metric": board.metric.name,
        "score": best.value,
        "score_sd": best.sd,
        "folds": board.folds,
        "budget": board.budget,
        "rows": len(ready.y),
        "trial": best.trial,
        "trials": len(found.evaluations),
        "run": found.run,
        "optimizer": plan.optimizer,
        "seed": plan.seed,
        "versions": {
            "metadb": __version__,
            "python": platform.python_version(),
            **{name: version(name) for name in PACKAGES},
        },
        "load": "from optimizers.saving import load_model; load_model('.').predict(table)",
    }
    return Model(pipeline, ready.features, task.kind, ready.target, ready.classes, about)


def _hopeless(found: Found) -> str:
    n = len(found.evaluations)
    if not n:
        return "not one trial was done in the time given, so there is no model; give more --time"
    ended = {e.status for e in found.evaluations}
    reason = max(found.why, key=lambda why: found.why[why]) if found.why else ", ".join(ended)
    return (
        f"none of the {n} trials has a usable result, so there is no model and nothing is saved; "
        f"most often: {reason}"
    )
