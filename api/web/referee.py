"""The page of the referee: how good recommenders are on the store's own tasks."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import Query, Request, Response

from api.comparison_chart import regret_curves
from api.server.wire import Text
from api.web.rendering import page
from metadb.errors import WrongUsage
from metadb.store import Store

NAMES = ("random", "average_rank", "portfolio", "nearest", "zero_shot")
"""The recommenders that a page judges: those that answer at once."""

BUDGET, FOLDS, SEEDS = 20, 5, 2

MOST_RESULTS = 200_000
"""A space with more results is left to the command."""

STEPS = (1, 3, 5, 10, 20)

WAIT_S = 1.0


def show(
    request: Request,
    space: Annotated[Text | None, Query()] = None,
    metric: Annotated[Text | None, Query()] = None,
    judge: bool = False,
) -> Response:
    """The verdicts on a space; they are made when somebody asks, and kept until the store grows."""
    state = request.app.state
    with state.readers.lent() as store:
        spaces = store.sql(
            "select space, metric, n_tasks, n_evaluations from coverage "
            "where n_tasks > 1 order by n_evaluations desc, space, metric"
        )
        rows = list(spaces)
        version = store.version
        if space is None and rows:
            space = rows[0]["space"]
        chosen = None if space is None else metric or store.main_metric(space)
    found: Any = None
    wanted = ("referee", space, chosen)
    waiting = False
    if space is not None and chosen is not None and (judge or state.studies.known(wanted)):
        found = state.studies.of(
            wanted,
            lambda store: verdicts_of(store, str(space), str(chosen)),
            version=version,
            wait_s=WAIT_S,
        )
        waiting = found is None
    return page(
        request,
        "referee.html",
        space=space,
        metric=chosen,
        rows=rows,
        found=found,
        waiting=waiting,
        names=NAMES,
        budget=BUDGET,
        folds=FOLDS,
        seeds=SEEDS,
    )


def verdicts_of(store: Store, space: str, metric: str) -> dict[str, Any]:
    """What the referee finds on a space.

    Raises:
        WrongUsage: It is too large to be judged for a page.
    """
    from recommenders import RECOMMENDERS
    from recommenders.comparison import compare
    from recommenders.referee import leave_one_task_out

    history = store.history(space, metric)
    if len(history) > MOST_RESULTS:
        raise WrongUsage(
            f"space {space!r} has {len(history):,} results, more than a page judges; ask the "
            f"command: metadb evaluate --space {space}"
        )
    judged = leave_one_task_out(
        history,
        {name: RECOMMENDERS[name] for name in NAMES},
        budget=BUDGET,
        seeds=range(SEEDS),
        folds=min(FOLDS, len(history.tasks)),
    )
    comparison = compare(judged.verdicts, steps=STEPS, reference="random", at=5)
    at = comparison.at
    steps = [k for k in STEPS if k in comparison.tasks]
    return {
        "about": f"{len(history):,} results of {len(history.configs):,} configurations on "
        f"{len(history.tasks):,} tasks",
        "steps": steps,
        "at": at,
        "methods": [
            {
                "name": m.name,
                "regret": [m.regret[k] for k in steps],
                "rank": m.rank[at],
                "within": m.within[at],
                "suggest_ms": 1000 * m.suggest_s,
                "tied": m.tied(at),
            }
            for m in comparison.methods
        ],
        "p": comparison.p,
        "critical": comparison.critical,
        "chart": regret_curves(comparison, (), title=f"Regret on {space}, {metric}"),
    }
