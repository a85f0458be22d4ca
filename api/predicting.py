"""`metadb predict MODEL FILE`: what a tuned model says of the rows of a file."""

from __future__ import annotations

from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

from cyclopts import Parameter

from api.terminal import COMMON, EXIT_OK, Common, remark, say_json
from metadb.errors import WrongUsage

if TYPE_CHECKING:
    import pyarrow as pa

    from optimizers.saving import Model


def predict(
    model: Path,
    file: Path,
    *,
    header: bool | None = None,
    probabilities: Annotated[bool, Parameter(negative="")] = False,
    output: Annotated[Path | None, Parameter(name=["--output", "-o"])] = None,
    common: Common = COMMON,
) -> int:
    """Say what a model that `metadb tune` saved predicts for each row of a file.

    Parameters
    ----------
    model
        The model's folder.
    file
        A CSV, TSV, Parquet, Arrow, JSON or ARFF file with the columns that the model knows, in any
        order; other columns, the target among them, may be there and are not looked at.
    header
        Whether the first row of a CSV file names the columns; default: it is noticed.
    probabilities
        Also the probability of each class, a column each.
    output
        A file to write to, CSV or Parquet by its suffix; default: CSV on stdout.
    """
    from api.writing import format_of, write
    from metadb.datafile import read_columns
    from metadb.result import Result
    from optimizers.saving import load_model

    loaded = load_model(model)
    table, notes = read_columns(file, header=header)
    for note in (*notes, *_ageing(loaded)):
        remark(common, f"note: {note}")
    found = _predicted(loaded, table, probabilities=probabilities)
    if common.json:
        say_json({"target": loaded.target, "predictions": found.to_pydict()})
        return EXIT_OK
    write(Result(found), "csv" if output is None else format_of(None, output), output)
    if output is not None:
        remark(common, f"{found.num_rows:,} predictions of {loaded.target}: {output}")
    return EXIT_OK


def _predicted(model: Model, table: pa.Table, *, probabilities: bool) -> pa.Table:
    import pyarrow as pa

    columns = {model.target: pa.array(model.predict(table).tolist())}
    if probabilities:
        if model.kind == "regression":
            raise WrongUsage("a regression has no probabilities; leave --probabilities out")
        each = model.predict_proba(table)  # (rows, classes)
        columns |= {f"p({c})": pa.array(each[:, i]) for i, c in enumerate(model.classes)}
    return pa.table(columns)


def _ageing(model: Model) -> list[str]:
    """What to know where the model was made by other versions of what it is made of."""
    made = model.about.get("versions", {})
    here = {name: version(name) for name in ("scikit-learn", "lightgbm", "torch")}
    other = [
        f"{name} {made[name]} (here {now})"
        for name, now in here.items()
        if name in made and made[name].split(".")[:2] != now.split(".")[:2]
    ]
    return [f"the model was made with {', '.join(other)}; tune again if in doubt"] if other else []
