from __future__ import annotations

import math
import random
from dataclasses import replace

import numpy as np
import pyarrow as pa
import pytest

from metadb.errors import InvalidConfig, InvalidRows, NotFound
from metadb.history import Configs, History
from metadb.identity import canonical_config, config_id
from metadb.records import Rows, Task
from metadb.store import Load, Store
from tests.conftest import SPACE, config, evaluation, rows_of

TASKS = [f"toy:task/{i}" for i in range(5)]
METRICS = {"accuracy": -1, "log_loss": 1}  # the sign of the loss


def random_evaluations(seed: int) -> list[dict[str, object]]:
    rng = random.Random(seed)
    return [
        evaluation(
            task, i, None if failed else rng.randrange(16) / 16, metric=metric, budget=budget, fold=fold,
            status="failed" if failed else "ok", cost_s=rng.choice([None, rng.randrange(8) / 2]),
        )
        for task in TASKS for i in range(4) for metric in METRICS
        for budget in (0.25, 1.0, 16.0) if rng.random() < 0.4
        for fold in range(2) for failed in [rng.random() < 0.1]
    ]  # fmt: skip


def metafeatures() -> pa.Table:
    """Of two extractors that know one name, metadb is believed; of two others, the first by name."""
    rows = [
        (TASKS[0], "n", 1.0, "metadb"), (TASKS[0], "n", 9.0, "aaa"),
        (TASKS[1], "n", 2.0, "openml"), (TASKS[1], "n", 3.0, "zzz"),
        (TASKS[2], "p", 4.0, "openml"),
    ]  # fmt: skip
    names = ("task", "name", "value", "extractor")
    return pa.table(dict(zip(names, map(list, zip(*rows, strict=True)), strict=True)))


def fill(store: Store, evaluations: list[dict[str, object]]) -> None:
    rows = rows_of(evaluations)
    tasks = pa.table({"task": TASKS, "dataset": ["toy:data/0", "toy:data/0", None, None, None]})
    store.add(Rows({**rows.tables, "tasks": tasks, "metafeatures": metafeatures()}))


@pytest.fixture(scope="module", params=[0, 1])
def filled(request, tmp_path_factory):
    rows = random_evaluations(request.param)
    with Store(tmp_path_factory.mktemp("history") / "store") as store:
        fill(store, rows)
        yield store, rows


def plain(rows, metric):
    """(task, config id, budget) to (loss, cost_s), by the book."""
    groups = {}
    for row in rows:
        if row["metric"] == metric:
            groups.setdefault((row["task"], row["config"], row["budget"]), []).append(row)
    found = {}
    for key, group in groups.items():
        failed = any(r["status"] != "ok" for r in group)
        loss = math.inf if failed else METRICS[metric] * sum(r["value"] for r in group) / len(group)
        costs = [r["cost_s"] for r in group if r["cost_s"] is not None]
        found[key] = (loss, sum(costs) / len(costs) if costs else math.nan)
    return found


@pytest.mark.parametrize("metric", METRICS)
def test_a_history_is_the_plain_average_in_order(filled, metric):
    store, rows = filled
    history, expected = store.history(SPACE, metric), plain(rows, metric)
    keys = [
        (history.tasks[t], history.configs.ids[c], b)
        for t, c, b in zip(history.task, history.config, history.budget, strict=True)
    ]
    assert keys == sorted(expected)
    np.testing.assert_allclose(history.loss, [expected[k][0] for k in keys], rtol=1e-15)
    np.testing.assert_allclose(history.cost_s, [expected[k][1] for k in keys], rtol=1e-15)
    assert history.tasks == tuple(sorted({k[0] for k in keys}))
    assert history.configs.ids == tuple(sorted({k[1] for k in keys}))


@pytest.mark.parametrize("metric", METRICS)
def test_the_matrix_holds_the_largest_budget_nan_where_not_run_inf_where_failed(filled, metric):
    store, rows = filled
    history, expected = store.history(SPACE, metric), plain(rows, metric)
    matrix, costs = history.matrix(), history.costs()
    for t, task in enumerate(history.tasks):
        for c, name in enumerate(history.configs.ids):
            budgets = [b for (tt, cc, b) in expected if (tt, cc) == (task, name)]
            loss, cost = expected[task, name, max(budgets)] if budgets else (math.nan, math.nan)
            np.testing.assert_array_equal([matrix[t, c], costs[t, c]], [loss, cost])
    assert np.isinf(matrix).any()
    assert np.isnan(matrix).any()


def test_the_order_of_entries_decides_nothing(filled):
    store, _ = filled
    history = store.history(SPACE, "accuracy")
    order = np.random.default_rng(0).permutation(len(history))
    turned = History(
        history.metric, history.tasks, history.configs, history.task[order], history.config[order],
        history.loss[order], history.cost_s[order], history.budget[order],
    )  # fmt: skip
    np.testing.assert_equal(turned.matrix(), history.matrix())


