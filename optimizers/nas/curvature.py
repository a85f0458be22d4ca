"""The largest eigenvalue of a loss's Hessian, by products with vectors alone."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor

EXACT = 12
"""Hessians of so few rows are made whole."""


def largest_eigenvalue(loss: Tensor, at: Tensor) -> float:
    """The largest eigenvalue (not in absolute value) of the Hessian of a loss.

    It costs some tens of backward passes (Lanczos' method), whatever the size.

    Args:
        loss: A scalar whose graph leads to `at`.
        at: The tensor by whose entries it is derived.
    """
    from scipy.sparse.linalg import LinearOperator, eigsh

    (grad,) = torch.autograd.grad(loss, at, create_graph=True)
    n = at.numel()

    def product(v: np.ndarray) -> np.ndarray:
        given = torch.from_numpy(np.ascontiguousarray(v, np.float64).reshape(at.shape)).to(at)
        if not grad.requires_grad:  # the loss is linear
            return np.zeros(n)
        (found,) = torch.autograd.grad(grad, at, given, retain_graph=True, allow_unused=True)
        if found is None:
            return np.zeros(n)
        return found.detach().double().cpu().numpy().ravel()

    if n <= EXACT:
        whole = np.stack([product(row) for row in np.eye(n)])
        return float(np.linalg.eigvalsh((whole + whole.T) / 2)[-1])
    first = np.random.default_rng(0).standard_normal(n)
    hessian = LinearOperator((n, n), matvec=product, dtype=np.float64)
    (value,) = eigsh(hessian, k=1, which="LA", v0=first, tol=1e-4, return_eigenvectors=False)
    return float(value)


__all__ = ["largest_eigenvalue"]
