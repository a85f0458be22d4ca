"""A conditional space as groups of configs with the same active hyperparameters.

Densities are over the hyperparameters that are active, so each is fitted to and drawn from one
group; here configs become places and places configs.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from metadb.axes import axes_of
from metadb.clauses import deactivate, holds
from metadb.columns import as_columns, as_numbers, as_rows
from metadb.protocols import Floats
from metadb.records import Config
from optimizers.ledger import Ledger
from optimizers.parzen import Density, Parzen, Scale

Bools = NDArray[np.bool_]

ROUNDS = 16
"""So many batches are drawn at most, until enough configs are legal, new and of the group."""

PILOTS = 1000
"""Random configs that tell how often each group occurs in the space."""


class Groups:
    """The groups of a search's space.

    A group (d,) says of each of `scales` whether it is active. Places (n, d) are NaN where
    inactive.

    Args:
        ledger: Of the search; what it knows is not drawn again.
    """

    def __init__(self, ledger: Ledger) -> None:
        self._ledger, self._axes = ledger, axes_of(ledger.space)
        self.scales = [Scale.of(a) for a in self._axes.values() if a.kind != "constant"]
        self._placed: dict[str, Floats] = {}
        self._pilots = self._pilot()
        times = Counter(row.tobytes() for row in ~np.isnan(self._pilots))
        self._shares = {of: count / PILOTS for of, count in sorted(times.items())}

    @property
    def width(self) -> int:
        """The most hyperparameters that are active at once."""
        if not self._shares:
            return len(self.scales)
        return int((~np.isnan(self._pilots)).sum(axis=1).max())

    def places(self, configs: Sequence[tuple[str, Config]]) -> Floats:
        """Where configs lie (n, d), remembered under their canonical texts, which come first."""
        new = {text: config for text, config in configs if text not in self._placed}
        if new:
            self._placed.update(zip(new, self._place(list(new.values())), strict=True))
        return np.array([self._placed[text] for text, _ in configs]).reshape(
            len(configs), len(self.scales)
        )

    def _place(self, configs: Sequence[Config]) -> Floats:
        columns, n = as_columns(configs)
        numbers, _ = as_numbers(columns, n, self._axes)
        deactivate(numbers, self._axes)
        places = [s.place(numbers[s.axis.name]) for s in self.scales]
        return np.column_stack(places) if places else np.empty((n, 0))

    def _pilot(self) -> Floats:
        """Places of random configs where conditions make groups, else of none, (m, d)."""
        if not self.scales or all(axis.condition is None for axis in self._axes.values()):
            return np.empty((0, len(self.scales)))
        from metadb.space import sample

        return self._place(sample(self._ledger.space, PILOTS, self._ledger.seed))

    def choose(
        self,
        x: Floats,
        rng: np.random.Generator,
        mass: Floats | None = None,
        *,
        of_space: float = 1.0,
    ) -> Bools:
        """A group, by its share of the mass of places `x` and of the space.

        Args:
            mass: Of each place, 1 by default, (n,).
            of_space: The mass of the space.
        """
        if not self._shares:
            return np.ones(len(self.scales), bool)
        times = {of: of_space * share for of, share in self._shares.items()}
        masses = [1.0] * len(x) if mass is None else mass.tolist()
        for row, m in zip(~np.isnan(x), masses, strict=True):
            times[row.tobytes()] = times.get(row.tobytes(), 0.0) + m
        groups = sorted(times)
        p = np.array([times[of] for of in groups])
        return np.frombuffer(groups[rng.choice(len(p), p=p / p.sum())], bool)

    def density(self, x: Floats, group: Bools, weights: Floats | None = None) -> Parzen:
        """The density around those of places `x` (n, d) that are of a group."""
        mine = _members(x, group)
        return Parzen.fit(
            self._scales_of(group), x[mine][:, group], None if weights is None else weights[mine]
        )

    def _scales_of(self, group: Bools) -> list[Scale]:
        """The scales of a group; a choice that leads out of it is next to never drawn there."""
        pilots = self._pilots[_members(self._pilots, group)]
        scales = [s for s, there in zip(self.scales, group, strict=True) if there]
        for j, (scale, x) in enumerate(zip(scales, pilots[:, group].T, strict=True)):
            if scale.kind == "categorical" and self._ledger.space.children_of[scale.axis.name]:
                times = np.bincount(x.astype(np.intp), minlength=len(scale.p))
                scales[j] = replace(scale, p=(times + scale.p) / (len(x) + 1))
        return scales

    def draw(
        self, density: Density, group: Bools, n: int, rng: np.random.Generator
    ) -> tuple[Floats, list[Config]]:
        """About `n` places of a density and their configs, that are legal, new and of the group."""
        places: list[Floats] = []
        configs: list[Config] = []
        for _ in range(ROUNDS):
            x = density.sample(n, rng)
            drawn = {s.axis.name: s.number(x[:, j]) for j, s in enumerate(density.scales)}
            numbers = {name: drawn.get(name, np.zeros(len(x))) for name in self._axes}
            active = deactivate(numbers, self._axes)
            legal = np.ones(len(x), bool)
            for scale, there in zip(self.scales, group, strict=True):
                legal &= active[scale.axis.name] == there
            for clause in self._ledger.space.forbidden_clauses:
                legal &= ~holds(clause, numbers, self._axes)
            for row, config, fine in zip(
                x, as_rows(numbers, self._axes, len(x)), legal, strict=True
            ):
                if fine and self._ledger.new(config):
                    places.append(row)
                    configs.append(config)
            if len(configs) >= n:
                break
        return np.array(places), configs


def _members(x: Floats, group: Bools) -> Bools:
    """Which rows of `x` (n, d) are of a group."""
    return np.asarray((~np.isnan(x) == group).all(axis=1))
