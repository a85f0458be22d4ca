"""What a search with a model chooses from: children of the best, random ones, the past's best."""

from __future__ import annotations

from itertools import islice

import numpy as np

from metadb.identity import canonical_config
from metadb.records import Config
from optimizers.cube import Cube
from optimizers.ledger import Ledger, Results
from optimizers.move import mutate
from optimizers.nas.expectation import Expectation

PARENTS = 10
"""So many of the best have children."""

CHILDREN, STRANGERS = 100, 100
"""So many are drawn of each kind; those that are known are left out (as in NAS-BOWL)."""


FAVOURITES = 50
"""So many of the past's best stand in the pool, where there is an expectation."""


def pool(
    ledger: Ledger,
    cube: Cube,
    results: Results,
    expectation: Expectation | None,
    rng: np.random.Generator,
) -> dict[str, Config]:
    """New architectures in canonical form by their texts; empty where only known ones were drawn.

    A child differs in one active hyperparameter from one of the best `PARENTS`.
    """
    points = cube.sample(STRANGERS, rng)  # (n, width)
    best = np.argsort(results.filled, kind="stable")[:PARENTS]
    if len(best):
        parents = [results.configs[i] for i in best]
        at, active = cube.complete(parents, rng), cube.active(parents)
        moved = []
        for i in rng.integers(len(parents), size=CHILDREN):
            if active[i].any():
                which = np.arange(cube.width) == rng.choice(np.flatnonzero(active[i]))
                moved.append(mutate(cube, at[i], which, rng))
        points = np.vstack([*moved, points])
    configs, legal = cube.decode(points)
    forms = [ledger.form(configs[i]) for i in np.flatnonzero(legal)]
    found = {canonical_config(form): form for form in forms}
    new = {text: form for text, form in found.items() if not ledger.knows(text)}
    if expectation is not None:
        best_first = zip(expectation.ranked_texts, expectation.ranked, strict=True)
        new |= dict(islice((p for p in best_first if not ledger.knows(p[0])), FAVOURITES))
    return new
