"""The section of `docs/benchmarks.md` about few-shot learners: accuracy, errors, seconds."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from benchmarks.page_sources import grid
from optimizers.fewshot import FEW_SHOT_LEARNERS

TITLES = {"5w1s": "5-way 1-shot", "5w5s": "5-way 5-shot", "20w1s": "20-way 1-shot"}
ON_ALL = {
    # Accuracy in % on all of Omniglot (1,200 characters to train on): 5-way 1-shot, 5-way 5-shot,
    # 20-way 1-shot, each as the paper of the method says, Siamese networks as Vinyals et al. do.
    # Looked up: MAML's; of one shot all but Meta-SGD's, relation's, Siamese networks'.
    "maml": (98.7, 99.9, 95.8),
    "fomaml": (98.3, 99.2, 89.4),
    "reptile": (97.68, 99.48, 89.43),
    "meta_sgd": (99.53, 99.93, 95.93),
    "maml_plus_plus": (99.47, 99.93, 97.65),
    "imaml": (99.16, 99.67, 94.46),
    "prototypical": (98.8, 99.7, 96.0),
    "matching": (98.1, 98.9, 93.8),
    "relation": (99.6, 99.8, 97.6),
    "siamese": (97.3, 98.4, 88.2),
}
ORIENTATION = (
    "Published figures stand there for orientation (some from memory): they are of 1,200 "
    "characters to train on, not 86, and of tens of thousands of steps of up to 32 tasks on a GPU. "
    "*: judged on 200 of the 600 tasks."
)
PUBLISHED = {  # Li et al. 2017, table 1: 5 and 10 points, one step
    "maml": (1.13, 0.77),
    "meta_sgd": (0.90, 0.53),
}


def judged(found: Mapping[str, Any]) -> str:
    """All rows of characters, then those of sinusoids."""
    rows = found["rows"]
    budgets = sorted({r["minutes"] for r in rows if r["row"] in TITLES})
    parts = [_characters(rows, row, minutes) for row in TITLES for minutes in budgets]
    return "\n\n".join([p for p in [*parts, ORIENTATION, _sinusoids(rows), _left(rows)] if p])


def _left(rows: Sequence[Mapping[str, Any]]) -> str:
    """What the study has not come to."""
    done = {(r["row"], r["learner"]) for r in rows}
    said = []
    for row, title in TITLES.items():
        names = [f"`{name}`" for name in FEW_SHOT_LEARNERS if (row, name) not in done]
        if names:
            said.append(
                f"{title} {'all' if len(names) == len(FEW_SHOT_LEARNERS) else ', '.join(names)}"
            )
    return f"Not run yet: {'; '.join(said)}." if said else ""


def _characters(rows: Sequence[Mapping[str, Any]], row: str, minutes: float) -> str:
    own = [r for r in rows if r["row"] == row and r["minutes"] == minutes]
    if not own:
        return ""
    devices = ", ".join(sorted({r["device"] for r in own}))
    nth, apart = list(TITLES).index(row), row == "5w1s"
    lines = [
        (
            f"`{r['learner']}`{'*' if r.get('episodes', 600) < 600 else ''}", _with(r["together"]),
            *((_with(r["few_apart"]), _with(r["few_together"])) if apart else ()),
            f"{r['steps']:,}",
            f"{ON_ALL[r['learner']][nth] / 100:.3f}" if r["learner"] in ON_ALL else "", r["why"],
        )
        for r in sorted(own, key=lambda r: -r["together"][0])
    ]  # fmt: skip
    heads = [
        f"{TITLES[row]}, {minutes:g} minutes of training", "accuracy, 600 tasks",
        *(("each query alone, 60 tasks", "the same 60 together") if apart else ()),
        "steps", "published, all of Omniglot", "",
    ]  # fmt: skip
    return f"On {devices}:\n\n{grid(heads, lines)}"


def _sinusoids(rows: Sequence[Mapping[str, Any]]) -> str:
    learners = list(dict.fromkeys(r["learner"] for r in rows if r["row"].startswith("sinusoid")))
    at = {(r["row"], r["learner"]): r for r in rows}
    lines = []
    for name in learners:
        both = [at.get((f"sinusoid-{points}", name)) for points in (5, 10)]
        asked = PUBLISHED.get(name)
        lines.append((
            f"`{name}`", *(_with(r["together"]) if r else "not run" for r in both),
            "" if asked is None else f"<= {asked[0]}, {asked[1]}",
            ", ".join(f"{r['steps']:,}" for r in both if r),
        ))  # fmt: skip
    if not lines:
        return ""
    return grid(
        ["sinusoids, 3 minutes of training", "5 points", "10 points", "published", "steps"], lines
    )


def carried(found: Mapping[str, Any]) -> str:
    """Accuracy on alphabets of the training and on new ones."""
    lines = [
        (
            TITLES[r["row"]], f"`{r['learner']}`", str(r["adapt_steps"] or ""), _with(r["own"]),
            _with(r["new"]), f"{r['own'][0] - r['new'][0]:+.3f}",
        )
        for r in sorted(found["rows"], key=lambda r: (r["row"], -r["own"][0]))
    ]  # fmt: skip
    heads = ["", "", "inner steps on a new task", "own alphabets", "new ones", "lost"]
    return f"{found['tasks']} tasks each:\n\n{grid(heads, lines)}"


def stepped(found: Mapping[str, Any]) -> str:
    """Seconds of an outer step beside others'."""
    lines = []
    for shape, each in found.items():
        if "tasks" not in shape:
            continue
        for name, took in each.items():
            if isinstance(took, str):
                lines.append((shape, name, took, "", ""))
                continue
            ratio = took["median_s"] / each["metadb"]["median_s"]
            lines.append((
                shape, name, f"{took['median_s']:.3f}", f"{took['least_s']:.3f}",
                "" if name == "metadb" else f"{ratio:.2f}",
            ))  # fmt: skip
    heads = ["outer step of second-order MAML", "", "median s", "least s", "of metadb's seconds"]
    return grid(heads, lines) + f"\n\nLoad average {found['load_average']}."


def chosen(found: Mapping[str, Any]) -> str:
    """The accuracy on new tasks of the model that was chosen for each, beside others."""
    told = [(name, _with(value)) for name, value in found.items() if isinstance(value, list)]
    there = ", ".join(f"`{name}` {value:.3f}" for name, value in found["candidates"].items())
    return (
        grid([f"{found['tasks']} tasks, 5-way 5-shot", "accuracy"], told)
        + f"\n\nThe candidates, each on all tasks: {there}."
    )


def _with(value: Sequence[float] | None) -> str:
    return "" if value is None else f"{value[0]:.3f} +- {value[1]:.3f}"
