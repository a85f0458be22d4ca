"""Functional ANOVA against brute force, closed forms and the published importances."""

from __future__ import annotations

import json
from dataclasses import replace
from itertools import product
from pathlib import Path

import numpy as np
import pytest
from ConfigSpace import (
    Categorical,
    ConfigurationSpace,
    Constant,
    EqualsCondition,
    Float,
    Integer,
    OrdinalHyperparameter,
)
from scipy.stats import spearmanr
from sklearn.ensemble import RandomForestRegressor
from sklearn.tree import DecisionTreeRegressor

from metadb.encoding import encoding
from metadb.errors import NotFound
from metadb.history import Configs, History
from metadb.space import sample, to_json
from recommenders.fanova import boxes, dimensions, variances
from recommenders.importance import Importance

PUBLISHED = Path(__file__).resolve().parents[2].parent / "shared" / "data" / "openml-pimp"


def mixed_space() -> ConfigurationSpace:
    """One of every kind: conditional, logarithmic, whole numbers, ordered, fixed."""
    space = ConfigurationSpace(name="mixed")
    kernel = Categorical("kernel", ["linear", "poly", "rbf"])
    degree = Integer("degree", (2, 5))
    gamma = Float("gamma", (1e-4, 1.0), log=True)
    space.add(
        kernel, degree, gamma, Float("c", (0.0, 2.0)), Integer("depth", (1, 64), log=True),
        OrdinalHyperparameter("size", ["s", "m", "l"]), Constant("fixed", 1),
        EqualsCondition(degree, kernel, "poly"), EqualsCondition(gamma, kernel, "rbf"),
    )  # fmt: skip
    return space


def history_of(space: ConfigurationSpace, losses, n: int = 120, seed: int = 0) -> History:
    """`n` configs of the space, all run on one task per function of their codes."""
    drawn = sample(space, n, seed=seed)
    configs = Configs.of(space.name, drawn, definition=to_json(space))
    x = encoding(space).encode(drawn)
    task, config = np.divmod(np.arange(n * len(losses), dtype=np.int32), n)
    loss = np.concatenate([f(x) for f in losses])
    ones = np.ones(len(loss))
    tasks = tuple(f"toy:{i}" for i in range(len(losses)))
    return History("error_rate", tasks, configs, task, config, loss, ones, ones, {}, tasks)


def cube(width: int) -> ConfigurationSpace:
    space = ConfigurationSpace(name="cube")
    space.add(*(Float(f"x{i}", (0.0, 1.0)) for i in range(width)))
    return space


def by_grid(tree, dims, width, keep):
    """The variance of the marginal over the dimensions `keep`, every grid point predicted."""
    parts = []
    for dim in dims:
        cuts = tree.tree_.threshold[tree.tree_.feature == dim.columns.start]
        parts.append(dim.cells(cuts))
    grid = np.zeros((*(len(mass) for _, mass in parts), width))
    weight = np.ones(grid.shape[:-1])
    for axis, (dim, (points, mass)) in enumerate(zip(dims, parts, strict=True)):
        shape = [1] * len(parts)
        shape[axis] = len(mass)
        grid[..., dim.columns] = points.reshape(*shape, -1)
        weight = weight * mass.reshape(shape)
    f = tree.predict(grid.reshape(-1, width)).reshape(weight.shape)
    others = tuple(i for i in range(len(dims)) if i not in keep)
    inside = weight.sum(axis=others)
    marginal = (f * weight).sum(axis=others) / inside
    mean = (marginal * inside).sum()
    return float((inside * (marginal - mean) ** 2).sum())


def test_every_variance_is_that_of_the_whole_grid():
    space = mixed_space()
    drawn = sample(space, 60, seed=1)
    x = encoding(space).encode(drawn)
    y = np.random.default_rng(0).normal(size=60) + 2 * x[:, 0] * x[:, -1]
    tree = DecisionTreeRegressor(max_leaf_nodes=14, random_state=0).fit(x, y)
    dims = dimensions(space, x)
    assert [d.name for d in dims] == ["c", "depth", "kernel", "size", "degree", "gamma"]
    pairs = [(0, 1), (1, 2), (2, 4), (4, 5)]
    found = variances(boxes(tree.tree_, x.shape[1]), dims, pairs)
    width = x.shape[1]
    everything = range(len(dims))
    assert found.total == pytest.approx(by_grid(tree, dims, width, everything), rel=1e-9)
    for j in everything:
        assert found.single[j] == pytest.approx(by_grid(tree, dims, width, [j]), abs=1e-12)
    for (i, j), value in zip(pairs, found.pair, strict=True):
        both = by_grid(tree, dims, width, [i, j]) - found.single[i] - found.single[j]
        assert value == pytest.approx(max(both, 0), abs=1e-12)


