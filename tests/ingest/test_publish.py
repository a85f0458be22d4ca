"""Own evaluations go to OpenML once each: to the stand-in, and back through the real client."""

from __future__ import annotations

import json
import logging
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from lxml import etree

from api.publishing import publish_runs
from api.terminal import EXIT_OK, EXIT_REJECTED, Common
from ingest.openml.outgoing import own_runs
from ingest.openml.publish import Published, publish
from ingest.openml.source import origin_of
from metadb.errors import InvalidConfig, MalformedFile, NotFound, Unreachable, WrongUsage
from metadb.identity import config_id
from metadb.records import Task
from metadb.store import Store
from tests.standin import arff
from tests.standin.serving import Server
from tests.standin.world import World

CONFIG = {"C": 0.5, "kernel": "rbf", "degree": 3, "weight": "None"}
_O = "{http://openml.org/openml}"


@pytest.fixture(scope="module")
def server() -> Iterator[Server]:
    with Server(World(seed=6, runs=200)) as running:
        yield running


@pytest.fixture(autouse=True)
def _client(
    server: Server, tmp_path_factory: Any, monkeypatch: pytest.MonkeyPatch
) -> Iterator[None]:
    """The openml package with a cache of the tests, no key of the user's, and a quiet log."""
    folder = tmp_path_factory.mktemp("openml")
    monkeypatch.setenv("XDG_CONFIG_HOME", str(folder))
    monkeypatch.setenv("OPENML_APIKEY", server.api_key)
    import openml

    openml.config.set_root_cache_directory(folder)
    monkeypatch.setattr(openml.config, "apikey", "")
    server.set(evaluate_uploads=True)
    yield
    server.clear()


@pytest.fixture
def task(server: Server) -> str:
    return f"openml:task/{server.world.task_list[0].id}"


@pytest.fixture
def filled(tmp_path: Path, task: str) -> Iterator[Store]:
    """A store with one run of ten folds."""
    with Store(tmp_path / "store") as store:
        for fold in range(10):
            store.record(
                Task(task),
                CONFIG,
                space="svm",
                metric="accuracy",
                value=0.5 + fold / 100,
                fold=fold,
                seed=4,
            )
        yield store


def send(store: Store, server: Server, **more: Any) -> Published:
    return publish(store, server=server.url, task_origin="openml", **{"scores_only": True} | more)


def n_runs(server: Server) -> int:
    """How many runs the server has that came from a metadb."""
    url = f"{server.url}/api/v1/xml/run/list/tag/metadb/show_errors/true/limit/1000"
    answer = httpx.get(url)
    return 0 if answer.status_code == 412 else len(etree.fromstring(answer.content))


def predicted(folder: Path, server: Server, store: Store) -> float:
    """A file of predictions for the one run of a store; its accuracy."""
    runs, _ = own_runs(store, server.url, task_origin="openml")
    at = int((server.world.run_task == 0).nonzero()[0][0])
    folder.mkdir()
    body = arff.predictions(server.world, at)
    (folder / runs[0].file_name).write_bytes(body)
    return arff.score(body.decode())["predictive_accuracy"]


