"""Own evaluations sent to OpenML as runs, each once.

Before a run is sent, the store notes that it is about to be (a load `started`); after it, the load
is `complete`, names the run's address, and `sightings` ties it to the evaluations. Every run
carries a tag made of its evaluations: where a call was ended between the two, the next one asks the
server for the tag before it sends anything.

The openml package does the talking, with one try for what it sends, since a second try could
publish twice.
"""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any
from xml.sax.saxutils import escape

import pyarrow as pa

from ingest.building import beginning
from ingest.openml.answers import document, entries
from ingest.openml.outgoing import (
    SEED,
    SOURCE,
    LeftOut,
    OwnRun,
    SpaceFlow,
    own_runs,
    space_flow,
    text_of,
)
from ingest.openml.source import SERVER, origin_of
from metadb.errors import InvalidConfig, MalformedFile, NotFound, Unreachable, WrongUsage
from metadb.loads import Load
from metadb.records import Rows
from metadb.schema import TABLES

if TYPE_CHECKING:
    from metadb.store import Store

Setting = dict[str, str | int]
Heard = Callable[[str, int, int | None], None]

_NOT_ALLOWED = frozenset({102, 103, 104, 106, 169, 170})
_UNKNOWN_TASK, _UNKNOWN_FLOW = 151, 181


@dataclass(frozen=True, slots=True)
class Sent:
    """One run that is at the server now, or (in a dry run) would be: what is sent for it."""

    run: OwnRun
    description: str
    predictions: Path | None = None
    address: str | None = None


@dataclass
class Published:
    """What one call did.

    Args:
        flows: The description of each flow that the runs refer to, by name.
        left_out: What could not be sent.
    """

    sent: list[Sent] = field(default_factory=list)
    flows: dict[str, str] = field(default_factory=dict)
    left_out: LeftOut = field(default_factory=LeftOut)


@dataclass(frozen=True, slots=True)
class Parcel:
    """All that is to be sent in one call.

    Args:
        flows: The flow of each space, where none of the server's was given.
        files: The predictions of a run, by its evaluations.
        flow: Number of the flow that was given.
    """

    server: str
    runs: Sequence[OwnRun]
    flows: Mapping[str, SpaceFlow]
    files: Mapping[tuple[str, ...], Path | None]
    flow: int | None

    def predictions(self, run: OwnRun) -> Path | None:
        """The file of a run's predictions."""
        return self.files.get(run.evaluations)


def publish(
    store: Store,
    *,
    server: str = SERVER,
    task_origin: str | None = None,
    origin: str = "local",
    space: str | None = None,
    task: str | None = None,
    flow: int | None = None,
    predictions: Path | None = None,
    scores_only: bool = False,
    dry_run: bool = False,
    heard: Heard = lambda what, done, total: None,
) -> Published:
    """Send what was not sent yet; run it again and nothing is sent twice.

    Args:
        task_origin: What the ids of the server's tasks begin with; default: `origin_of(server)`.
        origin: Whose evaluations.
        flow: Number of a flow at the server that was run; default: a flow that stands for the
            space, published where it is not there.
        predictions: Folder with a file `OwnRun.file_name` for the runs whose predictions are kept.
        scores_only: Send runs without predictions too. The server takes them, keeps their scores in
            the description, and its engine, which reads predictions, marks them as failed.
        dry_run: Only say what would be sent; nothing is asked of any server.

    Raises:
        NotFound: A task or flow that the server does not have.
        InvalidConfig: A configuration that the flow cannot express.
        Unreachable: The server is gone, or refuses the key; what was sent before is remembered.
    """
    server = server.split("/api/")[0].rstrip("/")
    if not re.fullmatch(r"https?://[^/\s]+(/\S*)?", server):
        raise WrongUsage(f"{server!r} is no address of a server; give e.g. {SERVER}")
    ids = task_origin or origin_of(server)
    runs, left = own_runs(store, server, task_origin=ids, origin=origin, space=space, task=task)
    first = {run.file_name: run for run in reversed(runs)}  # a file is of one run, the first
    files = {run.evaluations: _predictions(predictions, run) for run in first.values()}
    runs = [run for run in runs if scores_only or _can_be_scored(run, files, left)]
    done = Published(left_out=left)
    spaces = sorted({run.space for run in runs})
    flows = {s: space_flow(store, s, [r for r in runs if r.space == s]) for s in spaces}
    parcel = Parcel(server, runs, flows, files, flow)
    if dry_run:
        _rehearse(done, parcel)
    elif runs:
        with _talking(server) as openml:
            _send(done, store, openml, parcel, heard)
    return done


