"""Single things in the server's XML, and any XML in the server's JSON."""

from __future__ import annotations

import json
from collections.abc import Sequence
from html import escape
from typing import Any

import numpy as np
from lxml import etree

from tests.standin import arff
from tests.standin.catalogue import MEASURES, OTHER_MEASURES, PROCEDURES, QUALITIES, TASK_TYPES
from tests.standin.entities import Dataset, StandinTask, Study, basic
from tests.standin.flows import Flow, text_of
from tests.standin.world import ERROR, SERVER_ERROR, World, unit

NAMESPACE = 'xmlns:oml="http://openml.org/openml"'


def tag(name: str, value: Any, attributes: str = "") -> str:
    """One element with text."""
    return f"<oml:{name}{attributes}>{escape(str(value))}</oml:{name}>\n"


def root(name: str, content: str) -> str:
    """A whole document."""
    return f"<oml:{name} {NAMESPACE}>\n{content}</oml:{name}>\n"


def error(code: int, message: str, more: str = "") -> str:
    """A refusal."""
    told = tag("code", code) + tag("message", message)
    return root("error", told + (tag("additional_information", more) if more else ""))


def as_json(xml: str) -> str:
    """The server's way: attributes beside children, what occurs once is no list, nothing is []."""
    element = etree.fromstring(xml.encode())
    return json.dumps({etree.QName(element).localname: _plain(element)})


def _plain(element: etree._Element) -> Any:
    found: dict[str, Any] = dict(element.attrib)
    for child in element:
        if not isinstance(child.tag, str):
            continue
        name, value = child.tag.partition("}")[2], _plain(child)
        if name not in found:
            found[name] = value
        elif isinstance(found[name], list) and found[name]:
            found[name].append(value)
        else:
            found[name] = [found[name], value]
    text = (element.text or "").strip()
    if not found:
        return text or []
    return found | ({"value": text} if text else {})


# -- data sets ----------------------------------------------------------------------------------


def dataset(world: World, d: Dataset, base: str) -> str:
    """`data/{id}`."""
    content = tag("id", d.id) + tag("name", d.name) + tag("version", d.version)
    content += tag("description", f"**Author**: the stand-in\n\nMade up from a seed & {d.seed}.")
    content += tag("description_version", 1) + tag("format", "ARFF")
    content += tag("creator", "The stand-in") + tag("upload_date", "2014-04-06T23:19:24")
    content += tag("language", "English") + tag("licence", "CC0")
    content += tag("url", f"{base}/data/v1/download/{d.file_id}/{d.name}.arff")
    content += tag("file_id", d.file_id) + tag("default_target_attribute", "class")
    content += tag("version_label", d.version) + "".join(tag("tag", t) for t in d.tags)
    content += tag("visibility", "public") + tag("status", d.status)
    content += tag("processing_date", "2020-11-20 19:02:18")
    return root("data_set_description", content + tag("md5_checksum", arff.checksum(d)))


def features(d: Dataset) -> str:
    """`data/features/{id}`."""
    content = ""
    found = arff.columns(d)
    for i, (name, kind, values) in enumerate(found):
        content += "<oml:feature>\n" + tag("index", i) + tag("name", name) + tag("data_type", kind)
        content += "".join(tag("nominal_value", v) for v in values)
        content += tag("is_target", "true" if i == len(found) - 1 else "false")
        content += tag("is_ignore", "false") + tag("is_row_identifier", "false")
        content += tag("number_of_missing_values", 0) + "</oml:feature>\n"
    return root("data_features", content)


def qualities(d: Dataset) -> str:
    """`data/qualities/{id}`: a missing one is an empty element."""
    content = "".join(
        "<oml:quality>\n"
        + tag("name", name)
        + ("<oml:value/>\n" if value is None else tag("value", value))
        + "</oml:quality>\n"
        for name, value in d.qualities.items()
    )
    return root("data_qualities", content)


def quality_names() -> str:
    """`data/qualities/list`."""
    return root("data_qualities_list", "".join(tag("quality", q) for q in QUALITIES))


