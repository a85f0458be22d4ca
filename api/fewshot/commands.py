"""`metadb fewshot train|evaluate`: learn across many small tasks how to learn the next."""

from __future__ import annotations

from collections.abc import Mapping
from hashlib import blake2b
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

from cyclopts import App, Parameter

from api.terminal import COMMON, EXIT_OK, Common, opened, progress, remark, say_json
from metadb.errors import MalformedFile, WrongUsage

if TYPE_CHECKING:
    from optimizers.fewshot.learner import FewShotLearner

fewshot = App(
    name="fewshot",
    help="Learn across many small tasks, from a few examples each, how to learn the next.",
)

WEIGHTS, REPORT = "weights.safetensors", "report.html"


@fewshot.command
def train(
    data: str,
    *,
    learner: str = "prototypical",
    ways: int = 5,
    shots: int = 1,
    queries: int = 15,
    turns: int = 1,
    test: str | None = None,
    steps: int = 1000,
    time: float | None = None,
    tasks: int = 4,
    width: int | None = None,
    size: int = 28,
    set: str | None = None,  # the option's name
    episodes: int = 600,
    every: int = 100,
    device: str = "cpu",
    start: str | None = None,
    out: Annotated[Path, Parameter(name=["--out", "-o"])] = Path("fewshot-model"),
    seed: int = 0,
    common: Common = COMMON,
) -> int:
    """Train a few-shot learner and judge it on classes that it never met.

    The score is recorded in the store as an evaluation of the learner's configuration, the weights
    are kept as one of its models. Stopped anywhere, the same command goes on from its last look.

    Parameters
    ----------
    data
        A zip or a folder of images (alphabet/character/image.png), an .npz file with arrays x and
        y, a folder of tables (a task tells classes of one of them apart by its rows), `digits`
        (scikit-learn's), `sinusoid` (curves to regress), or `store:SPACE` (what configurations of a
        space reach on a task of the store, to be regressed from a few).
    learner
        Any of metadb's, see docs/fewshot.md.
    ways, shots, queries
        Classes of a task, and examples of each: to learn from, and to be judged by.
    turns
        4: each quarter turn of an image is a class of its own in training.
    test
        Groups of classes (alphabets, tables; tasks of the store) to judge by, with commas between;
        default: 40 % of them.
    steps, time
        Outer steps in all; or until so many seconds of training have passed.
    tasks
        Tasks of a step.
    width
        Channels of a convolution (64), or units of a hidden layer (40).
    size
        Images become squares of so many pixels.
    set
        Hyperparameters of the learner: rate=0.4,steps=1. Those left out are its defaults.
    episodes
        Tasks to judge by in the end.
    every
        Steps between two looks at unseen training tasks, each kept as a checkpoint.
    device
        Where it learns, for example cuda.
    start
        A model of the store to begin with, by the first digits of its id (see metadb models).
    out
        A folder for the weights and the report.
    seed
        Of everything drawn.
    """
    from api.fewshot.recording import record
    from api.fewshot.report import report
    from api.fewshot.sources import config_of, read_sources
    from api.fewshot.trained import learner_of
    from optimizers.fewshot.building import space_of
    from optimizers.fewshot.evaluation import evaluate as judge
    from optimizers.fewshot.training import train as go_on

    for name, given, least in (
        ("--steps", steps, 1), ("--tasks", tasks, 1), ("--episodes", episodes, 2),
        ("--every", every, 1), ("--seed", seed, 0),
    ):  # fmt: skip
        if given < least:
            raise WrongUsage(f"{name} is {given}; give {least} or more")
    config = config_of(space_of(learner), set)
    sources = read_sources(
        data, ways=ways, shots=shots, queries=queries, turns=turns, test=test, size=size, seed=seed,
        store=common.store,
    )  # fmt: skip
    about = sources.about | {
        "learner": learner, "config": config, "width": width or sources.width, "seed": seed,
        "tasks": tasks, "steps": steps, "size": size,
    }  # fmt: skip
    made = learner_of(about, device)
    if start is not None:
        about |= {"start": _begin(made, start, common)}
    with progress("steps", quiet=common.quiet or common.json) as heard:
        looks = go_on(
            made, sources.train, steps=steps, tasks=tasks, seed=seed, validation=sources.train,
            every=every, time_s=time, checkpoint=out / WEIGHTS, about=about,
            told=lambda step, loss: heard(f"{learner}, loss {loss:.3f}", step, steps),
        )  # fmt: skip
    with progress("tasks", quiet=common.quiet or common.json) as heard:
        scores = judge(
            made, sources.test, episodes=episodes, seed=seed + 1,
            told=lambda done: heard("judging", done, episodes),
        )  # fmt: skip
    decides = (sorted(about.items()), episodes)  # judged by more tasks it is another evaluation
    run = f"fewshot-{blake2b(repr(decides).encode(), digest_size=6).hexdigest()}"
    with opened(common, create=True) as store:
        task, model = record(
            store, about, made, scores, looks, described=sources.described, run=run
        )
    (out / REPORT).write_text(report(about, looks, scores))
    answer = about | {
        "metric": scores.metric, "value": scores.mean, "half_width": scores.half_width,
        "episodes": episodes, "task": task, "model": model, "taken": looks[-1].step if looks else 0,
        "weights": str(out / WEIGHTS), "report": str(out / REPORT),
    }  # fmt: skip
    _say(answer, common)
    remark(common, f"weights and report are in {out}; the store has them as {(model or '-')[:12]}")
    return EXIT_OK