def _can_be_scored(
    run: OwnRun, files: Mapping[tuple[str, ...], Path | None], left: LeftOut
) -> bool:
    """Whether a run has predictions."""
    if files.get(run.evaluations) is not None:
        return True
    reason = (
        "no predictions, from which OpenML scores a run; give them with --predictions, or send the "
        "scores alone with --scores-only"
    )
    if run.error:
        reason = "failed; send failed runs too with --scores-only"
    left.note(reason, len(run.evaluations), run.file_name)
    return False


def _predictions(folder: Path | None, run: OwnRun) -> Path | None:
    """The file of a run's predictions, where it is there and has the columns that OpenML reads."""
    if folder is None:
        return None
    if not folder.is_dir():
        raise NotFound(f"there is no folder {folder}; it is to hold files such as {run.file_name}")
    path = folder / run.file_name
    if not path.is_file():
        return None
    head = beginning(path, 100_000).lower()
    names = re.findall(r"^\s*@attribute\s+['\"]?([^'\"\s]+)", head, re.MULTILINE)
    missing = [n for n in ("repeat", "fold", "row_id", "prediction") if n not in names]
    if missing or "@data" not in head:
        raise MalformedFile(
            f"{path} has no column {', '.join(missing) or 'data'}; OpenML reads predictions in "
            "ARFF with the columns repeat, fold, row_id and prediction, as the openml package "
            "writes them"
        )
    return path


# -- what is said -------------------------------------------------------------------------------


def _rehearse(done: Published, parcel: Parcel) -> None:
    """What would be sent, with `?` for the number of a flow that is not asked for."""
    for made in parcel.flows.values() if parcel.flow is None else ():
        done.flows[made.name] = _flow_xml(made)
    for run in parcel.runs:
        settings = _settings(run, {name: ("?", name) for name in (*run.hyperparameters, SEED)})
        for setting in settings:
            del setting["oml:component"]
        xml = _run_xml(run, parcel.flow or "?", settings, run.key(parcel.server))
        done.sent.append(Sent(run, xml, parcel.predictions(run)))


def _settings(run: OwnRun, at: Mapping[str, tuple[Any, str]]) -> list[Setting]:
    """The run's hyperparameters as OpenML has them.

    Args:
        at: Hyperparameter to the flow that it belongs to, and its name there.
    """
    told = dict(run.hyperparameters)
    if run.seed is not None and SEED in at:
        told.setdefault(SEED, run.seed)
    return [
        {"oml:name": at[name][1], "oml:value": text_of(value), "oml:component": at[name][0]}
        for name, value in told.items()
    ]


def _run_xml(run: OwnRun, flow: int | str, settings: list[Setting], tag: str) -> str:
    """The description of a run, as the openml package would write it."""
    lines = ['<oml:run xmlns:oml="http://openml.org/openml">', _element("task_id", run.task)]
    lines.append(_element("flow_id", flow))
    if run.error:
        lines.append(_element("error_message", run.error))
    for setting in settings:
        lines.append("  <oml:parameter_setting>")
        lines += [f"    <{n}>{escape(str(value))}</{n}>" for n, value in setting.items()]
        lines.append("  </oml:parameter_setting>")
    lines += [_element("tag", "metadb"), _element("tag", tag)]
    if run.scores:
        lines.append("  <oml:output_data>")
        for s in run.scores:
            where = "" if s.fold is None else f' repeat="{s.repeat}" fold="{s.fold}"'
            lines.append(f"    <oml:evaluation{where}>")
            lines.append(f"      <oml:name>{s.measure}</oml:name>")
            lines.append(f"      <oml:value>{s.value!r}</oml:value>")
            lines.append("    </oml:evaluation>")
        lines.append("  </oml:output_data>")
    return "\n".join([*lines, "</oml:run>", ""])