def listed_dataset(d: Dataset) -> str:
    """A row of `data/list`."""
    content = tag("did", d.id) + tag("name", d.name) + tag("version", d.version)
    content += tag("uploader", d.uploader) + tag("status", d.status) + tag("format", "ARFF")
    content += tag("file_id", d.file_id)
    content += "".join(tag("quality", v, f' name="{q}"') for q, v in basic(d))
    return f"<oml:dataset>\n{content}</oml:dataset>\n"


# -- tasks --------------------------------------------------------------------------------------


def inputs_of(t: StandinTask) -> list[tuple[str, str]]:
    """What a task listing shows of a task's inputs."""
    measures = [("evaluation_measures", t.measure)] if t.measure else []
    return [
        ("estimation_procedure", str(t.procedure.id)),
        *measures,
        ("source_data", str(t.dataset)),
        ("target_feature", "class"),
    ]


def listed_task(world: World, t: StandinTask) -> str:
    """A row of `task/list`."""
    d = world.by_dataset[t.dataset]
    content = tag("task_id", t.id) + tag("task_type_id", t.type)
    content += tag("task_type", TASK_TYPES[t.type]) + tag("did", d.id) + tag("name", d.name)
    content += tag("status", d.status) + tag("format", "ARFF")
    content += "".join(tag("input", v, f' name="{name}"') for name, v in inputs_of(t))
    content += "".join(tag("quality", v, f' name="{q}"') for q, v in basic(d))
    return f"<oml:task>\n{content}</oml:task>\n"


def task(world: World, t: StandinTask, base: str) -> str:
    """`task/{id}`."""
    d, p = world.by_dataset[t.dataset], t.procedure
    parameters = [
        ("number_repeats", p.repeats),
        ("number_folds", p.folds if p.folds else ""),
        ("percentage", p.percentage if p.percentage else ""),
        ("stratified_sampling", str(p.stratified).lower()),
    ]
    if t.type == 3:
        parameters.append(("number_samples", len(world.samples(t))))
    content = tag("task_id", t.id)
    content += tag("task_name", f"Task {t.id}: {d.name} ({TASK_TYPES[t.type]})")
    content += tag("task_type_id", t.type) + tag("task_type", TASK_TYPES[t.type])
    source = tag("data_set_id", d.id) + tag("target_feature", "class")
    content += _input("source_data", f"<oml:data_set>\n{source}</oml:data_set>\n")
    procedure = tag("id", p.id) + tag("type", p.type)
    procedure += tag("data_splits_url", f"{base}/api_splits/get/{t.id}/Task_{t.id}_splits.arff")
    procedure += "".join(tag("parameter", v, f' name="{name}"') for name, v in parameters)
    content += _input(
        "estimation_procedure",
        f"<oml:estimation_procedure>\n{procedure}</oml:estimation_procedure>\n",
    )
    content += _input("cost_matrix", "<oml:cost_matrix></oml:cost_matrix>\n")
    measures = tag("evaluation_measure", t.measure)
    content += _input(
        "evaluation_measures", f"<oml:evaluation_measures>\n{measures}</oml:evaluation_measures>\n"
    )
    wanted = [("repeat", "integer"), ("fold", "integer"), ("row_id", "integer")]
    wanted += [("confidence.classname", "numeric")] if t.kind == "classification" else []
    wanted += [("prediction", "string")]
    output = tag("format", "ARFF")
    output += "".join(f'<oml:feature name="{name}" type="{kind}"/>\n' for name, kind in wanted)
    content += f'<oml:output name="predictions">\n<oml:predictions>\n{output}</oml:predictions>\n</oml:output>\n'
    return root("task", content + "".join(tag("tag", one) for one in t.tags))


def _input(name: str, content: str) -> str:
    return f'<oml:input name="{name}">\n{content}</oml:input>\n'


def task_types() -> str:
    """`tasktype/list`."""
    one = [tag("id", i) + tag("name", name) for i, name in TASK_TYPES.items()]
    return root("task_types", "".join(f"<oml:task_type>\n{o}</oml:task_type>\n" for o in one))


