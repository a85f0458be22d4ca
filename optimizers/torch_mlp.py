"""A multi-layer perceptron in torch with scikit-learn's algorithm, as scikit-learn estimators.

Adam on minibatches (Kingma, Ba 2015, "Adam: A Method for Stochastic Optimization", in the order of
computation of its section 2), weights and biases uniform within sqrt(6 / (fan in + fan out))
(Glorot, Bengio 2010, "Understanding the difficulty of training deep feedforward neural networks"),
L2 on the weights, and an end once the training loss stands still: what `sklearn.neural_network`
does under the same names. The gradients are written out; all parameters lie in one vector, so that
a step of Adam is six operations however deep the network is.
"""

from __future__ import annotations

from itertools import pairwise
from typing import Any, Self

import numpy as np
import torch
from numpy.typing import NDArray
from sklearn.base import BaseEstimator, ClassifierMixin, RegressorMixin
from sklearn.utils.multiclass import unique_labels
from sklearn.utils.validation import check_is_fitted, validate_data
from torch import Tensor

TOLERANCE, PATIENCE = 1e-4, 10
"""Training ends after so many epochs in which the loss did not fall by so much."""

BETA_1, BETA_2, EPSILON = 0.9, 0.999, 1e-8


class _Perceptron(BaseEstimator):  # type: ignore[misc]
    """What the classifier and the regressor share; see `MLPClassifier`."""

    def __init__(
        self,
        *,
        width: int = 64,
        depth: int = 1,
        activation: str = "relu",
        alpha: float = 1e-4,
        learning_rate: float = 1e-3,
        epochs: int = 64,
        batch_size: int = 128,
        seed: int = 0,
        device: str = "cpu",
    ) -> None:
        self.width = width
        self.depth = depth
        self.activation = activation
        self.alpha = alpha
        self.learning_rate = learning_rate
        self.epochs = epochs
        self.batch_size = batch_size
        self.seed = seed
        self.device = device

    def _train(self, x: NDArray[Any], target: NDArray[Any], *, softmax: bool) -> None:
        """Fit to `target` (n, outputs): class indicators with `softmax`, else numbers."""
        rng = torch.Generator().manual_seed(self.seed)
        inputs = torch.as_tensor(np.ascontiguousarray(x, np.float32), device=self.device)
        wanted = torch.as_tensor(np.ascontiguousarray(target, np.float32), device=self.device)
        n, size = len(inputs), min(self.batch_size, len(inputs))
        widths = [inputs.shape[1], *[self.width] * self.depth, wanted.shape[1]]
        theta = _glorot(widths, rng).to(self.device)
        gradient, m, v = (torch.zeros_like(theta) for _ in range(3))
        layers, slopes = _layers(theta, widths), _layers(gradient, widths)
        best, stale, step = np.inf, 0, 0
        for _ in range(self.epochs):
            total = torch.zeros((), device=self.device)
            order = torch.randperm(n, generator=rng).to(self.device)
            for rows in torch.split(order, size):
                step += 1
                share = self._slope(inputs[rows], wanted[rows], layers, slopes, softmax=softmax)
                total += share * len(rows)
                m.lerp_(gradient, 1 - BETA_1)
                v.mul_(BETA_2).addcmul_(gradient, gradient, value=1 - BETA_2)
                rate = self.learning_rate * np.sqrt(1 - BETA_2**step) / (1 - BETA_1**step)
                theta.addcdiv_(m, v.sqrt().add_(EPSILON), value=-rate)
            loss = float(total) / n
            if not np.isfinite(loss):
                raise ValueError(f"training diverged: the loss is {loss}; lower the learning rate")
            stale = stale + 1 if loss > best - TOLERANCE else 0
            best = min(best, loss)
            if stale > PATIENCE:
                break
        self.coefs_ = [w.cpu().numpy().copy() for w, _ in layers]
        self.intercepts_ = [b.cpu().numpy().copy() for _, b in layers]
        self.loss_ = loss

    def _slope(
        self,
        x: Tensor,
        wanted: Tensor,
        layers: list[tuple[Tensor, Tensor]],
        slopes: list[tuple[Tensor, Tensor]],
        *,
        softmax: bool,
    ) -> Tensor:
        """Write the gradient of the batch's loss into `slopes`; returns the loss, a scalar.

        The loss is the mean over the batch of the cross-entropy, or of half the squared error
        summed over outputs, plus alpha / (2 n) times the squares of the weights.
        """
        hidden = _hidden(x, layers, self.activation)
        z = torch.addmm(layers[-1][1], hidden[-1], layers[-1][0])  # (batch, outputs)
        if softmax:
            logs = z.log_softmax(dim=1)
            loss = -(logs * wanted).sum()
            delta = logs.exp() - wanted
        else:
            delta = z - wanted
            loss = 0.5 * delta.square().sum()
        n = len(x)
        delta = delta / n
        for (w, _), (dw, db), a in zip(layers[::-1], slopes[::-1], hidden[::-1], strict=True):
            loss = loss + 0.5 * self.alpha * w.square().sum()
            torch.addmm(w, a.T, delta, beta=self.alpha / n, out=dw)
            torch.sum(delta, dim=0, out=db)
            if a is not x:
                delta = delta @ w.T
                delta = delta * (a > 0) if self.activation == "relu" else delta * (1 - a * a)
        return loss / n

    def _outputs(self, x: Any) -> Tensor:
        """The last layer before softmax, (n, outputs)."""
        check_is_fitted(self)
        x = validate_data(self, x, reset=False, dtype=np.float32)
        place = torch.as_tensor(np.ascontiguousarray(x), device=self.device)
        layers = [
            (torch.as_tensor(w, device=self.device), torch.as_tensor(b, device=self.device))
            for w, b in zip(self.coefs_, self.intercepts_, strict=True)
        ]
        last = _hidden(place, layers, self.activation)[-1]
        return torch.addmm(layers[-1][1], last, layers[-1][0]).cpu()


