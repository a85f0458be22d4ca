"""What past tasks lead one to expect of an architecture: the prior of a search's predictor."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Self

import numpy as np

from metadb.errors import InvalidConfig
from metadb.identity import canonical_config
from metadb.protocols import Floats
from metadb.records import Config
from optimizers.nas.graph_gp import GraphGP
from optimizers.nas.space import NasSpace
from optimizers.nas.wl import Patterns

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from metadb.history import History

TEACHERS = 300
"""So many past architectures teach what is expected of others: half the best, half of all ranks."""


@dataclass(frozen=True, slots=True, eq=False)
class Expectation:
    """The mean normal score of an architecture over past tasks, predicted where none ran it.

    The normal score of a loss is the normal quantile of its rank among those of its task; what is
    known of isomorphic architectures is averaged, as they are several trainings of one network.

    Args:
        nas: The space of the architectures.
        scores: By canonical text; the least is the best.
        ranked: The canonical configs that some task ran, best first. ranked_texts: Of these.
        gp: Of the scores.
    """

    nas: NasSpace
    scores: Mapping[str, float]
    ranked: tuple[Config, ...]
    ranked_texts: tuple[str, ...]
    gp: GraphGP
    _guessed: dict[str, float] = field(default_factory=dict, repr=False)

    @classmethod
    def fit(cls, history: History, nas: NasSpace) -> Self:
        """Learn from all tasks of a history; leave out the one at hand (`History.without`).

        Cost: a sort a task, and a Gaussian process of `TEACHERS` architectures.

        Raises:
            InvalidConfig: A config is not of the space, or there is none.
        """
        from metadb.space import check
        from recommenders.sources import normal_scores

        configs = history.configs.values
        wrong = [why for why in check(nas.space, configs) if why is not None]
        loss = history.matrix()  # (tasks, configs)
        if wrong or not len(history):
            raise InvalidConfig(
                f"nothing can be expected of {nas.name} architectures by this history: "
                f"{wrong[0] if wrong else 'it holds no evaluations'}"
            )
        forms = [nas.canonical(config) for config in configs]
        total: dict[str, tuple[float, int]] = {}
        form_of: dict[str, Config] = {}
        texts = [canonical_config(form) for form in forms]
        for row in loss:
            run = np.flatnonzero(~np.isnan(row))
            for i, score in zip(run, normal_scores(row[run]), strict=True):
                so_far, n = total.get(texts[i], (0.0, 0))
                total[texts[i]] = so_far + float(score), n + 1
                form_of[texts[i]] = forms[i]
        scores = {text: so_far / n for text, (so_far, n) in total.items()}
        order = sorted(scores, key=lambda text: (scores[text], text))
        teachers = order[: TEACHERS // 2]
        rest = order[len(teachers) :]
        teachers += rest[:: max(1, -(-len(rest) // (TEACHERS - len(teachers))))]
        patterns = Patterns()
        counts = [patterns.count(nas.graph(form_of[text])) for text in teachers]
        gp = GraphGP.fit(patterns, counts, np.array([scores[text] for text in teachers]))
        return cls(nas, scores, tuple(form_of[text] for text in order), tuple(order), gp)

    def of(self, configs: Sequence[Config]) -> Floats:
        """What is expected of configs, (n,)."""
        forms = [self.nas.canonical(config) for config in configs]
        texts = [canonical_config(form) for form in forms]
        pairs = zip(texts, forms, strict=True)
        new = {t: f for t, f in pairs if t not in self.scores and t not in self._guessed}
        if new:
            counts = [self.gp.patterns.count(self.nas.graph(form)) for form in new.values()]
            self._guessed.update(zip(new, self.gp.mean(counts).tolist(), strict=True))
        return np.array([self.scores.get(t, self._guessed.get(t)) for t in texts], float)


@dataclass(frozen=True, slots=True)
class Trend:
    """Scores on the line offset + slope expected; without an expectation all are 0."""

    expectation: Expectation | None
    offset: float = 0.0
    slope: float = 1.0

    @classmethod
    def fit(
        cls, expectation: Expectation | None, configs: Sequence[Config], scores: Floats
    ) -> Self:
        """The line of least squares, its slope drawn towards 1.

        As if one more result, one standard deviation from the mean, had lain on a slope of 1.

        Args:
            scores: Of the configs, (n,).
        """
        if expectation is None or not len(configs):
            return cls(expectation)
        expected = expectation.of(configs)
        m, y = expected - expected.mean(), scores - scores.mean()
        slope = float((m @ y + 1.0) / (m @ m + 1.0))
        return cls(expectation, float(scores.mean() - slope * expected.mean()), slope)

    def of(self, configs: Sequence[Config]) -> Floats:
        """The scores of configs, (n,)."""
        if self.expectation is None:
            return np.zeros(len(configs))
        return self.offset + self.slope * self.expectation.of(configs)
