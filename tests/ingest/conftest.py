"""Tiny files of every source, written by hand, and a store to load them into."""

from __future__ import annotations

import json
import zipfile
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


def openml(folder: Path) -> Path:
    """What a pull of two runs keeps, one of them of a flow without hyperparameters."""
    from ingest.openml.archive import Archive

    def keep(archive: Archive, kind: str, told: dict[str, object], **about: object) -> None:
        archive.keep(f"json/{kind}", kind, json.dumps(told).encode(), lasting=True, **about)

    def evaluation(run: int, flow: int, name: str, value: float) -> dict[str, object]:
        return {"run_id": run, "task_id": 3, "setup_id": run + 10, "flow_id": flow, "value": value,
                "flow_name": name, "function": "predictive_accuracy",
                "upload_time": "2026-01-20 10:50:04"}  # fmt: skip

    def parameter(name: str, value: str) -> dict[str, str]:
        return {"flow_name": "sklearn.tree.Tree", "parameter_name": name, "value": value}

    if (folder / "kept").exists():
        return folder / "kept"
    tree, zero = "sklearn.tree.Tree(2)", "weka.ZeroR(1)"
    told = {"task_id": "3", "task_type_id": "1", "did": "61", "name": "iris",
            "input": {"name": "target_feature", "value": "class"}}  # fmt: skip
    with Archive(folder / "kept", {"server": "https://www.openml.org", "origin": "openml"}) as kept:
        keep(kept, "tasks", {"tasks": {"task": told}})
        quality = [
            {"name": "NumberOfInstances", "value": "150.0"},
            {"name": "Kurtosis", "value": []},
        ]
        keep(kept, "qualities", {"data_qualities": {"quality": quality}}, dataset=61)
        page = [evaluation(1, 7, tree, 0.875), evaluation(2, 8, zero, 0.25)]
        keep(kept, "evaluations", {"evaluations": {"evaluation": page}})
        setups = [
            {"setup_id": "11", "flow_id": "7",
             "parameter": [parameter("max_depth", "null"), parameter("random_state", "5"),
                           parameter("criterion", '"gini"'), parameter("n_jobs", "4")]},
            {"setup_id": "12", "flow_id": "8"},
        ]  # fmt: skip
        keep(kept, "setups", {"setups": {"setup": setups}}, ids=[11, 12])
    return folder / "kept"


def hpob(folder: Path) -> Path:
    described = {
        "10": {"variables_order": ["a", "a.na", "b", "kind.ohe._INVALID", "kind.ohe._u"]},
        "11": {"variables_order": ["c"]},
    }
    content = {
        "10": {
            "31": {
                "X": [[0.25, 0, 1, 0, 1], [0, 1.0, 0.5, 1, 0], [0.25, 0, 1, 0, 1]],
                "y": [[0.5], [0.75], [0.625]],
            },
            "3": {"X": [[0.25, 0, 1, 0, 1]], "y": [[1]]},
        },
        "11": {"3": {"X": [[0.125], [0.125]], "y": [0.5, 0.5]}},
    }
    return write(
        folder / "hpob",
        **{
            "meta-train-dataset__json": json.dumps(content),
            "meta-dataset-descriptors__json": json.dumps(described),
        },
    )


def automlbenchmark(folder: Path) -> Path:
    root = folder / "reports"
    write(
        root / "datasets" / "1h",
        metadata__csv="task,name,type,dataset,nrows,nfeatures,nclasses,class_imbalance\n"
        "openml.org/t/31,credit-g,binary,openml.org/d/31,1000,21,2,2.5\n"
        "openml.org/t/45,splice,multiclass,openml.org/d/46,3190,61,3,\n",
    )
    header = "id,task,framework,fold,result,version,utc,duration,info,acc,auc,logloss"
    write(
        root / "tables" / "1h",
        all_results__csv=f"{header},score\n"
        "openml.org/t/31,credit-g,constantpredictor,0,0.5,0.19.2,T1,0.5,,0.75,0.5,,0.5\n"
        "openml.org/t/31,credit-g,autoweka,0,0.625,2.6,T2,3601,,0.75,0.625,,0.625\n"
        "openml.org/t/31,credit-g,autoweka,1,,2.6,T3,40,Error: JoblibMemoryError at,,,,\n"
        "openml.org/t/45,splice,autoweka,0,1.5,2.6,T4,3602,,0.5,,1.5,-1.5\n"
        "openml.org/t/45,splice,autoweka,1,,2.6,T5,7200,Missing predictions.,,,,\n"
        ",splice,autoweka,2,,,,,missing,,,,\n"
        "openml.org/t/45,splice,constantpredictor,0,2.5,0.19.2,T6,0.5,,0.25,,2.5,-2.5\n",
    )
    write(
        root / "tables" / "4h",
        all_results__csv=f"{header},score\n"
        "openml.org/t/31,credit-g,constantpredictor,0,0.5,0.19.2,T1,0.5,,0.75,0.5,,0.5\n",
    )
    runs = (
        "openml.org/t/31,Credit-G,AutoWEKA,0,0.625,2.6,{time},3601,,0.75,0.625,\n"
        "openml.org/t/31,Credit-G,constantpredictor_enc,0,0.5,0.19.2,T1,0.5,,0.75,0.5,\n"
    )
    write(
        root / "input",
        **{
            "results_small-8c1h__csv": f"{header}\n{runs.format(time='T2')}",
            "results_small-2c1h__csv": f"{header}\n{runs.format(time='T9')}",
            "results_old__csv": f"{header}\n{runs.format(time='T2')}",
        },
    )
    return root


