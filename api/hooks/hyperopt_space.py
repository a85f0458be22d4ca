"""A search space of Hyperopt as a ConfigSpace and back, with the branches of its choices."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np
from hyperopt import hp
from hyperopt.pyll import as_apply, scope

from api.hooks import flat
from api.hooks.flat import warn_of_losses
from api.hooks.hyperparameter import choice, number, space_from, stepped
from api.hooks.projection import plain
from metadb.axes import Axis, Value, axes_of
from metadb.clauses import holds
from metadb.errors import InvalidSpace
from metadb.records import Config

if TYPE_CHECKING:
    from ConfigSpace import ConfigurationSpace

_UNBOUNDED = ("normal", "qnormal", "lognormal", "qlognormal")


@dataclass
class Label:
    """One label of a search space.

    Args:
        drawn: The node that draws it.
        options: What a config has for each index of a choice; None of a number.
        paths: Under which choices it is drawn: pairs of label and index, outermost first.
    """

    drawn: Any
    options: tuple[Value, ...] | None = None
    paths: set[tuple[tuple[str, int], ...]] = field(default_factory=set)


def labels(space: Any) -> dict[str, Label]:
    """The labels of a search space, parents first."""
    found: dict[str, Label] = {}
    _walk(as_apply(space), (), found)
    return found


def to_space(space: Any, *, name: str = "hyperopt") -> ConfigurationSpace:
    """A search space as a ConfigSpace: what is in an option of a choice is there on a condition.

    A plain value is a constant. A plain option is its own name. One that is a dict is named by what
    it has under the label of its choice, or under a key that tells all options apart
    (`{"type": "svm", ...}`); any other by its index. A range with a step becomes an ordinal.

    Raises:
        InvalidSpace: A distribution without bounds.
    """
    from ConfigSpace import EqualsCondition, InCondition, OrConjunction

    found = labels(space)
    made = {label: _hyperparameter(label, one) for label, one in found.items()}
    conditions = []
    for label, one in found.items():
        if () in one.paths:
            continue
        by_parent: dict[str, set[int]] = {}
        for path in one.paths:
            by_parent.setdefault(path[-1][0], set()).add(path[-1][1])
        parts = []
        for parent, places in by_parent.items():
            values = [(found[parent].options or ())[place] for place in sorted(places)]
            its: Any = values if len(values) > 1 else values[0]
            kind = InCondition if len(values) > 1 else EqualsCondition
            parts.append(kind(made[label], made[parent], its))
        conditions.append(OrConjunction(*parts) if len(parts) > 1 else parts[0])
    root = as_apply(space)
    fixed = _fixed(root) if root.name == "dict" else {}
    made |= {key: choice(key, [value]) for key, value in fixed.items() if key not in made}
    return space_from(name, made.values(), conditions)


def to_search(space: ConfigurationSpace) -> dict[str, Any]:
    """A ConfigSpace as a search space; the objective gets its draws back with `active`.

    A choice on which others depend has an option for each value: a dict of the value and of what is
    active with it. An ordinal becomes a choice. Clauses and priors of numbers have no place; a
    warning says so.

    Raises:
        InvalidSpace: Something is active by a number, or by two others at once: Hyperopt knows only
            the options of a choice.
    """
    warn_of_losses(space, "Hyperopt")
    axes = axes_of(space)
    below: dict[tuple[str, Value], list[str]] = {}
    free: list[str] = []
    for name, axis in axes.items():
        if axis.condition is None:
            free.append(name)
        for literal in _alternatives(axis.condition):
            parent = axes[_parent(name, literal, axes)]
            for value in parent.choices:
                numbers = {parent.name: np.array([parent.number(value)])}
                if holds(literal, numbers, axes)[0]:
                    below.setdefault((parent.name, value), []).append(name)
    nodes: dict[str, Any] = {}
    for name in reversed(list(axes)):  # children first; one that two options share is one node
        nodes[name] = _node(axes[name], below, nodes)
    return {name: nodes[name] for name in free}


def both(space: Any) -> tuple[ConfigurationSpace, dict[str, Label]]:
    """The ConfigSpace and the labels of a space in either form."""
    from ConfigSpace import ConfigurationSpace

    if isinstance(space, ConfigurationSpace):
        return space, labels(to_search(space))
    return to_space(space), labels(space)


def active(drawn: Mapping[str, Any], space: ConfigurationSpace) -> Config:
    """What an objective is given, as a config of the space.

    Raises:
        InvalidConfig: The space forbids it, or it has no such value.
    """
    return flat.active(_joined(drawn), space)


def values_of(config: Config, found: Mapping[str, Label]) -> dict[str, list[Any]]:
    """A config as the values of a trial: the index of a choice, nothing for what is inactive."""
    values: dict[str, list[Any]] = {}
    for name, one in found.items():
        value = config.get(name)
        if value is None:
            values[name] = []
        elif one.options is None:
            values[name] = [value]
        else:
            values[name] = [one.options.index(value)]
    return values


def config_of(values: Mapping[str, list[Any]], found: Mapping[str, Label]) -> dict[str, Any]:
    """The values of a trial as a config."""
    return {
        name: plain(its[0]) if options is None else options[int(its[0])]
        for name, its in values.items()
        if len(its)
        for options in [found[name].options]
    }


def _walk(node: Any, path: tuple[tuple[str, int], ...], found: dict[str, Label]) -> None:
    if node.name == "switch":
        parameter, *options = node.inputs()
        label = str(parameter.arg["label"].obj)
        _walk(parameter, path, found)
        found[label].options = _names(label, options)
        for place, option in enumerate(options):
            _walk(option, (*path, (label, place)), found)
    elif node.name == "hyperopt_param":
        label = str(node.arg["label"].obj)
        found.setdefault(label, Label(node.arg["obj"])).paths.add(path)
    else:
        for child in node.inputs():
            _walk(child, path, found)


def _names(label: str, options: list[Any]) -> tuple[Value, ...]:
    """What a config has for each option of a choice."""
    if all(option.name == "literal" for option in options):
        return tuple(plain(option.obj) for option in options)
    if all(option.name in ("dict", "literal") for option in options):
        fixed = [_fixed(option) for option in options]
        for key in [label, *fixed[0]]:
            told = [one.get(key, one.get("")) for one in fixed]
            names = tuple(value for value in told if value is not None)
            if len(set(map(repr, names))) == len(options):
                return names
    return tuple(range(len(options)))


def _fixed(option: Any) -> dict[str, Any]:
    """The plain values of an option that is a dict; of a plain one, that under no name."""
    if option.name == "literal":
        return {"": plain(option.obj)}
    return {key: plain(one.obj) for key, one in option.named_args if one.name == "literal"}


def _hyperparameter(label: str, one: Label) -> Any:
    kind = one.drawn.name
    given: dict[str, Any] = {k: getattr(node, "obj", None) for k, node in one.drawn.arg.items()}
    if one.options is not None:
        weights = None
        if kind == "categorical":
            weights = [float(p.obj) for p in one.drawn.arg["p"].inputs()]
        return choice(label, one.options, weights=weights)
    if kind == "randint":
        low, high = (given["low"], given["high"]) if given.get("high") else (0, given["low"])
        return number(label, low, high - 1, whole=True)
    if kind in _UNBOUNDED or "low" not in given:
        raise InvalidSpace(
            f"{label!r} is drawn by {kind}, which has no bounds; uniform, loguniform, their forms "
            "with a step, uniformint, randint, choice and pchoice are known"
        )
    log, step = "log" in kind, given.get("q")
    low, high = (float(f"{math.exp(v):.13g}") if log else v for v in (given["low"], given["high"]))
    if step is None:
        return number(label, low, high, log=log)
    if step == 1:
        return number(label, round(low), round(high), log=log and round(low) > 0, whole=True)
    first, last = (round(v / step) * step for v in (low, high))  # Hyperopt rounds to multiples
    return stepped(label, first, last, step)


def _alternatives(condition: Any) -> list[Any]:
    """The parts of which any makes a hyperparameter active."""
    if condition is None:
        return []
    if type(condition).__name__ == "OrConjunction":
        return [one for part in condition.components for one in _alternatives(part)]
    return [condition]


def _parent(name: str, literal: Any, axes: Mapping[str, Axis]) -> str:
    parent = getattr(literal, "parent", None)
    if parent is None or not axes[parent.name].choices:
        raise InvalidSpace(
            f"{name!r} is active by {'two others at once' if parent is None else 'a number'}; "
            "Hyperopt has conditions on the options of one choice only"
        )
    return str(parent.name)


def _node(
    axis: Axis, below: Mapping[tuple[str, Value], list[str]], nodes: Mapping[str, Any]
) -> Any:
    one, name = axis.hyperparameter, axis.name
    if not axis.choices:
        low, high = (math.log(v) if one.log else v for v in (one.lower, one.upper))
        if axis.kind == "float":
            return (hp.loguniform if one.log else hp.uniform)(name, low, high)
        if one.log:
            return scope.int(hp.qloguniform(name, low, high, 1))
        return hp.uniformint(name, low, high)
    children = {value: below.get((name, value), []) for value in axis.choices}
    options: list[Any] = list(axis.choices)
    if any(children.values()):
        options = [{name: v, **{c: nodes[c] for c in children[v]}} for v in axis.choices]
    if axis.kind == "constant":
        return options[0]
    prior = (
        dict(zip(one.choices, one.probabilities, strict=True)) if hasattr(one, "choices") else {}
    )
    weights = [float(prior[value]) for value in axis.choices] if prior else []
    if len(set(weights)) > 1:
        return hp.pchoice(name, list(zip(weights, options, strict=True)))
    return hp.choice(name, options)


def _joined(drawn: Mapping[str, Any]) -> dict[str, Any]:
    """Without the dicts of the branches."""
    found: dict[str, Any] = {}
    for name, value in drawn.items():
        found |= _joined(value) if isinstance(value, Mapping) else {name: value}
    return found


__all__ = ["active", "both", "config_of", "labels", "to_search", "to_space", "values_of"]
