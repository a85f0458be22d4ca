"""What ConfigSpace lacks: the id and the text of a space, its default, random configs, checking.

A space is a `ConfigSpace.ConfigurationSpace`; a config is a plain mapping in which an inactive
hyperparameter is absent (so is one given as None). All work goes a column at a time, never a
`Configuration` object per config. An inactive parent satisfies no condition on it, and an absent
hyperparameter violates no forbidden clause. See also `metadb.encoding` and `metadb.inference`.
"""

from __future__ import annotations

import json
from collections.abc import Collection, Mapping, Sequence
from hashlib import sha256
from typing import TYPE_CHECKING, Any

import numpy as np

from metadb.axes import Axis, axes_of, sort_key
from metadb.clauses import deactivate, holds, in_words, mentioned
from metadb.columns import Columns, as_columns, as_numbers, as_rows
from metadb.encoding import INACTIVE, encoding
from metadb.errors import InvalidConfig, InvalidSpace
from metadb.records import Config
from metadb.unchanged import while_unchanged

if TYPE_CHECKING:
    from ConfigSpace import ConfigurationSpace

_MAX_BATCHES = 1000  # of random configs, until as many as asked for are not forbidden


# The id and the text of a space.


@while_unchanged
def space_id(space: ConfigurationSpace) -> str:
    """The id of a space, `name@` and 12 hex digits of the SHA-256 of its canonical content.

    The order in which parts were added, the order of a categorical's choices, `meta` and
    ConfigSpace's version do not count; everything else does.
    """
    content = _canonical(space)
    for part in ("name", "format_version"):
        content.pop(part, None)
    for hyperparameter in content["hyperparameters"]:
        hyperparameter.pop("meta", None)
    return f"{space.name or 'space'}@{sha256(_dumps(content).encode()).hexdigest()[:12]}"


def to_json(space: ConfigurationSpace) -> str:
    """The one text of a space, as ConfigSpace serialises it: keys and unordered parts sorted.

    Raises:
        InvalidSpace: A part of the space has no JSON form, or a choice is not a plain value.
    """
    return _dumps(_canonical(space))


def from_json(text: str) -> ConfigurationSpace:
    """The space that a text of `to_json`, or of ConfigSpace's own `to_json`, stands for.

    Raises:
        InvalidSpace: The text is not JSON, or not a space.
    """
    from ConfigSpace import ConfigurationSpace, __version__

    try:
        content = json.loads(text, parse_constant=_refuse_constant)
    except (ValueError, TypeError, RecursionError) as error:
        raise InvalidSpace(f"a space must be JSON text, but this is not: {error}") from error
    if not isinstance(content, dict) or not isinstance(content.get("hyperparameters"), list):
        raise InvalidSpace(
            "a space is a JSON object with a list 'hyperparameters', as ConfigSpace writes it"
        )
    if not isinstance(content.get("name"), str | None):
        raise InvalidSpace(f"the name of a space must be text, not {content['name']!r}")
    try:
        space = ConfigurationSpace.from_serialized_dict(content)
        axes_of(space)
    except InvalidSpace:
        raise
    except Exception as error:  # ConfigSpace trusts its input: what it raises depends on the flaw
        why = f"{type(error).__name__}: {str(error).partition(chr(10))[0]}"
        raise InvalidSpace(f"ConfigSpace {__version__} cannot read this space ({why})") from error
    return space


def from_old(
    content: Mapping[str, Any], name: str, *, without: Collection[str | None]
) -> ConfigurationSpace:
    """The space that a document in ConfigSpace's JSON of format 0.2 declares.

    Args:
        name: What the space is called.
        without: Hyperparameters to leave out.

    Raises:
        InvalidSpace: It is not a space.
    """
    kept = []
    for part in content["hyperparameters"]:
        if part["name"] not in without:
            default = {"default_value": part["default"]} if "default" in part else {}
            kept.append({k: v for k, v in part.items() if k not in ("default", "probabilities")})
            kept[-1] |= default
    clauses = {part: content.get(part, []) for part in ("conditions", "forbiddens")}
    return from_json(json.dumps({"name": name, "hyperparameters": kept, **clauses}))


def _refuse_constant(constant: str) -> float:
    raise ValueError(f"{constant} is not a JSON number")


def _dumps(content: Any) -> str:
    try:
        return json.dumps(content, sort_keys=True, separators=(",", ":"), default=_item)
    except (TypeError, ValueError) as error:
        raise InvalidSpace(f"a part of the space has no JSON form: {error}") from error


def _item(value: Any) -> Any:
    if isinstance(value, np.generic):
        return value.item()
    raise TypeError(f"{value!r} is no number, text or boolean")


