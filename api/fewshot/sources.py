"""What a few-shot learner is trained on and what it is judged by, from the words of a command."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from hashlib import blake2b
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from metadb.errors import NotFound, WrongUsage

if TYPE_CHECKING:
    from ConfigSpace import ConfigurationSpace

    from metadb.records import Config
    from optimizers.fewshot.episode import Source
    from optimizers.labelled import Labelled

STORE = "store:"
"""Before the name of a space: what configurations of it reached on the tasks of the store."""

TESTED = 0.4
"""So large a share of the groups of classes is kept to judge by, where none are named."""


@dataclass(frozen=True, slots=True)
class Sources:
    """Episodes to train on, and others of classes that training never meets.

    Args:
        train, test: Where episodes come from.
        shape: Of one input.
        ways: Classes of a task; None for a regression.
        classes: All classes that are trained on.
        width: Of the network, where none is given.
        described: Meta-features of the classes to judge by.
        about: The data and the task, as a checkpoint and the store remember them.
    """

    train: Source
    test: Source
    shape: tuple[int, ...]
    ways: int | None
    classes: int | None
    width: int
    about: dict[str, Any]
    described: Mapping[str, float] = field(default_factory=dict)


def read_sources(
    data: str,
    *,
    ways: int,
    shots: int,
    queries: int,
    turns: int,
    test: str | None,
    size: int,
    seed: int,
    store: Path,
) -> Sources:
    """The episodes that a command asks for; see `metadb fewshot train --help`.

    Args:
        store: Where `store:SPACE` is looked for.

    Raises:
        NotFound: No such file, space, or group of classes.
        MalformedFile: A file that cannot be read.
        WrongUsage: More ways than classes, too few examples, groups that cannot be parted.
    """
    if data == "sinusoid":
        from optimizers.fewshot.sinusoid import Sinusoids

        drawn = Sinusoids(shots=shots, queries=queries)
        about = {"data": data, "shape": [1], "shots": shots, "queries": queries}
        return Sources(drawn, drawn, (1,), None, None, 40, about)
    if data.startswith(STORE):
        return _responses(data, shots=shots, queries=queries, test=test, seed=seed, store=store)
    from optimizers.fewshot.describing import describe
    from optimizers.fewshot.ways import Ways

    labelled, within = labelled_of(data, size), _is_tables(data)
    if within:  # a rare class of a table is no reason to do without the table
        labelled = labelled.with_at_least(shots + queries)
    tested, trained = parted(labelled, test, seed)
    train = Ways(trained, ways, shots=shots, queries=queries, turns=turns, within=within)
    about = {
        "data": Path(data).name, "content": _content(labelled),
        "shape": list(labelled.x.shape[1:]), "ways": ways, "shots": shots,
        "queries": queries, "turns": turns, "trained": list(dict.fromkeys(trained.groups)),
        "tested": list(dict.fromkeys(tested.groups)), "classes": train.classes,
    }  # fmt: skip
    return Sources(
        train,
        Ways(tested, ways, shots=shots, queries=queries, within=within),
        tuple(labelled.x.shape[1:]),
        ways,
        train.classes,
        64 if labelled.x.dim() == 4 else 40,
        about,
        describe(tested.x, tested.y),
    )


def read_tested(
    data: str,
    about: dict[str, Any],
    *,
    ways: int | None,
    shots: int | None,
    queries: int,
    test: str | None,
    store: Path,
) -> Sources:
    """Episodes to judge a trained learner by; `about` is what its training remembers.

    Raises:
        WrongUsage: Classes that it was trained on, or ways that its last layer does not have.
    """
    from optimizers.fewshot import EMBEDDERS
    from optimizers.fewshot.ways import Ways

    shots = shots or about["shots"]
    if "content" not in about:  # numbers are regressed
        if data != about["data"]:
            raise WrongUsage(
                f"this learner was trained on {about['data']}, which {data} is not like"
            )
        return read_sources(
            data, ways=2, shots=shots, queries=queries, turns=1,
            test=test or ",".join(about.get("tested", ())) or None, size=1, seed=0, store=store,
        )  # fmt: skip
    labelled = labelled_of(data, about["size"])
    same = _content(labelled) == about["content"]
    named = set(about["tested"]) if same else set(labelled.groups)
    if test is not None:
        named = _names(test)
    if same and (met := sorted(named & set(about["trained"]))):
        raise WrongUsage(
            f"{met[0]!r} was trained on; judge by others: {', '.join(about['tested'])}"
        )
    tested, ways, within = labelled.only(named), ways or about["ways"], _is_tables(data)
    if within:
        tested = tested.with_at_least(shots + queries)
    if ways != about["ways"] and about["learner"] not in EMBEDDERS:
        raise WrongUsage(
            f"{about['learner']} was trained for {about['ways']} ways, and its last layer has no "
            f"others; train it with --ways {ways}, or judge an embedding"
        )
    drawn = Ways(tested, ways, shots=shots, queries=queries, within=within)
    return Sources(
        drawn,
        drawn,
        tuple(labelled.x.shape[1:]),
        about["ways"],
        about["classes"],
        about["width"],
        {"data": Path(data).name, "ways": ways, "shots": shots, "queries": queries,
         "tested": list(dict.fromkeys(tested.groups))},
    )  # fmt: skip


def _responses(
    data: str, *, shots: int, queries: int, test: str | None, seed: int, store: Path
) -> Sources:
    """Tasks of a space of the store; those to judge by are whole tasks, and no other is."""
    from metadb.store import Store
    from optimizers.fewshot.responses import Responses

    with Store(store, create=False) as opened:
        history = opened.history(data.removeprefix(STORE))
    tasks = list(history.tasks)
    if unknown := sorted((named := _names(test or "")) - set(tasks)):
        raise NotFound(f"no task {unknown[0]!r} of this space; --test names tasks, commas between")
    if not named:
        order = np.random.default_rng(seed).permutation(len(tasks))
        named = {tasks[i] for i in order[: max(1, round(TESTED * len(tasks)))]}
    trained = [task for task in tasks if task not in named]
    train = Responses.of(history, trained, shots=shots, queries=queries)
    tested = Responses.of(history, sorted(named), shots=shots, queries=queries, like=train)
    width = history.configs.x.shape[1]
    about = {
        "data": data, "metric": history.metric, "shape": [width], "shots": shots,
        "queries": queries, "trained": list(train.names), "tested": list(tested.names),
    }  # fmt: skip
    return Sources(train, tested, (width,), None, None, 40, about)


def parted(labelled: Labelled, test: str | None, seed: int) -> tuple[Labelled, Labelled]:
    """The classes to judge by, and those to train on; no group is on both sides."""
    if test is None:
        trained, tested = labelled.parted(TESTED, seed=seed)
        return tested, trained
    named = _names(test)
    left = [group for group in dict.fromkeys(labelled.groups) if group not in named]
    tested = labelled.only(named)
    if not left or not named:
        raise WrongUsage(f"--test {test!r} leaves no classes to train on, or none to judge by")
    return tested, labelled.only(left)


def _names(text: str) -> set[str]:
    return {name.strip() for name in text.split(",") if name.strip()}


def config_of(space: ConfigurationSpace, text: str | None) -> Config:
    """The configuration that `--set rate=0.4,steps=1` names, the rest by default.

    Raises:
        WrongUsage: A word without `=`, an unknown name, a value outside its range.
    """
    config = dict(space.get_default_configuration())
    for word in (text or "").split(","):
        name, sign, value = (part.strip() for part in word.partition("="))
        if not name and not sign:
            continue
        if name not in space or not value:
            wanted = ", ".join(space)
            raise WrongUsage(f"--set takes name=value with commas between; names are {wanted}")
        one: Any = space[name]  # a range of numbers, as all are that a learner has
        try:
            number = type(one.default_value)(value)
        except ValueError:
            number = float("nan")
        if not one.lower <= number <= one.upper:
            raise WrongUsage(f"{name} is {value!r}; it goes from {one.lower} to {one.upper}")
        config[name] = number
    return config


def labelled_of(data: str, size: int) -> Labelled:
    """The inputs and classes that `data` names: a file, a folder or `digits`."""
    from optimizers.fewshot.tabular import read_tables
    from optimizers.labelled import digits, read

    if _is_tables(data):
        return read_tables(Path(data))
    if data == "digits":
        return digits(max(16, size))
    return read(Path(data), size=size)


def _content(labelled: Labelled) -> str:
    """A short hash of inputs and classes: a checkpoint of other data is not gone on with."""
    digest = blake2b(labelled.x.numpy().tobytes(), digest_size=8)
    digest.update(labelled.y.numpy().tobytes())
    digest.update("\x1f".join(labelled.names).encode())
    return digest.hexdigest()


def _is_tables(data: str) -> bool:
    from optimizers.fewshot.tabular import is_tables

    return is_tables(Path(data))
