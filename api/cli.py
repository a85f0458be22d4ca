"""The command line: `metadb --help`. Heavy imports happen inside the commands."""

from __future__ import annotations

import signal
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from threading import current_thread, main_thread
from typing import Annotated, Any, Literal

from cyclopts import App, Parameter
from cyclopts.exceptions import CycloptsError

from api.describing import describe, describe_file, metafeatures, shared_groups
from api.evaluating import evaluate
from api.explaining import explain
from api.fewshot.commands import fewshot
from api.fewshot.models import models
from api.fewshot.tuning import tune as tune_fewshot
from api.filling import ingest
from api.importance import importance
from api.nas.commands import nas
from api.predicting import predict
from api.publishing import publish_runs
from api.serving import serve
from api.snapshotting import snapshot
from api.terminal import (
    COMMON,
    EXIT_ERROR,
    EXIT_INTERRUPTED,
    EXIT_OK,
    EXIT_USAGE,
    Common,
    opened,
    printable,
    remark,
    say_json,
)
from api.tuning import tune
from metadb import __version__
from metadb.errors import MetadbError, WrongUsage

app = App(
    name="metadb",
    suppress_keyboard_interrupt=False,  # main says how to go on
    version=__version__,
    help="Remember what every tuning run learnt, ask it in SQL, and start the next one warm.",
)


app.command(describe)
app.command(metafeatures)
app.command(ingest)
app.command(publish_runs)
app.command(snapshot)
app.command(explain)
app.command(evaluate)
app.command(importance)
app.command(tune)
app.command(predict)
app.command(serve)
fewshot.command(tune_fewshot, name="tune")
app.command(fewshot)
app.command(models)
app.command(nas)


@app.command
def sql(
    query: Annotated[str, Parameter(allow_leading_hyphen=True)],
    *,
    format: Literal["table", "csv", "json", "arrow", "parquet"] | None = None,
    output: Annotated[Path | None, Parameter(name=["--output", "-o"])] = None,
    common: Common = COMMON,
) -> int:
    """Answer one select statement over the tables and views (see docs/data-dictionary.md).

    Parameters
    ----------
    query
        For example: select * from leaderboard order by mean_rank limit 5; - reads it from stdin.
    format
        How to write the answer; default: what the suffix of --output says, else a table. On a
        terminal a table shows its first 20 rows; arrow is the IPC stream format.
    output
        A file to write to, instead of stdout.
    """
    from api.writing import format_of, rows_of, write

    how = format_of(format, output)
    with opened(common) as store:
        result = store.sql(sys.stdin.read() if query == "-" else query)
        if common.json:
            rows = rows_of(result)
            say_json({"columns": result.columns, "rows": rows, "version": store.version})
        else:
            write(result, how, output)
    return EXIT_OK


@app.command
def status(*, common: Common = COMMON) -> int:
    """What the store holds: rows, spaces, loads, size, version."""
    with opened(common) as store:
        found = store.status()
    if common.json:
        say_json(found)
        return EXIT_OK
    print("\n".join(_status_lines(found)))
    return EXIT_OK


def _status_lines(found: dict[str, Any]) -> Iterator[str]:
    rows = ", ".join(f"{n:,} {name}" for name, n in found["rows"].items() if n)
    yield f"store {found['path']}: {rows or 'empty'}"
    yield f"  {found['size_bytes'] / 1e6:,.1f} MB in {found['n_files']} files"
    for s in found["spaces"]:
        yield (
            f"  space {s['space']}, {s['metric']}: {int(s['n_evaluations']):,} evaluations, "
            f"{s['n_configs']:,} configs on {s['n_tasks']:,} tasks "
            f"({s['share_filled']:.0%} filled), {int(s['n_failed']):,} failed"
        )
    for load in found["loads"]:
        line = f"  load {load['load']} {load['status']}"
        if load["n_added"] is not None:
            line += f": {load['n_added']:,} added, {load['n_known']:,} known"
            line += f", {load['n_rejected']:,} turned away"
        yield line


