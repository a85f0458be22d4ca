"""The data dictionary: every table, view and column in words, printed from the schema itself."""

from __future__ import annotations

import inspect
import sys
from importlib.resources import files
from typing import TYPE_CHECKING

from metadb.schema import TABLES, WRITE_ORDER

if TYPE_CHECKING:
    from metadb.store import Store


def view_questions() -> dict[str, str]:
    """View name to the question it answers: the comment above it in `views.sql`."""
    questions: dict[str, str] = {}
    comment: list[str] = []
    for line in files("metadb").joinpath("views.sql").read_text().splitlines():
        if line.startswith("--"):
            comment.append(line.removeprefix("--").strip())
        elif line.startswith("create view "):
            questions[line.split()[2]] = " ".join(comment)
            comment = []
        elif not line.strip():
            comment = []
    return questions


def data_dictionary(store: Store) -> str:
    """The dictionary as Markdown; a store is asked for the columns of its views."""
    lines = ["# Data dictionary", ""]
    lines += ["Printed by `metadb schema`; a test holds this page to it.", "", "## Tables", ""]
    for name in reversed(WRITE_ORDER):
        table = TABLES[name]
        made = f" (made by the store from {', '.join(table.identity)})" if table.hashed else ""
        lines += [f"### {name}", "", f"{table.doc} Key: `{table.key}`{made}.", ""]
        lines += ["| column | type | null | meaning |", "|---|---|---|---|"]
        lines += [
            f"| `{c.name}` | {c.type} | {'no' if c.required else 'yes'} | {c.doc} |"
            for c in table.columns
        ]
        lines.append("")
    lines += ["## Views", ""]
    for name, question in view_questions().items():
        columns = store.sql(f"describe {name}").column("column_name")
        lines += [f"### {name}", "", question, "", ", ".join(f"`{c}`" for c in columns) + ".", ""]
    lines += [
        "### space.&lt;name&gt;",
        "",
        "One view for each space: a row a config, a typed column a hyperparameter, so that "
        "`select * from space.classifier where lightgbm__learning_rate < 0.1` is all it takes. "
        'A name with other characters is quoted: `space."openml-weka"`.',
        "",
    ]
    return "\n".join(lines)


def metafeature_dictionary() -> str:
    """Every group of meta-features with its formulas, as Markdown: what its module says of it."""
    from metadb.metafeatures import choose

    parts = ["# Every meta-feature, group by group", "Printed by `metadb metafeatures`."]
    for group, members in choose(None).items():
        doc = inspect.getdoc(sys.modules[members.compute.__module__]) or ""
        parts.append(f"## {group}\n\n{doc.strip()}")
    return "\n\n".join(parts) + "\n"
