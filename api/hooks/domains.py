"""The domains of Ray Tune, which FLAML has too, as a ConfigSpace and back."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any

from api.hooks.flat import flat, warn_of_losses
from api.hooks.hyperparameter import choice, number, space_from, stepped
from api.hooks.projection import plain
from metadb.axes import axes_of
from metadb.errors import InvalidSpace, WrongUsage
from metadb.records import Config

if TYPE_CHECKING:
    from ConfigSpace import ConfigurationSpace

    Space = ConfigurationSpace | Mapping[str, Any]


def to_space(domains: Mapping[str, Any], *, name: str) -> ConfigurationSpace:
    """Domains as a ConfigSpace: nested names joined by `/`, a plain value a constant.

    The upper bound of a whole number is exclusive at these tuners and inclusive in ConfigSpace; a
    range with a step becomes an ordinal of its values.

    Raises:
        InvalidSpace: A domain without bounds, a function, a choice of domains.
    """
    return space_from(name, [_hyperparameter(key, one) for key, one in _leaves(domains)])


def to_domains(space: ConfigurationSpace, tune: Any, tuner: str) -> dict[str, Any]:
    """A ConfigSpace as domains, without its conditions: see `api.hooks.flat.active`.

    An ordinal becomes a choice. Clauses and priors have no place; a warning says so.

    Args:
        tune: The module with `uniform`, `loguniform`, `randint`, `lograndint` and `choice`.
        tuner: What the tuner is called in a warning.
    """
    warn_of_losses(space, tuner)
    found: dict[str, Any] = {}
    for name, axis in axes_of(space).items():
        one = axis.hyperparameter
        if axis.kind == "constant":
            found[name] = axis.choices[0]
        elif axis.kind == "float":
            domain = tune.loguniform if one.log else tune.uniform
            found[name] = domain(float(one.lower), float(one.upper))
        elif axis.kind == "integer":
            domain = tune.lograndint if one.log else tune.randint
            found[name] = domain(int(one.lower), int(one.upper) + 1)
        else:
            found[name] = tune.choice(list(axis.choices))
    return found


def known(space: Space, *, name: str) -> ConfigurationSpace:
    """A space in either form as a ConfigSpace.

    Raises:
        WrongUsage: It is neither, such as a function that defines by run.
    """
    from ConfigSpace import ConfigurationSpace

    if isinstance(space, ConfigurationSpace):
        return space
    if not isinstance(space, Mapping):
        raise WrongUsage(
            f"the space is a {type(space).__name__}, which does not say what is in it; give {name} "
            "a dict of domains or a ConfigurationSpace"
        )
    return to_space(space, name=name)


def theirs(config: Config, space: Space, target: ConfigurationSpace) -> dict[str, Any]:
    """A config as the tuner takes it: its own choices, nested as its domains are, no constants.

    OptunaSearch refuses a point with constants, and all searchers add them.

    Args:
        target: The space as a ConfigSpace.
    """
    from ConfigSpace import ConfigurationSpace

    whole = flat(config, target)
    if isinstance(space, ConfigurationSpace):
        axes = axes_of(target)
        return {name: value for name, value in whole.items() if axes[name].kind != "constant"}
    found: dict[str, Any] = {}
    for name, one in _leaves(space):
        if _options(one) == [one]:
            continue
        *outer, last = name.split("/") if name not in space else [name]
        place = found
        for part in outer:
            place = place.setdefault(part, {})
        place[last] = _own(whole[name], one)
    return found


def joined(config: Mapping[str, Any]) -> dict[str, Any]:
    """What a tuner ran, with nested names joined by `/`."""
    return dict(_leaves(config))


def _leaves(given: Mapping[str, Any], before: str = "") -> Iterator[tuple[str, Any]]:
    for name, one in given.items():
        if isinstance(one, Mapping) and one and "grid_search" not in one:
            yield from _leaves(one, f"{before}{name}/")
        else:
            yield f"{before}{name}", one


def _options(one: Any) -> list[Any] | None:
    """The values of a choice or a grid; a plain value is the only one; None of a range."""
    if isinstance(one, Mapping) and "grid_search" in one:
        return list(one["grid_search"])
    if hasattr(one, "categories"):
        return list(one.categories)
    return None if hasattr(one, "get_sampler") else [one]


def _hyperparameter(name: str, one: Any) -> Any:
    options = _options(one)
    if options is not None:
        if any(_is_open(option) for option in options):
            raise InvalidSpace(
                f"{name!r} is a choice of domains; ConfigSpace has conditions for that: give a "
                "ConfigurationSpace"
            )
        return choice(name, options, ordered=bool(getattr(one, "ordered", False)))
    kind, sampler = type(one).__name__, one.get_sampler()
    step = getattr(sampler, "q", None)
    drawn = type(getattr(sampler, "sampler", sampler)).__name__
    if kind not in ("Float", "Integer") or "Uniform" not in drawn:
        raise InvalidSpace(
            f"{name!r} is drawn by {drawn.strip('_')}, which has no bounds or no values of its "
            "own; uniform, loguniform, randint, lograndint, their forms with a step, and choice "
            "are known"
        )
    whole = kind == "Integer"
    if step is not None and not (whole and step == 1):
        return stepped(name, one.lower, one.upper, step)
    upper = one.upper - 1 if whole else one.upper
    return number(name, one.lower, upper, log="Log" in drawn, whole=whole)


def _is_open(option: Any) -> bool:
    if isinstance(option, Mapping):
        return any(map(_is_open, option.values()))
    if isinstance(option, list | tuple):
        return any(map(_is_open, option))
    return hasattr(option, "get_sampler")


def _own(value: Any, one: Any) -> Any:
    """A value as the domain has it: its own choice, and nothing beyond a bound by rounding."""
    options = _options(one)
    if options is not None:
        return next(option for option in options if plain(option) == value)
    return min(max(value, one.lower), one.upper)
