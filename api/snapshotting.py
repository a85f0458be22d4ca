"""The command that makes a store answerable to strangers: `metadb snapshot`."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Annotated

from cyclopts import Parameter
from cyclopts.validators import Number

from api.terminal import COMMON, EXIT_OK, Common, opened, say_json


def snapshot(
    *,
    out: Path | None = None,
    keep: Annotated[int, Parameter(validator=Number(gte=0))] = 2,
    common: Common = COMMON,
) -> int:
    """Write the tables and views as they are now into one immutable file, a new generation.

    SQL that others send is answered from the newest generation only. Readers move over by
    themselves; DuckDB 1.4 and newer can open the file.

    Parameters
    ----------
    out
        Folder of the generations; default: generations, in the store.
    keep
        How many older generations stay, for readers that are about to open one.
    """
    from metadb.generation import write

    start = time.perf_counter()
    with opened(common) as store:
        made = write(store.snapshot, out or common.store / "generations", keep=keep)
    seconds = time.perf_counter() - start
    size = made.path.stat().st_size
    if common.json:
        say_json(
            {
                "generation": made.number,
                "path": str(made.path),
                "size_bytes": size,
                "seconds": seconds,
                "version": made.version,
            }
        )
    else:
        print(f"generation {made.number}: {made.path}, {size / 1e6:.1f} MB in {seconds:.1f} s")
    return EXIT_OK
