"""The posteriors of many Gaussian processes, factorised once: for a search that asks them often.

`GP.predict` factorises anew at each call, which is right for one call with many points. A search
asks thousands of points in many calls, of the same past tasks. As in `Posterior`, R is the inverse
of the Cholesky factor: mean(x) = m + k(x)' alpha, variance(x) = v - |R k(x)|^2.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, fields
from typing import TYPE_CHECKING, Any, Self

import numpy as np

from metadb.protocols import Floats
from recommenders.gp import GP
from recommenders.matern import Points

if TYPE_CHECKING:
    from torch import Tensor

_CACHE, _MEMORY = 100_000, 4_000_000
"""Cells of the largest array of one piece of work: on a CPU it stays in the cache."""


@dataclass(frozen=True, slots=True, eq=False)
class Posteriors:
    """What the GPs of some tasks say; tensors, in double precision, where the device is.

    Args:
        x: Points divided by the task's scales, (b, n, d). scale: (b, 1, d).
        root: R, 0 where padded, (b, n, n). alpha: K^-1 (y - mean), (b, n, 1).
        mean: Of f, (b, 1). variance: Of f, (b, 1).
        offset: Of y, (b, 1). width: Of y, (b, 1).
    """

    x: Tensor
    scale: Tensor
    root: Tensor
    alpha: Tensor
    mean: Tensor
    variance: Tensor
    offset: Tensor
    width: Tensor

    @classmethod
    def of(cls, gp: GP) -> Self:
        """Those of a batch of GPs; costs n^3 and keeps n^2 numbers a task."""
        import torch

        with torch.inference_mode():
            points = Points.of(gp.x, gp.y, gp.mask, gp.device)
            theta = points.tensor(gp.hyper.theta)
            eye = torch.eye(gp.x.shape[1], dtype=theta.dtype, device=theta.device)
            root = torch.linalg.solve_triangular(points.factor(theta), eye, upper=False)
            root = root * points.mask[..., None]
            alpha = root.mT @ (root @ points.off(theta))
            scale = theta[:, None, :-3].exp()
            return cls(
                points.x / scale, scale, root, alpha, theta[:, -1:], theta[:, -3:-2].exp(),
                points.tensor(gp.offset[:, None]), points.tensor(gp.width[:, None]),
            )  # fmt: skip

    def __len__(self) -> int:
        return len(self.x)

    def take(self, tasks: Any) -> Self:
        """Those of some tasks only."""
        import torch

        rows = torch.as_tensor(np.asarray(tasks), device=self.x.device)
        return type(self)(*(getattr(self, part.name)[rows] for part in fields(self)))

    def predict(self, x: Floats) -> tuple[Floats, Floats]:
        """Mean and standard deviation of f (without noise) at x (m, d), each (b, m)."""
        import torch

        mean, sd = np.empty((len(self), len(x))), np.empty((len(self), len(x)))
        with torch.inference_mode():
            points = torch.as_tensor(np.ascontiguousarray(x), dtype=self.x.dtype).to(self.x.device)
            for rows, at in self._pieces(len(x)):
                k = self._kernel(rows, points[at])  # (tasks, n, points)
                f = self.mean[rows] + (self.alpha[rows].mT @ k)[:, 0]
                left = self.variance[rows] - (self.root[rows] @ k).square_().sum(-2)
                width = self.width[rows]
                mean[rows, at] = (f * width + self.offset[rows]).cpu().numpy()
                sd[rows, at] = (left.clamp_min_(0.0).sqrt_() * width).cpu().numpy()
        return mean, sd

    def _kernel(self, rows: slice, points: Tensor) -> Tensor:
        """v (1 + s + s^2 / 3) exp(-s), s = 5^.5 r, as `matern52`, (tasks, n, points)."""
        a, b = self.x[rows], points / self.scale[rows]
        square = (a.square().sum(-1)[..., None] + b.square().sum(-1)[:, None]).baddbmm_(
            a, b.mT, alpha=-2.0
        )
        s = square.mul_(5.0).clamp_min_(0.0).sqrt_()
        bell = (-s).exp_().mul_(self.variance[rows, None])
        return s.mul(1 / 3).add_(1.0).mul_(s).add_(1.0).mul_(bell)

    def _pieces(self, m: int) -> Iterator[tuple[slice, slice]]:
        """Tasks and points whose arrays have about so many cells as the device likes."""
        cells = _CACHE if self.x.device.type == "cpu" else _MEMORY
        n = max(self.x.shape[1], 1)
        points = max(1, min(m, cells // n))
        tasks = max(1, cells // (n * points))
        for first in range(0, len(self), tasks):
            for start in range(0, m, points):
                yield slice(first, first + tasks), slice(start, start + points)
