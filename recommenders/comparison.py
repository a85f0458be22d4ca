"""Which recommender is better, and is it sure? Verdicts of the referee brought to figures.

Mean regret after k configs, paired differences with a bootstrap interval, mean ranks and their
critical difference: Demsar 2006, "Statistical Comparisons of Classifiers over Multiple Data Sets"
(Friedman's test, Nemenyi's); Efron, Tibshirani 1993, "An Introduction to the Bootstrap", chapter 13
(percentile interval).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from metadb.errors import NotFound, WrongUsage
from metadb.protocols import Floats
from recommenders.evidence import CLOSE
from recommenders.verdict import Verdict

STEPS = (1, 2, 3, 5, 10, 20, 50)
"""After so many configs the regret is compared."""

RESAMPLES = 10_000
SHARE = 0.95
"""The probability of the bootstrap intervals."""

_SAME = 1e-9
"""Regrets that differ by less are equal: what is left is the order of summation."""


class Estimate(NamedTuple):
    """A mean over tasks, and its bootstrap interval of probability 0.95."""

    mean: float
    low: float
    high: float


@dataclass(frozen=True, slots=True)
class Method:
    """How one recommender did.

    Args:
        regret: After k configs, mean over tasks of the normalised regret of the best one.
        within: After k configs, share of tasks with a regret of at most 0.01.
        rank: After k configs, mean over tasks of its rank among the methods, 1 best, ties shared.
        difference: After k configs, its regret less that of the reference, paired by task.
        seeds: So many searches a task are averaged. settled: Whether one stands for all of them,
            since the advice does not depend on the seed.
        fit_s: Mean seconds of a fit. suggest_s: Of a suggestion, and their 95th percentile.
        covered: Share of configs whose regret lay in the interval of 0.8 that was said before it
            was run; None where none was said.
        refused: Task to why the method would not advise on it, at first or at all; the regret
            that it had reached holds, 1 where it had reached none.
        stopped: So many searches in which it advised nothing more while candidates were left.
    """

    name: str
    regret: dict[int, Estimate]
    within: dict[int, float]
    rank: dict[int, float]
    difference: dict[int, Estimate]
    seeds: int
    settled: bool
    fit_s: float
    suggest_s: float
    suggest_p95_s: float
    covered: float | None
    refused: dict[str, str]
    stopped: int

    def tied(self, k: int) -> bool:
        """Whether the interval of the difference to the reference holds 0."""
        return self.difference[k].low <= _SAME and self.difference[k].high >= -_SAME


@dataclass(frozen=True, slots=True, eq=False)
class Comparison:
    """Methods side by side, the smallest regret first.

    Args:
        tasks: After k configs, how many tasks had at least k candidates; the others are left out.
        reference: The method that the differences are to.
        at: The k of the ranks' test and of the methods' order.
        curves: Method to mean regret after 1, 2, ... configs and its interval, (3, steps).
        friedman: Chi-squared statistic of equal ranks after `at` configs, ties corrected.
        p: Its p-value.
        critical: Mean ranks that differ by less are not told apart (Nemenyi, 0.05).
    """

    methods: tuple[Method, ...]
    tasks: dict[int, int]
    reference: str
    at: int
    curves: dict[str, Floats]
    friedman: float
    p: float
    critical: float

    def __getitem__(self, name: str) -> Method:
        found = next((m for m in self.methods if m.name == name), None)
        if found is None:
            raise NotFound(f"no method {name!r}; there are {[m.name for m in self.methods]}")
        return found

    def alike(self) -> list[tuple[str, ...]]:
        """Groups of methods whose mean ranks are not told apart, none within another."""
        return alike({m.name: m.rank[self.at] for m in self.methods}, self.critical)

    def as_dict(self) -> dict[str, Any]:
        """All of it as plain values, for JSON."""
        methods = []
        for m in self.methods:
            plain = asdict(m)
            for name in ("regret", "difference"):
                plain[name] = {k: e._asdict() for k, e in getattr(m, name).items()}
            plain["tied"] = {k: m.tied(k) for k in m.difference}
            plain["refused"] = {"tasks": len(m.refused), "why": sorted(set(m.refused.values()))[:3]}
            methods.append(plain)
        ranks = {
            "at": self.at,
            "friedman_chi2": self.friedman,
            "p": self.p,
            "critical_difference": self.critical,
            "alike": [list(group) for group in self.alike()],
        }
        return {
            "reference": self.reference,
            "tasks": self.tasks,
            "methods": methods,
            "ranks": ranks,
        }


def compare(
    verdicts: Iterable[Verdict],
    *,
    steps: Sequence[int] = STEPS,
    reference: str | None = None,
    at: int = 10,
    seed: int = 0,
    resamples: int = RESAMPLES,
) -> Comparison:
    """Bring verdicts to figures.

    Seeds are averaged within a task, then tasks are averaged. The bootstrap draws data sets, with
    all their tasks, since tasks of one data set are no two witnesses; where each task has a data
    set of its own it draws tasks.

    Args:
        steps: The numbers of configs to compare after; those that no task has are left out.
        reference: What differences are to; default: `auto`, or else the best method.
        at: Ranks are tested after so many configs, or after the largest step below it.
        seed: Of the bootstrap.

    Raises:
        NotFound: There is no verdict, or no reference of that name.
        WrongUsage: No task has as many candidates as the smallest step.
    """
    table = _Table.of(list(verdicts))
    ks = [k for k in sorted(set(steps)) if 0 < k <= table.best.shape[2] and table.has(k).any()]
    if not ks:
        raise WrongUsage(f"no task was judged for {min(steps, default=0)} configurations")
    if reference is not None and reference not in table.names:
        raise NotFound(f"no verdict on {reference!r}; there are some on {', '.join(table.names)}")
    score = np.nanmean([np.nanmean(table.best[:, :, k - 1], axis=1) for k in ks], axis=0)
    best = table.names[int(np.argmin(score))]
    against = reference or ("auto" if "auto" in table.names else best)
    at = max((k for k in ks if k <= at), default=ks[0])
    drawn = table.draws(seed, resamples)
    curves = np.stack(
        [_interval(table.best[:, :, i], table.cluster, drawn) for i in range(table.best.shape[2])],
        axis=2,
    )  # (methods, 3, steps)
    ranks = {k: ranked(table.best[:, table.has(k), k - 1]) for k in ks}  # (methods, tasks) each
    other = table.best[table.names.index(against)]
    paired = {
        k: _interval(table.best[:, :, k - 1] - other[:, k - 1], table.cluster, drawn) for k in ks
    }
    methods = [
        _method(
            name,
            table.own[name],
            {k: Estimate(*map(float, curves[i, :, k - 1])) for k in ks},
            {k: float(np.nanmean(table.close[i, :, k - 1])) for k in ks},
            {k: float(ranks[k][i].mean()) for k in ks},
            {k: Estimate(*map(float, paired[k][i])) for k in ks},
        )
        for i, name in enumerate(table.names)
    ]
    friedman, p = friedman_test(ranks[at])
    return Comparison(
        tuple(sorted(methods, key=lambda m: (m.regret[at].mean, m.name))),
        {k: int(table.has(k).sum()) for k in ks},
        against,
        at,
        {name: curves[i] for i, name in enumerate(table.names)},
        friedman,
        p,
        critical_difference(len(table.names), ranks[at].shape[1]),
    )


@dataclass(frozen=True, slots=True, eq=False)
class _Table:
    """Curves of all methods on the tasks that all were judged on; seeds averaged."""

    names: list[str]
    own: dict[str, list[Verdict]]
    best: Floats  # (methods, tasks, steps), NaN beyond the candidates
    close: Floats  # share of seeds within 1 %, likewise
    cluster: NDArray[np.intp]  # the data set of each task, (tasks,)

    @classmethod
    def of(cls, verdicts: list[Verdict]) -> _Table:
        if not verdicts:
            raise NotFound("there is no verdict to compare")
        own: dict[str, dict[str, list[Verdict]]] = {}
        for v in verdicts:
            own.setdefault(v.recommender, {}).setdefault(v.task, []).append(v)
        common = set.intersection(*(set(tasks) for tasks in own.values()))
        tasks = [t for t in next(iter(own.values())) if t in common]
        if not tasks:
            raise NotFound("there is no task on which all of these recommenders were judged")
        steps = max(len(v.best) for v in verdicts)
        best = np.full((len(own), len(tasks), steps), np.nan)
        close = best.copy()
        for i, by_task in enumerate(own.values()):
            for t, task in enumerate(tasks):
                curve = np.array([v.best for v in by_task[task]])  # (seeds, n)
                best[i, t, : curve.shape[1]] = curve.mean(axis=0)
                close[i, t, : curve.shape[1]] = (curve <= CLOSE).mean(axis=0)
        dataset = {v.task: v.dataset for v in verdicts}
        cluster = np.unique([dataset[t] for t in tasks], return_inverse=True)[1]
        each = {name: [v for t in tasks for v in by_task[t]] for name, by_task in own.items()}
        return cls(list(own), each, best, close, cluster)

    def has(self, k: int) -> NDArray[np.bool_]:
        """Which tasks have at least k candidates, (tasks,)."""
        return np.asarray(np.isfinite(self.best[:, :, k - 1]).all(axis=0))

    def draws(self, seed: int, resamples: int) -> Floats:
        """How often each data set is drawn, (resamples, data sets)."""
        n = int(self.cluster.max()) + 1
        rng = np.random.default_rng(seed)
        return rng.multinomial(n, np.full(n, 1 / n), size=resamples).astype(float)


def _interval(values: Floats, cluster: NDArray[np.intp], drawn: Floats) -> Floats:
    """Mean over tasks and its percentile interval, NaN left out, (methods, 3) of (methods, tasks).

    The mean of a resample is (sum over data sets drawn of their sums) / (of their counts).
    """
    there = ~np.isnan(values).any(axis=0)  # (tasks,)
    n = drawn.shape[1]
    counts = np.bincount(cluster[there], minlength=n)  # (data sets,)
    sums = np.array([np.bincount(cluster[there], row[there], minlength=n) for row in values])
    size = drawn @ counts  # (resamples,)
    means = (drawn[size > 0] @ sums.T) / size[size > 0, None]  # (resamples, methods)
    tail = (1 - SHARE) / 2
    low, high = np.quantile(means, [tail, 1 - tail], axis=0)
    return np.stack([values[:, there].mean(axis=1), low, high], axis=1)


def _method(
    name: str,
    verdicts: list[Verdict],
    regret: dict[int, Estimate],
    within: dict[int, float],
    rank: dict[int, float],
    difference: dict[int, Estimate],
) -> Method:
    suggest_s = np.concatenate([v.suggest_s for v in verdicts])
    own = np.concatenate([v.regret for v in verdicts])
    low = np.concatenate([v.low for v in verdicts])
    high = np.concatenate([v.high for v in verdicts])
    said = ~np.isnan(low)
    inside = (own >= low - _SAME) & (own <= high + _SAME)
    return Method(
        name,
        regret,
        within,
        rank,
        difference,
        seeds=len({s for v in verdicts for s in v.seeds}),
        settled=any(len(v.seeds) > 1 for v in verdicts),
        fit_s=float(np.mean([v.fit_s for v in verdicts])),
        suggest_s=float(suggest_s.mean()) if len(suggest_s) else float("nan"),
        suggest_p95_s=float(np.quantile(suggest_s, 0.95)) if len(suggest_s) else float("nan"),
        covered=float(inside[said].mean()) if said.any() else None,
        refused={v.task: v.refused for v in verdicts if v.refused is not None},
        stopped=sum(
            len(v.tried) < len(v.best) and v.best[-1] > 0 and v.refused is None for v in verdicts
        ),
    )


def ranked(regret: Floats) -> Floats:
    """Rank of each method on each task, 1 best, ties shared, (methods, tasks)."""
    from scipy.stats import rankdata

    ranks: Floats = rankdata(np.round(regret / _SAME), axis=0)
    return ranks


def friedman_test(ranks: Floats) -> tuple[float, float]:
    """Friedman's chi-squared of equal mean ranks and its p-value; ranks are (methods, tasks).

    With k methods, N tasks, R_j the mean ranks, t the sizes of ties:
    chi2 = (12 N / (k (k + 1)) sum_j (R_j - (k + 1) / 2)^2) / (1 - sum (t^3 - t) / (N (k^3 - k))).
    It is 0 where all are tied everywhere.
    """
    from scipy.stats import chi2

    k, n = ranks.shape
    if k < 2:
        return 0.0, 1.0
    sizes = (ranks[:, None, :] == ranks[None, :, :]).sum(axis=0)  # each method's tie, (k, n)
    ties = (sizes**2 - 1).sum()  # a tie of t methods counts t times (t^2 - 1)
    left = 1 - ties / (n * (k**3 - k))
    if left <= 0:
        return 0.0, 1.0
    spread = ((ranks.mean(axis=1) - (k + 1) / 2) ** 2).sum()
    statistic = float(12 * n / (k * (k + 1)) * spread / left)
    return statistic, float(chi2.sf(statistic, k - 1))


def critical_difference(methods: int, tasks: int, *, alpha: float = 0.05) -> float:
    """Nemenyi's: mean ranks that differ by less are not told apart; q sqrt(k (k + 1) / (6 N)).

    q is the quantile of the studentized range of k and infinitely many degrees of freedom / sqrt 2.
    """
    from scipy.stats import studentized_range

    if methods < 2:
        return 0.0
    q = studentized_range.ppf(1 - alpha, methods, np.inf) / np.sqrt(2)
    return float(q * np.sqrt(methods * (methods + 1) / (6 * tasks)))


def alike(rank: Mapping[str, float], critical: float) -> list[tuple[str, ...]]:
    """Largest groups of neighbouring methods whose ranks differ by less than `critical`."""
    order = sorted(rank, key=lambda name: (rank[name], name))
    groups: list[tuple[int, int]] = []
    for i in range(len(order)):
        j = max(
            j for j in range(i, len(order)) if rank[order[j]] - rank[order[i]] < critical + 1e-12
        )
        if j > i and (not groups or j > groups[-1][1]):
            groups.append((i, j))
    return [tuple(order[i : j + 1]) for i, j in groups]
