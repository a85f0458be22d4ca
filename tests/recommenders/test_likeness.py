"""Laws of likeness: a slow, plain reference; what is rescaled, unknown or drowned changes little."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from metadb.history import Configs, History
from metadb.metafeatures import METAFEATURES
from metadb.records import Task
from recommenders.likeness import DOUBT, RANDOM, Likeness, families
from recommenders.nearest import Nearest

SIMPLE = ["nr_inst", "nr_attr", "nr_class", "pct_missing"]
OTHER = ["DecisionStumpAUC", "kNN1NAUC", "Own.Word"]
N = 30


def history(described: dict[str, Any]) -> History:
    n = len(next(iter(described.values())))
    tasks = tuple(f"toy:{i}" for i in range(n))
    configs = Configs.of("toy", [{"x": float(i)} for i in range(5)])
    task, config = np.divmod(np.arange(5 * n, dtype=np.int32), 5)
    loss = np.random.default_rng(0).random(5 * n)
    ones = np.ones(5 * n)
    values = {name: np.asarray(each, float) for name, each in described.items()}
    return History("error_rate", tasks, configs, task, config, loss, ones, ones, values, tasks)


def drawn(seed: int, *, unknown: float = 0.3) -> History:
    """Decades, ties, and gaps."""
    rng = np.random.default_rng(seed)
    described = {
        name: np.where(
            rng.random(N) < unknown, np.nan, np.round(10 ** rng.uniform(0, 2 + i, N), i % 2)
        )
        for i, name in enumerate([*SIMPLE, *OTHER])
    }
    return history(described)


def like(past: History, i: int) -> Task:
    return replace(past.described_task(past.tasks[i]), id="toy:new")


def plain_place(past: list[float], value: float) -> float:
    known = [v for v in past if not np.isnan(v)]
    below, equal = sum(v < value for v in known), sum(v == value for v in known)
    return (below + equal / 2) / len(known)


def plain_distance(past: History, task: Task) -> list[float]:
    """The docstring, a name and a task at a time."""
    names = [n for n in past.described if n in task.metafeatures]
    family = dict(zip(names, families(names), strict=True))
    distances = []
    for t in range(len(past.tasks)):
        total = weights = shared = 0.0
        for name in names:
            column = list(past.described[name])
            weight = 1 / sum(family[other] == family[name] for other in names) ** 0.5
            gap = RANDOM
            if np.isnan(column[t]):
                weight *= DOUBT
            else:
                own = plain_place(column, task.metafeatures[name])
                gap = abs(plain_place(column, column[t]) - own)
                shared += weight
            total, weights = total + weight * gap, weights + weight
        distances.append(total / weights if shared else np.inf)
    return distances


@pytest.mark.parametrize("seed", range(5))
def test_the_distance_is_what_it_says(seed: int) -> None:
    past = drawn(seed)
    task = Task("toy:new", metafeatures=dict(like(drawn(seed + 9), 3).metafeatures))
    found = Likeness.fit(past).distance(task)
    np.testing.assert_allclose(found, plain_distance(past, task))
    assert (found[np.isfinite(found)] <= 1).all()


def test_a_twin_is_at_distance_zero_and_nobody_is_nearer() -> None:
    past = drawn(1, unknown=0.0)
    for i in range(N):
        distance = Likeness.fit(past).distance(like(past, i))
        assert distance[i] == 0
        assert (distance >= 0).all()


def test_what_is_rescaled_stays_as_near() -> None:
    """Only the order of values counts, not whether they are counts, logarithms or shares."""
    past, bent = drawn(2), drawn(2)
    bent = replace(bent, described={n: 7 + v**3 for n, v in bent.described.items()})
    for i in range(N):
        one, two = (Likeness.fit(h).distance(like(h, i)) for h in (past, bent))
        np.testing.assert_allclose(one, two)


def test_rounding_does_not_part_what_is_equal() -> None:
    """One half of the tasks is described by another program, with 12 digits."""
    rng = np.random.default_rng(3)
    value = np.repeat(np.log(np.arange(2, 8)), 5)
    noisy = np.where(np.arange(N) % 2, value, value * (1 + 1e-13 * rng.normal(size=N)))
    one, two = (Likeness.fit(history({"class_ent": v})) for v in (value, noisy))
    np.testing.assert_array_equal(one.places, two.places)


def test_three_of_hundred_shared_are_no_luck() -> None:
    """A task that shares 3 of 100 names, all equal, is not as near as one that shares all, nearly."""
    rng = np.random.default_rng(4)
    described = {f"q{j}": rng.random(N) for j in range(100)}
    lucky, alike = 5, 6
    asked = {name: float(values[lucky]) for name, values in described.items()}
    for j, values in enumerate(described.values()):
        values[alike] = values[lucky] + 0.05
        if j >= 3:
            values[lucky] = np.nan
    distance = Likeness.fit(history(described)).distance(Task("toy:new", metafeatures=asked))
    assert distance[alike] < 0.5 * distance[lucky]
    assert 0.2 < distance[lucky] < RANDOM


def test_a_large_family_does_not_drown_a_small_one() -> None:
    """200 names that say one thing weigh less than four times as much as 13 that say another."""
    assert set(families(SIMPLE)) == {"simple"}
    rng = np.random.default_rng(5)
    small = list(METAFEATURES["simple"].features)[:13]
    up, shuffled = np.arange(N, dtype=float), rng.permutation(N).astype(float)
    past = history({**dict.fromkeys(small, up), **{f"q{j}": shuffled for j in range(200)}})
    task = like(past, 0)
    expected = 13**0.5 * up / N + 200**0.5 * abs(shuffled - shuffled[0]) / N
    expected /= 13**0.5 + 200**0.5
    np.testing.assert_allclose(Likeness.fit(past).distance(task), expected, atol=1e-12)


def test_which_take_part() -> None:
    values = np.arange(N, dtype=float)
    rare = np.where(np.arange(N) < 2, values, np.nan)
    past = history({"varies": values, "same": np.ones(N), "rare": rare, "never": rare * np.nan})
    assert Likeness.fit(past).names == ("varies",)
    assert Likeness.fit(history({"same": [2.0], "never": [np.nan]})).names == ("same",)
    assert (
        Likeness.fit(history({"same": [2.0]})).distance(Task("t", metafeatures={"same": 5.0})) < 1
    )


def test_descriptions_of_two_kinds_meet_in_what_they_share() -> None:
    """Half of the past knows OpenML's names too; the new task knows ours only."""
    past = drawn(6, unknown=0.0)
    gone = np.arange(N) % 2 == 0
    half = replace(
        past,
        described={n: np.where(gone & (n in OTHER), np.nan, v) for n, v in past.described.items()},
    )
    ours = {name: float(past.described[name][7]) for name in SIMPLE}
    one, two = (Likeness.fit(h).distance(Task("t", metafeatures=ours)) for h in (past, half))
    np.testing.assert_allclose(one, two)
    assert one.argmin() == 7


