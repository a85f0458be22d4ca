"""`metadb nas --data IMAGES`: images in, an architecture out, what was learnt remembered."""

from __future__ import annotations

from hashlib import blake2b
from pathlib import Path
from shutil import rmtree
from typing import TYPE_CHECKING, Annotated, Any

from cyclopts import Parameter

from api.terminal import COMMON, EXIT_OK, Common, config_text, opened, progress, remark, say_json
from metadb.errors import MetadbError, NotFound, WrongUsage

if TYPE_CHECKING:
    from api.nas.search import Found, Plan
    from metadb.records import Evaluation
    from optimizers.nas.objective import Training
    from optimizers.nas.training import Look

TRIALS = 100


def nas(
    *,
    data: str,
    space: str = "nb201",
    optimizer: str = "evolution",
    trials: int | None = None,
    time: float | None = None,
    trial_time: float | None = None,
    epochs: int = 10,
    search_epochs: int = 30,
    final_epochs: int | None = None,
    batch: int = 64,
    rate: float = 0.025,
    width: int = 8,
    depth: int | None = None,
    size: int = 28,
    validation: float = 0.3,
    warm_start: int = 5,
    device: str = "cpu",
    mixed: bool = False,
    compile: bool = False,  # the option's name
    out: Annotated[Path, Parameter(name=["--out", "-o"])] = Path("nas-model"),
    seed: int = 0,
    common: Common = COMMON,
) -> int:
    """Search the architecture that tells the classes of some images, and train it.

    Every trial is a training; its learning curve is recorded in the store as it ends, and the next
    search of the same space begins with what this one learnt. Stopped anywhere (Ctrl-C, kill -9),
    the same command goes on, in the middle of a training too.

    Parameters
    ----------
    data
        A folder or zip of images, each in a folder named after its class; an .npz file with arrays
        x (n, channels, height, width) and y; or `digits` (scikit-learn's).
    space
        nb201, darts, chain or hierarchical, see docs/nas.md.
    optimizer
        Any search of docs/nas.md; evolution is regularized_evolution. Those with shared weights
        (darts, darts_second, gdas, one_shot, shared_random, enas) train one supernet and then the
        cell found, as one trial.
    trials
        So many trainings in all, those before an interruption among them; default: 100, or any
        number where --time is given.
    time
        Seconds of this command's search.
    trial_time
        Seconds of one training.
    epochs
        Of a training.
    search_epochs
        Of the supernet, where weights are shared.
    final_epochs
        The best architecture is trained so long in the end; default: as --epochs.
    batch, rate
        Images a step, and the learning rate it begins with.
    width, depth
        Channels after the first layer, and how often cells are repeated; depth by default 1 (darts:
        3).
    size
        Images of files become squares of so many pixels; digits have 8 unless more is asked for.
    validation
        The share of each class's images to judge by.
    warm_start
        Past tasks advise so many architectures, tried first, and give a search that takes one its
        prior; 0: the past is not asked.
    device
        Where networks are trained, for example cuda.
    mixed
        Forward passes in bfloat16: faster on a GPU.
    compile
        Compile each network: minutes of preparation, worth it for long trainings on a GPU.
    out
        A folder for the network's weights and the report.
    seed
        Of the parting of images, the first weights, the batches and the search.
    """
    from api.nas.images import content_of, task_of
    from api.nas.report import report
    from api.nas.search import Plan, named, search
    from optimizers.nas import NAS_SPACES
    from optimizers.nas.images import parted, read_images
    from optimizers.nas.objective import Training
    from optimizers.nas.training import place_of

    for name, given, least in (
        ("--trials", trials, 1), ("--epochs", epochs, 1), ("--search-epochs", search_epochs, 1),
        ("--final-epochs", final_epochs, 1), ("--batch", batch, 2), ("--width", width, 2),
        ("--depth", depth, 1), ("--size", size, 4), ("--warm-start", warm_start, 0),
        ("--seed", seed, 0),
    ):  # fmt: skip
        if given is not None and given < least:
            raise WrongUsage(f"{name} is {given}; give {least} or more")
    if space not in NAS_SPACES:
        raise NotFound(f"no space of architectures {space!r}; there are {', '.join(NAS_SPACES)}")
    optimizer = named(optimizer)
    place_of(device)
    nas_space = NAS_SPACES[space]()
    depth = depth or (3 if space == "darts" else 1)
    labelled = read_images(data, size=8 if data == "digits" and size == 28 else size)
    images = parted(labelled, validation=validation, seed=seed)
    content = content_of(labelled, validation=validation, seed=seed)
    task = task_of(labelled, Path(data).name, content)
    network = {"width": width, "depth": depth, "batch": batch, "rate": rate, "mixed": mixed}
    plan = Plan(
        optimizer, TRIALS if trials is None and time is None else trials, time, trial_time,
        epochs, search_epochs, warm_start, seed,
        (task.id, space, optimizer, epochs, search_epochs, warm_start, seed, network),
    )  # fmt: skip
    objective = Training(
        nas_space, images, device=device, compiled=compile, seed=seed, folder=out / plan.run,
        about={"content": content}, **network,  # type: ignore[arg-type]
    )  # fmt: skip
    with opened(common, create=True) as store:
        found = search(store, task, objective, plan, out, common)
    rmtree(out / plan.run, ignore_errors=True)  # checkpoints of trials that are over
    best = _best(found)
    looks, weights = _trained(objective, best, plan, final_epochs or epochs, out, common)
    answer = {
        "task": task.id, "data": Path(data).name, "space": space, "optimizer": optimizer,
        "run": plan.run, "trials": len(found.evaluations), "resumed": found.resumed,
        "failed": sum(e.loss is None for e in found.evaluations), "why": found.why,
        "first": len(found.start.first), "taught": found.taught, "config": dict(best.trial.config),
        "accuracy": -float(best.loss or 0.0), "epochs": best.trial.budget,
        "parameters": sum(p.numel() for p in objective.build(best.trial.config).parameters()),
        "cost_s": sum(e.cost_s or 0.0 for e in found.evaluations), "shared_s": found.shared_s,
        "final": {"epochs": looks[-1].epoch, "accuracy": looks[-1].accuracy},
        "weights": str(weights), "report": str(out / "report.html"),
    }  # fmt: skip
    (out / "report.html").write_text(report(answer, found.evaluations, looks))
    if common.json:
        say_json(answer)
    else:
        print(
            f"{config_text(best.trial.config)}\naccuracy {answer['accuracy']:.4f} after "
            f"{best.trial.budget:g} epochs, {answer['parameters']:,} weights; best of "
            f"{answer['trials']} trials ({answer['failed']} without a score)"
        )
        remark(common, f"weights and report are in {out}")
    return EXIT_OK


