"""Which configurations may be advised: known to the history, allowed by the caller, not yet run."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from metadb.history import Configs
from metadb.records import Evaluation


def eligible(
    known: Configs, observed: Sequence[Evaluation], candidates: Configs | None
) -> NDArray[np.intp]:
    """Indices into `known` that may be advised, (n,): in `candidates`, and not in `observed`.

    A candidate that the history does not know cannot be judged by it, and is left out.
    """
    if candidates is None:
        allowed = np.arange(len(known))
    else:
        places = (known.index(config) for config in candidates)
        allowed = np.array(sorted({i for i in places if i is not None}), np.intp)
    return np.setdiff1d(allowed, run(known, observed), assume_unique=True)


def run(known: Configs, observed: Sequence[Evaluation]) -> NDArray[np.intp]:
    """Indices into `known` of the configs that were observed already."""
    places = (known.index(evaluation.trial.config) for evaluation in observed)
    return np.array(sorted({i for i in places if i is not None}), np.intp)
