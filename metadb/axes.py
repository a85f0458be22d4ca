"""A hyperparameter of a ConfigSpace as an axis of numbers: a value, or the index of a choice."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import repeat
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from metadb.errors import InvalidSpace
from metadb.unchanged import while_unchanged

if TYPE_CHECKING:
    from ConfigSpace import ConfigurationSpace
    from ConfigSpace.hyperparameters import Hyperparameter

Value = float | int | str | bool
Floats = NDArray[np.float64]
Bools = NDArray[np.bool_]

PLAIN = (bool, int, float, str)
"""The types that a value in a config may have."""

MAX_ONE_HOT = 64
"""A categorical with more choices than this takes one column instead of one per choice."""

_RELATIVE, _ABSOLUTE = 1e-9, 1e-13  # leeway at bounds; ConfigSpace rounds them to 13 decimals
_POWERS = np.array([float(f"1e{k}") for k in range(301)])  # exact up to 1e22, unlike 10.0**k
_NOTHING = object()


@dataclass(frozen=True, slots=True, eq=False)
class Axis:
    """One hyperparameter as numbers: a value, or a choice's index; NaN where absent.

    Choices of a categorical stand in sorted order, so that spaces of one id are encoded alike.
    """

    hyperparameter: Any
    condition: Any
    kind: str  # float, integer, ordinal, categorical or constant
    choices: tuple[Value, ...]  # () for numbers
    start: int  # its first column

    @property
    def name(self) -> str:
        """The name of the hyperparameter."""
        return str(self.hyperparameter.name)

    @property
    def one_hot(self) -> bool:
        """Whether each choice has its own column."""
        return self.kind == "categorical" and len(self.choices) <= MAX_ONE_HOT

    @property
    def column_names(self) -> list[str]:
        """The names of its columns in an encoding; a constant has none."""
        if self.kind == "constant":
            return []
        if not self.one_hot:
            return [self.name]
        labels = list(map(str, self.choices))
        if len(set(labels)) < len(labels):  # 1 and "1"
            labels = list(map(repr, self.choices))
        return [f"{self.name}={label}" for label in labels]

    def number(self, value: Value) -> float:
        """The number of one legal value."""
        return float(self.choices.index(value) if self.choices else value)

    def numbers(self, values: list[Any]) -> tuple[Floats, Bools]:
        """The numbers of `values` (n,), and which of them are illegal; those are NaN."""
        if self.choices:
            codes = self._codes(values)
            return np.where(codes < 0, np.nan, codes), codes == -2
        numbers, illegal = _as_floats(values)
        lower, upper = float(self.hyperparameter.lower), float(self.hyperparameter.upper)
        illegal |= numbers < lower - _RELATIVE * abs(lower) - _ABSOLUTE
        illegal |= numbers > upper + _RELATIVE * abs(upper) + _ABSOLUTE
        if self.kind == "integer":
            whole = np.rint(numbers)
            illegal |= np.abs(numbers - whole) > _RELATIVE
            numbers = whole
        return np.where(illegal, np.nan, np.clip(numbers, lower, upper)), illegal

    def _codes(self, values: list[Any]) -> NDArray[np.int64]:
        """Index of the choice, -1 where absent, -2 where there is no such choice."""
        lookup: dict[Any, int] = {choice: i for i, choice in enumerate(self.choices)}
        lookup[None] = -1
        try:
            found = map(lookup.get, values, repeat(-2))
            return np.fromiter(found, dtype=np.int64, count=len(values))
        except TypeError:  # a list or another value that cannot be looked up
            plain = [v if v is None or isinstance(v, PLAIN) else _NOTHING for v in values]
            return np.array([lookup.get(v, -2) for v in plain], dtype=np.int64)

    def objects(self, numbers: Floats) -> NDArray[np.object_]:
        """The plain Python values of `numbers` (n,), None where absent."""
        values = np.full(len(numbers), None, dtype=object)
        there = ~np.isnan(numbers)
        if self.kind == "float":
            values[there] = numbers[there]
        elif self.kind == "integer":
            values[there] = numbers[there].astype(np.int64)
        else:
            choices = np.empty(len(self.choices), dtype=object)
            choices[:] = self.choices
            values[there] = choices[numbers[there].astype(np.intp)]
        return values

    def to_unit(self, numbers: Floats) -> Floats:
        """The places of `numbers` (n,) in [0, 1]."""
        if self.choices:
            return numbers / max(len(self.choices) - 1, 1)
        return np.asarray(self.hyperparameter.to_vector(numbers), dtype=np.float64)

    def from_unit(self, unit: Floats) -> Floats:
        """The numbers at places in [0, 1], (n,); floats with 13 significant digits."""
        if self.choices:
            return np.rint(unit * (len(self.choices) - 1))
        numbers = np.asarray(self.hyperparameter.to_value(unit), dtype=np.float64)
        if self.kind == "integer":
            return numbers
        return np.clip(_tidy(numbers), self.hyperparameter.lower, self.hyperparameter.upper)

    def sample(self, n: int, random: np.random.RandomState) -> Floats:
        """Numbers drawn from this hyperparameter's own prior, (n,)."""
        if self.kind == "categorical":
            prior = dict(
                zip(self.hyperparameter.choices, self.hyperparameter.probabilities, strict=True)
            )
            p = [prior[choice] for choice in self.choices]
            return random.choice(len(p), size=n, p=p).astype(np.float64)
        if self.kind == "constant":
            return np.zeros(n)
        vector = np.asarray(self.hyperparameter.sample_vector(size=n, seed=random), dtype=float)
        return vector if self.choices else self.from_unit(np.clip(vector, 0.0, 1.0))

    @property
    def legal(self) -> str:
        """What a value of this hyperparameter must be, in words."""
        if self.kind == "constant":
            return repr(self.choices[0])
        if self.choices:
            more = [f"or {len(self.choices) - 10} more"] if len(self.choices) > 10 else []
            return "one of " + ", ".join([*map(repr, self.choices[:10]), *more])
        word = "an integer" if self.kind == "integer" else "a number"
        return f"{word} from {self.hyperparameter.lower} to {self.hyperparameter.upper}"


