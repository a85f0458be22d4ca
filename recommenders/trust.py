"""Trust: how far each member of a committee may be trusted, learnt by leaving past tasks out."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from hashlib import blake2b
from math import comb
from typing import TYPE_CHECKING, Self

import numpy as np

from metadb.errors import NotFound
from metadb.history import History
from metadb.protocols import Floats
from recommenders.evidence import CLOSE, SHARE
from recommenders.remembered import Remembered

if TYPE_CHECKING:
    from recommenders import Family
    from recommenders.verdict import Verdict

PHASES = {"nothing seen": 1, "a few results": 5, "many results": 12}
"""Phase to the number of configurations at which it is judged; it lasts from the one before."""

TASKS, LEFT_OUT, CONFIGS = 32, 20, 200
"""Members are judged on the tasks of at most so many data sets, so many of which are left out, each
task cut to so many configurations. One task of a data set is judged, as its tasks are alike:
on a store of 28 tasks of 12 data sets (skills' intraclass correlation 0.7) the standard error over
data sets was 0.075 with all 20 tasks of 10 of them and 0.073 with one of each, while taken for
independent the 20 seemed to have 0.052. With 10 data sets TabRepo's real past (ROC AUC) was 1.2
standard errors better than nothing, less than one that was shuffled; with 20 it is 2.7."""

POWER = 4.0
"""How fast trust grows with skill."""

SURE = (0.16, 0.023)
"""Transfer is not trusted where a skill as great would come by luck with this probability
(one-sided t-test; with many tasks 1 standard error above 0), and wholly below the second one (2
standard errors)."""

PRIOR = {"pretrained": 3.0}
"""So much more a member is trusted before anything is judged. `pretrained` follows the past as far
as tasks agree and searches by itself where they do not; on the sets of `benchmarks/recommenders.py`
a vote in which all began alike was worse than it alone (mean regret of the four with peers after 5,
10, 20: 0.027, 0.016, 0.008; alone 0.024, 0.012, 0.007)."""

GROWN = 1.25
"""A lesson stands until the past is so many times as large: judging takes thrice as long as fitting
the members. Shares are not known well enough to follow every task that comes in: on `data/sample`
they move by up to 0.20 where each task has 200 or all of its 210 configurations."""

LEAST = 0.02
"""The share of the greatest trust that the search without transfer has at least."""


@dataclass(frozen=True, slots=True)
class Correction:
    """How to correct what members say of a config, learnt where tasks were left out.

    Expected regret and probability are multiplied so that they are right on average; the interval
    is stretched about the expected regret until it held the regret in 80 % of the cases (split
    conformal prediction: Lei, G'Sell, Rinaldo, Tibshirani, Wasserman 2018, "Distribution-free
    predictive inference for regression").
    """

    expected: float = 1.0
    interval: float = 1.0
    probability: float = 1.0

    @classmethod
    def fit(cls, said: Floats) -> Self:
        """Compare regret, expected, low, high and probability, (n, 5)."""
        said = said[np.isfinite(said).all(axis=1)]
        if len(said) < 10:
            return cls()
        regret, expected, low, high, probability = said.T
        factor = float(np.clip(regret.mean() / max(expected.mean(), 1e-6), 0.2, 5.0))
        centre = np.minimum(factor * expected, 1.0)
        below = np.maximum(expected - low, 0.01)
        above = np.maximum(high - expected, 0.01)
        outside = np.where(regret > centre, (regret - centre) / above, (centre - regret) / below)
        held = min(1.0, np.ceil(SHARE * (len(said) + 1)) / len(said))
        close = (np.sum(regret <= CLOSE) + 0.5) / (len(said) + 1)
        return cls(
            factor,
            float(np.quantile(outside, held)),
            float(np.clip(close / max(probability.mean(), 1e-6), 0.05, 5.0)),
        )

    def applied(self, said: Floats) -> tuple[float, float, float, float]:
        """Expected regret, low, high and probability, corrected; said (4,)."""
        expected, low, high, probability = (float(v) for v in said)
        centre = min(self.expected * expected, 1.0)
        return (
            centre,
            max(0.0, centre - self.interval * max(expected - low, 0.01)),
            min(1.0, centre + self.interval * max(high - expected, 0.01)),
            min(1.0, self.probability * probability),
        )


@dataclass(frozen=True, slots=True)
class Lesson:
    """What leaving past tasks out teaches of the members.

    Args:
        trust: Phase to member to share of trust.
        correction: Phase to the correction of what members say.
        tasks: Those of the past that was judged on; none where nothing could be judged.
        results: How many that past had.
    """

    trust: Mapping[str, Mapping[str, float]]
    correction: Mapping[str, Correction]
    tasks: tuple[str, ...] = ()
    results: int = 0

    @classmethod
    def of(cls, trust: Mapping[str, float]) -> Self:
        """The same trust in every phase, nothing to correct."""
        return cls(dict.fromkeys(PHASES, trust), dict.fromkeys(PHASES, Correction()))

    def holds(self, history: History) -> bool:
        """Whether it may stand for judging anew on a past that has grown since.

        It may while all its tasks are still there (it knows nothing of a task that is left out),
        and neither tasks nor results are more than `GROWN` times as many.
        """
        return (
            0 < len(self.tasks) <= len(history.tasks) <= GROWN * len(self.tasks)
            and len(history) <= GROWN * self.results
            and set(self.tasks) <= set(history.tasks)
        )


def phase(n: int) -> str:
    """The phase of a search with so many results."""
    return next((name for name, last in PHASES.items() if n < last), [*PHASES][-1])


_lessons: Remembered[Lesson] = Remembered(16, 1 << 40, lambda made: 0)


def learnt(history: History, members: Mapping[str, Family], *, seed: int = 0) -> Lesson:
    """What leaving past tasks out teaches of the members; remembered for a history."""
    return _lessons.get((history,), lambda: _learnt(history, members, seed), seed, *members)


def _learnt(history: History, members: Mapping[str, Family], seed: int) -> Lesson:
    from recommenders.court import Court, Fold, Unit

    small = _small(history)
    datasets = sorted(set(small.datasets or small.tasks), key=_drawn)
    alike = Lesson.of({name: PRIOR.get(name, 1.0) for name in members} | {"cold": LEAST})
    if len(datasets) < 3:
        return alike
    try:
        court = Court(small, members, max(PHASES.values()), None)
    except NotFound:
        return alike
    of = dict(zip(small.tasks, small.datasets or small.tasks, strict=True))
    left_out = [d for d in datasets if any(of[t] == d for t in court.sheets)][:LEFT_OUT]
    # Half of the data sets at most are hidden at once: enough are left to learn from.
    n_folds = max(1, -(-2 * len(left_out) // len(datasets)))
    skills: dict[str, list[Floats]] = {name: [] for name in members}
    claims: list[Floats] = []
    for nth in range(n_folds):
        hidden = tuple(t for t in small.tasks if of[t] in left_out[nth::n_folds])
        of_each = {of[t]: t for t in sorted(hidden, key=_drawn) if t in court.sheets}
        tasks = tuple(t for t in hidden if t in of_each.values())
        for name in members:
            for verdict in court.judge(Unit(name, Fold(tasks, hidden), seed)):
                skills[name].append(_skill(court.sheets[verdict.task].regret, verdict.best))
                if name != "cold":
                    claims.append(_claims(verdict))
    before = np.array([PRIOR.get(name, 1.0) for name in members])
    shares = trusts(np.array([skills[name] for name in members]), before)
    said = np.concatenate(claims)
    return Lesson(
        {
            now: {name: float(share) for name, share in zip(members, row, strict=True)}
            for now, row in zip(PHASES, shares.T, strict=True)
        },
        {now: Correction.fit(said[said[:, 0] == i, 1:]) for i, now in enumerate(PHASES)},
        history.tasks,
        len(history),
    )


def _claims(verdict: Verdict) -> Floats:
    """A row a config tried: phase, regret, and what was said before: expected, low, high, p."""
    nth = [[*PHASES].index(phase(i)) for i in range(len(verdict.regret))]
    return np.column_stack(
        [nth, verdict.regret, verdict.expected, verdict.low, verdict.high, verdict.probability]
    )


def trusts(skills: Floats, before: Floats | None = None) -> Floats:
    """How much each member is trusted in each phase, sum 1 over members, (members, phases).

    Args:
        skills: -1 to 1; the last member searches without transfer, (members, tasks, phases).
        before: Multiplies the trust of each member, (members,); default: all alike.
    """
    from scipy.stats import t as student

    pooled = skills[:-1].mean(axis=(0, 2))  # (tasks,)
    sure = 1.0
    if len(pooled) > 2:
        error = max(float(pooled.std(ddof=1)) / len(pooled) ** 0.5, 1e-12)
        low, high = student.isf(SURE, len(pooled) - 1)
        sure = float(np.clip((pooled.mean() / error - low) / (high - low), 0.0, 1.0))
    skill = skills.mean(axis=1)  # (members, phases)
    skill[:-1] = (skill[:-1] + skill[:-1].mean(axis=0)) / 2
    trust = np.clip(skill, 0.0, 1.0) ** POWER
    if before is not None:
        trust *= before[:, None]
    trust[:-1] *= sure
    trust[-1] = np.maximum(trust[-1], LEAST * trust[:-1].max(axis=0))
    trust[-1, 0] = 0.0  # it draws its first
    trust[-1, trust.sum(axis=0) <= 0] = 1.0
    shares: Floats = trust / trust.sum(axis=0)
    return shares


def _skill(regret: Floats, best: Floats) -> Floats:
    """P(k drawn at random find worse) - P(better), for the best of k in each phase, (phases,)."""
    n = len(regret)
    skill = np.empty(len(PHASES))
    for i, k in enumerate(min(k, n) for k in PHASES.values()):
        found = best[min(k, len(best)) - 1]
        no_better = _none_drawn(int((regret < found - 1e-12).sum()), n, k)
        worse = _none_drawn(int((regret <= found + 1e-12).sum()), n, k)
        skill[i] = worse - (1.0 - no_better)
    return skill


def _none_drawn(marked: int, n: int, k: int) -> float:
    """The probability that none of `marked` of n is among k drawn without replacement."""
    return comb(n - marked, k) / comb(n, k)


def _small(history: History) -> History:
    """Some tasks and some of their configs, always the same ones: chosen by name."""
    datasets = history.datasets or history.tasks
    kept = set(sorted(set(datasets), key=_drawn)[:TASKS])
    out = [t for t, d in zip(history.tasks, datasets, strict=True) if d not in kept]
    small = history.without(*out) if out else history
    drawn = np.argsort(np.argsort([_drawn(one) for one in small.configs.ids]))  # (configs,)
    order = np.lexsort((drawn[small.config], small.task))
    task = small.task[order]
    new = np.ones(len(order), bool)  # the first of each task and config: budgets stay together
    new[1:] = (task[1:] != task[:-1]) | (np.diff(small.config[order]) != 0)
    nth = np.cumsum(new)
    first = nth[np.searchsorted(task, np.arange(len(small.tasks)))[task]]
    rows = np.sort(order[nth - first < CONFIGS])
    if len(rows) == len(small):
        return small
    # Configs that are run on none of these are not known either: none is encoded or completed.
    ran, config = np.unique(small.config[rows], return_inverse=True)
    few = replace(small.at(rows), config=config.astype(np.int32))
    return replace(few, configs=small.configs.take(ran.tolist()))


def _drawn(name: str) -> bytes:
    return blake2b(name.encode(), digest_size=8).digest()