def yahpo(folder: Path) -> Path:
    names = {"name": "task_id", "type": "categorical", "default": "3", "probabilities": None}
    rule = {"name": "rule", "type": "categorical", "choices": ["a", "b"], "default": "a"}
    shares = {"name": "trainsize", "type": "uniform_float", "log": False, "default": 0.5}
    trees = {"name": "trees", "type": "uniform_int", "log": True, "lower": 1, "upper": 2000}
    content = {
        "hyperparameters": [
            {**names, "choices": ["3", "41"]},
            {**shares, "lower": 0.03, "upper": 1},
            {**rule, "probabilities": None},
            {**trees, "default": 7},
        ],
        "conditions": [{"child": "trees", "parent": "rule", "type": "EQ", "value": "b"}],
        "forbiddens": [],
        "json_format_version": 0.2,
    }
    return write(folder / "rbv2_tree", config_space__json=json.dumps(content, indent=1))


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


def lcdb(folder: Path) -> Path:
    """Two learners at three sizes on two data sets; the second learner stops before the last."""
    write(
        folder / "lcdb",
        meta__json=json.dumps(
            {
                "learners": ["Tree", "Net"],
                "anchors": [16, 23, 32],
                "stat_labels": ["mean", "stderr"],
                "tvt_labels": ["train", "val", "test"],
            }
        ),
        names__json='{"61": "iris", "3": "chess"}',
        learner_zoo__csv="\ufeffindex,learner_full,learner\n0,sklearn.tree.TreeClassifier,Tree\n",
        datasets_FULL_summary__csv="\ufeffIndex,OpenML_ID,Name,#Features,#Samples,#Classes,"
        "MaxClassRatio\n0,61,iris,4,150,3,0.33\n1,999,elsewhere,2,10,2,0.5\n",
        datasets_FULL_max_anchor__csv="\ufeffindex,openml_id,max_anchor\n0,61,121\n",
    )
    mean = [[0.0, 0.5, 0.625], [0.125, 0.375, 0.5], [0.25, 0.375, 0.25]]
    error = [[0.0, 0.0625, 0.03125]] * 3
    short = [mean[0], mean[2], [None] * 3], [error[0], error[0], [None] * 3]
    for number, second in (("61", short), ("3", [[[None] * 3] * 3] * 2)):
        write(folder / "lcdb" / "er", **{f"{number}__json": json.dumps([[mean, error], second])})
    return folder / "lcdb"


def lcdb_history(folder: Path) -> Path:
    def curve(hyperparameters: str, scores: str) -> str:
        return (
            f"{hyperparameters},0.75,7,x.LinearWorkflow,samples,\"[16, 32]\",\"['accuracy', 'loss']\","
            f'"{scores}","[\'fit\', \'predict\']","[[0.5, 0.25], [1.0, 0.5]]"\n'
        )

    return write(
        folder / "history",
        datasets__csv="openmlid,Name,NumberOfInstances,ClassEntropy\n7,seven,150.0,\n8,eight,20,1.5\n",
        results__csv="p:C,p:dual,p:scaler,objective,m:dataset_id,m:workflow,m:fidelity_unit,"
        "m:fidelity_values,m:score_types,m:score_values,m:time_types,m:time_values\n"
        + curve(
            "0.5,True,none",
            "[[[1.0, 0.0], [0.5, 0.5], [0.625, 0.375]], [[1.0, 0.0], [0.75, 0.25], [0.875, 0.125]]]",
        )
        + curve(
            "2e-3,False,minmax",
            "[[[0.5, 0.5], [0.5, 0.5], [0.5, 0.5]], [[0.5, 0.5], [0.75, 0.25], [0.25, 0.75]]]",
        ),
        configs__csv="C,dual,scaler\n1.0,True,none\n",
    )


