"""The pre-trained process: against a plain one in float64, draws from it, and its laws."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from scipy.stats import norm
from sklearn.gaussian_process.kernels import Matern

from metadb.history import Configs, History
from metadb.records import Evaluation, Task, Trial
from recommenders.acquisition import expected_improvement
from recommenders.candidates import pool
from recommenders.completion import Completion
from recommenders.evidence import CLOSE, SHARE
from recommenders.past import past
from recommenders.pretrained import GRID, Belief, Pretrained, _near, _pairs, _ranges, regret_curve
from recommenders.pretraining import Kernel, scores
from tests.contracts.test_recommenders import NEW, make_history

torch = pytest.importorskip("torch")


def smooth_history(seed=0, tasks=8, n=40) -> History:
    """Bowls whose bottoms differ a little, on other scales."""
    rng = np.random.default_rng(seed)
    x = rng.random((n, 2))
    bottom = np.array([0.6, 0.3]) + 0.1 * rng.standard_normal((tasks, 2))
    loss = ((x - bottom[:, None]) ** 2 @ [1.0, 3.0]) * rng.uniform(0.5, 2.0, (tasks, 1))
    loss += rng.uniform(0.0, 0.3, (tasks, 1))
    configs = Configs.of("bowls", [{"a": float(a), "b": float(b)} for a, b in x])
    task, config = np.indices(loss.shape).reshape(2, -1).astype(np.int32)
    one = np.ones(loss.size)
    names = tuple(f"bowl:{t}" for t in range(tasks))
    return History(
        "error_rate", names, configs, task, config, loss.ravel(), one, one,
        {"n": bottom[:, 0].copy()}, names,
    )  # fmt: skip


def with_kernel(history, **changed) -> Pretrained:
    """What is fitted, its kernel set by hand, all tasks alike."""
    kernel = Kernel(0.9, 0.8, 0.3, np.array([0.3, 0.6]), 0.05)
    return Pretrained(
        Completion.fit(history), replace(kernel, **changed), None, *_ranges(history), "error_rate"
    )


def ran(history, places, loss):
    return [
        Evaluation(Trial(history.configs[int(i)]), value)
        for i, value in zip(places, loss, strict=True)
    ]


def belief(fitted, observed, candidates=None) -> tuple[Belief, float]:
    allowed = pool(fitted.completion.configs, candidates)
    told = past(fitted.completion, allowed)
    tasks = told.regret.shape[1]
    return Belief.of(fitted, told, allowed.seen(observed), np.full(tasks, 1 / tasks))


def explicit(fitted, history):
    """Mean (n,) and covariance (n, n) of the scores before anything is seen, by the book."""
    k = fitted.kernel
    z = scores(fitted.completion.run(pool(history.configs)))
    covariance = k.shared * np.cov(z.T, ddof=0)
    covariance = covariance + k.own * Matern(k.scale, nu=2.5)(history.configs.x)
    return k.trust * z.mean(axis=0), covariance


def test_with_nothing_seen_it_is_what_past_tasks_say():
    history = smooth_history()
    fitted = with_kernel(history)
    mean, covariance = explicit(fitted, history)
    b = belief(fitted, [])
    np.testing.assert_allclose(b.mean[:, 0], mean, atol=1e-12)
    np.testing.assert_allclose(b.variance, np.diag(covariance), atol=1e-12)
    first = fitted.recommend(NEW, 1)[0]
    alone = fitted.completion.run(pool(history.configs)).mean(axis=0)
    assert first.config == history.configs[int(alone.argmin())]


def seen_scores(fitted, history, places, loss):
    """What is seen as scores, for each pair that is kept; and the pairs' shares; by the book."""
    z_past = scores(fitted.completion.run(pool(history.configs)))
    tasks = len(history.tasks)
    curve = regret_curve(z_past, fitted.completion.run(pool(history.configs)), np.ones(tasks))
    slope = np.gradient(curve, GRID)
    offset, unit, prior = _pairs(fitted.low, fitted.width, np.full(tasks, 1 / tasks), loss)
    mean, covariance = explicit(fitted, history)
    noisy = covariance[np.ix_(places, places)] + fitted.kernel.noise * np.eye(len(places))
    inverse, determinant = np.linalg.inv(noisy), np.linalg.slogdet(noisy)[1]
    found = []
    for o, u, p in zip(offset, unit, prior, strict=True):
        regret = (loss - o) / u
        z = np.interp(regret, curve, GRID)
        steep = np.interp(z, GRID, slope)
        z = z + np.maximum(regret - curve[-1], 0) / slope[-1]
        off = z - mean[places]
        density = -off @ inverse @ off / 2 - determinant / 2 - np.log(steep * u).sum()
        found.append((p + density, z, u))
    found.sort(key=lambda f: -f[0])
    return found


