"""`metadb describe FILE`: the meta-features of a data file, and keeping them in the store."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal
from urllib.parse import quote

from cyclopts import Parameter

from api.terminal import COMMON, EXIT_OK, Common, opened, printable, remark, say_json
from metadb.errors import InvalidRows, WrongUsage
from metadb.records import Rows, Task

if TYPE_CHECKING:
    from metadb.metafeatures import MetaFeatures
    from metadb.store import Store

SAMPLE = 10_000
"""`metadb.metafeatures.SAMPLE`, said here so that the command line need not load it."""

NAMED = 8
"""So many names are given of those that have no value for one reason."""

SHOWN = ("mean", "sd", "min", "quantiles.2", "max")
"""The summaries that a terminal shows; --json has all of them."""


@dataclass(frozen=True, slots=True)
class Described:
    """A data file as a task with its meta-features, and how the file was understood."""

    task: Task
    found: MetaFeatures
    read_as: str

    def as_dict(self) -> dict[str, Any]:
        """All of it as plain values, for JSON."""
        from metadb.metafeatures import EXTRACTOR, VERSION

        return {
            "task": self.task.id,
            "kind": self.task.kind,
            "target": self.task.target,
            "read_as": self.read_as,
            "instances": self.found.instances,
            "extractor": EXTRACTOR,
            "version": VERSION,
            "seed": self.found.seed,
            "cost_s": self.found.cost_s,
            "notes": list(self.found.notes),
            "metafeatures": {
                name: {
                    "value": v.value,
                    "group": v.group,
                    "status": v.status,
                    "reason": v.reason,
                    "cost_s": v.cost_s,
                    "instances": v.instances,
                    "hurried": v.hurried,
                }
                for name, v in self.found.by_name.items()
            },
        }


def describe(
    file: Path,
    *,
    target: str | None = None,
    no_target: Annotated[bool, Parameter(negative="")] = False,
    kind: Literal["classification", "regression", "clustering"] | None = None,
    header: bool | None = None,
    groups: Annotated[list[str] | None, Parameter(consume_multiple=True, negative="")] = None,
    time_limit: float | None = None,
    sample: int = SAMPLE,
    seed: int = 0,
    record: Annotated[bool, Parameter(negative="")] = False,
    chart: Path | None = None,
    common: Common = COMMON,
) -> int:
    """Say what a data set looks like: its meta-features, each with a reason where it has none.

    Parameters
    ----------
    file
        A CSV, TSV, Parquet, Arrow, JSON or ARFF file; it may be larger than memory (CSV, Parquet).
    target
        The target's name, or its position from 1; default: the last column.
    no_target
        There is none: all columns are features (clustering).
    kind
        Default: a target of text, bool or few whole numbers makes a classification.
    header
        Whether the first row of a CSV file names the columns; default: it is noticed.
    groups
        Which groups of meta-features, e.g. --groups simple statistical; default: all.
    time_limit
        Seconds until the answer; what was not reached is said. Reading the file counts, but is
        not cut short.
    sample
        The expensive groups look at so many rows at most; 0: at all of them.
    seed
        Of samples, folds and trees.
    record
        Keep the task and its meta-features in the store, as a load of its own.
    chart
        A file for the picture of where this data set lies among the store's tasks: .json is a
        Vega-Lite spec, .html a page that draws it (with a network), .svg and .png the picture.
    """
    if no_target and (target is not None or kind in ("classification", "regression")):
        raise WrongUsage("--no-target says that there is no target; leave --target and --kind out")
    if kind == "clustering" and target is not None:
        raise WrongUsage("a clustering has no target; leave --target out, or give another --kind")
    if sample < 0:
        raise WrongUsage(f"the sample is {sample}; give a number of rows, or 0 for all")
    if groups is not None and not groups:
        raise WrongUsage("say which groups: --groups simple statistical, for example")
    if record and (sample != SAMPLE or seed != 0):
        raise WrongUsage(
            "--record keeps what can be compared with other tasks; leave --sample and --seed out"
        )
    if chart is not None:
        from api.metafeature_chart import check_chart

        check_chart(chart)
    described = describe_file(
        file,
        target=target,
        kind="clustering" if no_target else kind,
        header=header,
        groups=groups,
        time_limit_s=time_limit,
        sample=sample or None,
        seed=seed,
    )
    remark(common, described.read_as)
    for note in described.found.notes:
        remark(common, f"note: {note}")
    if record:
        with opened(common, create=True) as store:
            left_out = keep(store, described)
        remark(common, f"kept in {common.store} as task {described.task.id}")
        if left_out:
            remark(common, f"not kept: {left_out} values that the time limit cut short, or failed")
    if chart is not None:
        from api.metafeature_chart import write_chart

        with opened(common) as store:
            write_chart(store, described.task, chart)
        remark(common, f"picture: {chart}")
    if common.json:
        say_json(described.as_dict())
    else:
        print("\n".join(_lines(described.found)))
    return EXIT_OK


def metafeatures(*, common: Common = COMMON) -> int:
    """Every meta-feature with its formula, range and source, as Markdown; needs no store."""
    from metadb.dictionary import metafeature_dictionary
    from metadb.metafeatures import choose
    from metadb.metafeatures.features import names_of

    if common.json:
        say_json(
            {
                name: {
                    "group": group,
                    "kinds": list(declared.kinds),
                    "undefined": declared.undefined,
                }
                for group, members in choose(None).items()
                for feature, declared in members.features.items()
                for name in names_of(feature, declared)
            }
        )
        return EXIT_OK
    print(metafeature_dictionary(), end="")
    return EXIT_OK


def describe_file(
    path: Path,
    *,
    target: str | None = None,
    kind: str | None = None,
    header: bool | None = None,
    groups: Sequence[str] | None = None,
    time_limit_s: float | None = None,
    sample: int | None = SAMPLE,
    seed: int = 0,
) -> Described:
    """A data file as a task with its meta-features.

    Raises:
        NotFound: There is no such file, target or group.
        MalformedFile: The file cannot be read.
    """
    from metadb.metafeatures import extract_file

    read, found = extract_file(
        path,
        target=target,
        kind=kind,
        header=header,
        groups=groups,
        time_limit_s=time_limit_s,
        sample=sample,
        seed=seed,
    )
    with path.open("rb") as file:
        digest = hashlib.file_digest(file, "sha256").hexdigest()[:12]
    task = Task(
        id=f"local:{digest}/{read.kind}/{_printable(read.target or '')}",
        kind=read.kind,
        metafeatures=found.known(),
        dataset=f"local:{digest}",
        target=read.target,
        name=path.stem,
    )
    return Described(task, found, f"{path.name}: {read}")


def shared_groups(store: Store) -> list[str]:
    """The groups of which the store's tasks know something, so that a task can be compared."""
    from metadb.metafeatures import METAFEATURES, group_of

    names = store.sql("select distinct name from descriptions").column("name")
    there = {group_of(name) for name in names}
    return [group for group in METAFEATURES if group in there] or ["simple"]