def procedures() -> str:
    """`estimationprocedure/list`."""
    content = ""
    for p in PROCEDURES:
        one = tag("id", p.id) + tag("ttid", p.task_type) + tag("name", p.name) + tag("type", p.type)
        one += tag("repeats", p.repeats) + (tag("folds", p.folds) if p.folds else "")
        one += tag("percentage", p.percentage) if p.percentage else ""
        one += tag("stratified_sampling", str(p.stratified).lower())
        content += f"<oml:estimationprocedure>\n{one}</oml:estimationprocedure>\n"
    return root("estimationprocedures", content)


def measures() -> str:
    """`evaluationmeasure/list`."""
    names = sorted([m.name for m in MEASURES] + list(OTHER_MEASURES))
    content = "".join(tag("measure", name) for name in names)
    return root("evaluation_measures", f"<oml:measures>\n{content}</oml:measures>\n")


# -- flows and setups ---------------------------------------------------------------------------


def flow_element(f: Flow) -> str:
    """A flow with all its parts, nested."""
    content = tag("id", f.id) + tag("uploader", f.uploader) + tag("name", f.name)
    said = dict(f.said) or _said(f)
    content += "".join(tag(n, said[n]) for n in ("custom_name", "class_name") if n in said)
    content += tag("version", f.version) + tag("external_version", f.external_version)
    content += tag("description", said.get("description", ""))
    content += tag("upload_date", said.get("upload_date", "2018-03-23T21:01:10"))
    content += tag("language", said.get("language", ""))
    content += tag("dependencies", said.get("dependencies", ""))
    for i in f.inputs:
        one = tag("name", i.parameter.name) + tag("data_type", i.parameter.data_type)
        one += tag("default_value", i.text) + tag("description", i.parameter.description)
        content += f"<oml:parameter>\n{one}</oml:parameter>\n"
    for identifier, part in f.parts:
        inner = tag("identifier", identifier) + flow_element(part)
        content += f"<oml:component>\n{inner}</oml:component>\n"
    content += "".join(tag("tag", t) for t in f.algorithm.tags)
    return root("flow", content)


def _said(f: Flow) -> dict[str, str]:
    """What the world's own flows say of themselves."""
    named = {"class_name": f.name.partition("(")[0]} if f.algorithm.style == "json" else {}
    return named | {
        "description": f"The stand-in's {f.full_name}.",
        "language": "English",
        "dependencies": f.external_version.replace(",", "\n"),
    }


def listed_flow(f: Flow) -> str:
    """A row of `flow/list`."""
    content = tag("id", f.id) + tag("full_name", f.full_name) + tag("name", f.name)
    content += tag("version", f.version) + tag("external_version", f.external_version)
    return f"<oml:flow>\n{content}{tag('uploader', f.uploader)}</oml:flow>\n"


def parameters(
    flow: Flow, texts: Sequence[str | None] | None = None, *, single: bool = False
) -> str:
    """The parameters of a setup, those of a component under the component's flow.

    Args:
        texts: Their values, None where one is not set; default: empty ones.
    """
    content = ""
    inputs = flow.all_inputs()
    for (_, part, i), text in zip(inputs, texts or [""] * len(inputs), strict=True):
        if text is None:
            continue
        name = i.parameter.name
        content += "<oml:parameter>\n" + tag("id", i.id) + tag("flow_id", part.id)
        content += tag("flow_name", part.name) + tag("full_name", f"{part.full_name}_{name}")
        content += tag("name", name) if single else ""
        content += tag("parameter_name", name) + tag("data_type", i.parameter.data_type)
        content += tag("default_value", i.text) + tag("value", text) + "</oml:parameter>\n"
    return content


def setup(world: World, s: int) -> str:
    """`setup/{id}`."""
    content = tag("setup_id", s) + tag("flow_id", world.flow_of(s).id)
    told = parameters(world.flow_of(s), world.setup_book.settings(s)[1], single=True)
    return root("setup_parameters", content + told)


# -- runs ---------------------------------------------------------------------------------------


