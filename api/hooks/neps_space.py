"""NePS' PipelineSpace as a ConfigSpace and back, and a config as NePS writes it down."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

from api.hooks.branches import levels
from api.hooks.flat import warn_of_losses
from api.hooks.hyperparameter import choice, number, space_from
from metadb.axes import Axis, axes_of
from metadb.errors import InvalidSpace
from metadb.records import Config

if TYPE_CHECKING:
    from ConfigSpace import ConfigurationSpace
    from neps import PipelineSpace

Confidence = Literal["low", "medium", "high"]
"""How much NePS trusts a prior."""


def to_pipeline_space(space: ConfigurationSpace) -> PipelineSpace:
    """A ConfigSpace as NePS' `PipelineSpace`, without its conditions: see `api.hooks.flat.active`.

    An ordinal becomes a categorical. Clauses and priors have no place; a warning says so.

    Raises:
        InvalidSpace: Choices of several types.
    """
    warn_of_losses(space, "NePS")
    return with_priors(space, {}, "low")


def with_priors(space: ConfigurationSpace, prior: Config, confidence: Confidence) -> PipelineSpace:
    """The `PipelineSpace` of a space in which what a config has is the prior.

    Raises:
        InvalidSpace: Choices of several types.
    """
    import neps

    def parameter(axis: Axis) -> Any:
        one = axis.hyperparameter
        if axis.kind == "constant":
            return axis.choices[0]
        trusted: dict[str, Any] = {}
        if axis.name in prior:
            value = prior[axis.name]
            place = levels(axis).index(value) if axis.choices else value
            trusted = {"prior": place, "prior_confidence": confidence}
        if axis.kind == "float":
            return neps.Float(float(one.lower), float(one.upper), log=one.log, **trusted)
        if axis.kind == "integer":
            return neps.Integer(int(one.lower), int(one.upper), log=one.log, **trusted)
        if len(set(map(type, axis.choices))) > 1:
            raise InvalidSpace(
                f"{axis.name!r} has choices of several types, "
                f"{', '.join(map(repr, axis.choices))}; NePS wants texts only or numbers of one "
                "type"
            )
        return neps.Categorical(levels(axis), **trusted)

    made = {name: parameter(axis) for name, axis in axes_of(space).items()}
    found: PipelineSpace = type("Space", (neps.PipelineSpace,), made)()
    return found


def to_space(pipeline_space: PipelineSpace, *, name: str = "neps") -> ConfigurationSpace:
    """NePS' `PipelineSpace` as a ConfigSpace; its priors are lost.

    Raises:
        InvalidSpace: It has a fidelity, operations, or choices of several types.
    """
    classic(pipeline_space)
    attributes = pipeline_space.get_attrs()
    return space_from(name, [_hyperparameter(key, one) for key, one in attributes.items()])


def known(space: ConfigurationSpace | PipelineSpace, *, name: str = "neps") -> ConfigurationSpace:
    """A space in either form as a ConfigSpace."""
    from ConfigSpace import ConfigurationSpace

    return space if isinstance(space, ConfigurationSpace) else to_space(space, name=name)


def classic(space: PipelineSpace) -> Any:
    """The list of hyperparameters that most of NePS' optimizers search.

    Raises:
        InvalidSpace: It is none, or one of them is a fidelity.
    """
    from neps.space.neps_spaces.neps_space import convert_neps_to_classic_search_space

    found = convert_neps_to_classic_search_space(space)
    if found is None:
        raise InvalidSpace(
            "a PipelineSpace with operations, or with choices of several types, is no list of "
            "hyperparameters; give the space of its floats, integers and categoricals"
        )
    if found.fidelities:
        raise InvalidSpace(
            f"{next(iter(found.fidelities))!r} is a fidelity, which no config has; leave it out"
        )
    return found


@dataclass(frozen=True, slots=True)
class Wire:
    """How NePS writes a config down for an optimizer that is not a classic one of its own.

    Args:
        paths: A parameter to the key that its value has there.
        choices: The values of a categorical, whose index is written.
        constants: What is not written, as NePS knows it.
    """

    paths: Mapping[str, str]
    choices: Mapping[str, tuple[Any, ...]]
    constants: Mapping[str, Any]

    @classmethod
    def of(cls, space: PipelineSpace) -> Wire:
        """That of a space."""
        from neps import Categorical, Float, Integer
        from neps.space.neps_spaces.neps_space import NepsCompatConverter, construct_sampling_path

        mark, attributes = NepsCompatConverter._SAMPLING_PREFIX, space.get_attrs()
        domains = {
            name: one
            for name, one in attributes.items()
            if isinstance(one, Categorical | Float | Integer)
        }
        return cls(
            {k: mark + construct_sampling_path(["Resolvable", k], v) for k, v in domains.items()},
            {k: tuple(v.choices) for k, v in domains.items() if isinstance(v, Categorical)},
            {k: v for k, v in attributes.items() if k not in domains},
        )

    def write(self, config: Mapping[str, Any]) -> dict[str, Any]:
        """A config with a value for every parameter, as NePS writes it."""
        return {
            path: self.choices[name].index(config[name]) if name in self.choices else config[name]
            for name, path in self.paths.items()
        }

    def read(self, written: Mapping[str, Any]) -> dict[str, Any]:
        """Back; what a classic optimizer wrote has the names themselves."""
        found = {name: written[path] for name, path in self.paths.items() if path in written}
        for name in found.keys() & self.choices.keys():
            found[name] = self.choices[name][found[name]]
        return {**self.constants, **(found or written)}


def _hyperparameter(name: str, one: Any) -> Any:
    import neps

    if isinstance(one, neps.Float | neps.Integer):
        whole = isinstance(one, neps.Integer)
        return number(name, one.lower, one.upper, log=bool(one.log), whole=whole)
    return choice(name, one.choices if isinstance(one, neps.Categorical) else [one])
