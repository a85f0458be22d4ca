"""`metadb models`: what was trained, and which of it a new task should start from."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import asdict
from typing import TYPE_CHECKING, Annotated, Any

from cyclopts import Parameter

from api.terminal import COMMON, EXIT_OK, Common, opened, printable, progress, say_json
from metadb.errors import NotFound, WrongUsage

if TYPE_CHECKING:
    from metadb.models import Model
    from metadb.store import Store
    from optimizers.fewshot.choosing import Candidate, Choice
    from optimizers.labelled import Labelled


def models(
    *,
    data: Annotated[str | None, Parameter(name="--for")] = None,
    device: str = "cpu",
    k: int = 10,
    common: Common = COMMON,
) -> int:
    """List the models that few-shot trainings left in the store, or rank them for a new task.

    Parameters
    ----------
    data
        A new task, as data with few examples of each class: a zip or a folder of images, an .npz
        file, or digits. Models are ranked by what they make of it when some of its examples are
        left out, and by how alike it is to the task they were trained for.
    device
        Where they run, for example cuda.
    k
        So many at most.
    """
    from metadb.models import models as kept

    if k < 1:
        raise WrongUsage(f"--k is {k}; give 1 or more")
    with opened(common) as store:
        there = kept(store)
        if data is None:
            answer: list[dict[str, Any]] = [_row(m) for m in there[:k]]
        else:
            with progress("models", quiet=common.quiet or common.json) as heard:
                found = ranked(
                    store, there, data, device=device,
                    told=lambda done: heard("judging", done, len(there)),
                )[:k]  # fmt: skip
            by_id = {m.id: m for m in there}
            answer = [_row(by_id[c.id]) | asdict(c) for c in found]
    if common.json:
        say_json({"models": answer})
    else:
        print("\n".join(printable(line) for line in _lines(answer)))
    return EXIT_OK


def ranked(
    store: Store, there: list[Model], data: str, *, device: str, told: Any = lambda done: None
) -> list[Choice]:
    """The models that fit a task's inputs and classes, the one to start from first.

    Raises:
        NotFound: None fits.
    """
    from api.fewshot.sources import labelled_of
    from optimizers.fewshot import EMBEDDERS
    from optimizers.fewshot.choosing import rank

    read: dict[int, Labelled] = {}  # a size of images to the task at this size

    def fitting() -> Iterator[tuple[int, Candidate]]:
        for model in there:
            about, size = model.about, int(model.about["size"])
            if model.metric != "accuracy":
                continue
            if size not in read:
                read[size] = labelled_of(data, size)
            task = read[size]
            enough = about["learner"] in EMBEDDERS or about["ways"] >= len(task.names)
            if enough and tuple(about["shape"]) == tuple(task.x.shape[1:]):
                yield size, _candidate(store, model, device)

    choices: list[Choice] = []
    for seen, (size, candidate) in enumerate(fitting(), start=1):
        choices += rank([candidate], read[size].x, read[size].y)
        told(seen)
    if not choices:
        shape = next((tuple(t.x.shape[1:]) for t in read.values()), ())
        raise NotFound(
            f"none of the {len(there)} models in {store.path} takes inputs of {shape} and as many "
            "classes; metadb fewshot train makes one"
        )
    return sorted(choices, key=lambda c: (-c.expected, c.id))


def _candidate(store: Store, model: Model, device: str) -> Candidate:
    from api.fewshot.trained import learner_of, weights_of
    from optimizers.fewshot.choosing import Candidate
    from optimizers.fewshot.weights import put

    about = model.about
    learner = learner_of(about, device)
    put(learner, weights_of(model))
    described = store.task(model.task).metafeatures
    return Candidate(model.id, learner, about["ways"], model.value, described)


def _row(model: Model) -> dict[str, Any]:
    about = model.about
    return {
        "model": model.id, "learner": model.learner, "task": model.task, "data": about["data"],
        "ways": about.get("ways"), "shots": about["shots"], "steps": model.steps,
        "trained_on": list(model.trained_on), "metric": model.metric, "value": model.value,
        "half_width": model.half_width,
    }  # fmt: skip


def _lines(rows: list[dict[str, Any]]) -> Iterator[str]:
    if not rows:
        yield "the store has no models; metadb fewshot train makes some"
    for r in rows:
        kind = f"{r['ways']}-way {r['shots']}-shot" if r["ways"] else f"{r['shots']} points"
        judged = "not judged"
        if r["value"] is not None:
            judged = f"{r['metric']} {r['value']:.3f} (+- {r['half_width'] or 0.0:.3f})"
        line = (
            f"{r['model'][:12]}  {r['learner']}: {judged} on {r['data']}, {kind}, "
            f"{r['steps']} steps"
        )
        if "expected" in r:
            told = f"{r['right']} of {r['judged']} left out were right" if r["judged"] else "1 shot"
            line += f"; here: expected {r['expected']:.3f}, {told}, likeness {r['likeness']:.2f}"
        yield line
