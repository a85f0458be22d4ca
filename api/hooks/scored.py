"""What was measured on the task itself, as a tuner may be told it with its scores."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from api.hooks.projection import Report, project
from metadb.records import Config, Evaluation

if TYPE_CHECKING:
    from ConfigSpace import ConfigurationSpace


def scored(
    observed: Sequence[Evaluation],
    space: ConfigurationSpace,
    *,
    rename: Mapping[str, str] | None = None,
    known: Sequence[Config] = (),
) -> tuple[Report, list[Evaluation]]:
    """The configs that can be told with their score, and the evaluation of each.

    Failures and smaller budgets are left out; of the rest, only a config that needs no change can
    be told, for a moved one has another score. `places` of the report counts what has a score.

    Args:
        rename: As of `project`, like `known`.
    """
    usable = [one for one in observed if one.status == "ok" and one.loss is not None]
    largest = max((one.trial.budget for one in usable), default=0.0)
    usable = [one for one in usable if one.trial.budget == largest]
    configs = [one.trial.config for one in usable]
    report = project(configs, space, rename=rename, exact=True, known=known)
    return report, [usable[place] for place in report.places]