def _element(name: str, value: Any) -> str:
    return f"  <oml:{name}>{escape(str(value))}</oml:{name}>"


def _openml_flow(made: SpaceFlow) -> Any:
    """The flow of a space as the openml package has flows."""
    from collections import OrderedDict

    import openml

    meta = {"data_type": "untyped", "description": ""}
    seed = meta | {"description": "The seed of the run, where it is known."}
    names = made.names
    return openml.flows.OpenMLFlow(
        name=made.name,
        description=made.description,
        model=None,
        components=OrderedDict(),
        parameters=OrderedDict((name, "") for name in names),
        parameters_meta_info=OrderedDict((n, seed if n == SEED else meta) for n in names),
        external_version=made.external_version,
        tags=["metadb"],
        language="English",
        dependencies="metadb",
    )


def _flow_xml(made: SpaceFlow) -> str:
    return str(_openml_flow(made)._to_xml())


# -- what is asked and sent ---------------------------------------------------------------------


@contextmanager
def _talking(server: str) -> Iterator[Any]:
    """The openml package set to a server and a key, and back; its errors in one sentence."""
    import openml
    import requests

    config = openml.config
    before = config.server, config.apikey, config.connection_n_retries
    key = os.environ.get("OPENML_APIKEY") or config.apikey
    if not key:
        raise WrongUsage(
            f"no API key for {server}; set OPENML_APIKEY, or `openml configure apikey`, to the key "
            "that your account's page shows"
        )
    config.server, config.apikey = f"{server}/api/v1/xml", key
    try:
        yield openml
    except openml.exceptions.OpenMLNotAuthorizedError:
        raise _refused(server) from None
    except openml.exceptions.OpenMLServerException as error:
        if error.code in _NOT_ALLOWED:
            raise _refused(server) from None
        message = str(error.message).replace(key, "...")
        raise Unreachable(f"{server} refuses: {message} (code {error.code})") from None
    except (openml.exceptions.OpenMLServerError, requests.RequestException) as error:
        raise Unreachable(
            f"{server} does not answer as an OpenML server does ({type(error).__name__}); what was "
            "sent is remembered, so run the same command later to go on"
        ) from None
    finally:
        config.server, config.apikey, config.connection_n_retries = before


def _refused(server: str) -> Unreachable:
    return Unreachable(
        f"{server} refuses the API key; set OPENML_APIKEY to the key that your account's page "
        "there shows (a key of another server does not do)"
    )


def _send(done: Published, store: Store, openml: Any, parcel: Parcel, heard: Heard) -> None:
    """Check all runs, then publish one after the other."""
    tasks = sorted({run.task for run in parcel.runs})
    legal = {task: _procedure(openml, task) for task in tasks}
    kept = [run for run in parcel.runs if _has_its_folds(run, legal[run.task], done.left_out)]
    spaces = sorted({run.space for run in kept})
    at = {space: _places(openml, parcel.flow, parcel.flows[space]) for space in spaces}
    for run in kept:
        _check(run, at[run.space], parcel.flow)
    for n, run in enumerate(kept):
        heard("runs", n, len(kept))
        number, places = at[run.space]
        load = Load(run.key(parcel.server), SOURCE, path=f"{parcel.server}/")
        xml = _run_xml(run, number, _settings(run, places), load.id)
        known = store.sql("select status from loads where load = ?", [load.id]).column("status")
        run_id = _found(openml, load.id) if known else None
        if run_id is None:
            store.start(load)
            run_id = _post(openml, xml, parcel.predictions(run))
        address = f"{parcel.server}/r/{run_id}"
        _remember(store, load, run, address)
        done.sent.append(Sent(run, xml, parcel.predictions(run), address))
    heard("runs", len(kept), len(kept))


