"""Print `docs/benchmarks.md`, and the figures in the README, from `benchmarks/results/`.

    python -m benchmarks.page

So that no figure in the docs can differ from what was measured; a test compares them.
"""

from __future__ import annotations

import ast
import json
import re
from pathlib import Path
from typing import Any

from benchmarks import page_fewshot as fewshot
from benchmarks import page_optimizers as optimizers
from benchmarks.machine import RESULTS
from benchmarks.page_curves import extrapolated
from benchmarks.page_curves import picture as curves
from benchmarks.page_metafeatures import metafeatures, parity_page
from benchmarks.page_nas import searched, shared
from benchmarks.page_recommenders import importances, means, no_harm, quality, speed
from benchmarks.page_running import overhead
from benchmarks.page_server import answered, fuzzed, uploaded, viewed
from benchmarks.page_sources import SECTIONS, grid
from benchmarks.page_tune import tuned

ROOT = RESULTS.parents[1]
MARKS = ("<!-- figures -->", "<!-- end of figures -->")


def results(name: str) -> dict[str, Any]:
    found: dict[str, Any] = json.loads((RESULTS / f"{name}.json").read_text())
    return found


def figures() -> str:
    """The store's figures as a table: what, measured, asked for."""
    store, startup, crash = results("store"), results("startup"), results("crash")
    lcdb = results("lcdb")["first"]
    ask, add, ten = store["ask"], store["add"], store["load_file"]
    rank, best = ask["top-10 configs by mean rank"], ask["best per task"]
    loads, recorders, once = crash["kill_loads"], crash["kill_recorders"], crash["at_once"]
    reads = sum(reader["reads"] for reader in once["readers"])
    wrong = sum(reader["wrong"] for reader in once["readers"])
    slowest = max(reader["slowest_s"] for reader in once["readers"])
    rows = [
        (
            "top-10 configs by mean rank, 5,000,000 evaluations, `Store.sql` / raw DuckDB",
            f"{rank['ratio']} ({rank['store_s']:.2f} s)",
            "<= 1.2",
        ),
        (
            "best per task, 5,000,000 evaluations, `Store.sql` / raw DuckDB",
            f"{best['ratio']} ({best['store_s']:.3f} s)",
            "<= 1.2",
        ),
        (
            "peak memory of a process that asks both (raw DuckDB alone)",
            f"{store['ask_alone']['peak_mb']} MB ({store['ask_raw_alone']['peak_mb']} MB)",
            "<= 400 MB",
        ),
        (
            "adding 1,000,000 evaluations: keys, validation, check for what is there",
            f"{add['add_rows_per_s']:,} rows/s",
            ">= 400,000 rows/s",
        ),
        (
            "`write_deltalake` of the same rows, unchecked",
            f"{add['write_deltalake_rows_per_s']:,} rows/s",
            "",
        ),
        (
            "adding them again",
            f"{add['add_again_added']} added, {add['add_again_s']} s (first time {add['add_s']} s)",
            "0 added, no slower",
        ),
        (
            "a 10,000,000-row Parquet file through `metadb ingest table`",
            f"{ten['peak_mb']} MB, {ten['rows_per_s']:,} rows/s",
            "< 1 GB",
        ),
        (
            f"LCDB 1.1 through `metadb ingest lcdb`, {lcdb['evaluations']:,} evaluations",
            f"{lcdb['seconds']} s, {lcdb['peak_mb']} MB",
            "<= 20 s, < 1 GB",
        ),
        (
            f"History and matrix from {store['history']['evaluations']:,} evaluations",
            f"{store['history']['seconds']} s",
            "< 1 s",
        ),
        *described(results("metafeatures")),
        *optimizers.searched(results("optimizer_speed"), results("run_overhead")),
        ("`import metadb`", f"{startup['import metadb']['median_s']} s", "<= 0.5 s"),
        ("`metadb --help`", f"{startup['metadb --help']['median_s']} s", "<= 0.5 s"),
        (
            f"{loads['kills']} kill -9 at random points of a load, {loads['mid_load']} mid-way",
            f"{loads['unreadable']} unreadable, {loads['dangling'] + loads['doubled']} torn, "
            f"{loads['different']} of {loads['completions']} completed loads differ",
            "0",
        ),
        (
            f"{recorders['kills']} kill -9 while recording, {recorders['said']:,} evaluations",
            f"{recorders['lost']} lost, {recorders['doubled']} doubled",
            "0",
        ),
        (
            f"{once['writers']} writers with overlapping rows, {len(once['readers'])} readers, "
            f"{reads} reads",
            f"{once['failed_writers']} writers failed, {wrong} wrong answers, slowest "
            f"{slowest:.2f} s, end content {'equal' if once['tables_equal'] else 'DIFFERENT'}",
            "0",
        ),
    ]
    lines = ["| what | measured | asked for |", "|---|---|---|"]
    return "\n".join([*lines, *(f"| {a} | {b} | {c} |" for a, b, c in rows)])