@fewshot.command
def evaluate(
    model: str,
    data: str,
    *,
    ways: int | None = None,
    shots: int | None = None,
    queries: int = 15,
    test: str | None = None,
    episodes: int = 600,
    transductive: bool = True,
    device: str = "cpu",
    seed: int = 1,
    common: Common = COMMON,
) -> int:
    """Judge a trained learner on classes that it never met.

    Parameters
    ----------
    model
        The folder that training made, or the first digits of the id of a model of the store.
    data
        As in training: the same data, or other.
    ways, shots, queries
        Of the tasks; default: those of the training.
    test
        Groups of classes to judge by, with commas between; default: those of the training where the
        data is the same, else all.
    episodes
        Tasks to judge by.
    transductive
        All queries of a task are judged together, as most of these learners were published; with
        --no-transductive each beside the support alone.
    device
        Where it runs, for example cuda.
    seed
        Of the tasks.
    """
    from api.fewshot.sources import read_tested
    from api.fewshot.trained import learner_of, weights_of
    from metadb.models import is_id, model_of
    from optimizers.fewshot.evaluation import evaluate as judge
    from optimizers.fewshot.weights import put
    from optimizers.tensor_file import read_tensors

    if episodes < 2:
        raise WrongUsage(f"--episodes is {episodes}; give 2 or more")
    if is_id(model) and not Path(model).is_dir():
        with opened(common) as store:
            known = model_of(store, model)
        tensors, about = weights_of(known), dict(known.about)
    else:
        tensors, found = read_tensors(Path(model) / WEIGHTS)
        about = found.get("about", {})
        if not isinstance(about, dict) or "learner" not in about:
            raise MalformedFile(f"{Path(model) / WEIGHTS} was not made by metadb fewshot train")
    tested = read_tested(
        data, about, ways=ways, shots=shots, queries=queries, test=test, store=common.store
    )
    made = learner_of(about, device, shape=tested.shape)
    put(made, tensors)
    with progress("tasks", quiet=common.quiet or common.json) as heard:
        scores = judge(
            made, tested.test, episodes=episodes, seed=seed, transductive=transductive,
            told=lambda done: heard("judging", done, episodes),
        )  # fmt: skip
    _say(
        tested.about | {
            "learner": about["learner"], "metric": scores.metric, "value": scores.mean,
            "half_width": scores.half_width, "episodes": episodes, "transductive": transductive,
        },
        common,
    )  # fmt: skip
    return EXIT_OK


def _begin(made: FewShotLearner, start: str, common: Common) -> str:
    """Give a learner the weights of a model of the store; returns the model's id."""
    from api.fewshot.trained import weights_of
    from metadb.models import model_of
    from optimizers.fewshot.weights import put

    with opened(common) as store:
        known = model_of(store, start)
    put(made, weights_of(known))
    return known.id


def _say(answer: Mapping[str, Any], common: Common) -> None:
    if common.json:
        say_json(answer)
        return
    kind = f"{answer['ways']}-way {answer['shots']}-shot" if "ways" in answer else "regression"
    where = f" of {', '.join(answer['tested'])}" if "tested" in answer else ""
    print(
        f"{answer['learner']}: {answer['metric']} {answer['value']:.4f} "
        f"(+- {answer['half_width']:.4f}) on {answer['episodes']} {kind} tasks{where}"
    )
