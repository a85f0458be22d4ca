"""Recommended configs moved into the space of a tuner, with an account of every change."""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from difflib import get_close_matches
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from metadb.axes import PLAIN, Axis, Floats, Value, axes_of
from metadb.clauses import holds, in_words
from metadb.errors import InvalidConfig, NotFound
from metadb.records import Config
from metadb.space import check

if TYPE_CHECKING:
    from ConfigSpace import ConfigurationSpace

Outside = Literal["clip", "drop"]
"""What to do with a number out of range: move it to the bound, or leave its config out."""

_SHOWN = 20


@dataclass(frozen=True, slots=True)
class Change:
    """What was done to one value of a config that is sent.

    Args:
        place: Which of the recommended configs, counted from 0.
        name: The hyperparameter, as the tuner's space calls it where it is there.
        before: None where the recommendation has no value.
        after: None where nothing is sent.
        why: The reason, in a few words.
    """

    place: int
    name: str
    before: Any
    after: Value | None
    why: str

    @property
    def words(self) -> str:
        """The change without its place."""
        return f"{self.name}: {self.before!r} -> {self.after!r} ({self.why})"


@dataclass(frozen=True, slots=True)
class Report:
    """What became of every recommended config and value.

    Each recommended config is either sent or stands in `why`. Each value of a config that is sent
    is sent as it was, or stands in `clipped` or `dropped`; what else is sent stands in `filled`.

    Args:
        sent: The configs that the tuner gets, best first; all are legal in its space.
        places: Which recommended config each of `sent` was, counted from 0.
        clipped: Values moved: to a bound, to a whole number, to a choice.
        filled: Defaults for what is active in the tuner's space and was not recommended.
        dropped: Values left out: the space has no such hyperparameter, or it is inactive.
        why: Place to the reason for which the whole config is not sent.
    """

    sent: tuple[Config, ...]
    places: tuple[int, ...]
    clipped: tuple[Change, ...] = ()
    filled: tuple[Change, ...] = ()
    dropped: tuple[Change, ...] = ()
    why: Mapping[int, str] = field(default_factory=dict)

    def __str__(self) -> str:
        """The account in words: the counts, then a line a change."""
        lines = [
            f"{len(self.sent)} of {len(self.sent) + len(self.why)} recommended configs are sent: "
            f"{len(self.clipped)} values clipped, {len(self.filled)} filled, "
            f"{len(self.dropped)} dropped"
        ]
        lines += [f"config {place} is not sent: {why}" for place, why in self.why.items()]
        for word in ("clipped", "filled", "dropped"):
            lines += [f"{word} in config {c.place}: {c.words}" for c in getattr(self, word)]
        more = [f"and {len(lines) - _SHOWN} lines more"] if len(lines) > _SHOWN else []
        return "\n".join([*lines[:_SHOWN], *more])