def run(world: World, at: int, base: str) -> str:
    """`run/{id}` with the values of each fold, and of each sample of a learning curve."""
    r, t = int(world.run[at]), world.task_list[world.run_task[at]]
    s = world.setup_book.ids[world.run_setup[at]]
    flow, user = world.flow_of(s), world.people[world.run_user[at]]
    state = int(world.run_state[at])
    content = tag("run_id", r) + tag("uploader", user.id) + tag("uploader_name", user.name)
    content += tag("task_id", t.id) + tag("task_type", TASK_TYPES[t.type])
    content += tag("task_evaluation_measure", t.measure) if t.measure else ""
    content += tag("flow_id", flow.id) + tag("flow_name", flow.full_name) + tag("setup_id", s)
    content += tag("error_message", message(state)) if state == ERROR else ""
    content += tag("error", message(state)) if state == SERVER_ERROR else ""
    upload = world.uploads.get(r)
    content += tag("setup_string", upload.setup_string if upload else f"the setup {s}")
    _, texts = world.setup_book.settings(s)
    for (_, part, i), text in zip(flow.all_inputs(), texts, strict=True):
        if text is None:
            continue
        one = tag("name", i.parameter.name) + tag("value", text) + tag("component", part.id)
        content += f"<oml:parameter_setting>\n{one}</oml:parameter_setting>\n"
    tags = upload.tags if upload else flow.algorithm.tags
    content += "".join(tag("tag", one) for one in tags)
    d = world.by_dataset[t.dataset]
    source = tag("did", d.id) + tag("name", d.name)
    source += tag("url", f"{base}/data/v1/download/{d.file_id}/{d.name}.arff")
    content += f"<oml:input_data>\n<oml:dataset>\n{source}</oml:dataset>\n</oml:input_data>\n"
    output = _files(world, r, base) + _evaluations(world, at)
    return root("run", content + f"<oml:output_data>\n{output}</oml:output_data>\n")


def message(state: int) -> str:
    """What a failed run says."""
    if state == ERROR:
        return "Error in model$fit: cannot allocate vector of size 2.1 Gb & more"
    return "Could not evaluate the run: prediction files differ" if state == SERVER_ERROR else ""


def _files(world: World, run: int, base: str) -> str:
    upload = world.uploads.get(run)
    names = (
        {field: name for field, (name, _) in upload.files.items()}
        if upload
        else {"description": "description.xml", "predictions": "predictions.arff"}
    )
    content = ""
    for k, (field, name) in enumerate(sorted(names.items())):
        file_id = 1_000_000 + 10 * run + k
        one = tag("did", -1) + tag("file_id", file_id) + tag("name", field)
        one += tag("url", f"{base}/data/download/{file_id}/{name}")
        content += f"<oml:file>\n{one}</oml:file>\n"
    return content


def _evaluations(world: World, at: int) -> str:
    content = ""
    t = world.task_list[world.run_task[at]]
    uploaded = int(world.run[at]) in world.uploads
    for which, measure in enumerate(MEASURES):
        value = float(world.value[at, which])
        if np.isnan(value):
            continue
        shown = array_text(world, at, which) if measure.array or measure.text else ""
        content += _evaluation(measure.name, None if measure.text else value, shown)
        if measure.text or uploaded:
            continue
        folds = [f for f in world.folds(np.array([at]), which)[0].tolist() if f == f]
        for n, fold in enumerate(folds):
            repeat, k = divmod(n, t.procedure.n_folds)
            where = f' repeat="{repeat}" fold="{k}"'
            if t.type != 3:
                content += _evaluation(measure.name, fold, "", where)
        if t.type == 3:
            for k, samples in enumerate(world.curve(at, which)):
                for n, sample in enumerate(samples):
                    where = f' repeat="0" fold="{k}" sample="{n}"'
                    content += _evaluation(measure.name, sample, "", where)
    return content


def _evaluation(name: str, value: float | None, array: str, where: str = "") -> str:
    content = tag("name", name) + ("" if value is None else tag("value", value))
    return f"<oml:evaluation{where}>\n{content}{tag('array_data', array) if array else ''}</oml:evaluation>\n"