@pytest.mark.parametrize("n", [1, 4, 9])
def test_the_posterior_is_that_of_a_plain_process(n):
    history = smooth_history()
    fitted = with_kernel(history)
    rng = np.random.default_rng(n)
    places = rng.permutation(40)[:n]
    loss = 0.2 + rng.random(n)
    b = belief(fitted, ran(history, places, loss))
    mean, covariance = explicit(fitted, history)
    noisy = covariance[np.ix_(places, places)] + 0.05 * np.eye(n)
    gain = covariance[:, places] @ np.linalg.inv(noisy)
    np.testing.assert_allclose(
        b.variance, np.diag(covariance - gain @ covariance[places]), atol=1e-8
    )
    expected = seen_scores(fitted, history, places, loss)[: len(b.share)]
    share = np.exp([f[0] - expected[0][0] for f in expected])
    np.testing.assert_allclose(b.share, share / share.sum(), rtol=1e-6)
    for p, (_, z, unit) in enumerate(expected):
        np.testing.assert_allclose(b.mean[:, p], mean + gain @ (z - mean[places]), atol=1e-8)
        assert b.best[p] == pytest.approx(z.min())
        assert b.unit[p] == pytest.approx(unit)


def test_of_several_each_next_one_is_conditioned_on_what_is_expected_of_the_last():
    """Believing its own mean leaves the means as they are and takes away variance."""
    history = smooth_history()
    fitted = with_kernel(history)
    places, loss = [3, 17, 25], [0.8, 0.5, 0.9]
    observed = ran(history, places, loss)
    b = belief(fitted, observed)
    before = b.mean.copy()
    left = pool(history.configs).left(observed)
    took: list[int] = []
    _, covariance = explicit(fitted, history)
    for _ in range(4):
        best, sd = b.best.copy(), np.sqrt(b.variance[left])
        hoped = np.zeros(len(left))
        for p, share in enumerate(b.share):
            steep = np.interp(best[p], GRID, b.slope)
            hoped += share * b.unit[p] * steep * expected_improvement(b.mean[left, p], sd, best[p])
        pick = b.take(left)
        assert hoped[left.tolist().index(pick)] == pytest.approx(hoped.max(), rel=1e-9)
        took.append(pick)
        left = left[left != pick]
        run = places + took
        noisy = covariance[np.ix_(run, run)] + 0.05 * np.eye(len(run))
        variance = np.diag(
            covariance - covariance[:, run] @ np.linalg.solve(noisy, covariance[run])
        )
        np.testing.assert_allclose(b.variance, variance, atol=1e-8)
        np.testing.assert_array_equal(b.mean, before)
        np.testing.assert_allclose(b.best, np.minimum(best, b.mean[pick]))
    advice = fitted.recommend(NEW, 4, observed=observed)
    assert [history.configs.index(r.config) for r in advice] == took


def test_without_past_tasks_it_is_a_plain_process_of_what_was_seen():
    """trust = shared = 0: a zero mean, the kernel alone, ordered by E[max(0, best - z)]."""
    history = smooth_history()
    fitted = with_kernel(history, trust=0.0, shared=0.0)
    places, loss = np.array([1, 8, 20, 33]), np.array([0.9, 0.4, 0.7, 1.2])
    observed = ran(history, places, loss)
    x, k = history.configs.x, fitted.kernel
    kernel = k.own * Matern(k.scale, nu=2.5)
    inner = kernel(x[places]) + k.noise * np.eye(4)
    across = kernel(x, x[places]) @ np.linalg.inv(inner)
    variance = k.own - (across * kernel(x, x[places])).sum(axis=1)
    b = belief(fitted, observed)
    np.testing.assert_allclose(b.variance, variance, atol=1e-9)
    hoped = np.zeros(40)
    for p, (_, z, unit) in enumerate(seen_scores(fitted, history, places, loss)[: len(b.share)]):
        steep = np.interp(z.min(), GRID, b.slope)
        gain = expected_improvement(across @ z, np.sqrt(variance), z.min())
        hoped += b.share[p] * unit * steep * gain
    left = pool(history.configs).left(observed)
    assert b.take(left) == left[np.argmax(hoped[left])]


