"""Extrapolation as Domhan, Springenberg, Hutter 2015 describe it: MCMC over a sum of all families.

y(x) = sum_k w_k f_k(x | theta_k) + N(0, sigma^2) of an accuracy y, k over the eleven families; a
flat prior on all parameters (on the logarithm of sigma), but w_k > 0, y(1) < y(m) and 0 < y(m) < 1
(section 3.2). Started around the least squares of each family with equal weights; 100 walkers of
`emcee` (Foreman-Mackey et al. 2013), 500 steps of burn-in and 2,000 more.
"""

from __future__ import annotations

import inspect
from importlib import import_module
from typing import Any

import numpy as np

from metadb.protocols import Floats
from recommenders.curve_family import FAMILIES, Family

WALKERS, BURN_IN, STEPS = 100, 500, 2000
LETTERS = {
    name: list(inspect.signature(family.curve).parameters)[1:] for name, family in FAMILIES.items()
}


def draws(x: Floats, y: Floats, at: float, seed: int = 0) -> Floats | None:
    """Draws of the accuracy at `at`, noise included, from accuracies `y` (n,) at `x` (n,).

    None where the prior rules out every start, as for an accuracy that falls.
    """
    emcee = import_module("emcee")
    rng = np.random.default_rng(seed)
    x, at = x / x[0], at / x[0]
    starts = [start(FAMILIES[name], letters, x, y) for name, letters in LETTERS.items()]
    theta = np.concatenate(starts)
    centre = np.concatenate([theta, np.full(len(FAMILIES), 1 / len(FAMILIES)), [np.log(0.02)]])
    spread = 1e-3 * np.maximum(np.abs(centre), 0.1)
    first = centre + spread * rng.standard_normal((20 * WALKERS, len(centre)))
    times = np.concatenate([x, [at]])

    def posterior(walkers: Floats) -> Floats:
        value = mixture(walkers, times)
        with np.errstate(all="ignore"):
            fits = np.square((value[:, :-1] - y) / np.exp(walkers[:, -1:])).sum(axis=1)
            found = -fits / 2 - len(y) * walkers[:, -1]
        legal = (walkers[:, len(theta) : -1] > 0).all(axis=1) & np.isfinite(value).all(axis=1)
        legal &= (value[:, 0] < value[:, -1]) & (value[:, -1] > 0) & (value[:, -1] < 1)
        legal &= (walkers[:, -1] > np.log(1e-4)) & (walkers[:, -1] < 0)
        return np.where(legal & np.isfinite(found), found, -np.inf)

    first = first[np.isfinite(posterior(first))][:WALKERS]
    if len(first) < WALKERS:
        return None
    state = np.random.RandomState(seed).get_state()
    sampler = emcee.EnsembleSampler(WALKERS, len(centre), posterior, vectorize=True)
    sampler.random_state = state
    sampler.run_mcmc(first, BURN_IN + STEPS, skip_initial_state_check=True)
    walkers = sampler.get_chain(discard=BURN_IN, thin=10, flat=True)
    value = mixture(walkers, np.array([at]))[:, 0]
    return np.asarray(value + np.exp(walkers[:, -1]) * rng.standard_normal(len(value)))


def mixture(walkers: Floats, x: Floats) -> Floats:
    """The weighted sum for each walker at times `x`, (walkers, times)."""
    total = np.zeros((len(walkers), len(x)))
    weights, place = walkers[:, -1 - len(FAMILIES) : -1], 0
    with np.errstate(all="ignore"):
        for k, (name, letters) in enumerate(LETTERS.items()):
            values = {a: walkers[:, place + i, None] for i, a in enumerate(letters)}
            total += weights[:, k, None] * FAMILIES[name].curve(x, **values)
            place += len(letters)
    return total


def start(family: Family, letters: list[str], x: Floats, y: Floats) -> Floats:
    """All letters of a family by least squares, from the shape that fits best."""
    from scipy.optimize import least_squares

    bent = dict(zip(family.bends, family.fit(x, y, starts=16).bent, strict=True))
    guess = np.array([{**family.plain, **bent}[letter] for letter in letters])

    def residual(theta: Floats) -> Any:
        with np.errstate(all="ignore"):
            found = family.curve(x, **dict(zip(letters, theta, strict=True))) - y
        return np.nan_to_num(found, nan=1e3, posinf=1e3, neginf=-1e3)

    return np.asarray(least_squares(residual, guess, max_nfev=200).x)