def _canonical(space: ConfigurationSpace) -> dict[str, Any]:
    """ConfigSpace's own serialised form without its version, unordered parts sorted."""
    axes = axes_of(space)  # raises where the space holds what a config cannot
    try:
        content = space.to_serialized_dict()
    except ValueError as error:  # a type of condition or clause that ConfigSpace does not know
        raise InvalidSpace(f"a part of the space has no JSON form: {error}") from error
    content.pop("python_module_version", None)
    for hyperparameter in content["hyperparameters"]:
        choices, weights = hyperparameter.get("choices"), hyperparameter.get("weights")
        if choices is not None:
            places = sorted(range(len(choices)), key=lambda i: sort_key(choices[i]))
            hyperparameter["choices"] = [choices[i] for i in places]
            hyperparameter["weights"] = weights and [float(weights[i]) for i in places]
    content["hyperparameters"].sort(key=lambda hyperparameter: str(hyperparameter["name"]))
    floats = {name for name, axis in axes.items() if axis.kind == "float"}
    for part in ("conditions", "forbiddens"):
        content[part] = sorted((_sorted_clause(c, floats) for c in content[part]), key=_dumps)
    return content


def _sorted_clause(clause: dict[str, Any], floats: set[str]) -> dict[str, Any]:
    """A serialised condition or forbidden clause, its components and sets of values sorted."""
    clause = dict(clause)
    for part in ("conditions", "clauses"):
        if part in clause:
            clause[part] = sorted((_sorted_clause(c, floats) for c in clause[part]), key=_dumps)
    of_float = clause.get("parent", clause.get("name")) in floats
    if "values" in clause:
        values = [float(v) if of_float else v for v in clause["values"]]
        clause["values"] = sorted(values, key=sort_key)
    elif "value" in clause and of_float:
        clause["value"] = float(clause["value"])
    return clause


# Drawing.


def default(space: ConfigurationSpace) -> Config:
    """The config in which every active hyperparameter has its default."""
    columns = encoding(space)
    return columns.decode(np.full((1, columns.width), INACTIVE))[0]


def sample(space: ConfigurationSpace, n: int, seed: int) -> list[Config]:
    """Random configs of a space, drawn from its priors; none is forbidden.

    The same space id, `n` and seed give the same configs; the space's own random state is left
    alone.

    Raises:
        InvalidSpace: The forbidden clauses leave (almost) nothing to draw.
    """
    axes = axes_of(space)
    random = np.random.RandomState(seed)
    configs: list[Config] = []
    batch = max(n, 100)
    for _ in range(_MAX_BATCHES):
        if len(configs) >= n:
            return configs[:n]
        numbers = {name: axis.sample(batch, random) for name, axis in axes.items()}
        deactivate(numbers, axes)
        allowed = np.ones(batch, dtype=np.bool_)
        for clause in space.forbidden_clauses:
            allowed &= ~holds(clause, numbers, axes)
        kept = {name: number[allowed] for name, number in numbers.items()}
        configs += as_rows(kept, axes, int(allowed.sum()))
    raise InvalidSpace(
        f"of {_MAX_BATCHES * batch} random configs of space {space.name!r} only {len(configs)} are "
        "not forbidden; loosen its forbidden clauses"
    )


# Checking.


def check(space: ConfigurationSpace, configs: Sequence[Config] | Columns) -> list[str | None]:
    """Per config None if it is legal in the space, else one sentence that says what is not.

    Numbers may exceed their bounds by 1e-9 of them (and 1e-13); integers may be whole floats;
    choices are compared as Python does (1 == 1.0 == True), as in ConfigSpace.
    """
    axes = axes_of(space)
    columns, n = as_columns(configs)
    numbers, why = as_numbers(columns, n, axes)
    there = {name: ~np.isnan(number) for name, number in numbers.items()}
    active = deactivate(numbers, axes)
    for name, axis in axes.items():
        for i in np.flatnonzero(there[name] != active[name]).tolist():
            is_set = there[name][i]
            said = _set_though_inactive(axis, columns[name][i]) if is_set else _missing(axis)
            why.setdefault(i, said)
    for clause in space.forbidden_clauses:
        named = [name for name in axes if name in mentioned(clause)]
        for i in np.flatnonzero(holds(clause, numbers, axes)).tolist():
            values = " and ".join(
                f"{name!r} is {columns[name][i]!r}" for name in named if there[name][i]
            )
            why.setdefault(
                i, f"{values}, but the space forbids {in_words(clause)}; change one of them"
            )
    return [why.get(i) for i in range(n)]


def validate(space: ConfigurationSpace, config: Config) -> None:
    """Let a legal config pass.

    Raises:
        InvalidConfig: The config is not legal in the space; the text says why, as `check` does.
    """
    why = check(space, [config])[0]
    if why is not None:
        raise InvalidConfig(why)


def _set_though_inactive(axis: Axis, value: Any) -> str:
    return (
        f"hyperparameter {axis.name!r} is {value!r} but inactive; leave it out unless "
        f"{in_words(axis.condition)}"
    )


def _missing(axis: Axis) -> str:
    when = "in every config" if axis.condition is None else f"as {in_words(axis.condition)}"
    return f"hyperparameter {axis.name!r} is missing; {when} it must be {axis.legal}"
