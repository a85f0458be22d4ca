"""The one loop over the groups of meta-features: within a time limit, a reason for every gap."""

from __future__ import annotations

import sys
from collections.abc import Container, Iterator, Mapping
from dataclasses import dataclass, field
from math import isfinite, log
from threading import Thread
from time import perf_counter
from typing import TYPE_CHECKING

import numpy as np

from metadb.errors import InvalidRows, MetadbError
from metadb.metafeatures.features import Feature, Group, names_of, summarise
from metadb.metafeatures.table import Table

if TYPE_CHECKING:
    import pyarrow as pa

EXTRACTOR = "metadb"
"""Who computed the values; values of different extractors are not to be compared blindly."""

VERSION = "2"
"""Rises when a formula changes."""

FIRST = 250
"""With a time limit a group looks at so many instances first, then at `STEP` times as many, ..."""

STEP = 4

CELLS_FIRST = 250_000
"""... but never at more than so many numbers first."""

LONGEST_S = 1e6
"""A longer time limit is none."""

GRACE_S = 0.05
"""What costs nothing (how many instances, attributes and classes) is said even after the limit."""

MODULES = 50
"""A sample during which more modules than this were loaded does not tell what the next costs."""

SAMPLE_CELLS = 2_000_000
"""The sample that an expensive group looks at has at most so many numbers, ..."""

LEAST = 500
"""... but so many instances at least."""


@dataclass(frozen=True, slots=True)
class Value:
    """One meta-feature of one data set.

    Args:
        value: NaN unless `status` is ok.
        status: `ok`, `undefined` (none for these data), `failed`, `timeout` or `memout`.
        reason: Why there is no value; None where there is one.
        cost_s: Seconds it took; what several features share is counted with the first of them.
        instances: On how many instances it rests.
        hurried: It rests on fewer than it would have without the time limit.
        extractor: Who computed it: the package of the group's function.
    """

    value: float
    group: str
    status: str = "ok"
    reason: str | None = None
    cost_s: float = 0.0
    instances: int = 0
    hurried: bool = False
    extractor: str = EXTRACTOR


@dataclass(frozen=True, slots=True)
class MetaFeatures(Mapping[str, float]):
    """The meta-features of a data set, by name: a number, or NaN and in `by_name` the reason.

    Args:
        by_name: Name to value with its group, status, reason, cost and instances.
        kind: `classification`, `regression` or `clustering`.
        instances: How many the data set has.
        notes: How the data were read and sampled, a sentence each.
        cost_s: Seconds of the whole extraction.
        seed: Of the samples, folds and trees.
    """

    by_name: Mapping[str, Value]
    kind: str
    instances: int
    notes: tuple[str, ...]
    cost_s: float
    seed: int

    def __getitem__(self, name: str) -> float:
        return self.by_name[name].value

    def __iter__(self) -> Iterator[str]:
        return iter(self.by_name)

    def __len__(self) -> int:
        return len(self.by_name)

    def known(self) -> dict[str, float]:
        """Those that have a value."""
        return {name: v.value for name, v in self.by_name.items() if v.status == "ok"}

    def rows(self, task: str) -> pa.Table:
        """Them as rows of the store's table `metafeatures`, extractor, version and cost with them.

        Only what another extraction would find again: numbers and what is undefined, nothing that
        was hurried or failed, since the store keeps what it has.
        """
        import pyarrow as pa

        found = {
            name: v
            for name, v in self.by_name.items()
            if v.status in ("ok", "undefined") and not v.hurried
        }
        columns = {
            "task": [task] * len(found),
            "name": list(found),
            "value": [v.value if v.status == "ok" else None for v in found.values()],
            "status": [v.status for v in found.values()],
            "extractor": [v.extractor for v in found.values()],
            "version": [VERSION if v.extractor == EXTRACTOR else None for v in found.values()],
            "cost_s": [v.cost_s for v in found.values()],
        }
        types = {"value": pa.float64(), "cost_s": pa.float64()}
        return pa.table({k: pa.array(v, types.get(k, pa.string())) for k, v in columns.items()})

    def __repr__(self) -> str:
        return (
            f"MetaFeatures({len(self.known())} of {len(self)} values of a {self.kind} with "
            f"{self.instances:,} instances, {self.cost_s:.2f} s)"
        )