def described(found: dict[str, Any]) -> list[tuple[str, str, str]]:
    """The rows about meta-features."""
    values, models = found["total"]["values"], found["total"]["models"]
    default = found["speed"]["50,000x20"]["default"]
    (large,) = found["out_of_core"].values()
    over = max(one["over"] for limits in found["limits"].values() for one in limits.values())
    return [
        (
            f"simple, statistical, information-theoretic meta-features of {values['data']} data "
            "sets, pymfe / ours",
            f"{values['ratio']} ({values['pymfe_s']:.2f} s / {values['ours_s']:.3f} s)",
            ">= 10",
        ),
        (
            f"model-based and landmarking, same definition, {models['data']} data sets, pymfe / "
            "ours",
            f"{models['ratio']} ({models['pymfe_s']:.1f} s / {models['ours_s']:.1f} s)",
            ">= 3",
        ),
        (
            "all five groups of 50,000 x 20 with the default sample, pymfe / ours",
            f"{default['ratio']} ({default['pymfe_s']:.1f} s / {default['ours_s']:.2f} s)",
            ">= 20",
        ),
        (
            "simple and statistical of a 1,000,000 x 50 Parquet file",
            f"{large['process_s']} s, {large['peak_mb']} MB",
            "<= 60 s, <= 1,000 MB",
        ),
        ("all groups with a time limit: longest time taken / limit", f"{over:.2f}", "<= 1.2"),
    ]


def advice() -> str:
    """The recommenders' regret, one row each."""
    found = results("warm_start")
    names = [name for name in found if isinstance(found[name], dict) and "n=1" in found[name]]
    steps = list(found[names[0]])
    lines = [f"| recommender | {' | '.join(steps)} |", "|---" * (len(steps) + 1) + "|"]
    return "\n".join(
        [*lines, *(f"| `{n}` | {' | '.join(found[n][s] for s in steps)} |" for n in names)]
    )


def few_tasks() -> str:
    """The regret of the first advice where few tasks are known, a row each recommender."""
    found = results("few_tasks")["methods"]
    past = list(next(iter(found.values())))
    steps = ("5", "10", "20")
    heads = ["recommender", *(f"{n} tasks, n={k}" for n in past for k in steps)]
    lines = [
        (name if "peer" in name else f"`{name}`", *(of[n][k] for n in past for k in steps))
        for name, of in sorted(found.items(), key=lambda item: float(item[1]["3"]["10"].split()[0]))
    ]
    return grid(heads, lines)


def protocol(name: str) -> str:
    """What a benchmark says of itself, from its module."""
    text = (RESULTS.parent / f"{name}.py").read_text()
    doc = ast.get_docstring(ast.parse(text)) or ""
    if "Protocol:" in doc:
        return doc.split("Protocol:", 1)[-1].strip()
    return doc.split("\n\n", 2)[-1].strip()


def ran_on(machine: dict[str, Any]) -> str:
    """What a benchmark ran on, and with what."""
    packages = ", ".join(f"{name} {v}" for name, v in machine["packages"].items())
    return (
        f"{machine['date']}: {machine['cpu']}, {machine['cores']} cores, "
        f"{machine['memory_gib']} GiB, Python {machine['python']}, {packages}"
    )


