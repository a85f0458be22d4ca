"""Flows with their parts and versions, and the setups that were made of them."""

from __future__ import annotations

import json
import zlib
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from tests.standin.catalogue import ALGORITHMS, COMPONENTS, Algorithm, Parameter


@dataclass(frozen=True)
class Input:
    """A hyperparameter of one flow version, with its id."""

    id: int
    parameter: Parameter
    text: str


@dataclass(frozen=True)
class Flow:
    """One version of an algorithm.

    Args:
        parts: Identifier and flow of each component.
        said: What a client that published it said of it: description, language and the like.
    """

    id: int
    algorithm: Algorithm
    version: int
    external_version: str
    uploader: int
    inputs: tuple[Input, ...]
    parts: tuple[tuple[str, Flow], ...] = ()
    said: tuple[tuple[str, str], ...] = ()

    @property
    def name(self) -> str:
        """The name without version."""
        return self.algorithm.name

    @property
    def full_name(self) -> str:
        """The name with its version."""
        return f"{self.algorithm.name}({self.version})"

    def all_inputs(self, path: tuple[str, ...] = ()) -> list[tuple[str, Flow, Input]]:
        """Every hyperparameter of the flow and its parts: true name, the part's flow, input."""
        own = [("__".join((*path, i.parameter.name)), self, i) for i in self.inputs]
        return own + [
            one for identifier, part in self.parts for one in part.all_inputs((*path, identifier))
        ]


def text_of(value: Any, style: str) -> str:
    """A hyperparameter's value as OpenML keeps it."""
    if style == "json":
        return json.dumps(value, sort_keys=True)
    if isinstance(value, bool):
        return "true" if value else "false"
    return str(value)


@dataclass
class Flows:
    """Top-level flows and all their parts; a later version of a name has later parts."""

    tops: list[Flow] = field(default_factory=list)
    by_id: dict[int, Flow] = field(default_factory=dict)
    next_input: int = 2001

    def build(self, n: int, rng: np.random.Generator, uploaders: list[int]) -> None:
        """Make `n` top-level flows, the first version of every algorithm before the second."""
        parts: dict[tuple[str, int], Flow] = {}
        for i in range(n):
            round_, which = divmod(i, len(ALGORITHMS))
            algorithm = ALGORITHMS[which]
            key = next((k for k, a in COMPONENTS.items() if a is algorithm), None)
            if key is not None and (key, round_) in parts:
                self.tops.append(parts[key, round_])
                continue
            flow = self._make(algorithm, round_, rng, uploaders, parts)
            if key is not None:
                parts[key, round_] = flow
            self.tops.append(flow)

    def _make(
        self,
        algorithm: Algorithm,
        round_: int,
        rng: np.random.Generator,
        uploaders: list[int],
        parts: dict[tuple[str, int], Flow],
    ) -> Flow:
        made = []
        for identifier, key in algorithm.parts:
            if (key, round_) not in parts:
                parts[key, round_] = self._make(COMPONENTS[key], round_, rng, uploaders, parts)
            made.append((identifier, parts[key, round_]))
        inputs = []
        for parameter in algorithm.parameters:
            inputs.append(
                Input(self.next_input, parameter, text_of(parameter.default, algorithm.style))
            )
            self.next_input += 1 + int(rng.integers(3))
        return self.add(
            Flow(
                id=max(self.by_id, default=60) + 1 + int(rng.integers(40)),
                algorithm=algorithm,
                version=algorithm.first + 3 * round_,
                external_version=algorithm.external.replace("0.24.0", f"0.24.{round_}").replace(
                    "0.18.1", f"0.{18 + round_}.1"
                ),
                uploader=int(uploaders[int(rng.integers(len(uploaders)))]),
                inputs=tuple(inputs),
                parts=tuple(made),
            )
        )

    def add(self, flow: Flow) -> Flow:
        """Register a flow."""
        self.by_id[flow.id] = flow
        return flow


@dataclass
class Setups:
    """Settings of flows: column by column within a flow, each setting once.

    `flow`, `row` and `skill` are arrays by setup index; the setup's id is `ids[index]`. The skill
    depends on the values alone, so one setting is as good in every version.
    """

    ids: list[int] = field(default_factory=list)
    flow: list[int] = field(default_factory=list)
    row: list[int] = field(default_factory=list)
    skill: list[float] = field(default_factory=list)
    values: dict[int, list[list[Any]]] = field(default_factory=dict)
    texts: dict[int, list[list[str | None]]] = field(default_factory=dict)
    seen: dict[int, dict[tuple[str | None, ...], int]] = field(default_factory=dict)
    index: dict[int, int] = field(default_factory=dict)

    def draw(self, flow: Flow, n: int, rng: np.random.Generator) -> None:
        """Add at most `n` settings of a flow; its defaults are the first."""
        inputs = flow.all_inputs()
        columns = [
            [one.parameter.default] * n
            if one.parameter.draw is None
            else one.parameter.draw(rng, n)
            for _, _, one in inputs
        ]
        if flow.id not in self.seen:
            for column, (_, _, one) in zip(columns, inputs, strict=True):
                column[0] = one.parameter.default
        texts = [
            [text_of(v, part.algorithm.style) for v in column]
            for column, (_, part, _) in zip(columns, inputs, strict=True)
        ]
        rows = zip(*texts, strict=True) if texts else iter([()] * min(n, 1))
        for i, row in enumerate(rows):
            self.add(flow, row, [column[i] for column in columns])

    def add(self, flow: Flow, texts: tuple[str | None, ...], values: list[Any]) -> int:
        """The id of this setting, new or known; a text that is None is of a parameter not set."""
        seen = self.seen.setdefault(flow.id, {})
        if texts in seen:
            return seen[texts]
        columns = self.values.setdefault(flow.id, [[] for _ in texts])
        rendered = self.texts.setdefault(flow.id, [[] for _ in texts])
        for column, value in zip(columns, values, strict=True):
            column.append(value)
        for strings, text in zip(rendered, texts, strict=True):
            strings.append(text)
        setup = (self.ids[-1] if self.ids else 5) + 1 + len(self.ids) % 3
        self.index[setup] = len(self.ids)
        self.ids.append(setup)
        self.flow.append(flow.id)
        self.row.append(len(seen))
        self.skill.append(zlib.crc32("\x1f".join(t or "" for t in texts).encode()) / 2**32)
        seen[texts] = setup
        return setup

    def settings(self, setup: int) -> tuple[list[Any], list[str | None]]:
        """The values and their texts, in the order of the flow's inputs."""
        at = self.index[setup]
        flow, row = self.flow[at], self.row[at]
        return [c[row] for c in self.values[flow]], [c[row] for c in self.texts[flow]]