@while_unchanged
def axes_of(space: ConfigurationSpace) -> Mapping[str, Axis]:
    """The axes of a space by name, parents before children (ConfigSpace keeps that order)."""
    axes: dict[str, Axis] = {}
    start = 0
    for name, hyperparameter in space.items():
        condition = next(iter(space.parent_conditions_of[name]), None)
        axes[name] = Axis(hyperparameter, condition, *_kind(hyperparameter), start)
        start += len(axes[name].column_names)
    return axes


def _kind(hyperparameter: Hyperparameter[Any, Any]) -> tuple[str, tuple[Value, ...]]:
    from ConfigSpace import hyperparameters as cs

    name = hyperparameter.name
    if isinstance(hyperparameter, cs.FloatHyperparameter | cs.IntegerHyperparameter):
        if not (math.isfinite(hyperparameter.lower) and math.isfinite(hyperparameter.upper)):
            raise InvalidSpace(f"hyperparameter {name!r} needs finite bounds")
        return ("float" if isinstance(hyperparameter, cs.FloatHyperparameter) else "integer"), ()
    if isinstance(hyperparameter, cs.CategoricalHyperparameter):
        choices = _plain_choices(name, hyperparameter.choices)
        return "categorical", tuple(sorted(choices, key=sort_key))
    if isinstance(hyperparameter, cs.OrdinalHyperparameter):
        return "ordinal", _plain_choices(name, hyperparameter.sequence)
    if isinstance(hyperparameter, cs.Constant):
        return "constant", _plain_choices(name, (hyperparameter.value,))
    raise InvalidSpace(
        f"hyperparameter {name!r} is a {type(hyperparameter).__name__}; a space may hold floats, "
        "integers, categoricals, ordinals and constants"
    )


def _plain_choices(name: str, choices: Sequence[Any]) -> tuple[Value, ...]:
    plain = tuple(c.item() if isinstance(c, np.generic) else c for c in choices)
    for choice in plain:
        if not isinstance(choice, PLAIN) or choice in {math.inf, -math.inf} or is_nan(choice):
            raise InvalidSpace(
                f"hyperparameter {name!r} has the choice {choice!r}; a config holds numbers, texts "
                "and booleans, so write None as the text 'None'"
            )
    return plain


def sort_key(value: Value) -> tuple[bool, Any]:
    """Sorts numbers and booleans by size, then texts."""
    return isinstance(value, str), value


def is_nan(value: Any) -> bool:
    """Whether a value of any type is the float NaN."""
    return isinstance(value, float) and math.isnan(value)


def _as_floats(values: list[Any]) -> tuple[Floats, Bools]:
    """`values` as floats, NaN where None, and which of them are no finite numbers."""
    kinds = set(map(type, values))
    if all(kind is type(None) or _is_number(kind) for kind in kinds):
        try:
            numbers = np.array(values, dtype=np.float64)
        except OverflowError:  # an integer beyond any float
            numbers = np.array([_float(v) for v in values], dtype=np.float64)
        illegal = ~np.isfinite(numbers)
        if illegal.sum() == values.count(None):
            illegal[:] = False
            return numbers, illegal
    numbers = np.array([_float(v) for v in values], dtype=np.float64)
    absent = np.array([v is None for v in values], dtype=np.bool_)
    return numbers, ~np.isfinite(numbers) & ~absent


def _is_number(kind: type) -> bool:
    return issubclass(kind, int | float | np.integer | np.floating) and not issubclass(kind, bool)


def _float(value: Any) -> float:
    try:
        return float(value) if _is_number(type(value)) else math.nan
    except OverflowError:
        return math.inf


def _tidy(numbers: Floats) -> Floats:
    """`numbers` to 13 significant digits, so that 0.1 comes back as 0.1 from any scale."""
    with np.errstate(divide="ignore"):
        digits = 12 - np.floor(np.log10(np.abs(numbers)))
    digits = np.clip(np.nan_to_num(digits, posinf=0), -300, 300).astype(np.intp)
    up, down = _POWERS[np.maximum(digits, 0)], _POWERS[np.maximum(-digits, 0)]
    return np.asarray(np.rint(numbers / down * up) / up * down, dtype=np.float64)