def sources() -> list[str]:
    """A section for each benchmark of a source whose results are there."""
    usual = ran_on(results("store")["machine"])
    parts = []
    sections = SECTIONS | {
        "metafeatures": ("Meta-features", metafeatures),
        "recommenders": ("Recommenders", quality),
        "no_harm": ("Where the past teaches nothing", no_harm),
        "recommender_speed": ("Speed of the recommenders", speed),
        "importance": ("Importances of hyperparameters", importances),
        "run_overhead": ("Running trials", overhead),
        "optimizer_quality": ("Optimisers beside their peers", optimizers.quality),
        "warm_search": ("Searches that know other tasks", optimizers.warm),
        "prior": ("A prior from similar tasks", optimizers.prior),
        "curves": ("Learning curves", extrapolated),
        "optimizer_speed": ("Speed of the optimisers", optimizers.speed),
        "optimizer_gpu": ("Gaussian processes on a GPU", optimizers.gpu),
        "fewshot": ("Few-shot learners", fewshot.judged),
        "fewshot_gap": ("Own alphabets and new ones", fewshot.carried),
        "fewshot_speed": ("An outer step of MAML", fewshot.stepped),
        "fewshot_choice": ("Which model to start a new task from", fewshot.chosen),
        "nas": ("Searches of architectures", searched),
        "nas_sharing": ("Shared weights", shared),
        "tune": ("Tuning a table", tuned),
        "server": ("The server", answered),
        "first_view": ("The web page", viewed),
        "hostile_sql": ("SQL of others", fuzzed),
        "uploads": ("Damaged uploads", uploaded),
    }
    for name, (title, table) in sections.items():
        if not (RESULTS / f"{name}.json").is_file():
            continue
        found = results(name)
        parts += [f"## {title}", table(found)]
        where = ran_on(found["machine"])
        apart = "" if where == usual else f"\n\nMeasured on {where}."
        parts.append(f"`python -m benchmarks.{name}`: {protocol(name)}{apart}")
    return parts


def page() -> str:
    """`docs/benchmarks.md`."""
    parts = [
        "# Benchmarks",
        "Printed by `python -m benchmarks.page` from `benchmarks/results/`, measured on "
        f"{ran_on(results('store')['machine'])}, where a section says nothing else. `make bench` "
        "runs those that can run where it is called (the Makefile says what more the peers need; "
        "those that take hours stand below with their commands), `make shared` the one of all "
        "[sources](sources.md) alone.",
        "## The store",
        figures(),
        f"Store (`python -m benchmarks.store`): {protocol('store')}",
        f"Start-up (`python -m benchmarks.startup`): {protocol('startup')}",
        f"Crashes (`python -m benchmarks.crash`):\n\n{protocol('crash').strip()}",
        "## The first advice",
        advice(),
        "![Regret after n configurations](warm_start.svg)",
        f"`python -m benchmarks.warm_start`: {protocol('warm_start')}",
        "Read with care: 12 data sets are few, so differences below about twice the standard error "
        "say nothing.",
        "### With few past tasks",
        few_tasks(),
        f"`python -m benchmarks.few_tasks`: {protocol('few_tasks')}",
        *sources(),
    ]
    return "\n\n".join(parts) + "\n"


def pictures() -> dict[str, str]:
    """The pictures in `docs/` that are drawn from results alone, by file name."""
    return {
        "prior.svg": optimizers.prior_picture(results("prior")),
        "curves.svg": curves(results("curves")),
    }


def parity() -> str:
    """`docs/metafeatures-parity.md`."""
    found = results("metafeatures_parity")
    return parity_page(found, protocol("metafeatures_parity"), ran_on(found["machine"]))


def readme(text: str) -> str:
    """The README with the figures between its marks made anew."""
    start, end = MARKS
    return re.sub(
        f"{start}.*?{end}", lambda _: f"{start}\n{figures()}\n{end}", text, flags=re.DOTALL
    )


def how_to_choose(text: str) -> str:
    """The page with the table of means between its marks made anew."""
    start, end = MARKS
    table = means(results("recommenders"))
    return re.sub(f"{start}.*?{end}", lambda _: f"{start}\n{table}\n{end}", text, flags=re.DOTALL)


def main() -> None:
    choose = ROOT / "docs" / "how-to-choose.md"
    choose.write_text(how_to_choose(choose.read_text()))
    (ROOT / "docs" / "benchmarks.md").write_text(page())
    for name, picture in pictures().items():
        (ROOT / "docs" / name).write_text(picture)
    (ROOT / "docs" / "metafeatures-parity.md").write_text(parity())
    path: Path = ROOT / "README.md"
    path.write_text(readme(path.read_text()))


if __name__ == "__main__":
    main()
