"""Probabilistic matrix factorisation: tasks are mixtures of few latent ways in which configs do.

Fusi, Sheth, Elibol 2018, "Probabilistic matrix factorization for automated machine learning": a
Gaussian process latent variable model, its latent positions the principal components of past tasks.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Self

from metadb.history import Configs, History
from metadb.protocols import Floats
from metadb.records import Evaluation, Recommendation, Task
from recommenders.candidates import Pool, pool
from recommenders.completion import Completion, needs_results
from recommenders.gplvm import Covariance
from recommenders.latent import LATENTS, advise, believe, prepared, roots
from recommenders.ranges import Ranges
from recommenders.side import Side


@dataclass(frozen=True, slots=True, eq=False)
class Factorisation:
    """A Gaussian process over latent positions of configs, learnt from all tasks; then EI.

    With X the roots of the normalised regrets (the root sees differences near the best; holes
    completed), m its mean over tasks and X - m = P V' cut to `latents` principal components, x_new
    is Student's t around m + side with covariance linear P P' / (tasks - 1) + smooth Matern32 of
    the distance of positions + diag(psi), what the cut left, own and noise (`Covariance` says how
    its variances are learnt, `Latent` has the positions).

    A new task's losses have an unknown best o and range s: x_new = root((y - o) / s), s near the
    ranges of past tasks; pairs are weighed by the likelihood of what was seen. Next is the config
    of the largest expected improvement; with nothing seen, first the one of the least expected
    regret. When several are asked for at once, each is believed to turn out as expected. `side`, of
    the meta-features, is kept only where leaving tasks out says that it helps. Failed evaluations
    count as the worst, and say little of others. Cost: principal components once a pool; then
    O(configs * latents) a config.

    Args:
        ranges: How wide the losses of past tasks range.
        side: Which past tasks' deviations a new task shares, None where this did not help.
    """

    completion: Completion
    ranges: Ranges
    covariance: Covariance
    side: Side | None
    metric: str
    latents: int = LATENTS

    @classmethod
    def fit(
        cls, history: History, *, seed: int = 0, latents: int = LATENTS, side: bool = True
    ) -> Self:
        """Complete the matrix, and find out whether meta-features help (`side`).

        Raises:
            NotFound: There is no evaluation.
        """
        needs_results(history)
        completion = Completion.fit(history, seed=seed)
        about = Side.fit(history, completion, seed=seed) if side else None
        prepared(completion, latents=latents)
        covariance = Covariance.fit(completion, about)
        return cls(completion, Ranges.fit(history), covariance, about, history.metric, latents)

    def recommend(
        self,
        task: Task,
        k: int,
        *,
        observed: Sequence[Evaluation] = (),
        candidates: Configs | None = None,
    ) -> list[Recommendation]:
        """The `k` configs of the largest expected improvement, each after those before it."""
        of = pool(self.completion.configs, candidates)
        prior, share, leads = self._prior(task)
        return advise(
            self.completion, of, k, observed, prior, ranges=self.ranges,
            covariance=self.covariance, metric=self.metric, latents=self.latents, share=share,
            leads=leads,
        )  # fmt: skip

    def weights(self, task: Task, observed: Sequence[Evaluation] = ()) -> Floats:
        """How much each past task counts in what is expected of this one, sum 1, (tasks,)."""
        of = pool(self.completion.configs)
        prior, share, leads = self._prior(task)
        weight = believe(
            self.completion, of, of.seen(observed), prior, ranges=self.ranges,
            covariance=self.covariance, latents=self.latents, share=share, leads=leads,
        ).weight  # fmt: skip
        return weight / max(float(weight.sum()), 1e-12)

    def _prior(self, task: Task) -> tuple[Callable[[Pool], Floats], Floats | None, bool]:
        """The prior mean, its share of each past task, whether it leads."""
        share = None if self.side is None else self.side.weights(task)  # (tasks,)

        def prior(some: Pool) -> Floats:
            x = roots(self.completion, some)
            said: Floats = x.mean(axis=1) if share is None else x @ share
            return said

        return prior, share, self.side is not None and share is not None and self.side.leads
