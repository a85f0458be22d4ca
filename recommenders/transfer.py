"""Surrogate transfer: the one loop of its families, from what was observed to what is advised.

A family is a judge: told what the past tasks' surrogates and the results so far say, it answers
with the gain to be hoped of each candidate. Losses are said on the scale of the surrogates, which
is normalised regret (for the copula: normal scores).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, TypeVar

import numpy as np

from metadb.history import Configs
from metadb.protocols import Floats
from metadb.records import Because, Evaluation, Recommendation
from recommenders.candidates import Places, Pool, Seen, pool
from recommenders.evidence import from_model
from recommenders.gp import GP
from recommenders.matern import Prior
from recommenders.sources import Bools, Sources

T = TypeVar("T")

_NEAREST, _STEPS = 10, 30


@dataclass(frozen=True, slots=True, eq=False)
class Asked:
    """What a judge is told; the last columns of what was seen may be believed only.

    Args:
        sources: The past tasks.
        x: The candidates, encoded, (n, d).
        mean: What each past task's surrogate says of them, (tasks, n). sd: Likewise.
        seen_x: What was run, encoded, (m, d).
        seen_mean: (tasks, m). seen_sd: (tasks, m).
        loss: Of what was run, inf where it failed; real results only, (at most m,).
        believed: Regrets that stand in for results of configs advised in the same call, the last
            of what was seen.
        seed: Of all that is drawn.
        panel: Mean and deviation of the configs that stand for all, each (tasks, panel); what is
            usual is measured on them: the candidates themselves, where all are asked at once.
        memo: What `once` found.
    """

    sources: Sources
    x: Floats
    mean: Floats
    sd: Floats
    seen_x: Floats
    seen_mean: Floats
    seen_sd: Floats
    loss: Floats
    believed: tuple[float, ...]
    seed: int
    panel: tuple[Floats, Floats]
    memo: dict[str, Any] = field(default_factory=dict)

    @property
    def real(self) -> int:
        """How many results are real."""
        return len(self.loss)

    def once(self, name: str, make: Callable[[], T]) -> T:
        """What hangs on what was seen and not on the candidates, so it is made once for all."""
        if name not in self.memo:
            self.memo[name] = make()
        made: T = self.memo[name]
        return made

    def usual(self, weight: Floats) -> float:
        """The mean y that the past tasks, by weight, lead to expect of a config."""
        return float(mixture(*self.panel, weight)[0].mean())

    def scaled(self, weight: Floats) -> Floats:
        """What was seen on the scale of the past tasks' y, failed ones the worst, (m,).

        loss = a + b * y, where a and b give the losses the mean and the deviation that the past
        tasks, by weight, lead to expect of just these configs: configs chosen because they are
        good elsewhere are not spread over the whole range because they are all that is known.
        """
        ok = np.isfinite(self.loss)
        worst = float(self.sources.y.max(initial=0.0))
        y = np.full(self.real, worst)
        if ok.any():
            told = np.flatnonzero(ok)
            mean, variance = mixture(self.seen_mean[:, told], self.seen_sd[:, told], weight)
            off = self.loss[ok] - self.loss[ok].mean()
            largest = max(float(np.abs(off).max()), 1e-300)  # so that no square overflows
            deviation = largest * float(np.sqrt(((off / largest) ** 2).mean()))
            expected = float(np.sqrt(mean.var() + variance.mean()))
            y[ok] = mean.mean() + off * (expected / deviation if deviation > 0 else 0.0)
            y[~ok] = max(worst, y[ok].max())
        return np.concatenate([y, self.believed])

    def own(
        self, y: Floats, *, offset: float = 0.0, width: float | None = None
    ) -> tuple[Floats, Floats]:
        """What a GP of `y` at what was seen predicts of candidates and seen, each (n + m,).

        The few results alone would say little of the hyperparameters: their prior is what was
        found on the past tasks, whose typical width is also the scale of y unless one is given.
        """
        past = self.sources.gp
        width = float(np.median(past.width)) if width is None else width
        gp = self.once("own", lambda: GP.fit(
            self.seen_x, y, prior=Prior.learnt(past.hyper), scaling=(offset, width), steps=_STEPS,
            seed=self.seed,
        ))  # fmt: skip
        mean, sd = gp.predict(np.vstack([self.x, self.seen_x]))
        return mean[0], sd[0]

    @property
    def both(self) -> tuple[Floats, Floats]:
        """What the past tasks say of candidates and seen alike: mean and sd, (tasks, n + m)."""
        return np.hstack([self.mean, self.seen_mean]), np.hstack([self.sd, self.seen_sd])


@dataclass(frozen=True, slots=True, eq=False)
class Judged:
    """What a judge answers.

    Args:
        gain: What is to be hoped of each candidate, more is better, (n,).
        mean: The regret expected, (n,). sd: (n,).
        belief: What stands in for the result of an advised config, on the scale of the surrogates,
            (n,).
        weight: How much each past task counted, (tasks,).
        own: How much the results on the task itself counted, in the same unit.
    """

    gain: Floats
    mean: Floats
    sd: Floats
    belief: Floats
    weight: Floats
    own: float = 0.0


def mixture(mean: Floats, sd: Floats, weight: Floats) -> tuple[Floats, Floats]:
    """Mean and variance of a mixture of predictions, each (n,); all alike if no weight is left."""
    weight = weight if weight.sum() > 0 else np.ones(len(weight))
    w = (weight / weight.sum())[:, None]
    centre = (w * mean).sum(axis=0)
    return centre, (w * (sd**2 + (mean - centre) ** 2)).sum(axis=0)


def advise(
    sources: Sources,
    judge: Callable[[Asked], Judged],
    k: int,
    *,
    observed: Sequence[Evaluation],
    candidates: Configs | None,
    seed: int,
) -> list[Recommendation]:
    """At most k configs, the best first; each next one as if the last had come out as expected."""
    there = pool(sources.configs, _once(candidates))
    seen = there.seen(observed)
    left = np.zeros(len(there), bool)
    left[there.left(observed)] = True
    if not left.any() or k < 1:
        return []
    judge = judge if sources.tasks else know_nothing
    run = sources.run(there)
    asked = _ask(sources, there, seen, seed)
    hopeless = _hopeless(sources, there)
    advice: list[Recommendation] = []
    while len(advice) < k and left.any():
        judged = judge(asked)
        gain = np.where(left, np.nan_to_num(judged.gain, nan=-np.inf), -np.inf)
        order = np.lexsort((judged.belief, -gain, hopeless, ~left))  # where none gains, the mean
        pick = int(order[0])
        left[pick] = False
        advice.append(_recommendation(sources, there, seen, judged, run, pick))
        asked = believe(asked, pick, float(judged.belief[pick]))
    return advice


def _once(candidates: Configs | None) -> Configs | None:
    """The candidates, those named twice only once."""
    if candidates is None or len(set(candidates.texts)) == len(candidates):
        return candidates
    first = {text: i for i, text in reversed(list(enumerate(candidates.texts)))}
    return candidates.take(sorted(first.values()))


def know_nothing(asked: Asked) -> Judged:
    """The judge where there is no past task."""
    same = np.full(len(asked.x), 0.5)
    return Judged(0 * same, same, same, same, np.empty(0))


def _ask(sources: Sources, there: Pool, seen: Seen, seed: int) -> Asked:
    mean, sd = sources.predict(there)
    known = seen.place >= 0
    seen_mean, seen_sd = mean[:, seen.place], sd[:, seen.place]
    if not known.all():  # run, but not to be advised: asked for separately
        other = seen.configs.take(np.flatnonzero(~known))
        outside = Pool(sources.configs, other, seen.known[~known])
        seen_mean[:, ~known], seen_sd[:, ~known] = sources.predict(outside)
    return Asked(
        sources, there.x, mean, sd, seen.x, seen_mean, seen_sd, seen.loss, (), seed, (mean, sd)
    )


def believe(asked: Asked, pick: int, belief: float) -> Asked:
    """The same question as if a candidate had been run, and had come out as believed."""
    return replace(
        asked,
        seen_x=np.vstack([asked.seen_x, asked.x[pick]]),
        seen_mean=np.column_stack([asked.seen_mean, asked.mean[:, pick]]),
        seen_sd=np.column_stack([asked.seen_sd, asked.sd[:, pick]]),
        believed=(*asked.believed, belief),
        memo={},
    )


def _hopeless(sources: Sources, there: Pool) -> Bools:
    """Which of the pool were run and failed every time, (n,)."""
    n = len(sources.configs)
    tried = np.bincount(sources.config, minlength=n)
    failed = np.bincount(sources.config, sources.failed, minlength=n)
    hopeless = (tried > 0) & (failed == tried)
    return np.asarray((there.place >= 0) & hopeless[there.place])


def _recommendation(
    sources: Sources, there: Pool, seen: Seen, judged: Judged, run: Floats, pick: int
) -> Recommendation:
    evidence = from_model(*_doubted(judged, len(seen), pick))
    return Recommendation(
        there.configs[pick],
        expected_loss=float(evidence.expected[0]),
        interval=(float(evidence.low[0]), float(evidence.high[0])),
        probability=float(evidence.probability[0]),
        because=_because(sources, there, seen, judged, run[:, pick], pick),
    )


def _doubted(judged: Judged, real: int, pick: int) -> tuple[Floats, Floats]:
    """Mean and deviation with one more imagined task that knows nothing, uniform in [0, 1].

    It weighs as much as one of the past tasks (by their effective number) or of the results. So
    where few past tasks happen to agree, the interval still has a width.
    """
    w = judged.weight
    effective = w.sum() ** 2 / max((w**2).sum(), 1e-300) if len(w) else 0.0
    doubt = 1 / (1 + effective + real)
    mean, sd = judged.mean[[pick]], judged.sd[[pick]]
    centre = (1 - doubt) * mean + doubt / 2
    spread = (1 - doubt) * (sd**2 + (mean - centre) ** 2) + doubt * (1 / 12 + (0.5 - centre) ** 2)
    return centre, np.sqrt(spread)


def _because(
    sources: Sources, there: Pool, seen: Seen, judged: Judged, run: Floats, pick: int
) -> Because:
    """The tasks that ran the config, or else those whose surrogates spoke; by weight."""
    ran = ~np.isnan(run)
    weight = np.where(ran, judged.weight, 0.0) if ran.any() else judged.weight
    if not (weight > 0).any() and ran.any():
        weight = ran.astype(float)
    order = np.argsort(-weight, kind="stable")
    order = order[weight[order] > 0]
    if ran.any():
        ids: tuple[str, ...] = (sources.configs.ids[int(there.place[pick])],)
    else:
        ids = _nearest(sources, there.x[pick], order)
    return Because(
        tuple(sources.tasks[t] for t in order),
        ids,
        sources.metric,
        tuple(float(w) for w in weight[order] / max(weight.sum(), 1e-300)),
        note=_note(there, seen, judged, not ran.any()),
    )


def _nearest(sources: Sources, x: Floats, tasks: Places) -> tuple[str, ...]:
    """Ids of the configs nearest to x among those run on the tasks."""
    ran = np.unique(sources.config[np.isin(sources.task, tasks)])
    distance = ((sources.configs.x[ran] - x) ** 2).sum(axis=1)
    return tuple(
        sources.configs.ids[i] for i in ran[np.argsort(distance, kind="stable")[:_NEAREST]]
    )


def _note(there: Pool, seen: Seen, judged: Judged, new: bool) -> str | None:
    said = []
    if not len(judged.weight):
        said.append("there is no past task to learn from")
    elif new:
        said.append("no past task ran this configuration, surrogates of their results stand in")
    own = judged.own / max(judged.own + judged.weight.sum(), 1e-300)
    if own > 0 and len(seen):
        said.append(f"the results on the task itself had {own:.0%} of the weight")
    if len(seen) and not seen.ok.any():
        said.append("all that was run on the task failed")
    if seen.n_outside:
        said.append(f"{seen.n_outside} observed configurations lie outside the space")
    if there.n_outside:
        said.append(f"{there.n_outside} candidates lie outside the space")
    return "; ".join(said) or None
