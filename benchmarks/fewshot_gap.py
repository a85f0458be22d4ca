"""How far what the few-shot learners know of their own alphabets carries over to others.

    python -m benchmarks.fewshot_gap [--learners maml,prototypical] [--tasks 100]

Protocol: the learners that `benchmarks.fewshot` has trained for 5-way 1-shot tasks (its checkpoints
in `build/fewshot`), judged on tasks of 15 queries a class from the three alphabets that they were
trained on, turned as in training, and from the two that they never met: as many tasks of each, the
same for every learner. The first figure says how far training has come in its two minutes, the
difference what new alphabets cost. Nothing was chosen by it.
"""

from __future__ import annotations

import argparse
import os

os.environ.setdefault("OMP_NUM_THREADS", "1")

import torch

from benchmarks.fewshot import DATA, SLOW, TESTED, TRAINED
from benchmarks.fewshot_choice import candidates
from benchmarks.machine import write
from optimizers.fewshot import FEW_SHOT_LEARNERS
from optimizers.fewshot.evaluation import evaluate
from optimizers.fewshot.ways import Ways
from optimizers.labelled import read


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    quick = [name for name in FEW_SHOT_LEARNERS if name not in SLOW]
    parser.add_argument("--learners", default=",".join(quick))
    parser.add_argument("--tasks", type=int, default=100)
    asked = parser.parse_args()
    torch.set_num_threads(1)
    everything = read(DATA / "omniglot-small1" / "images_background_small1.zip")
    judged = {
        "own": Ways(everything.only(TRAINED), 5, shots=1, queries=15, turns=4),
        "new": Ways(everything.only(TESTED), 5, shots=1, queries=15),
    }
    found = {}
    for name, learner in candidates(asked.learners.split(",")).items():
        scores = {k: evaluate(learner, s, episodes=asked.tasks, seed=1) for k, s in judged.items()}
        found[name] = {k: [round(s.mean, 4), round(s.half_width, 4)] for k, s in scores.items()}
        print(name, found[name], flush=True)
    write("fewshot_gap", {"tasks": asked.tasks, "learners": found})


if __name__ == "__main__":
    main()