def project(
    configs: Sequence[Config],
    space: ConfigurationSpace,
    *,
    rename: Mapping[str, str] | None = None,
    outside: Outside = "clip",
    exact: bool = False,
    known: Sequence[Config] = (),
) -> Report:
    """Move configs into a space; one that is legal there stays as it is.

    A number out of range goes to the nearest bound, one that should be whole to the nearest whole
    one (by ratio where the scale is logarithmic). What is no choice goes to the choice that reads
    the same (`"true"` for True, `"RBF"` for `"rbf"`), or for a number to the nearest number among
    the choices; a text that matches none would be another config, so the config is not sent.
    Neither is one that the space forbids, one that would be all defaults (the config of another
    algorithm), or one that is the same as an earlier one by now.

    Args:
        rename: Names in the configs to names in the space, where they differ.
        outside: `drop` does not send a config with a number out of range.
        exact: Send only what needs no change, as for a config that comes with its score.
        known: Configs, legal in the space, that the tuner has already; they are not sent again.

    Raises:
        InvalidConfig: `outside` is neither.
        NotFound: `rename` leads to a name that the space does not have.
    """
    axes = axes_of(space)
    if outside not in ("clip", "drop"):
        raise InvalidConfig(f"outside is {outside!r}; it must be 'clip' or 'drop'")
    for old, new in (rename or {}).items():
        if new not in axes:
            raise NotFound(f"{old!r} is renamed to {new!r}, but the space has {sorted(axes)[:20]}")
    sent: list[Config] = []
    places: list[int] = []
    changes: dict[str, list[Change]] = {"clipped": [], "filled": [], "dropped": []}
    why: dict[int, str] = {}
    for place, config in enumerate(configs):
        moving = _Moving(place, axes, outside)
        try:
            moved = moving.moved(_named(config, rename or {}, axes, moving))
            said = check(space, [moved])[0]
            if said is None and config and len(moving.filled) == len(moved) > 0:
                said = "none of its values has a place in this space"
            if said is None and exact:
                said = moving.said()
            if said is None and moved in known:
                said = "the tuner has it already"
            if said is None and moved in sent:
                said = f"in this space it is the same as config {places[sent.index(moved)]}"
        except Inexpressible as error:
            said = str(error)
        if said is not None:
            why[place] = said
            continue
        sent.append(moved)
        places.append(place)
        for word, made in changes.items():
            made += getattr(moving, word)
    return Report(
        tuple(sent),
        tuple(places),
        tuple(changes["clipped"]),
        tuple(changes["filled"]),
        tuple(changes["dropped"]),
        why,
    )


def unmoved(config: Config, space: ConfigurationSpace) -> Config:
    """A config that a tuner ran as the space has it, to be recorded with its score.

    Constants, which a tuner may not know, are added, and rounding of a step is undone.

    Raises:
        InvalidConfig: Anything else would have to change.
    """
    report = project([config], space)
    if report.why:
        raise InvalidConfig(report.why[0])
    axes = axes_of(space)
    for change in (*report.clipped, *report.filled, *report.dropped):
        if change in report.filled and axes[change.name].kind == "constant":
            continue
        before, after = change.before, change.after
        numbers = isinstance(before, float) and isinstance(after, float | int)
        if not numbers or not math.isclose(before, float(after or 0.0), rel_tol=1e-9):
            raise InvalidConfig(f"in the space it would be another config: {change.words}")
    return report.sent[0]


class Inexpressible(InvalidConfig):
    """A config that cannot be said in the space."""


class _Moving:
    """One config on its way, and what was done to it."""

    def __init__(self, place: int, axes: Mapping[str, Axis], outside: Outside) -> None:
        self._place, self._axes, self._outside = place, axes, outside
        self.clipped: list[Change] = []
        self.filled: list[Change] = []
        self.dropped: list[Change] = []

    def said(self) -> str | None:
        """The first change, in words; None if there is none."""
        changes = [*self.clipped, *self.filled, *self.dropped]
        return f"its score would be another one's: {changes[0].words}" if changes else None

    def drop(self, name: str, value: Any, why: str) -> None:
        """Leave a value out."""
        self.dropped.append(Change(self._place, name, value, None, why))

    def moved(self, given: Mapping[str, Any]) -> dict[str, Value]:
        """The config in the space; what is inactive there is dropped."""

        def choose(axis: Axis) -> Value:
            value = given.get(axis.name)
            if value is None:
                default = usual(axis)
                self.filled.append(Change(self._place, axis.name, None, default, "the default"))
                return default
            after, why = nearest(axis, value, self._outside)
            if why is not None:
                self.clipped.append(Change(self._place, axis.name, value, after, why))
            return after

        moved = walk(self._axes, choose)
        for name in given.keys() - moved.keys():
            condition = in_words(self._axes[name].condition)
            self.drop(name, given[name], f"it is inactive unless {condition}")
        return moved


