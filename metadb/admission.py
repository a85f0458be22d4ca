"""What may enter a table: the right columns, sane values, known references, nothing twice.

All checks are SQL over whole batches. A row that may not enter is counted under a named reason;
the rest of its batch goes in.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field

import duckdb
import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from metadb.errors import InvalidRows
from metadb.identity import canonical_config, parse_config
from metadb.records import METAFEATURE_STATUSES, STATUSES
from metadb.schema import Table
from metadb.snapshot import reading

ENRICHED = frozenset({"datasets", "tasks", "flows", "configs"})
"""Tables whose rows learn from later ones what the first one did not know."""

_DEFAULTS = {
    ("evaluations", "status"): "'ok'",
    ("evaluations", "budget"): "1.0",
    ("evaluations", "budget_unit"): "'fraction'",
    ("evaluations", "origin"): "split_part(task, ':', 1)",
    ("metafeatures", "status"): "'ok'",
    ("tasks", "origin"): "split_part(task, ':', 1)",
    ("tasks", "native"): "task[length(split_part(task, ':', 1)) + 2:]",
    ("tasks", "kind"): "'classification'",
    ("datasets", "origin"): "split_part(dataset, ':', 1)",
    ("datasets", "native"): "dataset[length(split_part(dataset, ':', 1)) + 2:]",
    ("flows", "origin"): "split_part(flow, ':', 1)",
    ("flows", "native"): "flow[length(split_part(flow, ':', 1)) + 2:]",
}

ID = re.compile(r"^[a-z0-9_.-]+:[^\x00-\x1f]+$")
"""What the ids of data sets, tasks and flows look like: origin:native."""
_ID = f"'{ID.pattern}'"
_PARTED = "contains({}, chr(31))"
_PART_REASON = "a control character (unit separator) in an id or name"
_STATUSES = ", ".join(f"'{status}'" for status in STATUSES)
_METAFEATURE_STATUSES = ", ".join(f"'{status}'" for status in METAFEATURE_STATUSES)

# Per table: (condition under which a row is turned away, the reason). `known_*` are the ids that
# may be referred to.
_RULES: dict[str, tuple[tuple[str, str], ...]] = {
    "datasets": ((f"not regexp_matches(dataset, {_ID})", "id not of the form origin:native"),),
    "tasks": ((f"not regexp_matches(task, {_ID})", "id not of the form origin:native"),),
    "flows": ((f"not regexp_matches(flow, {_ID})", "id not of the form origin:native"),),
    "spaces": ((_PARTED.format("space || name"), _PART_REASON),),
    "configs": ((_PARTED.format("concat(space, native)"), _PART_REASON),),
    "metrics": (
        ("lower > upper or isnan(lower) or isnan(upper)", "bounds of a metric in the wrong order"),
        (_PARTED.format("metric"), _PART_REASON),
    ),
    "evaluations": (
        (f"status not in ({_STATUSES})", f"unknown status (there are {', '.join(STATUSES)})"),
        ("metric not in (select metric from known_metrics)", "unknown metric"),
        ("status = 'ok' and value is null", "no score although its status is ok"),
        ("not isfinite(value)", "score is NaN or infinite"),
        ("value < lower or value > upper", "score outside the bounds of its metric"),
        ("not isfinite(budget) or budget <= 0", "budget not a positive number"),
        ("not isfinite(cost_s) or cost_s < 0", "cost_s not a number of seconds"),
        ("task not in (select task from known_tasks)", "unknown task"),
        ("config not in (select config from known_configs)", "unknown config, or one turned away"),
        (_PARTED.format("concat(origin, budget_unit, run)"), _PART_REASON),
    ),
    "metafeatures": (
        (
            f"status not in ({_METAFEATURE_STATUSES})",
            f"unknown status (there are {', '.join(METAFEATURE_STATUSES)})",
        ),
        (
            "status = 'ok' and (value is null or not isfinite(value))",
            "meta-feature not a finite number",
        ),
        ("task not in (select task from known_tasks)", "unknown task"),
        (_PARTED.format("name || extractor"), _PART_REASON),
    ),
    "models": (
        ("not regexp_full_match(model, '[0-9a-f]{64}')", "model not a SHA-256"),
        ("task not in (select task from known_tasks)", "unknown task"),
        ("config not in (select config from known_configs)", "unknown config, or one turned away"),
        ("metric not in (select metric from known_metrics)", "unknown metric"),
        ("not isfinite(value)", "score is NaN or infinite"),
    ),
}

REFERRING = frozenset(
    name for name, rules in _RULES.items() if any("known_" in condition for condition, _ in rules)
)
"""Tables whose rows may only refer to what is there."""


@dataclass
class Rejections:
    """Reason to how many rows it turned away, with the first one as an example."""

    counts: dict[str, int] = field(default_factory=dict)
    examples: dict[str, str] = field(default_factory=dict)

    def add(self, reason: str, count: int, example: str = "") -> None:
        """Count rows turned away for a reason."""
        if count:
            self.counts[reason] = self.counts.get(reason, 0) + count
            self.examples.setdefault(reason, example)

    def merge(self, other: Rejections) -> None:
        """Add another count to this one."""
        for reason, count in other.counts.items():
            self.add(reason, count, other.examples.get(reason, ""))

    @property
    def total(self) -> int:
        """How many rows were turned away."""
        return sum(self.counts.values())


@dataclass(frozen=True, slots=True)
class Checked:
    """Rows that may enter, why others may not, and how many were told twice."""

    rows: pa.Table
    rejections: Rejections
    n_same: int = 0


def fit(table: Table, rows: pa.Table) -> pa.Table:
    """`rows` with the types of `table`, in the columns that they have.

    Raises:
        InvalidRows: A column is unknown, a needed one is missing, or values have a wrong type.
    """
    given, there = rows.column_names, table.arrow.names
    for name in given:
        if name not in there:
            raise InvalidRows(
                f"{table.name} has no column {name!r}; its columns are {', '.join(there)}"
            )
        if given.count(name) > 1:
            raise InvalidRows(f"the rows of {table.name} have the column {name!r} twice; name one")
    for column in table.columns:
        made = (table.name, column.name) in _DEFAULTS or (table.hashed and column.name == table.key)
        made = made or (column.name == "load" and table.key != "load")
        if column.required and column.name not in given and not made:
            raise InvalidRows(
                f"{table.name} needs the column {column.name!r} ({column.doc}) and the rows have "
                f"only {', '.join(given)}"
            )
    columns = [
        _cast(table, rows.column(name), name, table.arrow.field(name).type) for name in given
    ]
    return pa.table(columns, names=given)


def complete(table: Table, rows: pa.Table, load: str) -> pa.Table:
    """Fitting `rows` with all columns of `table`: what is left out is null, the load is `load`."""
    columns = []
    for column in table.columns:
        if column.name == "load" and table.key != "load":
            columns.append(pa.repeat(pa.scalar(load, pa.string()), rows.num_rows))
        elif column.name in rows.column_names:
            columns.append(rows.column(column.name))
        else:
            columns.append(pa.nulls(rows.num_rows, column.type))
    return pa.table(columns, schema=table.arrow)


def _cast(table: Table, values: pa.ChunkedArray, name: str, to: pa.DataType) -> pa.ChunkedArray:
    if values.type == to:
        return values
    try:
        return pc.cast(values, to)
    except (pa.ArrowInvalid, pa.ArrowNotImplementedError, pa.ArrowTypeError) as error:
        raise InvalidRows(
            f"column {name!r} of {table.name} must be {to}, but has {values.type} values that do "
            f"not fit ({str(error).splitlines()[0]})"
        ) from error


def check(
    con: duckdb.DuckDBPyConnection,
    table: Table,
    rows: pa.Table,
    turned_away: Callable[[pa.Table], Iterable[str | None]] | None = None,
) -> Checked:
    """The rows that may enter, with their keys, each once, and why the others may not.

    Args:
        con: A connection in which the relations `known_tasks`, `known_configs` and
            `known_metrics` are there for the tables that refer to them.
        rows: As `complete` returns them.
        turned_away: For configs: per row a reason of the space, or None.
    """
    rejections = Rejections()
    if table.name == "configs":
        rows = _canonical(rows, rejections, turned_away)
    con.register("incoming", rows)
    try:
        sql = _checking(table)
        checked = con.sql(sql).to_arrow_table()
    finally:
        con.unregister("incoming")
    reason = checked.column("reason")
    if reason.null_count < len(reason):
        bad = checked.filter(pc.is_valid(reason))
        for entry in pc.value_counts(bad.column("reason").combine_chunks()).to_pylist():
            why = entry["values"]
            first = bad.filter(pc.equal(bad.column("reason"), why)).slice(0, 1).to_pylist()[0]
            rejections.add(why, entry["counts"], _example(table, first))
        checked = checked.filter(pc.is_null(reason))
    checked = checked.select(table.arrow.names)
    return _once(con, table, checked, rejections)


def _checking(table: Table) -> str:
    """One select that fills in defaults, makes the key, and names the first rule a row breaks."""
    defaults = {c: sql for (t, c), sql in _DEFAULTS.items() if t == table.name}
    filled = ", ".join(f"coalesce({c}, {sql}) as {c}" for c, sql in defaults.items())
    replace = [filled] if filled else []
    if table.name == "evaluations":
        # A run without a score has none, whatever number its file holds in its place.
        replace.append(
            "case when coalesce(status, 'ok') in ('ok', 'censored') then value end as value"
        )
    source = (
        f"select * replace ({', '.join(replace)}) from incoming" if replace else "from incoming"
    )
    if table.name == "evaluations":
        source = (
            f"select i.*, m.lower, m.upper from ({source}) i "
            "left join known_metrics m on m.metric = i.metric"
        )
    key = f"{key_sql(table)} as {table.key}" if table.hashed else ""
    required = [
        (f"{c.name} is null", f"no {c.name}")
        for c in table.columns
        if c.required and not (table.hashed and c.name == table.key)
    ]
    rules = [*required, *_RULES.get(table.name, ())]
    cases = " ".join(f"when {condition} then '{reason}'" for condition, reason in rules)
    reason = f"case {cases} end" if cases else "null::varchar"
    return f"select * {f'replace ({key})' if key else ''}, {reason} as reason from ({source})"


def key_sql(table: Table) -> str:
    """The SQL that makes a row's key: the MD5 of its identity; `identity.row_id` in Python."""
    parts = ", ".join(f"coalesce({column}::varchar, '')" for column in table.identity)
    return f"md5(concat_ws(chr(31), {parts}))"


