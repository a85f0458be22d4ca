"""Which trained model to start a new task from: by its own support, and by how alike tasks are.

Each example of the support is judged once by what a model makes of the others (leave-one-out, all
classes at once: one example of each class is left out together). Few examples tell little, so their
accuracy is drawn towards what the model reached on its own task, as far as the two tasks are alike:
the posterior mean of a beta distribution whose prior counts as `PRIOR` examples.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

import torch
from torch import Tensor

from metadb.errors import WrongUsage
from optimizers.fewshot.describing import describe, likeness
from optimizers.fewshot.episode import Examples
from optimizers.fewshot.learner import FewShotLearner

PRIOR = 10.0


@dataclass(frozen=True, slots=True)
class Candidate:
    """A trained model.

    Args:
        id: What it is called.
        learner: With its weights.
        ways: Classes of the tasks that it was trained on.
        value: The accuracy it reached on them; None where nobody judged it.
        described: Meta-features of its own task.
    """

    id: str
    learner: FewShotLearner
    ways: int
    value: float | None
    described: Mapping[str, float]


@dataclass(frozen=True, slots=True)
class Choice:
    """How good a model may be on a task.

    Args:
        expected: The accuracy to expect.
        right, judged: So many of the support's examples were told right when left out; none are
            judged where a class has one example.
        likeness: Of the two tasks, 0 to 1.
    """

    id: str
    expected: float
    right: int
    judged: int
    likeness: float


def rank(candidates: Iterable[Candidate], x: Tensor, y: Tensor) -> list[Choice]:
    """The models in the order in which to try them on a task with this support.

    Args:
        x, y: Inputs (n, ...) and their classes (n,), 0 on; classes with more examples than others
            are cut, so that all have as many.

    Raises:
        WrongUsage: Less than two classes.
    """
    ways = int(y.max()) + 1 if len(y) else 0
    if ways < 2:
        raise WrongUsage(f"a task to tell classes apart has two or more, not {ways}")
    rounds, described = _left_out(x, y, ways), describe(x, y)
    chance, choices = 1 / ways, []
    for candidate in candidates:
        right, judged = _right(candidate.learner, rounds) if rounds else (0, 0)
        alike = likeness(candidate.described, described)
        own_chance = 1 / candidate.ways
        skill = 0.0 if candidate.value is None else (candidate.value - own_chance)
        prior = chance + max(0.0, skill / (1 - own_chance)) * alike * (1 - chance)
        expected = (right + PRIOR * prior) / (judged + PRIOR)
        choices.append(Choice(candidate.id, expected, right, judged, alike))
    return sorted(choices, key=lambda c: (-c.expected, c.id))


def _left_out(x: Tensor, y: Tensor, ways: int) -> tuple[Examples, Examples] | None:
    """Supports and what each leaves out, a task for each example of a class; None for one shot."""
    x = x.float() / 255 if x.dtype == torch.uint8 else x.float()
    of = [torch.nonzero(y == c)[:, 0] for c in range(ways)]
    shots = min(map(len, of))
    if shots < 2:
        return None
    rows = torch.stack([own[:shots] for own in of])  # (ways, shots)
    classes = torch.arange(ways).unsqueeze(1).expand(ways, shots)
    stays = ~torch.eye(shots, dtype=torch.bool)
    supports = torch.stack([rows[:, stay].flatten() for stay in stays])  # (shots, ways*(shots-1))
    y_support = torch.stack([classes[:, stay].flatten() for stay in stays])
    queries = rows.T  # (shots, ways)
    return Examples(x[supports], y_support), Examples(x[queries], classes.T)


def _right(learner: FewShotLearner, rounds: tuple[Examples, Examples]) -> tuple[int, int]:
    support, query = rounds
    said = learner.adapt(support)(query.x).argmax(2).cpu()
    return int((said == query.y).sum()), query.y.numel()
