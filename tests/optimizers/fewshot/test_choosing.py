"""Models are ranked by what they make of a task's own support, and by how alike tasks are."""

from __future__ import annotations

import pytest
import torch

from metadb.errors import WrongUsage
from optimizers.fewshot.choosing import PRIOR, Candidate, rank
from optimizers.fewshot.describing import describe, likeness


class Nearest:
    """Tells classes by the nearest mean of some inputs, which is all a candidate has to do."""

    outer, learnt, kept = None, {}, {}

    def __init__(self, columns):
        self.columns = columns

    def adapt(self, support):
        x, y = support.x[..., self.columns], support.y
        means = torch.stack([
            torch.stack([x[t][y[t] == c].mean(0) for c in range(int(y.max()) + 1)])
            for t in range(len(x))
        ])  # fmt: skip
        return lambda query: -torch.cdist(query[..., self.columns], means)


def task(shots=4, ways=3):
    """The first column tells the classes, the second one nothing."""
    rng = torch.Generator().manual_seed(0)
    y = torch.arange(ways).repeat_interleave(shots)
    x = torch.rand(len(y), 2, generator=rng)
    x[:, 0] += 10 * y
    return x, y


def candidates(x, y, value=0.8):
    own = describe(x, y)
    return [
        Candidate("noise", Nearest([1]), 3, value, own),
        Candidate("good", Nearest([0]), 3, value, own),
    ]


def test_the_support_tells_which_model_is_good():
    x, y = task()
    first, last = rank(candidates(x, y), x, y)
    assert (first.id, first.right, first.judged) == ("good", 12, 12)
    assert last.right < 12
    assert first.likeness == last.likeness == 1.0
    skill = (0.8 - 1 / 3) / (2 / 3)
    prior = 1 / 3 + skill * 2 / 3
    assert first.expected == pytest.approx((12 + PRIOR * prior) / (12 + PRIOR))


def test_an_example_left_out_is_not_in_the_support_it_is_judged_by():
    class Remembers:
        outer, learnt, kept = None, {}, {}

        def adapt(self, support):
            def predict(query):
                for seen, asked in zip(support.x, query, strict=True):
                    assert not (seen.unsqueeze(0) == asked.unsqueeze(1)).all(-1).any()
                return torch.zeros(*query.shape[:2], 3)

            return predict

    x, y = task()
    (choice,) = rank([Candidate("m", Remembers(), 3, None, {})], x, y)
    assert (choice.right, choice.judged) == (4, 12)  # all are said to be of class 0


def test_one_shot_leaves_nothing_out_and_likeness_decides():
    x, y = task(shots=1)
    own = describe(x, y)
    far = {name: -value if value else 1.0 for name, value in own.items()}
    one, two = rank(
        [Candidate("far", Nearest([0]), 3, 0.9, far), Candidate("near", Nearest([0]), 3, 0.9, own)],
        x, y,
    )  # fmt: skip
    assert (one.id, one.judged, two.likeness) == ("near", 0, pytest.approx(0.0, abs=0.2))
    assert one.expected == pytest.approx(0.9)


def test_a_model_of_many_ways_is_expected_to_do_better_on_few():
    x, y = task(shots=1)
    many, few = (Candidate("m", Nearest([0]), ways, 0.6, describe(x, y)) for ways in (20, 3))
    assert rank([many], x, y)[0].expected > rank([few], x, y)[0].expected


def test_one_class_is_no_task():
    x, y = task(ways=1)
    with pytest.raises(WrongUsage, match="two or more, not 1"):
        rank([], x, y)


def test_a_description_is_what_it_says():
    x = torch.tensor([[0.0, 2.0], [0.0, 4.0], [10.0, 2.0], [10.0, 4.0]])
    found = describe(x, torch.tensor([0, 0, 1, 1]))
    assert found["inputs"] == 2
    assert found["mean"] == 4
    assert found["zeros"] == 0.25
    within, total = 2.0, float(x.var(0).sum())  # 1 + 1 squared, twice, by 2 degrees of freedom
    assert found["spread"] == pytest.approx(within / total)
    assert "roughness" not in found
    assert "spread" not in describe(x[::2], torch.tensor([0, 1]))
    image = torch.zeros(1, 1, 2, 2, dtype=torch.uint8)
    image[0, 0, 0, 0] = 255
    assert describe(image, torch.tensor([0]))["roughness"] == pytest.approx(0.5)


def test_likeness_is_one_for_the_same_and_does_not_depend_on_the_order():
    one, two = {"a": 1.0, "b": 0.0}, {"a": 3.0, "b": 0.0, "c": 1.0}
    assert likeness(one, one) == 1
    assert likeness(one, two) == likeness(two, one) == pytest.approx(1 - 0.5 / 2)
    assert likeness(one, {"c": 1.0}) == 0
