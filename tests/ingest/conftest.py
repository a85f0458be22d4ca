"""Tiny files of every source, written by hand, and a store to load them into."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from metadb.store import Store

RUNS = """@RELATION ALGORITHM_RUNS
@ATTRIBUTE instance_id STRING
@ATTRIBUTE repetition NUMERIC
@ATTRIBUTE algorithm STRING
@ATTRIBUTE {measure} NUMERIC
@ATTRIBUTE runstatus {{ok, timeout, memout, not_applicable, crash, other}}
@DATA
"""

DESCRIPTION = """scenario_id: {scenario}
performance_measures:
    - {measure}
maximize:
    - {maximize}
performance_type:
    - {kind}
algorithm_cutoff_time: {cutoff}
algorithm_cutoff_memory: '?'
number_of_feature_steps: 1
feature_steps:
  base:
    provides:
        - n_vars
        - density
default_steps:
    - base
"""


def write(folder: Path, **files: str) -> Path:
    """Files by name, `__` standing for the point before the suffix."""
    folder.mkdir(parents=True, exist_ok=True)
    for name, text in files.items():
        (folder / name.replace("__", ".")).write_text(text)
    return folder


def aslib(folder: Path) -> Path:
    return write(
        folder / "MIP",
        description__txt=DESCRIPTION.format(
            scenario="MIP", measure="PAR10", maximize="false", kind="runtime", cutoff=100
        ),
        algorithm_runs__arff=RUNS.format(measure="PAR10")
        + "p1,1,Fast,3,ok\np1,1,Slow,1000,timeout\np2,1,Fast,7.5,ok\n"
        + "p2,1,'Slow one',1000,memout\np2,1,Slow,1000,crash\n",
        feature_values__arff="@relation f\n@attribute instance_id string\n"
        "@attribute repetition numeric\n@attribute n_vars numeric\n@attribute density numeric\n"
        "@data\np1,1,10,0.5\np2,1,20,?\n",
        feature_costs__arff="@relation c\n@attribute instance_id string\n"
        "@attribute repetition numeric\n@attribute base numeric\n@data\np1,1,3\np2,1,4\n",
    )


def openml_study(folder: Path) -> Path:
    runs = RUNS.format(measure="predictive_accuracy")
    return write(
        folder / "study",
        runs__arff=runs.replace("instance_id", "openml_data_id")
        + "1,1,2361_weka.OneR,0.59,ok\n1,1,2362_weka.J48,0,other\n2,1,2361_weka.OneR,0.7,ok\n"
        + "2,1,2362_weka.J48,0.8,ok\n% \n",
        metafeatures__arff="@RELATION METAFEATURES\n@ATTRIBUTE openml_data_id STRING\n"
        "@ATTRIBUTE repetition NUMERIC\n@ATTRIBUTE NumberOfInstances NUMERIC\n"
        "@ATTRIBUTE ClassEntropy NUMERIC\n@DATA\n1,1,150.0,null\n2,1,200.0,1.5\n% \n",
        joint__arff="@RELATION JOINTMETADATA\n\n@ATTRIBUTE openml_task_id STRING\n"
        "@ATTRIBUTE repetition NUMERIC\n@ATTRIBUTE algorithm STRING\n"
        "@ATTRIBUTE predictive_accuracy NUMERIC\n@ATTRIBUTE ClassEntropy NUMERIC\n\n",
    )


def openml_pimp(folder: Path) -> Path:
    header = {
        "flow_id": 6969,
        "col_parameters": ["rf__bootstrap", "rf__depth", "rf__leaf", "rf__share", "rf__weight"],
        "col_measures": ["predictive_accuracy"],
        "normalized_y": False,
    }
    return write(
        folder / "pimp",
        forest__arff=f"% {json.dumps(header)}\n@RELATION r\n"
        "@ATTRIBUTE rf__bootstrap {True, False}\n"
        "@ATTRIBUTE rf__depth {None}\n@ATTRIBUTE rf__leaf {2, 18}\n@ATTRIBUTE rf__share NUMERIC\n"
        "@ATTRIBUTE rf__weight NUMERIC\n@ATTRIBUTE predictive_accuracy NUMERIC\n"
        "@ATTRIBUTE task_id NUMERIC\n@DATA\nTrue,None,18,0.8026968345397216,0.0,0.9,3\n"
        "False,None,2,0.5,0.0,0.8,3\nTrue,None,2,0.25,0.0,0.7,31\n",
        task_qualities__json='{"3": {"NumberOfInstances": 100.0, "ClassEntropy": NaN}, "31": {}}',
    )


def tabrepo(folder: Path) -> Path:
    def config(**values: object) -> dict[str, object]:
        return {"hyperparameters": {**values, "ag_args": {"name_suffix": "_c"}}}

    return write(
        folder / "tabrepo",
        results__csv="dataset,framework,problem_type,time_train_s,metric_error,time_infer_s,rank\n"
        "31,L_c1,binary,2.5,0.25,0.001,1\n31,L_c2,binary,3.5,0.5,0.001,2\n"
        "45,L_c1,multiclass,2.5,1.25,0.001,1\n77,L_c2,regression,2.5,1e6,0.001,1\n",
        configs_lightgbm__json=json.dumps({"L_c1": config(), "L_c2": config(extra_trees=True)}),
        task_metadata__csv="tid,ttid,did,name,target_feature,NumberOfInstances,NumberOfClasses\n"
        "31,TaskType.SUPERVISED_CLASSIFICATION,31,credit-g,class,1000.0,2.0\n"
        "45,TaskType.SUPERVISED_CLASSIFICATION,46,splice,Class,3190.0,\n",
    )


def text_classification(folder: Path) -> Path:
    return write(
        folder / "text",
        text__arff='% {"col_measures": ["predictive_accuracy"], "col_parameters": ["algorithm"]}\n'
        "@RELATION text_classification\n@ATTRIBUTE algorithm {knn, J48}\n"
        "@ATTRIBUTE representation {freq}\n@ATTRIBUTE stopword_remover {none}\n"
        "@ATTRIBUTE stemmer {none}\n@ATTRIBUTE sparsity NUMERIC\n"
        "@ATTRIBUTE feature_selection {none, '> 0'}\n@ATTRIBUTE dataset {n1, n2}\n"
        "@ATTRIBUTE predictive_accuracy NUMERIC\n@ATTRIBUTE runtime NUMERIC\n"
        "@ATTRIBUTE predictive_accuracy_loss_normalized NUMERIC\n@DATA\n"
        "knn,freq,none,none,0.99,none,n1,0.85,85.9,inf\nJ48,freq,none,none,0.99,'> 0',n1,0.9,40,?\n"
        "knn,freq,none,none,0.99,none,n2,0.75,15.9,inf\n",
    )


def table(folder: Path) -> Path:
    return write(
        folder / "table",
        metadb__toml="""