def array_text(world: World, at: int, which: int) -> str:
    """`array_data`: a value a class; of os_information no JSON at all, as at OpenML."""
    if MEASURES[which].text:
        return "[ Oracle Corporation, 1.7.0_51, amd64, Linux, 3.7.10-1.28-desktop ]"
    d = world.by_dataset[world.task_list[world.run_task[at]].dataset]
    value = float(world.value[at, which])
    return "[" + ",".join(f"{value * (1 - 0.01 * k):.6f}" for k in range(d.n_classes)) + "]"


def trace_rows(world: World, at: int) -> list[tuple[int, int, int, str, float, bool]]:
    """The trace of a search: repeat, fold, iteration, setting, score, whether it was taken."""
    s = world.setup_book.ids[world.run_setup[at]]
    algorithm, t = world.flow_of(s).algorithm, world.task_list[world.run_task[at]]
    grid = [(d, leaf) for d in (1, 5) for leaf in (1, 10)]
    rows = []
    for repeat in range(t.procedure.repeats):
        for fold in range(t.procedure.n_folds):
            scores = []
            for iteration in range(4):
                r = int(world.run[at])
                u = float(unit(world.seed, 40, r, repeat, fold, iteration))
                depth, leaf = grid[iteration]
                if algorithm.search == "random":
                    depth, leaf = (1, 5, None)[int(u * 3)], 2 + int(u * 19)  # type: ignore[assignment]
                said = {"max_depth": depth, "min_samples_leaf": leaf}
                text = json.dumps({f"parameter_{n}": text_of(v, "json") for n, v in said.items()})
                scores.append((text, round(0.5 + u / 2, 6)))
            best = max(range(4), key=lambda i: scores[i][1])
            rows += [(repeat, fold, i, *scores[i], i == best) for i in range(4)]
    return rows


def trace(world: World, at: int) -> str:
    """`run/trace/{id}`."""
    content = tag("run_id", int(world.run[at]))
    for repeat, fold, iteration, setting, value, selected in trace_rows(world, at):
        one = tag("repeat", repeat) + tag("fold", fold) + tag("iteration", iteration)
        one += tag("setup_string", setting) + tag("evaluation", value)
        one += tag("selected", str(selected).lower())
        content += f"<oml:trace_iteration>\n{one}</oml:trace_iteration>\n"
    return root("trace", content)


# -- studies ------------------------------------------------------------------------------------


def study(world: World, s: Study) -> str:
    """`study/{id or alias}`."""
    content = tag("id", s.id) + (tag("alias", s.alias) if s.alias else "")
    content += tag("main_entity_type", s.type) + tag("name", s.name)
    content += tag("description", f"Made by the stand-in: {s.name}") + tag("visibility", "public")
    content += tag("status", "active") + tag("creation_date", "2018-11-01T10:00:00")
    content += tag("creator", s.creator)
    if s.type == "task":
        tasks = [world.task_list[world.by_task[t]] for t in s.members]
        parts = {"data": [t.dataset for t in tasks], "tasks": list(s.members)}
    else:
        places = [world.at(r) for r in s.members]
        at = np.array([p for p in places if p is not None], np.int64)
        columns = world._run_columns(at)
        names = {
            "data": "dataset",
            "tasks": "task",
            "flows": "flow",
            "setups": "setup",
            "runs": "run",
        }
        parts = {k: list(dict.fromkeys(columns[v].to_pylist())) for k, v in names.items()}
    single = {
        "data": "data_id",
        "tasks": "task_id",
        "flows": "flow_id",
        "setups": "setup_id",
        "runs": "run_id",
    }
    for part, ids in parts.items():
        content += (
            f"<oml:{part}>\n" + "".join(tag(single[part], i) for i in ids) + f"</oml:{part}>\n"
        )
    return root("study", content)


def listed_study(s: Study) -> str:
    """A row of `study/list`."""
    content = tag("id", s.id) + (tag("alias", s.alias) if s.alias else "")
    content += tag("main_entity_type", s.type) + tag("name", s.name) + tag("status", "active")
    content += tag("creation_date", "2018-11-01 10:00:00") + tag("creator", s.creator)
    return f"<oml:study>\n{content}</oml:study>\n"
