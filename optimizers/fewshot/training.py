"""The training of a few-shot learner: steps over episodes, looked at now and then, resumed."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from time import perf_counter
from typing import Any

from torch import Generator

from metadb.errors import Diverged, WrongUsage
from optimizers.fewshot.episode import Source
from optimizers.fewshot.evaluation import Scores, evaluate
from optimizers.fewshot.learner import FewShotLearner
from optimizers.fewshot.weights import put, tensors_of
from optimizers.tensor_file import read_tensors, write_tensors


@dataclass(frozen=True, slots=True)
class Look:
    """How a training stood.

    Args:
        step: Steps taken.
        loss: The mean loss of the steps since the look before.
        score: The mean score on validation tasks; None where there are none.
        half_width: Of its interval of 95 %.
        elapsed_s: Seconds of training, interruptions left out.
    """

    step: int
    loss: float
    score: float | None
    half_width: float | None
    elapsed_s: float


def train(
    learner: FewShotLearner,
    source: Source,
    *,
    steps: int,
    tasks: int = 4,
    seed: int = 0,
    validation: Source | None = None,
    episodes: int = 100,
    every: int = 100,
    time_s: float | None = None,
    clock: Callable[[], float] = perf_counter,
    checkpoint: Path | None = None,
    about: Mapping[str, Any] | None = None,
    told: Callable[[int, float], object] = lambda step, loss: None,
) -> list[Look]:
    """Train, or go on training from a checkpoint; returns the learning curve.

    Args:
        steps: Outer steps in all, those before a resumption counted.
        tasks: Episodes of a step.
        seed: Of the episodes; those of a step depend on the seed and the step's number alone, so
            that a resumed training is the unbroken one.
        validation, episodes: Looked at after `every` steps and at the end, so many tasks.
        time_s: No step begins after so many seconds of training.
        clock: Tells the seconds; `time.process_time` counts those of the processor alone.
        checkpoint: A file, written at every look, from which the same call goes on.
        about: What the learner is; a checkpoint of something else is refused.
        told: Hears after each step its number and loss.

    Raises:
        Diverged: A loss or gradient is not finite; the checkpoint is that of the last look.
        WrongUsage: The checkpoint is of another learner, architecture or data.
    """
    about = dict(about or {})
    looks, elapsed_s = _resumed(learner, checkpoint, about)
    met, begun, step = list[float](), clock(), looks[-1].step if looks else 0

    def spent() -> float:
        return elapsed_s + clock() - begun

    def look() -> None:
        scores: Scores | None = None
        if validation is not None:
            scores = evaluate(learner, validation, episodes=episodes, seed=seed + 1)
        looks.append(
            Look(
                step,
                sum(met) / len(met),
                None if scores is None else scores.mean,
                None if scores is None else scores.half_width,
                spent(),
            )
        )
        met.clear()
        if checkpoint is not None:
            _write(learner, checkpoint, about, looks)

    while step < steps and (time_s is None or spent() < time_s):
        rng = Generator().manual_seed(seed * 1_000_003 + step)
        try:
            loss = learner.step(source.draw(tasks, rng))
        except Diverged as error:  # running statistics may have met what is not finite: not kept
            where = (
                f"; {checkpoint} holds the weights of step {looks[-1].step}"
                if checkpoint is not None and looks
                else ""
            )
            raise Diverged(f"{error}{where}") from error
        step += 1
        met.append(loss)
        told(step, loss)
        if step % every == 0 or step == steps:
            look()
    if met:
        look()
    return looks


def _write(
    learner: FewShotLearner, checkpoint: Path, about: Mapping[str, Any], looks: list[Look]
) -> None:
    outer = {} if learner.outer is None else learner.outer.state()
    tensors = tensors_of(learner) | {f"outer.{name}": t for name, t in outer.items()}
    curve = [[k.step, k.loss, k.score, k.half_width, k.elapsed_s] for k in looks]
    write_tensors(checkpoint, tensors, {"about": dict(about), "curve": curve})


def _resumed(
    learner: FewShotLearner, checkpoint: Path | None, about: Mapping[str, Any]
) -> tuple[list[Look], float]:
    if checkpoint is None or not checkpoint.exists():
        return [], 0.0
    tensors, found = read_tensors(checkpoint)
    before = found.get("about")
    if before != about:
        other = next(
            (f"{key} was {(before or {}).get(key)!r} and is {about.get(key)!r}"
             for key in sorted({*(before or {}), *about})
             if (before or {}).get(key) != about.get(key)),
            "its description is missing",
        )  # fmt: skip
        raise WrongUsage(
            f"{checkpoint} is the checkpoint of another training ({other}); give another file, "
            "or remove it to begin anew"
        )
    put(learner, tensors)
    if learner.outer is not None:
        learner.outer.restore(
            {name[6:]: t for name, t in tensors.items() if name.startswith("outer.")}
        )
    looks = [Look(*row) for row in found["curve"]]
    return looks, looks[-1].elapsed_s if looks else 0.0


__all__ = ["Look", "train"]
