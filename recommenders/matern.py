"""Matérn-5/2 kernel with a scale for each dimension, and its hyperparameters of greatest density.

All arrays lead with the tasks, (b, ...), so that many small kernel matrices are one batch of torch.
A padded point is independent of all others and has y = mean: it changes nothing.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Self

import numpy as np

from metadb.protocols import Floats

if TYPE_CHECKING:
    from torch import Tensor

JITTER = 1e-9
_RATE, _REACH = 0.15, 3.0
"""The largest step, larger where few steps would not reach so far: as far as `Prior.vanilla` starts
from its centre."""


@dataclass(frozen=True, slots=True, eq=False)
class Hyperparameters:
    """Of each task, on the scale of its standardised y.

    Args:
        scale: Distance over which f changes, in units of the encoded space, (b, d).
        variance: Of f, (b,). noise: Variance of the noise, (b,). mean: Of f, (b,).
    """

    scale: Floats
    variance: Floats
    noise: Floats
    mean: Floats

    def take(self, tasks: Any) -> Hyperparameters:
        """Those of some tasks only."""
        return Hyperparameters(
            self.scale[tasks], self.variance[tasks], self.noise[tasks], self.mean[tasks]
        )

    @property
    def theta(self) -> Floats:
        """As one row of free numbers a task: log scales, log variance, log noise, mean, (b, p)."""
        logs = np.column_stack([np.log(self.scale), np.log(self.variance), np.log(self.noise)])
        return np.column_stack([logs, self.mean])

    @classmethod
    def of(cls, theta: Floats) -> Self:
        """Back from rows of free numbers, (b, p)."""
        positive = np.exp(theta[:, :-1])
        return cls(positive[:, :-2], positive[:, -2], positive[:, -1], theta[:, -1].copy())


@dataclass(frozen=True, slots=True, eq=False)
class Prior:
    """Independent normal densities of the free numbers `Hyperparameters.theta`.

    Args:
        centre: (p,). sd: (p,). start: Where the search begins, (p,).
    """

    centre: Floats
    sd: Floats
    start: Floats

    @classmethod
    def vanilla(cls, d: int) -> Self:
        """Scales that grow with the root of the dimension: log scale ~ N(2^.5 + log(d) / 2, 3).

        So f is no wilder in many dimensions than in few. Hvarfner, Hellsten, Nardi 2024, "Vanilla
        Bayesian optimization performs great in high dimensions"; noise as there, its log
        ~ N(-4, 1); variance of the standardised y about 1.
        """
        scale = np.full(d, 2**0.5 + 0.5 * np.log(max(d, 1)))
        centre = np.concatenate([scale, [0.0, -4.0, 0.0]])
        sd = np.concatenate([np.full(d, 3**0.5), [0.5, 1.0, 1.0]])
        start = centre.copy()
        start[:d] -= 3.0  # the mode of a log-normal density is at exp(centre - sd^2)
        return cls(centre, sd, start)

    def shared(self) -> Prior:
        """That of a process with one scale: of the first one."""
        last = [0, -3, -2, -1]
        return Prior(self.centre[last], self.sd[last], self.start[last])

    @classmethod
    def learnt(cls, hyper: Hyperparameters, *, least: float = 0.3) -> Self:
        """What was found on past tasks: their median, and how much they differ."""
        theta = hyper.theta  # (tasks, p)
        centre = np.median(theta, axis=0)
        spread = 1.4826 * np.median(np.abs(theta - centre), axis=0)
        return cls(centre, np.maximum(spread, least), centre)


@dataclass(frozen=True, slots=True, eq=False)
class Points:
    """The points of some tasks as tensors: x (b, n, d), y (b, n), mask (b, n) of zeros and ones."""

    x: Tensor
    y: Tensor
    mask: Tensor

    @classmethod
    def of(cls, x: Floats, y: Floats, mask: Any, device: str) -> Self:
        """Brought to the device, in double precision."""
        import torch

        tensors = (
            torch.as_tensor(np.ascontiguousarray(a), dtype=torch.float64, device=device)
            for a in (x, y, mask)
        )
        return cls(*tensors)

    def tensor(self, values: Floats) -> Tensor:
        """Other values where these points are."""
        import torch

        return torch.as_tensor(np.ascontiguousarray(values), dtype=self.x.dtype).to(self.x.device)

    def factor(self, theta: Tensor, k: Tensor | None = None) -> Tensor:
        """Cholesky factor of the kernel matrix with noise, (b, n, n); 1 for a padded point."""
        import torch

        k = matern52(self.x, self.x, theta) if k is None else k
        k = k * (self.mask[:, :, None] * self.mask[:, None, :])
        noise = theta[:, -2].exp()[:, None] + JITTER
        k.diagonal(dim1=-2, dim2=-1).add_(torch.where(self.mask > 0, noise, 1.0))
        factor: Tensor = torch.linalg.cholesky(k)
        return factor

    def off(self, theta: Tensor) -> Tensor:
        """y less the mean, 0 where padded, (b, n, 1)."""
        return ((self.y - theta[:, -1:]) * self.mask)[..., None]


def distance(a: Tensor, b: Tensor, theta: Tensor) -> Tensor:
    """r of a (b, n, d) and b (b, m, d) or (m, d), each dimension divided by its scale, (b, n, m).

    By |a|^2 + |b|^2 - 2ab: the error of r near 0 does not count, the kernel is flat there.
    """
    scale = theta[:, None, :-3].exp()
    a, b = a / scale, b / scale
    square = a.square().sum(-1)[..., :, None] + b.square().sum(-1)[..., None, :]
    return square.sub_(2 * (a @ b.mT)).clamp_min_(0.0).sqrt_()


def matern52(a: Tensor, b: Tensor, theta: Tensor) -> Tensor:
    """k = v (1 + s + s^2 / 3) exp(-s), s = 5^.5 r, (b, n, m)."""
    s = distance(a, b, theta).mul_(5**0.5)
    variance = theta[:, -3].exp()[:, None, None]
    return (1 + s + s.square() / 3).mul_((-s).exp_()).mul_(variance)


def log_likelihood(points: Points, theta: Tensor) -> tuple[Tensor, Tensor]:
    """Log marginal likelihood (b,) and its gradient in theta (b, p), in closed form.

    With off = y - mean, alpha = K^-1 off and W = (alpha alpha' - K^-1) / 2, the derivative in a
    parameter of K is sum(W * dK), in the mean sum(alpha). Rasmussen, Williams 2006, "Gaussian
    processes for machine learning", equations 5.8 and 5.9.
    """
    import torch

    s = distance(points.x, points.x, theta).mul_(5**0.5)
    bell = (-s).exp_().mul_(theta[:, -3].exp()[:, None, None])  # v exp(-s)
    k = (s.square() / 3).add_(s).add_(1.0).mul_(bell)
    factor = points.factor(theta, k)
    off = points.off(theta)
    alpha = torch.cholesky_solve(off, factor)  # (b, n, 1)
    count = points.mask.sum(-1)
    half_logdet = factor.diagonal(dim1=-2, dim2=-1).log().sum(-1)
    value = -0.5 * (off * alpha).sum((-2, -1)) - half_logdet - 0.5 * count * np.log(2 * np.pi)

    w = torch.cholesky_inverse(factor).neg_().baddbmm_(alpha, alpha.mT).mul_(0.5)
    w.mul_(points.mask[:, :, None]).mul_(points.mask[:, None, :])
    variance = (w * k).sum((-2, -1))
    # dk / dlog scale_j = 5/3 v (1 + s) exp(-s) (x_j - x'_j)^2 / scale_j^2
    v = s.add_(1.0).mul_(bell).mul_(5 / 3).mul_(w)
    x = points.x / theta[:, None, :-3].exp()
    scale = 2 * ((v.sum(-1)[..., None] * x.square()).sum(-2) - (x * (v @ x)).sum(-2))
    noise = theta[:, -2].exp() * w.diagonal(dim1=-2, dim2=-1).sum(-1)
    rest = torch.stack([variance, noise, alpha.sum((-2, -1))], -1)
    return value, torch.cat([scale, rest], -1)


def maximise(points: Points, prior: Prior, *, steps: int) -> Hyperparameters:
    """Theta of greatest posterior density of each task: Adam, its steps shrinking to nothing.

    A fixed number of steps and no line search: a task's answer does not hang on which others are
    in its batch. Kingma, Ba 2015, "Adam: a method for stochastic optimization".
    """
    import torch

    with torch.inference_mode():  # the gradient is in closed form: nothing is to be recorded
        theta = _climbed(points, prior, steps)
    # The batch's arithmetic may differ in the last digits; rounded, it does not.
    return Hyperparameters.of(np.round(theta.cpu().numpy(), 6))


def _climbed(points: Points, prior: Prior, steps: int) -> Tensor:
    import torch

    centre, sd = points.tensor(prior.centre), points.tensor(prior.sd)
    theta = points.tensor(np.tile(prior.start, (len(points.x), 1))).clone()  # (b, p)
    low, high = points.tensor(bounds(len(prior.start)))
    first, second = torch.zeros_like(theta), torch.zeros_like(theta)
    for step, rate in enumerate(rates(steps), 1):
        gradient = log_likelihood(points, theta)[1] - (theta - centre) / sd.square()
        first = 0.9 * first + 0.1 * gradient
        second = 0.99 * second + 0.01 * gradient.square()
        along = (first / (1 - 0.9**step)) / ((second / (1 - 0.99**step)).sqrt() + 1e-12)
        theta = (theta + rate * along).clamp(low, high)
    return theta


def rates(steps: int) -> Floats:
    """The size of each step, shrinking to nothing, (steps,)."""
    largest = max(_RATE, 2 * _REACH / max(steps, 1))
    return np.asarray(largest * 0.5 * (1 + np.cos(np.pi * np.arange(steps) / max(steps, 1))))


def bounds(p: int) -> Floats:
    """Outside of which no hyperparameter is looked for, (2, p)."""
    low = np.concatenate([np.full(p - 3, np.log(1e-2)), [np.log(1e-2), np.log(1e-6), -3.0]])
    high = np.concatenate([np.full(p - 3, np.log(1e4)), [np.log(1e2), np.log(4.0), 3.0]])
    return np.stack([low, high])


def sought(
    points: Points, prior: Prior, starts: Floats, groups: Any, *, iterations: int = 60
) -> Floats:
    """Theta of greatest posterior density of one task, sought from several starts at once, (p,).

    L-BFGS on the sum over the starts, each likelihood a member of one batch: for one task it needs
    fewer likelihoods than `maximise`, and starts near its end where theta is known of fewer points.

    Args:
        points: Of a single task, x (1, n, d).
        prior: Of the g + 3 free numbers. starts: Where the search begins, (starts, g + 3).
        groups: Columns of x with the same number here, 0 to g - 1, share a scale, (d,).

    Nocedal 1980, "Updating quasi-Newton matrices with limited storage".
    """
    import torch
    from scipy.optimize import minimize

    r, p = starts.shape
    x, y, mask = (t.expand(r, *t.shape[1:]) for t in (points.x, points.y, points.mask))
    many = Points(x, y, mask)
    centre, sd = many.tensor(prior.centre), many.tensor(prior.sd)
    low, high = bounds(p)
    to = torch.as_tensor(spread(np.arange(p), groups), device=x.device)

    def density(flat: Floats) -> tuple[Tensor, Tensor]:
        theta = many.tensor(flat.reshape(r, p))
        value, slope = log_likelihood(many, theta[:, to])
        off = (theta - centre) / sd
        own = torch.zeros_like(theta).index_add_(1, to, slope)
        return value - 0.5 * off.square().sum(-1), own - off / sd

    def loss(flat: Floats) -> tuple[float, Floats]:
        try:
            value, slope = density(flat)
        except RuntimeError:  # not positive definite: a step too far
            return np.inf, np.zeros(r * p)
        return -float(value.sum()), -slope.cpu().numpy().ravel()

    with torch.inference_mode():
        begin = np.clip(starts, low, high).ravel()
        within = list(zip(np.tile(low, r), np.tile(high, r), strict=True))
        options = {"maxiter": iterations, "ftol": 1e-6}
        found = minimize(loss, begin, jac=True, method="L-BFGS-B", bounds=within, options=options)
        value = density(found.x)[0].cpu().numpy()
    # The last digits hang on the machine's arithmetic; rounded, they do not.
    return np.asarray(np.round(found.x.reshape(r, p)[int(np.argmax(value))], 6))


def spread(theta: Any, groups: Any) -> Any:
    """Theta (g + 3,) with the scale of its group for each of the d columns, (d + 3,)."""
    return np.concatenate([theta[:-3][groups], theta[-3:]])
