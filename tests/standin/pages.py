"""Rows of evaluations and setups as text, fast: what repeats is rendered once and kept."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass, field
from html import escape
from typing import Any

import numpy as np

from tests.standin import rendering
from tests.standin.catalogue import MEASURES
from tests.standin.world import Floats, Ints, World


@dataclass
class Pages:
    """The rows of one world; a setup's id and its place among the setups are two numbers."""

    world: World
    heads: dict[int, str] = field(default_factory=dict)
    before_value: dict[int, list[str]] = field(default_factory=dict)
    json_before_value: dict[tuple[int, bool], list[str]] = field(default_factory=dict)

    def setup_row(self, setup: int) -> str:
        """A row of `setup/list`."""
        flow = self.world.flow_of(setup).id
        head = f"<oml:setup_id>{setup}</oml:setup_id>\n<oml:flow_id>{flow}</oml:flow_id>\n"
        return f"<oml:setup>\n{head}{self.parameters_xml(setup)}</oml:setup>\n"

    def parameters_xml(self, setup: int) -> str:
        """The parameters of a setup, its flow's share of the text worked out once."""
        kept = self.before_value
        flow = self.world.flow_of(setup)
        if flow.id not in kept:
            whole = rendering.parameters(flow)
            pieces = re.findall(r"<oml:parameter>.*?<oml:value>", whole, re.DOTALL)
            kept[flow.id] = pieces
        _, texts = self.world.setup_book.settings(setup)
        return "".join(
            f"{head}{escape(text)}</oml:value>\n</oml:parameter>\n"
            for head, text in zip(kept[flow.id], texts, strict=True)
            if text is not None
        )

    def parameters_json(self, setup: int, *, converted: bool) -> list[str]:
        """The same as JSON: as made of the XML, or in the evaluations' own form."""
        kept = self.json_before_value
        flow = self.world.flow_of(setup)
        if (flow.id, converted) not in kept:
            kept[flow.id, converted] = [
                json.dumps(
                    {
                        "id": str(i.id) if converted else i.id,
                        "flow_id": str(part.id) if converted else part.id,
                        "flow_name": part.name,
                        "full_name": f"{part.full_name}_{i.parameter.name}",
                        "parameter_name": i.parameter.name,
                        "data_type": _plain(i.parameter.data_type, converted=converted),
                        "default_value": _plain(i.text, converted=converted),
                    }
                ).removesuffix("}")
                for _, part, i in flow.all_inputs()
            ]
        _, texts = self.world.setup_book.settings(setup)
        return [
            f'{head}, "value": {json.dumps(_plain(text, converted=converted))}}}'
            for head, text in zip(kept[flow.id, converted], texts, strict=True)
            if text is not None
        ]

    def setup_json(self, setup: int) -> str:
        flow = self.world.flow_of(setup).id
        parts = self.parameters_json(setup, converted=True)
        shown = parts[0] if len(parts) == 1 else f"[{', '.join(parts)}]"
        end = f', "parameter": {shown}' if parts else ""
        return f'{{"setup_id": "{setup}", "flow_id": "{flow}"{end}}}'

    def values(self, at: Ints, measure: Ints, engine: Ints) -> Floats:
        second = self.world.second_opinion(at, measure)
        return np.where(engine == 2, second, self.world.value[at, measure])

    def _fold_texts(self, at: Ints, measure: Ints) -> list[str]:
        texts = [""] * len(at)
        n = self.world.n_folds(at).tolist()
        for which in np.unique(measure).tolist():
            where = np.flatnonzero(measure == which)
            rows = self.world.folds(at[where], which).tolist()
            for i, row in zip(where.tolist(), rows, strict=True):
                texts[i] = "[" + ",".join(map(repr, row[: n[i]])) + "]"
        return texts

    def _setup_xml(self, setup: int) -> str:
        rows = self.heads
        if setup not in rows:
            book = self.world.setup_book
            name = escape(self.world.flow_book.by_id[book.flow[setup]].full_name)
            rows[setup] = (
                f"<oml:setup_id>{book.ids[setup]}</oml:setup_id>\n"
                f"<oml:flow_id>{book.flow[setup]}</oml:flow_id>\n"
                f"<oml:flow_name>{name}</oml:flow_name>\n"
            )
        return rows[setup]

    def _inline_xml(self, setup: int) -> str:
        inner = self.parameters_xml(self.world.setup_book.ids[setup])
        return f"<oml:parameters>\n{inner}</oml:parameters>\n"

    def evaluation_xml(
        self, at: Ints, measure: Ints, engine: Ints, *, per_fold: bool, inline: bool
    ) -> str:
        world = self.world
        values = self.values(at, measure, engine).tolist()
        folds = self._fold_texts(at, measure) if per_fold else []
        rows = []
        data = [
            f"<oml:data_id>{t.dataset}</oml:data_id>\n<oml:data_name>"
            f"{world.by_dataset[t.dataset].name}</oml:data_name>\n"
            for t in world.task_list
        ]
        columns = (world.run[at], world.run_user[at], world.run_task[at], world.run_setup[at])
        for i, (run, user, task, setup, place, which, by, time) in enumerate(
            zip(
                *(c.tolist() for c in (*columns, at, measure, engine)), world.times(at), strict=True
            )
        ):
            m = MEASURES[which]
            if per_fold:
                end = f"<oml:values>{folds[i]}</oml:values>\n"
            else:
                end = "" if m.text else f"<oml:value>{values[i]!r}</oml:value>\n"
                if m.array or m.text:
                    shown = rendering.array_text(world, place, which)
                    end += f"<oml:array_data>{shown}</oml:array_data>\n"
            rows.append(
                f"<oml:evaluation>\n<oml:run_id>{run}</oml:run_id>\n"
                f"<oml:uploader>{world.people[user].id}</oml:uploader>\n"
                f"<oml:task_id>{world.task_list[task].id}</oml:task_id>\n{self._setup_xml(setup)}"
                f"{self._inline_xml(setup) if inline else ''}{data[task]}"
                f"<oml:evaluation_engine_id>{by}</oml:evaluation_engine_id>\n"
                f"<oml:function>{m.name}</oml:function>\n"
                f"<oml:upload_time>{time}</oml:upload_time>\n{end}</oml:evaluation>\n"
            )
        return rendering.root("evaluations", "".join(rows))

    def evaluation_json(self, at: Ints, measure: Ints, engine: Ints, *, inline: bool) -> str:
        """The server's own form of JSON: numbers, no engine, no values per fold, always a list."""
        world, book = self.world, self.world.setup_book
        values = self.values(at, measure, engine).tolist()
        rows = []
        for place, which, value, time in zip(
            at.tolist(), measure.tolist(), values, world.times(at), strict=True
        ):
            task = world.task_list[world.run_task[place]]
            setup = int(world.run_setup[place])
            flow = world.flow_book.by_id[book.flow[setup]]
            row = (
                f'{{"run_id":{world.run[place]},"task_id":{task.id},"setup_id":{book.ids[setup]},'
                f'"flow_id":{flow.id},"flow_name":{json.dumps(flow.full_name)},'
            )
            if inline:
                parts = self.parameters_json(book.ids[setup], converted=False)
                row += f'"parameters":[{",".join(parts)}],'
            name = world.by_dataset[task.dataset].name
            row += (
                f'"data_name":"{name}","function":"{MEASURES[which].name}","upload_time":"{time}"'
            )
            row += "" if MEASURES[which].text else f',"value":{value!r}'
            if MEASURES[which].array:
                row += f',"array_data":{rendering.array_text(world, place, which)}'
            rows.append(row + "}")
        return f'{{"evaluations":{{"evaluation":[{",".join(rows)}]}}}}'


def _plain(text: str, *, converted: bool) -> Any:
    """A text in JSON: made of XML it is stripped and nothing is []; else it is as it was in XML."""
    if not converted:
        return escape(text)
    return text.strip() or []
