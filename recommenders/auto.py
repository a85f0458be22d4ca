"""Auto: the default, a committee whose members count as much as they were right on past tasks.

Members are chosen and weighted by leaving out past tasks of the user's own store: for each phase of
a search (nothing seen, a few results, many) and against drawing at random. Voting over ranked lists
is Borda's; weighting learners by what they did on the tasks at hand is Brazdil, Soares, da Costa
2003, "Ranking learning algorithms: using IBL and meta-learning on accuracy and time results".
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Self

import numpy as np
from numpy.typing import NDArray

from metadb.history import Configs, History
from metadb.protocols import Recommender
from metadb.records import Because, Config, Evaluation, Recommendation, Task
from recommenders.active_testing import ActiveTesting
from recommenders.cold import Cold
from recommenders.factorisation import Factorisation
from recommenders.pretrained import Pretrained
from recommenders.remembered import Remembered
from recommenders.rgpe import RGPE
from recommenders.trust import Correction, Lesson, learnt, phase
from recommenders.zero_shot import ZeroShot

if TYPE_CHECKING:
    from recommenders import Family

MEMBERS: dict[str, Family] = {
    "active_testing": ActiveTesting,
    "factorisation": Factorisation,
    "rgpe": RGPE,
    "pretrained": Pretrained,
    "zero_shot": ZeroShot,
    "cold": Cold,
}
"""Who is on the committee; the last searches without transfer."""

LIST = 4
"""Each member names so many configurations that it would run next."""

MANY = 150
"""Of more past tasks, no Gaussian process is fitted to each: RGPE stays away."""

SHORT = 2000
"""Of more known configurations, unless candidates are named, those best on their tasks are asked
about, at most so many."""

LIKE = 0.5
"""A task is about the candidates if a configuration run there shares this share of the names of
hyperparameters with one of them."""


@dataclass(frozen=True, slots=True, eq=False)
class Auto:
    """A weighted vote of recommenders, of which one searches without transfer.

    **Trust.** Of the past data sets 20 are left out, the members are fitted on the others, and
    search on one task of each; looked at are the best of 1, 5 and 12 configurations. The
    skill of a member in a phase is the probability that as many drawn at random would have found
    something worse, less that of something better (exactly, a mean over tasks), half-way drawn to
    the mean of all members. Its trust is skill^4, thrice that for `pretrained`. Whether past tasks
    teach anything at all is asked of all together: where a mean skill as great would come by luck
    with a probability of 16 % (Student's t over tasks) none is trusted, below 2.3 % all are. The
    search without transfer is
    always trusted a little once something was seen. So where past tasks teach nothing (shuffled
    scores, an unrelated collection) what remains, but for one time in six, is the search that would
    have been done without them. With fewer than 3 data sets nothing can be judged, and what was
    said before holds.

    **Vote.** A member's n-th choice has trust / n points; the most points win. The expected regret,
    its interval and probability are means over the members that named the config, by their points,
    corrected by what was found where tasks were left out; `because.members` says what each one's
    share was.

    **Of concern.** A past task that ran only configurations with other hyperparameters than the
    candidates' is left out, and the rest are learnt from anew.

    Cost: fitting all members, some seconds; judging them, some times that, remembered for a history
    (and by `metadb tune` and `recommend` in the store, until it has grown by a quarter:
    `Lesson.holds`); then the sum of theirs.
    """

    history: History
    members: Mapping[str, Recommender]
    lesson: Lesson
    seed: int = 0

    @classmethod
    def fit(cls, history: History, *, seed: int = 0, lesson: Lesson | None = None) -> Self:
        """Fit and judge the members.

        Args:
            lesson: What judging taught before, in place of judging anew; it must know all members.
        """
        few = len(history.tasks) <= MANY
        families = {name: one for name, one in MEMBERS.items() if few or name != "rgpe"}
        if not len(history):
            alone = {"cold": Cold.fit(history, seed=seed)}
            return cls(history, alone, Lesson.of({"cold": 1.0}), seed)
        members = {name: one.fit(history, seed=seed) for name, one in families.items()}
        if lesson is None or not all(set(t) == set(members) for t in lesson.trust.values()):
            lesson = learnt(history, families, seed=seed)
        return cls(history, members, lesson, seed)

    def recommend(
        self,
        task: Task,
        k: int,
        *,
        observed: Sequence[Evaluation] = (),
        candidates: Configs | None = None,
    ) -> list[Recommendation]:
        """The `k` configs with most points, one after the other."""
        asked = hopeful(self.history, self._shortlist() if candidates is None else candidates)
        voters, note = self._concerned(asked)
        now = phase(len(observed))
        trust, correction = voters.lesson.trust[now], voters.lesson.correction[now]
        lists = {
            name: voters.members[name].recommend(
                task, LIST + 2 * (k - 1), observed=observed, candidates=asked
            )
            for name, share in trust.items()
            if share > 0
        }
        chosen: list[Recommendation] = []
        taken: set[str] = set()
        while len(chosen) < k:
            named = _named(lists, trust, asked, taken, LIST + 2 * len(chosen))
            if not named:
                break
            place = max(named, key=lambda one: (sum(p for _, p, _ in named[one]), -one))
            taken.add(asked.texts[place])
            chosen.append(_together(asked[place], named[place], correction, note))
        return chosen

    def _shortlist(self) -> Configs:
        """The configs of the history; of very many those that were best on their tasks."""
        configs = self.history.configs
        if len(configs) <= SHORT:
            return configs
        order = np.lexsort((self.history.loss, self.history.task))
        task = self.history.task[order]
        first = np.searchsorted(task, np.arange(len(self.history.tasks)))
        rank = np.arange(len(order)) - first[task]
        best = self.history.config[order][np.argsort(rank, kind="stable")]
        _, places = np.unique(best, return_index=True)
        kept = best[np.sort(places)[:SHORT]]
        return _shortlists.get((self.history,), lambda: configs.take(np.sort(kept)))

    def _concerned(self, asked: Configs) -> tuple[Auto, str | None]:
        """The committee that learnt from the tasks that ran configs like those asked about."""
        other = unlike(self.history, asked)
        if not other:
            return self, None
        if len(other) == len(self.history.tasks):
            alone = Auto(self.history, self.members, Lesson.of({"cold": 1.0}), self.seed)
            return alone, "no past task ran configurations like these, so none was asked"
        said = f"{len(other)} past tasks ran only other hyperparameters and were left out"
        return _concerned.get(
            (self.history,),
            lambda: Auto.fit(self.history.without(*other), seed=self.seed),
            other, self.seed,
        ), said  # fmt: skip


_shortlists: Remembered[Configs] = Remembered(4, 64_000_000, lambda made: 100 * len(made))
_concerned: Remembered[Auto] = Remembered(4, 1 << 40, lambda made: 0)


Vote = tuple[str, float, Recommendation]


def _named(
    lists: Mapping[str, Sequence[Recommendation]], trust: Mapping[str, float], asked: Configs,
    taken: set[str], most: int,
) -> dict[int, list[Vote]]:  # fmt: skip
    """Place among those asked about, to who named it with how many points and what was said."""
    named: dict[int, list[Vote]] = {}
    for name, said in lists.items():
        places = [(asked.index(r.config), r) for r in said[:most]]
        open_ones = [(i, r) for i, r in places if i is not None and asked.texts[i] not in taken]
        for nth, (place, r) in enumerate(open_ones, 1):
            named.setdefault(place, []).append((name, trust[name] / nth, r))
    return named


def _together(
    config: Config, votes: Sequence[Vote], correction: Correction, note: str | None
) -> Recommendation:
    """What the members that named a config say of it, by their points, corrected."""
    points = np.array([p for _, p, _ in votes])
    share = points / points.sum()
    said = [(r.expected_loss, *(r.interval or (None, None)), r.probability) for _, _, r in votes]
    unknown = (0.5, 0.1, 0.9, 0.01)
    figures = np.array(
        [[u if v is None else v for v, u in zip(row, unknown, strict=True)] for row in said]
    )  # (votes, 4)
    if {name for name, _, _ in votes} == {"cold"}:  # its claims were not judged
        correction = Correction()
    expected, low, high, probability = correction.applied(share @ figures)
    loudest = max(votes, key=lambda vote: (bool(vote[2].because.tasks), vote[1]))[2].because
    notes = [n for n in (note, loudest.note) if n]
    return Recommendation(
        config,
        expected_loss=expected,
        interval=(low, high),
        probability=probability,
        because=Because(
            loudest.tasks,
            loudest.configs,
            loudest.metric,
            loudest.weights,
            {name: float(p) for (name, _, _), p in zip(votes, share, strict=True)},
            "; ".join(notes) or None,
        ),
    )


def hopeful(history: History, asked: Configs) -> Configs:
    """The configs asked about without those that failed wherever they were run."""

    def make() -> Configs:
        n = len(history.configs)
        ran = np.bincount(history.config, minlength=n)
        failed = np.bincount(history.config, ~np.isfinite(history.loss), minlength=n)
        place = history.configs.places(asked)
        never = (place >= 0) & ((ran > 0) & (failed == ran))[place]
        return asked if never.all() or not never.any() else asked.take(np.flatnonzero(~never))

    return _hopeful.get((history, asked), make)


_hopeful: Remembered[Configs] = Remembered(32, 256_000_000, lambda made: 100 * len(made))


def unlike(history: History, asked: Configs) -> tuple[str, ...]:
    """The past tasks that ran no config like those asked about, by names of hyperparameters."""
    return _unlike.get((history, asked), lambda: _unlike_tasks(history, asked))


_unlike: Remembered[tuple[str, ...]] = Remembered(64, 1 << 40, lambda made: 0)


def _unlike_tasks(history: History, asked: Configs) -> tuple[str, ...]:
    patterns, of = _patterns(history.configs)  # (configs,)
    wanted = {frozenset(config) for config in asked}
    like = np.array([any(len(p & w) >= LIKE * len(p | w) for w in wanted) for p in patterns])
    ran = np.zeros(len(history.tasks), bool)
    ran[history.task[like[of[history.config]]]] = True
    return tuple(t for t, there in zip(history.tasks, ran, strict=True) if not there)


_patterns_of: Remembered[tuple[list[frozenset[str]], NDArray[np.intp]]] = Remembered(
    4, 64_000_000, lambda made: made[1].nbytes
)


def _patterns(configs: Configs) -> tuple[list[frozenset[str]], NDArray[np.intp]]:
    """The different sets of active hyperparameters, and which of them each config has."""

    def make() -> tuple[list[frozenset[str]], NDArray[np.intp]]:
        number: dict[frozenset[str], int] = {}
        of = [number.setdefault(frozenset(config), len(number)) for config in configs]
        return list(number), np.array(of, np.intp)

    return _patterns_of.get((configs,), make)