class MLPClassifier(ClassifierMixin, _Perceptron):  # type: ignore[misc]
    """A perceptron with a softmax output, trained on the cross-entropy.

    Args:
        width, depth: Units of each hidden layer, and how many of these there are.
        activation: `relu` or `tanh`.
        alpha: Weight of the L2 penalty.
        learning_rate: Of Adam.
        epochs: At most so many passes over the data.
        batch_size: Rows of a step; at most all of them.
        seed: Of the first weights and the order of rows.
        device: Where it is trained; what was learnt is kept as NumPy arrays.

    Raises:
        ValueError: The loss left the finite numbers while training.
    """

    def fit(self, x: Any, y: Any) -> Self:
        """Learn from rows `x` (n, d) of classes `y` (n,)."""
        x, y = validate_data(self, x, y, dtype=np.float32)
        self.classes_ = unique_labels(y)
        self._train(x, np.asarray(y)[:, None] == self.classes_, softmax=True)
        return self

    def predict_proba(self, x: Any) -> NDArray[np.float64]:
        """The probability of each class, (n, classes)."""
        found: NDArray[np.float64] = self._outputs(x).double().softmax(dim=1).numpy()
        return found

    def predict(self, x: Any) -> NDArray[Any]:
        """The most probable class of each row, (n,)."""
        places = self._outputs(x).argmax(dim=1).numpy()
        found: NDArray[Any] = self.classes_[places]
        return found


class MLPRegressor(RegressorMixin, _Perceptron):  # type: ignore[misc]
    """A perceptron with a linear output, trained on half the squared error; see `MLPClassifier`."""

    def fit(self, x: Any, y: Any) -> Self:
        """Learn from rows `x` (n, d) and numbers `y` (n,)."""
        x, y = validate_data(self, x, y, dtype=np.float32, y_numeric=True)
        self._train(x, np.asarray(y)[:, None], softmax=False)
        return self

    def predict(self, x: Any) -> NDArray[np.float64]:
        """The number of each row, (n,)."""
        found: NDArray[np.float64] = self._outputs(x).double().numpy()[:, 0]
        return found


def _glorot(widths: list[int], rng: torch.Generator) -> Tensor:
    """First weights and biases of all layers, one after the other in one vector."""
    parts = []
    for fan_in, fan_out in pairwise(widths):
        bound = (6 / (fan_in + fan_out)) ** 0.5
        drawn = torch.rand(fan_in * fan_out + fan_out, generator=rng, dtype=torch.float32)
        parts.append(bound * (2 * drawn - 1))
    return torch.cat(parts)


def _layers(theta: Tensor, widths: list[int]) -> list[tuple[Tensor, Tensor]]:
    """Weights (fan in, fan out) and biases (fan out,) of each layer, as views of the vector."""
    layers, start = [], 0
    for fan_in, fan_out in pairwise(widths):
        middle = start + fan_in * fan_out
        weights = theta[start:middle].view(fan_in, fan_out)
        layers.append((weights, theta[middle : middle + fan_out]))
        start = middle + fan_out
    return layers


def _hidden(x: Tensor, layers: list[tuple[Tensor, Tensor]], activation: str) -> list[Tensor]:
    """What goes into each layer: the rows, then the activations, each (n, fan in)."""
    into = [x]
    for w, b in layers[:-1]:
        z = torch.addmm(b, into[-1], w)
        into.append(z.relu_() if activation == "relu" else z.tanh_())
    return into
