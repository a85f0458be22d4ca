"""Trust is the arithmetic of chances: compared with enumeration and with simulated claims."""

from __future__ import annotations

from dataclasses import replace
from itertools import combinations

import numpy as np
import pytest

from metadb.history import Configs, History
from recommenders import trust
from recommenders.court import Court
from recommenders.random import Random
from recommenders.trust import (
    CONFIGS,
    LEAST,
    PHASES,
    TASKS,
    Correction,
    Lesson,
    _none_drawn,
    _skill,
    _small,
    learnt,
    phase,
    trusts,
)
from tests.contracts.test_recommenders import make_history

KS = tuple(PHASES.values())


def grid(n_tasks: int, n_configs: int, budgets: int = 1, *, per_dataset: int = 1) -> History:
    """A history of every config on every task at every budget."""
    configs = Configs.of("line", [{"x": float(i)} for i in range(n_configs)])
    task, config, budget = (
        a.ravel() for a in np.meshgrid(*map(np.arange, (n_tasks, n_configs, budgets)))
    )
    loss = np.random.default_rng(0).random(len(task))
    return History(
        "error_rate", tuple(f"line:{i}" for i in range(n_tasks)), configs, task.astype(np.int32),
        config.astype(np.int32), loss, np.ones(len(task)), budget + 1.0, {},
        tuple(f"line:data/{i // per_dataset}" for i in range(n_tasks)),
    )  # fmt: skip


@pytest.mark.parametrize(("marked", "n", "k"), [(0, 5, 2), (2, 6, 3), (5, 6, 1), (4, 6, 3)])
def test_the_chance_to_draw_none_is_that_of_enumeration(marked, n, k):
    draws = list(combinations(range(n), k))
    none = sum(all(i >= marked for i in draw) for draw in draws)
    assert _none_drawn(marked, n, k) == pytest.approx(none / len(draws))


@pytest.mark.parametrize("regret", [[0, 0.2, 0.4, 0.6, 0.8, 1], [0, 0, 0.5, 0.5, 1, 1, 1]])
def test_skill_is_that_of_enumeration(regret):
    regret = np.array(regret)
    for found in np.unique(regret):
        skill = _skill(regret, np.full(12, found))
        for got, k in zip(skill, KS, strict=True):
            drawn = [min(draw) for draw in combinations(regret, min(k, len(regret)))]
            won = np.mean([best > found for best in drawn])
            lost = np.mean([best < found for best in drawn])
            assert got == pytest.approx(won - lost)


@pytest.mark.parametrize("regret", [[0, 0.2, 0.4, 0.6, 0.8, 0.9, 1], [0, 0, 0.5, 0.5, 1, 1, 1]])
def test_drawing_at_random_has_no_skill_on_average(regret):
    """The mean over all draws of k configs, k by k, is 0 exactly."""
    regret = np.array(regret)
    for i, k in enumerate(min(k, len(regret)) for k in KS):
        skills = [
            _skill(regret, np.minimum.accumulate(np.array(draw)))[i]
            for draw in combinations(regret, k)
        ]
        assert np.mean(skills) == pytest.approx(0, abs=1e-12)


def test_a_task_with_fewer_configs_than_a_phase_is_judged_on_those_it_has():
    assert (_skill(np.array([0.0, 1.0]), np.array([0.0, 0.0])) == [0.5, 0.0, 0.0]).all()
    assert (_skill(np.array([0.0, 1.0]), np.array([1.0, 0.0])) == [-0.5, 0.0, 0.0]).all()


def noise(rng: np.random.Generator, *, members: int = 6, tasks: int = 10):
    return rng.uniform(-1, 1, (members, tasks, len(PHASES)))


def test_shares_sum_to_one_whatever_the_skills():
    rng = np.random.default_rng(0)
    for shift in (-1.0, -0.5, 0.0, 0.5, 1.0):
        for tasks in (1, 2, 3, 10):
            shares = trusts(np.clip(noise(rng, tasks=tasks) + shift, -1, 1))
            assert shares.sum(axis=0) == pytest.approx(1)
            assert (shares >= 0).all()
    assert trusts(np.zeros((6, 10, 3))).sum(axis=0) == pytest.approx(1)


