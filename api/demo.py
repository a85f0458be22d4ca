"""`make demo`: from a fresh machine to a warm start in a few minutes, on real evaluations.

It loads `data/sample` into a store, asks it one question in SQL, asks for five configurations for
a data set that is not in the sample (breast cancer, 569 patients, shipped inside scikit-learn),
and runs a cold and a warm-started random search of 20 evaluations side by side, five times each,
because one random search says little.
"""

from __future__ import annotations

import shutil
import sys
import time
from collections.abc import Sequence
from itertools import accumulate
from pathlib import Path
from statistics import fmean

from api.advice import Advice, advise
from api.describing import describe_file, shared_groups
from api.picture import curves
from api.terminal import progress
from ingest import source
from ingest.load import load
from metadb.datafile import Data, read_data
from metadb.records import Config, Evaluation, Task
from metadb.store import Store

SAMPLE = Path(__file__).resolve().parents[1] / "data" / "sample"
TRIALS = 20
SEARCHES = 5

Lines = dict[str, list[float]]

QUESTION = """
select p.learner, count(*) as tasks_where_best, round(avg(b.value), 3) as mean_accuracy_there
from best_per_task b join space.classifier p on p.config = b.config
where b.space = 'classifier' and b.metric = 'accuracy'
group by p.learner order by tasks_where_best desc, p.learner
"""


def main(folder: Path = Path("demo"), searches: int = SEARCHES, trials: int = TRIALS) -> None:
    """Run the whole story in `folder`, which is made anew.

    Args:
        searches: So many a side. trials: Of each search, at least 10.
    """
    start = time.perf_counter()
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    with Store(folder / "store") as store:
        _fill(store, folder)
        print("\n2. One question in SQL: which learner is best on how many tasks?")
        print(QUESTION.strip())
        print(f"\n{store.sql(QUESTION)}")
        table = _new_data_set(folder)
        data = read_data(table, target="diagnosis")
        task = describe_file(table, target="diagnosis", groups=shared_groups(store)).task
        advice = _advise(store, task, table)
        first = [r.config for r in advice.recommendations]
        lines = _search(store, task, data, first, searches, trials)
    _show(lines, searches, folder / "curves.svg")
    print(f"\nAll of it took {time.perf_counter() - start:.0f} s. Look around in the store:")
    print(f'  metadb sql "select * from coverage order by metric" --store {folder}/store')
    print(f"  metadb status --store {folder}/store")


def _fill(store: Store, folder: Path) -> None:
    print("1. Load sample: real evaluations on data sets of scikit-learn and statsmodels")
    start = time.perf_counter()
    with progress("rows", quiet=False) as heard:
        for loaded in load("table", source("table", [SAMPLE]), store, folder, heard=heard):
            added = loaded.added.added
            print(
                f"   {added['evaluations']:,} evaluations of {added['configs']} configurations on "
                f"{added['tasks']} tasks in {time.perf_counter() - start:.1f} s"
            )


def _new_data_set(folder: Path) -> Path:
    """Breast cancer as the file a user would have."""
    from pyarrow import csv, table
    from sklearn.datasets import load_breast_cancer

    bunch = load_breast_cancer()
    columns = {str(n): bunch.data[:, i] for i, n in enumerate(bunch.feature_names)}
    columns["diagnosis"] = [str(bunch.target_names[c]) for c in bunch.target]
    path = folder / "breast_cancer.csv"
    csv.write_csv(table(columns), path)
    return path


def _advise(store: Store, task: Task, table: Path) -> Advice:
    print("\n3. Five configurations to try on a data set the store has never seen:")
    print(f"   metadb recommend --data {table} --target diagnosis --space classifier -k 5")
    advice = advise(
        store, task, space="classifier", metric="accuracy", k=5,
        say=lambda said: print(f"   ({said})"),
    )  # fmt: skip
    print("\n".join(advice.lines()))
    return advice


def _search(
    store: Store,
    task: Task,
    data: Data,
    warm_start: Sequence[Config],
    searches: int,
    trials: int,
) -> Lines:
    """Cold and warm-started random searches with the same seeds, recorded as they go."""
    from optimizers import RandomSearch, run
    from optimizers.learners import classifier_space
    from optimizers.objective import CrossValidation

    print(f"\n4. Random search of {trials} evaluations, cold and warm, {searches} times each")
    x, y = data.to_numpy()
    assert y is not None  # the file has a target
    objective = CrossValidation(x, y, data.categorical)
    space = classifier_space()
    found: Lines = {}
    with progress("evaluations", quiet=False) as heard:
        for name, first in (("cold start", ()), ("warm start", warm_start)):
            n_done = 0

            def record(e: Evaluation, name: str = name) -> None:
                nonlocal n_done
                n_done += 1
                heard(name, n_done, trials * searches)
                value = None if e.loss is None else -e.loss  # an accuracy
                store.record(
                    task, e.trial.config, space=space, metric="accuracy", value=value,
                    status=e.status, cost_s=e.cost_s,
                )  # fmt: skip

            runs = [
                run(RandomSearch(space, warm_start=first, seed=seed), objective,
                    trials=trials, record=record)
                for seed in range(searches)
            ]  # fmt: skip
            found[name] = [fmean(at) for at in zip(*map(best_so_far, runs), strict=True)]
    return found


def best_so_far(evaluations: Sequence[Evaluation]) -> list[float]:
    """The smallest error rate after each evaluation; 1.0 while there is none."""
    return list(accumulate((1.0 if e.loss is None else 1.0 + e.loss for e in evaluations), min))


def _show(lines: Lines, searches: int, picture: Path) -> None:
    trials = len(lines["cold start"])
    steps = [i for i in (1, 2, 3, 5, 10, 15, 20) if i <= trials]
    print(f"\n   best error rate after n evaluations (3-fold cross-validation, mean of {searches})")
    print(f"   {'n':>11} " + " ".join(f"{i:>7}" for i in steps))
    for name, line in lines.items():
        print(f"   {name:>11} " + " ".join(f"{line[i - 1]:7.4f}" for i in steps))
    cold, warm = lines["cold start"], lines["warm start"]
    reached = next((i for i, v in enumerate(warm, 1) if v <= cold[9]), None)
    when = f"after {reached}" if reached else f"in none of its {trials}"
    print(f"   what the cold start has after 10 evaluations, the warm start has {when};")
    print(f"   after all {trials} the cold start has {cold[-1]:.4f}, the warm one {warm[-1]:.4f}")
    print("   (one data set proves little: docs/benchmarks.md has the same for 28 tasks)")
    title = f"Breast cancer: best error rate so far, mean of {searches} searches"
    picture.write_text(
        curves(lines, title=title, x_label="evaluations", y_label="error rate, 3-fold CV")
    )
    print(f"   picture: {picture}")


if __name__ == "__main__":
    main(Path(sys.argv[1] if sys.argv[1:] else "demo"))
