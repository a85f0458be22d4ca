"""Pre-training: the kernel of a Gaussian process over configurations, learnt from past tasks.

Wang, Dahl, Swersky, Lee, Nado, Gilmer, Snoek, Ghahramani 2021, "Pre-trained Gaussian processes for
Bayesian optimization" (HyperBO): hyperparameters of greatest likelihood on all past tasks at once.
"""

from __future__ import annotations

from dataclasses import dataclass
from hashlib import blake2b
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from metadb.protocols import Floats
from recommenders.candidates import Pool
from recommenders.completion import Completion
from recommenders.past import past

if TYPE_CHECKING:
    from torch import Tensor

TASKS = 16
"""So many past tasks stand in for new ones, each told what the others say of it."""

POINTS = 80
"""Of each, so many of its results."""

STEPS, RATE = 60, 0.12


@dataclass(frozen=True, slots=True, eq=False)
class Kernel:
    """What is believed of a task's scores z: N(trust * mean, shared C + own Matern52 + noise).

    Args:
        trust: How much of the past tasks' mean is expected of a new task.
        shared: The part of the covariance C between past tasks that is expected.
        own: Variance of what no past task says of a new one, smooth over configurations.
        scale: Its length scales, a column each, (width,).
        noise: Variance of what is no function of the configuration.
    """

    trust: float
    shared: float
    own: float
    scale: Floats
    noise: float

    def smooth(self, a: Floats, b: Floats) -> Floats:
        """The own part of the covariance of a (n, width) and b (m, width), (n, m)."""
        from scipy.spatial.distance import cdist

        s = 5**0.5 * cdist(a / self.scale, b / self.scale)
        covariance: Floats = self.own * (1 + s + s * s / 3) * np.exp(-s)
        return covariance


def scores(regret: Floats, panel: Floats | None = None) -> Floats:
    """Roots of regrets, standardised within each task: good configs apart, bad ones together.

    Args:
        regret: (tasks, n).
        panel: Regrets whose roots' mean and deviation are taken, (tasks, panel); default: regret.
    """
    usual = np.sqrt(regret if panel is None else panel)
    mean = usual.mean(axis=1, keepdims=True)
    deviation = (usual - mean).std(axis=1, keepdims=True)
    z: Floats = (np.sqrt(regret) - mean) / np.where(deviation > 1e-9, deviation, 1.0)
    return z


def moments(z: Floats, weight: Floats) -> tuple[Floats, Floats]:
    """Weighted mean over tasks (n,), and D (tasks, n) such that D'D is their covariance."""
    w = weight / weight.sum()
    mean: Floats = w @ z
    return mean, np.sqrt(w)[:, None] * (z - mean)


def pretrained_kernel(
    completion: Completion, weights: Floats, *, device: str = "cpu"
) -> tuple[Kernel, float]:
    """The kernel of greatest likelihood on past tasks that stand in for new ones, and the logarithm
    of that likelihood.

    Args:
        weights: How much each task counts for another, 0 for itself, (tasks, tasks).
        device: Where torch computes.
    """
    import torch

    width = completion.configs.x.shape[1]
    usual = np.log(0.5 * max(width, 1) ** 0.5)
    told = list(_stand_ins(completion, weights))
    if not told:
        return Kernel(1.0, 1.0, 0.3, np.full(width, np.exp(usual)), 0.1), -np.inf
    n = max(len(z) for _, z, _, _ in told)
    x, z, mean, shared, there = (torch.as_tensor(a, device=device) for a in _padded(told, n))
    start = [0.0, -0.5, -1.2, -1.5, *[usual] * width]
    theta = torch.tensor(start, dtype=torch.float64, device=device)
    centre = theta.clone()
    sd = torch.tensor([0.5, 2.0, 2.0, 2.0] + [1.0] * width, dtype=torch.float64, device=device)
    first, second = torch.zeros_like(centre), torch.zeros_like(centre)
    with torch.inference_mode():  # the gradient is in closed form: nothing is to be recorded
        for step in range(1, STEPS + 1):  # Adam (Kingma, Ba 2015); torch's own loads its compiler
            value, along = _log_likelihood(theta, x, z, mean, shared, there)
            off = (theta - centre) / sd
            value = value - off.square().sum() / 2
            slope = off / sd - along
            first = 0.9 * first + 0.1 * slope
            second = 0.999 * second + 0.001 * slope.square()
            move = (first / (1 - 0.9**step)) / ((second / (1 - 0.999**step)).sqrt() + 1e-8)
            rate = RATE * 0.5 * (1 + np.cos(np.pi * (step - 1) / STEPS))
            theta = theta - rate * move
    found = np.exp(np.round(theta.cpu().numpy(), 6))
    kernel = Kernel(
        float(found[0]), float(found[1]), float(found[2]), found[4:], float(found[3]) + 1e-3
    )
    return kernel, float(value)


