"""The report of a search: one HTML file with its pictures in it, no script and no network."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from html import escape
from typing import TYPE_CHECKING, Any

import numpy as np

from api.leaderboard import TOP, Leaderboard, Place, value_text
from api.report_charts import Axis, Dot, Line, bars, curves, history, parallel
from api.report_style import STYLE
from api.terminal import config_text, printable
from metadb import __version__
from metadb.errors import MetadbError
from metadb.identity import canonical_config
from metadb.metrics import as_loss
from metadb.records import Evaluation, Task, Trial

if TYPE_CHECKING:
    from api.search import Found, Plan
    from metadb.axes import Axis as SpaceAxis
    from metadb.store import Store
    from optimizers.prepared import Prepared

SHARES = (0.125, 0.25, 0.5)
"""The best configuration is fitted on these shares of the rows too, for its learning curve."""

CURVE_S = 60.0
"""A learning curve that would take longer is not drawn."""

SHOWN = 10
"""So many hyperparameters are shown of those that matter."""

LINES = 6
"""So many learning curves have a name; the others are faint."""

LITTLE = 0.1
"""A forest that predicts less than this share of the variance says nothing of importances."""

FEWEST = 5
"""Parallel coordinates are drawn for a learner with so many configurations or more."""


def report(
    store: Store, task: Task, ready: Prepared, plan: Plan, found: Found, board: Leaderboard
) -> str:
    """The page.

    Cost: a forest for the importances and, of a search at one budget, an evaluation of the best
    configuration on 7/8 of the rows in all.
    """
    title = f"{task.name}: {ready.target}"
    sections = [
        *_summary(task, ready, plan, found, board, title),
        *_board(board),
        *_history(plan, found, board),
        *_curves(plan, found, board),
        *_importance(store, task, plan),
        *_parallel(task, found, board),
        *_start(plan, found),
        *_data(ready),
        *_use(ready, board),
    ]
    body = "\n".join(sections)
    return (
        '<!doctype html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n'
        '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
        f"<title>{_safe(title)}</title>\n<style>{STYLE}</style>\n</head>\n<body>\n{body}\n</body>\n"
        "</html>\n"
    )


def _safe(text: object) -> str:
    return escape(printable(str(text)))


def _table(
    heads: Sequence[str], rows: Sequence[Sequence[str]], *, numbers: Sequence[int], best: int = -1
) -> str:
    """A table; cells are HTML already, columns at `numbers` are aligned right."""

    def cell(tag: str, i: int, text: str) -> str:
        return f"<{tag}{' class=n' * (i in numbers)}>{text}</{tag}>"

    head = "".join(cell("th", i, _safe(h)) for i, h in enumerate(heads))
    lines = [
        f"<tr{' class=best' * (nth == best)}>"
        + "".join(cell("td", i, c) for i, c in enumerate(row))
        + "</tr>"
        for nth, row in enumerate(rows)
    ]
    return (
        f'<div class="scroll"><table><thead><tr>{head}</tr></thead><tbody>'
        + "\n".join(lines)
        + "</tbody></table></div>"
    )


def _figure(picture: str, caption: str) -> str:
    return f"<figure>{picture}<figcaption>{caption}</figcaption></figure>"


def _summary(
    task: Task, ready: Prepared, plan: Plan, found: Found, board: Leaderboard, title: str
) -> Iterator[str]:
    best = board.places[0]
    what = f"{len(ready.classes)} classes" if ready.classes else "a number"
    yield f"<h1>{_safe(title)}</h1>"
    yield (
        f'<p class="soft">{_safe(task.kind)}, {len(ready.y):,} rows, '
        f"{len(ready.features.columns)} columns used, target {what}; {board.folds}-fold "
        f"cross-validation; optimiser {_safe(plan.optimizer)}, seed {plan.seed}; metadb "
        f"{__version__}</p>"
    )
    lost = sum(board.why.values())
    cost = sum(e.cost_s or 0.0 for e in found.evaluations)
    cards = [
        (value_text(best), f"{board.metric.name}, best"),
        (best.learner, "learner"),
        (f"{len(found.evaluations)}", f"trials, {lost} without a result"),
        (f"{cost:,.0f} s", "of fitting and predicting"),
    ]
    if len(board.best_of_each) > 1:
        cards.append((value_text(board.best_of_each[1]), f"next: {board.best_of_each[1].learner}"))
    yield '<div class="cards">'
    for big, small in cards:
        yield f'<div class="card"><b>{_safe(big)}</b><span>{_safe(small)}</span></div>'
    yield "</div>"
    yield f"<p><code>{_safe(config_text(best.config))}</code></p>"
    if board.budget < 1:
        yield (
            f"<p>No configuration reached all rows yet: all is judged by {board.budget:.0%} of "
            "each fold's training rows. More trials take it further.</p>"
        )
    better = "smaller" if board.metric.lower_is_better else "larger"
    yield (
        f'<p class="soft">{_safe(board.metric.doc)} A {better} value is better; after +- stands '
        "the standard deviation over the folds. The best of many trials looks a little better than "
        "it is on new data.</p>"
    )


def _board(board: Leaderboard) -> Iterator[str]:
    yield "<h2>Leaderboard</h2>"
    name = board.metric.name
    rows = [
        [_safe(p.learner), f"{p.value:.5g}", _sd(p), str(board.trials[p.learner][0]),
         str(board.trials[p.learner][1]), _seconds(p)]
        for p in board.best_of_each
    ]  # fmt: skip
    rows += [
        [_safe(n), "-", "", str(board.trials[n][0]), str(board.trials[n][1]), ""]
        for n in board.without
    ]
    heads = ["learner", name, "+-", "trials", "failed", "seconds"]
    yield _table(heads, rows, numbers=(1, 2, 3, 4, 5), best=0)
    rows = [
        [str(p.rank), f"{p.value:.5g}", _sd(p), str(p.trial) + " *" * p.first,
         f"<code>{_safe(config_text(p.config))}</code>"]
        for p in board.places[:TOP]
    ]  # fmt: skip
    yield _table(
        ["rank", name, "+-", "trial", "configuration (* tried before the search began)"],
        rows, numbers=(0, 1, 2, 3), best=0,
    )  # fmt: skip


def _sd(place: Place) -> str:
    return "" if place.sd is None else f"{place.sd:.2g}"


def _seconds(place: Place) -> str:
    return "" if place.cost_s is None else f"{place.cost_s:.2f}"


def _history(plan: Plan, found: Found, board: Leaderboard) -> Iterator[str]:
    yield "<h2>How the search went</h2>"
    began = set(map(canonical_config, found.start.configs))
    dots = []
    for n, e in enumerate(found.evaluations, 1):
        usable = e.loss is not None and e.status == "ok"
        value = float(as_loss(e.loss, plan.metric)) if usable and e.loss is not None else None
        said = f"trial {e.trial.id}: {e.status if value is None else f'{value:.5g}'}"
        whole = e.trial.budget >= board.budget
        if not whole:
            said += f" on {e.trial.budget:.0%} of the rows"
        first = canonical_config(e.trial.config) in began
        dots.append(Dot(n, value, whole, first and whole, f"{said}, {config_text(e.trial.config)}"))
    picture = history(
        dots,
        lower_is_better=plan.metric.lower_is_better,
        metric=plan.metric.name,
        title=f"{plan.metric.name} of each trial in the order of their ends, and the best so far",
    )
    marks = ["a dot is a trial, the line the best so far"]
    if any(d.first for d in dots):
        marks.append("orange diamonds were tried before the search began")
    if any(not d.whole for d in dots):
        marks.append("rings were measured on a part of the rows")
    if any(d.value is None for d in dots):
        marks.append("crosses have no result")
    marks.append("triangles lie outside the picture")
    yield _figure(picture, "; ".join(marks).capitalize() + ".")


def _curves(plan: Plan, found: Found, board: Leaderboard) -> Iterator[str]:
    """Over the budgets of the search where there are several, else of the best configuration."""
    by_config: dict[str, list[Evaluation]] = {}
    for e in found.evaluations:
        if e.loss is not None and e.status == "ok":
            by_config.setdefault(canonical_config(e.trial.config), []).append(e)
    several = {text: es for text, es in by_config.items() if len({e.trial.budget for e in es}) > 1}
    label = "share of the training rows"
    if several:
        best = {canonical_config(p.config): p for p in board.places[:LINES]}
        lines = []
        for text, es in several.items():
            points = sorted((e.trial.budget, _value(e, plan)) for e in es)
            name = f"{best[text].learner}, trial {best[text].trial}" if text in best else text
            lines.append(Line(name, points, faint=text not in best))
        lines.sort(key=lambda line: (not line.faint, -line.points[-1][1]))
        picture = curves(lines, metric=plan.metric.name, x_label=label, title="Learning curves")
        said = (
            "Configurations that were tried on several shares of the rows; the best have a colour."
        )
    else:
        top = board.places[0]
        shares = [s for s in (*SHARES, 1.0) if s != board.budget]
        if (top.cost_s or 0.0) / board.budget * sum(shares) > CURVE_S:
            return
        line = _curve(plan, found, top, board.budget, shares)
        if line is None:
            return
        picture = curves([line], metric=plan.metric.name, x_label=label, title="Learning curve")
        said = (
            "The best configuration fitted on a part of each fold's training rows; the band is a "
            "standard deviation over folds. Where the curve still climbs at its right end, more "
            "rows are worth more than more trials."
        )
    yield "<h2>Learning curves</h2>"
    yield _figure(picture, said)


def _value(e: Evaluation, plan: Plan) -> float:
    assert e.loss is not None
    return float(as_loss(e.loss, plan.metric))


def _curve(
    plan: Plan, found: Found, top: Place, budget: float, shares: Sequence[float]
) -> Line | None:
    points = [(budget, top.value)]
    band = [(budget, top.value - (top.sd or 0.0), top.value + (top.sd or 0.0))]
    for share in shares:
        try:
            e = found.objective(Trial(top.config, share))
        except Exception:  # noqa: S112  (too few rows for this learner: no point there)
            continue
        folds = e.folds[plan.metric.name]
        mean, sd = float(np.mean(folds)), float(np.std(folds, ddof=1))
        points.append((share, mean))
        band.append((share, mean - sd, mean + sd))
    if len(points) < 2:
        return None
    return Line(f"{top.learner}, trial {top.trial}", sorted(points), sorted(band))


def _importance(store: Store, task: Task, plan: Plan) -> Iterator[str]:
    from optimizers.learners import KINDS
    from recommenders.importance import Importance

    try:
        past = store.history(KINDS[task.kind][0], plan.metric.name, tasks=[task.id])
        found = Importance.fit(past, seed=plan.seed)
    except MetadbError:
        return
    across = [each for each in found.across() if each.median >= 0.005][:SHOWN]
    if not across:
        return
    yield "<h2>Which hyperparameters matter</h2>"
    explained = max(float(np.nanmax(found.explained)), 0.0)
    if explained < LITTLE:
        yield (
            f"<p>{found.evaluations[0]:,} results on this table are too few to tell: a forest "
            f"predicts {explained:.0%} of the variance it has not seen. <code>metadb importance "
            f"--space {KINDS[task.kind][0]}</code> tells it over all tasks of the store.</p>"
        )
        return
    yield _figure(
        bars(
            [(each.names[0].replace("__", ": "), each.median) for each in across],
            title="Share of the variance that each hyperparameter explains alone",
        ),
        f"Functional ANOVA of a forest over {found.evaluations[0]:,} results on this table "
        f"(Hutter, Hoos, Leyton-Brown 2014): the share of the variance of "
        f"{_safe(plan.metric.name)} over the whole space. The forest predicts {explained:.0%} of "
        "the variance it has not seen.",
    )


def _parallel(task: Task, found: Found, board: Leaderboard) -> Iterator[str]:
    """The configurations of the best learners, learner by learner."""
    from metadb.axes import axes_of
    from optimizers.learners import space_of

    drawn = 0
    space_axes = axes_of(space_of(task.kind))
    for best in board.best_of_each[:3]:
        places = [p for p in board.places if p.learner == best.learner]
        if len(places) < FEWEST or drawn == 2:
            continue
        drawn += 1
        if drawn == 1:
            yield "<h2>Where the good configurations lie</h2>"
        mine = [a for name, a in space_axes.items() if name.startswith(f"{best.learner}__")]
        values = np.array([p.value for p in places])
        sign = -1.0 if board.metric.lower_is_better else 1.0
        rank = (sign * values).argsort().argsort() / max(1, len(values) - 1)
        low, high = float(values.min()), float(values.max())
        span = (high - low) or 1.0
        axes = [_axis(a, best.learner, places) for a in mine]
        axes.append(
            Axis(
                board.metric.name,
                [(v - low) / span for v in values.tolist()],
                [(0.0, f"{low:.4g}"), (1.0, f"{high:.4g}")],
            )
        )
        yield _figure(
            parallel(axes, rank.tolist(), title=f"Configurations of {best.learner}"),
            f"{len(places)} configurations of {_safe(best.learner)}: the better, the stronger; the "
            "best is orange.",
        )


def _axis(axis: SpaceAxis, learner: str, places: Sequence[Place]) -> Axis:
    """A hyperparameter on its own scale, choices evenly spaced."""
    name = axis.name.removeprefix(f"{learner}__")
    values = [p.config.get(axis.name) for p in places]
    if axis.choices:
        n = max(1, len(axis.choices) - 1)
        marks = [(i / n, str(c)) for i, c in enumerate(axis.choices)]
        return Axis(name, [None if v is None else axis.number(v) / n for v in values], marks)
    hyperparameter: Any = axis.hyperparameter
    low, high = float(hyperparameter.lower), float(hyperparameter.upper)

    def place(value: float) -> float:
        if hyperparameter.log:
            return float(np.log(value / low) / np.log(high / low))
        return (value - low) / (high - low)

    there = [None if v is None else place(float(v)) for v in values]
    return Axis(name, there, [(0.0, f"{low:.3g}"), (1.0, f"{high:.3g}")])


WHY = {
    "advised": "by past tasks",
    "default": "default of the learner",
    "before": "best of an earlier search",
}


def _start(plan: Plan, found: Found) -> Iterator[str]:
    yield "<h2>What the search began with</h2>"
    yield "".join(f"<p>{_safe(said[0].upper() + said[1:])}.</p>" for said in found.start.said)
    reached: dict[str, Evaluation] = {}
    for e in found.evaluations:
        text = canonical_config(e.trial.config)
        if text not in reached or e.trial.budget > reached[text].trial.budget:
            reached[text] = e
    rows = []
    for nth, one in enumerate(found.start.first, 1):
        had = reached.get(canonical_config(one.config))
        if had is None:
            value = "not tried"
        else:
            value = had.status if had.status != "ok" else f"{_value(had, plan):.5g}"
        expected = "" if one.expected is None else f"{one.expected:.2f}"
        tasks = ", ".join(one.tasks[:3]) + ", ..." * (len(one.tasks) > 3)
        rows.append(
            [str(nth), f"<span class=keep>{WHY[one.why]}</span>", expected, value, _safe(tasks),
             f"<code>{_safe(config_text(one.config))}</code>"]
        )  # fmt: skip
    heads = ["", "why", "expected regret", plan.metric.name, "rests on", "configuration"]
    yield _table(heads, rows, numbers=(0, 2, 3))


def _data(ready: Prepared) -> Iterator[str]:
    yield "<h2>The data</h2>"
    kinds: dict[str, int] = {}
    for column in ready.features.columns:
        kinds[column.kind] = kinds.get(column.kind, 0) + 1
    words = ", ".join(f"{n} of {kind}s" for kind, n in kinds.items())
    yield (
        f"<p>Columns: {_safe(words)}. Numbers: the median for what is missing, scaled; categories: "
        "one-hot, what is missing is one of its own, rare ones taken together.</p>"
    )
    if ready.notes:
        yield "<ul>" + "".join(f"<li>{_safe(note)}</li>" for note in ready.notes) + "</ul>"


def _use(ready: Prepared, board: Leaderboard) -> Iterator[str]:
    yield "<h2>Using the model</h2>"
    said = "on all rows" if board.budget >= 1 else "on all rows, though judged on a part of them"
    yield (
        f"<p>The best configuration was fitted again {said}. It needs the columns "
        f"{_safe(', '.join(c.name for c in ready.features.columns))}.</p>"
    )
    yield (
        "<pre><code>metadb predict MODEL-FOLDER new.csv --output predictions.csv\n\n"
        "from optimizers.saving import load_model\n"
        'load_model("MODEL-FOLDER").predict(table)  # pyarrow, pandas or polars</code></pre>'
    )
