"""Text-classification pipelines: 384 configurations on 50 corpora, with the seconds of each run.

Only the accuracy is kept: the misclassification rate is one minus it, the losses are distances to
the best of the data set (a view can tell), and the normalised one is infinite or missing.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from ingest import About
from ingest.building import as_text, beginning, chunks, distinct, find, mapped, metric_rows, rows
from ingest.config_columns import config_rows, config_texts
from metadb.arff import read_arff
from metadb.errors import MalformedFile
from metadb.metrics import METRICS
from metadb.records import Rows

SPACE = "text-classification"

_CITATION = (
    "Pfisterer, van Rijn, Probst, Mueller, Bischl, Learning Multiple Defaults for Machine Learning "
    "Algorithms, GECCO 2021; believed to be the data of Ferreira, Brazdil, Workflow Recommendation "
    "for Text Classification with Active Testing Method, AutoML workshop at ICML 2018"
)
_PARAMETERS = (
    "algorithm",
    "representation",
    "stopword_remover",
    "stemmer",
    "sparsity",
    "feature_selection",
)
_NEEDED = (*_PARAMETERS, "dataset", "predictive_accuracy", "runtime")
_HEADER = re.compile(r"@relation\s+['\"]?text_classification\b", re.IGNORECASE)


@dataclass(frozen=True)
class TextClassification:
    """The file `text_classification.arff` of janvanrijn/openml-defaults.

    Args:
        paths: The file, or folders above it.
    """

    paths: Sequence[str | Path]

    def fetch(self, cache: Path, cursor: str | None = None) -> list[Path]:
        """The ARFF files of the relation text_classification."""
        return find(
            self.paths,
            "*.arff",
            "ARFF files with @RELATION text_classification",
            lambda path: _HEADER.search(beginning(path)) is not None,
        )

    def about(self, path: Path) -> About:
        """Licence and papers."""
        return About("BSD-3-Clause", _CITATION)

    def parse(self, path: Path) -> Iterator[Rows]:
        """The rows of one file."""
        table = read_arff(path).table
        lacks = [name for name in _NEEDED if name not in table.column_names]
        if lacks:
            raise MalformedFile(f"{path} has no column {lacks[0]!r}; it needs {', '.join(_NEEDED)}")
        columns = {
            name: mapped(table.column(name), lambda v: None if v is None else json.dumps(v))
            for name in _PARAMETERS
        }
        configs, config = config_rows(SPACE, config_texts(columns))
        task = mapped(as_text(table.column("dataset")), lambda name: f"{SPACE}:{name}")
        tasks = distinct(task.to_pylist())
        yield from chunks(
            {
                "datasets": rows("datasets", dataset=tasks),
                "tasks": rows("tasks", task=tasks, kind="classification", dataset=tasks),
                "metrics": metric_rows([METRICS["accuracy"]]),
                "configs": configs,
                "evaluations": rows(
                    "evaluations",
                    task=task,
                    config=config,
                    metric="accuracy",
                    value=table.column("predictive_accuracy"),
                    status="ok",
                    budget=1.0,
                    budget_unit="fraction",
                    cost_s=table.column("runtime"),
                    origin=SPACE,
                ),
            }
        )