def test_a_dry_run_tells_all_and_asks_nobody(
    filled: Store, server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("OPENML_APIKEY")
    server.clear()
    done = send(filled, server, dry_run=True)
    assert server.requests() == []
    (sent,) = done.sent
    told = etree.fromstring(sent.description)
    settings = {
        s.findtext(f"{_O}name"): s.findtext(f"{_O}value")
        for s in told.iter(f"{_O}parameter_setting")
    }
    assert settings == {
        "C": "0.5",
        "kernel": '"rbf"',
        "degree": "3",
        "weight": "null",
        "random_state": "4",
    }
    scores = {
        (e.get("repeat"), e.get("fold")): float(e.findtext(f"{_O}value") or "nan")
        for e in told.iter(f"{_O}evaluation")
    }
    assert scores == {("0", str(fold)): 0.5 + fold / 100 for fold in range(10)}
    assert {e.findtext(f"{_O}name") for e in told.iter(f"{_O}evaluation")} == {
        "predictive_accuracy"
    }
    flow = etree.fromstring(done.flows["metadb.svm"])
    names = [p.findtext(f"{_O}name") for p in flow.iter(f"{_O}parameter")]
    assert names == ["C", "degree", "kernel", "random_state", "weight"]
    assert len(send(filled, server, dry_run=True).sent) == 1


def test_a_published_run_is_read_back_by_the_real_client(
    filled: Store, server: Server, tmp_path: Path, task: str
) -> None:
    import openml

    accuracy = predicted(tmp_path / "predictions", server, filled)
    done = send(filled, server, predictions=tmp_path / "predictions", scores_only=False)
    (sent,) = done.sent
    assert sent.address is not None
    number = int(sent.address.rpartition("/")[2])
    before = openml.config.server
    openml.config.server = f"{server.url}/api/v1/xml"
    try:
        listed = openml.runs.list_runs(tag="metadb", size=1000, output_format="dataframe")
        assert number in list(listed.run_id)
        run = openml.runs.get_run(number)
        flow = openml.flows.get_flow(run.flow_id)
    finally:
        openml.config.server = before
    assert f"openml:task/{run.task_id}" == task
    assert run.uploader == server.world.people[0].id
    settings = {s["oml:name"]: json.loads(s["oml:value"]) for s in run.parameter_settings}
    assert settings == CONFIG | {"weight": None, "random_state": 4}
    assert flow.name == "metadb.svm"
    assert run.evaluations["predictive_accuracy"] == pytest.approx(accuracy, abs=1e-6)


def test_twice_publishes_once(filled: Store, server: Server, task: str) -> None:
    before = n_runs(server)
    first = send(filled, server)
    assert send(filled, server).sent == []
    assert n_runs(server) == before + 1
    rows = list(filled.sql("select * from provenance where source = 'publish-runs'"))
    assert len(rows) == 10
    assert {row["path"] for row in rows} == {first.sent[0].address}
    assert {row["first"] for row in rows} == {False}
    filled.record(task, CONFIG | {"C": 1.0}, space="svm", metric="accuracy", value=0.7)
    assert len(send(filled, server).sent) == 1
    assert n_runs(server) == before + 2
    n = filled.sql("select count(*) as n from evaluations").column("n")
    assert n == [11]


def test_the_flow_of_a_space_is_published_once(filled: Store, server: Server, task: str) -> None:
    send(filled, server)
    filled.record(task, CONFIG | {"C": 7.0}, space="svm", metric="accuracy", value=0.7)
    server.clear()
    send(filled, server)
    assert [r["path"] for r in server.requests() if r["method"] == "POST"] == [
        "/api/v1/xml/flow/exists",
        "/api/v1/xml/run/",
    ]


@pytest.mark.parametrize(("fault", "came"), [("drop", 0), ("cut", 1)])
def test_a_lost_connection_never_publishes_twice(
    fault: str, came: int, filled: Store, server: Server
) -> None:
    before = n_runs(server)
    server.fault(fault, match="xml/run/$")
    with pytest.raises(Unreachable, match="run the same command later"):
        send(filled, server)
    assert n_runs(server) == before + came
    assert len(send(filled, server).sent) == 1
    assert n_runs(server) == before + 1
    assert send(filled, server).sent == []


def test_what_was_forgotten_is_found_again_at_the_server(filled: Store, server: Server) -> None:
    before = n_runs(server)
    first = send(filled, server).sent[0]
    filled.forget(first.run.key(server.url))
    assert filled.sql("select count(*) as n from evaluations").column("n") == [10]
    assert send(filled, server).sent[0].address == first.address
    assert n_runs(server) == before + 1


def test_scores_alone_are_sent_only_when_asked_and_then_listed_nowhere(
    filled: Store, server: Server
) -> None:
    assert send(filled, server, scores_only=False).sent == []
    (sent,) = send(filled, server).sent
    number = (sent.address or "").rpartition("/")[2]
    base = f"{server.url}/api/v1/xml"
    assert httpx.get(f"{base}/run/list/run/{number}").status_code == 412
    assert httpx.get(f"{base}/run/list/run/{number}/show_errors/true").status_code == 200
    assert httpx.get(f"{base}/evaluation/list/run/{number}").status_code == 412
    told = etree.fromstring(httpx.get(f"{base}/run/{number}").content)
    kept = httpx.get(told.findtext(f".//{_O}file/{_O}url") or "").text
    assert kept == sent.description


def test_a_failed_run_says_so(filled: Store, server: Server, task: str) -> None:
    filled.record(
        task, {"C": 9.0}, space="svm", metric="accuracy", value=None, status="timeout", fold=3
    )
    left = send(filled, server, scores_only=False)
    assert not left.sent
    assert any("failed" in reason for reason in left.left_out.counts)
    sent = next(s for s in send(filled, server, scores_only=True).sent if s.run.error)
    number = (sent.address or "").rpartition("/")[2]
    listed = httpx.get(f"{server.url}/api/v1/xml/run/list/run/{number}")
    assert listed.status_code == 200
    assert "timeout in fold 3" in sent.description


def test_a_refused_or_missing_key_is_one_sentence_without_the_key(
    filled: Store, server: Server, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setenv("OPENML_APIKEY", "c0ffee" * 5)
    with (
        caplog.at_level(logging.DEBUG),
        pytest.raises(Unreachable, match="refuses the API key") as found,
    ):
        send(filled, server)
    assert "c0ffee" not in str(found.value)
    assert "c0ffee" not in "".join(r.getMessage() for r in caplog.records if r.name == "root")
    monkeypatch.delenv("OPENML_APIKEY")
    with pytest.raises(WrongUsage, match="no API key"):
        send(filled, server)
    import openml

    assert openml.config.apikey == ""


def test_an_unknown_task_or_flow_stops_before_anything_is_sent(
    filled: Store, server: Server
) -> None:
    before = n_runs(server)
    filled.record(Task("openml:task/999999"), CONFIG, space="svm", metric="accuracy", value=0.5)
    with pytest.raises(NotFound, match="no task 999999; nothing was sent"):
        send(filled, server)
    with pytest.raises(NotFound, match="no flow 999999"):
        send(filled, server, flow=999999, task=f"openml:task/{server.world.task_list[0].id}")
    assert n_runs(server) == before


def test_a_flow_of_the_servers_takes_the_parameters_of_its_parts(
    tmp_path: Path, server: Server, task: str
) -> None:
    flow = next(f for f in server.world.flow_book.tops if "Imputer,estimator" in f.name)
    config = {"imputation__strategy": "median", "estimator__C": 2.5}
    with Store(tmp_path / "other") as store:
        store.record(Task(task), config, space="pipeline", metric="accuracy", value=0.5)
        (sent,) = send(store, server, flow=flow.id).sent
        number = (sent.address or "").rpartition("/")[2]
        told = etree.fromstring(httpx.get(f"{server.url}/api/v1/xml/run/{number}").content)
        settings = {
            (s.findtext(f"{_O}component"), s.findtext(f"{_O}name")): s.findtext(f"{_O}value")
            for s in told.iter(f"{_O}parameter_setting")
        }
        parts = dict(flow.parts)
        assert settings == {
            (str(parts["imputation"].id), "strategy"): '"median"',
            (str(parts["estimator"].id), "C"): "2.5",
        }
        store.record(task, {"depth": 3}, space="pipeline", metric="accuracy", value=0.5)
        with pytest.raises(InvalidConfig, match=r"no hyperparameter 'depth'.*estimator__C"):
            send(store, server, flow=flow.id)


def test_what_cannot_be_said_is_counted_and_named(
    tmp_path: Path, server: Server, task: str
) -> None:
    with Store(tmp_path / "other") as store:

        def note(config: dict[str, Any], **more: Any) -> None:
            row = {"space": "s", "metric": "accuracy", "value": 0.5} | more
            store.record(Task(task), config, **row)

        note({"a": 1}, budget=3.0, budget_unit="epochs")
        note({"a": 2}, metric="log_loss")
        note({"a": 3}, repeat=1)
        note({"a name": 4})
        note({"a": "é"})
        note({"a": 5}, fold=10)
        note({"a": 6}, origin="colleague")
        store.record(Task("mine:task/7"), {"a": 7}, space="s", metric="accuracy", value=0.5)
        done = send(store, server)
    assert done.sent == []
    said = " | ".join(done.left_out.counts)
    for word in ("epochs", "log_loss", "one repeat", "'a name'", "ASCII", "10 in 1 repeats"):
        assert word in said
    assert sum(done.left_out.counts.values()) == 6


def test_predictions_that_openml_could_not_read_are_not_sent(
    filled: Store, server: Server, tmp_path: Path
) -> None:
    folder = tmp_path / "predictions"
    with pytest.raises(NotFound, match=r"no folder .*-4\.arff"):
        send(filled, server, predictions=folder)
    folder.mkdir()
    runs, _ = own_runs(filled, server.url, task_origin="openml")
    (folder / runs[0].file_name).write_text("@relation x\n@attribute fold numeric\n@data\n1\n")
    with pytest.raises(MalformedFile, match="no column repeat, row_id, prediction"):
        send(filled, server, predictions=folder)


def test_a_wrong_address_is_one_sentence(filled: Store) -> None:
    with pytest.raises(WrongUsage, match="no address of a server"):
        publish(filled, server="openml")
    assert origin_of("https://www.openml.org") == "openml"
    assert origin_of("https://test.openml.org") == "openml-test"


def test_tasks_of_another_server_are_never_sent(filled: Store, server: Server) -> None:
    done = publish(filled, server=server.url, scores_only=True, dry_run=True)
    assert (done.sent, done.left_out.counts) == ([], {})


def test_the_command_says_what_it_did(
    filled: Store, server: Server, task: str, capsys: pytest.CaptureFixture[str]
) -> None:
    filled.close()
    common = Common(store=filled.path)
    words = {"server": server.url, "task_origin": "openml", "common": common}
    assert publish_runs(**words) == EXIT_REJECTED
    assert "left out 10 evaluations: no predictions" in capsys.readouterr().err
    assert publish_runs(scores_only=True, dry_run=True, **words) == EXIT_OK
    dry = capsys.readouterr()
    assert dry.out.count("<oml:flow ") == dry.out.count("<oml:run ") == 1
    assert "1 of them without predictions" in dry.err
    assert publish_runs(scores_only=True, **words) == EXIT_OK
    said = capsys.readouterr().out
    assert said.startswith(f"{server.url}/r/")
    assert config_id("svm", CONFIG) in said
    common = Common(store=filled.path, json=True)
    assert (
        publish_runs(scores_only=True, server=server.url, task_origin="openml", common=common)
        == EXIT_OK
    )
    assert json.loads(capsys.readouterr().out)["runs"] == []
    assert server.api_key not in said + dry.out + dry.err
