"""Listings: filters as pairs in the path, pages of rows in an order of the server's own.

The order is a hash of each row's ids: the same at every request, unrelated to ids and times, and a
row that comes later stands anywhere among the others, as in a database that does not sort.
"""

from __future__ import annotations

import json
from collections import OrderedDict
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from html import escape
from typing import Any

import numpy as np

from tests.standin import rendering
from tests.standin.catalogue import MEASURES, TASK_TYPES
from tests.standin.entities import basic
from tests.standin.pages import Pages
from tests.standin.refusals import (
    DATA,
    EVALUATION,
    FLOW,
    RUN,
    SETUP,
    STUDY,
    TASK,
    Codes,
    Filters,
    Refusal,
)
from tests.standin.world import ERROR, SERVER_ERROR, Ints, World, mixed


@dataclass
class Listings:
    """All listings of one world.

    Args:
        page_limit: Most rows of evaluations or runs in one answer; of setups at most 1,000.
    """

    world: World
    page_limit: int = 1000
    kept: OrderedDict[Any, Any] = field(default_factory=OrderedDict)
    shuffle: int = 0
    pages: Pages = field(init=False)

    def __post_init__(self) -> None:
        self.pages = Pages(self.world)

    def keep(self, key: Any, make: Callable[[], Any]) -> Any:
        """Worked out once a state of the world; the last 64 are kept."""
        key = (self.world.version, self.shuffle, key)
        if key not in self.kept:
            self.kept[key] = make()
            while len(self.kept) > 64:
                self.kept.popitem(last=False)
        self.kept.move_to_end(key)
        return self.kept[key]

    def order(self, *ids: Any) -> Ints:
        """The server's own order of rows."""
        return np.argsort(mixed(self.world.seed, 50, self.shuffle, *ids), kind="stable")

    def _small(
        self, things: Sequence[Any], ids: Sequence[int], f: Filters, codes: Codes
    ) -> list[Any]:
        if not things:
            raise Refusal(codes.nothing)
        ordered = [things[i] for i in self.order(np.array(ids)).tolist()]
        page = ordered[f.page(len(ordered))]
        if not page:
            raise Refusal(codes.nothing)
        return page

    # -- data sets, tasks, flows, studies, users --------------------------------------------

    def datasets(self, path: Sequence[str], form: str) -> str:
        """`data/list`."""
        f = Filters.read(path, DATA, "data_id data_version uploader", _DATA_TEXTS)
        found = [
            d
            for d in self.world.datasets
            if _quality_match(d.qualities, f, DATA)
            and _status(d.status, f)
            and f.texts.get("data_name", d.name) == d.name
            and ("tag" not in f.texts or f.texts["tag"] in d.tags)
            and d.id in f.numbers.get("data_id", [d.id])
            and d.version in f.numbers.get("data_version", [d.version])
            and d.uploader in f.numbers.get("uploader", [d.uploader])
        ]
        page = self._small(found, [d.id for d in found], f, DATA)
        if form == "xml":
            return rendering.root("data", "".join(map(rendering.listed_dataset, page)))
        rows = [
            {
                "did": d.id,
                "name": d.name,
                "version": d.version,
                "status": d.status,
                "format": "ARFF",
                "file_id": d.file_id,
                "quality": [{"name": q, "value": str(v)} for q, v in basic(d)],
            }
            for d in page
        ]
        return json.dumps({"data": {"dataset": rows}})

    def tasks(self, path: Sequence[str], form: str) -> str:
        """`task/list`."""
        f = Filters.read(path, TASK, "type task_id data_id", f"data_tag {_DATA_TEXTS}")
        world = self.world
        found = [
            t
            for t in world.task_list
            if (d := world.by_dataset[t.dataset])
            and _quality_match(d.qualities, f, TASK)
            and _status(d.status, f)
            and f.texts.get("data_name", d.name) == d.name
            and ("tag" not in f.texts or f.texts["tag"] in t.tags)
            and ("data_tag" not in f.texts or f.texts["data_tag"] in d.tags)
            and t.type in f.numbers.get("type", [t.type])
            and t.id in f.numbers.get("task_id", [t.id])
            and d.id in f.numbers.get("data_id", [d.id])
        ]
        page = self._small(found, [t.id for t in found], f, TASK)
        if form == "xml":
            return rendering.root("tasks", "".join(rendering.listed_task(world, t) for t in page))
        rows = []
        for t in page:
            d = world.by_dataset[t.dataset]
            inputs = [{"name": n, "value": v} for n, v in rendering.inputs_of(t)]
            qualities = [{"name": q, "value": str(v)} for q, v in basic(d)]
            row: dict[str, Any] = {"task_id": t.id, "task_type_id": t.type}
            row |= {"task_type": TASK_TYPES[t.type], "did": d.id, "name": d.name}
            row |= {"status": d.status, "format": "ARFF", "input": inputs}
            rows.append(row | ({"quality": qualities} if qualities else {}))
        return json.dumps({"tasks": {"task": rows}})

    def flows(self, path: Sequence[str], form: str) -> str:
        """`flow/list`."""
        f = Filters.read(path, FLOW, "uploader", "tag")
        found = [
            flow
            for flow in self.world.flow_book.by_id.values()
            if flow.uploader in f.numbers.get("uploader", [flow.uploader])
            and ("tag" not in f.texts or f.texts["tag"] in flow.algorithm.tags)
        ]
        page = self._small(found, [flow.id for flow in found], f, FLOW)
        if form == "xml":
            return rendering.root("flows", "".join(map(rendering.listed_flow, page)))
        rows = [
            {
                "id": x.id,
                "full_name": x.full_name,
                "name": x.name,
                "version": x.version,
                "external_version": x.external_version,
                "uploader": x.uploader,
            }
            for x in page
        ]
        return json.dumps({"flows": {"flow": rows}})

    def studies(self, path: Sequence[str]) -> str:
        """`study/list`."""
        f = Filters.read(path, STUDY, "uploader benchmark_suite", "main_entity_type status")
        found = [
            s
            for s in self.world.studies
            if f.texts.get("main_entity_type", s.type) == s.type
            and f.texts.get("status", "active") in ("active", "all")
            and s.creator in f.numbers.get("uploader", [s.creator])
        ]
        page = self._small(found, [s.id for s in found], f, STUDY)
        return rendering.root("study_list", "".join(map(rendering.listed_study, page)))

    def users(self, path: Sequence[str]) -> str:
        """`user/list`."""
        f = Filters.read(path, STUDY, "user_id", "")
        found = [p for p in self.world.people if p.id in f.numbers.get("user_id", [p.id])]
        if not found:
            raise Refusal(599)
        one = [rendering.tag("id", p.id) + rendering.tag("username", p.name) for p in found]
        return rendering.root("users", "".join(f"<oml:user>\n{o}</oml:user>\n" for o in one))

    # -- setups -----------------------------------------------------------------------------

    def setups(self, path: Sequence[str], form: str) -> str:
        """`setup/list`."""
        f = Filters.read(path, SETUP, "flow setup", "tag")
        limit = min(1000, self.page_limit)
        if not (f.numbers or f.texts):
            raise Refusal(670)
        if f.limit is not None and f.limit > limit:
            raise Refusal(676)
        ids = self.keep(("setup", f.key()), lambda: self._setup_ids(f))
        if f.limit is None and len(ids) > limit:
            raise Refusal(673, f"Size of result set: {len(ids)} setups; max size: {limit}. ")
        page = ids[f.page(len(ids))].tolist()
        if not page:
            raise Refusal(674)
        if form == "xml":
            return rendering.root("setups", "".join(map(self.pages.setup_row, page)))
        rows = [self.pages.setup_json(setup) for setup in page]
        shown = rows[0] if len(rows) == 1 else f"[{', '.join(rows)}]"
        return f'{{"setups": {{"setup": {shown}}}}}'

    def _setup_ids(self, f: Filters) -> Ints:
        book = self.world.setup_book
        ids, flow = np.array(book.ids), np.array(book.flow)
        match = np.ones(len(ids), bool)
        if "flow" in f.numbers:
            match &= np.isin(flow, f.numbers["flow"])
        if "setup" in f.numbers:
            match &= np.isin(ids, f.numbers["setup"])
        if "tag" in f.texts:
            match[:] = False
        ids = ids[match]
        return ids[self.order(1, ids)]

    # -- runs and evaluations ---------------------------------------------------------------

    def matching(self, f: Filters, study_code: int) -> Ints:
        """The runs (their places) that the filters on runs let through."""
        world, book = self.world, self.world.setup_book
        match = world.run_alive.copy()
        if "study" in f.numbers:
            study = next((s for s in world.studies if s.id == f.numbers["study"][0]), None)
            if study is None or study.type != "run":
                raise Refusal(study_code)
            match &= np.isin(world.run, study.members)
        if "run" in f.numbers:
            match &= np.isin(world.run, f.numbers["run"])
        if "task" in f.numbers:
            ids = np.array([t.id for t in world.task_list])
            match &= np.isin(ids, f.numbers["task"])[world.run_task]
        if "task_type" in f.numbers:
            types = np.array([t.type for t in world.task_list])
            match &= np.isin(types, f.numbers["task_type"])[world.run_task]
        if "setup" in f.numbers:
            match &= np.isin(np.array(book.ids), f.numbers["setup"])[world.run_setup]
        if "flow" in f.numbers:
            match &= np.isin(np.array(book.flow), f.numbers["flow"])[world.run_setup]
        if "uploader" in f.numbers:
            ids = np.array([p.id for p in world.people])
            match &= np.isin(ids, f.numbers["uploader"])[world.run_user]
        if "tag" in f.texts:
            flows = {
                i for i, x in world.flow_book.by_id.items() if f.texts["tag"] in x.algorithm.tags
            }
            tagged = np.isin(np.array(book.flow), list(flows))[world.run_setup]
            for run, upload in world.uploads.items():
                tagged[np.searchsorted(world.run, run)] = f.texts["tag"] in upload.tags
            match &= tagged
        return np.flatnonzero(match)

    def _too_many(self, f: Filters, codes: Codes) -> None:
        if not (f.numbers or f.texts):
            raise Refusal(codes.unfiltered)
        if f.limit is not None and f.limit > self.page_limit:
            raise Refusal(codes.limit)

    def runs(self, path: Sequence[str]) -> str:
        """`run/list`; runs that the server could not evaluate are left out unless asked for."""
        names = "task setup flow uploader run task_type study"
        f = Filters.read(path, RUN, names, "tag show_errors")
        self._too_many(f, RUN)
        at = self.keep(("run", f.key()), lambda: self._run_places(f))
        if f.limit is None and len(at) > self.page_limit:
            raise Refusal(513, f"Size of result set: {len(at)} runs; max size: {self.page_limit}. ")
        page = at[f.page(len(at))]
        if not len(page):
            raise Refusal(512)
        world, book = self.world, self.world.setup_book
        rows = []
        columns = (page, world.run[page], world.run_task[page], world.run_setup[page])
        users, states = world.run_user[page], world.run_state[page]
        for (_, run, task, setup), user, state, time in zip(
            zip(*(c.tolist() for c in columns), strict=True),
            users.tolist(),
            states.tolist(),
            world.times(page),
            strict=True,
        ):
            t = world.task_list[task]
            said = escape(rendering.message(state)) if state == ERROR else ""
            rows.append(
                f"<oml:run>\n<oml:run_id>{run}</oml:run_id>\n<oml:task_id>{t.id}</oml:task_id>\n"
                f"<oml:task_type_id>{t.type}</oml:task_type_id>\n"
                f"<oml:setup_id>{book.ids[setup]}</oml:setup_id>\n"
                f"<oml:flow_id>{book.flow[setup]}</oml:flow_id>\n"
                f"<oml:uploader>{world.people[user].id}</oml:uploader>\n"
                f"<oml:upload_time>{time}</oml:upload_time>\n"
                f"<oml:error_message>{said}</oml:error_message>\n"
                "<oml:run_details></oml:run_details>\n</oml:run>\n"
            )
        return rendering.root("runs", "".join(rows))

    def _run_places(self, f: Filters) -> Ints:
        at = self.matching(f, 517)
        if f.texts.get("show_errors", "").lower() != "true":
            at = at[self.world.run_state[at] != SERVER_ERROR]
        return at[self.order(2, self.world.run[at])]

    def evaluations(self, path: Sequence[str], form: str, *, inline: bool = False) -> str:
        """`evaluation/list`, and with inline hyperparameters `evaluation/setup/list`."""
        texts = "tag function per_fold sort_order"
        f = Filters.read(path, EVALUATION, "task setup flow uploader run study", texts)
        if f.texts.get("per_fold", "true") not in ("true", "false"):
            raise Refusal(547)
        self._too_many(f, EVALUATION)
        if f.texts.get("sort_order", "asc") not in ("asc", "desc"):
            raise Refusal(549)
        per_fold = f.texts.get("per_fold") == "true"
        at, measure, engine, n_runs = self.keep(("eval", f.key()), lambda: self._evaluated(f))
        if (f.limit is None or per_fold) and n_runs > max(self.page_limit, 10_000 * per_fold):
            code = 548 if per_fold else 543
            raise Refusal(code, f"Size of result set: {n_runs} runs; max size: {self.page_limit}")
        page = f.page(len(at))
        at, measure, engine = at[page], measure[page], engine[page]
        if not len(at):
            raise Refusal(542)
        if form == "json":
            return self.pages.evaluation_json(at, measure, engine, inline=inline)
        return self.pages.evaluation_xml(at, measure, engine, per_fold=per_fold, inline=inline)

    def _evaluated(self, f: Filters) -> tuple[Ints, Ints, Ints, int]:
        """Places of the runs, measures, engines; and how many runs matched."""
        world = self.world
        at = self.matching(f, 555)
        wanted = [i for i, m in enumerate(MEASURES) if f.texts.get("function", m.name) == m.name]
        if f.texts.get("per_fold") == "true":
            wanted = [i for i in wanted if not MEASURES[i].text]
        if not wanted or not len(at):
            empty = np.empty(0, np.int64)
            return empty, empty, empty, len(at)
        has = ~np.isnan(world.value[np.ix_(at, np.array(wanted))])
        row, column = np.nonzero(has)
        place, measure = at[row], np.array(wanted)[column]
        second = world.engines(place)
        engine = np.concatenate([np.ones(len(place), np.int64), np.full(int(second.sum()), 2)])
        place = np.concatenate([place, place[second]])
        measure = np.concatenate([measure, measure[second]])
        if "sort_order" in f.texts:
            values = self.pages.values(place, measure, engine)
            order = np.argsort(values if f.texts["sort_order"] == "asc" else -values, kind="stable")
        else:
            order = self.order(3, world.run[place], measure, engine)
        return place[order], measure[order], engine[order], len(at)


_RANGES = "number_instances number_features number_classes number_missing_values"
_DATA_TEXTS = f"tag status data_name {_RANGES}"
_RANGE_OF = {
    "number_instances": "NumberOfInstances",
    "number_features": "NumberOfFeatures",
    "number_classes": "NumberOfClasses",
    "number_missing_values": "NumberOfMissingValues",
}


def _status(status: str, f: Filters) -> bool:
    wanted = f.texts.get("status", "active")
    return wanted == "all" or status in wanted.split(",")


def _quality_match(qualities: dict[str, float | None], f: Filters, codes: Codes) -> bool:
    for name, quality in _RANGE_OF.items():
        if name in f.texts:
            low, _, high = f.texts[name].partition("..")
            try:
                bounds = float(low), float(high or low)
            except ValueError:
                raise Refusal(codes.value, f"Filters with illegal values: {name}") from None
            value = qualities.get(quality)
            if value is None or not bounds[0] <= value <= bounds[1]:
                return False
    return True
