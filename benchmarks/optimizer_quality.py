"""How good are the optimisers, beside Optuna, BoTorch, SMAC3 and Syne Tune, at equal spending?

    python -m benchmarks.optimizer_quality --methods tpe,optuna_tpe --problems all --seeds 20
    python -m benchmarks.optimizer_quality --summary        # results of what the cache holds

Protocol, stated before the first run:

Problems: Branin, Hartmann-6, Ackley-10 (`benchmarks.problems` has the domains); the surrogates of
YAHPO: lcbench (34 tasks, validation accuracy), nb301 (validation accuracy), rbv2_ranger (116
tasks, accuracy). Small set, for what is slow: the three functions, lcbench 167149, 168331, 189906,
nb301, rbv2_ranger 1476, 377, 41168: the middle tasks of three equal parts of the sorted names.

Runs: one trial at a time, 50 evaluations at the full budget; searches over several budgets
(1/27, 1/9, 1/3, 1; eta = 3) until as much is spent as 50 evaluations cost. A promoted trial costs
the difference to the budget it goes on from where budgets are epochs, and all of its budget where
they are rows (rbv2_ranger). Each search starts as it does by default: no first points are shared,
and settings are the defaults; what the adapters had to choose is in their docstrings
(`benchmarks/peers/*_search.py`). Objectives are free of noise, so the best loss seen is the result.
Seeds 0, 1, ...: at most 20 of ours and of Optuna's TPE on all problems; at most 10 of BoTorch and
SMAC3 and 20 of Optuna's GPSampler on the small set; 20 of the searches over several budgets on
lcbench, nb301 and the small set of rbv2_ranger. How many were run stands beside each figure.

Measure: (best loss so far - least) / (largest - least), best at the full budget alone, 1 before
the first such; `least` is the known minimum, or for a surrogate the smallest loss that 20,000
random configs or any search here found; `largest` is that of the 20,000 configs. Mean over seeds,
then over the problems of a family. Differences between two methods are paired by problem and seed;
their mean over problems has an interval of 95 % by bootstrap (10,000 resamples of the seeds within
each problem: the problems are fixed). "No worse": the interval reaches down to 0 or less.

Nothing of ours was tuned on these problems. The cache holds each run's losses and seconds of each
ask; it is read at each start, so a killed study goes on where it was.
"""

from __future__ import annotations

import argparse
import os
from pathlib import Path

os.environ.setdefault("OMP_NUM_THREADS", "1")

from benchmarks.problems import DATA, chosen, problem
from benchmarks.runs import Run, finished, keep, missing, search, work_off

CACHE = Path(__file__).resolve().parents[1] / "build" / "optimizer_quality.jsonl"


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--methods", default="", help="names, comma between")
    parser.add_argument("--problems", default="small", help="names, families, small or all")
    parser.add_argument("--seeds", default="10", help="how many, or FIRST-LAST")
    parser.add_argument("--hours", type=float, default=24.0, help="no run is begun after that")
    parser.add_argument("--again", action="store_true", help="run what is in the cache too")
    parser.add_argument("--cache", type=Path, default=CACHE)
    parser.add_argument("--data", type=Path, default=DATA)
    parser.add_argument("--summary", action="store_true", help="write the results of the cache")
    arguments = parser.parse_args()
    methods = [name for name in arguments.methods.split(",") if name]
    first, _, last = arguments.seeds.rpartition("-")
    seeds = range(int(first or 0), int(last) + 1 if first else int(last))
    names = chosen(arguments.problems.split(","), arguments.data)
    done = set() if arguments.again else finished(arguments.cache)

    def run(method: str, name: str, seed: int) -> Run:
        return search(method, problem(name, arguments.data), seed)

    jobs = list(missing(methods, names, seeds, done))
    work_off(jobs, run, arguments.cache, arguments.hours)
    if arguments.summary:
        from benchmarks.optimizer_summary import summarise

        summarise(arguments.cache, arguments.data)
        keep(arguments.cache)


if __name__ == "__main__":
    main()