def _procedure(openml: Any, task: int) -> tuple[int, int]:
    """Repeats and folds of a task.

    Raises:
        NotFound: The server does not have it.
    """
    try:
        body = openml._api_calls._perform_api_call(f"task/{task}", "get")
    except openml.exceptions.OpenMLServerException as error:
        if error.code == _UNKNOWN_TASK:
            raise NotFound(f"the server has no task {task}; nothing was sent") from None
        raise
    for one in entries(document(body.encode()), "task", "input"):
        if one["name"] == "estimation_procedure":
            parameters = entries(one, "estimation_procedure", "parameter")
            numbers = {p["name"]: p.get("value") for p in parameters}
            repeats, folds = numbers.get("number_repeats"), numbers.get("number_folds")
            return int(repeats or 1), int(folds or 1)
    return 1, 1


def _has_its_folds(run: OwnRun, legal: tuple[int, int], left: LeftOut) -> bool:
    """Whether the task has all folds that the run has scores of."""
    repeats, folds = legal
    if all((s.repeat or 0) < repeats and (s.fold or 0) < folds for s in run.scores):
        return True
    reason = f"folds that the task does not have: it has {folds} in {repeats} repeats"
    left.note(reason, len(run.evaluations), f"config {run.config} on task {run.task}")
    return False


Places = tuple[int, dict[str, tuple[Any, str]]]


def _places(openml: Any, flow: int | None, made: SpaceFlow) -> Places:
    """The number of the flow, and where its hyperparameters are: part of the flow, name there."""
    if flow is None:
        ours = _openml_flow(made)
        known = openml.flows.flow_exists(ours.name, ours.external_version)
        if not known:
            known = ours.publish().flow_id
        return int(known), {name: (int(known), name) for name in made.names}
    try:
        there = openml.flows.get_flow(flow)
    except openml.exceptions.OpenMLServerException as error:
        if error.code == _UNKNOWN_FLOW:
            raise NotFound(f"the server has no flow {flow}; nothing was sent") from None
        raise
    found: dict[str, tuple[Any, str]] = {}

    def walk(one: Any, path: str) -> None:
        for name in one.parameters:
            found[f"{path}{name}"] = (one.flow_id, name)
        for identifier, part in one.components.items():
            walk(part, f"{path}{identifier}__")

    walk(there, "")
    return int(flow), found


def _check(run: OwnRun, places: Places, flow: int | None) -> None:
    """Let a run pass whose hyperparameters are all the flow's.

    Raises:
        InvalidConfig: They are not.
    """
    unknown = sorted(set(run.hyperparameters) - set(places[1]))
    if unknown:
        raise InvalidConfig(
            f"flow {flow} has no hyperparameter {unknown[0]!r} (config {run.config}); it has "
            f"{', '.join(sorted(places[1])) or 'none'}; without --flow, the space is published as "
            "a flow of its own; nothing was sent"
        )


def _found(openml: Any, tag: str) -> int | None:
    """The run that carries this tag, where a call before this one was ended too early."""
    path = f"run/list/tag/{tag}/show_errors/true/limit/1/offset/0"
    try:
        body = openml._api_calls._perform_api_call(path, "get")
    except openml.exceptions.OpenMLServerNoResult:
        return None
    return int(entries(document(body.encode()), "runs", "run")[0]["run_id"])


def _post(openml: Any, xml: str, predictions: Path | None) -> int:
    """Publish one run; its number. One try: whether a lost answer was a run, its tag tells."""
    elements = {"description": ("description.xml", xml)}
    if predictions is not None:
        elements["predictions"] = ("predictions.arff", predictions.read_text(encoding="utf-8"))
    tries, openml.config.connection_n_retries = openml.config.connection_n_retries, 1
    try:
        body = openml._api_calls._perform_api_call("run/", "post", file_elements=elements)
    finally:
        openml.config.connection_n_retries = tries
    return int(document(body.encode())["upload_run"]["run_id"])


def _remember(store: Store, load: Load, run: OwnRun, address: str) -> None:
    """Tie the evaluations to the run at the server; they are in the store already."""
    names = [field.name for field in TABLES["evaluations"].arrow if field.name != "load"]
    chosen = f"select {', '.join(names)} from evaluations where evaluation in (select unnest(?))"
    rows: pa.Table = store.sql(chosen, [list(run.evaluations)]).table
    done = store.add(Rows({"evaluations": rows}), load=load)
    told = Load(load.id, SOURCE, path=address)
    store.finish(told, done)
