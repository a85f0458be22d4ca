"""The command that gives back: `metadb publish-runs`."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

from cyclopts import Parameter

from api.terminal import (
    COMMON,
    EXIT_OK,
    EXIT_REJECTED,
    Common,
    opened,
    progress,
    remark,
    say_json,
)

if TYPE_CHECKING:
    from ingest.openml.publish import Published


def publish_runs(
    *,
    space: str | None = None,
    task: str | None = None,
    origin: str = "local",
    flow: int | None = None,
    predictions: Path | None = None,
    scores_only: Annotated[bool, Parameter(negative="")] = False,
    server: Annotated[str, Parameter(env_var="OPENML_SERVER")] = "https://www.openml.org",
    task_origin: str | None = None,
    dry_run: Annotated[bool, Parameter(negative="")] = False,
    common: Common = COMMON,
) -> int:
    """Send your own evaluations on OpenML's tasks to OpenML as runs; nothing is sent twice.

    The API key is taken from OPENML_APIKEY, or from the openml package's configuration. OpenML
    computes scores from predictions; those that you send are kept in the run's description.

    Parameters
    ----------
    space
        Only configurations of this space.
    task
        Only this task, e.g. openml:task/31.
    origin
        Whose evaluations, as in the column evaluations.origin.
    flow
        Number of a flow at the server that was run; default: a flow named after the space, which
        is published where it is not there.
    predictions
        Folder of predictions in OpenML's ARFF: a file TASK-CONFIG.arff (TASK-CONFIG-SEED.arff
        where the seed is known) for the runs that have some, e.g. 31-0cc175b9....arff.
    scores_only
        Send runs without predictions too: OpenML keeps them, lists no score of them, and marks
        them as failed once its engine has looked for predictions.
    server
        Address of the server.
    task_origin
        What the ids of the server's tasks begin with; default: openml, or the host's name for a
        server of your own.
    dry_run
        Only print the descriptions of flows and runs that would be sent; asks no server.
    """
    from ingest.openml.publish import publish

    with opened(common) as store, progress("runs", quiet=common.quiet) as heard:
        done = publish(
            store,
            server=server,
            task_origin=task_origin,
            origin=origin,
            space=space,
            task=task,
            flow=flow,
            predictions=predictions,
            scores_only=scores_only,
            dry_run=dry_run,
            heard=heard,
        )
    if common.json:
        say_json(_told(done, server))
    else:
        _say(done, server, common, dry_run=dry_run)
    return EXIT_REJECTED if done.left_out.counts else EXIT_OK


def _told(done: Published, server: str) -> dict[str, Any]:
    """What was done, as one document."""
    left = done.left_out
    return {
        "server": server,
        "runs": [
            {
                "run": sent.address,
                "task": sent.run.task,
                "config": sent.run.config,
                "seed": sent.run.seed,
                "evaluations": list(sent.run.evaluations),
                "predictions": None if sent.predictions is None else str(sent.predictions),
                "description": sent.description,
            }
            for sent in done.sent
        ],
        "flows": done.flows,
        "left_out": {
            reason: {"count": n, "example": left.examples[reason]}
            for reason, n in left.counts.items()
        },
    }


def _say(done: Published, server: str, common: Common, *, dry_run: bool) -> None:
    """What was done, in lines; of a dry run the descriptions."""
    if dry_run:
        for description in done.flows.values():
            print(description)
        for sent in done.sent:
            print(sent.description)
    for sent in done.sent if not dry_run else ():
        print(f"{sent.address}: config {sent.run.config} on task {sent.run.task}")
    if not done.sent:
        what = (
            "what could be is left out, see below"
            if done.left_out.counts
            else ("no evaluations of that origin, space and task that were not sent before")
        )
        remark(common, f"nothing to send: {what}")
    elif dry_run:
        n, bare = len(done.sent), sum(sent.predictions is None for sent in done.sent)
        remark(common, f"{n:,} runs would go to {server}, {bare:,} of them without predictions")
    for reason, count in done.left_out.counts.items():
        example = done.left_out.examples[reason]
        remark(common, f"  left out {count:,} evaluations: {reason} (e.g. {example})")