@pytest.mark.parametrize(("a", "b"), [(8.0, 0.0), (0.125, 3.0), (1000.0, -77.0)])
def test_the_unit_and_the_origin_of_the_losses_say_nothing(a, b):
    history = smooth_history()
    moved = replace(history, loss=a * history.loss + b)
    one, other = Pretrained.fit(history), Pretrained.fit(moved)
    rng = np.random.default_rng(4)
    for n in (0, 1, 2, 5, 12):
        places, loss = rng.permutation(40)[:n], rng.uniform(0.1, 1.2, n)
        task = history.described_task("bowl:3")
        said = one.recommend(task, 3, observed=ran(history, places, loss))
        same = other.recommend(task, 3, observed=ran(history, places, a * loss + b))
        assert [r.config for r in said] == [r.config for r in same]
        for r, s in zip(said, same, strict=True):
            assert s.expected_loss == pytest.approx(r.expected_loss, abs=1e-4)
            assert s.probability == pytest.approx(r.probability, abs=1e-4)


def test_a_failed_config_is_at_least_as_bad_as_the_worst():
    history = smooth_history()
    fitted = with_kernel(history)
    places, good = [5, 9, 30], [0.5, 0.9]
    failed = belief(fitted, ran(history, places, [*good, None]))
    worst = belief(fitted, ran(history, places, [*good, 0.9]))
    assert failed.mean[30] @ failed.share > worst.mean[30] @ worst.share
    all_failed = fitted.recommend(NEW, 2, observed=ran(history, places, [None] * 3))
    nothing = [r for r in fitted.recommend(NEW, 5) if history.configs.index(r.config) not in places]
    assert [r.config for r in all_failed] == [r.config for r in nothing[:2]]


def test_what_was_seen_outside_the_candidates_teaches_as_well():
    history = smooth_history()
    fitted = with_kernel(history)
    some = history.configs.take(range(0, 40, 2))
    observed = ran(history, [0, 11, 25], [1.0, 0.2, 0.9])
    b = belief(fitted, observed, some)
    assert b.half.shape == (3, 20)
    silent = belief(fitted, observed[:1], some)
    assert (b.variance <= silent.variance + 1e-12).all()
    far = ((some.x[:, None] - history.configs.x[[11, 25]]) ** 2).sum(axis=2).min(axis=1)
    gone = 1 - b.variance / silent.variance
    assert gone[far.argmin()] > gone[far.argmax()]


def drawn_from(fitted, history, seed):
    """A new task as the model believes tasks to be: scores of all configs, noise in them."""
    mean, covariance = explicit(fitted, history)
    rng = np.random.default_rng(seed)
    noisy = covariance + fitted.kernel.noise * np.eye(len(mean))
    return mean + np.linalg.cholesky(noisy) @ rng.standard_normal(len(mean))


@pytest.fixture(scope="module")
def on_draws():
    """Of 4 configs advised with nothing seen: regret on draws (n, 4), and what was said of it."""
    history = smooth_history()
    fitted = with_kernel(history)
    advice = fitted.recommend(NEW, 4)
    places = [history.configs.index(r.config) for r in advice]
    curve = belief(fitted, []).regret
    z = np.array([drawn_from(fitted, history, seed)[places] for seed in range(600)])
    return np.clip(np.interp(z, GRID, curve), 0, 1), advice


def test_on_draws_from_its_own_belief_the_first_is_told_right_on_average(on_draws):
    regret, (first, *_) = on_draws[0][:, 0], on_draws[1]
    error = regret.std() / len(regret) ** 0.5
    assert first.expected_loss == pytest.approx(regret.mean(), abs=4 * error)
    close = np.mean(regret <= CLOSE)
    assert first.probability == pytest.approx(close, abs=4 * (close / len(regret)) ** 0.5 + 2e-3)
    low, high = first.interval
    assert np.mean((low <= regret) & (regret <= high)) > SHARE - 0.05


