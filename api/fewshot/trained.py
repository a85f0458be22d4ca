"""A learner as its training described it, and the weights of one that the store keeps."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from torch import Tensor

    from metadb.models import Model
    from optimizers.fewshot.learner import FewShotLearner


def learner_of(
    about: Mapping[str, Any], device: str, *, shape: tuple[int, ...] | None = None
) -> FewShotLearner:
    """The learner that a training is about, with first weights.

    Args:
        about: What a checkpoint, or the table `models`, says of it.
        shape: Of the inputs it is to take; default: of those it was trained on.
    """
    from optimizers.fewshot.building import build

    return build(
        about["learner"], shape=shape or tuple(about["shape"]), ways=about.get("ways"),
        classes=about.get("classes"), config=about["config"], width=about["width"],
        total=about["steps"], device=device, seed=about["seed"],
    )  # fmt: skip


def weights_of(model: Model) -> dict[str, Tensor]:
    """The weights that the store keeps of a model.

    Raises:
        MalformedFile: They are not those that were kept.
    """
    from optimizers.tensor_file import read_tensors

    tensors, _ = read_tensors(model.weights, expected_sha256=model.id)
    return tensors