def _best(found: Found) -> Evaluation:
    from optimizers.progress import best_of

    best = best_of(found.evaluations)
    if best is None:
        why = max(found.why, key=found.why.__getitem__, default="none was run")
        raise MetadbError(f"no architecture has a usable result; the usual reason: {why}")
    return best


def _trained(
    objective: Training, best: Evaluation, plan: Plan, epochs: int, out: Path, common: Common
) -> tuple[list[Look], Path]:
    """Train the best architecture, or read that it was; its weights lie in a file of its own."""
    from optimizers.nas.training import train

    config: dict[str, Any] = dict(best.trial.config)
    digest = blake2b(repr((plan.run, sorted(config.items()), epochs)).encode(), digest_size=4)
    weights = out / f"network-{digest.hexdigest()}.safetensors"
    with progress("epochs", quiet=common.quiet or common.json) as heard:
        looks = train(
            objective.build(config), objective.images.train, objective.images.validation,
            epochs=epochs, batch=objective.batch, rate=objective.rate, device=objective.device,
            mixed=objective.mixed, compiled=objective.compiled, checkpoint=weights,
            about={
                **objective.about, "space": objective.space.name, "config": config,
                "width": objective.width, "depth": objective.depth,
                "shape": list(objective.images.shape), "classes": list(objective.images.names),
            },
            seed=objective.seed,
            told=lambda look: heard(f"best, loss {look.loss:.3f}", look.epoch, epochs),
        )  # fmt: skip
    return looks, weights


__all__ = ["nas"]