def walk(axes: Mapping[str, Axis], choose: Callable[[Axis], Value]) -> dict[str, Value]:
    """A config made value by value, parents first; `choose` is asked for what is active."""
    config: dict[str, Value] = {}
    numbers: dict[str, Floats] = {}
    for name, axis in axes.items():
        numbers[name] = np.full(1, np.nan)
        if axis.condition is None or holds(axis.condition, numbers, axes)[0]:
            config[name] = choose(axis)
            numbers[name][0] = axis.number(config[name])
    return config


def _named(
    config: Config, rename: Mapping[str, str], axes: Mapping[str, Axis], moving: _Moving
) -> dict[str, Any]:
    """The values by the space's names; what has no name there is dropped."""
    renamed = {rename[name] for name in config if name in rename}
    named: dict[str, Any] = {}
    for name, value in config.items():
        new = rename.get(name, name)
        if value is None:
            continue
        if new not in axes:
            near = get_close_matches(new, axes, n=1)
            hint = f"; did you mean {near[0]!r}? then rename it" if near else ""
            moving.drop(name, value, f"the space has no such hyperparameter{hint}")
        elif new in named or (name not in rename and new in renamed):
            moving.drop(name, value, f"another value was renamed to {new!r}")
        else:
            named[new] = value
    return named


def nearest(axis: Axis, value: Any, outside: Outside) -> tuple[Value, str | None]:
    """The legal value nearest to one, and why it had to move; None where it is legal.

    Raises:
        Inexpressible: No legal value says the same.
    """
    with np.errstate(invalid="ignore"):  # infinity is no whole number
        numbers, illegal = axis.numbers([value])
    if not illegal[0]:
        after: Value = axis.objects(numbers)[0]
        same = after == value
        return after, None if same else f"it must be {axis.legal}"
    if axis.choices:
        for choice in axis.choices:
            if _text(choice) == _text(value):
                return choice, f"{choice!r} is the choice of that name"
    number = _number(value)
    legal = [c for c in axis.choices if _number(c) is not None and not isinstance(c, str)]
    if number is None or (axis.choices and not legal):
        raise Inexpressible(f"hyperparameter {axis.name!r} is {value!r}; it must be {axis.legal}")
    lower, upper = (
        (min(map(float, legal)), max(map(float, legal)))
        if axis.choices
        else (float(axis.hyperparameter.lower), float(axis.hyperparameter.upper))
    )
    if outside == "drop" and not lower <= number <= upper:
        raise Inexpressible(f"hyperparameter {axis.name!r} is {value!r}; it must be {axis.legal}")
    number = min(max(number, lower), upper)
    if axis.choices:
        after = min(legal, key=lambda choice: abs(float(choice) - number))
    elif axis.kind == "integer":
        after = _whole(number, log=bool(axis.hyperparameter.log))
    else:
        after = number
    return after, f"it must be {axis.legal}"


def _whole(number: float, *, log: bool) -> int:
    """The nearest whole number, by ratio on a logarithmic scale."""
    low, high = math.floor(number), math.ceil(number)
    middle = math.sqrt(low * high) if log and low > 0 else (low + high) / 2
    return low if number <= middle else high


def _number(value: Any) -> float | None:
    """A value as a number, also if it is written as text; None where it is none."""
    if isinstance(value, bool | np.bool_):
        return None
    try:
        number = float(value)
    except (TypeError, ValueError):
        return None
    except OverflowError:
        return math.inf if value > 0 else -math.inf
    return None if math.isnan(number) else number


def plain(value: Any) -> Any:
    """A tuner's value as a config has it and `metadb ingest` reads it: None a text, a list JSON."""
    if isinstance(value, float) and not math.isfinite(value):
        return str(value)
    if value is None or isinstance(value, PLAIN):
        return "None" if value is None else value
    if isinstance(value, np.generic):
        return plain(value.item())
    return json.dumps(value, ensure_ascii=False, sort_keys=True, default=str)


def _text(value: Any) -> str:
    return str(value).strip().casefold()


def usual(axis: Axis) -> Value:
    """The default of a hyperparameter."""
    value: Value = axis.objects(np.array([axis.number(axis.hyperparameter.default_value)]))[0]
    return value