def test_members_without_skill_leave_the_cold_search_alone():
    """Skills with as many losses as wins (each task with its mirror image) teach nothing."""
    half = noise(np.random.default_rng(1), tasks=5)
    half[-1] = abs(half[-1])
    mirrored = np.concatenate([half, -half], axis=1)
    mirrored[-1] = np.concatenate([half[-1], half[-1]])
    shares = trusts(mirrored)
    assert (shares[:-1] == 0).all()
    assert (shares[-1] == 1).all()
    mirrored[:-1] -= 0.2  # worse than drawing
    assert (trusts(mirrored)[-1] == 1).all()


@pytest.mark.parametrize("tasks", [4, 10, 30])
def test_noise_is_trusted_as_seldom_as_the_thresholds_say(tasks):
    """However few the tasks: in 16 % of cases a little, in 2.3 % wholly."""
    rng = np.random.default_rng(2)
    some, whole = [], []
    for _ in range(400):
        shares = trusts(noise(rng, tasks=tasks))[:-1, 1:]
        some.append(shares.any())
        whole.append((shares.sum(axis=0) > 0.95).all())
    assert 0.08 < np.mean(some) < 0.28
    assert np.mean(whole) < 0.15


def test_members_with_skill_are_trusted_and_the_better_ones_more():
    skills = np.clip(np.array([0.9, 0.6, 0.3, 0.1])[:, None, None] + np.zeros((4, 10, 3)), -1, 1)
    skills[:, ::2] += 0.05
    shares = trusts(skills)
    assert (shares[-1, 0], *shares[-1, 1:]) == (0, *shares[-1, 1:])  # it draws its first
    assert (np.diff(shares[:-1], axis=0) < 0).all()
    assert (shares[-1, 1:] < 0.05).all()
    assert (shares[-1, 1:] >= 0.999 * LEAST * shares[:-1, 1:].max(axis=0)).all()


def test_a_better_search_without_transfer_takes_over():
    skills = np.full((4, 10, 3), 0.3)
    skills[:, ::2] += 0.1
    skills[-1, :, 2] = 0.9
    shares = trusts(skills)
    assert shares[-1, 1] < 0.5 < 0.9 < shares[-1, 2]


