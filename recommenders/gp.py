"""Gaussian processes: exact, with a Matérn-5/2 kernel, many tasks fitted at once as one batch.

A leading batch axis holds the tasks; tasks with fewer points are padded, and a mask says which
points are there. NumPy comes in and goes out, torch computes inside, in double precision.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Self

import numpy as np
from numpy.typing import NDArray

from metadb.errors import InvalidRows
from metadb.protocols import Floats
from recommenders.few_points import FEW, climbed
from recommenders.matern import Hyperparameters, Points, Prior, log_likelihood, matern52, maximise

if TYPE_CHECKING:
    from torch import Tensor

Mask = NDArray[np.bool_]

MAX_POINTS = 300
TUNE_POINTS = 128
_CELLS = 4_000_000
"""Of the largest array of one piece of work (32 MB); more tasks or points are taken in turn."""


@dataclass(frozen=True, slots=True, eq=False)
class GP:
    """A posterior for each task: y = f(x) + noise, f ~ GP(mean, variance * Matern52(scale)).

    Only data and hyperparameters are kept: each call factorises the kernel matrix anew, n^3 / 3 a
    task, as much as predicting n / 3 points.

    Args:
        x: Padded with zeros, (b, n, d).
        y: Standardised by `offset` and `width`, 0 where padded, (b, n).
        mask: Which points are there, (b, n).
        hyper: Of the standardised y.
        offset: Mean of each task's y, (b,). width: Standard deviation, (b,).
        device: Where torch computes.
    """

    x: Floats
    y: Floats
    mask: Mask
    hyper: Hyperparameters
    offset: Floats
    width: Floats
    device: str = "cpu"

    @classmethod
    def fit(
        cls,
        x: Floats,
        y: Floats,
        mask: Mask | None = None,
        *,
        device: str = "cpu",
        seed: int = 0,
        prior: Prior | None = None,
        hyper: Hyperparameters | None = None,
        scaling: tuple[float, float] | None = None,
        steps: int = 80,
        max_points: int = MAX_POINTS,
        tune_points: int = TUNE_POINTS,
    ) -> Self:
        """Find the hyperparameters of greatest posterior density, then take in all points.

        A task with more than `max_points` points keeps that many: its best quarter (y is
        minimised) and others drawn by the seed. Hyperparameters are sought on at most
        `tune_points` of those, drawn by the seed. Cost: steps * b * tune_points^3.

        Args:
            x: (b, n, d); or (n, d) for a single task, and then y (n,).
            y: (b, n), finite where the mask is set.
            mask: Which points are there, (b, n); default: all.
            prior: Of the hyperparameters, where the search also starts; default: `Prior.vanilla`.
            hyper: Given, so that none are sought.
            scaling: Offset and width that standardise y; default: each task's mean and deviation.

        Raises:
            InvalidRows: Shapes do not match, or a value that counts is not finite.
        """
        x, y, mask = subset(*batch(x, y, mask), max_points, seed=seed)
        offset, width = _scaling(y, mask) if scaling is None else np.tile(scaling, (len(y), 1)).T
        z = np.where(mask, (y - offset[:, None]) / width[:, None], 0.0)
        if hyper is None:
            prior = Prior.vanilla(x.shape[2]) if prior is None else prior
            few = subset(x, z, mask, tune_points, seed=seed, best=0.0)
            hyper = _found(few, prior, steps, device)
        return cls(x, z, mask, hyper, offset, width, device)

    def __len__(self) -> int:
        return len(self.x)

    def take(self, tasks: Any) -> Self:
        """The GPs of some tasks only."""
        return replace(
            self, x=self.x[tasks], y=self.y[tasks], mask=self.mask[tasks],
            hyper=self.hyper.take(tasks), offset=self.offset[tasks], width=self.width[tasks],
        )  # fmt: skip

    def condition(self, x: Floats, y: Floats, mask: Mask | None = None) -> Self:
        """The same GPs with further points; hyperparameters and standardisation are kept."""
        x, y, mask = batch(x, y, mask)
        z = np.where(mask, (y - self.offset[:, None]) / self.width[:, None], 0.0)
        return replace(
            self, x=np.concatenate([self.x, x], 1), y=np.concatenate([self.y, z], 1),
            mask=np.concatenate([self.mask, mask], 1),
        )  # fmt: skip

    def predict(self, x: Floats) -> tuple[Floats, Floats]:
        """Mean and standard deviation of f (without noise), each (b, m).

        Args:
            x: (m, d) for all tasks alike, or (b, m, d).
        """
        import torch

        m = x.shape[-2]
        mean, sd = np.empty((len(self), m)), np.empty((len(self), m))
        for rows, points, theta, factor, alpha in self._factorised(min(m, 1000)):
            for start in range(0, m, 1000):
                at = slice(start, min(start + 1000, m))
                xs = points.tensor(x[at] if x.ndim == 2 else x[rows, at])
                k = matern52(points.x, xs, theta) * points.mask[..., None]  # (b, n, m)
                mean[rows, at] = (theta[:, -1:] + (k.mT @ alpha)[..., 0]).cpu().numpy()
                half = torch.linalg.solve_triangular(factor, k, upper=False)
                left = theta[:, -3:-2].exp() - half.square().sum(-2)
                sd[rows, at] = left.clamp_min(0.0).sqrt().cpu().numpy()
        return mean * self.width[:, None] + self.offset[:, None], sd * self.width[:, None]

    def covariance(self, x: Floats) -> tuple[Floats, Floats]:
        """Mean (b, m) and joint covariance (b, m, m) of f at x (m, d) or (b, m, d)."""
        import torch

        m = x.shape[-2]
        mean, joint = np.empty((len(self), m)), np.empty((len(self), m, m))
        for rows, points, theta, factor, alpha in self._factorised(m):
            xs = points.tensor(x if x.ndim == 2 else x[rows])
            k = matern52(points.x, xs, theta) * points.mask[..., None]
            mean[rows] = (theta[:, -1:] + (k.mT @ alpha)[..., 0]).cpu().numpy()
            half = torch.linalg.solve_triangular(factor, k, upper=False)
            joint[rows] = (matern52(xs, xs, theta) - half.mT @ half).cpu().numpy()
        width = self.width[:, None]
        return mean * width + self.offset[:, None], joint * width[..., None] ** 2

    def sample(self, x: Floats, n: int, *, seed: int = 0) -> Floats:
        """Joint draws of f at x (m, d) or (b, m, d), (n, b, m)."""
        mean, joint = self.covariance(x)
        normal = np.random.default_rng(seed).standard_normal((n, *mean.shape))
        # By eigenvalues: a posterior covariance may be singular, where Cholesky fails.
        value, vector = np.linalg.eigh(joint)
        root = vector * np.sqrt(np.maximum(value, 0.0))[:, None, :]  # (b, m, m)
        return np.asarray(mean + np.einsum("bij,sbj->sbi", root, normal))

    def leave_one_out(self) -> tuple[Floats, Floats]:
        """Mean and standard deviation of each y (noise in it) told by the others, each (b, n).

        mean_i = y_i - alpha_i / C_ii and variance_i = 1 / C_ii with C the inverse of the kernel
        matrix; 0 where padded. Hyperparameters, offset and width stay those of all points.
        Sundararajan, Keerthi 2001, "Predictive approaches for choosing hyperparameters in
        Gaussian processes".
        """
        import torch

        mean, sd = np.empty_like(self.y), np.empty_like(self.y)
        for rows, _, _, factor, alpha in self._factorised(1):
            precision = torch.cholesky_inverse(factor).diagonal(dim1=-2, dim2=-1)
            mean[rows] = self.y[rows] - (alpha[..., 0] / precision).cpu().numpy()
            sd[rows] = precision.rsqrt().cpu().numpy()
        width = self.width[:, None]
        return (
            np.where(self.mask, mean * width + self.offset[:, None], 0.0),
            np.where(self.mask, sd * width, 0.0),
        )

    def log_marginal_likelihood(self) -> Floats:
        """Of the standardised y under the hyperparameters, (b,)."""
        value = np.empty(len(self))
        for rows in _pieces(len(self), self.x.shape[1] ** 2):
            points = Points.of(self.x[rows], self.y[rows], self.mask[rows], self.device)
            theta = points.tensor(self.hyper.take(rows).theta)
            value[rows] = log_likelihood(points, theta)[0].cpu().numpy()
        return value

    def _factorised(self, m: int) -> Iterator[tuple[slice, Points, Tensor, Tensor, Tensor]]:
        """Some tasks at a time: rows, points, theta, Cholesky factor, K^-1 (y - mean)."""
        import torch

        n = self.x.shape[1]
        for rows in _pieces(len(self), max(n, 1) * max(n, m)):
            points = Points.of(self.x[rows], self.y[rows], self.mask[rows], self.device)
            theta = points.tensor(self.hyper.take(rows).theta)
            factor = points.factor(theta)
            yield rows, points, theta, factor, torch.cholesky_solve(points.off(theta), factor)


def batch(x: Floats, y: Floats, mask: Mask | None) -> tuple[Floats, Floats, Mask]:
    """A batch (b, n, d), (b, n), (b, n), zeros where padded; a single task becomes one of one.

    Raises:
        InvalidRows: Shapes do not match, or a value that counts is not finite.
    """
    x, y = np.asarray(x, float), np.asarray(y, float)
    if x.ndim == 2:
        x, y, mask = x[None], y[None], None if mask is None else mask[None]
    mask = np.ones(y.shape, bool) if mask is None else np.asarray(mask, bool)
    if x.ndim != 3 or x.shape[:2] != y.shape or mask.shape != y.shape:
        raise InvalidRows(f"x {x.shape}, y {y.shape} and mask {mask.shape} do not fit together")
    x, y = np.where(mask[..., None], x, 0.0), np.where(mask, y, 0.0)
    if not (np.isfinite(x).all() and np.isfinite(y).all()):
        raise InvalidRows("a GP takes finite numbers only; leave failed results out by the mask")
    return x, y, mask


def subset(
    x: Floats, y: Floats, mask: Mask, most: int, *, seed: int, best: float = 0.25
) -> tuple[Floats, Floats, Mask]:
    """At most `most` points of each task: a share of the best, the rest drawn; padding cut off."""
    n = min(most, int(mask.sum(axis=1).max(initial=0)))
    if n == mask.shape[1]:
        return x, y, mask
    draw = np.random.default_rng(seed).random(mask.shape[1])  # a task's draw hangs on no other
    order = np.where(mask, draw, 2.0)  # (b, n)
    if best > 0:
        sure = np.argsort(np.where(mask, y, np.inf), axis=1, kind="stable")[:, : int(best * most)]
        many = mask.sum(axis=1, keepdims=True) > most
        rows = np.arange(len(y))[:, None]
        order[rows, sure] = np.where(mask[rows, sure] & many, -1.0, order[rows, sure])
    kept = np.sort(np.argsort(order, axis=1, kind="stable")[:, :n], axis=1)
    return (
        np.take_along_axis(x, kept[..., None], 1),
        np.take_along_axis(y, kept, 1),
        np.take_along_axis(mask, kept, 1),
    )


def _pieces(b: int, cells: int) -> Iterator[slice]:
    """Slices of the batch whose largest arrays have about `_CELLS` cells."""
    step = max(1, _CELLS // max(cells, 1))
    yield from (slice(start, min(start + step, b)) for start in range(0, b, step))


def _scaling(y: Floats, mask: Mask) -> tuple[Floats, Floats]:
    """Mean and standard deviation of each task's y, 1 where it is constant, each (b,)."""
    count = np.maximum(mask.sum(axis=1), 1)  # (b,)
    offset = y.sum(axis=1) / count  # y is 0 where padded
    spread = np.sqrt((np.where(mask, y - offset[:, None], 0.0) ** 2).sum(axis=1) / count)
    return offset, np.where(spread > 1e-12 * (np.abs(offset) + 1e-100), spread, 1.0)


def _found(
    few: tuple[Floats, Floats, Mask], prior: Prior, steps: int, device: str
) -> Hyperparameters:
    """Hyperparameters of greatest posterior density, some tasks at a time."""
    x, y, mask = few
    if len(x) == 1 and mask.sum() <= FEW and device == "cpu":
        theta = climbed(x[0, mask[0]], y[0, mask[0]], prior, steps)
        return Hyperparameters.of(np.round(theta[None], 6))
    pieces = _pieces(len(x), x.shape[1] ** 2)
    found = [
        maximise(Points.of(x[rows], y[rows], mask[rows], device), prior, steps=steps).theta
        for rows in pieces
    ]
    return Hyperparameters.of(np.concatenate([np.empty((0, len(prior.start))), *found]))