def keep(store: Store, described: Described) -> int:
    """Add the task and its meta-features to the store; how many values were not for keeping.

    Raises:
        InvalidRows: The store has other values of this task, or does not take them.
    """
    import pyarrow as pa

    from metadb.loads import Load

    task, rows = described.task, described.found.rows(described.task.id)
    one = {
        "task": task.id,
        "kind": task.kind,
        "dataset": task.dataset,
        "target": task.target,
        "name": task.name,
    }
    tables = {
        "datasets": pa.table({"dataset": [task.dataset]}),
        "tasks": pa.table({k: pa.array([v], pa.string()) for k, v in one.items()}),
        "metafeatures": rows,
    }
    load = Load(f"describe:{task.id}", "describe", path=task.name)
    store.start(load)
    done = store.add(Rows(tables), load=load)
    store.finish(load, done)
    if done.rejections.total:
        reasons = "; ".join(done.rejections.counts)
        raise InvalidRows(
            f"{done.rejections.total} values were not kept: {reasons}. To replace what the store "
            f"has of this task: metadb forget {load.id!r}, then again"
        )
    return len(described.found) - int(rows.num_rows)


def _printable(text: str) -> str:
    """The text with what is no printable character percent-encoded, so that it can be an id."""
    return "".join(c if c.isprintable() else quote(c) for c in text)


def _lines(found: MetaFeatures) -> Iterator[str]:
    """For people: group by group, a line a feature; what has no value is named with its reason."""
    groups = list(dict.fromkeys(v.group for v in found.by_name.values()))
    for group in groups:
        mine = {n: v for n, v in found.by_name.items() if v.group == group}
        cost_s = sum(v.cost_s for v in mine.values())
        yield f"{group} ({cost_s:.3f} s)"
        yield from _values(mine)
        yield from _gaps(mine)


def _values(mine: dict[str, Any]) -> Iterator[str]:
    many = _summarised(mine)
    summed = {f"{name}.{s}" for name, summaries in many.items() for s in summaries}
    single = {name: value for name, value in mine.items() if name not in summed}
    width = max((len(n) for n in (*many, *single)), default=0)
    for name, value in single.items():
        if value.status == "ok":
            yield f"  {name:<{width}}  {_number(value.value):>10}"
    if any(mine[f"{name}.{s}"].status == "ok" for name, ss in many.items() for s in ss):
        titles = (s.replace("quantiles.2", "median") for s in SHOWN)
        yield f"  {'':<{width}}  " + "  ".join(f"{title:>10}" for title in titles)
    for name, summaries in many.items():
        shown = [mine.get(f"{name}.{s}") for s in SHOWN]
        if any(mine[f"{name}.{s}"].status == "ok" for s in summaries):
            cells = (_number(v.value) if v is not None and v.status == "ok" else "-" for v in shown)
            yield f"  {name:<{width}}  " + "  ".join(f"{cell:>10}" for cell in cells)


def _summarised(mine: dict[str, Any]) -> dict[str, list[str]]:
    """Feature to its summaries, for those that have all of them."""
    from metadb.metafeatures.features import SUMMARIES

    return {
        name.removesuffix(".mean"): list(SUMMARIES)
        for name in mine
        if name.endswith(".mean")
        and all(f"{name.removesuffix('.mean')}.{s}" in mine for s in SUMMARIES)
    }


def _gaps(mine: dict[str, Any]) -> Iterator[str]:
    """Why there is no value, a line a reason."""
    reasons: dict[tuple[str, str], list[str]] = {}
    many = _summarised(mine)
    for name, value in mine.items():
        if value.status != "ok":
            head = next((m for m in many if name.startswith(f"{m}.")), None)
            whole = head is not None and all(mine[f"{head}.{s}"].status != "ok" for s in many[head])
            named = reasons.setdefault((value.status, value.reason or ""), [])
            if (said := head if whole and head is not None else name) not in named:
                named.append(said)
    for (status, reason), names in reasons.items():
        more = f" and {len(names) - NAMED} more" if len(names) > NAMED else ""
        yield f"  {status}: {', '.join(names[:NAMED])}{more} ({printable(reason)})"


def _number(value: float) -> str:
    if value == int(value) and abs(value) < 1e7:
        return f"{int(value):,}"
    return f"{value:.4g}"
