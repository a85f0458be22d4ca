"""The command that fills a store: `metadb ingest`."""

from __future__ import annotations

import os
from dataclasses import dataclass, fields
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

from cyclopts import Group, Parameter

from api.terminal import (
    COMMON,
    EXIT_OK,
    EXIT_REJECTED,
    Common,
    opened,
    progress,
    remark,
    say_json,
)
from metadb.errors import WrongUsage

if TYPE_CHECKING:
    from ingest import Described
    from ingest.load import Loaded

_OWN = Group("A tuner's own studies")
_OPENML = Group("OpenML")


@Parameter(name="*", group=_OWN)
@dataclass(frozen=True)
class Own:
    """What a tuner's file does not tell."""

    task: str | None = None
    "The task that was tuned for, e.g. mine:churn; default: one named after the study."
    metric: str | None = None
    "What was measured, where the file has no name for it."
    space: str | None = None
    "A name for the search space; studies of one space belong together."
    study: str | None = None
    "Which study of several; for openml: a study's number."
    minimize: bool | None = None
    "The direction of the metric, where neither the file nor its name tells."


@Parameter(name="*", group=_OPENML)
@dataclass(frozen=True)
class FromOpenml:
    """What to pull from an OpenML server."""

    suite: str | None = None
    "A benchmark suite, e.g. OpenML-CC18."
    tasks: str | None = None
    "Task numbers, e.g. 3,31."
    flows: str | None = None
    "Flow numbers, e.g. 6969,8315."
    flow_family: str | None = None
    "All versions of a flow, e.g. sklearn.RandomForestClassifier."
    metrics: str | None = None
    "OpenML's measures; default: predictive_accuracy, or root_mean_squared_error for regression."
    since: str | None = None
    "Only runs uploaded from this date on, e.g. 2026-01-31."
    max_runs: int | None = None
    "At most so many evaluations of each listing (a measure, 100 tasks, 100 flows)."
    per_fold: Annotated[bool, Parameter(negative="")] = False
    "The score of each fold too (a request for each 500 runs)."
    traces: Annotated[bool, Parameter(negative="")] = False
    "The iterations of searches and the points of learning curves too (a request a run)."
    server: str | None = None
    "Address of the server; default: https://www.openml.org."
    origin: str | None = None
    "What ids begin with; default: openml, or the host's name for a server of your own."
    jobs: int = 1
    "Listings asked for at once, at most 4."
    relist: Annotated[bool, Parameter(negative="")] = False
    "List everything anew: runs deleted at the server can hide new ones."
    dry_run: Annotated[bool, Parameter(negative="")] = False
    "Only say how many requests and rows to expect."


_NOTHING, _NOWHERE = Own(), FromOpenml()


def ingest(
    source: str,
    *paths: str,
    own: Own = _NOTHING,
    openml: FromOpenml = _NOWHERE,
    common: Common = COMMON,
) -> int:
    """Fill the store from files, a tuner's study or a server; run it again and nothing changes.

    Parameters
    ----------
    source
        SOURCES
    paths
        Files, folders, or the address of a storage; none for openml, which is asked over the
        network unless a folder of kept answers is given.
    """
    from ingest.load import load

    made = _openml(paths, own, openml) if source == "openml" else _files(source, paths, own, openml)
    cache = common.store / "cache"
    _hear_retries(common)
    if openml.dry_run:
        return _forecast(made, cache, openml, common)
    loads, n_rejected = [], 0
    with opened(common, create=True) as store, progress("rows", quiet=common.quiet) as heard:
        for loaded in load(source, made, store, cache, heard=heard):
            n_rejected += loaded.load["n_rejected"]
            loads.append(loaded.load | {"added": loaded.added.added, "known": loaded.added.known})
            if not common.json:
                _say(loaded, common)
    if common.json:
        say_json({"store": str(common.store), "loads": loads})
    return EXIT_REJECTED if n_rejected else EXIT_OK


