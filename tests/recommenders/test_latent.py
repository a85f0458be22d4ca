"""The latent model against dense matrices, Monte Carlo, and histories that are hardly there."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from metadb.history import Configs
from metadb.records import Evaluation, Task, Trial
from recommenders.factorisation import Factorisation
from recommenders.gplvm import FINE, FREEDOM, Covariance, matern
from recommenders.latent import MOST, Belief, Latent
from recommenders.oboe import Oboe
from recommenders.ranges import Ranges
from recommenders.ranking import Ranking
from recommenders.zero_shot import ZeroShot
from tests.contracts.test_recommenders import N_CONFIGS, NEW, make_history, told

FAMILIES = (Factorisation, Oboe, ZeroShot, Ranking)


COVARIANCE = Covariance(0.8, 0.05, 0.3, 0.01, 0.7)


@pytest.fixture
def x():
    return np.random.default_rng(0).random((12, 7))  # (configs, tasks)


def dense(x, c=COVARIANCE):
    """The prior of the new task as one matrix, latents as many as there are."""
    off = x - x.mean(axis=1, keepdims=True)
    far = ((off[:, None] - off) ** 2).sum(axis=2) / 6  # of the positions
    far += (x.mean(axis=1)[:, None] - x.mean(axis=1)) ** 2
    spread = np.cov(x)
    own = c.own * np.diag(spread) + c.noise
    return c.linear * spread + c.smooth * matern(far, c.length) + np.diag(own)


def conditioned(x, place, loss):
    latent = Latent.fit(x, 99)
    belief = Belief.begin(latent, COVARIANCE, latent.mean, latent.mean, None)
    belief.condition(latent.mean[place], latent.at(place), loss, Ranges(np.ones(1)))
    return belief


def test_both_ways_to_the_components_keep_the_covariance(x):
    for wide in (x, x.T):
        latent = Latent.fit(wide, 99)
        np.testing.assert_allclose(latent.position @ latent.position.T, np.cov(wide), atol=1e-10)


def test_what_the_cut_leaves_is_the_configs_own_variance(x):
    latent = Latent.fit(x, 2)
    kept = (latent.position**2).sum(axis=1) + latent.rest
    np.testing.assert_allclose(kept, np.var(x, axis=1, ddof=1))
    np.testing.assert_allclose(latent.variance(Covariance(1, 0, 0, 0)), kept)


def test_other_configs_are_placed_as_if_they_had_been_there(x):
    latent = Latent.fit(x, 3)
    again = latent.place(x[[4, 1]])
    np.testing.assert_allclose(again.position, latent.at(np.array([4, 1])).position, atol=1e-12)


def test_the_belief_is_the_dense_posterior(x):
    place, loss = np.array([2, 5, 9]), np.array([0.3, 0.9, 1.1])
    belief = conditioned(x, place, loss)
    mean, gram = x.mean(axis=1), dense(x)
    solved = np.linalg.inv(gram[np.ix_(place, place)])
    offset, unit, likely = Ranges(np.ones(1)).pairs(loss)
    seen = np.sqrt((loss[:, None] - offset) / unit + FINE)  # (3, pairs)
    off = seen - mean[place, None]
    square = np.einsum("ip,ij,jp->p", off, solved, off)
    likely = likely - (FREEDOM + 3) / 2 * np.log1p(square / FREEDOM)
    likely = likely - np.log(2 * seen * unit).sum(axis=0)
    best = np.argsort(-likely, kind="stable")[:MOST]
    share = np.exp(likely[best] - likely.max())
    np.testing.assert_allclose(belief.share, share / share.sum(), rtol=1e-6)
    rest = np.setdiff1d(np.arange(12), place)
    means = mean[:, None] + gram[:, place] @ solved @ off
    np.testing.assert_allclose(belief.mean[rest], means[rest][:, best], atol=1e-8)
    variance = np.diag(gram - gram[:, place] @ solved @ gram[place])
    np.testing.assert_allclose(belief.variance[rest], variance[rest], rtol=1e-6)
    np.testing.assert_allclose(belief.scale, (FREEDOM + square[best]) / (FREEDOM + 3))


def test_what_is_taken_is_believed_as_if_it_had_been_seen(x):
    belief = conditioned(x, np.array([2, 5]), np.array([0.3, 0.9]))
    i = belief.take(np.array([0, 1, 7, 8]))
    seen, gram = [2, 5, i], dense(x)
    after = gram - gram[:, seen] @ np.linalg.inv(gram[np.ix_(seen, seen)]) @ gram[seen]
    rest = np.setdiff1d(np.arange(12), seen)
    np.testing.assert_allclose(belief.variance[rest], np.diag(after)[rest], rtol=1e-6)


def test_gain_and_evidence_are_those_of_draws(x):
    belief = conditioned(x, np.array([2, 5]), np.array([0.3, 0.9]))
    rest, rng = np.array([0, 1, 7]), np.random.default_rng(1)
    normal = rng.standard_normal((400_000, 1))
    gain = 0.0
    for p, share in enumerate(belief.share):
        sd = np.sqrt(belief.variance[rest] * belief.scale[p])
        drawn = belief.mean[rest, p] + sd * normal
        gain += share * np.maximum(belief.best[p] - drawn, 0).mean(axis=0)
    np.testing.assert_allclose(belief._gain(rest), gain, rtol=0.02)
    pair = rng.choice(len(belief.share), len(normal), p=belief.share)
    tail = rng.standard_t(FREEDOM, (len(normal), 1))
    sd = np.sqrt(belief.variance[rest] * belief.scale[pair][:, None])
    drawn = np.maximum(belief.mean[rest][:, pair].T + sd * tail, 0) ** 2 - FINE
    drawn = np.clip(drawn, 0, 1)
    told = belief.evidence(rest)
    np.testing.assert_allclose(told.expected, drawn.mean(axis=0), rtol=0.03)
    np.testing.assert_allclose(told.probability, (drawn <= 0.01).mean(axis=0), atol=0.005)
    np.testing.assert_allclose(told.low, np.quantile(drawn, 0.1, axis=0), atol=0.01)
    np.testing.assert_allclose(told.high, np.quantile(drawn, 0.9, axis=0), atol=0.02)


@pytest.mark.parametrize("family", FAMILIES)
def test_a_success_and_a_failure_leave_much_open(family):
    """The range of the one loss is 0, and a failure has no loss."""
    history = make_history(1)
    failed = Evaluation(Trial(history.configs[0]), None, status="failed")
    for r in family.fit(history).recommend(NEW, 5, observed=[failed, *told(history, 1)]):
        assert r.probability < 0.7
        assert r.interval[1] - r.interval[0] > 0.05


def test_intervals_hold_the_regret_of_tasks_left_out():
    """Few tasks of few kinds, with noise of their own: about 80 % lie in them."""
    rng, held = np.random.default_rng(2), []
    history = make_history(0)
    kinds = rng.random((3, N_CONFIGS))
    for _ in range(6):
        mixed = rng.dirichlet(np.ones(3), 8) @ kinds + 0.1 * rng.standard_normal((8, N_CONFIGS))
        one = replace(history, loss=mixed[history.task, history.config], described={})
        for t, task in enumerate(one.tasks):
            fitted, row = Factorisation.fit(one.without(task)), mixed[t]
            regret = (row - row.min()) / np.ptp(row)
            observed = [Evaluation(Trial(one.configs[i]), float(row[i])) for i in (3, 8, 12)]
            for r in fitted.recommend(NEW, 9, observed=observed):
                i = one.configs.index(r.config)
                held.append(r.interval[0] - 1e-9 <= regret[i] <= r.interval[1] + 1e-9)
    assert 0.7 < np.mean(held) < 0.92


@pytest.mark.parametrize("family", FAMILIES)
def test_the_unit_and_the_offset_of_the_loss_change_no_advice(family):
    """The history in percent and shifted, and the evaluations too."""
    history, losses = make_history(5), (0.4, 0.1, 0.8)
    other = replace(history, loss=100 * history.loss + 7)

    def evaluations(scale, shift):
        return [
            Evaluation(Trial(history.configs[i]), scale * loss + shift)
            for i, loss in enumerate(losses)
        ]

    one = family.fit(history).recommend(NEW, 5, observed=evaluations(1, 0))
    two = family.fit(other).recommend(NEW, 5, observed=evaluations(100, 7))
    assert [r.config for r in one] == [r.config for r in two]


def hardly_there():
    full = make_history(1)
    yield "one task", full.without(*full.tasks[1:])
    one = full.config == 4
    few = {f: getattr(full, f)[one] for f in ("task", "loss", "cost_s", "budget")}
    yield (
        "one config",
        replace(full, configs=full.configs.take([4]), config=0 * full.config[one], **few),
    )
    yield "all failed", replace(full, loss=np.full(len(full), np.inf))
    yield "all equal", replace(full, loss=np.ones(len(full)))
    yield "no meta-features", replace(full, described={})
    yield "unknown meta-features", replace(full, described={"a": np.full(len(full.tasks), np.nan)})
    yield "few results", make_history(2, share=0.3, failed=0.3)


@pytest.mark.parametrize("family", FAMILIES)
@pytest.mark.parametrize(("what", "history"), list(hardly_there()), ids=lambda v: str(v)[:12])
def test_histories_that_are_hardly_there(family, what, history):
    fitted = family.fit(history)
    outside = [Evaluation(Trial({"x": -9.0, "kind": "a"}), 0.5)]
    failed = [Evaluation(Trial(history.configs[0]), None, status="failed")]
    for observed in ([], failed, told(history, 0, 0), failed + told(history, 0) + outside):
        advice = fitted.recommend(NEW, 4, observed=observed)
        left = len(history.configs) - len({0} if observed else set())
        assert len(advice) == min(4, left), what
        for r in advice:
            numbers = [r.expected_loss, *r.interval, r.probability]
            assert np.isfinite(numbers).all()
            assert 0 <= r.interval[0] <= r.interval[1] <= 1
            assert 0 <= r.expected_loss <= 1
            assert 0 <= r.probability <= 1


@pytest.mark.parametrize("family", FAMILIES)
def test_a_new_config_can_be_advised_and_says_what_it_rests_on(family):
    history = make_history(4)
    new = Configs.of("toy", [{"x": 3.5, "kind": "a"}, {"x": 8.5, "kind": "b"}])
    advice = family.fit(history).recommend(NEW, 2, candidates=new, observed=told(history, 1, 2))
    assert {r.config["x"] for r in advice} == {3.5, 8.5}
    for r in advice:
        assert 0 < len(r.because.configs) <= 10
        assert set(r.because.configs) <= set(history.configs.ids)
        assert "surrogates" in r.because.note


@pytest.mark.parametrize("family", FAMILIES)
def test_laws_of_advice(family):
    history = make_history(6, share=0.7, failed=0.1)
    one, two = (family.fit(history, seed=3) for _ in range(2))
    seven = one.recommend(NEW, 7, observed=told(history, 3))
    assert seven[:3] == two.recommend(NEW, 3, observed=told(history, 3))
    assert len({history.configs.index(r.config) for r in seven} - {3}) == 7
    everything = told(history, *range(N_CONFIGS))
    assert one.recommend(NEW, 3, observed=everything) == []
    assert one.recommend(Task("toy:unknown"), 3)  # nothing is known of this task
