"""From the work folder of `benchmarks.sample` to `data/sample` and `data/regression`."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from benchmarks.sample_tasks import OF_KIND, sample_tasks
from metadb.metafeatures import extract
from metadb.space import to_json
from optimizers.learners import space_of

DATA = Path(__file__).resolve().parents[1] / "data"
SAMPLE = DATA / "sample"
FOLDERS = {"classification": "sample", "regression": "regression"}

MAPPING = """\
# What the columns of these files mean; read by: metadb ingest table data/{folder}
origin = "sample"
licence = "Apache-2.0"
citation = "metadb, data/{folder}: run by benchmarks/sample.py"

space = "space.json"

[evaluations]
file = "evaluations.parquet"

[evaluations.columns]
task = "task"
config = "config"
fold = "fold"
seed = {{ value = 0 }}
budget = "fraction"
budget_unit = {{ value = "fraction" }}
status = "status"
cost_s = ["fit_s", "predict_s"]

[evaluations.metrics]
{scores}
fit_s = "fit_s"
predict_s = "predict_s"

[tasks]
file = "tasks.parquet"

[tasks.columns]
task = "task"
dataset = "dataset"
target = "target"
name = "name"
kind = {{ value = "{kind}" }}

[metafeatures]
file = "metafeatures.parquet"
columns = {{ task = "task" }}
extractor = "metadb"
"""


def assemble(work: Path, kind: str, scores: Sequence[str]) -> None:
    """Write the Parquet files, the space and the mapping; numbers are rounded to 6 digits."""
    target = DATA / FOLDERS[kind]
    target.mkdir(parents=True, exist_ok=True)
    rows = pa.concat_tables([pq.read_table(f) for f in sorted(work.glob("*.parquet"))])
    rows = rows.drop(["error"]).sort_by(
        [(c, "ascending") for c in ("task", "config", "fold", "fraction")]
    )
    for name in scores:
        digits = _six_digits if kind == "regression" else partial(pc.round, ndigits=6)
        rows = _replace(rows, name, digits(rows.column(name)))
    for name in ("fit_s", "predict_s"):  # a timer is not good to more than ten microseconds
        rows = _replace(rows, name, pc.round(rows.column(name), 5))
    _write(rows, target / "evaluations.parquet", byte_stream=["fit_s", "predict_s"])
    tasks, features = [], []
    for task in sample_tasks(kind):
        package = OF_KIND[kind][task.dataset][0]
        tasks.append(
            {
                "task": task.name,
                "dataset": f"{package}-{task.dataset}",
                "target": task.target,
                "name": f"{task.dataset}: {task.target}",
            }
        )
        x = pa.Table.from_pandas(task.x, preserve_index=False)
        described = extract(x, task.y, kind=kind).known()
        features.append({"task": task.name} | described)
    _write(pa.Table.from_pylist(tasks), target / "tasks.parquet")
    names = sorted({name for row in features for name in row} - {"task"})
    schema = pa.schema([("task", pa.string()), *((n, pa.float64()) for n in names)])
    _write(pa.Table.from_pylist(features, schema=schema), target / "metafeatures.parquet")
    (target / "space.json").write_text(to_json(space_of(kind)) + "\n")
    (target / "metadb.toml").write_text(
        MAPPING.format(
            folder=FOLDERS[kind], kind=kind, scores="\n".join(f'{n} = "{n}"' for n in scores)
        )
    )


def _six_digits(values: pa.ChunkedArray) -> pa.Array:
    """Six significant digits: an error has the unit of its target."""
    return pa.array([None if v is None else float(f"{v:.6g}") for v in values.to_pylist()])


def _replace(table: pa.Table, name: str, values: pa.ChunkedArray) -> pa.Table:
    return table.set_column(table.schema.get_field_index(name), name, values)


def _write(table: pa.Table, path: Path, *, byte_stream: list[str] | None = None) -> None:
    split = byte_stream or []
    part = path.with_suffix(".part")
    pq.write_table(
        table,
        part,
        compression="zstd",
        compression_level=19,
        use_dictionary=[c for c in table.column_names if c not in split],
        use_byte_stream_split=split or False,
    )
    part.replace(path)