def _hear_retries(common: Common) -> None:
    """Say why a pull waits, once and in our words."""
    import logging

    class Remarks(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            remark(common, record.getMessage())

    logging.getLogger("stamina").setLevel(logging.CRITICAL)
    ours = logging.getLogger("ingest.openml")
    ours.handlers, ours.propagate = [Remarks()], False


def _files(source: str, paths: tuple[str, ...], own: Own, openml: FromOpenml) -> Described:
    """A source of files, with the options that were given."""
    from ingest import source as make_source

    _refuse(openml, _NOWHERE, source, "pull from OpenML: metadb ingest openml ...")
    if not paths:
        raise WrongUsage(f"no path given; name a file or folder: metadb ingest {source} PATH...")
    given = {f.name: v for f in fields(own) if (v := getattr(own, f.name)) is not None}
    try:
        return make_source(source, paths, **given)
    except TypeError as error:
        if "unexpected keyword" not in str(error):
            raise
        name = str(error).rpartition("argument ")[2].strip("'").replace("_", "-")
        raise WrongUsage(f"the source {source} takes no --{name}; leave it out") from error


def _openml(paths: tuple[str, ...], own: Own, given: FromOpenml) -> Described:
    """OpenML with what was selected."""
    from ingest import source as make_source
    from ingest.openml.selection import Selection

    only = Own(study=own.study)
    if own != only:
        raise WrongUsage(
            "openml takes no --task, --metric, --space or --minimize; it has --tasks and --metrics"
        )
    if given.suite and own.study:
        raise WrongUsage("give either --suite or --study; both name a list of tasks")
    if paths:
        _refuse(given, _NOWHERE, "openml from a folder of answers", "give no folder")
        return make_source("openml", paths)
    selection = Selection(
        suite=given.suite or own.study,
        tasks=_numbers(given.tasks, "tasks"),
        flows=_numbers(given.flows, "flows"),
        flow_family=given.flow_family,
        metrics=tuple(filter(None, (given.metrics or "").split(","))),
        since=given.since,
        max_runs=given.max_runs,
        per_fold=given.per_fold,
        traces=given.traces,
    )
    return make_source(
        "openml",
        (),
        selection=selection,
        server=given.server or os.environ.get("OPENML_SERVER") or "https://www.openml.org",
        origin=given.origin,
        jobs=given.jobs,
        relist=given.relist,
    )


def _numbers(text: str | None, what: str) -> tuple[int, ...]:
    words = [word.strip() for word in (text or "").split(",") if word.strip()]
    wrong = [word for word in words if not (word.isascii() and word.isdigit()) or len(word) > 12]
    if wrong:
        raise WrongUsage(f"{wrong[0]!r} is no number of {what}; give e.g. --{what} 3,31")
    return tuple(sorted({int(word) for word in words}))


def _refuse(given: Any, nothing: Any, source: str, instead: str) -> None:
    """Refuse options that have no meaning here."""
    for field in fields(given):
        if getattr(given, field.name) != getattr(nothing, field.name):
            name = field.name.replace("_", "-")
            raise WrongUsage(f"{source} takes no --{name}; to use it, {instead}")


def _forecast(made: Any, cache: Path, openml: FromOpenml, common: Common) -> int:
    """Say what a pull would ask for."""
    told = made.expected(cache)
    if common.json:
        say_json(told)
        return EXIT_OK
    rows, requests = told["rows"], told["requests"]
    more = [
        text
        for given, text in (
            (openml.since, f"only those since {openml.since} are kept"),
            (openml.per_fold, "the scores of their folds come besides"),
            (openml.traces, "the steps of their searches come besides"),
        )
        if given
    ]
    print(
        f"{told['server']}: {told['tasks']:,} tasks, {told['listings']:,} listings, "
        f"{rows['at_least']:,} to {rows['at_most']:,} evaluations; "
        f"{requests['at_least']:,} to {requests['at_most']:,} requests to come"
    )
    for text in more:
        print(f"  {text}")
    remark(common, f"  {told['requests_kept']:,} answers are kept already; asking this took "
           f"{told['asked']:,} small requests")  # fmt: skip
    return EXIT_OK


def _say(loaded: Loaded, common: Common) -> None:
    """One load in a line, and what was turned away."""
    from metadb.loads import FACTS

    row, added = loaded.load, loaded.added
    parts = [f"{n:,} {table}" for table, n in added.added.items() if n and table != "sightings"]
    there = max(sum(added.known.get(table, 0) for table in FACTS), row["n_read"] * (not parts))
    print(
        f"{row['load']}: added {', '.join(parts) or 'nothing'}; {there:,} facts were known, "
        f"{row['n_rejected']:,} rows turned away",
        flush=True,
    )
    for reason, count in added.rejections.counts.items():
        example = added.rejections.examples.get(reason, "")
        remark(
            common, f"  turned away {count:,}: {reason}" + (f" (e.g. {example})" * bool(example))
        )


def _with_sources(doc: str) -> str:
    from ingest import SOURCES

    *names, last = SOURCES
    return doc.replace("SOURCES", f"{', '.join(names)} or {last}.")


ingest.__doc__ = _with_sources(ingest.__doc__ or "")