@app.command
def recommend(
    *,
    space: str,
    task: str | None = None,
    data: Path | None = None,
    target: str | None = None,
    header: bool | None = None,
    metric: str | None = None,
    k: Annotated[int, Parameter(name=["--k", "-k"])] = 10,
    observed: Path | None = None,
    recommender: str = "auto",
    seed: int = 0,
    common: Common = COMMON,
) -> int:
    """Say which configurations to try next, and on which tasks and evaluations that rests.

    Parameters
    ----------
    space
        Name of the search space (see: metadb status).
    task
        Id of a task in the store; its own evaluations are left out.
    data
        A CSV, Parquet, JSON or ARFF file; it is described by the meta-features that the store
        knows of its tasks.
    target
        Its target column; default: the last one.
    header
        Whether the first row of a CSV file names the columns; default: it is noticed.
    metric
        Default: the score (not the time) with the most evaluations in the space.
    k
        How many.
    observed
        What was run already: a JSON list (or lines) of {"config": {...}, "value": 0.9}.
    recommender
        auto asks several and trusts each as far as it was right on the store's own tasks. Without
        transfer: random, cold. The same for every task: average_rank, portfolio, a3r, pareto. By
        what was run already: active_testing, active_testing_cost, tst, taf, rgpe, stacked, copula,
        pretrained, factorisation, oboe. By the task's meta-features: nearest, zero_shot, ranking.
    seed
        For recommenders that draw.
    """
    from api.advice import advise
    from api.observed import read_observed

    if (task is None) == (data is None):
        raise WrongUsage("say for what: give either --task ID or --data FILE --target COLUMN")
    if k < 1:
        raise WrongUsage(f"k is {k}; ask for at least 1")
    with opened(common) as store:
        if data is not None:
            store.main_metric(space)  # no such space is said before the file is read
            described = describe_file(
                data, target=target, header=header, groups=shared_groups(store)
            )
            asked = described.task
            remark(common, described.read_as)
            for note in described.found.notes:
                remark(common, f"note: {note}")
        else:
            asked = store.task(str(task))
        told = []
        if observed is not None:
            scale = store.metric(metric or store.main_metric(space))
            told = read_observed(observed, scale)
        advice = advise(
            store,
            asked,
            space=space,
            metric=metric,
            k=k,
            observed=told,
            recommender=recommender,
            seed=seed,
            say=lambda said: remark(common, said),
        )
    if common.json:
        say_json(advice.as_dict() | {"metafeatures": dict(asked.metafeatures)})
        return EXIT_OK
    remark(common, f"{advice.recommender}, learnt from {advice.learnt_from}")
    if advice.left_out:
        remark(common, f"the store's own {advice.left_out} results of this task are left out")
    for caution in advice.cautions:
        remark(common, f"caution: {caution}")
    for line in advice.lines():
        print(line)
    if not advice.recommendations:
        print("nothing left to try: every configuration the store knows was run")
    elif advice.ids and not common.quiet:
        print(f"why this one: metadb explain {advice.ids[0]}")
    return EXIT_OK


@app.command
def schema(*, common: Common = COMMON) -> int:
    """Every table, view and column in words, as Markdown; needs no store."""
    from tempfile import TemporaryDirectory

    from metadb.dictionary import data_dictionary, view_questions
    from metadb.schema import TABLES
    from metadb.store import Store

    if common.json:
        tables = {
            name: {c.name: {"type": str(c.type), "doc": c.doc} for c in table.columns}
            for name, table in TABLES.items()
        }
        say_json({"tables": tables, "views": view_questions()})
        return EXIT_OK
    with TemporaryDirectory() as folder, Store(Path(folder) / "store") as store:
        print(data_dictionary(store))
    return EXIT_OK


