"""OpenML's answers as columns: evaluations and setups fast, everything else as plain documents.

A body is JSON or XML. The server makes most of its JSON out of its XML: what occurs once is no
list, every value is a text. The evaluations have a form of their own in JSON, with numbers, and
without the engine and the values per fold; so those are asked for in XML.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from html import unescape
from typing import Any

import orjson
import pyarrow as pa
import pyarrow.compute as pc
from lxml import etree

_NUMBERS = ("run_id", "task_id", "setup_id", "flow_id", "evaluation_engine_id")
_TEXTS = ("flow_name", "function", "upload_time")
_PARSER = {"resolve_entities": False, "no_network": True, "huge_tree": False, "recover": False}

EVALUATIONS = pa.schema(
    [(name, pa.int64()) for name in _NUMBERS]
    + [(name, pa.string()) for name in _TEXTS]
    + [("value", pa.float64()), ("values", pa.string())]
)
"""Columns of a listing of evaluations; `values` is a JSON array, one value a fold."""

Setup = tuple[int, int, tuple[tuple[str, str, str], ...]]
"""A setup's id, its flow, and (name of the part it belongs to, parameter, value) of each."""


def document(body: bytes) -> dict[str, Any]:
    """An answer as nested dicts, JSON or XML, the names without prefix.

    Raises:
        ValueError: It is neither, or XML with a document type, or nested too deeply.
    """
    if _is_xml(body):
        root = _root(body)
        return {_name(root): _plain(root)}
    told = orjson.loads(body)  # a ValueError where it is cut short or nested too deeply
    if not isinstance(told, dict):
        raise ValueError("JSON, but no object")
    return told


def document_of(*roots: str) -> Callable[[bytes], dict[str, Any]]:
    """Reads an answer that has one of these roots, and refuses any other with a ValueError."""

    def read(body: bytes) -> dict[str, Any]:
        told = document(body)
        if not any(isinstance(told.get(root), dict) for root in roots):
            raise ValueError(f"no {' or '.join(roots)} but {', '.join(told)[:60]}")
        return told

    return read


def entries(told: Mapping[str, Any], *path: str) -> list[Any]:
    """What lies at a path of a document, as a list however often it occurs."""
    found: Any = told
    for name in path:
        found = found.get(name) if isinstance(found, dict) else None
    if found is None or found == [] or found == {}:
        return []
    return found if isinstance(found, list) else [found]


def tasks_of(told: Mapping[str, Any]) -> list[dict[str, Any]]:
    """The tasks of `task/list`, or the one of `task/{id}` in the same form."""
    if "tasks" in told:
        return entries(told, "tasks", "task")
    return [flat_task(told["task"])]


def flat_task(task: Mapping[str, Any]) -> dict[str, Any]:
    """A task's own description as a listing would have it."""
    given = {one["name"]: one for one in entries(task, "input")}
    data = given["source_data"]["data_set"]
    split = given.get("estimation_procedure", {}).get("estimation_procedure", {})
    return {
        "task_id": task["task_id"],
        "task_type_id": task["task_type_id"],
        "did": data["data_set_id"],
        "name": str(task.get("task_name", "")).partition(": ")[2].rpartition(" (")[0],
        "input": [
            {"name": "target_feature", "value": data.get("target_feature")},
            {"name": "estimation_procedure", "value": split.get("id")},
        ],
    }


def evaluations(body: bytes) -> pa.Table:
    """A page of `evaluation/list` or `evaluation/setup/list`, with the columns `EVALUATIONS`.

    Raises:
        ValueError: It is no such page.
    """
    if _is_xml(body):
        told = _xml_columns(_root(body), "evaluations", EVALUATIONS.names)
    else:
        told = _json_columns(document(body))
    columns = [_numbers(told[name]) for name in _NUMBERS]
    columns += [_texts(told[name]) for name in _TEXTS]
    columns += [_floats(told["value"]), _texts(told["values"])]
    return pa.table(columns, schema=EVALUATIONS)


def _json_columns(told: Mapping[str, Any]) -> dict[str, list[Any]]:
    if "evaluations" not in told:
        raise ValueError(f"no evaluations but {', '.join(told)[:60]}")
    rows = entries(told, "evaluations", "evaluation")
    return {name: [row.get(name) for row in rows] for name in EVALUATIONS.names}


