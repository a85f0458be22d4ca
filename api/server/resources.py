"""What can be listed: each a table or view of the store, with columns to filter and count by."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Literal

Kind = Literal["text", "number", "whole", "flag", "json"]


@dataclass(frozen=True)
class Resource:
    """A list that the server answers.

    Args:
        name: Its route.
        doc: One sentence.
        relation: SQL of ours: what it is selected from.
        columns: Column to kind, in the order of the answer; json columns cannot be filtered by.
        order: The columns that give every row its place.
        facets: The columns whose values can be counted.
    """

    name: str
    doc: str
    relation: str
    columns: dict[str, Kind]
    order: tuple[str, ...]
    facets: tuple[str, ...]

    @cached_property
    def filters(self) -> dict[str, Kind]:
        """The columns that can be filtered by."""
        return {name: kind for name, kind in self.columns.items() if kind != "json"}


_SPACES = """(
    select c.space, count(*) as n_configs, bool_or(s.name is not null) as declared
    from configs c left join (select distinct name from spaces) s on s.name = c.space
    group by c.space
)"""

_RESOURCES = (
    Resource(
        "tasks",
        "What is to be solved: a data set, a target and a kind.",
        "tasks",
        {
            "task": "text",
            "origin": "text",
            "kind": "text",
            "dataset": "text",
            "target": "text",
            "name": "text",
            "load": "text",
        },
        ("task",),
        ("origin", "kind", "load"),
    ),
    Resource(
        "spaces",
        "The spaces that have configurations.",
        _SPACES,
        {"space": "text", "n_configs": "whole", "declared": "flag"},
        ("space",),
        (),
    ),
    Resource(
        "configs",
        "Configurations: one setting of the hyperparameters, whoever ran it.",
        "configs",
        {
            "config": "text",
            "space": "text",
            "native": "text",
            "hyperparameters": "json",
            "flow": "text",
            "load": "text",
        },
        ("config",),
        ("space", "flow", "load"),
    ),
    Resource(
        "evaluations",
        "What was measured, with its loss (smaller is better).",
        "losses",
        {
            "evaluation": "text",
            "task": "text",
            "config": "text",
            "space": "text",
            "metric": "text",
            "loss": "number",
            "value": "number",
            "status": "text",
            "fold": "whole",
            "repeat": "whole",
            "seed": "whole",
            "budget": "number",
            "budget_unit": "text",
            "cost_s": "number",
            "origin": "text",
            "load": "text",
        },
        ("evaluation",),
        ("task", "space", "metric", "status", "budget_unit", "origin", "load"),
    ),
    Resource(
        "curves",
        "How a configuration's score grows with the budget, a row a point.",
        "learning_curves",
        {
            "task": "text",
            "config": "text",
            "space": "text",
            "metric": "text",
            "budget_unit": "text",
            "budget": "number",
            "value": "number",
            "loss": "number",
            "loss_sd": "number",
            "cost_s": "number",
            "n_evaluations": "whole",
            "point": "whole",
        },
        ("task", "config", "metric", "budget_unit", "point"),
        ("task", "space", "metric", "budget_unit"),
    ),
    Resource(
        "metafeatures",
        "What is known about tasks before anything is run on them.",
        "metafeatures",
        {
            "metafeature": "text",
            "task": "text",
            "name": "text",
            "value": "number",
            "status": "text",
            "extractor": "text",
            "version": "text",
            "cost_s": "number",
            "load": "text",
        },
        ("metafeature",),
        ("task", "name", "status", "extractor"),
    ),
)

RESOURCES: dict[str, Resource] = {resource.name: resource for resource in _RESOURCES}
