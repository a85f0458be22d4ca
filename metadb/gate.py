"""What foreign SQL may say: an allow-list over the parsed statement, never over its text.

DuckDB itself parses (`json_serialize_sql`), and every part of the tree must be one that is named
here: selects only (in DuckDB 2 a common table expression can be a COPY or an INSERT, and the whole
still counts as a SELECT), tables only those that the generation holds or the statement names,
functions only those of `functions.txt`. The gate is the second wall; the first is that the process
which answers holds one read-only file and may open no other (`metadb.answering`).
"""

from __future__ import annotations

import json
from collections.abc import Collection
from importlib.resources import files
from typing import Any

from metadb.errors import QueryRefused

LONGEST = 20_000
"""Characters that a statement may have."""
_TABLE_FUNCTIONS = {"range", "generate_series", "unnest", "json_each", "json_tree", "repeat"}
_CLASSES = {
    *("BETWEEN", "CASE", "CAST", "COLLATE", "COLUMN_REF", "COMPARISON", "CONJUNCTION", "CONSTANT"),
    *("DEFAULT", "FUNCTION", "LAMBDA", "OPERATOR", "POSITIONAL_REFERENCE", "STAR", "SUBQUERY"),
    *("TYPE", "WINDOW"),
}
_TYPES = {
    *("SELECT_NODE", "SET_OPERATION_NODE", "RECURSIVE_CTE_NODE", "CTE_NODE"),
    *("BASE_TABLE", "EMPTY", "EXPRESSION_LIST", "JOIN", "PIVOT", "SHOW_REF", "SUBQUERY"),
    *("TABLE_FUNCTION", "ORDER_DEFAULT", "ASCENDING", "DESCENDING"),
    *("ORDER_MODIFIER", "LIMIT_MODIFIER", "LIMIT_PERCENT_MODIFIER", "DISTINCT_MODIFIER"),
}
Name = tuple[str, ...]


def allowed_functions() -> frozenset[str]:
    """The names in `functions.txt`."""
    lines = files("metadb").joinpath("functions.txt").read_text().splitlines()
    return frozenset(
        word.lower() for line in lines if not line.startswith("# ") for word in line.split()
    )


class Gate:
    """Lets a parsed statement pass, or says in one sentence why not.

    Args:
        tables: What may be asked, as (name,) or (schema, name); case does not count.
    """

    def __init__(self, tables: Collection[Name]) -> None:
        self._tables = {tuple(part.lower() for part in name) for name in tables}
        self._functions = allowed_functions()

    def check(self, parsed: str) -> None:
        """Look at one statement as `json_serialize_sql` gave it.

        Raises:
            QueryRefused: It holds something that is not on the list.
        """
        try:
            said = json.loads(parsed)
            if said.get("error"):
                raise QueryRefused(_not_parsed(str(said.get("error_message", ""))))
            if len(said["statements"]) != 1:
                raise QueryRefused("one select statement at a time is answered; send one")
            self._visit(said["statements"][0]["node"], frozenset())
        except RecursionError:
            raise QueryRefused("the statement is nested too deeply; make it flatter") from None

    def _visit(self, part: Any, named: frozenset[str]) -> None:
        """Check a part of the tree; `named` are the common table expressions in sight."""
        if isinstance(part, list):
            for inner in part:
                self._visit(inner, named)
        elif isinstance(part, dict):
            self._check(part, named)
            if "cte_map" in part:
                named = self._visit_named(part["cte_map"]["map"], named)
            if part.get("type") == "RECURSIVE_CTE_NODE":
                named |= {str(part["cte_name"]).lower()}
            for key, inner in part.items():
                if key != "cte_map" and isinstance(inner, dict | list):
                    self._visit(inner, named)

    def _visit_named(self, entries: list[Any], named: frozenset[str]) -> frozenset[str]:
        """Each common table expression sees those before it, and what follows sees them all."""
        for entry in entries:
            self._visit(entry["value"], named)
            named |= {str(entry["key"]).lower()}
        return named

    def _check(self, part: dict[str, Any], named: frozenset[str]) -> None:
        kind, of_class = part.get("type"), part.get("class")
        if not isinstance(kind, str):
            return
        if of_class is not None:
            if of_class not in _CLASSES:
                raise QueryRefused(f"{_words(of_class)} is not answered here")
            if of_class in {"FUNCTION", "WINDOW"}:
                self._check_function(part, self._functions)
        elif kind not in _TYPES:
            raise QueryRefused(_not_on_the_list(kind))
        elif kind == "TABLE_FUNCTION":
            self._check_function(part["function"], _TABLE_FUNCTIONS)
        elif kind == "BASE_TABLE":
            self._check_table(part, named)
        elif kind == "SHOW_REF" and part["query"] is None and part["table_name"] != '"tables"':
            raise QueryRefused("of what SHOW knows, only SHOW TABLES is answered here")

    def _check_function(self, part: dict[str, Any], allowed: Collection[str]) -> None:
        name = str(part["function_name"])
        if name.lower() not in allowed:
            where = " in from" if allowed is _TABLE_FUNCTIONS else ""
            raise QueryRefused(
                f"the function {_shown(name)} is not answered here{where}; foreign SQL may "
                "compute, but not read files, settings or the catalogue, wait or write"
            )

    def _check_table(self, part: dict[str, Any], named: frozenset[str]) -> None:
        path = [str(step) for step in part["qualified_name"]["path"]]
        name = tuple(step.lower() for step in path)
        if part.get("at_clause") is not None:
            raise QueryRefused("AT is not answered here; only the newest generation is")
        if name[:1] == ("main",) and len(name) > 1:
            name = name[1:]
        if name not in self._tables and not (len(path) == 1 and name[0] in named):
            raise QueryRefused(
                f"there is no table {_shown('.'.join(path))} here; SHOW TABLES lists those that are"
            )


def _not_on_the_list(kind: str) -> str:
    writing = kind.removesuffix("_QUERY_NODE")
    if writing != kind:
        return f"{writing} is not answered here, in a with clause neither; only select is"
    return f"{_words(kind)} is not answered here"


def _not_parsed(message: str) -> str:
    if message.startswith("Only SELECT statements"):
        return (
            "only one select statement is answered here (a PIVOT counts as one where it lists its "
            "values: pivot t on c in ('a', 'b') using avg(v))"
        )
    return message


def _words(kind: str) -> str:
    return kind.replace("_", " ").lower()


def _shown(name: str) -> str:
    """A caller's own name, so that no one's terminal is steered and no page flooded by it."""
    text = "".join(c if c.isprintable() else "?" for c in name)
    return repr(text if len(text) <= 60 else text[:57] + "...")
