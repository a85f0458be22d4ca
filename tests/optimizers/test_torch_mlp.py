"""The perceptron's gradient is the one of its loss, and it learns as well as scikit-learn's."""

from __future__ import annotations

import warnings

import numpy as np
import pytest
import torch
from sklearn.base import clone
from sklearn.datasets import load_breast_cancer, load_diabetes, load_iris, load_wine
from sklearn.model_selection import KFold, StratifiedKFold, cross_val_score
from sklearn.neural_network import MLPClassifier as TheirClassifier
from sklearn.neural_network import MLPRegressor as TheirRegressor
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from optimizers.torch_mlp import MLPClassifier, MLPRegressor, _glorot, _layers


@pytest.mark.parametrize("activation", ["relu", "tanh"])
@pytest.mark.parametrize("softmax", [True, False])
def test_the_gradient_is_that_of_the_penalised_loss(activation, softmax):
    rng = torch.Generator().manual_seed(0)
    x = torch.randn(20, 5, generator=rng)
    wanted = torch.eye(3)[torch.randint(3, (20,), generator=rng)]
    widths, alpha = [5, 7, 6, 3], 0.3
    theta = _glorot(widths, rng)
    gradient = torch.zeros_like(theta)
    mlp = MLPClassifier(activation=activation, alpha=alpha)
    found = mlp._slope(
        x, wanted, _layers(theta, widths), _layers(gradient, widths), softmax=softmax
    )

    free = theta.clone().requires_grad_()
    h = x
    layers = _layers(free, widths)
    for w, b in layers[:-1]:
        h = getattr(torch, activation)(h @ w + b)
    z = h @ layers[-1][0] + layers[-1][1]
    if softmax:
        loss = torch.nn.functional.cross_entropy(z, wanted)
    else:
        loss = 0.5 * (z - wanted).square().sum() / len(x)
    loss = loss + alpha / (2 * len(x)) * sum(w.square().sum() for w, _ in layers)
    loss.backward()
    torch.testing.assert_close(found, loss.detach())
    torch.testing.assert_close(gradient, free.grad, atol=1e-6, rtol=1e-4)


PAIRS = {
    "iris": (load_iris, {"learning_rate": 0.01}),
    "wine": (load_wine, {"activation": "tanh", "depth": 2, "learning_rate": 0.01}),
    "cancer": (load_breast_cancer, {"alpha": 0.01, "batch_size": 32, "epochs": 16}),
}


@pytest.mark.parametrize("name", PAIRS)
def test_it_classifies_as_well_as_scikit_learns(name):
    load, given = PAIRS[name]
    x, y = load(return_X_y=True)
    p = MLPClassifier(**given).get_params()
    ours, theirs = [], []
    for seed in range(3):
        folds = StratifiedKFold(3, shuffle=True, random_state=seed)
        mine = MLPClassifier(**{**p, "seed": seed})
        other = TheirClassifier(
            (p["width"],) * p["depth"],
            activation=p["activation"],
            alpha=p["alpha"],
            learning_rate_init=p["learning_rate"],
            max_iter=p["epochs"],
            batch_size=min(p["batch_size"], len(x) * 2 // 3),
            random_state=seed,
        )
        with warnings.catch_warnings(action="ignore"):  # theirs says that it could go on
            for model, found in ((mine, ours), (other, theirs)):
                scaled = make_pipeline(StandardScaler(), model)
                found.append(cross_val_score(scaled, x, y, cv=folds).mean())
    assert np.mean(ours) > np.mean(theirs) - 0.015
    assert np.mean(ours) > 0.93


def test_it_predicts_numbers_as_well_as_scikit_learns():
    x, y = load_diabetes(return_X_y=True)
    y = (y - y.mean()) / y.std()
    x = StandardScaler().fit_transform(x)
    folds = KFold(3, shuffle=True, random_state=0)
    with warnings.catch_warnings(action="ignore"):
        theirs = TheirRegressor(
            hidden_layer_sizes=(64,), max_iter=64, batch_size=128, random_state=0
        )
        expected = cross_val_score(theirs, x, y, cv=folds).mean()
    found = cross_val_score(MLPRegressor(seed=0), x, y, cv=folds).mean()
    assert found == pytest.approx(expected, abs=0.05)
    assert found > 0.4


def test_the_seed_alone_decides_and_the_global_one_is_left_alone(device):
    x, y = load_iris(return_X_y=True)
    before = torch.random.get_rng_state()
    one, two, other = (MLPClassifier(seed=s, epochs=3, device=device).fit(x, y) for s in (1, 1, 2))
    assert torch.equal(before, torch.random.get_rng_state())
    assert all(np.allclose(a, b) for a, b in zip(one.coefs_, two.coefs_, strict=True))
    assert not np.allclose(one.coefs_[0], other.coefs_[0])
    assert one.coefs_[0].dtype == np.float32


def test_it_is_an_estimator_like_any_other():
    x, y = load_iris(return_X_y=True)
    names = np.array(["setosa", "versicolor", "virginica"])[y]
    model = clone(MLPClassifier(epochs=20, batch_size=1000, learning_rate=0.05)).fit(x, names)
    assert list(model.classes_) == sorted(set(names))
    assert model.score(x, names) > 0.9
    probability = model.predict_proba(x)
    assert np.allclose(probability.sum(axis=1), 1)
    assert (model.classes_[probability.argmax(axis=1)] == model.predict(x)).all()
    with pytest.raises(ValueError, match="expecting 4 features"):
        model.predict(x[:, :2])


def test_training_ends_where_the_loss_stands_still():
    x = np.zeros((40, 2))
    slow = MLPClassifier(epochs=10_000, learning_rate=0.05).fit(x, np.arange(40) % 2)
    assert slow.loss_ == pytest.approx(np.log(2), abs=0.01)  # in well under 10,000 epochs


def test_a_loss_that_leaves_the_finite_numbers_is_said():
    x = np.full((8, 1), 1e30)
    with pytest.raises(ValueError, match="diverged"):
        MLPRegressor(epochs=3).fit(x, np.arange(8.0))
