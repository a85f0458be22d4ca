"""What the peers' adapters share: a seed for each call, the nearest candidate, the answer."""

from __future__ import annotations

from collections.abc import Sequence
from importlib import import_module
from typing import Any

import numpy as np

from metadb.axes import Axis
from metadb.errors import NotFound
from metadb.protocols import Floats
from metadb.records import Because, Config, Recommendation, Task
from recommenders.candidates import Places, Pool


def package(module: str, install: str) -> Any:
    """A module of a peer.

    Raises:
        NotFound: It, or what it needs, is not installed.
    """
    try:
        return import_module(module)
    except ImportError as error:
        raise NotFound(f"this peer is not installed ({error}): pip install {install}") from error


def seed_of(seed: int, task: Task, n_observed: int) -> int:
    """A seed for one call; another one for each task and number of observations, 31 bits."""
    words = np.random.SeedSequence([seed, n_observed, *task.id.encode()])
    return int(words.generate_state(1)[0] >> 1)


def scales(axes: dict[str, Axis], width: int) -> Floats:
    """The weight of each column: another choice is as far as the other end of a number, (width,).

    Two choices differ in two columns of a one-hot code, so each of these counts a half squared.
    """
    scale = np.ones(width)
    for axis in axes.values():
        if axis.one_hot:
            scale[axis.start : axis.start + len(axis.choices)] = np.sqrt(0.5)
    return scale


def nearest(pool: Pool, left: Places, config: Config, axes: dict[str, Axis]) -> int:
    """Which of the pool's places `left` is nearest to a config, by Euclidean distance in x."""
    from metadb.encoding import encoding

    scale = scales(axes, pool.x.shape[1])
    away = (pool.x[left] - encoding(pool.known.space).encode([config])) * scale
    return int(left[np.argmin((away**2).sum(axis=1))])


def answer(pool: Pool, order: Sequence[int], metric: str, note: str) -> list[Recommendation]:
    """The pool's configs at these places, with one sentence on where they are from."""
    because = Because(metric=metric, note=note)
    return [Recommendation(pool.configs[i], because=because) for i in order]