def _once(
    con: duckdb.DuckDBPyConnection, table: Table, rows: pa.Table, rejections: Rejections
) -> Checked:
    """Each key once; a second row with the same identity and other content is a conflict."""
    key = table.key
    con.register("checked", rows)
    try:
        n_distinct = con.sql(f"select count(distinct {key}) from checked").fetchall()[0][0]
        if n_distinct == rows.num_rows:
            return Checked(rows, rejections)
        con.register("checked", rows.append_column("place", pa.array(np.arange(rows.num_rows))))
        first = con.sql(_firsts(table, "checked")).to_arrow_table()
        con.register("first", first)
        clash = con.sql(
            f"select c.place, c.{key} from checked c join first f using ({key}) "
            f"where {differs(table, 'c', 'f')} order by c.place"
        ).to_arrow_table()
        if clash.num_rows and table.name in ENRICHED:  # who contradicts teaches nothing either
            con.register("clash", clash)
            agreed = "checked anti join clash using (place)"
            first = con.sql(_firsts(table, agreed)).to_arrow_table()
    finally:
        for relation in ("checked", "first", "clash"):
            con.unregister(relation)
    _reject_conflicts(table, rows.take(clash.column("place")), rejections)
    n_same = rows.num_rows - n_distinct - clash.num_rows
    return Checked(first.select(table.arrow.names).cast(table.arrow), rejections, n_same)