def test_on_draws_from_its_own_belief_the_others_are_told_right_as_well(on_draws):
    for regret, told in zip(on_draws[0].T[1:], on_draws[1][1:], strict=True):
        low, high = told.interval
        assert np.mean((low <= regret) & (regret <= high)) == pytest.approx(SHARE, abs=0.05)


def one_pair(**changed):
    """A belief with one pair, of which all is known in closed form."""
    history = smooth_history()
    b = belief(with_kernel(history, **changed), [])
    b.take(np.arange(40))
    (mean, variance) = b.taken[0]
    return b, float(mean[0]), np.sqrt(variance + b.kernel.noise)


def test_expectation_and_probability_are_those_of_the_normal_score():
    b, mean, sd = one_pair()
    said = b.evidence()
    z = np.random.default_rng(0).normal(mean, sd, 1_000_000)
    regret = np.clip(np.interp(z, GRID, b.regret), 0, 1)
    assert said.expected[0] == pytest.approx(regret.mean(), abs=5e-3)
    assert said.probability[0] == pytest.approx((regret <= CLOSE).mean(), abs=2e-3)


@pytest.mark.parametrize("own", [0.05, 0.2, 0.6])
def test_the_interval_is_that_of_the_normal_score(own):
    b, mean, sd = one_pair(own=own)
    said = b.evidence()
    low, high = np.interp(mean + sd * norm.ppf([0.1, 0.9]), GRID, b.regret)
    assert said.low[0] == pytest.approx(low, abs=0.01)
    assert said.high[0] == pytest.approx(high, abs=0.01)


@pytest.mark.filterwarnings("ignore::RuntimeWarning")
def test_losses_of_any_size_give_figures():
    history = smooth_history()
    observed = ran(history, [0, 1, 2], [1e308, -1e308, 0.0])
    for r in with_kernel(history).recommend(NEW, 2, observed=observed):
        assert np.isfinite([r.expected_loss, *r.interval, r.probability]).all()


def test_the_curve_is_0_at_first_and_rises():
    rng = np.random.default_rng(0)
    regret = rng.random((5, 60)) ** 2
    regret -= regret.min(axis=1, keepdims=True)
    regret /= regret.max(axis=1, keepdims=True)
    curve = regret_curve(scores(regret), regret, np.ones(5))
    assert curve[0] == 0
    assert (np.diff(curve) > 0).all()
    z = scores(regret)[2]
    own = regret_curve(scores(regret), regret, np.eye(5)[2])
    inside = np.interp(z, GRID, own)
    np.testing.assert_allclose(inside, regret[2], atol=0.03)


def test_ranges_are_those_of_the_finite_losses():
    history = make_history(0)
    loss = history.loss.copy()
    loss[history.task == 1] = 0.5  # constant: no range
    loss[history.task == 2] = np.inf
    loss[np.flatnonzero(history.task == 3)[0]] = np.inf
    low, width = _ranges(replace(history, loss=loss))
    for t in (0, 3, 4, 5, 6, 7):
        own = loss[(history.task == t) & np.isfinite(loss)]
        assert (low[t], width[t]) == pytest.approx((own.min(), np.ptp(own)))
    assert np.isfinite([low, width]).all()
    assert (width > 0).all()


def test_weights_by_likeness_sum_to_1_and_leave_the_task_itself_out():
    distance = np.array([0.0, 0.5, 3.0, np.nan, 0.1, 9.0])
    weight = _near(distance, 0)
    assert weight[0] == 0
    assert weight.sum() == pytest.approx(1)
    assert weight[4] > weight[1] > weight[2] > weight[5] >= weight[3] > 0
    np.testing.assert_allclose(_near(np.full(4, np.nan)), 0.25)


def test_it_finds_the_bottom_of_a_new_bowl_in_a_few_steps():
    history = smooth_history(tasks=9, n=80)
    new = history.tasks[4]
    truth = history.loss[history.task == 4]
    fitted = Pretrained.fit(history.without(new))
    observed: list[Evaluation] = []
    for _ in range(6):
        config = fitted.recommend(Task(new), 1, observed=observed)[0].config
        place = history.configs.index(config)
        observed.append(Evaluation(Trial(config), float(truth[place])))
    regret = (min(e.loss for e in observed) - truth.min()) / np.ptp(truth)
    assert regret < 0.01  # of 80 configs
