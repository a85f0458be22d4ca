"""What searches with a model of the losses have in common: which results, what pending ones say."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

import numpy as np

from metadb.identity import canonical_config
from metadb.protocols import Floats, Surrogate
from optimizers.ascent import Gain
from recommenders.acquisition import log_expected_improvement

if TYPE_CHECKING:
    from optimizers.ledger import Ledger, Results
    from recommenders.surrogate import Fitter

FEWEST = 5
"""So many results have all models before them, unless asked otherwise."""

LEAST = -1e30
"""The gain where trees agree that nothing is to be hoped: to be compared, unlike -inf."""

Fit = Callable[[Floats, Floats], Surrogate]
"""Makes a model of encoded points (n, width) and losses (n,), NaN where a trial failed."""


def needed(startup: int | None, surrogate: Fitter | None, width: int, warm: int) -> int:
    """How many results come before the first model.

    Args:
        startup: As asked for; None: as many as the surrogate says it needs, or else 5, in more
            dimensions as many as these, at most 10; with a warm start no more than it has, or 5:
            what it leads to is worth more than further points of a design. (On 12 tasks of
            rbv2_ranger, regret after 16 evaluations with a portfolio of five .0137, before .0163.)
        width: Of the cube. warm: How many configs the warm start has.

    Raises:
        ValueError: It is negative, or 0 where the model needs results.
    """
    if startup is None:
        most = max(FEWEST, warm) if warm else 10
        startup = int(getattr(surrogate, "startup", min(max(FEWEST, width), most, 10)))
    if startup < (surrogate is None):
        raise ValueError(
            f"startup must be 1 or more, not {startup} (0 with a surrogate that needs no results)"
        )
    return startup


def counted(ledger: Ledger, startup: int) -> Results | None:
    """The results to model: of several budgets the largest at which `startup` are in.

    None while there are too few, or none of them is usable; what needs no results (`startup` is 0)
    gets those that there are.
    """
    told = ledger.results()
    ok = ~np.isnan(told.loss)
    for budget in np.unique(told.budget)[::-1]:
        there = told.budget == budget
        if there.sum() >= max(startup, 1) and ok[there].any():
            return told.take(there)
    return None if startup else told.take(ok)


def waiting(ledger: Ledger) -> Floats:
    """The pending trials, encoded, in the order of asking, (m, width)."""
    configs = [trial.config for trial in ledger.pending]
    return ledger.encode([canonical_config(config) for config in configs], configs)


def believing(model: Surrogate, results: Results, x: Floats, fit: Fit) -> Surrogate:
    """A model as if pending trials x (m, width) had come out as it predicts.

    One that cannot believe is fitted with them at the mean loss (a constant liar; Ginsbourger,
    Le Riche, Carraro 2010, "Kriging is well-suited to parallelize optimization").
    """
    if not len(x):
        return model
    believe: Callable[[Floats], Surrogate] | None = getattr(model, "believe", None)
    if believe is not None:
        return believe(x)
    usual = np.full(len(x), np.nanmean(results.loss) if len(results) else 0.0)
    return fit(np.vstack([results.x, x]), np.append(results.loss, usual))


def best_predicted(model: Surrogate, results: Results, x: Floats) -> float | None:
    """The least loss that a model predicts where something was run or is, on its own scale.

    None where nothing was run, or the model knows by itself what to hope (`gain`).

    Args:
        x: The pending trials, encoded, (m, width).
    """
    if hasattr(model, "gain"):
        return None
    seen = np.vstack([results.x[~np.isnan(results.loss)], x])
    return float(model.predict(seen)[0].min()) if len(seen) else None


def hope(model: Surrogate, best: float | None) -> Gain:
    """What the model hopes of points: by itself, or its log EI; of nothing seen, the least mean."""
    own: Gain | None = getattr(model, "gain", None)
    if own is not None:
        return own
    if best is None:
        return lambda at: -model.predict(at)[0]
    return lambda at: np.maximum(log_expected_improvement(*model.predict(at), best), LEAST)
