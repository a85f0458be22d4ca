"""Greedy choice where gains can only shrink: the lazy form, which looks at few configs a step.

Where nothing is left to gain the choice begins anew among the rest, as `ZeroShotTransfer` of
Salinas et al. 2022, "Syne Tune", does: the best complements of one another are worth more than the
next best of all alone. With five past tasks or fewer that point comes after as many members.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from metadb.protocols import Floats
from recommenders.candidates import Places

BLOCK = 32
"""So many configs are looked at again in the first go of a step, twice as many in each further."""


def greedy(
    k: int,
    gain: Callable[[Places], Floats],
    take: Callable[[int], None],
    forget: Callable[[], None],
    tie: Floats,
    open_: Places,
) -> list[int]:
    """The `k` configs that a greedy choice takes, in its order.

    Where the gain of a config can only shrink as others are taken (submodularity), an old gain is
    an upper bound of the present one: configs are looked at again in the order of their bounds,
    until the best of those looked at beats the bound of all others (Minoux 1978, "Accelerated
    greedy algorithms for maximizing submodular set functions"). The choice is the plain greedy
    one; of equal gains the smallest `tie`, then the first config, is taken.

    Args:
        gain: The present gains of configs, given their indices.
        take: Is told what was taken; later gains take account of it.
        forget: Undoes all takes, and what was gained before the first; the choice begins anew.
        tie: Smaller is better, (n,).
        open_: Indices of the configs to choose among, in order.
    """
    bound, anew = gain(open_), None
    left = np.ones(len(open_), bool)
    fresh = left.copy()  # the bound is the present gain
    chosen: list[int] = []
    while len(chosen) < min(k, len(open_)):
        _freshen(bound, fresh, left, lambda stale: gain(open_[stale]))
        if not (bound[left] > 0).any():  # nothing is gained any more
            forget()
            if anew is None:
                anew = gain(open_)
            bound, fresh[:] = anew.copy(), True
            if not (bound[left] > 0).any():  # the rest is worth nothing
                rest = np.flatnonzero(left)
                rest = rest[np.argsort(tie[open_[rest]], kind="stable")]
                return chosen + [int(i) for i in open_[rest[: k - len(chosen)]]]
        best = np.flatnonzero(left & fresh & (bound == bound[left].max()))
        pick = best[np.argmin(tie[open_[best]])]
        chosen.append(int(open_[pick]))
        take(chosen[-1])
        left[pick], fresh[:] = False, False
    return chosen


def _freshen(
    bound: Floats,
    fresh: np.ndarray[tuple[int], np.dtype[np.bool_]],
    left: np.ndarray[tuple[int], np.dtype[np.bool_]],
    gain: Callable[[Places], Floats],
) -> None:
    """Bring bounds up to date until no outdated one reaches the best present gain."""
    block = BLOCK
    while True:
        known = left & fresh
        best = bound[known].max(initial=0.0)
        stale = np.flatnonzero(left & ~fresh & (bound >= best) & (bound > 0))  # 0 stays 0
        if not len(stale):
            return
        if len(stale) > block:
            stale = stale[np.argpartition(-bound[stale], block)[:block]]
        block *= 2
        bound[stale] = gain(stale)
        fresh[stale] = True