def autosklearn(folder: Path) -> Path:
    head = "@RELATION r\n@ATTRIBUTE instance_id STRING\n@ATTRIBUTE repetition NUMERIC\n"
    return write(
        folder / "r2_regression_dense",
        algorithm_runs__arff=f"{head}@ATTRIBUTE algorithm STRING\n@ATTRIBUTE r2 NUMERIC\n"
        "@ATTRIBUTE runstatus {ok, timeout, memout, not_applicable, crash, other}\n@DATA\n"
        "moons,1.0,4,0.25,ok\nsuns,1.0,6,1.5,ok\nstars,1.0,9,?,not_applicable\n",
        configurations__csv="idx,regressor:__choice__,regressor:sgd:alpha,regressor:sgd:average,"
        "regressor:knn:k\n4,sgd,0.5,True,\n6,knn,,,3\n9,knn,,,3\n",
        feature_values__arff=f"{head}@ATTRIBUTE n NUMERIC\n@ATTRIBUTE KMin NUMERIC\n"
        "@ATTRIBUTE KMax NUMERIC\n@DATA\nmoons,1.0,10,-1.5,2\nsuns,1.0,20,?,4\n"
        "stars,1.0,30,0,1\ncomets,1.0,40,0,1\n",
        feature_costs__arff=f"{head}@ATTRIBUTE n NUMERIC\n@ATTRIBUTE Ks NUMERIC\n"
        "@ATTRIBUTE KMin NUMERIC\n@ATTRIBUTE KMax NUMERIC\n@DATA\nmoons,1.0,0.5,4,0.25,0.125\n",
        description__txt="feature_step n: n\nfeature_step Ks: KMin, KMax\nfeature_step KMin: KMin\n"
        "feature_step KMax: KMax\nscenario_id: auto-sklearn\nmaximize: false\n",
    )


def zipped(path: Path, text: str, member: str = "table.csv.zip") -> None:
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr(zipfile.ZipInfo(member), text)  # of a fixed time: the same bytes again


def hp_transfer(folder: Path) -> Path:
    (folder / "transfer").mkdir(parents=True, exist_ok=True)
    zipped(
        folder / "transfer" / "XGBoost.csv.zip",
        "hp_log2_min_child_weight,hp_subsample,hp_colsample_bytree,hp_log2_gamma,hp_log2_lambda,"
        "hp_eta,hp_max_depth_index,hp_log2_alpha,metric_error,blackbox,task\n"
        "1.5,0.75,0.5,-2,-4.5,0.25,3,1e-05,0.125,XGBoost,toys\n"
        "2.5,0.75,0.5,-0.0,-4.5,0.25,12,2,0.5,XGBoost,games\n",
    )
    zipped(
        folder / "transfer" / "nas.csv.zip",
        "hp_x0,hp_x1,hp_x2,hp_x3,hp_x4,hp_x5,arch_str,metric_train_accuracy,metric_test_accuracy,"
        "metric_error,metric_params_size,metric_latency,task,blackbox\n"
        "4,3,2,1,0,0,text,80,62.5,37.5,0.135156,0.25,pets,NAS\n"
        "4,3,2,1,0,0,text,60,12.5,87.5,0.2,0.25,cars,NAS\n",
        member="/Users/somebody/nas.csv.zip",
    )
    zipped(
        folder / "transfer" / "DeepAR.csv.zip",
        "hp_num_layers,hp_num_cells,hp_dropout_rate_log,hp_learning_rate_log,"
        "hp_num_batches_per_epoch_log,hp_context_length_ratio_log,dataset_time_freq,"
        "dataset_prediction_length,metric_CRPS,metric_train_loss,metric_throughput,metric_RMSE,"
        "metric_time,blackbox,task\n0.7,4,-2,-6,7,-0.5,1D,14,1.25,-5.5,1000,700,90,DeepAR,trade\n",
    )
    zipped(
        folder / "transfer" / "progress.csv.zip",
        "seed,iteration,value,blackbox,task,optimizer\n0,1,0.5,XGBoost,toys,RS\n",
    )
    return folder / "transfer"


