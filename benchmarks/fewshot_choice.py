"""Whether `metadb models --for` finds the model that a new task should start from.

    python -m benchmarks.fewshot_choice [--tasks 40]

Protocol: the candidates are the learners that `benchmarks.fewshot` has trained for 5-way 1-shot
tasks on three alphabets (its checkpoints in `build/fewshot`), but for those that take a second to
adapt. New tasks: 5 classes of two other alphabets, 5 examples of each, 15 queries a
class. A model is chosen by the support alone, without what it reached elsewhere (`value` is None,
so likeness decides nothing): leave-one-out. Told is the accuracy on the queries of the model that
was chosen, of one drawn at random (the mean of all), of the one that is best over all these tasks,
and of the best for each task, both known in hindsight; differences are paired by task, with an
interval of 95 %.
"""

from __future__ import annotations

import argparse
import os
from collections.abc import Sequence
from typing import Any

os.environ.setdefault("OMP_NUM_THREADS", "1")

import numpy as np
import torch

from benchmarks.fewshot import BUILD, ROWS, SETTINGS, SLOW, TESTED, TRAINED, alphabets
from benchmarks.machine import write
from optimizers.fewshot import FEW_SHOT_LEARNERS
from optimizers.fewshot.building import build
from optimizers.fewshot.choosing import Candidate, rank
from optimizers.fewshot.learner import FewShotLearner
from optimizers.fewshot.ways import Ways
from optimizers.fewshot.weights import put
from optimizers.tensor_file import read_tensors

WAYS, SHOTS, QUERIES = 5, 5, 15


def candidates(
    names: Sequence[str], row: str = "5w1s", **changed: Any
) -> dict[str, FewShotLearner]:
    """Those of these learners that were trained for a row, with their weights.

    Args:
        changed: Settings that are not those of the training.
    """
    ways, shots = ROWS[row][:2]
    classes = Ways(alphabets().only(TRAINED), ways, shots=shots, turns=4).classes
    found = {}
    for name in names:
        file = BUILD / f"{row}-{name}-cpu.safetensors"
        if not file.exists():
            continue
        learner = build(
            name, shape=(1, 28, 28), ways=ways, classes=classes,
            config=SETTINGS.get(name, {}) | changed, total=10_000,
        )  # fmt: skip
        put(learner, read_tensors(file)[0])
        found[name] = learner
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--tasks", type=int, default=40)
    asked = parser.parse_args()
    torch.set_num_threads(1)
    source = Ways(alphabets().only(TESTED), WAYS, shots=SHOTS, queries=QUERIES)
    learners = candidates([name for name in FEW_SHOT_LEARNERS if name not in SLOW])
    names = list(learners)
    accuracy = np.zeros((asked.tasks, len(names)))
    chosen = []
    for nth in range(asked.tasks):
        task = source.draw(1, torch.Generator().manual_seed(nth))
        models = [Candidate(name, learners[name], WAYS, None, {}) for name in names]
        chosen.append(names.index(rank(models, task.support.x[0], task.support.y[0])[0].id))
        for place, name in enumerate(names):
            said = learners[name].adapt(task.support)(task.query.x).argmax(2).cpu()
            accuracy[nth, place] = float((said == task.query.y).double().mean())
        print(nth, names[chosen[-1]], accuracy[nth].round(3), flush=True)
    own = accuracy[np.arange(len(chosen)), chosen]
    best = int(accuracy.mean(0).argmax())
    write(
        "fewshot_choice",
        {
            "tasks": asked.tasks,
            "candidates": {
                name: round(float(a), 4) for name, a in zip(names, accuracy.mean(0), strict=True)
            },
            "chosen": _told(own),
            "at random": _told(accuracy.mean(1)),
            f"best over all ({names[best]})": _told(accuracy[:, best]),
            "best for each": _told(accuracy.max(1)),
            "chosen less at random": _told(own - accuracy.mean(1)),
            "chosen less best over all": _told(own - accuracy[:, best]),
        },
    )


def _told(values: Any) -> list[float]:
    """Mean and half the width of its interval of 95 %."""
    values = np.asarray(values)
    half = 1.96 * values.std(ddof=1) / np.sqrt(len(values))
    return [round(float(values.mean()), 4), round(float(half), 4)]


if __name__ == "__main__":
    main()
