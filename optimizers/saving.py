"""A tuned model as a folder, and back, without pickle: `load_model("model").predict(table)`.

The pipeline goes into `model.skops` (skops, which makes only types that are named as trusted), all
else into `model.json`: the columns, the classes, the config and its score, versions, and the hash
of `model.skops`. A hash tells damage, not malice: load folders of people you trust.
"""

from __future__ import annotations

import json
import os
import shutil
import uuid
from collections.abc import Mapping
from dataclasses import dataclass, field
from hashlib import sha256
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from metadb.errors import MalformedFile, NotFound, WrongUsage
from optimizers.features import Features

if TYPE_CHECKING:
    from sklearn.pipeline import Pipeline

FORMAT = 1
"""The number of the folder's format; a larger one is refused."""

MADE_BY = "metadb tune"

TRUSTED = (
    "collections.OrderedDict",
    "lightgbm.basic.Booster",
    "lightgbm.sklearn.LGBMClassifier",
    "lightgbm.sklearn.LGBMRegressor",
    "numpy.dtype",
    "optimizers.torch_mlp.MLPClassifier",
    "optimizers.torch_mlp.MLPRegressor",
    "sklearn.calibration._CalibratedClassifier",
    "sklearn.calibration._SigmoidCalibration",
    "sklearn.metrics._dist_metrics.EuclideanDistance64",
    "sklearn.metrics._dist_metrics.ManhattanDistance64",
    "sklearn.neighbors._ball_tree.BallTree",
    "sklearn.neighbors._kd_tree.KDTree",
    "sklearn.tree._tree.Tree",
)
"""What the pipelines of `optimizers.learners` hold beyond what skops trusts by itself."""


@dataclass(frozen=True, slots=True, eq=False)
class Model:
    """A fitted pipeline with what it needs to know of tables.

    Args:
        pipeline: Of scikit-learn, over the numbers that `features` makes of a table.
        features: The columns that it uses.
        kind: `classification` or `regression`.
        target: The name of the target.
        classes: The classes in the order of their codes; empty for a regression.
        about: What else `model.json` says: config, metric, score, versions.
    """

    pipeline: Pipeline
    features: Features
    kind: str
    target: str
    classes: tuple[Any, ...] = ()
    about: Mapping[str, Any] = field(default_factory=dict)

    def predict(self, table: Any) -> NDArray[Any]:
        """The class or number of each row, (rows,).

        Args:
            table: A pyarrow table, a data frame, or a mapping of column to values.

        Raises:
            NotFound: A column that the model needs is missing.
            InvalidRows: A column holds something else than it did.
        """
        said = self.pipeline.predict(self.features.encode(as_table(table)))
        if self.kind == "regression":
            return np.asarray(said, np.float64)
        found: NDArray[Any] = np.array(self.classes, dtype=object)[np.asarray(said, int)]
        return found

    def predict_proba(self, table: Any) -> NDArray[np.float64]:
        """The probability of each of `classes`, (rows, classes).

        Raises:
            NotFound: As `predict`, or the learner knows no probabilities.
        """
        if not hasattr(self.pipeline, "predict_proba"):
            raise NotFound(
                f"this model ({self.about.get('learner', self.kind)}) knows no probabilities; "
                "tune with --metric log_loss for one that does"
            )
        found = self.pipeline.predict_proba(self.features.encode(as_table(table)))
        wide = np.zeros((len(found), len(self.classes)))
        wide[:, np.asarray(self.pipeline.classes_, int)] = found
        return wide


def as_table(table: Any) -> pa.Table:
    """A data frame, or a mapping of column to values, as an Arrow table."""
    return table if isinstance(table, pa.Table) else pa.table(table)


