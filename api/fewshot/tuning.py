"""`metadb fewshot tune`: which settings a learner should have, found by a warm-started search."""

from __future__ import annotations

import inspect
from dataclasses import dataclass
from hashlib import blake2b
from typing import TYPE_CHECKING, Any

from api.terminal import COMMON, EXIT_OK, Common, opened, progress, remark, say_json
from metadb.errors import MetadbError, NotFound, WrongUsage
from metadb.records import Evaluation, Trial

if TYPE_CHECKING:
    from api.fewshot.sources import Sources
    from metadb.records import Config, Task
    from metadb.store import Store

LEAST = 50
"""Fewer steps of training tell nothing: trials of several budgets have so many at least."""


@dataclass(frozen=True, slots=True)
class Training:
    """What a trial does: train with its settings, then be judged on unseen tasks of these classes.

    Args:
        steps: Of a trial with the whole budget.
        tasks: Of a step.
        episodes: Tasks to judge by.
    """

    sources: Sources
    learner: str
    width: int
    steps: int
    tasks: int
    episodes: int
    device: str
    seed: int

    def __call__(self, trial: Trial) -> Evaluation:
        """The loss of the trial: the mean squared error of its tasks, or the accuracy negated."""
        from time import perf_counter

        from optimizers.fewshot.building import build
        from optimizers.fewshot.evaluation import evaluate
        from optimizers.fewshot.training import train

        begun, steps = perf_counter(), max(1, round(self.steps * trial.budget))
        learner = build(
            self.learner, shape=self.sources.shape, ways=self.sources.ways,
            classes=self.sources.classes, config=trial.config, width=self.width, total=steps,
            device=self.device, seed=self.seed,
        )  # fmt: skip
        train(learner, self.sources.train, steps=steps, tasks=self.tasks, seed=self.seed)
        scores = evaluate(
            learner, self.sources.train, episodes=self.episodes, seed=self.seed + 1_000
        )
        loss = scores.mean if scores.metric == "mse" else -scores.mean
        return Evaluation(trial, loss, perf_counter() - begun)


def tune(
    data: str,
    *,
    learner: str = "maml",
    optimizer: str = "bo",
    trials: int = 20,
    ways: int = 5,
    shots: int = 1,
    queries: int = 15,
    turns: int = 1,
    test: str | None = None,
    steps: int = 500,
    tasks: int = 4,
    width: int | None = None,
    size: int = 28,
    warm: int = 5,
    episodes: int = 200,
    device: str = "cpu",
    seed: int = 0,
    common: Common = COMMON,
) -> int:
    """Search the settings of a few-shot learner, starting from what other tasks taught.

    Each trial trains with its settings and is judged on unseen tasks of the classes that it was
    trained on, never on those kept to judge by. Trials are recorded in the store as they end; the
    same command goes on after a kill, and other tasks start from them.

    Parameters
    ----------
    data, ways, shots, queries, turns, test, tasks, width, size
        As in `metadb fewshot train`.
    learner
        Any of metadb's, see docs/fewshot.md.
    optimizer
        Any of metadb's, see docs/optimizers.md; those over several budgets (asha, bohb, hyperband,
        successive_halving) train the poor ones for fewer steps.
    trials
        Trials in all.
    steps
        Outer steps of a trial.
    warm
        So many configurations come from past tasks, where the store has some; 0: none.
    episodes
        Tasks to judge a trial by.
    device
        Where it learns, for example cuda.
    seed
        Of everything drawn.
    """
    from api.fewshot.sources import read_sources
    from optimizers import OPTIMIZERS, run
    from optimizers.fewshot.building import space_of
    from optimizers.recording import Recording

    for name, given in (("--trials", trials), ("--steps", steps), ("--tasks", tasks)):
        if given < 1:
            raise WrongUsage(f"{name} is {given}; give 1 or more")
    if optimizer not in OPTIMIZERS:
        raise NotFound(f"no optimizer {optimizer!r}; there are {', '.join(OPTIMIZERS)}")
    space = space_of(learner)
    sources = read_sources(
        data, ways=ways, shots=shots, queries=queries, turns=turns, test=test, size=size, seed=seed,
        store=common.store,
    )  # fmt: skip
    task = _task(sources)
    metric = "mse" if sources.ways is None else "accuracy"
    training = Training(
        sources, learner, width or sources.width, steps, tasks, episodes, device, seed
    )
    decides = (learner, optimizer, steps, tasks, training.width, episodes, warm, seed)
    search = f"fewshot-tune-{blake2b(repr(decides).encode(), digest_size=6).hexdigest()}"
    with opened(common, create=True) as store:
        first = _first(store, task, f"fewshot_{learner}", metric, warm, seed)
        if first:
            remark(common, f"{len(first)} configurations come from past tasks")
        options: dict[str, Any] = {"warm_start": first, "seed": seed}
        if "least" in inspect.signature(OPTIMIZERS[optimizer]).parameters:
            options["least"] = min(1.0, LEAST / steps)
        with (
            Recording(store, task, space, metric, run=search, seed=seed) as recording,
            progress("trials", quiet=common.quiet or common.json) as heard,
        ):
            done = run(
                OPTIMIZERS[optimizer](space, **options),
                training,
                trials=trials,
                record=recording,
                resume=recording.done(),
                callbacks=[lambda p: heard(_said(p.best, metric), p.n_done, trials)],
            )
    good = [e for e in done if e.loss is not None]
    if not good:
        raise MetadbError("no trial has a usable score; lower the learner's rates, or --steps")
    most = max(e.trial.budget for e in good)
    best = min((e for e in good if e.trial.budget == most), key=lambda e: float(e.loss or 0.0))
    value = _value(best, metric)
    settings = ",".join(f"{name}={value}" for name, value in best.trial.config.items())
    if common.json:
        say_json({
            "task": task.id, "learner": learner, "metric": metric, "value": value,
            "config": dict(best.trial.config), "trials": len(done), "warm": len(first),
        })  # fmt: skip
    else:
        print(f"{learner}: {metric} {value:.4f} on unseen tasks, the best of {len(done)} trials")
        kind = f"--shots {shots}" if sources.ways is None else f"--ways {ways} --shots {shots}"
        print(f"metadb fewshot train {data} --learner {learner} {kind} --set {settings}")
    return EXIT_OK


def _task(sources: Sources) -> Task:
    """The tasks of the trained classes, as one task of the store: no other is searched on."""
    from api.fewshot.recording import task_of

    about = sources.about
    return task_of(about | {"tested": about.get("trained", [])}, sources.described)


def _first(store: Store, task: Task, space: str, metric: str, k: int, seed: int) -> list[Config]:
    """What past tasks advise to try first; nothing where there are none."""
    from api.warm import adviser_of, asking

    adviser = adviser_of(
        store, task, space=space, metrics=[metric], may=lambda config: True, k=k, seed=seed,
        say=lambda text: None,
    )  # fmt: skip
    return [] if adviser is None else [one.config for one in asking(adviser, k, ())]


def _value(evaluation: Evaluation, metric: str) -> float:
    loss = float(evaluation.loss or 0.0)
    return loss if metric == "mse" else -loss


def _said(best: Evaluation | None, metric: str) -> str:
    return "searching" if best is None else f"best {metric} {_value(best, metric):.3f}"
