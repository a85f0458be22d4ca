"""What a search by cross-validation found: the best of each learner, and the best of all."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from statistics import stdev
from typing import Any

from api.terminal import config_text
from metadb.identity import canonical_config
from metadb.metrics import Metric, as_loss
from metadb.records import Config, Evaluation

TOP = 10
"""So many of the best configurations are shown on a terminal; files have all of them."""


@dataclass(frozen=True, slots=True)
class Place:
    """One configuration at the largest budget that counts.

    Args:
        value: The mean over folds, in the metric's own direction.
        sd: The standard deviation over folds; None where they are not known.
        cost_s: Seconds that the evaluation took.
        first: Whether it was tried before the search began.
    """

    rank: int
    trial: int
    learner: str
    config: Config
    value: float
    sd: float | None
    cost_s: float | None
    first: bool


@dataclass(frozen=True, slots=True)
class Leaderboard:
    """All usable results at the largest budget that has any, best first.

    Args:
        metric: Whose values they are.
        budget: The budget they were measured at; 1 is all rows.
        folds: How many.
        places: Best first; of configurations that tie, the earlier one.
        trials: Learner to how many trials it had, at any budget, and how many of them failed.
        why: Status to how many trials ended so, apart from `ok`.
    """

    metric: Metric
    budget: float
    folds: int
    places: tuple[Place, ...]
    trials: dict[str, tuple[int, int]]
    why: dict[str, int]

    @classmethod
    def of(
        cls,
        evaluations: Sequence[Evaluation],
        metric: Metric,
        *,
        folds: int,
        first: Sequence[Config] = (),
    ) -> Leaderboard:
        """Order the evaluations of a search; `first` are those that it began with."""
        began = set(map(canonical_config, first))
        usable = [e for e in evaluations if e.loss is not None and e.status == "ok"]
        budget = max((e.trial.budget for e in usable), default=1.0)
        ranked = sorted(
            (e for e in usable if e.trial.budget == budget),
            key=lambda e: (e.loss, e.trial.id),
        )
        places = tuple(
            Place(
                rank, e.trial.id, str(e.trial.config["learner"]), e.trial.config,
                float(as_loss(float(e.loss or 0.0), metric)), _spread(e, metric), e.cost_s,
                canonical_config(e.trial.config) in began,
            )
            for rank, e in enumerate(ranked, 1)
        )  # fmt: skip
        trials: dict[str, tuple[int, int]] = {}
        why: dict[str, int] = {}
        for e in evaluations:
            n, lost = trials.get(str(e.trial.config["learner"]), (0, 0))
            trials[str(e.trial.config["learner"])] = n + 1, lost + (e.status != "ok")
            if e.status != "ok":
                why[e.status] = why.get(e.status, 0) + 1
        return cls(metric, budget, folds, places, trials, why)

    @property
    def best_of_each(self) -> list[Place]:
        """The best place of each learner, best first."""
        best: dict[str, Place] = {}
        for place in self.places:
            best.setdefault(place.learner, place)
        return list(best.values())

    @property
    def without(self) -> list[str]:
        """The learners that were tried and have no place."""
        there = {place.learner for place in self.places}
        return [learner for learner in self.trials if learner not in there]

    def lines(self) -> Iterator[str]:
        """For people: a line a learner, then the best configurations."""
        name = self.metric.name
        best = self.places[0]
        n = sum(n for n, _ in self.trials.values())
        at = "" if self.budget >= 1 else f", on {self.budget:.0%} of the rows"
        yield (
            f"best of {n} trials: {best.learner}, {name} {value_text(best)}"
            f" ({self.folds} folds{at}), trial {best.trial}"
        )
        yield ""
        wide = max(7, *map(len, self.trials))
        figure = max(len(name), 8)
        yield f"{'learner':<{wide}}  {name:>{figure}}  {'+-':>8}  trials  failed  seconds"
        for place in self.best_of_each:
            n, lost = self.trials[place.learner]
            sd = "" if place.sd is None else f"{place.sd:.4g}"
            cost = "" if place.cost_s is None else f"{place.cost_s:.2f}"
            yield (
                f"{place.learner:<{wide}}  {place.value:>{figure}.5g}  {sd:>8}  {n:6d}  {lost:6d}"
                f"  {cost:>7}"
            )
        for learner in self.without:
            n, lost = self.trials[learner]
            yield f"{learner:<{wide}}  {'-':>{figure}}  {'':>8}  {n:6d}  {lost:6d}"
        yield ""
        yield f"rank  {name:>{figure}}  trial  configuration (* tried before the search began)"
        for place in self.places[:TOP]:
            star = "*" if place.first else " "
            yield (
                f"{place.rank:4d}  {place.value:>{figure}.5g}  {place.trial:4d}{star}  "
                f"{config_text(place.config)}"
            )

    def as_dict(self) -> dict[str, Any]:
        """All of it as plain values, for JSON."""
        return {
            "metric": self.metric.name,
            "lower_is_better": self.metric.lower_is_better,
            "budget": self.budget,
            "folds": self.folds,
            "learners": [
                {"learner": p.learner, "value": p.value, "sd": p.sd, "trial": p.trial,
                 "trials": self.trials[p.learner][0], "failed": self.trials[p.learner][1]}
                for p in self.best_of_each
            ]
            + [
                {"learner": name, "value": None, "sd": None, "trial": None,
                 "trials": self.trials[name][0], "failed": self.trials[name][1]}
                for name in self.without
            ],
            "ended_otherwise": self.why,
            "places": [
                {"rank": p.rank, "trial": p.trial, "learner": p.learner, "value": p.value,
                 "sd": p.sd, "cost_s": p.cost_s, "tried_first": p.first, "config": dict(p.config)}
                for p in self.places
            ],
        }  # fmt: skip

    def csv(self) -> str:
        """A row a configuration, best first."""
        text = io.StringIO()
        rows = csv.writer(text)
        rows.writerow(
            ["rank", "trial", "learner", self.metric.name, "sd", "cost_s", "tried_first", "config"]
        )
        for p in self.places:
            config = json.dumps(dict(p.config), sort_keys=True)
            rows.writerow(
                [p.rank, p.trial, p.learner, p.value, p.sd, p.cost_s, int(p.first), config]
            )
        return text.getvalue()


def value_text(place: Place) -> str:
    """A value with its spread over folds."""
    return f"{place.value:.5g}" + ("" if place.sd is None else f" +- {place.sd:.2g}")


def _spread(evaluation: Evaluation, metric: Metric) -> float | None:
    values = getattr(evaluation, "folds", {}).get(metric.name, ())
    return stdev(values) if len(values) > 1 else None