def test_the_measure_is_that_of_the_space():
    space = mixed_space()
    x = encoding(space).encode(sample(space, 500, seed=2))
    dims = {d.name: d for d in dimensions(space, x)}
    nothing = np.empty(0)
    for dim in dims.values():
        points, mass = dim.cells(nothing)
        assert mass.sum() == pytest.approx(1.0)
        assert len(points) == len(mass)
    assert dims["degree"].absent == pytest.approx((x[:, dims["degree"].columns] < 0).mean())
    assert np.allclose(dims["size"].mass, 1 / 3)
    assert np.allclose(dims["degree"].mass, 1 / 4)
    depth = dims["depth"].mass  # logarithmic: as much from 1 to 8 as from 8 to 64, about
    assert depth[:8].sum() == pytest.approx(np.log(8.5 / 0.5) / np.log(64.5 / 0.5))
    whole = {d.name: d for d in dimensions(space, x, intervals=True)}
    assert whole["degree"].points is None
    assert whole["size"].points is not None


def test_one_split_has_a_closed_form():
    """f = 3 where x0 > 0.25, else 0: variance 9 * 1/4 * 3/4, all of it due to x0."""
    space = cube(2)
    x = np.array([[0.2, 0.1], [0.3, 0.9], [0.1, 0.9], [0.9, 0.1]])
    tree = DecisionTreeRegressor().fit(x, [0, 3, 0, 3])
    found = variances(boxes(tree.tree_, 2), dimensions(space, x), [(0, 1)])
    assert found.total == pytest.approx(9 * 0.25 * 0.75)
    assert found.single == pytest.approx([9 * 0.25 * 0.75, 0.0])
    assert found.pair == pytest.approx([0.0])


def test_the_parts_of_a_tree_add_up_in_two_dimensions():
    space = cube(2)
    x = np.random.default_rng(3).random((80, 2))
    tree = DecisionTreeRegressor().fit(x, np.sin(9 * x[:, 0] * x[:, 1]))
    found = variances(boxes(tree.tree_, 2), dimensions(space, x), [(0, 1)])
    assert found.single.sum() + found.pair.sum() == pytest.approx(found.total)


def ishigami(x):
    """First-order indices .3139, .4424 and 0; of (x0, x2) .2437; of all else 0.

    Ishigami, Homma 1990, "An importance quantification technique in uncertainty analysis".
    """
    z = np.pi * (2 * x - 1)
    return np.sin(z[:, 0]) + 7 * np.sin(z[:, 1]) ** 2 + 0.1 * z[:, 2] ** 4 * np.sin(z[:, 0])


def test_a_tree_that_is_the_ishigami_function_has_its_sobol_indices():
    x = np.random.default_rng(0).random((30_000, 3))
    tree = DecisionTreeRegressor(max_leaf_nodes=2000).fit(x, ishigami(x))
    pairs = [(0, 1), (0, 2), (1, 2)]
    found = variances(boxes(tree.tree_, 3), dimensions(cube(3), x), pairs)
    assert found.single / found.total == pytest.approx([0.3139, 0.4424, 0.0], abs=0.015)
    assert found.pair / found.total == pytest.approx([0.0, 0.2437, 0.0], abs=0.015)


def test_a_forest_of_few_points_finds_them_roughly():
    """What its trees get wrong looks like an effect of all together, so the shares are low."""
    found = Importance.fit(history_of(cube(3), [ishigami], n=2000), pairs=True, trees=16)
    assert found.single[0] == pytest.approx([0.3139, 0.4424, 0.0], abs=0.1)
    assert found.pair[0] == pytest.approx([0.0, 0.2437, 0.0], abs=0.1)
    assert found.single[0].sum() + found.pair[0].sum() < 1.0
    assert 0.85 < found.explained[0] < 1


