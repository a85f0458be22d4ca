"""The section of `docs/benchmarks.md` about running trials."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from benchmarks.page_sources import grid

HERE = {
    "random": "random search in this process, asking and telling included",
    "tpe": "TPE in this process, nearly all of it its model",
    "random, recorded": "random search, each evaluation recorded in a store",
}


def overhead(found: Mapping[str, Any]) -> str:
    """Milliseconds a trial here and on executors; 10,000 trials beside Ray's own maps."""
    asked = {"random": "<= 2 ms"}
    lines = [
        (text, f"{found['here_cpu_ms'][name]} ms", asked.get(name, ""))
        for name, text in HERE.items()
    ]
    tables = {"`Local`": found["local_ms"], "`Dask`": found["dask_ms"], "`Ray`": found["ray"]["ms"]}
    for name, table in tables.items():
        for how, ms in table.items():
            lines.append((f"{name}, {found['workers']} workers, {how}", f"{ms} ms", ""))
    ray = found["ray"]
    lines.append(
        (
            f"{ray['trials']:,} trials through `Ray` / through Ray's own map",
            f"{ray['ratio']} ({ray['s']['run']} s; tasks {ray['s']['tasks']} s, ActorPool "
            f"{ray['s']['ActorPool']} s; in 8 chunks by Pool.map {ray['s']['Pool']} s)",
            "<= 1.2",
        )
    )
    return grid(["a trial", "measured", "asked for"], lines)