def setups(body: bytes) -> list[Setup]:
    """The setups of `setup/list`, or those within a page of `evaluation/setup/list`, each once.

    Raises:
        ValueError: It is no such page.
    """
    if _is_xml(body):
        return list(_xml_setups(_root(body)))
    told = document_of("setups", "evaluations")(body)
    if "setups" in told:
        return [_setup(one, entries(one, "parameter")) for one in entries(told, "setups", "setup")]
    found = {}
    for one in entries(told, "evaluations", "evaluation"):
        if one["setup_id"] not in found:
            parameters = one.get("parameters") or []
            if isinstance(parameters, dict):
                parameters = entries(parameters, "parameter")
            found[one["setup_id"]] = _setup(one, parameters)
    return list(found.values())


def _setup(one: Mapping[str, Any], parameters: Sequence[Mapping[str, Any]]) -> Setup:
    named = tuple(
        (str(p["flow_name"]), str(p["parameter_name"]), unescape(_text(p.get("value")) or ""))
        for p in parameters
    )
    return int(one["setup_id"]), int(one["flow_id"]), named


def _is_xml(body: bytes) -> bool:
    return body.lstrip()[:1] == b"<"


def _root(body: bytes) -> etree._Element:
    try:
        root = etree.fromstring(body, etree.XMLParser(**_PARSER))
    except etree.XMLSyntaxError as error:
        raise ValueError(f"XML that cannot be read ({error.msg})") from error
    if root.getroottree().docinfo.doctype:
        raise ValueError("XML with a document type, which OpenML does not send")
    return root


def _name(element: etree._Element) -> str:
    return str(etree.QName(element).localname)


def _plain(element: etree._Element) -> Any:
    """An element as the server's own JSON has it."""
    found: dict[str, Any] = dict(element.attrib.items())
    for child in element.iterchildren(tag=etree.Element):
        name, value = _name(child), _plain(child)
        if name not in found:
            found[name] = value
        elif isinstance(found[name], list):
            found[name].append(value)
        else:
            found[name] = [found[name], value]
    text = (element.text or "").strip()
    if not found:
        return text or []
    return found | {"value": text} if text else found


def _xml_columns(
    root: etree._Element, kind: str, names: Sequence[str]
) -> dict[str, list[str | None]]:
    """The fields of the children by name, one list each."""
    if _name(root) != kind:
        raise ValueError(f"no {kind} but {_name(root)}")
    start = root.tag[: len(root.tag) - len(kind)]  # the tags have one namespace
    flat = next(root.iter(f"{start}parameters"), None) is None
    return {name: _field(root, start + name, flat=flat) for name in names}


def _field(root: etree._Element, tag: str, *, flat: bool) -> list[str | None]:
    """A field of each child; None where a child has none.

    Args:
        flat: Nothing within the children has fields of its own, as setups have.
    """
    found = [one.text for one in root.iter(tag)]
    if flat and len(found) == len(root):
        return found
    return [child.findtext(tag) for child in root] if found else [None] * len(root)


def _xml_setups(root: etree._Element) -> Iterator[Setup]:
    start = len(root.tag) - len(_name(root))
    seen = set()
    for child in root:
        plain = {field.tag[start:]: field for field in child}
        setup = plain["setup_id"].text
        if setup in seen:
            continue
        seen.add(setup)
        holder = plain.get("parameters", child)
        parameters = [
            {field.tag[start:]: field.text for field in one}
            for one in holder
            if one.tag[start:] == "parameter"
        ]
        yield _setup({"setup_id": setup, "flow_id": plain["flow_id"].text}, parameters)


def _numbers(values: Sequence[Any]) -> pa.Array:
    return _cast(pa.array(values), pa.int64())


def _floats(values: Sequence[Any]) -> pa.Array:
    try:
        return _cast(pa.array(values), pa.float64())
    except pa.ArrowInvalid:  # numbers of both kinds, or a text that stands for none
        return pa.array([_float(value) for value in values], pa.float64())


def _float(value: Any) -> float | None:
    try:
        return float(value)
    except (TypeError, ValueError):
        return None


def _texts(values: Sequence[Any]) -> pa.Array:
    try:
        return _cast(pa.array(values), pa.string())
    except (pa.ArrowException, ValueError):
        return pa.array([_text(value) for value in values], pa.string())


def _text(value: Any) -> str | None:
    """A value as text: JSON that is a list or number as it is written, nothing as none."""
    if value is None or value == []:
        return None
    return value if isinstance(value, str) else json.dumps(value)


def _cast(values: pa.Array, to: pa.DataType) -> pa.Array:
    return values if values.type == to else pc.cast(values, to)
