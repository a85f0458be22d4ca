"""Any table of results: CSV, Parquet or JSON files with a mapping file that says what is what.

A folder holds `metadb.toml` (or `metadb.json`) and the files it names:

    origin = "my-lab"                      # whose measurements; ids without a prefix get it
    licence = "CC-BY-4.0"
    citation = "Doe, Results of last summer, 2026"
    space = "svm"                          # a name, or a ConfigSpace JSON file: "space.json"

    [evaluations]
    file = "results.csv"                   # .csv .tsv .parquet .json .jsonl, text also .gz

    [evaluations.columns]                  # ours = the file's
    task = "dataset"
    config = ["C", "gamma"]                # columns; or one column of JSON; or a key, see [configs]
    fold = "fold"
    status = "outcome"
    budget = "epochs"
    budget_unit = { value = "epochs" }     # a constant
    cost_s = ["fit_s", "predict_s"]        # summed

    [evaluations.metrics]                  # a column a metric
    acc = "accuracy"
    my_score = { metric = "my_score", lower_is_better = false, lower = 0 }

    [evaluations.status_map]               # the file's words for ok, failed, timeout, memout
    crashed = "failed"

    [tasks]                                # what is known of the tasks, where there is a file
    file = "tasks.csv"
    columns = { task = "dataset", name = "title", target = "label" }

    [metafeatures]                         # a row a task and a column a meta-feature
    file = "metafeatures.parquet"
    columns = { task = "dataset" }         # or long: { task = ..., name = ..., value = ... }
    extractor = "metadb"                   # default: the origin

In the long form of scores, `[evaluations.columns]` has `metric` and `value`, and
`[evaluations.metrics]` says what the words of the metric column mean where they are not known.
With a section `[configs]` (`file`, `columns = { key = ..., config = ... }`), the column `config` of
the evaluations holds keys. `integers = [...]` names hyperparameters that are whole numbers though
the file says 3.0, as pandas does where cells are empty. An empty cell of a hyperparameter says that
it is inactive; of a metric beside others, that it was not measured.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from ingest import About
from ingest.batches import column_names
from ingest.building import distinct, find
from ingest.mapping import NAMES, Sheet, TableMapping, close, is_mapping, mapping_file, read_mapping
from ingest.table_reading import Reading
from metadb.errors import MalformedFile, NotFound
from metadb.records import Rows


@dataclass(frozen=True)
class Table:
    """Tables of results with a mapping file, one load a mapping.

    Args:
        paths: Mapping files, or folders that hold a `metadb.toml` or `metadb.json`.
    """

    paths: Sequence[str | Path]

    def fetch(self, cache: Path, cursor: str | None = None) -> list[Path]:
        """The mapping files; where one has the usual name, its folder."""
        files = find(
            self.paths,
            "metadb.*",
            f"a mapping file {' or '.join(NAMES)}",
            is_mapping,
        )
        return distinct(file.parent if file.name in NAMES else file for file in files)

    def about(self, path: Path) -> About:
        """What the mapping says of licence and citation, and the files it names."""
        mapping = read_mapping(mapping_file(path))
        return About(mapping.licence, mapping.citation, mapping.files)

    def parse(self, path: Path) -> Iterator[Rows]:
        """The rows of all files of one mapping, evaluations in pieces of a quarter of a million."""
        mapping = read_mapping(mapping_file(path))
        for sheet in (mapping.evaluations, mapping.configs, mapping.tasks, mapping.metafeatures):
            _check_columns(mapping, sheet)
        reading = Reading(mapping)
        tables = reading.entities()
        if mapping.evaluations is None:
            yield Rows(tables)
            return
        yield from reading.evaluations(tables)


def _check_columns(mapping: TableMapping, sheet: Sheet | None) -> None:
    """Every column that is named is there."""
    if sheet is None or sheet.file is None:
        return
    there = column_names(sheet.file)
    wanted = sheet.names()
    if sheet is mapping.evaluations and "value" not in sheet.columns:
        wanted += list(mapping.metrics)
    if sheet is mapping.metafeatures:
        wanted += list(mapping.features)
    for name in wanted:
        if name not in there:
            raise NotFound(
                f"{mapping.path} names the column {name!r}, which {sheet.file.name} does not have; "
                f"{close(name, there)}"
            )
        if there.count(name) > 1:
            raise MalformedFile(f"{sheet.file} has two columns {name!r}; rename one of them")