@pytest.mark.parametrize("optimism", [0.5, 1.0, 2.0])
def test_what_is_corrected_is_right_on_new_claims(optimism):
    """Claims of one distribution: half teach the correction, half are corrected by it."""
    rng = np.random.default_rng(3)
    n = 6000
    truth = rng.uniform(0.1, 0.4, n)
    regret = np.clip(rng.normal(truth, 0.1), 0, 1)
    expected = truth / optimism
    width = rng.uniform(0.01, 0.05, n)
    said = np.column_stack([regret, expected, expected - width, expected + width, np.full(n, 0.2)])
    correction = Correction.fit(said[: n // 2])
    got = np.array([correction.applied(row) for row in said[n // 2 :, 1:]])
    new = regret[n // 2 :]
    assert got[:, 0].mean() == pytest.approx(new.mean(), rel=0.03)
    assert np.mean((got[:, 1] <= new) & (new <= got[:, 2])) == pytest.approx(0.8, abs=0.03)
    assert got[:, 3].mean() == pytest.approx(np.mean(new <= 0.01), rel=0.3)
    assert (got[:, 1] <= got[:, 0]).all()
    assert (got[:, 0] <= got[:, 2]).all()


def test_few_claims_or_none_that_can_be_compared_correct_nothing():
    assert Correction.fit(np.full((9, 5), 0.5)) == Correction()
    assert Correction.fit(np.full((50, 5), np.nan)) == Correction()
    assert Correction().applied(np.array([0.5, 0.2, 0.7, 0.1])) == pytest.approx(
        (0.5, 0.2, 0.7, 0.1)
    )


@pytest.mark.parametrize("claim", [[0.0] * 5, [1.0] * 5, [1.0, 0, 0, 0, 1.0], [0, 1.0, 1, 1, 0]])
def test_a_correction_stays_finite_and_within_bounds(claim):
    correction = Correction.fit(np.array([claim] * 20, float))
    expected, low, high, probability = correction.applied(np.array(claim[1:], float))
    assert 0 <= low <= expected <= high <= 1
    assert 0 <= probability <= 1


def test_small_keeps_so_many_tasks_and_configs_and_all_budgets_of_each():
    history = grid(TASKS + 8, CONFIGS + 50, budgets=2)
    small = _small(history)
    assert len(small.tasks) == TASKS
    pairs, count = np.unique(
        np.column_stack([small.task, small.config]), axis=0, return_counts=True
    )
    assert (np.bincount(pairs[:, 0]) == CONFIGS).all()
    assert (count == 2).all()
    assert len(small.configs) == CONFIGS  # the same ones for all tasks; no others are known
    assert set(columns(small)) <= set(columns(history))


def columns(history: History):
    tasks = [history.tasks[t] for t in history.task]
    ids = [history.configs.ids[c] for c in history.config]
    return zip(tasks, ids, history.budget, history.loss, strict=True)


def test_one_task_of_a_data_set_is_judged(monkeypatch):
    judged = []
    told = Court.judge

    def judge(court, unit):
        judged.extend((unit.name, task) for task in unit.fold.judged)
        assert {of[t] for t in unit.fold.judged} == {of[t] for t in unit.fold.hidden}
        return told(court, unit)

    monkeypatch.setattr(Court, "judge", judge)
    history = grid(8, 6, per_dataset=2)
    of = dict(zip(history.tasks, history.datasets, strict=True))
    learnt(history, {"random": Random, "cold": Random})
    for name in ("random", "cold"):
        assert sorted(of[t] for n, t in judged if n == name) == sorted(set(of.values()))


def test_small_leaves_a_small_history_as_it_is():
    history = grid(5, 7, budgets=2)
    assert _small(history) is history


def test_small_keeps_a_data_set_whole():
    small = _small(grid(3 * (TASKS + 4), 4, per_dataset=3))
    assert len(set(small.datasets)) == TASKS
    assert len(small.tasks) == 3 * TASKS


def test_small_changes_little_when_a_task_goes():
    """At most one other task comes in, and every task keeps its configs."""
    history = grid(TASKS + 8, CONFIGS + 20)
    whole = _small(history)

    def ran(small: History) -> dict[str, set[int]]:
        return {t: set(small.config[small.task == i]) for i, t in enumerate(small.tasks)}

    before = ran(whole)
    for gone in (whole.tasks[0], next(t for t in history.tasks if t not in whole.tasks)):
        after = ran(_small(history.without(gone)))
        assert len(set(after) - set(before)) <= 1
        assert all(after[t] == before[t] for t in set(after) & set(before))


def test_a_phase_lasts_from_the_one_before():
    assert [phase(n) for n in (0, 1, 4, 5, 11, 12, 500)] == [
        "nothing seen", "a few results", "a few results", "many results", "many results",
        "many results", "many results",
    ]  # fmt: skip


MEMBERS = {"random": Random, "cold": Random}


@pytest.mark.parametrize(
    "history",
    [
        make_history().without(*make_history().tasks[2:]),
        make_history().without(*make_history().tasks),
        replace(make_history(), loss=np.zeros(len(make_history()))),
        replace(make_history(), loss=np.full(len(make_history()), np.inf)),
        replace(make_history(), datasets=("toy:data/0", "toy:data/1") * 4),
    ],
    ids=["two tasks", "no task", "constant", "all failed", "two data sets"],
)
def test_where_nothing_can_be_judged_all_are_trusted_alike(history):
    assert learnt(history, MEMBERS) == Lesson.of({"random": 1.0, "cold": LEAST})


def test_a_lesson_is_about_all_members_and_phases_and_is_the_same_again():
    history = make_history(4)
    lesson = learnt(history, MEMBERS)
    assert [*lesson.trust] == [*lesson.correction] == [*PHASES]
    for shares in lesson.trust.values():
        assert [*shares] == [*MEMBERS]
        assert sum(shares.values()) == pytest.approx(1)
    assert learnt(replace(history), MEMBERS) == lesson  # judged again: another object
    assert trust.learnt(history, MEMBERS) is lesson  # remembered