def save_model(model: Model, folder: str | Path, *, also: Mapping[str, str] | None = None) -> None:
    """Write a model into a folder, whole or not at all, in place of an older one of the same task.

    All is written beside the folder, which is put in its place last.

    Args:
        also: Further files, name to text.

    Raises:
        WrongUsage: The folder holds something else, see `check_free`.
    """
    from zipfile import ZIP_DEFLATED

    from skops.io import dumps

    folder = Path(folder)
    check_free(folder, model.about.get("task"))
    body = dumps(model.pipeline, compression=ZIP_DEFLATED)
    about = {
        "format": FORMAT,
        "made_by": MADE_BY,
        "sha256": sha256(body).hexdigest(),
        "kind": model.kind,
        "target": model.target,
        "classes": list(model.classes),
        **model.features.as_dict(),
        **model.about,
    }
    text = json.dumps(about, indent=2, ensure_ascii=False, allow_nan=False, default=str)
    files = {"model.skops": body, **{name: t.encode() for name, t in (also or {}).items()}}
    _replace(folder, {**files, "model.json": (text + "\n").encode()})


def check_free(folder: Path, task: str | None = None) -> None:
    """Let a folder pass where a model of a task may be written.

    Raises:
        WrongUsage: It is a file, holds something else than a model of `metadb tune`, or the model
            of another task.
    """
    if not folder.exists() or (folder.is_dir() and not any(folder.iterdir())):
        return
    if not folder.is_dir():
        raise WrongUsage(f"{folder} is a file; name a folder for the model")
    try:
        about = _about(folder)
    except (NotFound, MalformedFile):
        raise WrongUsage(
            f"{folder} holds something else than a model of `{MADE_BY}`, and is left as it is; "
            "name another folder for the model"
        ) from None
    if task is not None and about.get("task") != task:
        raise WrongUsage(
            f"{folder} holds the model of another task ({about.get('task')}, target "
            f"{about.get('target')!r}), and is left as it is; name another folder for this one"
        )


def load_model(folder: str | Path) -> Model:
    """The model that a folder holds.

    Raises:
        NotFound: There is no model.
        MalformedFile: It is damaged, or holds types that are no part of a model of metadb.
    """
    from skops.io import get_untrusted_types, load

    folder = Path(folder)
    about = _about(folder)
    path = folder / "model.skops"
    if not path.is_file() or sha256(path.read_bytes()).hexdigest() != about.get("sha256"):
        raise MalformedFile(f"{path} is not the file that model.json speaks of; tune again")
    strange = set(get_untrusted_types(file=path)) - set(TRUSTED)
    if strange:
        raise MalformedFile(
            f"{path} holds what is no part of a model of metadb: {', '.join(sorted(strange))}"
        )
    return Model(
        load(path, trusted=list(TRUSTED)),
        Features.from_dict(about),
        about["kind"],
        about["target"],
        tuple(about["classes"]),
        about,
    )


def _about(folder: Path) -> dict[str, Any]:
    path = folder / "model.json"
    if not path.is_file():
        raise NotFound(f"there is no model in {folder}; `{MADE_BY}` writes one")
    try:
        about = json.loads(path.read_text(encoding="utf-8"))
    except ValueError as error:
        raise MalformedFile(f"{path} is no JSON: {error}") from None
    if not isinstance(about, dict) or about.get("made_by") != MADE_BY:
        raise MalformedFile(f"{path} was not written by `{MADE_BY}`")
    if about.get("format", 0) > FORMAT:
        raise MalformedFile(f"{path} was written by a newer metadb; upgrade this one")
    return about


def _replace(folder: Path, files: Mapping[str, bytes]) -> None:
    """Put a folder of files in the place of another, or of none."""
    folder = folder.absolute()
    folder.parent.mkdir(parents=True, exist_ok=True)
    mark = uuid.uuid4().hex[:8]
    part, old = (folder.with_name(f".{folder.name}.{mark}.{end}") for end in ("part", "old"))
    try:
        part.mkdir()
        for name, body in files.items():
            with (part / name).open("wb") as file:
                file.write(body)
                file.flush()
                os.fsync(file.fileno())
        if folder.exists():
            folder.rename(old)
        part.rename(folder)
    except BaseException:
        if old.exists() and not folder.exists():
            old.rename(folder)
        raise
    finally:
        for left in (part, old):
            shutil.rmtree(left, ignore_errors=True)