def run(
    table: Table,
    groups: Mapping[str, Group],
    *,
    time_limit_s: float | None,
    sample: int | None,
    seed: int,
    started: float,
) -> MetaFeatures:
    """Compute the groups in their order, cheap ones first.

    Without a time limit each group looks at all instances, or, if it is expensive, at `sample`.
    With one, each group may use its share of the time left (what earlier ones did not use goes to
    the later ones) and looks at growing samples, each `STEP` times the last, while the next is
    expected to be done in time: the values of the largest sample that was reached stand.

    Args:
        started: `perf_counter()` when the clock was started.

    Raises:
        InvalidRows: The limit or the sample is not above 0.
    """
    limit = np.inf if time_limit_s is None or time_limit_s > LONGEST_S else time_limit_s
    if not limit > 0:
        raise InvalidRows(f"the time limit is {time_limit_s} s; give more than 0, or none")
    if not isinstance(seed, int | np.integer) or not 0 <= seed < 2**32:
        raise InvalidRows(f"the seed is {seed!r}; give a whole number from 0 to 2 ** 32 - 1")
    if sample is not None and sample < 1:
        raise InvalidRows(f"the sample is {sample} instances; give at least 1, or None for all")
    work = [
        _Work(table, name, group, table.n if sample is None else _rule(table, group, sample), seed)
        for name, group in groups.items()
        if not group.features or any(table.kind in f.kinds for f in group.features.values())
    ]
    read_s = perf_counter() - started
    if np.isinf(limit):
        for each in work:
            each.look(each.goal(work), np.inf)
    else:
        _in_turns(work, started + limit)
    found: dict[str, Value] = {}
    notes = list(table.notes)
    if read_s > limit:
        notes.append(f"reading the data alone took {read_s:.1f} s of the limit of {limit:g} s")
    if groups and not work:
        notes.append(f"of a {table.kind} these groups say nothing: {', '.join(groups)}")
    for each in work:
        values = dict(each.found)
        late = [*_missing(each.group, table.kind, values)]
        if not values and not late and not np.isinf(limit):
            late = [each.name]  # it does not say what it has
        why = f"the time limit of {limit:g} s came first"
        values |= {feature: each.gap("timeout", why) for feature in late}
        if twice := sorted(set(values) & set(found)):
            raise InvalidRows(
                f"group {each.name!r} says {twice[0]!r}, which is a value of group "
                f"{found[twice[0]].group!r}; give it another name"
            )
        found |= values
        notes += _said_of_sample(table, each.name, values, each.rows, limit, seed)
    of = table.n if table.of is None else table.of
    return MetaFeatures(found, table.kind, of, tuple(notes), perf_counter() - started, seed)


def _in_turns(work: list[_Work], ends: float) -> None:
    """Let each group look at growing samples for its share of the time left, again and again.

    What one leaves of its share goes to the others. A step that was expected to be done within the
    share and is not, goes on beside the others; what is not done at the end is left behind in its
    thread, which ends with that step.
    """
    generous, at_work = False, True
    while at_work or not generous:
        generous, at_work = not at_work, False
        for place, each in enumerate(work):
            left_s = ends - perf_counter()
            waiting = sum(not w.finished(work) for w in work[place:])
            budget_s = left_s if generous or each.group.whole else left_s / max(1, waiting)
            if each.next_size(work, budget_s) and (left_s > 0 or each.group.whole):
                at_work = True
                each.thread = Thread(target=each.grow, args=(work, budget_s, ends), daemon=True)
                each.thread.start()
                each.thread.join(max(budget_s, GRACE_S if each.group.whole else 0.0))
        if perf_counter() > ends:
            return
    for each in work:
        if each.thread is not None:
            each.thread.join(max(0.0, ends - perf_counter()))


