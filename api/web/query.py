"""The page of SQL: the guarded statement of `POST /sql`, with schema, examples, table and plot."""

from __future__ import annotations

from functools import cache
from typing import Annotated, Any, Literal

from fastapi import Query, Request, Response

from api.web import charts
from api.web.rendering import page
from api.writing import rows_of
from metadb.dictionary import view_questions
from metadb.errors import QueryRefused, WrongUsage
from metadb.gate import LONGEST
from metadb.result import Result
from metadb.schema import TABLES

SHOWN = 200
"""So many rows are shown and drawn; `POST /sql` answers more."""

EXAMPLES = (
    (
        "The best configurations",
        "select space, metric, mean_rank, n_tasks, n_best, config\n"
        "from leaderboard order by n_tasks desc, mean_rank limit 20",
    ),
    (
        "Evaluations of each task",
        "select task, count(*) as evaluations\nfrom evaluations\n"
        "group by task order by evaluations desc limit 30",
    ),
    (
        "The best on each task",
        "select task, metric, value, config\nfrom best_per_task order by task limit 50",
    ),
    (
        "How full each space is",
        "select space, metric, n_tasks, n_configs, share_filled\n"
        "from coverage order by n_evaluations desc",
    ),
    (
        "What came when",
        "select date_trunc('day', recorded_at) as day, source, sum(n_added) as rows_added\n"
        "from loads group by all order by day",
    ),
    (
        "How the meta-features spread",
        "select name, n_tasks, lowest, median, highest\n"
        "from metafeature_distributions order by n_tasks desc, name limit 50",
    ),
)
"""Title and statement."""


def show(
    request: Request,
    query: Annotated[str, Query(max_length=10 * LONGEST)] = "",
    mark: Annotated[Literal["", "bar", "line", "point"], Query()] = "",
    x: Annotated[str, Query(max_length=500)] = "",
    y: Annotated[str, Query(max_length=500)] = "",
) -> Response:
    """The form, and the answer where something was asked; the address holds all of it."""
    answer: dict[str, Any] | None = None
    refused: str | None = None
    if query.strip():
        try:
            answer = _answer(request, query)
        except QueryRefused as error:
            refused = str(error)
    chart = None
    if answer is not None and mark:
        chart = _chart(answer, mark, x, y)
    return page(
        request,
        "sql.html",
        status=422 if refused else 200,
        query=query,
        mark=mark,
        x=x,
        y=y,
        marks=charts.MARKS,
        answer=answer,
        refused=refused,
        chart=chart,
        examples=EXAMPLES,
        schema=schema(),
        limits=request.app.state.settings,
    )


@cache
def schema() -> list[dict[str, Any]]:
    """Tables with their columns, then views with their questions."""
    tables = [
        {"name": t.name, "doc": t.doc, "columns": [(c.name, c.doc) for c in t.columns]}
        for t in TABLES.values()
    ]
    views = [{"name": name, "doc": doc, "columns": []} for name, doc in view_questions().items()]
    return tables + views


def _answer(request: Request, query: str) -> dict[str, Any]:
    found = request.app.state.generations.guarded().run(query)
    result = Result(found.table)
    return {
        "columns": result.columns,
        "rows": list(rows_of(Result(found.table.slice(0, SHOWN)))),
        "n": len(result),
        "truncated": found.truncated,
        "seconds": found.seconds,
        "generation": found.generation,
    }


def _chart(answer: dict[str, Any], mark: str, x: str, y: str) -> dict[str, Any] | None:
    """The answer as a plot; where nothing is said, the first column against the first number.

    Raises:
        WrongUsage: The answer has no such column.
    """
    columns, rows = answer["columns"], answer["rows"]
    for name in (x, y):
        if name and name not in columns:
            raise WrongUsage(f"the answer has no column {name!r}; it has {', '.join(columns)}")
    if not rows or len(columns) < 2:
        return None
    x = x or columns[0]
    numbers = [c for c in columns if c != x and any(_is_number(row[c]) for row in rows)]
    y = y or (numbers[0] if numbers else columns[1])
    return charts.answer(rows, mark=mark, x=x, y=y)


def _is_number(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)
