"""The posterior of one Gaussian process, factorised once: predictions, their slopes, joint draws.

For searches that ask a model of few points many thousand times. With L the Cholesky factor of the
kernel matrix and R its inverse, mean(x) = m + k(x)' R' R (y - m), variance(x) = v - |R k(x)|^2; the
slope of k in x is in closed form, so what is built on mean and deviation can be climbed.
Rasmussen, Williams 2006, "Gaussian processes for machine learning", chapter 2.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Self

import numpy as np

from metadb.protocols import Floats
from recommenders.matern import JITTER, Points, matern52

if TYPE_CHECKING:
    from torch import Tensor

_LEAST = 1e-12
"""The least variance of f, as a share of its prior variance: rounding must not make it negative."""

_NOISE = 1e-7
"""The variance of the noise in a joint draw, as a share of the prior variance."""

_ROWS = 4096
"""So many points are predicted at once, so that memory stays bounded."""


@dataclass(frozen=True, slots=True, eq=False)
class Posterior:
    """What a GP says after n points; tensors, in double precision, where the device is.

    Args:
        x: (1, n, d). theta: `Hyperparameters.theta` of the task, (1, p).
        root: R, (n, n). off: y less the mean, (n, 1).
        device: Where torch computes.
    """

    x: Tensor
    theta: Tensor
    root: Tensor
    off: Tensor
    device: str = "cpu"

    @classmethod
    def of(cls, x: Floats, y: Floats, theta: Floats, *, device: str = "cpu") -> Self:
        """Of points x (n, d), y (n,) with the hyperparameters theta (p,); costs n^3."""
        import torch

        with torch.inference_mode():
            points = Points.of(x[None], y[None], np.ones((1, len(y))), device)
            hyper = points.tensor(theta[None])
            eye = torch.eye(len(y), dtype=torch.float64, device=device)
            root = torch.linalg.solve_triangular(points.factor(hyper)[0], eye, upper=False)
            return cls(points.x, hyper, root, points.off(hyper)[0], device)

    def __len__(self) -> int:
        return self.x.shape[1]

    def condition(self, x: Floats, y: float) -> Self:
        """The same with one more point x (d,); hyperparameters are kept; costs n^2."""
        import torch

        with torch.inference_mode():
            new = self._tensor(x)[None, None]
            half = self.root @ matern52(self.x, new, self.theta)[0]  # (n, 1)
            variance, noise = self.theta[0, -3].exp(), self.theta[0, -2].exp() + JITTER
            delta = (variance + noise - half.square().sum()).clamp_min(noise).sqrt()
            row = torch.cat([-(half.mT @ self.root) / delta, 1 / delta.reshape(1, 1)], 1)
            root = torch.cat([torch.nn.functional.pad(self.root, (0, 1)), row])
            off = torch.cat([self.off, (y - self.theta[0, -1]).reshape(1, 1)])
            return replace(self, x=torch.cat([self.x, new], 1), root=root, off=off)

    def believe(self, x: Floats) -> Self:
        """The same as if points x (k, d) had come out, one after the other, as predicted."""
        model = self
        for row in x:
            model = model.condition(row, float(model.predict(row[None])[0][0]))
        return model

    def predict(self, x: Floats) -> tuple[Floats, Floats]:
        """Mean and standard deviation of f (without noise) at x (m, d), each (m,)."""
        import torch

        mean, sd = np.empty(len(x)), np.empty(len(x))
        with torch.inference_mode():
            alpha = self._alpha()
            for start in range(0, len(x), _ROWS):
                at = slice(start, start + _ROWS)
                k = matern52(self.x, self._tensor(x[at]), self.theta)[0]  # (n, m)
                mean[at] = (self.theta[0, -1] + (alpha.mT @ k)[0]).cpu().numpy()
                sd[at] = self._sd(self.root @ k).cpu().numpy()
        return mean, sd

    def slopes(self, x: Floats) -> tuple[Floats, Floats, Floats, Floats]:
        """Mean and standard deviation, each (m,), and their slopes in x, each (m, d).

        d k(x, x_i) / dx = -5/3 v (1 + s) exp(-s) (x - x_i) / scale^2 with s = 5^.5 r.
        """
        import torch

        with torch.inference_mode():
            scale = self.theta[0, :-3].exp()
            z, zi = self._tensor(x) / scale, self.x[0] / scale
            s = torch.cdist(z, zi, compute_mode="donot_use_mm_for_euclid_dist").mul_(5**0.5)
            bell = (-s).exp().mul_(self.theta[0, -3].exp())  # (m, n)
            k = (1 + s + s.square() / 3).mul_(bell)
            alpha, half = self._alpha(), self.root @ k.mT  # (n, 1), (n, m)
            sd = self._sd(half)
            w = (1 + s).mul_(bell).mul_(-5 / 3)
            of_mean, of_variance = w * alpha.mT, w * (self.root.mT @ half).mT
            mean = self.theta[0, -1] + (k @ alpha)[:, 0]
            d_mean = (z * of_mean.sum(1, keepdim=True) - of_mean @ zi) / scale
            d_variance = -2 * (z * of_variance.sum(1, keepdim=True) - of_variance @ zi) / scale
            d_sd = d_variance / (2 * sd[:, None])
            return tuple(t.cpu().numpy() for t in (mean, sd, d_mean, d_sd))  # type: ignore[return-value]

    def sample(self, x: Floats, rng: np.random.Generator) -> Floats:
        """One joint draw of f at x (m, d), (m,); costs m^3."""
        import torch

        with torch.inference_mode():
            xs = self._tensor(x)
            k = matern52(self.x, xs, self.theta)[0]
            half = self.root @ k
            joint = matern52(xs[None], xs[None], self.theta)[0] - half.mT @ half
            # A posterior covariance may be singular but for rounding: a little noise more.
            joint.diagonal().add_(_NOISE * self.theta[0, -3].exp())
            draw = torch.linalg.cholesky(joint) @ self._tensor(rng.standard_normal(len(x)))
            mean = self.theta[0, -1] + (self._alpha().mT @ k)[0]
            return np.asarray((mean + draw).cpu().numpy())

    def _alpha(self) -> Tensor:
        """K^-1 (y - m), (n, 1)."""
        return self.root.mT @ (self.root @ self.off)

    def _sd(self, half: Tensor) -> Tensor:
        variance = self.theta[0, -3].exp()
        return (variance - half.square().sum(0)).clamp_min(_LEAST * variance).sqrt()

    def _tensor(self, values: Floats) -> Tensor:
        import torch

        return torch.as_tensor(np.ascontiguousarray(values), dtype=torch.float64).to(self.x.device)
