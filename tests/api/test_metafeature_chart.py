"""Laws of the picture of meta-features: nothing is lost, the line is where the task is."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest

from api.metafeature_chart import LIMIT, TITLES, chart, readable, spec, write_chart
from metadb.errors import NotFound, WrongUsage
from metadb.metafeatures import METAFEATURES, group_of
from metadb.records import Rows, Task
from metadb.store import Store
from tests.conftest import entities

TASKS = [f"toy:task/{i}" for i in range(40)]
HARD = {
    "counts": [0, 0, 0, 1, 5, 70_000],
    "both signs": [-1e6, -3.0, 0.0, 2e-3, 4.0, 1e5],
    "decades": [1e-300, 1.0, 1e300],
    "huge": [-1e308, 1e308, 1.7e308],
    "tiny and huge": [0.0, 1e-300, 1e300],
    "equal": [7.0, 7.0],
    "all zero": [0.0],
    "not finite": [np.nan, np.inf, 1.0, 2.0],
    "few": [0.1, 0.2, 0.3],
}


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Store]:
    rng = np.random.default_rng(0)
    rows = [
        (task, name, float(10 ** rng.uniform(0, 5)), extractor)
        for task in TASKS
        for name, extractor in (
            ("nr_inst", "metadb"),
            ("nr_inst", "openml/derived"),
            ("class_ent", "openml/derived"),
            ("Own.Word", "openml"),
        )
    ]
    rows += [(TASKS[0], "same", 1.0, "metadb"), (TASKS[1], "same", 1.0, "metadb")]
    names = ("task", "name", "value", "extractor")
    columns = {n: list(column) for n, column in zip(names, zip(*rows, strict=True), strict=True)}
    with Store(tmp_path_factory.mktemp("chart") / "store") as store:
        store.add(Rows({**entities(TASKS, []), "metafeatures": pa.table(columns)}))
        yield store


def panels(drawn: dict[str, object]) -> dict[str, dict[str, object]]:
    return {panel["title"]["text"]: panel for panel in drawn["concat"]}  # type: ignore[attr-defined]


@pytest.mark.parametrize("name", HARD)
@pytest.mark.parametrize("here", [None, np.nan, 0.0, 3.5, -2.0, 1e9])
def test_every_task_is_in_one_bar_and_every_number_in_the_picture(
    name: str, here: float | None
) -> None:
    drawn = spec({name: HARD[name], "unknown": [np.nan]}, {name: here}, title="t")  # type: ignore[dict-item]
    json.dumps(drawn, allow_nan=False)
    (panel,) = drawn["concat"]
    bars = panel["layer"][0]["data"]["values"]
    finite = [v for v in HARD[name] if np.isfinite(v)]
    assert sum(bar["tasks"] for bar in bars) == len(finite)
    low, high = panel["layer"][0]["encoding"]["x"]["scale"]["domain"]
    assert all(low <= bar["from"] < bar["to"] <= high for bar in bars)
    lines = panel["layer"][1:]
    assert len(lines) == (here is not None and np.isfinite(here))
    for line in lines:
        assert low <= line["data"]["values"][0]["here"] <= high


def test_the_bars_hold_the_values_between_their_ends() -> None:
    values = 10 ** np.random.default_rng(1).uniform(-3, 4, 500)
    (panel,) = spec({"x": values}, {"x": 1.0}, title="t")["concat"]
    for bar in panel["layer"][0]["data"]["values"]:
        inside = (values > bar["from"] * (1 + 1e-9)) & (values < bar["to"] * (1 - 1e-9))
        assert abs(inside.sum() - bar["tasks"]) <= 2


def test_the_scale_follows_the_values() -> None:
    def scale(values: list[float]) -> str:
        (panel,) = spec({"x": values}, {}, title="t")["concat"]
        return str(panel["layer"][0]["encoding"]["x"]["scale"]["type"])

    assert scale([0.5, 0.7, 1.0]) == "linear"
    assert scale([3, 40, 3000]) == "log"
    assert scale([0, 3, 40, 3000]) == "symlog"
    assert scale([-50, 0.1]) == "symlog"


def test_a_task_among_the_stored_ones(store: Store) -> None:
    known = {
        row["name"]: row
        for row in store.sql("select * from descriptions where task = ?", [TASKS[3]])
    }
    task = Task(TASKS[3], metafeatures={name: row["value"] for name, row in known.items()})
    drawn = panels(chart(store, task))
    assert list(drawn) == ["Instances", "Class entropy, bits", "Own.Word"]
    (place,) = store.sql(
        "select * from metafeature_places where task = ? and name = 'nr_inst' and extractor = 'metadb'",
        [TASKS[3]],
    )
    others = round(100 * place["share_below"] * place["n_tasks"] / (place["n_tasks"] - 1))
    words = drawn["Instances"]["title"]["subtitle"]  # type: ignore[index]
    assert words == f"{place['value']:,.4g}, more than {others} % of 39 tasks"


def test_values_alone_names_and_the_limit(store: Store) -> None:
    values = {"nr_inst": 5.0, "class_ent": 1.0, "same": 1.0, "unheard of": 3.0}
    assert list(panels(chart(store, values))) == ["Instances", "Class entropy, bits"]
    assert list(panels(chart(store, values, limit=1))) == ["Instances"]
    named = panels(chart(store, values, names=["Own.Word", "same", "nobody"]))
    assert list(named) == ["Own.Word", "same"]
    assert named["Own.Word"]["title"]["subtitle"] == "unknown of this task; 40 tasks"  # type: ignore[index]
    assert list(panels(chart(store, {"same": 1.0}))) == ["same"]
    with pytest.raises(NotFound, match="know none of these meta-features"):
        chart(store, {"unheard of": 3.0})
    assert len(TITLES) >= LIMIT


def test_it_is_written_whole_or_not_at_all(store: Store, tmp_path: Path) -> None:
    values = {"nr_inst": 5.0, "Own.Word": 2.0}
    write_chart(store, values, tmp_path / "chart.json")
    assert json.loads((tmp_path / "chart.json").read_text()) == chart(store, values)
    task = Task("</script><b>", metafeatures=values)
    write_chart(store, task, tmp_path / "chart.html")
    page = (tmp_path / "chart.html").read_text()
    assert page.count("</script>") == 4
    spec_text = page.partition('vegaEmbed("#chart", ')[2].partition(", {actions")[0]
    assert json.loads(spec_text) == chart(store, task)
    with pytest.raises(WrongUsage, match=r"right is one of \.json, \.html"):
        write_chart(store, values, tmp_path / "chart.bmp")
    with pytest.raises(NotFound):
        write_chart(store, {"unheard of": 1.0}, tmp_path / "nothing.json")
    assert sorted(p.name for p in tmp_path.iterdir()) == ["chart.html", "chart.json"]


def test_titles_are_of_meta_features() -> None:
    groups = {group_of(name) for name in TITLES}
    assert {"simple"} <= groups
    if len(METAFEATURES) >= 6:  # all groups are there
        assert None not in groups
    assert readable("sd.quantiles.2") == "sd, median"
    assert readable("J48.001.AUC") == "J48.001.AUC"
    assert readable("t_mean.max") == "t mean, max"


def test_it_can_be_drawn() -> None:
    convert = pytest.importorskip("vl_convert", reason="vl-convert-python draws Vega-Lite offline")
    drawn = spec(HARD, {"counts": 6.0, "decades": 1.0}, title="Where it lies")
    svg = convert.vegalite_to_svg(json.dumps(drawn), vl_version="5.20")
    assert "both signs" in svg
    assert "NaN" not in svg
