"""How far what the few-shot learners know of their own alphabets carries over to others.

    python -m benchmarks.fewshot_gap [--learners maml,prototypical] [--tasks 60]

Protocol: the learners that `benchmarks.fewshot` has trained for 5-way 1-shot tasks (its checkpoints
in `build/fewshot`), judged on tasks of 15 queries a class from the three alphabets that they were
trained on, turned as in training, and from the two that they never met: as many tasks of each, the
same for every learner. The first figure says how far training has come in its two minutes, the
difference what new alphabets cost. Those that take more inner steps on a new task than in training,
as their paper has it, are judged with as many as in training too, and at 5 shots. Nothing was
chosen by it.
"""

from __future__ import annotations

import argparse
import os

os.environ.setdefault("OMP_NUM_THREADS", "1")

import torch

from benchmarks.fewshot import ROWS, SETTINGS, SLOW, TESTED, TRAINED, alphabets
from benchmarks.fewshot_choice import candidates
from benchmarks.machine import write
from optimizers.fewshot import FEW_SHOT_LEARNERS
from optimizers.fewshot.evaluation import evaluate
from optimizers.fewshot.learner import FewShotLearner
from optimizers.fewshot.ways import Ways


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    quick = [name for name in FEW_SHOT_LEARNERS if name not in SLOW]
    parser.add_argument("--learners", default=",".join(quick))
    parser.add_argument("--tasks", type=int, default=60)
    asked = parser.parse_args()
    torch.set_num_threads(1)
    names = asked.learners.split(",")
    more = [name for name in names if "adapt_steps" in SETTINGS.get(name, {})]
    rows = []
    for row, wanted, changed in (
        ("5w1s", names, {}), ("5w1s", more, {"adapt_steps": None}),
        ("5w5s", more, {}), ("5w5s", more, {"adapt_steps": None}),
    ):  # fmt: skip
        for name, learner in candidates(wanted, row, **changed).items():
            steps = SETTINGS.get(name, {}).get("steps" if changed else "adapt_steps")
            rows.append({"row": row, "learner": name, "adapt_steps": steps}
                        | judged(learner, row, asked.tasks))  # fmt: skip
            print(rows[-1], flush=True)
    write("fewshot_gap", {"tasks": asked.tasks, "rows": rows})


def judged(learner: FewShotLearner, row: str, tasks: int) -> dict[str, list[float]]:
    """Accuracy and half width of its interval, on own alphabets and on new ones."""
    found = {}
    for which, names, turns in (("own", TRAINED, 4), ("new", TESTED, 1)):
        ways, shots, queries, _ = ROWS[row]
        source = Ways(alphabets().only(names), ways, shots=shots, queries=queries, turns=turns)
        scores = evaluate(learner, source, episodes=tasks, seed=1)
        found[which] = [round(scores.mean, 4), round(scores.half_width, 4)]
    return found


if __name__ == "__main__":
    main()