def test_additive_shares_go_with_the_squares_of_the_slopes():
    history = history_of(cube(3), [lambda x: 2 * x[:, 0] + x[:, 1]], n=1000)
    found = Importance.fit(history, trees=16)
    assert found.single[0] == pytest.approx([0.8, 0.2, 0.0], abs=0.03)


def test_a_choice_between_learners_and_what_it_switches_on():
    """Where only the kernel counts, what belongs to one kernel only may not take its place."""
    history = history_of(mixed_space(), [lambda x: x[:, -1] * 0 + x[:, 2:5] @ [0.0, 1.0, 3.0]])
    names = encoding(history.configs.space).names
    assert names[2:5] == ("kernel=linear", "kernel=poly", "kernel=rbf")
    found = Importance.fit(history, features=1.0)
    assert found.across()[0].names == ("kernel",)
    assert found.single[0, found.names.index("c")] < 0.01


def test_scale_and_sign_of_the_loss_do_not_count():
    def f(x):
        return x[:, 0] + 0.3 * x[:, 1] * x[:, 2]

    history = history_of(cube(3), [f, lambda x: 1e-6 * f(x) + 1e3])
    found = Importance.fit(history)
    assert found.single[0] == pytest.approx(found.single[1], abs=0.02)


def test_the_same_seed_gives_the_same_figures_and_tasks_do_not_meet():
    history = history_of(cube(3), [lambda x: x[:, 0], lambda x: x[:, 1] ** 2])
    both, again = (Importance.fit(history, seed=5, trees=8) for _ in range(2))
    assert np.array_equal(both.single, again.single)
    alone = Importance.fit(history, seed=5, trees=8, tasks=["toy:1"])
    assert np.array_equal(alone.single[0], both.single[1])
    assert not np.array_equal(both.single, Importance.fit(history, seed=6, trees=8).single)


def test_across_tasks_are_the_median_and_the_mean_rank():
    found = Importance(
        ("a", "b", "c"), ("1", "2", "3", "4"),
        np.array([[0.6, 0.2, 0.2], [0.5, 0.4, 0.0], [0.1, 0.7, 0.0], [np.nan] * 3]),
        (), np.empty((4, 0)), (9, 9, 9, 0), np.array([0.9, 0.9, 0.9, np.nan]),
        (None, None, None, "all failed"), "error_rate",
    )  # fmt: skip
    a, b, c = found.across()
    assert [s.names for s in (a, b, c)] == [("a",), ("b",), ("c",)]
    assert (a.median, b.median, c.median) == (0.5, 0.4, 0.0)
    assert (a.mean_rank, b.mean_rank, c.mean_rank) == pytest.approx((4 / 3, 5.5 / 3, 8.5 / 3))
    assert (a.share_first, b.share_first, c.share_first) == pytest.approx((2 / 3, 1 / 3, 0.0))
    assert found.across_pairs() == []


def test_what_cannot_be_judged_says_why():
    history = history_of(cube(2), [lambda x: x[:, 0]] * 4, n=20)
    loss = history.loss.copy()
    loss[history.task == 0] = 0.5
    loss[history.task == 1] = np.inf
    loss[(history.task == 2) & (history.config > 0)] = np.inf
    loss[(history.task == 3) & (history.config < 5)] = np.inf
    found = Importance.fit(replace(history, loss=loss), pairs=True)
    assert found.why == (
        "all losses are equal", "all failed", "only 1 of its evaluations can be used", None,
    )  # fmt: skip
    assert np.isnan(found.single[:3]).all()
    assert np.isnan(found.pair[:3]).all()
    assert found.evaluations == (20, 0, 1, 15)
    assert np.isfinite(found.single[3]).all()
    assert len(found.across()) == 2
    with pytest.raises(NotFound, match="no task 'toy:9'"):
        Importance.fit(history, tasks=["toy:9"])


def test_two_evaluations_are_enough_for_an_answer():
    history = history_of(cube(2), [lambda x: x[:, 0]], n=2)
    found = Importance.fit(history)
    assert (found.why[0] is None) == bool(np.isfinite(found.single).all())
    assert not np.isfinite(found.explained[0]) or found.explained[0] < 0.5


