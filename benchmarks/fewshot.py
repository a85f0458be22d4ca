"""How well the few-shot learners do on sinusoids and on alphabets they never met, at one budget.

    python -m benchmarks.fewshot --minutes 30 [--rows 5w1s,sinusoid-5] [--learners maml,anil]
    python -m benchmarks.fewshot --summary

Protocol, stated before the first run:

Characters: the five alphabets of Omniglot's `images_background_small1`, 28 x 28, ink 1. Trained on
Balinese, Early Aramaic, Korean (86 characters, each quarter turn a class of its own: 344); judged
on Greek and Latin (50 characters, not turned), 600 tasks, the same for every learner, of 15 queries
a class (5 in 20-way tasks); trained with 5. Network: four blocks of 64 channels.
Budget: every learner trains for the same seconds of one core (`--minutes`), counted by the
process's own clock; the looks at a training are not part of learning and are left out. On a GPU
(`--device cuda`) seconds are those of the wall clock. A larger budget goes on where a smaller one
ended.
Settings are those of the papers where they fit, stated in `SETTINGS` before the first run, else the
defaults; nothing was tuned on these alphabets. Each step has 4 tasks (1 for 20-way tasks, and for
`fine_tuning`, `linear_probe` all examples of 4 tasks as one batch).
All queries of a task are judged together; in `5w1s` also, on the first 60 of the tasks, each query
beside the support alone (a network whose norms use the batch then sees no other query), and the
same 60 together, to compare.

Sinusoids: amplitude 0.1 to 5, phase 0 to pi, inputs -5 to 5, 5 and 10 points, a perceptron of two
hidden layers of 40, 25 tasks a step, one inner step of 0.01 (Finn et al. 2017), `--minutes` / 10.
Judged on 600 tasks of 100 queries: mean squared error after one step; iMAML's after 16 with its
pull, as its gradient is that at the end of the inner problem. (With one step, as it was run first,
it diverged: 13,539 and 369. Its other settings are the defaults.)

Rows of `5w1s` at two minutes (not `scratch`, `lstm_optimizer`) and `maml` of `20w1s` were run
before networks lay channels last on a CPU, which makes a step of the first order, or of an
embedding, 1.1 to 1.4 times as fast; the other rows after it.
What takes a second or more to adapt to a task (`SLOW`) is judged on the first 200 of the 600 tasks,
but for the rows of `5w1s` that were run before this was decided (all but `scratch` and
`lstm_optimizer`).
Seconds to judge are those of the wall, with what else ran and any pause of the study.
Each row is kept as it ends, each training at every look, so that a study that was killed goes on.
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import time
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any

os.environ.setdefault("OMP_NUM_THREADS", "1")

import torch

from benchmarks.machine import rows_so_far, write
from metadb.errors import Diverged
from optimizers.fewshot import CLASSIFIERS, FEW_SHOT_LEARNERS
from optimizers.fewshot.building import build
from optimizers.fewshot.evaluation import evaluate
from optimizers.fewshot.sinusoid import Sinusoids
from optimizers.fewshot.training import train
from optimizers.fewshot.ways import Ways
from optimizers.labelled import Labelled, read

DATA = Path(__file__).resolve().parents[2] / "shared" / "data"
BUILD = Path(__file__).resolve().parents[1] / "build" / "fewshot"
TRAINED, TESTED = ("Balinese", "Early_Aramaic", "Korean"), ("Greek", "Latin")
ROWS = {  # ways, shots, queries of a class to judge by, tasks a step
    "5w1s": (5, 1, 15, 4),
    "5w5s": (5, 5, 15, 4),
    "20w1s": (20, 1, 5, 1),
}
QUERIES = 5
SETTINGS: dict[str, dict[str, Any]] = {
    "maml": {"steps": 1, "adapt_steps": 3, "rate": 0.4},  # Finn et al., appendix A.1
    "fomaml": {"steps": 1, "adapt_steps": 3, "rate": 0.4},
    "anil": {"steps": 1, "adapt_steps": 3, "rate": 0.4},
    "maml_plus_plus": {"steps": 5, "rate": 0.1},
    "imaml": {"steps": 16, "rate": 0.1, "strength": 2.0},  # Rajeswaran et al., appendix
    "scratch": {"adapt_steps": 50, "rate": 1e-3},
}
SINUSOID: dict[str, dict[str, Any]] = {
    "maml": {"steps": 1, "rate": 0.01},
    "fomaml": {"steps": 1, "rate": 0.01},
    "anil": {"steps": 1, "rate": 0.01},
    "maml_plus_plus": {"steps": 1, "rate": 0.01},
    "meta_sgd": {"steps": 1},
    "reptile": {"steps": 5, "adapt_steps": 1, "rate": 0.01, "plain": True, "outer_rate": 0.1},
    "imaml": {"steps": 16, "rate": 0.01},
    "meta_lstm": {"steps": 1},
    "lstm_optimizer": {"steps": 1},
    "fine_tuning": {"adapt_steps": 1, "rate": 0.01},
    "scratch": {"adapt_steps": 1, "rate": 0.01},
}
EPISODES, FEW, APART, EVERY = 600, 200, 60, 50
SLOW = ("imaml", "reptile", "meta_lstm", "lstm_optimizer", "scratch", "fine_tuning")


@cache
def alphabets(data: Path = DATA) -> Labelled:
    """The characters of all five."""
    return read(data / "omniglot-small1" / "images_background_small1.zip")


def rows(wanted: list[str], learners: list[str]) -> Iterator[tuple[str, str]]:
    """Row and learner of all that is to be run."""
    for row in wanted:
        for name in learners:
            if row.startswith("sinusoid") and name in CLASSIFIERS:
                continue
            yield row, name


def characters(row: str, name: str, minutes: float, data: Path, device: str) -> dict[str, Any]:
    """Train on three alphabets, judge on two others."""
    ways, shots, queries, tasks = ROWS[row]
    everything = alphabets(data)
    source = Ways(everything.only(TRAINED), ways, shots=shots, queries=QUERIES, turns=4)
    tested = Ways(everything.only(TESTED), ways, shots=shots, queries=queries)
    learner = build(
        name, shape=(1, 28, 28), ways=ways, classes=source.classes, config=SETTINGS.get(name),
        total=10_000, device=device,
    )  # fmt: skip
    found = _trained(learner, source, name, row, tasks, minutes, device)
    found["episodes"] = FEW if name in SLOW else EPISODES
    judged = [("together", found["episodes"], True)]
    if row == "5w1s":
        judged += [("few_together", APART, True), ("few_apart", APART, False)]
    for way, episodes, together in judged:
        scores = evaluate(learner, tested, episodes=episodes, seed=1, transductive=together)
        found[way] = [round(scores.mean, 4), round(scores.half_width, 4)]
        found[f"{way}_s"] = round(scores.cost_s, 1)
    return found


def sinusoids(row: str, name: str, minutes: float, device: str) -> dict[str, Any]:
    """Train on sinusoids, judge on others after one step."""
    shots = int(row.partition("-")[2])
    source, tested = Sinusoids(shots, 10), Sinusoids(shots, 100)
    learner = build(
        name, shape=(1,), ways=None, config=SINUSOID[name], width=40, total=10_000, device=device
    )
    found = _trained(learner, source, name, row, 25, minutes / 10, device)
    scores = evaluate(learner, tested, episodes=EPISODES, seed=1)
    return found | {"together": [round(scores.mean, 4), round(scores.half_width, 4)]}


def _trained(
    learner: Any, source: Any, name: str, row: str, tasks: int, minutes: float, device: str
) -> dict[str, Any]:
    clock = time.process_time if device == "cpu" else time.perf_counter
    limit = 0.0 if name == "scratch" else 60 * minutes
    why = ""
    try:
        looks = train(
            learner, source, steps=10**9, tasks=tasks, every=EVERY, time_s=limit, clock=clock,
            checkpoint=BUILD / f"{row}-{name}-{device}.safetensors",
            about={"row": row, "learner": name},
        )  # fmt: skip
    except Diverged as error:
        looks, why = [], str(error)
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    return {
        "row": row, "learner": name, "minutes": minutes, "device": _device(device),
        "steps": looks[-1].step if looks else 0, "tasks": tasks,
        "trained_s": round(looks[-1].elapsed_s, 1) if looks else 0.0,
        "loss": round(looks[-1].loss, 4) if looks else None, "peak_mb": round(peak), "why": why,
    }  # fmt: skip


def _device(device: str) -> str:
    return torch.cuda.get_device_name() if device.startswith("cuda") else "cpu"


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--rows", default="sinusoid-5,sinusoid-10,5w1s,5w5s,20w1s")
    parser.add_argument("--learners", default=",".join(FEW_SHOT_LEARNERS))
    parser.add_argument("--minutes", type=float, default=30.0)
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--data", type=Path, default=DATA)
    parser.add_argument("--summary", action="store_true", help="write the results of what was run")
    asked = parser.parse_args()
    torch.set_num_threads(1)
    BUILD.mkdir(parents=True, exist_ok=True)
    cache = BUILD / "rows.jsonl"
    done = rows_so_far(cache, "fewshot")
    if asked.summary:
        write("fewshot", {"rows": done})
        return
    there = {(d["row"], d["learner"], d["minutes"], d["device"]) for d in done}
    for row, name in rows(asked.rows.split(","), asked.learners.split(",")):
        minutes = asked.minutes / 10 if row.startswith("sinusoid") else asked.minutes
        if (row, name, minutes, _device(asked.device)) in there:
            continue
        found = (
            sinusoids(row, name, asked.minutes, asked.device)
            if row.startswith("sinusoid")
            else characters(row, name, asked.minutes, asked.data, asked.device)
        )
        with cache.open("a") as file:
            file.write(json.dumps(found) + "\n")
        print(found, flush=True)


if __name__ == "__main__":
    main()
