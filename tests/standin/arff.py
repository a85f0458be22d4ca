"""The files of the stand-in: data, splits and predictions in ARFF, each made when asked for."""

from __future__ import annotations

import hashlib

import numpy as np

from tests.standin.entities import Dataset, StandinTask
from tests.standin.world import World, unit


def truth(dataset: Dataset) -> tuple[np.ndarray, list[str]]:
    """Numbers (rows, columns) and the target as text."""
    rng = np.random.default_rng(dataset.seed)
    x = np.round(rng.normal(size=(dataset.n_rows, dataset.n_numeric)), 4)
    score = x.sum(axis=1) + rng.normal(size=dataset.n_rows) / 2
    if not dataset.n_classes:
        return x, [repr(v) for v in np.round(score, 4).tolist()]
    rank = score.argsort().argsort() * dataset.n_classes // dataset.n_rows
    return x, [f"c{k}" for k in rank.tolist()]


def columns(dataset: Dataset) -> list[tuple[str, str, tuple[str, ...]]]:
    """Name, type and values of each column; the last one is the target."""
    numeric = [(f"x{i}", "numeric", ()) for i in range(dataset.n_numeric)]
    target = (
        ("class", "nominal", tuple(f"c{k}" for k in range(dataset.n_classes)))
        if dataset.n_classes
        else ("class", "numeric", ())
    )
    return [*numeric, ("shade", "nominal", ("light", "dark blue")), target]


def data(dataset: Dataset) -> bytes:
    """The data file."""
    lines = [f"@RELATION {dataset.name}", ""]
    for name, kind, values in columns(dataset):
        quoted = ",".join(f"'{v}'" if " " in v else v for v in values)
        lines.append(f"@ATTRIBUTE {name} {'{' + quoted + '}' if kind == 'nominal' else 'REAL'}")
    lines += ["", "@DATA"]
    x, target = truth(dataset)
    shade = unit(dataset.seed, 3, np.arange(dataset.n_rows)) < 0.5
    for row, dark, y in zip(x.tolist(), shade.tolist(), target, strict=True):
        lines.append(",".join([*map(repr, row), "'dark blue'" if dark else "light", y]))
    return ("\n".join(lines) + "\n").encode()


def checksum(dataset: Dataset) -> str:
    """The MD5 that the data set's description states."""
    return hashlib.md5(data(dataset), usedforsecurity=False).hexdigest()


def test_rows(world: World, task: StandinTask) -> list[list[np.ndarray]]:
    """The rows to predict, by repeat and fold."""
    n = world.by_dataset[task.dataset].n_rows
    made = []
    for repeat in range(task.procedure.repeats):
        order = unit(world.seed, 30, task.id, repeat, np.arange(n)).argsort()
        if task.procedure.folds is None:
            made.append([order[: n * (task.procedure.percentage or 33) // 100]])
        else:
            made.append(
                [np.sort(order[f :: task.procedure.folds]) for f in range(task.procedure.folds)]
            )
    return made


def splits(world: World, task: StandinTask) -> bytes:
    """The splits file: of each row, whether it trains or tests, by repeat, fold (and sample)."""
    sizes = world.samples(task)
    n = world.by_dataset[task.dataset].n_rows
    lines = [f"@relation {world.by_dataset[task.dataset].name}_splits", ""]
    lines += ["@attribute type {TRAIN,TEST}", "@attribute rowid numeric"]
    lines += ["@attribute repeat numeric", "@attribute fold numeric"]
    lines += ["@attribute sample numeric"] * bool(sizes) + ["", "@data"]
    for repeat, folds in enumerate(test_rows(world, task)):
        for fold, test in enumerate(folds):
            train = np.setdiff1d(np.arange(n), test)
            train = train[unit(task.id, repeat, fold, train).argsort()]
            for sample, size in enumerate(sizes or [len(train)]):
                end = f",{repeat},{fold}" + (f",{sample}" if sizes else "")
                lines += [f"TRAIN,{row}{end}" for row in train[:size].tolist()]
                lines += [f"TEST,{row}{end}" for row in test.tolist()]
    return ("\n".join(lines) + "\n").encode()


def predictions(world: World, at: int) -> bytes:
    """The predictions file of a run: right in about the share that its accuracy says."""
    task = world.task_list[world.run_task[at]]
    dataset = world.by_dataset[task.dataset]
    _, target = truth(dataset)
    labels = columns(dataset)[-1][2]
    kind = "{" + ",".join(labels) + "}" if labels else "NUMERIC"
    lines = [f"@RELATION openml_task_{task.id}_predictions", ""]
    lines += [f"@ATTRIBUTE {name} NUMERIC" for name in ("repeat", "fold", "sample", "row_id")]
    lines += [f"@ATTRIBUTE prediction {kind}", f"@ATTRIBUTE correct {kind}"]
    lines += [f"@ATTRIBUTE confidence.{label} NUMERIC" for label in labels] + ["", "@DATA"]
    accuracy = np.nan_to_num(world.value[at]).max() if labels else 1.0
    for repeat, folds in enumerate(test_rows(world, task)):
        for fold, rows in enumerate(folds):
            right = unit(int(world.run[at]), repeat, fold, rows) < accuracy
            for row, hit in zip(rows.tolist(), right.tolist(), strict=True):
                y = target[row]
                said = y if hit or not labels else labels[(labels.index(y) + 1) % len(labels)]
                sure = ["1.0" if label == said else "0.0" for label in labels]
                lines.append(",".join([str(repeat), str(fold), "0", str(row), said, y, *sure]))
    return ("\n".join(lines) + "\n").encode()


def score(body: str) -> dict[str, float]:
    """What the evaluation engine finds in uploaded predictions: accuracy, or the errors.

    Raises:
        ValueError: There is no column of predictions, or none of the truth.
    """
    head, _, rest = body.partition("@DATA" if "@DATA" in body else "@data")
    names = [
        line.split()[1].strip("'\"").lower()
        for line in head.splitlines()
        if line.lower().startswith("@attribute")
    ]
    numeric = any(
        line.lower().startswith(("@attribute prediction numeric", "@attribute prediction real"))
        for line in head.splitlines()
    )
    said, true = (
        names.index("prediction"),
        names.index("correct" if "correct" in names else "truth"),
    )
    rows = [line.split(",") for line in rest.splitlines() if line and not line.startswith("%")]
    if numeric:
        errors = np.array([float(r[said]) - float(r[true]) for r in rows])
        return {
            "root_mean_squared_error": float(np.sqrt((errors**2).mean())),
            "mean_absolute_error": float(np.abs(errors).mean()),
        }
    return {"predictive_accuracy": sum(r[said] == r[true] for r in rows) / len(rows)}
