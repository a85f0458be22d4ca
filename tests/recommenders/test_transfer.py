"""Laws of the five families of surrogate transfer, above all where the data are bad."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from metadb.history import Configs, History
from metadb.records import Evaluation, Task, Trial
from recommenders.candidates import pool
from recommenders.copula import Copula
from recommenders.rgpe import RGPE
from recommenders.sources import Sources
from recommenders.sources import _hypers as remembered
from recommenders.stacked import Stacked
from recommenders.taf import TAF
from recommenders.tst import TST

FAMILIES = {"tst": TST, "taf": TAF, "rgpe": RGPE, "stacked": Stacked, "copula": Copula}
NEW = Task("toy:new")


@pytest.fixture(params=FAMILIES)
def family(request):
    return FAMILIES[request.param]


def disjoint(tasks: int = 5, each: int = 12, extra: int = 6, seed: int = 0) -> History:
    """No two tasks ran the same config, and the last configs nobody ran."""
    rng = np.random.default_rng(seed)
    n = tasks * each
    values = rng.random((n + extra, 2))
    configs = Configs.of("toy", [{"a": float(a), "b": float(b)} for a, b in values])
    task = np.repeat(np.arange(tasks, dtype=np.int32), each)
    loss = ((values[:n] - 0.4) ** 2).sum(axis=1) * (1 + task)
    names = tuple(f"toy:{i}" for i in range(tasks))
    return History(
        "error_rate", names, configs, task, np.arange(n, dtype=np.int32), loss, np.ones(n),
        np.ones(n), {}, names,
    )  # fmt: skip


def sound(advice, n):
    assert len(advice) == n
    for r in advice:
        assert 0 <= r.interval[0] <= r.interval[1] <= 1
        assert 0 <= r.expected_loss <= 1
        assert 0 <= r.probability <= 1
        assert np.isfinite(r.because.weights).all()
        assert (np.array(r.because.weights) > 0).all()
        assert list(r.because.weights) == sorted(r.because.weights, reverse=True)


def test_a_config_that_nobody_ran_is_judged_by_surrogates(family):
    history = disjoint()
    candidates = history.configs.take(range(60, 66))
    advice = family.fit(history).recommend(NEW, 6, candidates=candidates)
    sound(advice, 6)
    distance = [(r.config["a"] - 0.4) ** 2 + (r.config["b"] - 0.4) ** 2 for r in advice]
    assert distance[0] == min(distance)
    for r in advice:
        assert "surrogates" in r.because.note
        assert 0 < len(r.because.configs) <= 10
        assert set(r.because.tasks) <= set(history.tasks)
        assert set(r.because.configs) <= set(history.configs.ids[:60])


def test_a_candidate_new_to_the_history_is_judged_as_well(family):
    history = disjoint()
    new = [{"a": 0.41, "b": 0.39}, {"a": 0.95, "b": 0.05}, {"a": 0.05, "b": 0.9}]
    advice = family.fit(history).recommend(NEW, 3, candidates=Configs.of("toy", new))
    sound(advice, 3)
    assert advice[0].config == new[0]


def test_the_order_of_telling_does_not_matter(family):
    history = disjoint()
    observed = [Evaluation(Trial(history.configs[i]), 0.1 * i) for i in (3, 20, 41, 50)]
    fitted = family.fit(history)
    forward = fitted.recommend(NEW, 2, observed=observed)
    backward = fitted.recommend(NEW, 2, observed=observed[::-1])
    assert [r.config for r in forward] == [r.config for r in backward]


BAD = {
    "one task": lambda h: h.without(*h.tasks[1:]),
    "no task": lambda h: h.without(*h.tasks),
    "all failed": lambda h: replace(h, loss=np.full(len(h), np.inf)),
    "constant": lambda h: replace(h, loss=np.zeros(len(h))),
    "one outlier": lambda h: replace(h, loss=np.where(h.config == 7, 1e200, h.loss)),
    "one result": lambda h: replace(
        h, task=h.task[:1], config=h.config[:1], loss=h.loss[:1], cost_s=h.cost_s[:1],
        budget=h.budget[:1],
    ),
}  # fmt: skip


@pytest.mark.parametrize("bad", BAD)
def test_bad_histories_get_sound_advice(family, bad):
    history = BAD[bad](disjoint())
    fitted = family.fit(history)
    sound(fitted.recommend(NEW, 3), 3)
    told = [Evaluation(Trial(history.configs[i]), loss) for i, loss in ((0, 0.3), (9, 0.1))]
    sound(fitted.recommend(NEW, 3, observed=told), 3)


ODD = {
    "all failed": [(0, None), (14, None), (30, None)],
    "some failed": [(0, 0.4), (14, None), (30, 0.2)],
    "one": [(5, 0.2)],
    "equal": [(0, 0.5), (14, 0.5), (30, 0.5)],
    "twice": [(0, 0.5), (0, 0.6), (14, 0.2), (14, None)],
    "infinite": [(0, 0.5), (14, float("inf")), (20, float("nan"))],
    "huge": [(0, 1e200), (14, -1e200), (20, 0.0)],
}


@pytest.mark.parametrize("odd", ODD)
def test_odd_results_get_sound_advice(family, odd):
    history = disjoint()
    observed = [Evaluation(Trial(history.configs[i]), loss) for i, loss in ODD[odd]]
    advice = family.fit(history).recommend(NEW, 4, observed=observed)
    sound(advice, 4)
    assert not {history.configs.index(r.config) for r in advice} & {i for i, _ in ODD[odd]}


def test_few_past_tasks_that_agree_still_leave_doubt(family):
    history = disjoint()
    one = history.without(*history.tasks[1:])
    low, high = family.fit(one).recommend(NEW, 1)[0].interval
    assert high - low > 0.1


def test_what_is_believed_in_one_call_is_no_result(family):
    advice = family.fit(disjoint()).recommend(NEW, 5)
    assert all("results on the task itself" not in (r.because.note or "") for r in advice)


def test_a_candidate_named_twice_is_advised_once(family):
    history = disjoint()
    twice = history.configs.take([4, 4, 9, 4])
    fitted = family.fit(history)
    assert len(fitted.recommend(NEW, 4, candidates=twice)) == 2
    told = [Evaluation(Trial(history.configs[4]), 0.3)]
    left = fitted.recommend(NEW, 4, observed=told, candidates=twice)
    assert [r.config for r in left] == [history.configs[9]]


def test_results_outside_the_space_teach_nothing_and_are_mentioned(family):
    history = disjoint()
    fitted = family.fit(history)
    outside = [Evaluation(Trial({"a": 99.0, "b": 0.5}), 0.0)]
    plain, told = fitted.recommend(NEW, 2), fitted.recommend(NEW, 2, observed=outside)
    assert [r.config for r in plain] == [r.config for r in told]
    assert "outside the space" in told[0].because.note


def test_leaving_a_task_out_fits_no_other_anew():
    """The hyperparameters of a task are kept by its content, which the other tasks are not."""
    history = disjoint(tasks=6, seed=11)
    whole = Sources.fit(history)
    kept = set(remembered)
    left = Sources.fit(history.without(history.tasks[2]))
    assert set(remembered) == kept
    assert left.digests == whole.digests[:2] + whole.digests[3:]
    at = history.configs.x
    for all_of_them, five in zip(whole.gp.predict(at), left.gp.predict(at), strict=True):
        assert np.delete(all_of_them, 2, axis=0) == pytest.approx(five, abs=1e-9)


def test_where_a_config_was_run_its_result_is_believed_and_else_the_surrogate():
    history = disjoint()
    sources = Sources.fit(history)
    whole = pool(history.configs)
    mean, sd = sources.predict(whole)
    run = sources.run(whole)
    surrogate = sources.gp.predict(history.configs.x)
    there = ~np.isnan(run)
    assert there.sum() == len(history)
    assert (mean[there] == run[there]).all()
    assert (sd[there] == 0).all()
    assert mean[~there] == pytest.approx(surrogate[0][~there])
    assert sd[~there] == pytest.approx(surrogate[1][~there])
    regret = [history.loss[history.task == t] for t in range(5)]
    for t, loss in enumerate(regret):
        assert run[t][there[t]] == pytest.approx((loss - loss.min()) / np.ptp(loss))
