"""`metadb evaluate`: which recommender is best on the store's own tasks, by leaving each out."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from api.terminal import (
    COMMON,
    EXIT_OK,
    Common,
    json_text,
    opened,
    printable,
    progress,
    remark,
    say_json,
)
from metadb.errors import NotFound, WrongUsage

if TYPE_CHECKING:
    from api.published import Row
    from metadb.history import History
    from recommenders.comparison import Comparison
    from recommenders.referee import Judgement


def evaluate(
    *,
    space: str,
    metric: str | None = None,
    recommenders: str | None = None,
    folds: int | None = None,
    budget: int = 50,
    seeds: int = 3,
    jobs: int = 1,
    at: int = 10,
    reference: str | None = None,
    rows: Path | None = None,
    out: Path | None = None,
    common: Common = COMMON,
) -> int:
    """Judge recommenders on the store's own tasks: each is left out once, and must be solved.

    A recommender sees the other tasks (none of the same data set), is asked for one configuration
    at a time, and told its score. Shown is the mean normalised regret, (best - found) / (best -
    worst), after so many configurations.

    Parameters
    ----------
    space
        Name of the search space (see: metadb status).
    metric
        Default: the score (not the time) with the most evaluations in the space.
    recommenders
        Names with commas between, e.g. random,portfolio; a class of your own as module:Name.
        Default: all of metadb's.
    folds
        Leave out so many parts of the data sets, with one fit each, which is quicker; default: a
        fit for each data set.
    budget
        So many configurations are tried on a task, or as many as it has.
    seeds
        So many searches a task; recommenders that do not draw are noticed and judged once.
    jobs
        Processes, each with one thread.
    at
        Methods are ordered, ranked and compared after so many configurations.
    reference
        Differences are to this recommender; default: auto, or else the best.
    rows
        Figures of others to show beside: a JSON file {"rows": [{"name": "TPE", "source": "where
        from", "regret": {"1": 0.35, "10": 0.12}}]}.
    out
        A folder for tables, pictures and every verdict as Parquet; run the same command again to
        go on where it was cut off.
    """
    from api.naming import families_of
    from api.published import read_rows
    from recommenders.comparison import STEPS, compare
    from recommenders.referee import leave_one_task_out

    if seeds < 1:
        raise WrongUsage(f"seeds is {seeds}; give at least 1")
    if at < 1:
        raise WrongUsage(f"at is {at}; give at least 1")
    chosen = families_of(recommenders)
    if reference is not None and reference not in chosen:
        raise NotFound(f"the reference {reference!r} is not among {', '.join(chosen)}")
    if out is not None and out.exists() and not out.is_dir():
        raise WrongUsage(f"{out} is a file; name a folder")
    with opened(common) as store:
        history = store.history(space, metric)
        version = store.version
    others = read_rows(rows, space=space, metric=history.metric) if rows is not None else []
    if rows is not None and not others:
        remark(common, f"{rows} has no row about {space}, {history.metric}")
    with progress("searches", quiet=common.quiet or common.json) as heard:
        judged = leave_one_task_out(
            history,
            chosen,
            budget=budget,
            seeds=range(seeds),
            folds=folds,
            jobs=jobs,
            done=None if out is None else out / "parts",
            heard=heard,
        )
    steps = sorted({*STEPS, at})
    found = compare(judged.verdicts, steps=steps, reference=reference, at=at)
    about = _about(history, judged, space=space, folds=folds, budget=budget, seeds=seeds)
    whole = {**about, "version": version, **found.as_dict(), "rows": _plain(others)}
    if out is not None:
        for note in _write(out, judged, found, others, about, whole):
            remark(common, note)
    if common.json:
        say_json(whole)
        return EXIT_OK
    from api.comparison_table import lines

    print(printable("\n".join(lines(found, others, about))))
    return EXIT_OK


def _about(
    history: History,
    judged: Judgement,
    *,
    space: str,
    folds: int | None,
    budget: int,
    seeds: int,
) -> dict[str, Any]:
    """What was judged, and how."""
    why: dict[str, int] = {}
    for reason in judged.dropped.values():
        why[reason] = why.get(reason, 0) + 1
    return {
        "space": space,
        "metric": history.metric,
        "tasks_judged": len(history.tasks) - len(judged.dropped),
        "tasks_dropped": why,
        "datasets": len({v.dataset for v in judged.verdicts}),
        "folds": folds,
        "budget": budget,
        "searches": seeds,
    }


def _plain(rows: Sequence[Row]) -> list[dict[str, Any]]:
    return [{"name": r.name, "source": r.source, "regret": dict(r.regret)} for r in rows]


def _write(
    out: Path,
    judged: Judgement,
    found: Comparison,
    rows: Sequence[Row],
    about: dict[str, Any],
    whole: dict[str, Any],
) -> list[str]:
    """All files of an evaluation, each whole or not at all; what to say of it."""
    from api.comparison_chart import rank_diagram, regret_curves
    from api.comparison_table import csv, markdown
    from api.drawing import can_draw, draw
    from recommenders.verdict import keep

    keep(judged.verdicts, out / "results.parquet")
    texts = {
        "table.json": json_text(whole) + "\n",
        "table.csv": csv(found, rows),
        "table.md": markdown(found, rows, about),
    }
    for name, text in texts.items():
        part = out / f"{name}.part"
        part.write_text(text, encoding="utf-8")
        part.replace(out / name)
    where = f"{about['space']}, {about['metric']}"
    pictures = {
        "regret": regret_curves(found, rows, title=f"Regret on {where}"),
        "ranks": rank_diagram(found, title=f"Ranks on {where}"),
    }
    for name, spec in pictures.items():
        for suffix in (".json", ".html", *((".svg",) if can_draw() else ())):
            draw(spec, out / f"{name}{suffix}", title=f"{name} on {where}")
    notes = [f"tables, pictures and every verdict: {out}"]
    if not can_draw():
        notes.append("pictures as .svg need vl-convert: pip install 'metadb[viz]'")
    return notes