def _log_likelihood(
    theta: Tensor, x: Tensor, z: Tensor, mean: Tensor, shared: Tensor, there: Tensor
) -> tuple[Tensor, Tensor]:
    """Summed over tasks, and its gradient in theta (4 + width,), in closed form as in `matern`.

    Padded points have variance 1 and nothing to explain; `shared` is 0 there.
    """
    import torch

    trust, part, own, noise = theta[:4].exp()
    a = x / theta[4:].exp()
    norm = a.square().sum(-1)
    square = norm[:, :, None] + norm[:, None, :] - 2 * (a @ a.mT)
    s = square.clamp_min_(0.0).mul_(5).add_(1e-12).sqrt_()
    bell = (-s).exp_().mul_(own)  # own exp(-s)
    if not bool(there.all()):
        bell.mul_(there[:, :, None]).mul_(there[:, None, :])
    smooth = (s.square() / 3).add_(s).add_(1.0).mul_(bell)
    k = (part * shared).add_(smooth)
    k.diagonal(dim1=-2, dim2=-1).add_(torch.where(there > 0, noise + 1e-3, 1.0))
    factor = torch.linalg.cholesky(k)
    off = ((z - trust * mean) * there)[..., None]
    alpha = torch.cholesky_solve(off, factor)
    logdet = factor.diagonal(dim1=-2, dim2=-1).log().sum()
    value = -0.5 * (off * alpha).sum() - logdet
    # With W = (alpha alpha' - K^-1) / 2 the derivative in a parameter of K is sum(W * dK).
    w = torch.cholesky_inverse(factor).neg_().baddbmm_(alpha, alpha.mT).mul_(0.5)
    own_noise = noise * (w.diagonal(dim1=-2, dim2=-1) * there).sum()
    flat = w.flatten()
    of_shared, of_smooth = flat @ shared.flatten(), flat @ smooth.flatten()
    three = [trust * (alpha[..., 0] * mean).sum(), part * of_shared, of_smooth]
    # dk / dlog scale_j = 5/3 own (1 + s) exp(-s) (x_j - x'_j)^2 / scale_j^2
    v = s.add_(1.0).mul_(bell).mul_(w)
    scale = 10 / 3 * ((v.sum(-1)[..., None] * a.square()).sum((0, 1)) - (a * (v @ a)).sum((0, 1)))
    return value, torch.cat([torch.stack([*three, own_noise]), scale])


Told = tuple[Floats, Floats, Floats, Floats]


def _stand_ins(completion: Completion, weights: Floats) -> list[Told]:
    """Of each chosen task: x (m, width), its z, the others' mean of it and covariance."""
    told: list[Told] = []
    for t in _chosen(completion.tasks):
        rows = np.flatnonzero(completion.task == t)
        if len(rows) < 5 or np.ptp(completion.regret[rows]) == 0 or not (weights[t] > 0).any():
            continue
        if len(rows) > 4 * POINTS:  # of many results some, always the same ones
            rows = rows[np.random.default_rng(0).permutation(len(rows))[: 4 * POINTS]]
            rows.sort()
        places = completion.config[rows]
        own = Pool(completion.configs, completion.configs.take(places), places)
        z = scores(past(completion, own).regret.T)  # (tasks, m)
        others = np.flatnonzero(weights[t] > 0)
        mean, deviation = moments(z[others], weights[t, others])
        few = np.random.default_rng(1).permutation(len(rows))[:POINTS]
        told.append((own.x[few], z[t, few], mean[few], deviation[:, few].T @ deviation[:, few]))
    return told


def _chosen(tasks: tuple[str, ...]) -> NDArray[np.intp]:
    """Some tasks, drawn by their names: leaving one out changes the choice little."""
    drawn = [blake2b(task.encode(), digest_size=8).digest() for task in tasks]
    return np.array(sorted(range(len(tasks)), key=drawn.__getitem__)[:TASKS], np.intp)


def _padded(told: list[Told], n: int) -> tuple[Floats, Floats, Floats, Floats, Floats]:
    b, width = len(told), told[0][0].shape[1]
    x, shared = np.zeros((b, n, width)), np.zeros((b, n, n))
    z, mean, there = np.zeros((b, n)), np.zeros((b, n)), np.zeros((b, n))
    for i, (xs, zs, means, covariance) in enumerate(told):
        m = len(zs)
        x[i, :m], z[i, :m], mean[i, :m], there[i, :m] = xs, zs, means, 1.0
        shared[i, :m, :m] = covariance
    return x, z, mean, shared, there