def _firsts(table: Table, relation: str) -> str:
    """SQL: the first row of each key, in an enriched table with what later rows know besides."""
    if table.name not in ENRICHED:
        nth = f"row_number() over (partition by {table.key} order by place)"
        return f"select * exclude (place) from {relation} qualify {nth} = 1"
    known = [f"any_value({c} order by place) as {c}" for c in table.arrow.names if c != table.key]
    return f"select {table.key}, {', '.join(known)} from {relation} group by {table.key}"


def differs(table: Table, new: str, old: str) -> str:
    """SQL: the content of two rows of one identity disagrees."""
    if not table.content:
        return "false"
    if table.name in {"evaluations", "metafeatures"}:
        parts = [f"{new}.{c} is distinct from {old}.{c}" for c in table.content]
    else:
        parts = [
            f"{new}.{c} <> {old}.{c}" for c in table.content
        ]  # null: one of them does not know
    return " or ".join(parts)


def _reject_conflicts(table: Table, rows: pa.Table, rejections: Rejections) -> None:
    """Count the rows that contradict one that is there, the first of them as the example."""
    first = rows.slice(0, 1).to_pylist()
    rejections.add(
        f"conflict: its identity is there with other content ({', '.join(table.content)})",
        rows.num_rows,
        f"{table.name}: {_example(table, first[0])}" if first else "",
    )