origin = "lab"
licence = "CC0-1.0"
space = "svm"
[evaluations]
file = "results.csv"
[evaluations.columns]
task = "dataset"
config = ["C", "kernel"]
fold = "fold"
status = "outcome"
cost_s = ["fit_s", "predict_s"]
[evaluations.metrics]
acc = "accuracy"
mine = { metric = "mine", lower_is_better = false, lower = 0 }
[evaluations.status_map]
crashed = "failed"
[metafeatures]
file = "features.csv"
columns = { task = "dataset" }
""",
        results__csv="dataset,C,kernel,fold,outcome,acc,mine,fit_s,predict_s\n"
        "iris,1,linear,0,ok,0.9,3.5,1,0.5\niris,0.5,,0,ok,0.8,,1,\nopenml:task/31,1,rbf,1,crashed,,,2,\n",
        features__csv="dataset,nr_inst,nr_attr\niris,150,4\nopenml:task/31,1000,\n",
    )


TINY: dict[str, Callable[[Path], Path]] = {
    "aslib": aslib,
    "openml-study": openml_study,
    "openml-pimp": openml_pimp,
    "tabrepo": tabrepo,
    "text-classification": text_classification,
    "table": table,
}


@pytest.fixture
def tiny(tmp_path: Path) -> Callable[[str], Path]:
    """The tiny folder of a source, by its name."""
    return lambda name: TINY[name](tmp_path / "data")


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return Store(tmp_path / "store")
