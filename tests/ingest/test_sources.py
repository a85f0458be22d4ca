"""Laws over all sources, what each makes of a tiny file, and the counts of the real ones."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from ingest import SOURCES, source
from ingest.load import Loaded, load
from metadb.errors import MalformedFile, NotFound
from metadb.schema import TABLES
from metadb.store import Store

Tiny = Callable[[str], Path]

SHARED = Path(__file__).resolve().parents[2].parent / "shared" / "data"
real = pytest.mark.skipif(not SHARED.is_dir(), reason=f"real data only with {SHARED}")


def fill(name: str, store: Store, *paths: Path) -> list[Loaded]:
    return list(load(name, source(name, paths), store, store.path / "cache"))


def added(loaded: list[Loaded]) -> int:
    return sum(one.added.added.get("evaluations", 0) for one in loaded)


WITHOUT_EVALUATIONS = {"yahpo"}  # tasks and spaces only


# -- laws ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", SOURCES)
def test_parsing_is_pure_and_repeatable(name: str, tiny: Tiny) -> None:
    one = source(name, [tiny(name)])
    for path in one.fetch(Path("cache")):
        first, second = list(one.parse(path)), list(one.parse(path))
        assert [rows.tables for rows in first] == [rows.tables for rows in second]


@pytest.mark.parametrize("name", SOURCES)
def test_every_table_conforms_to_the_schema(name: str, tiny: Tiny) -> None:
    one = source(name, [tiny(name)])
    for path in one.fetch(Path("cache")):
        for rows in one.parse(path):
            for table, content in rows.tables.items():
                types = {field.name: field.type for field in TABLES[table].arrow}
                given = {field.name: field.type for field in content.schema}
                assert given == {name: types[name] for name in given}


@pytest.mark.parametrize("name", SOURCES)
def test_loading_twice_adds_nothing(name: str, tiny: Tiny, store: Store) -> None:
    first = fill(name, store, tiny(name))
    before = store.status()["rows"]
    second = fill(name, store, tiny(name))
    assert added(first) > 0 or name in WITHOUT_EVALUATIONS
    assert added(second) == 0
    assert store.status()["rows"] == before
    assert [one.load["n_added"] for one in second] == [one.load["n_added"] for one in first]
    assert not [one.load["rejections"] for one in first if one.load["n_rejected"]]


@pytest.mark.parametrize("name", SOURCES)
def test_every_load_states_its_licence(name: str, tiny: Tiny, store: Store) -> None:
    assert all(one.load["licence"] for one in fill(name, store, tiny(name)))


@pytest.mark.parametrize("name", SOURCES)
def test_an_empty_folder_says_what_was_looked_for(name: str, tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    with pytest.raises(NotFound, match="looked for"):
        list(source(name, [tmp_path / "empty"]).fetch(tmp_path))
    with pytest.raises(NotFound, match="no file or folder"):
        list(source(name, [tmp_path / "nowhere"]).fetch(tmp_path))


MAIN_FILE = {
    "aslib": "algorithm_runs.arff",
    "openml-study": "runs.arff",
    "openml-pimp": "forest.arff",
    "tabrepo": "results.csv",
    "text-classification": "text.arff",
    "lcdb": "meta.json",
    "lcdb-history": "results.csv",
    "autosklearn": "algorithm_runs.arff",
    "hp-transfer": "XGBoost.csv.zip",
    "openml": "answers/0000003-evaluations-ca24ec0e3293.zst",
    "hpob": "meta-train-dataset.json",
    "automlbenchmark": "tables/1h/all_results.csv",
    "yahpo": "config_space.json",
    "table": "results.csv",
    "optuna": "journal.log",
    "smac": "runhistory.json",
    "ray-tune": "churn/t1/params.json",
    "syne-tune": "results.csv",
    "mlflow": "1/run1/meta.yaml",
    "cv-results": "forest.csv",
}
DAMAGE: dict[str, Callable[[bytes], bytes]] = {
    "cut short": lambda content: content[:-18],
    "empty": lambda content: b"",
    "junk": lambda content: bytes(range(256)) * 40,
    "other columns": lambda content: b"@relation r\n@attribute a numeric\n@data\n1\n",
}


@pytest.mark.parametrize("damage", DAMAGE)
@pytest.mark.parametrize("name", SOURCES)
def test_a_damaged_file_is_named_and_nothing_is_half_written(
    name: str, damage: str, tiny: Tiny, store: Store
) -> None:
    folder = tiny(name)
    file = folder / MAIN_FILE[name]
    file.write_bytes(DAMAGE[damage](file.read_bytes()))
    with pytest.raises((MalformedFile, NotFound), match=file.name):
        fill(name, store, folder if name in ("aslib", "table", "openml", "mlflow") else file)
    assert store.status()["rows"]["evaluations"] == 0


def test_an_unknown_source_is_answered_with_those_there_are() -> None:
    with pytest.raises(NotFound, match="did you mean 'aslib'"):
        source("asslib", ["."])


def test_importing_ingest_is_light() -> None:
    heavy = ("pyarrow", "duckdb", "deltalake", "numpy", "ingest.aslib", "torch", "openml")
    code = f"import ingest, sys; print([m for m in {heavy} if m in sys.modules])"
    found = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert json.loads(found.stdout.replace("'", '"')) in ([], ["numpy"])  # protocols need numpy


# -- what a tiny file becomes --------------------------------------------------------------------


def test_a_run_that_was_cut_off_is_a_bound(tiny: Tiny, store: Store) -> None:
    fill("aslib", store, tiny("aslib"))
    found = store.sql(
        "select task, hyperparameters as h, value, status, e.cost_s from evaluations e "
        "join configs c using (config) where metric = 'MIP/PAR10' order by all"
    )
    assert [tuple(row.values()) for row in found] == [
        ("aslib:MIP/p1", '{"algorithm":"Fast"}', 3.0, "ok", 3.0),
        ("aslib:MIP/p1", '{"algorithm":"Slow"}', 100.0, "censored", 100.0),
        ("aslib:MIP/p2", '{"algorithm":"Fast"}', 7.5, "ok", 7.5),
        ("aslib:MIP/p2", '{"algorithm":"Slow one"}', None, "memout", None),
        ("aslib:MIP/p2", '{"algorithm":"Slow"}', None, "failed", None),
    ]
    metric = store.metric("MIP/PAR10")
    assert (metric.lower_is_better, metric.unit, metric.lower) == (True, "s", 0.0)


def test_the_costs_of_features_add_up_to_their_step(tiny: Tiny, store: Store) -> None:
    fill("aslib", store, tiny("aslib"))
    costs = store.sql("select task, sum(cost_s) as s, count(*) as n from metafeatures group by 1")
    assert {row["task"]: (row["s"], row["n"]) for row in costs} == {
        "aslib:MIP/p1": (3.0, 2),
        "aslib:MIP/p2": (4.0, 1),
    }


def test_a_failed_run_stored_as_zero_has_no_value(tiny: Tiny, store: Store) -> None:
    fill("openml-study", store, tiny("openml-study"))
    assert store.sql("select value, task from evaluations where status = 'failed'").column(
        "value"
    ) == [None]
    task = store.task("openml:dataset/1")
    assert (task.dataset, task.metafeatures) == (
        "openml:dataset/1",
        {
            "NumberOfInstances": 150.0,
            "nr_inst": 150.0,
            "log_nr_inst": task.metafeatures["log_nr_inst"],
        },
    )


def test_hyperparameters_have_the_types_they_are_written_with(tiny: Tiny, store: Store) -> None:
    fill("openml-pimp", store, tiny("openml-pimp"))
    texts = store.sql("select hyperparameters as h from configs where space = 'rf'").column("h")
    assert (
        '{"rf__bootstrap":true,"rf__depth":"None","rf__leaf":18,"rf__share":0.8026968345397216,'
        '"rf__weight":0.0}'
    ) in texts
    assert store.task("openml:task/3").metafeatures["NumberOfInstances"] == 100


def test_each_kind_of_task_has_its_metric_and_defaults_are_absent(tiny: Tiny, store: Store) -> None:
    fill("tabrepo", store, tiny("tabrepo"))
    found = store.sql(
        "select task, metric, value from evaluations where metric <> 'predict_row_s' order by all"
    )
    assert [tuple(row.values()) for row in found] == [
        ("openml:task/31", "roc_auc", 0.5),
        ("openml:task/31", "roc_auc", 0.75),
        ("openml:task/45", "log_loss", 1.25),
        ("openml:task/77", "rmse", 1e6),
    ]
    texts = store.sql("select hyperparameters as h from configs order by 1").column("h")
    assert texts == ['{"extra_trees":true}', "{}"]
    assert store.task("openml:task/77").kind == "regression"
    assert store.task("openml:task/45").dataset == "openml:dataset/46"


def test_text_classification_keeps_accuracy_and_seconds(tiny: Tiny, store: Store) -> None:
    fill("text-classification", store, tiny("text-classification"))
    assert store.sql("select distinct metric as m from evaluations").column("m") == ["accuracy"]
    assert store.sql("select sum(cost_s) as s from evaluations").column("s")[0] == pytest.approx(
        141.8
    )
    assert store.sql(
        "select value from parameters where name = 'feature_selection' order by 1"
    ).column("value") == ["> 0", "none"]


# -- real data ------------------------------------------------------------------------------------


@real
def test_the_same_runs_through_two_sources_count_once(store: Store) -> None:
    scenario = SHARED / "aslib" / "OPENML-WEKA-2017"
    study = SHARED / "openml-study-metadata" / "study_34_run_evaluations_predictive_accuracy.arff"
    assert added(fill("aslib", store, scenario)) == 3150
    (coverage,) = store.sql("select * from coverage")
    assert (coverage["n_tasks"], coverage["n_configs"]) == (105, 30)
    assert coverage["metric"] == "accuracy"
    assert added(fill("openml-study", store, study)) == 0
    vouched = store.sql("select source, count(*) as n from provenance group by 1 order by 1")
    assert {row["source"]: row["n"] for row in vouched} == {"aslib": 3150, "openml-study": 3150}


@real
def test_a_folder_of_scenarios_is_loaded_whole(store: Store) -> None:
    loaded = fill("aslib", store, SHARED / "aslib")
    assert len(loaded) == 4
    counts = store.sql(
        "select space, metric, n_evaluations::int as n, n_failed::int as f from coverage"
    )
    assert {(row["metric"], row["n"], row["f"]) for row in counts} == {
        ("accuracy", 3150, 0),
        ("CSP-Minizinc-Obj-2016/obj", 2200, 378),
        ("CSP-Minizinc-Obj-2016/time", 2200, 1057),
        ("MIP-2016/PAR10", 1090, 218),
    }
    assert {row["n_rejected"] for row in (one.load for one in loaded)} == {0}


@real
def test_all_study_files_load(store: Store) -> None:
    by_name = {
        Path(one.load["path"]).name: one
        for one in fill("openml-study", store, SHARED / "openml-study-metadata")
    }
    assert len(by_name) == 7
    study_1 = "study_1_run_evaluations_predictive_accuracy.arff"
    assert added([by_name[study_1]]) == 44_676
    found = store.sql(
        "select count(distinct task) as t, count(distinct config) as c, "
        "count(*) filter (where e.status = 'failed' and value is null) as f "
        "from evaluations e join loads l using (load) where l.path like ?",
        [f"%{study_1}"],
    )
    assert [tuple(row.values()) for row in found] == [(438, 102, 3787)]
    assert by_name["study_34_joint.arff"].load["n_read"] == 0


@real
@pytest.mark.parametrize(
    ("name", "folder", "quality"),
    [
        ("openml-pimp", "openml-pimp", 87_000),
        ("tabrepo", "tabrepo", 9_672),
        ("text-classification", "text-classification", 19_200),
    ],
)
def test_real_folders_come_out_whole_and_once(
    name: str, folder: str, quality: int, store: Store
) -> None:
    loaded = fill(name, store, SHARED / folder)
    n = "select count(*) as n from evaluations where metric <> 'predict_row_s'"
    assert store.sql(n).column("n") == [quality]
    assert sum(one.load["n_rejected"] for one in loaded) == 0
    assert added(fill(name, store, SHARED / folder)) == 0


@real
def test_losses_under_a_scores_name_are_refused(tmp_path: Path) -> None:
    folder = SHARED / "autosklearn-metadata" / "accuracy_binary.classification_dense"
    with pytest.raises(NotFound, match="auto-sklearn"):
        source("aslib", [folder]).fetch(tmp_path)
    with pytest.raises(MalformedFile, match="maximize: false for accuracy"):
        list(source("aslib", [folder]).parse(folder))
