"""What a world is made of: users, data sets, tasks, studies, and what clients send."""

from __future__ import annotations

from dataclasses import dataclass

from tests.standin.catalogue import BASIC_QUALITIES, Procedure


@dataclass(frozen=True)
class User:
    """Somebody with an account."""

    id: int
    name: str
    api_key: str


@dataclass(frozen=True)
class Dataset:
    """A data set; its rows are made in `tests.standin.arff`."""

    id: int
    name: str
    version: int
    uploader: int
    status: str
    file_id: int
    n_rows: int
    n_numeric: int
    n_classes: int
    seed: int
    qualities: dict[str, float | None]
    tags: tuple[str, ...] = ()

    @property
    def kind(self) -> str:
        """What can be asked of it."""
        return "classification" if self.n_classes else "regression"


@dataclass(frozen=True)
class StandinTask:
    """A task on a data set, by an estimation procedure."""

    id: int
    type: int
    dataset: int
    procedure: Procedure
    measure: str = ""
    tags: tuple[str, ...] = ()

    @property
    def kind(self) -> str:
        """classification or regression."""
        return "regression" if self.type == 2 else "classification"


@dataclass(frozen=True)
class Study:
    """A collection of tasks (a suite) or of runs."""

    id: int
    alias: str
    type: str
    name: str
    members: tuple[int, ...]
    creator: int


@dataclass
class Upload:
    """What a client sent as a run: its files, and what its description says of scores.

    The server keeps the description and computes the scores itself, from the predictions.
    """

    files: dict[str, tuple[str, bytes]]
    setup_string: str = ""
    tags: tuple[str, ...] = ()


def basic(dataset: Dataset) -> list[tuple[str, float]]:
    """The qualities that a listing shows: none, or at least two."""
    return [
        (name, value)
        for name in BASIC_QUALITIES
        if (value := dataset.qualities.get(name)) is not None
    ]