def test_a_space_that_cannot_vary():
    space = ConfigurationSpace(name="still")
    space.add(Constant("a", 1))
    configs = Configs.of("still", [{"a": 1}], definition=to_json(space))
    one = np.ones(1)
    history = History(
        "error_rate", ("t",), configs, np.zeros(1, np.int32), np.zeros(1, np.int32), one, one, one
    )
    found = Importance.fit(history, pairs=True)
    assert found.names == ()
    assert found.why == ("no hyperparameter of the space can vary",)
    assert found.across() == []


def test_only_the_largest_budget_of_a_config_counts():
    history = history_of(cube(2), [lambda x: x[:, 0]], n=60)
    short = replace(
        history,
        task=np.tile(history.task, 2),
        config=np.tile(history.config, 2),
        loss=np.concatenate([np.random.default_rng(0).random(60), history.loss]),
        cost_s=np.tile(history.cost_s, 2),
        budget=np.repeat([0.1, 1.0], 60),
    )
    assert np.array_equal(Importance.fit(short).single, Importance.fit(history).single)


def published_history(tasks: list[str]) -> History:
    """The first tasks of the AdaBoost file, whose columns are told in its header."""
    columns, rows = [], []
    for line in (PUBLISHED / "adaboost.arff").read_text().splitlines():
        if line.startswith("@ATTRIBUTE"):
            columns.append(line.split()[1].rsplit("__", 1)[-1])
        elif line and line[0] not in "%@":
            row = dict(zip(columns, line.split(","), strict=True))
            if row["task_id"] in tasks:
                rows.append(row)
    drawn = [
        {
            "algorithm": r["algorithm"],
            "learning_rate": float(r["learning_rate"]),
            "max_depth": int(float(r["max_depth"])),
            "n_estimators": int(float(r["n_estimators"])),
            "strategy": r["strategy"],
        }
        for r in rows
    ]
    space = ConfigurationSpace(name="adaboost")
    space.add(
        Categorical("algorithm", ["SAMME", "SAMME.R"]),
        Float("learning_rate", (0.01, 2.0), log=True),
        Integer("max_depth", (1, 10)),
        Integer("n_estimators", (50, 500)),
        Categorical("strategy", ["mean", "median", "most_frequent"]),
    )
    configs = Configs.of("adaboost", drawn, definition=to_json(space))
    task = np.array([tasks.index(r["task_id"]) for r in rows], np.int32)
    loss = 1 - np.array([float(r["predictive_accuracy"]) for r in rows])
    ones = np.ones(len(rows))
    return History(
        "error_rate", tuple(tasks), configs, task, np.arange(len(rows), dtype=np.int32), loss,
        ones, ones,
    )  # fmt: skip


@pytest.mark.skipif(not PUBLISHED.exists(), reason="shared data is not here")
def test_the_published_importances_are_found_again():
    tasks = ["3", "6", "11", "12", "14", "16", "18", "20", "22", "28"]
    found = Importance.fit(published_history(tasks), intervals=True, trees=32)
    rows = []
    for task in tasks:
        path = PUBLISHED / "fanova" / "6970" / "vanilla" / task / "pimp_values_fanova.json"
        rows.append([json.loads(path.read_text())[name] for name in found.names])
    published = np.array(rows)
    assert np.median(np.abs(published - found.single)) < 0.01
    assert (published.argmax(axis=1) == found.single.argmax(axis=1)).mean() >= 0.9
    rho = [spearmanr(p, o).statistic for p, o in zip(published, found.single, strict=True)]
    assert np.mean(rho) > 0.9


def test_a_forest_is_its_trees():
    """The boxes of every tree hold each point once, and their value is the tree's prediction."""
    x = np.random.default_rng(1).random((50, 3))
    forest = RandomForestRegressor(4, random_state=0).fit(x, x.sum(axis=1))
    for tree in forest:
        leaves = boxes(tree.tree_, 3)
        for point in product((0.1, 0.4, 0.9), repeat=3):
            inside = ((leaves.low < point) & (point <= leaves.high)).all(axis=1)
            assert inside.sum() == 1
            assert leaves.value[inside][0] == pytest.approx(tree.predict([point])[0])
