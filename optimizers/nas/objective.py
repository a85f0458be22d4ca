"""The objective of a search: an architecture is built, trained on images, and judged by others."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from time import perf_counter

from torch import nn

from metadb.records import Config, Evaluation, Trial
from optimizers.nas.images import Parted
from optimizers.nas.memory import check_fits
from optimizers.nas.space import NasSpace
from optimizers.nas.training import Look, train


@dataclass(frozen=True, slots=True)
class Trained(Evaluation):
    """An evaluation with its learning curve.

    Args:
        looks: One an epoch.
    """

    looks: tuple[Look, ...] = ()


@dataclass(frozen=True, slots=True, eq=False)
class Training:
    """Minus the accuracy of an architecture on the validation images, after `budget` epochs.

    A larger budget of the same architecture is a training of its own: the rate falls to 0 along its
    whole length. Every architecture begins from the same seed.

    Args:
        space: Whose configurations the trials have.
        width, depth: Of the networks, see the space's `build`; None: the space's own.
        batch, rate, device, mixed, compiled, seed: See `training.train`.
        folder: For a checkpoint of the trial that runs, so that it goes on after a kill.
        about: What else a checkpoint has to agree with: the data, say.
        limit_bytes: Memory that a training may take; default: 90 % of what is free.
        told: Hears of each epoch of a trial.
    """

    space: NasSpace
    images: Parted
    width: int | None = 8
    depth: int | None = 1
    batch: int = 64
    rate: float = 0.025
    device: str = "cpu"
    mixed: bool = False
    compiled: bool = False
    seed: int = 0
    folder: Path | None = None
    about: dict[str, object] = field(default_factory=dict)
    limit_bytes: int | None = None
    told: Callable[[Trial, Look], object] = lambda trial, look: None

    def build(self, config: Config) -> nn.Module:
        """The network of an architecture, as trials train it.

        Raises:
            WrongUsage: No path leads from its input to its output.
        """
        sizes = {
            name: given
            for name, given in (("width", self.width), ("depth", self.depth))
            if given is not None
        }
        return self.space.build(
            config, shape=self.images.shape, classes=self.images.classes, seed=self.seed, **sizes
        )

    def __call__(self, trial: Trial) -> Trained:
        """Train and judge one architecture.

        Raises:
            TooLarge: It would not fit into memory.
            WrongUsage: No path leads from its input to its output; the device lacks an operation.
            Diverged: Its loss left the finite numbers.
        """
        begun = perf_counter()
        check_fits(
            lambda: self.build(trial.config), self.images.shape, batch=self.batch,
            device=self.device, limit_bytes=self.limit_bytes,
        )  # fmt: skip
        checkpoint = None if self.folder is None else self.folder / f"trial-{trial.id}.safetensors"
        looks = train(
            self.build(trial.config), self.images.train, self.images.validation,
            epochs=max(1, round(trial.budget)), batch=self.batch, rate=self.rate,
            device=self.device, mixed=self.mixed, compiled=self.compiled, checkpoint=checkpoint,
            about={**self.about, "space": self.space.name, "config": dict(trial.config)},
            seed=self.seed, told=lambda look: self.told(trial, look),
        )  # fmt: skip
        if checkpoint is not None:
            checkpoint.unlink(missing_ok=True)
        cost_s = max(perf_counter() - begun, looks[-1].elapsed_s)
        return Trained(trial, -looks[-1].accuracy, cost_s, looks=tuple(looks))


__all__ = ["Trained", "Training"]
