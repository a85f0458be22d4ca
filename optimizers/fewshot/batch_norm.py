"""Batch norm by a batch's own statistics, made to be differentiated twice.

Ioffe, Szegedy 2015, "Batch Normalization", https://arxiv.org/abs/1502.03167. The gradient of its
gradient is a sum of three tensors with a factor for each channel, so that three sums over the batch
and two such sums of tensors are enough; torch's own composes it of some forty passes, which was a
third of an outer step of MAML on 25 images (four blocks of 64 channels).
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn
from torch.autograd.function import once_differentiable
from torch.nn.functional import batch_norm

LARGE = 500_000
"""So many numbers on a CPU are worth it: with fewer, and under `vmap`, torch's own is as fast."""

_BACKWARD = torch.ops.aten.native_batch_norm_backward


class ByBatch(nn.Module):
    """What a batch norm does in training, without running statistics, in training and after it.

    Args:
        norm: Whose parameters and epsilon it takes.
    """

    def __init__(self, norm: nn.modules.batchnorm._BatchNorm) -> None:
        super().__init__()
        self.weight, self.bias, self.eps = norm.weight, norm.bias, norm.eps

    def forward(self, x: Tensor) -> Tensor:
        """Inputs (n, channels, ...) with mean `bias` and deviation `weight` in each channel."""
        if x.device.type != "cpu" or x.numel() < LARGE:
            return batch_norm(x, None, None, self.weight, self.bias, True, 0.0, self.eps)
        found: Tensor = _Normed.apply(x, self.weight, self.bias, self.eps)[0]  # type: ignore[no-untyped-call]
        return found


class _Normed(torch.autograd.Function):
    generate_vmap_rule = True

    @staticmethod
    def forward(x: Tensor, weight: Tensor, bias: Tensor, eps: float) -> tuple[Tensor, ...]:
        found: tuple[Tensor, ...] = torch.native_batch_norm(
            x, weight, bias, None, None, True, 0.0, eps
        )
        return found

    @staticmethod
    def setup_context(ctx: Any, inputs: tuple[Any, ...], output: tuple[Tensor, ...]) -> None:
        x, weight, _, ctx.eps = inputs
        _, mean, inverse = output
        ctx.mark_non_differentiable(mean, inverse)
        ctx.save_for_backward(x, weight, mean, inverse)

    @staticmethod
    def backward(ctx: Any, slope: Tensor, *_: Any) -> tuple[Tensor | None, ...]:
        return (*_Sloped.apply(slope, *ctx.saved_tensors, ctx.eps), None)  # type: ignore[no-untyped-call]


class _Sloped(torch.autograd.Function):
    """The gradients of inputs, weight and bias from that of the outputs."""

    generate_vmap_rule = True

    @staticmethod
    def forward(
        slope: Tensor, x: Tensor, weight: Tensor, mean: Tensor, inverse: Tensor, eps: float
    ) -> tuple[Tensor, ...]:
        found: tuple[Tensor, ...] = _BACKWARD(
            slope, x, weight, None, None, mean, inverse, True, eps, [True, True, True]
        )
        return found

    @staticmethod
    def setup_context(ctx: Any, inputs: tuple[Any, ...], output: tuple[Tensor, ...]) -> None:
        _, to_weight, to_bias = output
        ctx.save_for_backward(*inputs[:5], to_weight, to_bias)

    @staticmethod
    @once_differentiable
    def backward(
        ctx: Any, along: Tensor, along_weight: Tensor, along_bias: Tensor
    ) -> tuple[Tensor | None, ...]:
        """From directions in which the three gradients are moved to what that does to the loss.

        With z the normed inputs, g the slope, v the direction and r the inverse deviation, the
        gradient of the inputs is a (g - mean(g) - z mean(g z)), a = weight r.
        """
        slope, x, weight, mean, r, gz, g = ctx.saved_tensors
        over = [0, *range(2, x.dim())]
        wide = (1, -1, *[1] * (x.dim() - 2))
        count = x.numel() / x.shape[1]
        z = (x - mean.view(wide)) * r.view(wide)
        v = along.sum(over)
        vz, vg = (along * z).sum(over), (along * slope).sum(over)
        a = weight * r
        held = vg - (v * g + vz * gz) / count  # direction times gradient of the inputs, over a
        on_v, on_g = -a * r * gz / count, -a * r * vz / count + along_weight * r
        on_z = -a * r * (held - 2 * gz * vz / count) / count - along_weight * r * gz / count
        rest = -(on_v * v + on_g * g) / count
        to_x = torch.addcmul(rest.view(wide), z, on_z.view(wide))
        to_x = to_x.addcmul(along, on_v.view(wide)).addcmul(slope, on_g.view(wide))
        own = along_weight - a * vz / count
        to_slope = torch.addcmul((along_bias - a * v / count).view(wide), z, own.view(wide))
        return to_slope.addcmul(along, a.view(wide)), to_x, r * held, None, None, None
