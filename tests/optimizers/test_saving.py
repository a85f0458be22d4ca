"""A model's folder: back with equal predictions, whole or not at all, nothing strange loaded."""

from __future__ import annotations

import json
import warnings

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
import skops.io

from metadb.datafile import data_of
from metadb.errors import MalformedFile, NotFound, WrongUsage
from metadb.space import sample
from optimizers.learners import KINDS, defaults, pipeline, space_of
from optimizers.prepared import prepare
from optimizers.saving import TRUSTED, Model, check_free, load_model, save_model

N = 60


def columns() -> pa.Table:
    rng = np.random.default_rng(0)
    return pa.table(
        {
            "size": rng.normal(size=N),
            "colour": [["red", "blue", None][i % 3] for i in range(N)],
        }
    )


def fitted(config, kind="classification", **more) -> Model:
    x = columns()
    size = x.column("size").to_numpy()
    y = pa.array(np.where(size > 0, "big", "small") if kind == "classification" else 2.5 * size)
    ready = prepare(data_of(x, y, kind=kind, name="answer"))
    model = pipeline(config, kind=kind, categorical=ready.features.categorical, **more)
    with warnings.catch_warnings(action="ignore"):
        model.fit(ready.x, ready.y)
    return Model(model, ready.features, kind, "answer", ready.classes, {"task": "toy:1"})


CONFIGS = {
    (kind, config["learner"], nth): config
    for kind in KINDS
    for nth, configs in enumerate((defaults(kind), sample(space_of(kind), 40, 1)))
    for config in configs
}


@pytest.mark.parametrize("of", CONFIGS, ids=lambda of: "-".join(map(str, of)))
def test_a_model_comes_back_and_predicts_the_same(of, tmp_path):
    kind = of[0]
    model = fitted(CONFIGS[of], kind)
    save_model(model, tmp_path / "model")
    back = load_model(tmp_path / "model")
    assert back.predict(columns()).tolist() == model.predict(columns()).tolist()
    if kind == "classification":
        assert set(back.predict(columns())) <= {"big", "small"}
    if hasattr(model.pipeline, "predict_proba"):
        assert np.array_equal(back.predict_proba(columns()), model.predict_proba(columns()))


def test_calibrated_vectors_and_every_neighbour_search_come_back(tmp_path):
    svm = fitted(defaults("classification")[3], calibrated=True)
    save_model(svm, tmp_path / "svm")
    assert load_model(tmp_path / "svm").predict_proba(columns()).shape == (N, 2)
    for metric in ("euclidean", "manhattan", "cosine"):
        knn = dict(defaults("classification")[4]) | {"knn__metric": metric}
        save_model(fitted(knn), tmp_path / metric)
        assert len(load_model(tmp_path / metric).predict(columns())) == N


def test_any_table_will_do(tmp_path):
    save_model(fitted(defaults("classification")[5]), tmp_path / "model")
    model = load_model(tmp_path / "model")
    expected = model.predict(columns()).tolist()
    assert model.predict(columns().to_pandas()).tolist() == expected
    assert model.predict(columns().to_pydict()).tolist() == expected
    assert model.predict(pd.DataFrame({"colour": ["green"], "size": [2.0], "more": [1]})) == ["big"]
    with pytest.raises(NotFound, match=r"1 of the 2 columns.*'colour'"):
        model.predict({"size": [1.0]})


def test_a_model_without_probabilities_says_so(tmp_path):
    save_model(fitted(defaults("classification")[3]), tmp_path / "model")
    with pytest.raises(NotFound, match="knows no probabilities; tune with --metric log_loss"):
        load_model(tmp_path / "model").predict_proba(columns())


def test_a_folder_of_something_else_is_refused_and_left_as_it_is(tmp_path):
    mine = tmp_path / "mine"
    mine.mkdir()
    (mine / "thesis.txt").write_text("all of it")
    model = fitted(defaults("classification")[5])
    with pytest.raises(WrongUsage, match="holds something else than a model"):
        save_model(model, mine)
    assert [p.name for p in mine.iterdir()] == ["thesis.txt"]
    with pytest.raises(WrongUsage, match="is a file"):
        check_free(mine / "thesis.txt")
    check_free(tmp_path / "new")
    (tmp_path / "bare").mkdir()
    save_model(model, tmp_path / "bare")
    check_free(tmp_path / "bare", "toy:1")
    with pytest.raises(WrongUsage, match="model of another task"):
        check_free(tmp_path / "bare", "toy:2")


def test_a_folder_is_there_whole_or_not_at_all(tmp_path, monkeypatch):
    folder = tmp_path / "model"
    save_model(fitted(defaults("classification")[5]), folder, also={"report.html": "one"})
    before = {p.name: p.read_bytes() for p in folder.iterdir()}

    def full(fd):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("os.fsync", full)
    with pytest.raises(OSError, match="No space"):
        save_model(fitted(defaults("classification")[4]), folder, also={"report.html": "two"})
    assert {p.name: p.read_bytes() for p in folder.iterdir()} == before
    assert [p.name for p in tmp_path.iterdir()] == ["model"]
    monkeypatch.undo()
    save_model(fitted(defaults("classification")[4]), folder, also={"report.html": "two"})
    assert (folder / "report.html").read_text() == "two"
    assert [p.name for p in tmp_path.iterdir()] == ["model"]


def test_what_is_damaged_or_strange_is_not_loaded(tmp_path):
    folder = tmp_path / "model"
    with pytest.raises(NotFound, match="there is no model"):
        load_model(folder)
    save_model(fitted(defaults("classification")[5]), folder)
    about = json.loads((folder / "model.json").read_text())
    body = (folder / "model.skops").read_bytes()
    (folder / "model.skops").write_bytes(body[:-10])
    with pytest.raises(MalformedFile, match=r"not the file that model\.json speaks of"):
        load_model(folder)

    strange = skops.io.dumps({"a": pd.Timestamp})
    (folder / "model.skops").write_bytes(strange)
    from hashlib import sha256

    about["sha256"] = sha256(strange).hexdigest()
    (folder / "model.json").write_text(json.dumps(about))
    with pytest.raises(MalformedFile, match=r"no part of a model of metadb: pandas"):
        load_model(folder)
    (folder / "model.json").write_text(json.dumps(about | {"format": 99}))
    with pytest.raises(MalformedFile, match="newer metadb"):
        load_model(folder)
    (folder / "model.json").write_text("{")
    with pytest.raises(MalformedFile, match="no JSON"):
        load_model(folder)


def test_only_types_of_our_pipelines_are_trusted():
    assert list(TRUSTED) == sorted(TRUSTED)
    homes = {name.split(".")[0] for name in TRUSTED}
    assert homes == {"collections", "lightgbm", "numpy", "optimizers", "sklearn"}