def optuna(folder: Path) -> Path:
    """Two trials that ended, one that was pruned and one that failed, as a journal tells it."""

    def line(code: int, **more: object) -> str:
        return json.dumps({"op_code": code, "worker_id": "w", **more}) + "\n"

    def drawn(trial: int, name: str, internal: float, kind: str, **attributes: object) -> str:
        told = json.dumps({"name": kind, "attributes": attributes})
        return line(
            5, trial_id=trial, param_name=name, param_value_internal=internal, distribution=told
        )

    def trial(number: int, optimizer: int, end: dict[str, object], *scores: float) -> str:
        rate = drawn(
            number, "lr", 0.25, "FloatDistribution", low=1e-4, high=1.0, log=True, step=None
        )
        text = line(4, study_id=0, datetime_start=f"2026-01-01T00:00:0{number}")
        text += rate + drawn(
            number, "opt", optimizer, "CategoricalDistribution", choices=["sgd", None]
        )
        if optimizer == 0:
            text += drawn(number, "m", 2, "IntDistribution", low=1, high=9, log=False, step=1)
        for step, score in enumerate(scores):
            text += line(7, trial_id=number, step=step, intermediate_value=score)
        return text + line(6, trial_id=number, datetime_complete="2026-01-01T00:00:10", **end)

    journal = line(0, study_name="churn", directions=[2])
    journal += line(3, study_id=0, system_attr={"study:metric_names": ["accuracy"]})
    journal += trial(0, 0, {"state": 1, "values": [0.75]}, 0.5, 0.75)
    journal += trial(1, 1, {"state": 1, "values": [0.625]}, 0.25, 0.625)
    journal += trial(2, 0, {"state": 2, "values": [0.125]}, 0.125)
    journal += trial(3, 1, {"state": 3, "values": None})
    return write(folder / "optuna", journal__log=journal)


def smac(folder: Path) -> Path:
    """Two configs of which one fails on one of two instances."""
    space = {
        "name": None,
        "hyperparameters": [
            {"type": "uniform_int", "name": "depth", "lower": 1, "upper": 9, "default_value": 3,
             "log": False, "meta": None},
        ],
        "conditions": [],
        "forbiddens": [],
    }  # fmt: skip

    def ran(config: int, instance: str, cost: float, status: int) -> dict[str, object]:
        return {"config_id": config, "instance": instance, "seed": 7, "budget": None, "cost": cost,
                "time": 1.5, "cpu_time": 1.25, "status": status, "starttime": 0, "endtime": 2,
                "additional_info": {}}  # fmt: skip

    history = {
        "data": [
            ran(1, "a", 2.5, 1),
            ran(1, "b", 3.5, 1),
            ran(2, "a", 1.0, 1),
            ran(2, "b", 9e9, 2),
        ],
        "configs": {"1": {"depth": 3}, "2": {"depth": 5}},
        "config_origins": {"1": "Initial Design: Sobol", "2": "Random Search"},
    }
    return write(
        folder / "sat",
        runhistory__json=json.dumps(history),
        configspace__json=json.dumps(space),
        scenario__json=json.dumps({"name": "sat", "objectives": "cost", "seed": 0}),
    )


def ray_tune(folder: Path) -> Path:
    """Three trials: two with a curve, one of which was stopped early, and one that failed."""
    experiment = folder / "ray" / "churn"

    def trial(name: str, rate: float, *scores: float, **files: str) -> None:
        config = {"lr": rate, "layer": {"units": 8}, "shape": [1, 2]}
        results = [
            {"accuracy": score, "training_iteration": nth, "time_total_s": nth / 2, "trial_id": name,
             "pid": 9, "config": config, "done": False}
            for nth, score in enumerate(scores, 1)
        ]  # fmt: skip
        lines = "".join(json.dumps(result) + "\n" for result in results)
        write(experiment / name, params__json=json.dumps(config), result__json=lines, **files)

    trial("t1", 0.5, 0.25, 0.5, 0.75)
    trial("t2", 0.25, 0.125)
    trial("t3", 9.5, error__txt="it broke")
    states = {"t1": "TERMINATED", "t2": "TERMINATED", "t3": "ERROR"}
    entries = [[json.dumps({"relative_logdir": t, "status": s}), "{}"] for t, s in states.items()]
    state = {"trial_data": entries, "runner_data": {"_metric": "accuracy"}}
    write(experiment, **{"experiment_state-1__json": json.dumps(state)})
    return folder / "ray"