def test_the_order_of_adding_decides_nothing(filled, tmp_path):
    store, rows = filled
    shuffled = random.Random(9).sample(rows, len(rows))
    with Store(tmp_path / "other") as other:
        for half in (shuffled[::2], shuffled[1::2]):
            fill(other, half)
        one, two = store.history(SPACE, "accuracy"), other.history(SPACE, "accuracy")
    assert (one.tasks, one.datasets, one.configs.ids) == (two.tasks, two.datasets, two.configs.ids)
    np.testing.assert_equal(one.matrix(), two.matrix())
    np.testing.assert_equal(one.metafeatures(), two.metafeatures())


@pytest.mark.parametrize("n_gone", [1, 2, 5])
def test_without_tasks_is_as_if_they_had_never_been_seen(filled, n_gone):
    store, _ = filled
    history = store.history(SPACE, "accuracy")
    gone = history.tasks[:n_gone]
    left = history.without(*gone)
    assert left.tasks == history.tasks[n_gone:]
    assert left.configs is history.configs  # places are kept
    assert left.datasets == history.datasets[n_gone:]
    np.testing.assert_equal(left.matrix(), history.matrix()[n_gone:])
    np.testing.assert_equal(left.metafeatures(["n"]), history.metafeatures(["n"])[n_gone:])
    assert len(left) == sum(history.tasks[t] not in gone for t in history.task)
    with pytest.raises(NotFound, match="toy:task/404"):
        history.without("toy:task/404")


def test_a_history_that_knows_no_data_sets_can_do_without_tasks_too(filled):
    store, _ = filled
    history = replace(store.history(SPACE, "accuracy"), datasets=())
    left = history.without(history.tasks[0])
    assert (left.tasks, left.datasets) == (history.tasks[1:], ())
    assert left.described_task(left.tasks[0]).dataset is None


def test_metafeatures_are_those_of_metadb_first_and_nan_where_unknown(filled):
    store, _ = filled
    history = store.history(SPACE, "accuracy")
    nan = math.nan
    expected = [[1.0, nan], [2.0, nan], [nan, 4.0], [nan, nan], [nan, nan]]
    np.testing.assert_equal(history.metafeatures(), expected)
    np.testing.assert_equal(history.metafeatures(["p", "n"]), np.array(expected)[:, ::-1])
    assert history.metafeatures([]).shape == (5, 0)
    with pytest.raises(NotFound, match=r"no meta-feature 'q'; there are \['n', 'p'\]"):
        history.metafeatures(["q"])


def test_a_task_is_described_by_what_is_known_of_it(filled):
    store, _ = filled
    history = store.history(SPACE, "accuracy")
    task = history.described_task(TASKS[0])
    assert (task.metafeatures, task.dataset) == ({"n": 1.0}, "toy:data/0")
    assert history.described_task(TASKS[3]).metafeatures == {}
    assert history.datasets == ("toy:data/0", "toy:data/0", *TASKS[2:])
    with pytest.raises(NotFound, match="of 5 tasks"):
        history.described_task("toy:task/404")


def test_a_history_of_some_tasks_is_that_of_these(filled):
    store, _ = filled
    whole = store.history(SPACE, "accuracy")
    some = store.history(SPACE, "accuracy", tasks=TASKS[1:3])
    assert some.tasks == tuple(TASKS[1:3])
    columns = [whole.configs.ids.index(i) for i in some.configs.ids]
    np.testing.assert_equal(some.matrix(), whole.matrix()[1:3][:, columns])


def test_the_metric_of_most_evaluations_is_taken_by_default_and_no_duration(store):
    store.add(rows_of([evaluation(TASKS[0], i, metric="log_loss") for i in range(3)]))
    store.add(rows_of([evaluation(TASKS[0], 0)]))
    assert store.history(SPACE).metric == "log_loss"
    assert store.history(SPACE, "predictive_accuracy").metric == "accuracy"


def test_a_matrix_that_would_not_fit_is_refused(monkeypatch, filled):
    store, _ = filled
    history = store.history(SPACE, "accuracy")
    monkeypatch.setattr("metadb.history._MAX_CELLS", 10)
    with pytest.raises(InvalidRows, match="use the long form"):
        history.matrix()


def test_html_is_escaped():
    nothing = np.zeros(0)
    none = np.zeros(0, np.int32)
    history = History("<m>", (), Configs("<s>", (), ()), none, none, nothing, nothing, nothing)
    assert "<m>" not in history._repr_html_()
    assert "&lt;m&gt;" in history._repr_html_()


def test_a_batch_of_configs_keeps_its_order_and_finds_its_members():
    values = [config(i) for i in (3, 0, 2)]
    configs = Configs.of(SPACE, values)
    assert list(configs) == values
    assert len(configs) == 3
    assert configs[1] == config(0)
    assert configs.ids == tuple(config_id(SPACE, c) for c in values)
    assert configs.index({"kernel": "linear", "C": -0.0}) == 1
    assert configs.index(config(1)) is None
    taken = configs.take(np.array([2, 0]))
    assert list(taken) == [config(2), config(3)]
    assert taken.ids == (configs.ids[2], configs.ids[0])
    assert len(configs.take([])) == 0


