"""Where one recommender is judged on one fold: it is fitted without it, then asked and told."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from hashlib import blake2b
from pathlib import Path
from time import perf_counter
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from metadb.errors import InvalidConfig, MetadbError, NotFound
from metadb.history import Configs, History
from metadb.protocols import Floats, Recommender
from metadb.records import Evaluation, Recommendation, Trial
from recommenders.regret import normalised_regret
from recommenders.remembered import Remembered
from recommenders.verdict import Verdict, digest, keep, kept, origin

if TYPE_CHECKING:
    from recommenders import Family


class Fold(NamedTuple):
    """Tasks that are left out together: those to judge on, and all that must not be seen."""

    judged: tuple[str, ...]
    hidden: tuple[str, ...]


class Unit(NamedTuple):
    """A piece of work: one fit, and one search on each task of the fold."""

    name: str
    fold: Fold
    seed: int


class Sheet(NamedTuple):
    """A held-out task: what may be tried on it and what comes of it."""

    candidates: Configs
    loss: Floats  # (n,)
    cost_s: Floats
    regret: Floats


def sheets_of(history: History) -> tuple[dict[str, Sheet], dict[str, str]]:
    """The sheet of each task that can be judged, and why the others cannot."""
    rows = history.finals()
    task, config = history.task[rows], history.config[rows]
    bounds = np.searchsorted(task, np.arange(len(history.tasks) + 1))
    sheets: dict[str, Sheet] = {}
    dropped: dict[str, str] = {}
    batches: dict[bytes, Configs] = {}  # one for all tasks that ran the same: parsed once
    for t, name in enumerate(history.tasks):
        own = slice(bounds[t], bounds[t + 1])
        loss = history.loss[rows[own]]  # (n,)
        loss = np.where(np.isfinite(loss), loss, np.inf)
        usable = loss[np.isfinite(loss)]
        if len(usable) < 2:
            dropped[name] = "fewer than two configurations have a score"
        elif usable.min() == usable.max():
            dropped[name] = "all configurations have the same score"
        else:
            places = config[own]
            if (key := places.tobytes()) not in batches:
                batches[key] = history.configs.take(places.tolist())
            regret = normalised_regret(loss[None])[0]
            sheets[name] = Sheet(batches[key], loss, history.cost_s[rows[own]], regret)
    return sheets, dropped


class Court:
    """A history, the families to judge on it, and what was judged already."""

    def __init__(
        self, history: History, families: Mapping[str, Family], budget: int, done: Path | None
    ) -> None:
        self.history, self.families, self.budget, self.done = history, families, budget, done
        self.sheets, self.dropped = sheets_of(history)
        if not self.sheets:
            why = next(iter(self.dropped.values()), "the history has none")
            raise NotFound(f"no task can be judged: {why}")
        if done is not None:
            done.mkdir(parents=True, exist_ok=True)
            self._digest = digest(history)
            self._origins = {name: origin(family) for name, family in families.items()}

    def judge(self, unit: Unit) -> list[Verdict]:
        """Fit once, search on each task of the fold; or read what was found before."""
        path = self._path(unit)
        verdicts = kept(path) if path is not None else None
        if verdicts is None:
            verdicts = self._judge(unit)
            if path is not None:
                keep(verdicts, path)
        return verdicts

    def known(self, unit: Unit) -> bool:
        """Whether it was judged before."""
        path = self._path(unit)
        return path is not None and path.exists()

    def _path(self, unit: Unit) -> Path | None:
        if self.done is None:
            return None
        deciding = (
            self._digest, unit.name, self._origins[unit.name], str(unit.seed), str(self.budget),
            *unit.fold.judged, "hidden:", *sorted(unit.fold.hidden),
        )  # fmt: skip
        return self.done / f"{blake2b(repr(deciding).encode(), digest_size=16).hexdigest()}.parquet"

    def _judge(self, unit: Unit) -> list[Verdict]:
        # One for all recommenders of a fold: what they make of it they make once.
        past = _pasts.get(
            (self.history,), lambda: self.history.without(*unit.fold.hidden), unit.fold.hidden
        )
        try:
            start = perf_counter()
            fitted = self.families[unit.name].fit(past, seed=unit.seed)
            fit_s = perf_counter() - start
        except MetadbError as error:
            return [self._refusal(unit, task, str(error)) for task in unit.fold.judged]
        except Exception as error:
            error.add_note(f"while {unit.name} was fitted without task {unit.fold.hidden[0]}")
            raise
        return [self._search(unit, task, fitted, fit_s) for task in unit.fold.judged]

    def _search(self, unit: Unit, name: str, fitted: Recommender, fit_s: float) -> Verdict:
        """Ask, look up, tell; until the budget is spent or nothing better is left."""
        sheet, task = self.sheets[name], self.history.described_task(name)
        n = min(self.budget, len(sheet.candidates))
        observed: list[Evaluation] = []
        places: list[int] = []
        said: list[Recommendation] = []
        seconds: list[float] = []
        refused = None
        while len(places) < n and (not places or sheet.regret[places].min() > 0):
            start = perf_counter()
            try:
                advice = fitted.recommend(
                    task, 1, observed=tuple(observed), candidates=sheet.candidates
                )
            except MetadbError as error:
                refused = str(error)
                break
            except Exception as error:
                error.add_note(f"while {unit.name} advised on task {name}, step {len(places) + 1}")
                raise
            seconds.append(perf_counter() - start)
            if not advice:
                seconds.pop()
                break
            place = self._place(unit, name, advice[0], places)
            said.append(advice[0])
            places.append(place)
            observed.append(_evaluation(sheet, place, len(places)))
        regret = sheet.regret[places]  # (m,)
        best = np.ones(n)
        best[: len(places)] = regret
        return Verdict(
            recommender=unit.name,
            task=name,
            dataset=task.dataset or name,
            seed=unit.seed,
            seeds=(unit.seed,),
            tried=tuple(sheet.candidates.ids[p] for p in places),
            best=np.minimum.accumulate(best),
            regret=regret,
            suggest_s=np.array(seconds, float),
            fit_s=fit_s,
            refused=refused,
            **_claims(said),
        )

    def _place(self, unit: Unit, task: str, advised: Recommendation, run: list[int]) -> int:
        place = self.sheets[task].candidates.index(advised.config)
        if place is None or place in run:
            why = "is not among the candidates" if place is None else "was run already"
            raise InvalidConfig(
                f"{unit.name} advised a configuration on task {task} that {why}: "
                f"{dict(advised.config)}"
            )
        return place

    def _refusal(self, unit: Unit, task: str, why: str) -> Verdict:
        none: Floats = np.empty(0)
        return Verdict(
            unit.name, task, self.history.described_task(task).dataset or task, unit.seed,
            (unit.seed,), (), np.ones(min(self.budget, len(self.sheets[task].candidates))),
            none, none, none, none, none, none, 0.0, why,
        )  # fmt: skip


_pasts: Remembered[History] = Remembered(8, 256_000_000, lambda made: made.loss.nbytes)


def _evaluation(sheet: Sheet, place: int, nth: int) -> Evaluation:
    loss, cost_s = float(sheet.loss[place]), float(sheet.cost_s[place])
    ok = np.isfinite(loss)
    return Evaluation(
        Trial(sheet.candidates[place], id=nth),
        loss if ok else None,
        None if np.isnan(cost_s) else cost_s,
        "ok" if ok else "failed",
    )


def _claims(said: Sequence[Recommendation]) -> dict[str, Floats]:
    """What was said of each config before it was run, NaN where nothing was."""

    def column(values: Sequence[float | None]) -> Floats:
        return np.array([np.nan if v is None else v for v in values], float)

    return {
        "expected": column([r.expected_loss for r in said]),
        "low": column([r.interval[0] if r.interval else None for r in said]),
        "high": column([r.interval[1] if r.interval else None for r in said]),
        "probability": column([r.probability for r in said]),
    }
