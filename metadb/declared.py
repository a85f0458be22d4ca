"""A tuner's own distributions as a ConfigSpace, with the conditions that its trials show."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from metadb.errors import MetadbError

if TYPE_CHECKING:
    from ConfigSpace import ConfigurationSpace


@dataclass(frozen=True, slots=True)
class Range:
    """Numbers from `lower` to `upper`, whole ones or not; steps between them are not held."""

    lower: float
    upper: float
    log: bool = False
    whole: bool = False

    def wider(self, other: Range) -> Range:
        """The range that holds both: a tuner may move its bounds from trial to trial."""
        return Range(
            min(self.lower, other.lower),
            max(self.upper, other.upper),
            self.log and other.log,
            self.whole and other.whole,
        )


@dataclass(frozen=True, slots=True)
class Choice:
    """One of these plain values."""

    values: tuple[Any, ...]

    def wider(self, other: Choice) -> Choice:
        """The values of both."""
        seen = {repr(value): value for value in (*self.values, *other.values)}
        return Choice(tuple(seen.values()))


Declared = dict[str, Range | Choice]
"""Hyperparameter to what it may be."""


def merged(parts: Sequence[Declared]) -> Declared:
    """What the trials of one study declare, put together; the last word where kinds differ."""
    found: Declared = {}
    for part in parts:
        for name, one in part.items():
            there = found.get(name)
            if (isinstance(there, Range) and isinstance(one, Range)) or (
                isinstance(there, Choice) and isinstance(one, Choice)
            ):
                found[name] = there.wider(one)  # type: ignore[arg-type]
            else:
                found[name] = one
    return found


def checked(
    name: str,
    declared: Declared | ConfigurationSpace,
    configs: Sequence[Mapping[str, Any]],
    ok: Sequence[bool],
) -> tuple[ConfigurationSpace | None, list[bool]]:
    """The space, and which configs lie in it.

    None and all configs where a trial that has a score lies outside of it (an absence that no
    single parent explains, say): then the store infers the space. A trial may have failed before
    it had all its hyperparameters; such a one does not lie in it.
    """
    from metadb.space import check, from_json, to_json

    everything = [True] * len(configs)
    scored = [config for config, good in zip(configs, ok, strict=True) if good]
    try:
        space = _built(name, declared, scored) if isinstance(declared, dict) else declared
        space = from_json(json.dumps(json.loads(to_json(space)) | {"name": name}))
        legal = [why is None for why in check(space, [_set(config) for config in configs])]
    except (MetadbError, ValueError, TypeError, KeyError):
        return None, everything  # what ConfigSpace cannot hold
    if not all(fits for fits, good in zip(legal, ok, strict=True) if good):
        return None, everything
    return space, legal


def _set(config: Mapping[str, Any]) -> dict[str, Any]:
    """A config as the store keeps it: None is a value, the text `None`."""
    return {key: "None" if value is None else value for key, value in config.items()}


def _built(
    name: str, declared: Declared, configs: Sequence[Mapping[str, Any]]
) -> ConfigurationSpace:
    from ConfigSpace import ConfigurationSpace

    space = ConfigurationSpace(name=name)
    wide = {key: _holding(one, key, configs) for key, one in declared.items()}
    made = {key: _hyperparameter(key, one) for key, one in wide.items()}
    space.add(list(made.values()))
    space.add(conditions(wide, made, configs))
    return space


def _holding(
    one: Range | Choice, name: str, configs: Sequence[Mapping[str, Any]]
) -> Range | Choice:
    """The same, wide enough for what was tried: a user may enqueue a value beyond the bounds."""
    seen = [config[name] for config in configs if name in config]
    if isinstance(one, Range):
        numbers = [v for v in seen if isinstance(v, int | float) and not isinstance(v, bool)]
        return one.wider(Range(min(numbers), max(numbers), one.log, one.whole)) if numbers else one
    return one.wider(Choice(tuple(seen)))


def _hyperparameter(name: str, one: Range | Choice) -> Any:
    from ConfigSpace import hyperparameters as cs

    if isinstance(one, Choice):
        values = tuple("None" if value is None else value for value in one.values)
        if len(values) == 1:
            return cs.Constant(name, values[0])
        return cs.CategoricalHyperparameter(name, values)
    if one.lower == one.upper:
        return cs.Constant(name, int(one.lower) if one.whole else float(one.lower))
    log = one.log and one.lower > 0
    if one.whole:
        return cs.UniformIntegerHyperparameter(name, int(one.lower), int(one.upper), log=log)
    return cs.UniformFloatHyperparameter(name, float(one.lower), float(one.upper), log=log)


def conditions(
    declared: Declared, made: Mapping[str, Any], configs: Sequence[Mapping[str, Any]]
) -> list[Any]:
    """The conditions that explain what is absent, found as for a space that nobody declared.

    Args:
        declared: What the hyperparameters may be.
        made: The hyperparameters of ConfigSpace, by name.
        configs: What was tried; what is inactive is absent.
    """
    from ConfigSpace import EqualsCondition, GreaterThanCondition, InCondition

    from metadb.inference import infer

    partly = [key for key in declared if any(key not in config for config in configs)]
    if not partly:
        return []
    choices = {key: one.values for key, one in declared.items() if isinstance(one, Choice)}
    coded = [
        {key: _code(choices[key], v) if key in choices else v for key, v in config.items()}
        for config in configs
    ]
    found: list[Any] = []
    condition: Any  # a single one: inference makes no conjunctions
    for condition in infer("trials", coded).conditions:
        child, parent = made[condition.child.name], made[condition.parent.name]
        if isinstance(condition, GreaterThanCondition):
            found.append(GreaterThanCondition(child, parent, condition.value))
            continue
        codes = condition.values if isinstance(condition, InCondition) else [condition.value]
        values = [_decoded(choices[condition.parent.name], code) for code in codes]
        if len(values) == 1:
            found.append(EqualsCondition(child, parent, values[0]))
        else:
            found.append(InCondition(child, parent, values))
    return found


def _code(values: Sequence[Any], value: Any) -> str:
    """A choice as a text of its own, so that 1, True and "1" stay three things."""
    return f"c{[repr(one) for one in values].index(repr(value))}"


def _decoded(values: Sequence[Any], code: str) -> Any:
    value = values[int(code[1:])]
    return "None" if value is None else value
