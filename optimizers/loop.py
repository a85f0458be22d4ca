"""The one loop that runs trials: ask, run, record, tell."""

from __future__ import annotations

import time
from collections.abc import Callable

from metadb.protocols import Optimizer
from metadb.records import Evaluation, Trial

Objective = Callable[[Trial], Evaluation]


def run(
    optimizer: Optimizer,
    objective: Objective,
    *,
    trials: int,
    record: Callable[[Evaluation], object] = lambda evaluation: None,
) -> list[Evaluation]:
    """Run at most `trials` trials one after the other; returns their evaluations in order.

    Args:
        objective: Runs one trial; what it raises becomes an evaluation of status `failed`.
        record: Called with each evaluation as it ends, before the optimiser hears of it.
    """
    done: list[Evaluation] = []
    while len(done) < trials:
        asked = optimizer.ask(1)
        if not asked:
            break
        evaluation = _evaluate(objective, asked[0])
        record(evaluation)
        optimizer.tell([evaluation])
        done.append(evaluation)
    return done


def _evaluate(objective: Objective, trial: Trial) -> Evaluation:
    start = time.perf_counter()
    try:
        return objective(trial)
    except Exception:  # the objective is the user's; a search goes on when one config breaks it
        return Evaluation(trial, None, time.perf_counter() - start, status="failed")
