"""The sections of `docs/benchmarks.md` about `metadb serve`: questions, foreign SQL, uploads."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from benchmarks.page_sources import grid

HEADS = [
    "8 connections",
    "requests/s",
    "p50",
    "p99",
    "CPU ms a request",
    "load average",
    "asked for",
]
MOMENTS = ("paint_ms", "load_ms", "drawn_ms")


def answered(found: Mapping[str, Any]) -> str:
    """Requests a second, how late, what each cost; the same beside hostile SQL; the soak."""
    advice, under = found["recommendations"], found["under_hostile_sql"]
    fast, steady = ">= 500/s, p99 <= 25 ms", "p99 <= 50 ms, 0 errors"
    lines = [
        _line(f"recommendations, {name}", each, fast if name == "in turn" else "")
        for name, each in advice.items()
    ]
    lines.append(_line("SQL", found["sql"], ">= 150/s, p99 <= 100 ms"))
    hostile = "beside 4 clients with hostile SQL"
    lines.append(_line(f"recommendations {hostile}", under["recommendations"], steady))
    lines.append(_line(f"SQL {hostile}", under["sql"], ""))
    text = grid(HEADS, lines)
    n = sum(each["hostile_statements"] for each in under.values())
    text += f"\n\n{n:,} hostile statements were sent; afterwards the server "
    text += "was alive." if found["alive"] else "WAS DEAD."
    if soak := found.get("soak"):
        before, after = soak["memory_mb"]
        text += (
            f" Soak of {soak['seconds']:g} s: {soak['requests']:,} requests, "
            f"{soak['server_errors']} answered by a 5xx or not at all (asked: 0), memory "
            f"{before} MB and at the end {after} MB, {soak['drift']:+.1%} (asked: <= 5 %), p99 "
            f"{soak['p99_ms']} ms, load average {soak['load_average']}."
        )
    return text + (
        "\n\nThe load average is that of the last minute on a machine of 2 cores: the client and "
        "the server make about 2 to 4 of it, the rest was other work that ran at the time. CPU: of "
        "the server, and for SQL of the processes that answer it."
    )


def _line(name: str, each: Mapping[str, Any], asked: str) -> tuple[str, ...]:
    cpu = str(each["server_cpu_ms"]) if "server_cpu_ms" in each else ""
    if each.get("sql_cpu_ms"):
        cpu += f" + {each['sql_cpu_ms']}"
    late = (f"{each['p50_ms']} ms", f"{each['p99_ms']} ms")
    errors = f"{each['per_s']}" + (f", {each['errors']} errors" if each["errors"] else "")
    return name, errors, *late, cpu, str(each["load_average"]), asked


def fuzzed(found: Mapping[str, Any]) -> str:
    """The grammar fuzzer, generations under readers, and how fast the door alone answers."""
    fuzzer, speed, moved = found["fuzzer"], found["speed"], found["generations"]
    came = ", ".join(
        f"{fuzzer[key]:,} {text}"
        for key, text in (
            ("answered", "answered"), ("refused", "refused"), ("longer than", "ended by time"),
            ("memory than", "ended by memory"), ("ended at", "that ended their process"),
            ("no answer", "without an answer"),
        )
        if fuzzer.get(key)
    )  # fmt: skip
    lines = [
        (f"{fuzzer['statements']:,} statements of the fuzzer", came, "20,000"),
        ("leaked / changed", f"{fuzzer['leaked']} / {fuzzer['changed']}", "0 / 0"),
        (
            f"{moved['generations']:,} generations made under {moved['reads']:,} reads",
            f"{moved['errors']} errors",
            "1,000, 0 errors",
        ),
        (
            "three plain questions in turn, 8 threads, no HTTP",
            f"{speed['per_s']:.0f}/s, p99 {speed['p99_ms']:.0f} ms",
            "",
        ),
    ]
    return grid(["what", "measured", "asked for"], lines)


def viewed(found: Mapping[str, Any]) -> str:
    """When pages are painted and drawn, and what they weigh."""
    lines = []
    for name, each in found["pages"].items():
        times = (f"{each[k]['median']} ms ({each[k]['most']})" for k in MOMENTS)
        lines.append((name, *times, f"{each['bytes']['median'] / 1000:.0f} kB"))
    heads = ["page", "painted (asked: 1 s)", "loaded", "all plots drawn", "sent (asked: 400 kB)"]
    return f"Median and most of {found['rounds']} rounds:\n\n{grid(heads, lines)}"


def uploaded(found: Mapping[str, Any]) -> str:
    """Answers to damaged files, by format."""
    lines = []
    for name, each in found["formats"].items():
        statuses = {int(status): n for status, n in each["statuses"].items()}
        refused = sum(n for status, n in statuses.items() if 400 <= status < 500)
        lines.append((name, str(statuses.get(200, 0)), str(refused), str(len(each["wrong"]))))
    return grid(
        ["format", "could be read", "refused with a reason", "anything else (asked: 0)"], lines
    )
