"""Few-shot tasks from tables and from the store: what is drawn is there, of one table or task."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from metadb.errors import MalformedFile, WrongUsage
from metadb.history import Configs, History
from optimizers.fewshot.responses import Responses
from optimizers.fewshot.tabular import WIDTH, is_tables, read_tables
from optimizers.fewshot.ways import Ways
from optimizers.labelled import of_arrays


def rng(seed=0):
    return torch.Generator().manual_seed(seed)


@pytest.fixture
def folder(tmp_path):
    """Two tables: three classes of 12 rows, two of 8; a regression beside them."""
    lines = ["a,b,kind", *(f"{i},{'x' if i % 2 else 'y'},c{i % 3}" for i in range(36))]
    (tmp_path / "one.csv").write_text("\n".join(lines))
    lines = ["a,kind", *(f"{i if i else ''},d{i % 2}" for i in range(16))]
    (tmp_path / "two.csv").write_text("\n".join(lines))
    (tmp_path / "three.csv").write_text("\n".join(["a,y", *(f"{i},{i / 7}" for i in range(30))]))
    (tmp_path / "README.txt").write_text("not a table\n")
    return tmp_path


def test_a_table_is_the_group_of_its_classes(folder):
    assert is_tables(folder)
    found = read_tables(folder)
    assert found.names == ("one/c0", "one/c1", "one/c2", "two/d0", "two/d1")
    assert found.groups == ("one", "one", "one", "two", "two")
    assert found.x.shape == (52, WIDTH)
    first = found.x[:36]
    assert first[:, 0].mean() == pytest.approx(0, abs=1e-6)
    assert first[:, 0].std(correction=0) == pytest.approx(1)
    assert torch.equal(first[:, 2:], torch.zeros(36, WIDTH - 2))
    assert found.x[36, 0] == 0  # missing: the column's mean


def test_the_classes_of_a_task_are_of_one_table(folder):
    found = read_tables(folder)
    episodes = Ways(found, 2, shots=1, queries=2, within=True).draw(200, rng())
    table = (episodes.classes >= 3).long()  # (tasks, ways)
    assert torch.equal(table[:, 0], table[:, 1])
    assert 0.3 < table[:, 0].double().mean() < 0.7  # tables count alike, however many classes
    episodes = Ways(found, 3, shots=1, queries=2, within=True).draw(50, rng())
    assert int(episodes.classes.max()) == 2  # the other table has two classes
    with pytest.raises(WrongUsage, match="no group has 4 classes"):
        Ways(found, 4, shots=1, queries=2, within=True)


def test_rare_classes_can_be_left_out(folder):
    assert read_tables(folder).with_at_least(10).names == ("one/c0", "one/c1", "one/c2")


def test_turned_classes_keep_their_group():
    images = of_arrays(
        np.zeros((24, 1, 4, 4), np.uint8), np.arange(24) // 4, groups=["a", "a", "a", "b", "b", "b"]
    )
    source = Ways(images, 5, shots=1, queries=1, turns=4, within=True)
    classes = source.draw(50, rng()).classes // 12  # 3 classes with 4 turns each
    assert torch.equal(classes, classes[:, :1].expand_as(classes))


def test_a_folder_without_a_classification_is_refused(tmp_path):
    (tmp_path / "three.csv").write_text("\n".join(["a,y", *(f"{i},{i / 7}" for i in range(30))]))
    with pytest.raises(MalformedFile, match="no table in"):
        read_tables(tmp_path)


def history(n_tasks=4, n_configs=12):
    """The loss of config c on task t is 10 t + c; the last task has five configs, one failed."""
    configs = Configs.of("s", [{"c": float(c)} for c in range(n_configs)])
    task, config = np.divmod(np.arange(n_tasks * n_configs), n_configs)
    kept = (task < n_tasks - 1) | (config < 5)
    task, config = task[kept].astype(np.int32), config[kept].astype(np.int32)
    loss = 10.0 * task + config
    loss[-1] = np.inf
    ones = np.ones(len(task))
    names = tuple(f"t:{t}" for t in range(n_tasks))
    return History("loss", names, configs, task, config, loss, ones, ones)


def test_responses_are_the_losses_of_one_task_each():
    found = Responses.of(history(), ("t:0", "t:1", "t:2"), shots=3, queries=4)
    episodes = found.draw(100, rng())
    x = torch.cat([episodes.support.x, episodes.query.x], dim=1)[..., 0]
    y = torch.cat([episodes.support.y, episodes.query.y], dim=1)[..., 0]
    loss = y * found.scale + found.centre
    task = ((loss - 11 * x) / 10).round()  # x is the config's place in [0, 1]
    assert torch.allclose(loss, 10 * task + 11 * x, atol=1e-4)
    assert torch.equal(task, task[:, :1].expand_as(task))
    assert all(len(row.unique()) == 7 for row in x)  # no config twice in a task


def test_a_task_with_too_few_configs_is_left_out_and_others_scale_as_the_trained():
    trained = Responses.of(history(), ("t:0", "t:1"), shots=2, queries=2)
    tested = Responses.of(history(), ("t:2", "t:3"), shots=2, queries=2, like=trained)
    assert tested.names == ("t:2", "t:3")  # four usable ones are just enough
    assert (tested.centre, tested.scale) == (trained.centre, trained.scale)
    assert not tested.draw(50, rng()).query.y.isnan().any()
    assert Responses.of(history(), ("t:2", "t:3"), shots=3, queries=2).names == ("t:2",)
    with pytest.raises(WrongUsage, match="need 5 evaluated configurations"):
        Responses.of(history(), ("t:3",), shots=3, queries=2)
