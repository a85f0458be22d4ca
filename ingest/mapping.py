"""The mapping file of the source `table`: says which column of a user's files is what."""

from __future__ import annotations

import json
import re
import tomllib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from difflib import get_close_matches
from pathlib import Path
from typing import Any

from ingest.building import beginning
from metadb.errors import InvalidSpace, MalformedFile, NotFound
from metadb.metrics import METRICS, Metric, canonical
from metadb.records import STATUSES

NAMES = ("metadb.toml", "metadb.json")
"""A folder with one of these is loaded as its mapping says."""

MAX_BYTES = 1 << 20

_MARKER = re.compile(r'\s*\{\s*"schema"\s*:\s*\d+\s*\}\s*')
_ORIGIN = re.compile(r"[a-z0-9_.-]+")
_LISTS = ("config", "cost_s")  # may name several columns
_NUMBERS = ("fold", "repeat", "seed", "budget", "cost_s")
_NEVER_CONSTANT = ("config", "value", "key")
_KEYS: dict[str, tuple[str, ...]] = {
    "": (
        "origin", "licence", "citation", "space", "evaluations", "configs", "tasks", "metafeatures",
    ),
    "evaluations": ("file", "columns", "metrics", "status_map", "integers"),
    "evaluations.columns": (
        "task", "config", "metric", "value", "status", "fold", "repeat", "seed", "budget",
        "budget_unit", "cost_s", "run",
    ),
    "evaluations.metrics.*": ("metric", "lower_is_better", "unit", "lower", "upper", "doc"),
    "configs": ("file", "columns", "integers"),
    "configs.columns": ("key", "config"),
    "tasks": ("file", "columns"),
    "tasks.columns": ("task", "name", "dataset", "target", "kind"),
    "metafeatures": ("file", "columns", "extractor", "features"),
    "metafeatures.columns": ("task", "name", "value"),
}  # fmt: skip
_NEEDED = {
    "evaluations": ("task", "config"),
    "configs": ("key",),
    "tasks": ("task",),
    "metafeatures": ("task",),
}


@dataclass(frozen=True, slots=True)
class Constant:
    """One value for all rows, written `{ value = ... }`."""

    value: str | float | int | bool


Cell = str | tuple[str, ...] | Constant
"""What fills a column of ours: a column of the file, several, or a constant."""


@dataclass(frozen=True, slots=True)
class Sheet:
    """One file, and our columns by what fills them; without a file there are only constants."""

    file: Path | None
    columns: Mapping[str, Cell]
    integers: frozenset[str] = frozenset()

    def names(self) -> list[str]:
        """The columns of the file that are used."""
        used: dict[str, None] = {}
        for cell in self.columns.values():
            if not isinstance(cell, Constant):
                used.update(dict.fromkeys((cell,) if isinstance(cell, str) else cell))
        return list(used)


@dataclass(frozen=True, slots=True)
class TableMapping:
    """What a mapping file says.

    Args:
        space: Name of the space.
        definition: ConfigSpace JSON, where the space is declared.
        metrics: Column (wide form) or value of the metric column (long form) to its metric.
    """

    path: Path
    origin: str
    space: str
    licence: str | None = None
    citation: str | None = None
    definition: str | None = None
    evaluations: Sheet | None = None
    metrics: Mapping[str, Metric] = field(default_factory=dict)
    status_map: Mapping[str, str] = field(default_factory=dict)
    configs: Sheet | None = None
    tasks: Sheet | None = None
    metafeatures: Sheet | None = None
    extractor: str = ""
    features: tuple[str, ...] = ()
    space_file: Path | None = None

    @property
    def files(self) -> tuple[Path, ...]:
        """Everything that is read, the mapping file first."""
        sheets = (self.evaluations, self.configs, self.tasks, self.metafeatures)
        named = [sheet.file for sheet in sheets if sheet is not None]
        every = [self.path, self.space_file, *named]
        return tuple(dict.fromkeys(path for path in every if path is not None))