def _rule(table: Table, group: Group, sample: int) -> int:
    """How many instances a group looks at at most."""
    if not group.sampled:
        return table.n
    return min(table.n, max(min(sample, LEAST), min(sample, SAMPLE_CELLS // max(1, table.width))))


def _said_of_sample(
    table: Table, group: str, values: Mapping[str, Value], rows: int, limit: float, seed: int
) -> Iterator[str]:
    """The sample a group looked at, if it did not look at all instances."""
    sizes = sorted({v.instances for v in values.values() if v.instances})
    whole = table.n if table.of is None else table.of
    if sizes and sizes[0] < whole:
        size = " to ".join(f"{s:,}" for s in (sizes if len(sizes) < 3 else (sizes[0], sizes[-1])))
        shares = " with the classes in their shares" if len(table.class_sizes) else ""
        why = f", as many as {limit:g} s allowed" if sizes[0] < rows else ""
        yield f"{group} rests on {size} of {whole:,} instances, drawn{shares} by seed {seed}{why}"


@dataclass
class _Work:
    """One group at work: what it has found so far, and on how many instances in which time.

    Args:
        rows: How many instances it looks at at most.
        runs: Instances and seconds of each sample it has been through.
        thread: What looks at samples beside the others, with a time limit.
        failed: It is not tried again.
    """

    table: Table
    name: str
    group: Group
    rows: int
    seed: int
    found: dict[str, Value] = field(default_factory=dict)
    runs: list[tuple[int, float]] = field(default_factory=list)
    thread: Thread | None = None
    failed: bool = False

    def goal(self, work: list[_Work]) -> int:
        """How many instances to look at in the end; as many as the group it goes on from did."""
        before = next((w for w in work if w.name == self.group.after), None)
        if before is None:
            return self.rows
        return max((v.instances for v in dict(before.found).values()), default=0)

    def finished(self, work: list[_Work]) -> bool:
        """Whether it has looked at all that it is to look at, or cannot."""
        return self.failed or (bool(self.runs) and self.runs[-1][0] == self.goal(work))

    def next_size(self, work: list[_Work], budget_s: float) -> int:
        """How many instances to look at next in so many seconds; 0: no more than it did."""
        busy = self.thread is not None and self.thread.is_alive()
        return 0 if busy else self._affordable(work, budget_s)

    def _affordable(self, work: list[_Work], budget_s: float) -> int:
        goal, done = self.goal(work), self.runs[-1][0] if self.runs else 0
        if done == goal or self.failed:
            return 0
        if self.group.whole or self.group.after is not None:
            return goal
        if not done:
            return min(goal, max(32, min(FIRST, CELLS_FIRST // max(1, self.table.d))))
        size = int(min(goal, _affordable(self.runs, budget_s)))
        if size < goal or len(self.runs) < 2:  # what is expected to be the last is taken at once
            size = min(size, STEP * done)
        return size if size >= min(goal, 1.5 * done) else 0

    def grow(self, work: list[_Work], budget_s: float, ends: float) -> None:
        """Look at growing samples until the next one would not be done in the budget."""
        stops = perf_counter() + budget_s
        if self.group.whole:
            ends = max(ends, perf_counter() + GRACE_S)
        while size := self._affordable(work, stops - perf_counter()):
            if not self.look(size, ends) or perf_counter() > stops:
                return

    def look(self, size: int, ends: float) -> bool:
        """The values of a sample of this size; whether there was time for all of them.

        Raises:
            MetadbError: The data could not be read; with a time limit that is said as a reason.
        """
        began, n_modules = perf_counter(), len(sys.modules)
        try:
            small = self.table if np.isinf(ends) else self.table.in_memory(self.seed)
            table = (small if size <= small.n else self.table).sample(size, self.seed)
            with np.errstate(all="ignore"):
                done = self._compute(table, ends)
        except MemoryError:
            return self._fail("memout", "there is not enough memory for it")
        except Exception as error:  # one group never costs the others
            if isinstance(error, MetadbError) and np.isinf(ends):
                raise
            return self._fail("failed", f"{type(error).__name__}: {error}")
        if done and (size == self.rows or len(sys.modules) < n_modules + MODULES):
            self.runs.append((size, perf_counter() - began))
        return done

    def _compute(self, table: Table, ends: float) -> bool:
        """Every value on this table; False if the time was over before."""
        group, new, clock = self.group, set[str](), perf_counter()
        computed = group.compute(table, self.seed)
        for feature, value in computed.items() if isinstance(computed, Mapping) else computed:
            now = perf_counter()
            if now > ends:
                return False
            declared = group.features.get(feature, Feature(many=np.ndim(value) > 0))
            values = self._values(feature, value, declared, now - clock, table.n)
            self.found.update(values)
            new.update(values)
            clock = now
        for feature, declared in _missing(group, table.kind, new).items():
            self.found[feature] = self.gap("undefined", declared.undefined, n=table.n)
        return True

    def _values(
        self, feature: str, value: object, declared: Feature, cost_s: float, n: int
    ) -> dict[str, Value]:
        """The value of a feature or, where it has many, their summaries."""
        why = declared.undefined
        if declared.many:
            said = {f"{feature}.{k}": v for k, v in summarise(np.asarray(value, float)).items()}
            if any(map(isfinite, said.values())):
                why = "there is one value only"  # which has no standard deviation
        else:
            said = {feature: float(np.asarray(value, float))}
        cost_s /= len(said)
        of = n < self.rows, self.group.extractor
        return {
            each: Value(number, self.name, "ok", None, cost_s, n, *of)
            if isfinite(number)
            else self.gap("undefined", why, cost_s, n)
            for each, number in said.items()
        }

    def gap(self, status: str, why: str, cost_s: float = 0.0, n: int = 0) -> Value:
        """A value that is not there, looked for in `n` instances, and why."""
        of = n < self.rows, self.group.extractor
        return Value(np.nan, self.name, status, why, cost_s, n, *of)

    def _fail(self, status: str, why: str) -> bool:
        """Say of what was not found why; of the group itself, if it does not say what it has."""
        missing = _missing(self.group, self.table.kind, self.found)
        for feature in missing if self.group.features else [self.name]:
            self.found[feature] = self.gap(status, why)
        self.failed = True
        return False


def _missing(group: Group, kind: str, found: Container[str]) -> dict[str, Feature]:
    """The values that the group has for tasks of this kind and that were not found."""
    return {
        each: declared
        for feature, declared in group.features.items()
        if kind in declared.kinds
        for each in names_of(feature, declared)
        if each not in found
    }


def _affordable(runs: list[tuple[int, float]], left_s: float) -> float:
    """How many instances can be looked at in the time left, judged by the runs so far."""
    size, cost_s = runs[-1]
    growth = 1.5
    if len(runs) > 1:
        (before, less), (after, more) = runs[-2:]
        growth = min(3.0, max(1.0, log(more / max(less, 1e-9)) / log(after / before)))
    return float(size * (max(0.0, left_s) / (1.2 * max(cost_s, 1e-9))) ** (1 / growth))