def syne_tune(folder: Path) -> Path:
    """Two trials, one of them stopped after its first epoch."""
    space = {
        "lr": {"domain_cls": "Float", "domain_kwargs": {"lower": 0.125, "upper": 1.0},
               "sampler_cls": "LogUniform", "sampler_kwargs": {"base": 2.0}},
        "act": {"domain_cls": "Categorical", "domain_kwargs": {"categories": ["relu", "tanh"]}},
        "epochs": 2,
    }  # fmt: skip
    metadata = {
        "metric_names": ["loss"],
        "metric_mode": "min",
        "config_space": json.dumps(space),
        "scheduler_kwargs": {"time_attr": "epoch"},
    }
    return write(
        folder / "asha",
        results__csv="epoch,loss,note,st_worker_time,st_status,trial_id,config_lr,config_act,"
        "config_epochs,st_tuner_time\n1,0.5,7,1.0,InProgress,0,1,relu,2,1.25\n"
        "2,0.25,7,2.0,Completed,0,1,relu,2,2.25\n1,0.75,7,1.0,Stopped,1,0.125,tanh,2,1.125\n",
        metadata__json=json.dumps(metadata),
    )


def mlflow(folder: Path) -> Path:
    """A parent without metrics, two runs nested in it, one that failed, and one deleted."""
    experiment = folder / "mlruns" / "1"
    write(experiment, meta__yaml="experiment_id: '1'\nlifecycle_stage: active\nname: churn\n")

    def run(name: str, status: int, stage: str = "active", **kept: dict[str, str]) -> None:
        text = f"run_id: {name}\nlifecycle_stage: {stage}\ntags: []\nend_time: 9000\n"
        write(experiment / name, meta__yaml=f"{text}start_time: 1000\nstatus: {status}\n")
        for kind, files in kept.items():
            (experiment / name / kind).mkdir(exist_ok=True)
            for key, content in files.items():
                (experiment / name / kind / key).write_text(content)

    nested = {"mlflow.parentRunId": "run0"}
    losses = "1 1.0 0\n2 0.5 1\n2 0.25 1\n"
    run("run0", 3, params={"search": "grid"})
    run("run1", 3, params={"lr": "0.5", "deep": "True"}, tags=nested,
        metrics={"accuracy": "5 0.75 0\n", "val_loss": losses})  # fmt: skip
    run("run2", 4, params={"lr": "2", "deep": "False"}, tags=nested)
    run("run3", 3, "deleted", metrics={"accuracy": "5 1.0 0\n"})
    return folder / "mlruns"


def cv_results(folder: Path) -> Path:
    return write(
        folder / "search",
        forest__csv="mean_fit_time,mean_score_time,param_depth,param_C,params,split0_test_accuracy,"
        "split1_test_accuracy,mean_test_accuracy,mean_test_neg_log_loss,rank_test_accuracy\n"
        "1.0,0.5,3,,{'depth': 3},0.5,0.75,0.625,-0.25,1\n"
        "1.0,0.5,,0.5,\"{'C': 0.5, 'depth': None}\",0.25,0.5,0.375,-0.5,2\n"
        "1.0,0.25,4,-1.0,\"{'C': -1.0, 'depth': 4}\",,,,,3\n",
    )


TINY: dict[str, Callable[[Path], Path]] = {
    "aslib": aslib,
    "openml-study": openml_study,
    "openml-pimp": openml_pimp,
    "tabrepo": tabrepo,
    "text-classification": text_classification,
    "lcdb": lcdb,
    "lcdb-history": lcdb_history,
    "autosklearn": autosklearn,
    "hp-transfer": hp_transfer,
    "openml": openml,
    "hpob": hpob,
    "automlbenchmark": automlbenchmark,
    "yahpo": yahpo,
    "table": table,
    "optuna": optuna,
    "smac": smac,
    "ray-tune": ray_tune,
    "syne-tune": syne_tune,
    "mlflow": mlflow,
    "cv-results": cv_results,
}


@pytest.fixture
def tiny(tmp_path: Path) -> Callable[[str], Path]:
    """The tiny folder of a source, by its name."""
    return lambda name: TINY[name](tmp_path / "data")


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return Store(tmp_path / "store")