def read_mapping(path: Path) -> TableMapping:
    """Read a mapping file, TOML or JSON, and check every key of it.

    Raises:
        NotFound: A file it names is not there.
        MalformedFile: It is not TOML or JSON, has an unknown key, lacks a needed one, names a file
            outside its folder, or a metric without a direction.
    """
    content = _content(path)
    _check_keys(path, "", content)
    origin = content.get("origin")
    if not isinstance(origin, str) or not _ORIGIN.fullmatch(origin):
        raise MalformedFile(
            f"{path}: origin is {origin!r}; say whose measurements these are, in lower case "
            'letters, digits and _.-, for example origin = "my-lab"'
        )
    sheets = {name: _sheet(path, name, content) for name in _NEEDED}
    if not any(sheets.values()):
        raise MalformedFile(f"{path} names no data; add a section [evaluations] with a file")
    evaluations = content.get("evaluations", {})
    metafeatures = content.get("metafeatures", {})
    metrics = _metrics(path, evaluations.get("metrics", {}))
    _check_form(path, sheets["evaluations"], metrics)
    space, space_file, definition = _space(path, content.get("space", origin))
    return TableMapping(
        path,
        origin,
        space,
        _text(path, "licence", content.get("licence")),
        _text(path, "citation", content.get("citation")),
        definition,
        **sheets,
        metrics=metrics,
        status_map=_status_map(path, evaluations.get("status_map", {})),
        extractor=_text(path, "metafeatures.extractor", metafeatures.get("extractor")) or origin,
        features=_texts(path, "metafeatures.features", metafeatures.get("features", [])),
        space_file=space_file,
    )


def mapping_file(path: Path) -> Path:
    """The mapping file itself, or the one in a folder."""
    if path.is_file():
        return path
    for name in NAMES:
        if is_mapping(path / name):
            return path / name
    raise NotFound(f"there is no {' or '.join(NAMES)} in {path}; it says which column is what")


def is_mapping(path: Path) -> bool:
    """Whether a file has the usual name and is not the marker of a store, which is called alike."""
    return path.name in NAMES and path.is_file() and not _MARKER.fullmatch(beginning(path))


def close(name: str, there: Iterable[str]) -> str:
    """`did you mean ...?`, or what there is."""
    there = list(there)
    near = get_close_matches(name, there, n=1)
    return f"did you mean {near[0]!r}?" if near else f"there are {', '.join(there[:30])}"


def _content(path: Path) -> dict[str, Any]:
    if path.suffix.lower() not in {".toml", ".json"}:
        raise MalformedFile(
            f"{path} is no mapping file; write a {NAMES[0]} that says which of its columns is "
            "what, and load that"
        )
    try:
        with path.open("rb") as stream:
            text = stream.read(MAX_BYTES + 1).decode("utf-8-sig")
        if len(text) > MAX_BYTES:
            raise MalformedFile(f"{path} is too large for a mapping file")
        content = tomllib.loads(text) if path.suffix.lower() == ".toml" else json.loads(text)
    except (ValueError, RecursionError) as error:  # of tomllib, json and decode
        raise MalformedFile(f"{path} cannot be read: {error}") from error
    if not isinstance(content, dict):
        raise MalformedFile(f"{path} must be an object with the keys {', '.join(_KEYS[''])}")
    return content


def _check_keys(path: Path, section: str, content: Any) -> None:
    """Every key known, sections being tables."""
    if not isinstance(content, dict):
        raise MalformedFile(f"{path}: {section} must be a section [{section}]")
    for key, value in content.items():
        if key not in _KEYS[section]:
            where = f" in [{section}]" if section else ""
            raise MalformedFile(f"{path}: unknown key {key!r}{where}; {close(key, _KEYS[section])}")
        inner = f"{section}.{key}" if section else key
        if inner in _KEYS:
            _check_keys(path, inner, value)


def _sheet(path: Path, name: str, content: dict[str, Any]) -> Sheet | None:
    section = content.get(name)
    if section is None:
        return None
    where = f"{name}.columns"
    columns = {key: _cell(path, where, key, v) for key, v in section.get("columns", {}).items()}
    file = section.get("file")
    if file is None:
        if name != "tasks" or any(not isinstance(cell, Constant) for cell in columns.values()):
            raise MalformedFile(f"{path}: [{name}] needs a file")
        return Sheet(None, columns)
    lacks = [key for key in _NEEDED[name] if key not in columns]
    if lacks:
        raise MalformedFile(f"{path}: [{where}] does not say which column is {lacks[0]!r}")
    integers = frozenset(_texts(path, f"{name}.integers", section.get("integers", [])))
    return Sheet(_inside(path, _text(path, f"{name}.file", file) or ""), columns, integers)


def _cell(path: Path, where: str, key: str, value: Any) -> Cell:
    if isinstance(value, str):
        return value
    if isinstance(value, list) and key in _LISTS and value:
        return _texts(path, f"{where}.{key}", value)
    constant = value.get("value") if isinstance(value, dict) and len(value) == 1 else None
    right: Any = int | float if key in _NUMBERS else str | int | float
    if isinstance(constant, right) and key not in _NEVER_CONSTANT:
        return Constant(constant)
    several = ", a list of columns" if key in _LISTS else ""
    fixed = "" if key in _NEVER_CONSTANT else ", or a constant { value = ... }"
    raise MalformedFile(
        f"{path}: {where}.{key} is {value!r}; right is the name of a column{several}{fixed}"
    )