def test_the_order_of_tasks_and_names_does_not_matter() -> None:
    past = drawn(7)
    order = np.random.default_rng(0).permutation(N)
    mixed = history({n: past.described[n][order] for n in reversed(list(past.described))})
    one, two = (Likeness.fit(h).distance(like(past, 4)) for h in (past, mixed))
    np.testing.assert_allclose(one[order], two)


def test_the_encoding_for_learners_knows_no_gap() -> None:
    likeness = Likeness.fit(drawn(8))
    matrix = likeness.matrix()
    assert matrix.shape == (N, len(likeness.columns))
    assert np.isfinite(matrix).all()
    assert ((matrix >= 0) & (matrix <= 1)).all()
    for i in range(N):
        np.testing.assert_array_equal(likeness.encode(like(drawn(8), i)), matrix[i])
    nothing = dict(zip(likeness.columns, likeness.encode(Task("t")), strict=True))
    assert {nothing[name] for name in likeness.names} == {0.5}
    assert nothing["unknown:simple"] == nothing["unknown:other"] == 1
    one = likeness.encode(Task("t", metafeatures={"nr_inst": 9.0}))
    known = dict(zip(likeness.columns, one, strict=True))
    assert known["unknown:simple"] == 0.75


@pytest.mark.parametrize("value", [np.inf, -np.inf, 1e308, -1e-308, 0.0])
def test_strange_values_have_a_place(value: float) -> None:
    strange = history({"nr_inst": [1.0, 2.0, value, np.nan], "nr_attr": [1e300, -1e300, 0.0, 5.0]})
    distance = Likeness.fit(strange).distance(Task("t", metafeatures={"nr_inst": value}))
    assert distance.argmin() == 2
    assert np.isinf(distance[3])


def test_a_history_without_description() -> None:
    bare = replace(drawn(0), described={})
    likeness = Likeness.fit(bare)
    assert np.isinf(likeness.distance(Task("t", metafeatures={"nr_inst": 1.0}))).all()
    assert likeness.matrix().shape == (N, 0)


def test_the_nearest_are_those_of_likeness() -> None:
    past = drawn(9)
    task = like(drawn(10), 0)
    nearest = Likeness.fit(past).distance(task).argmin()
    advice = Nearest.fit(past, neighbours=1).recommend(task, 2)
    assert all(each.because.tasks == (past.tasks[nearest],) for each in advice)
