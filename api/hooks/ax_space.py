"""Ax's parameters as a ConfigSpace and back, with what is there only on a condition."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from api.hooks.branches import active_if, branches_of, levels
from api.hooks.hyperparameter import choice, number, space_from, stepped
from api.hooks.projection import plain
from metadb.axes import Axis, Value, axes_of
from metadb.errors import InvalidSpace, WrongUsage

if TYPE_CHECKING:
    from ax.api.client import Client
    from ConfigSpace import ConfigurationSpace

_TYPES = {bool: "bool", int: "int", float: "float", str: "str"}


def to_parameters(space: ConfigurationSpace) -> list[Any]:
    """A ConfigSpace as the `parameters` of `Client.configure_experiment`, without its priors.

    Conditions become `dependent_parameters`.

    Raises:
        InvalidSpace: A forbidden clause, choices of several types, or a condition on anything but
            one choice of one hyperparameter.
    """
    axes, branches = axes_of(space), branches_of(space, "Ax")
    children: dict[str, dict[Value, list[str]]] = {}
    for child, (parent, values) in branches.items():
        if axes[parent].kind == "integer":
            raise InvalidSpace(f"Ax has conditions on choices only; {parent!r} is an integer")
        if len(values) > 1:
            raise InvalidSpace(
                f"Ax has trees of conditions only: {child!r} must depend on one value of "
                f"{parent!r}; give the space without conditions and call api.hooks.flat.active"
            )
        children.setdefault(parent, {}).setdefault(values[0], []).append(child)
    return [_parameter(axis, children.get(name)) for name, axis in axes.items()]


def to_space(parameters: Sequence[Any], *, name: str = "ax") -> ConfigurationSpace:
    """The `parameters` of `Client.configure_experiment` as a ConfigSpace.

    Raises:
        InvalidSpace: A derived parameter, or ConfigSpace cannot hold it.
    """
    from ax.api.configs import DerivedParameterConfig, RangeParameterConfig

    made: dict[str, Any] = {}
    links: list[tuple[str, str, Any]] = []
    for one in parameters:
        if isinstance(one, DerivedParameterConfig):
            raise InvalidSpace(f"{one.name!r} is derived from others; a space has no such thing")
        if isinstance(one, RangeParameterConfig):
            whole, log = one.parameter_type == "int", one.scaling == "log"
            lower, upper = one.bounds
            if one.step_size is not None:
                bounds = map(int if whole else float, (lower, upper, one.step_size))
                made[one.name] = stepped(one.name, *bounds)
            else:
                made[one.name] = number(one.name, lower, upper, log=log, whole=whole)
            continue
        dependents = dict(one.dependent_parameters or {})
        made[one.name] = choice(one.name, one.values, ordered=bool(one.is_ordered))
        if len(one.values) > 1:
            links += [(c, one.name, plain(v)) for v, names in dependents.items() for c in names]
    return _joined(name, made, links)


def space_of(client: Client, *, name: str | None = None) -> ConfigurationSpace:
    """The search space of a client as a ConfigSpace, with its conditions.

    Args:
        name: Default `ax:<experiment>`.

    Raises:
        WrongUsage: The client has no experiment yet.
        InvalidSpace: It has constraints or derived parameters, which a ConfigSpace does not hold.
    """
    from ax.core.parameter import ChoiceParameter, FixedParameter, RangeParameter

    if client._maybe_experiment is None:
        raise WrongUsage("the client has no experiment yet; call configure_experiment first")
    experiment = client._experiment
    search_space = experiment.search_space
    if search_space.parameter_constraints:
        raise InvalidSpace(
            "the client has parameter constraints, which a ConfigSpace does not hold; give space="
        )
    made: dict[str, Any] = {}
    links: list[tuple[str, str, Any]] = []
    for key, one in search_space.parameters.items():
        if isinstance(one, RangeParameter):
            whole = one.parameter_type.name == "INT"
            made[key] = number(key, one.lower, one.upper, log=one.log_scale, whole=whole)
        elif isinstance(one, FixedParameter):
            made[key] = choice(key, [one.value])
        elif isinstance(one, ChoiceParameter):
            numeric = one.parameter_type.name in ("INT", "FLOAT")
            ordered = one.is_ordered and (numeric or len(one.values) > 2)  # Ax orders any two
            made[key] = choice(key, one.values, ordered=ordered)
            links += [
                (child, key, plain(value))
                for value, names in (one.dependents if one.is_hierarchical else {}).items()
                for child in names
            ]
        else:
            raise InvalidSpace(f"{key!r} is derived from others; a space has no such thing")
    return _joined(name or f"ax:{experiment.name}", made, links)


def _joined(
    name: str, made: dict[str, Any], links: Sequence[tuple[str, str, Any]]
) -> ConfigurationSpace:
    """The space; each child is active for the values of its parent that name it."""
    values: dict[tuple[str, str], list[Any]] = {}
    for child, parent, value in links:
        values.setdefault((child, parent), []).append(value)
    conditions = [active_if(made[c], made[p], found) for (c, p), found in values.items()]
    return space_from(name, made.values(), conditions)


def _parameter(axis: Axis, children: dict[Value, list[str]] | None) -> Any:
    from ax.api.configs import ChoiceParameterConfig, RangeParameterConfig

    one = axis.hyperparameter
    if axis.kind in ("float", "integer"):
        return RangeParameterConfig(
            name=axis.name,
            bounds=(one.lower, one.upper),
            parameter_type="int" if axis.kind == "integer" else "float",
            scaling="log" if one.log else None,
        )
    kinds = set(map(type, axis.choices))
    if kinds == {int, float}:
        kinds = {float}
    if len(kinds) > 1:
        raise InvalidSpace(
            f"{axis.name!r} has choices of several types, {', '.join(map(repr, axis.choices))}; "
            "Ax wants one: write them as texts"
        )
    kind = kinds.pop()
    return ChoiceParameterConfig(
        name=axis.name,
        values=[kind(value) for value in levels(axis)],
        parameter_type=_TYPES[kind],
        is_ordered=axis.kind == "ordinal" if len(axis.choices) > 1 else None,
        dependent_parameters=children,
    )