def _inside(path: Path, name: str) -> Path:
    """A file of the mapping's folder; nothing outside it is ever read."""
    folder = path.parent.resolve()
    file = (folder / name).resolve()
    if Path(name).is_absolute() or ".." in Path(name).parts or not file.is_relative_to(folder):
        raise MalformedFile(
            f"{path} names {name!r}, which lies outside its folder; put the file beside the mapping"
        )
    if not file.is_file():
        there = [p.name for p in folder.iterdir() if p.is_file()]
        raise NotFound(f"{path} names {name!r}, which is not there; {close(name, sorted(there))}")
    return path.parent / name


def _space(path: Path, space: Any) -> tuple[str, Path | None, str | None]:
    """Name, file and text of the space: `space = "name"`, or a ConfigSpace JSON file."""
    name = _text(path, "space", space) or ""
    if not name.endswith(".json"):
        return name, None, None
    from metadb.space import from_json, to_json

    file = _inside(path, name)
    try:
        declared = from_json(file.read_text(encoding="utf-8"))
    except (InvalidSpace, UnicodeDecodeError) as error:
        raise MalformedFile(f"{file}: {error}") from error
    if not declared.name:
        raise MalformedFile(f'{file}: the space has no name; add "name": "..." to it')
    return str(declared.name), file, to_json(declared)


def _metrics(path: Path, section: Any) -> dict[str, Metric]:
    if not isinstance(section, dict):
        raise MalformedFile(f"{path}: evaluations.metrics must be a section of column = metric")
    return {column: _metric(path, column, entry) for column, entry in section.items()}


def _metric(path: Path, column: str, entry: Any) -> Metric:
    """A metric that everybody knows, or one that says its direction."""
    given = {"metric": entry} if isinstance(entry, str) else entry
    _check_keys(path, "evaluations.metrics.*", given)
    name = canonical(str(given.get("metric", column)))
    lower_is_better = given.get("lower_is_better")
    known = METRICS.get(name)
    if known is not None:
        if lower_is_better not in (None, known.lower_is_better):
            raise MalformedFile(
                f"{path}: for {name}, lower_is_better is {known.lower_is_better}; give a loss a "
                "name of its own"
            )
        return known
    if not isinstance(lower_is_better, bool):
        raise MalformedFile(
            f"{path}: nobody knows whether lower is better for the metric {name!r}; write "
            f'{column} = {{ metric = "{name}", lower_is_better = true }}, or name a known one: '
            f"{close(name, METRICS)}"
        )
    bounds = [given.get(bound) for bound in ("lower", "upper")]
    if any(bound is not None and not isinstance(bound, int | float) for bound in bounds):
        raise MalformedFile(f"{path}: the bounds of {name} must be numbers")
    lower, upper = (None if bound is None else float(bound) for bound in bounds)
    unit, doc = str(given.get("unit", "1")), str(given.get("doc", ""))
    return Metric(name, lower_is_better, unit, lower, upper, doc)


def _check_form(path: Path, evaluations: Sheet | None, metrics: Mapping[str, Metric]) -> None:
    """Scores are either in one column a metric, or in one column beside the metric's name."""
    if evaluations is None:
        return
    columns = evaluations.columns
    if ("metric" in columns) != ("value" in columns):
        raise MalformedFile(
            f"{path}: [evaluations.columns] needs both metric and value, or neither, with "
            "[evaluations.metrics] naming a column a metric"
        )
    if "metric" not in columns and not metrics:
        raise MalformedFile(f"{path}: no metric; add [evaluations.metrics] with column = metric")


def _status_map(path: Path, section: Any) -> dict[str, str]:
    if not isinstance(section, dict) or not all(word in STATUSES for word in section.values()):
        raise MalformedFile(
            f"{path}: evaluations.status_map maps the file's words to {', '.join(STATUSES)}"
        )
    return dict(section)


def _text(path: Path, key: str, value: Any) -> str | None:
    if value is None or (isinstance(value, str) and value):
        return value
    raise MalformedFile(f"{path}: {key} must be text, not {value!r}")


def _texts(path: Path, key: str, value: Any) -> tuple[str, ...]:
    if isinstance(value, Sequence) and all(isinstance(entry, str) for entry in value):
        return tuple(value)
    raise MalformedFile(f"{path}: {key} must be a list of column names, not {value!r}")
