"""What clients may send: flows, runs, questions whether something is there; and what they delete.

The checks are the server's, in its order. Scores in a run's description must be of known measures
and of folds that the task has, and are then kept in the description alone: what is listed as an
evaluation comes from an engine that reads the predictions.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

from fastapi import Request
from lxml import etree
from starlette.datastructures import UploadFile

from tests.standin import arff, rendering
from tests.standin.catalogue import MEASURES, OTHER_MEASURES, Algorithm, Parameter
from tests.standin.entities import StandinTask, Upload, User
from tests.standin.flows import Flow, Input
from tests.standin.refusals import Refusal
from tests.standin.world import World

if TYPE_CHECKING:
    from tests.standin.app import Site

_O = "{http://openml.org/openml}"
_SAID = ("custom_name", "class_name", "description", "language", "dependencies")


async def handle(site: Site, path: list[str], request: Request) -> str:
    """A POST or DELETE."""
    form = await request.form()
    key = form.get("api_key") or request.query_params.get("api_key")
    user = site.user(str(key) if key else None, required=True)
    assert user is not None
    files = {
        name: (value.filename or "", await value.read())
        for name, value in form.multi_items()
        if isinstance(value, UploadFile)
    }
    match request.method, path:
        case "DELETE", ["run", one] if one.isdigit():
            return delete_run(site.world, int(one), user)
        case "POST", ["flow", "exists"]:
            return flow_exists(
                site.world, str(form.get("name", "")), str(form.get("external_version", ""))
            )
        case "POST", ["flow"]:
            return publish_flow(site.world, files, user)
        case "POST", ["setup", "exists"]:
            return setup_exists(site.world, files)
        case "POST", ["run"]:
            return publish_run(site, files, user)
    raise Refusal(100)


def delete_run(world: World, run: int, user: User) -> str:
    """`DELETE run/{id}`."""
    at = world.at(run)
    if at is None:
        raise Refusal(392)
    if world.people[world.run_user[at]].id != user.id:
        raise Refusal(393)
    world.delete(run)
    return rendering.root("run_delete", rendering.tag("id", run))


def flow_exists(world: World, name: str, version: str) -> str:
    """`flow/exists`: by name and external version; -1 where there is none."""
    if not name or not version:
        raise Refusal(330)
    found = [
        f.id
        for f in world.flow_book.by_id.values()
        if f.name == name and f.external_version == version
    ]
    content = rendering.tag("exists", "true" if found else "false")
    return rendering.root("flow_exists", content + rendering.tag("id", found[0] if found else -1))


def _parsed(files: dict[str, tuple[str, bytes]], missing: int, bad: int, root: str) -> Any:
    if "description" not in files:
        raise Refusal(missing)
    parser = etree.XMLParser(resolve_entities=False, no_network=True)
    try:
        element = etree.fromstring(files["description"][1], parser)
    except etree.XMLSyntaxError as error:
        raise Refusal(bad, str(error)) from None
    if element.tag != _O + root:
        raise Refusal(bad, f"Element '{element.tag}': No matching global declaration available.")
    return element


def _text(element: Any, name: str) -> str:
    return (element.findtext(_O + name) or "").strip()


_SYSTEM = r"[a-zA-Z0-9_\-.]{1,128}"
_LATIN = r"[\x00-\x7f]"
_FLOW_FORMS = {
    "name": r"[a-zA-Z0-9_\-.,():=]{1,1024}",
    "external_version": r"[a-zA-Z0-9_\-.,():=]{1,128}",
    "language": r"[a-zA-Z0-9_\-.,():=]{1,128}",
    "parameter/name": r"[a-zA-Z0-9_\-.,():=]{1,128}",
    "parameter/data_type": _LATIN + "{1,128}",
    "tag": _SYSTEM,
}
_RUN_FORMS = {
    "setup_string": _LATIN + "{0,2048}",
    "error_message": _LATIN + "{1,128}",
    "run_details": _SYSTEM,
    "parameter_setting/name": r"[a-zA-Z0-9_\-.,():]{1,1024}",
    "parameter_setting/value": _LATIN + "{0,2048}",
    "tag": _SYSTEM,
    "output_data/evaluation/name": _SYSTEM,
}
"""The texts that the server's schemas let through."""


def _check_forms(element: Any, code: int, forms: dict[str, str]) -> None:
    for path, form in forms.items():
        for one in element.findall("/".join(_O + name for name in path.split("/"))):
            if not re.fullmatch(form, one.text or "", re.DOTALL):
                name = path.rpartition("/")[2]
                raise Refusal(
                    code, f"Element '{name}': '{one.text}' is not accepted by the pattern"
                )


# -- flows --------------------------------------------------------------------------------------


def publish_flow(world: World, files: dict[str, tuple[str, bytes]], user: User) -> str:
    """`POST flow`."""
    element = _parsed(files, 161, 163, "flow")
    _check_forms(element, 163, _FLOW_FORMS)
    if not _text(element, "name") or element.find(_O + "description") is None:
        raise Refusal(163, "Element 'flow': Missing child element(s): name, description.")
    if _known(world, element) is not None:
        raise Refusal(171)
    flow = _register(world, element, user)
    return rendering.root("upload_flow", rendering.tag("id", flow.id))


def _known(world: World, element: Any) -> Flow | None:
    name, external = _text(element, "name"), _text(element, "external_version")
    for flow in world.flow_book.by_id.values():
        if flow.name == name and flow.external_version == external:
            return flow
    return None


