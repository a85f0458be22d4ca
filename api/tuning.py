"""`metadb tune FILE --target COLUMN`: a table in, a tuned model out, what was learnt remembered."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

from cyclopts import Parameter

from api.describing import describe_file, shared_groups
from api.terminal import COMMON, EXIT_OK, Common, opened, remark, say_json
from metadb.errors import WrongUsage

if TYPE_CHECKING:
    from metadb.records import Task
    from metadb.store import Store

TRIALS, FOLDS, WARM, OPTIMIZER = 50, 5, 7, "tpe"

DESCRIBING_S = 30.0
"""The table is described for so long at most."""

TRIAL_S, SHARE, LEAST_S = 300.0, 0.1, 10.0
"""Where nothing is said a trial may take so many seconds; with --time this share of it, or the
least."""


def tune(
    file: Path,
    *,
    target: str | None = None,
    kind: Literal["classification", "regression"] | None = None,
    header: bool | None = None,
    metric: str | None = None,
    learners: str | None = None,
    trials: int | None = None,
    time: float | None = None,
    trial_time: float | None = None,
    optimizer: str = OPTIMIZER,
    warm_start: int = WARM,
    folds: int = FOLDS,
    executor: Literal["local", "gpu", "ray", "dask"] | None = None,
    parallel: int | None = None,
    device: str = "cpu",
    out: Annotated[Path, Parameter(name=["--out", "-o"])] = Path("model"),
    seed: int = 0,
    common: Common = COMMON,
) -> int:
    """Find the best learner for a table and its hyperparameters, and save the tuned model.

    Past tasks of the store say where to begin. Every evaluation is recorded there as it ends, so
    that the next table begins better; stopped anywhere (Ctrl-C, kill -9), the same command goes on.

    Parameters
    ----------
    file
        A CSV, TSV, Parquet, Arrow, JSON or ARFF file.
    target
        The target's name, or its position from 1; default: the last column.
    kind
        Default: a target of text, bool or few whole numbers makes a classification.
    header
        Whether the first row of a CSV file names the columns; default: it is noticed.
    metric
        Of a classification: accuracy (default), balanced_accuracy, auc, log_loss, f1. Of a
        regression: rmse (default), mae, r2.
    learners
        Names with commas between; default: all. For classes: random_forest, extra_trees, lightgbm,
        svm, knn, logistic_regression, mlp. For numbers: random_forest, extra_trees, lightgbm, svm,
        knn, ridge, elastic_net, mlp.
    trials
        So many evaluations in all, those before an interruption among them; default: 50, or any
        number where --time is given.
    time
        Seconds of the whole search, those before an interruption among them.
    trial_time
        Seconds of one trial; default: a tenth of --time but 10 at least, or 300.
    optimizer
        Any of metadb's, see docs/optimizers.md; those over several budgets (asha, bohb, hyperband,
        successive_halving) try configurations on a part of the rows first.
    warm_start
        Past tasks advise so many configurations, in turn with the learners' defaults and with the
        results so far in view, before the optimiser goes on; 0: the past is not asked.
    folds
        Of the cross-validation; fewer where a class has fewer members.
    executor
        Where trials run: processes of this machine, one a GPU, Ray or Dask; default: this process.
    parallel
        Trials at a time; more than 1 are processes of this machine where no executor is named.
    device
        Where perceptrons are trained, for example cuda.
    out
        A folder for the model, the leaderboard and the report; what is not a model of this task is
        not replaced.
    seed
        Of the folds, the learners and the search.
    """
    from api.search import Plan, search
    from api.tuned import finish
    from metadb.datafile import read_data
    from optimizers.learners import space_of
    from optimizers.prepared import prepare
    from optimizers.saving import check_free
    from optimizers.scoring import metric_for

    for name, given, least in (
        ("--trials", trials, 1), ("--parallel", parallel, 1), ("--warm-start", warm_start, 0),
        ("--folds", folds, 2), ("--seed", seed, 0),
    ):  # fmt: skip
        if given is not None and given < least:
            raise WrongUsage(f"{name} is {given}; give {least} or more")
    for name, seconds in (("--time", time), ("--trial-time", trial_time)):
        if seconds is not None and not seconds > 0:
            raise WrongUsage(f"{name} is {seconds:g}; give seconds, more than 0")
    check_free(out)
    data = read_data(file, target=target, kind=kind, header=header)
    scale = metric_for(data.kind, metric)
    names = None if learners is None else _names(learners)
    space_of(data.kind, names)  # no such learner is said before anything is done
    ready = prepare(data, folds=folds)
    plan = Plan(
        optimizer,
        scale,
        learners=names,
        trials=TRIALS if trials is None and time is None else trials,
        time_s=time,
        trial_time_s=trial_time or (TRIAL_S if time is None else max(LEAST_S, SHARE * time)),
        warm=warm_start,
        executor=executor,
        parallel=parallel,
        device=device,
        seed=seed,
    )
    with opened(common, create=True) as store:
        task = _described(store, file, common, target=target, kind=data.kind, header=header)
        for note in ready.notes:
            remark(common, f"note: {note}")
        check_free(out, task.id)
        found = search(store, task, ready, plan, common)
        answer = finish(store, task, ready, plan, found, out, common)
    if common.json:
        say_json(answer)
    return EXIT_OK


def _names(learners: str) -> tuple[str, ...]:
    names = tuple(dict.fromkeys(name.strip() for name in learners.split(",") if name.strip()))
    if not names:
        raise WrongUsage("--learners is empty; name some with commas between, or leave it out")
    return names


def _described(
    store: Store, file: Path, common: Common, *, target: str | None, kind: str, header: bool | None
) -> Task:
    """The table as a task, by the meta-features that the store's tasks have, if any have."""
    there = store.sql("select 1 from descriptions limit 1")
    described = describe_file(
        file,
        target=target,
        kind=kind,
        header=header,
        groups=shared_groups(store) if len(there) else None,
        time_limit_s=DESCRIBING_S,
    )
    remark(common, described.read_as)
    return described.task
