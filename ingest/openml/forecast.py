"""What a pull would cost, told beforehand by a few small requests: `--dry-run`."""

from __future__ import annotations

from typing import Any

from ingest.openml.answers import evaluations
from ingest.openml.archive import Archive
from ingest.openml.client import NO_RESULT, Client, ServerError
from ingest.openml.listing import PAGE, Keys
from ingest.openml.outbox import Outbox
from ingest.openml.plan import RUNS_AT_ONCE, SETUPS_AT_ONCE, Plan
from ingest.openml.selection import Selection

LONGEST = 1 << 24


def forecast(selection: Selection, archive: Archive, client: Client) -> dict[str, Any]:
    """How many rows a pull would bring and how many requests it takes.

    The lengths of listings are found by asking for single rows at growing offsets, to within one
    page. What it learns of tasks and flows on the way is kept for the pull.

    Returns: `rows` and `requests` (at least and at most), `tasks`, `listings`, and how many
    requests the forecast itself took.
    """
    plan = Plan(selection, archive, client, Outbox())
    tasks, flows = plan.tasks(), plan.flows()
    plan.describe(tasks, qualities=False)
    listings = plan.listings(tasks, flows)
    lengths = [_length(client, keys, selection.max_runs) for keys in listings]
    pages = sum(length // PAGE + 1 for length in lengths)
    kept = len(archive.of_kind("evaluations")) + len(archive.of_kind("inline"))
    setups = -(-sum(lengths) // SETUPS_AT_ONCE)
    described = len(archive.of_kind("qualities"))
    about = (1 + len(tasks)) if not described else 0
    folds = -(-sum(lengths) // RUNS_AT_ONCE) if selection.per_fold else 0
    traces = sum(lengths) if selection.traces else 0  # of searches only, which are not known yet
    return {
        "server": client.server,
        "tasks": len(tasks),
        "flows": len(flows),
        "listings": len(listings),
        "rows": {"at_least": max(0, sum(lengths) - PAGE * len(listings)), "at_most": sum(lengths)},
        "requests": {
            "at_least": max(0, pages - kept),
            "at_most": max(0, pages - kept) + setups + about + folds + traces,
        },
        "requests_kept": kept + described,
        "asked": client.n_requests,
    }


def _length(client: Client, keys: Keys, most: int | None) -> int:
    """How long a listing is, rounded up to a whole page."""
    if not _reaches(client, keys, 0):
        return 0
    high = PAGE
    while high < LONGEST and (most is None or high < most) and _reaches(client, keys, high):
        high *= 2
    low = high // 2 if high > PAGE else 0
    while high - low > PAGE:
        middle = (low + high) // 2 // PAGE * PAGE
        if _reaches(client, keys, middle):
            low = middle
        else:
            high = middle
    return high if most is None else min(high, most)


def _reaches(client: Client, keys: Keys, offset: int) -> bool:
    """Whether a listing has a row at an offset."""
    try:
        url = f"json/evaluation/list/{keys.path}/limit/1/offset/{offset}"
        _, page = client.get(url, evaluations)
    except ServerError as error:
        if error.code in NO_RESULT:
            return False
        raise
    return bool(page.num_rows)