@dataclass
class Novelty:
    """Tells the rows that a table does not hold yet; `Tables.append` calls it for each try.

    Attributes:
        load: The load that brings the rows.
        seen: Keys of rows that were there, brought first by another load.
        n_known: How many rows were there with the same content.
        rejections: Rows whose identity was there with other content.
    """

    con: duckdb.DuckDBPyConnection
    table: Table
    rows: pa.Table
    load: str
    seen: list[pa.ChunkedArray] = field(default_factory=list)
    n_known: int = 0
    rejections: Rejections = field(default_factory=Rejections)

    def __call__(self, files: list[str], previous: pa.Table | None) -> pa.Table:
        """The rows, or what the previous call left of them, that are not in these files."""
        rows = self.rows if previous is None else previous
        if not files or rows.num_rows == 0:
            return rows
        key, n = self.table.key, rows.num_rows
        other = "e.load <> $load" if "load" in self.table.arrow.names and key != "load" else "false"
        clashing = differs(self.table, "f", "e")
        old = reading(self.con, self.table, files)
        self.con.register("fresh", rows.append_column("place", pa.array(np.arange(n))))
        try:
            # Places and flags come back, not the rows: the answer may be as long as the question.
            there = self.con.sql(
                f"select f.place, coalesce({clashing}, false) as differs, {other} as other "
                f"from ({old}) e join fresh f on f.{key} = e.{key}",
                params={"load": self.load} if other != "false" else None,
            ).to_arrow_table()
        finally:
            self.con.unregister("fresh")
        if there.num_rows == 0:
            return rows
        place, clash, foreign = (there.column(c).to_numpy() for c in ("place", "differs", "other"))
        keys = rows.column(key)
        _reject_conflicts(self.table, rows.take(pa.array(place[clash])), self.rejections)
        self.n_known += int((~clash).sum())
        if (foreign & ~clash).any():
            self.seen.append(keys.take(pa.array(place[foreign & ~clash])))
        new = np.ones(n, bool)
        new[place] = False
        return rows.filter(pa.array(new))


def _canonical(
    rows: pa.Table,
    rejections: Rejections,
    turned_away: Callable[[pa.Table], Iterable[str | None]] | None,
) -> pa.Table:
    """Configs with canonical texts; those whose text is no config are turned away."""
    texts: list[str | None] = []
    for text in rows.column("hyperparameters").to_pylist():
        try:
            texts.append(canonical_config(parse_config(text)))
        except Exception:  # whatever a foreign text makes json raise, the row is turned away
            texts.append(None)
    good = pa.array([text is not None for text in texts], pa.bool_())
    bad = pc.invert(good)
    if pc.any(bad).as_py():
        example = rows.filter(bad).column("hyperparameters")[0].as_py()
        reason = "hyperparameters not a JSON object of plain, finite values"
        rejections.add(reason, pc.sum(bad).as_py(), str(example)[:200])
    position = rows.schema.get_field_index("hyperparameters")
    rows = rows.set_column(position, "hyperparameters", pa.array(texts, pa.string())).filter(good)
    if turned_away is not None:
        reasons = list(turned_away(rows))
        for row, why in enumerate(reasons):
            if why is not None:
                config = rows.column("hyperparameters")[row].as_py()
                rejections.add("config outside its space", 1, f"{why} in {config}"[:300])
        rows = rows.filter(pa.array([why is None for why in reasons], pa.bool_()))
    return rows


def _example(table: Table, row: dict[str, object]) -> str:
    shown = {c: row[c] for c in (*table.identity, *table.content) if row.get(c) is not None}
    return ", ".join(f"{name} {value}" for name, value in shown.items())[:300]