def _register(world: World, element: Any, user: User) -> Flow:
    known = _known(world, element)
    if known is not None:
        return known
    parts = tuple(
        (_text(component, "identifier"), _register(world, component.find(_O + "flow"), user))
        for component in element.findall(_O + "component")
    )
    book, name = world.flow_book, _text(element, "name")
    inputs = []
    for one in element.findall(_O + "parameter"):
        default = one.findtext(_O + "default_value") or ""
        words = one.findtext(_O + "description") or ""
        parameter = Parameter(_text(one, "name"), default, None, _text(one, "data_type"), words)
        inputs.append(Input(book.next_input, parameter, default))
        book.next_input += 1
    version = max((f.version for f in book.by_id.values() if f.name == name), default=0) + 1
    tags = tuple(t.text or "" for t in element.findall(_O + "tag"))
    algorithm = Algorithm(name, version, _text(element, "external_version"), tags=tags)
    said = {name: element.findtext(_O + name) for name in _SAID}
    said["upload_date"] = "2026-01-01T00:00:00"
    world.version += 1
    return book.add(
        Flow(
            id=max(book.by_id) + 1,
            algorithm=algorithm,
            version=version,
            external_version=algorithm.external,
            uploader=user.id,
            inputs=tuple(inputs),
            parts=parts,
            said=tuple((name, text) for name, text in said.items() if text is not None),
        )
    )


# -- runs ---------------------------------------------------------------------------------------


def _settings(flow: Flow, element: Any, unknown: int) -> tuple[str | None, ...]:
    """A setup's texts in the order of the flow's inputs; what is not said is not set."""
    inputs = flow.all_inputs()
    at = {(part.id, i.parameter.name): k for k, (_, part, i) in enumerate(inputs)}
    texts: list[str | None] = [None for _ in inputs]
    for one in element.findall(_O + "parameter_setting"):
        component = _text(one, "component") or str(flow.id)
        name = _text(one, "name")
        if not component.isdigit() or (int(component), name) not in at:
            raise Refusal(unknown, f"Name: {name}, flow id (component): {component}")
        texts[at[int(component), name]] = one.findtext(_O + "value") or ""
    return tuple(texts)


def setup_exists(world: World, files: dict[str, tuple[str, bytes]]) -> str:
    """`setup/exists`: -1 where there is none."""
    element = _parsed(files, 581, 581, "run")
    flow = world.flow_book.by_id.get(int(_text(element, "flow_id") or 0))
    if flow is None:
        raise Refusal(584)
    texts = _settings(flow, element, 586)
    found = world.setup_book.seen.get(flow.id, {}).get(texts, -1)
    content = rendering.tag("exists", "true" if found > 0 else "false")
    return rendering.root("setup_exists", content + rendering.tag("id", found))


def publish_run(site: Site, files: dict[str, tuple[str, bytes]], user: User) -> str:
    """`POST run`."""
    world = site.world
    element = _parsed(files, 201, 202, "run")
    _check_forms(element, 202, _RUN_FORMS)
    task_id, flow_id = _text(element, "task_id"), _text(element, "flow_id")
    if not task_id.isdigit() or not flow_id.isdigit():
        raise Refusal(202, "Element 'run': Missing child element(s): task_id, flow_id.")
    flow = world.flow_book.by_id.get(int(flow_id))
    if flow is None:
        raise Refusal(205)
    for name, (filename, body) in files.items():
        if "." not in filename:
            raise Refusal(
                206, f'Invalid extension for file "{name}". Original filename: {filename}'
            )
        if filename.endswith(".arff") and b"@data" not in body.lower():
            raise Refusal(209, f"Arff error in {name} file: no data")
    texts = _settings(flow, element, 213)
    setup = world.setup_book.add(flow, texts, list(texts))
    if int(task_id) not in world.by_task:
        raise Refusal(204)
    _check_scores(world.task_list[world.by_task[int(task_id)]], element)
    tags = tuple(t.text or "" for t in element.findall(_O + "tag"))
    upload = Upload(files, _text(element, "setup_string"), tags)
    error = _text(element, "error_message")
    run, at = world.publish(int(task_id), setup, user.id, upload, error)
    if site.evaluate_uploads and not error:
        predictions = files.get("predictions")
        world.evaluate(at, arff.score(predictions[1].decode()) if predictions else None)
    return rendering.root("upload_run", rendering.tag("run_id", run))


def _check_scores(task: StandinTask, element: Any) -> None:
    known = {m.name for m in MEASURES} | set(OTHER_MEASURES)
    output = element.find(_O + "output_data")
    evaluations = [] if output is None else output.findall(_O + "evaluation")
    names = {_text(e, "name") for e in evaluations}
    if names - known:
        raise Refusal(217, f"Measure(s): {', '.join(sorted(names - known))}")
    procedure, illegal = task.procedure, []
    for e in evaluations:
        repeat, fold = e.get("repeat"), e.get("fold")
        if repeat is None and fold is None:
            continue
        ok = repeat is not None and fold is not None
        ok = ok and int(repeat) < procedure.repeats and int(fold) < procedure.n_folds
        if not ok:
            illegal.append(f"{_text(e, 'name')} (repeat {repeat}, fold {fold})")
    if illegal:
        raise Refusal(216, f"Measure(s): {', '.join(illegal)}")