def test_configs_are_encoded_once_and_alike_however_they_are_taken():
    values = [config(i) for i in range(6)]
    configs = Configs.of(SPACE, values)
    x = configs.x  # (configs, width)
    assert x is configs.x
    assert x.shape[0] == 6
    assert x.min() >= 0
    assert x.max() <= 1
    assert len(np.unique(x, axis=0)) == 6
    from metadb.space import to_json

    declared = Configs.of(SPACE, values, definition=to_json(configs.space))
    np.testing.assert_array_equal(declared.take([4, 1]).x, x[[4, 1]])


def test_a_declared_space_encodes_the_history(store):
    from ConfigSpace import ConfigurationSpace

    space = ConfigurationSpace(name=SPACE, space={"C": (0.0, 10.0), "kernel": ["linear", "rbf"]})
    for i in range(3):
        store.record(
            Task("toy:task/0"), config(i),
            space=space, metric="accuracy", value=0.5,
        )  # fmt: skip
    history = store.history(SPACE)
    assert history.configs.space == space
    assert {canonical_config(c) for c in history.configs} == {
        canonical_config(config(i)) for i in range(3)
    }


def test_a_history_forgets_with_the_store(store):
    store.add(rows_of([evaluation(TASKS[0], 0)]), load=Load("a", "test"))
    store.add(rows_of([evaluation(TASKS[1], 1)]), load=Load("b", "test"))
    store.forget("a")
    history = store.history(SPACE)
    assert history.tasks == (TASKS[1],)
    assert list(history.configs) == [config(1)]


def test_budgets_of_two_units_are_not_averaged(store):
    store.add(
        rows_of(
            [
                evaluation(TASKS[0], 0, 0.5),
                evaluation(TASKS[0], 0, 0.25, budget=1.0, budget_unit="epochs"),
            ]
        )
    )
    assert sorted(store.history(SPACE).loss) == [-0.5, -0.25]


def test_what_is_taken_shares_space_values_and_encoding():
    configs = Configs.of(SPACE, [config(i) for i in range(8)])
    taken = configs.take([6, 1, 6])
    assert taken.space is configs.space
    assert taken.values[0] is configs.values[6]
    np.testing.assert_array_equal(taken.x, configs.x[[6, 1, 6]])
    twice = taken.take([1])
    assert twice.space is configs.space  # and not one inferred from a single config
    assert list(twice) == [config(1)]
    np.testing.assert_array_equal(twice.x, configs.x[[1]])
    assert (twice.ids, twice.texts) == ((configs.ids[1],), (configs.texts[1],))


def test_places_are_those_of_equal_configs_and_minus_one_elsewhere():
    configs = Configs.of(SPACE, [config(i) for i in (3, 0, 2)])
    others = Configs.of(SPACE, [config(i) for i in (2, 5, 3, 2)])
    assert configs.places(others).tolist() == [2, -1, 0, 2]
    assert configs.places(configs).tolist() == [0, 1, 2]
    assert configs.places(configs.take([])).tolist() == []
    expected = [-1 if (i := configs.index(c)) is None else i for c in others]
    assert configs.places(others).tolist() == expected


def test_other_configs_are_encoded_in_the_space_of_the_batch():
    configs = Configs.of(SPACE, [config(i) for i in range(9)])
    others = Configs.of(SPACE, [config(3), config(6)])
    moved = configs.with_encoding_of(others)
    assert moved.space is configs.space
    assert (moved.ids, moved.texts) == (others.ids, others.texts)
    np.testing.assert_array_equal(moved.x, configs.x[[3, 6]])
    taken = moved.take([1])
    assert taken.space is configs.space
    np.testing.assert_array_equal(taken.x, configs.x[[6]])
    assert others.space is not configs.space  # what was given is left as it was
    with pytest.raises(InvalidConfig):
        configs.with_encoding_of(Configs.of(SPACE, [{"C": 1.0, "kernel": "unheard"}]))


def test_a_history_of_some_entries_keeps_tasks_and_configs_in_their_places(filled):
    store, _ = filled
    history = store.history(SPACE, "accuracy")
    rows = np.flatnonzero(np.random.default_rng(0).random(len(history)) < 0.5)
    some = history.at(rows)
    assert some.configs is history.configs
    assert (some.tasks, some.datasets) == (history.tasks, history.datasets)
    for name in ("task", "config", "loss", "cost_s", "budget"):
        np.testing.assert_array_equal(getattr(some, name), getattr(history, name)[rows])
    np.testing.assert_equal(some.metafeatures(), history.metafeatures())
    assert some.matrix().shape == history.matrix().shape
    assert len(history.at(np.empty(0, np.intp))) == 0
    np.testing.assert_equal(history.at(np.arange(len(history))).matrix(), history.matrix())