@app.command
def forget(load: str, *, common: Common = COMMON) -> int:
    """Take one load back; what other loads brought too stays.

    Parameters
    ----------
    load
        Its id, as `metadb status` shows it.
    """
    with opened(common) as store:
        gone = store.forget(load)
    if common.json:
        say_json({"load": load, "removed": gone})
    else:
        parts = ", ".join(f"{n:,} {table}" for table, n in gone.items() if n)
        print(f"forgot {load}: removed {parts or 'nothing'}")
    return EXIT_OK


@app.command
def compact(*, keep_days: float | None = None, common: Common = COMMON) -> int:
    """Put small files together, so that queries open fewer of them.

    Parameters
    ----------
    keep_days
        Also give disk space back: remove what only versions older than so many days need. Those
        versions can then no longer be opened. Default: every version is kept.
    """
    if keep_days is not None and keep_days < 0:
        raise WrongUsage(f"keep-days is {keep_days:g}; give 0 or more days")
    with opened(common) as store:
        saved = store.compact(keep_days=keep_days)
    if common.json:
        say_json({"files_saved": saved})
    else:
        print(f"{sum(saved.values())} fewer files")
    return EXIT_OK


def main(arguments: list[str] | None = None) -> int:
    """Run one command; returns its exit code.

    0 done, 1 bad input (one sentence on stderr), 2 wrong usage, 3 done but rows were turned away,
    130 interrupted.
    """
    words = sys.argv[1:] if arguments is None else arguments
    as_json = "--json" in words
    with _heeding_ctrl_c() as pressed:
        try:
            code = app(words, exit_on_error=False, print_error=False, result_action="return_value")
            return code if isinstance(code, int) else EXIT_OK
        except KeyboardInterrupt:
            return _interrupted(as_json=as_json)
        except Exception as error:
            if pressed:  # what an engine at work, or a module being loaded, made of it
                return _interrupted(as_json=as_json)
            return _failed(error, as_json=as_json)


class _Pressed(KeyboardInterrupt):
    """Ctrl-C by another name: Python ends a process by SIGINT, whatever its exit code, once a plain
    KeyboardInterrupt has passed through a module being loaded."""


@contextmanager
def _heeding_ctrl_c() -> Iterator[list[int]]:
    """Ctrl-C as ever, and noted in the list; for the main thread, where signals arrive."""
    pressed: list[int] = []

    def press(number: int, frame: object) -> None:
        pressed.append(number)
        raise _Pressed

    if current_thread() is not main_thread():
        yield pressed
        return
    before = signal.signal(signal.SIGINT, press)
    try:
        yield pressed
    finally:
        signal.signal(signal.SIGINT, before)


def _failed(error: Exception, *, as_json: bool) -> int:
    """Say what went wrong; what is no one's mistake but ours goes on as it is."""
    if isinstance(error, CycloptsError | WrongUsage):
        return _fail(str(error), "usage", EXIT_USAGE, as_json=as_json)
    if isinstance(error, MetadbError):
        return _fail(str(error), type(error).__name__, EXIT_ERROR, as_json=as_json)
    if isinstance(error, FileNotFoundError):
        return _fail(f"there is no {error.filename}", "NotFound", EXIT_ERROR, as_json=as_json)
    if isinstance(error, PermissionError):
        said = f"{error.filename} may not be read or written by this user"
        return _fail(said, "PermissionError", EXIT_ERROR, as_json=as_json)
    if isinstance(error, BrokenPipeError):
        sys.stderr.close()
        return EXIT_OK
    raise error


def _interrupted(*, as_json: bool) -> int:
    said = "interrupted; what was added stays, run the same command again to go on"
    return _fail(said, "interrupted", EXIT_INTERRUPTED, as_json=as_json)


def _fail(text: str, kind: str, code: int, *, as_json: bool) -> int:
    if as_json:
        say_json({"error": {"kind": kind, "message": text}})
    else:
        hint = "\nsee: metadb --help" if code == EXIT_USAGE else ""
        print(f"error: {printable(text)}{hint}", file=sys.stderr)
    return code


if __name__ == "__main__":
    sys.exit(main())
