"""What ConfigSpace lacks: a space's id, encoding whole batches of configs, checking, inferring.

A space is a `ConfigSpace.ConfigurationSpace`; a config is a plain mapping in which an inactive
hyperparameter is absent (so is one given as None). All work goes a column at a time, never a
`Configuration` object per config. An inactive parent satisfies no condition on it, and an absent
hyperparameter violates no forbidden clause.
"""

from __future__ import annotations

import json
import math
import operator
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from difflib import get_close_matches
from hashlib import sha256
from itertools import repeat, takewhile
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from metadb.errors import InvalidConfig, InvalidSpace
from metadb.records import Config

if TYPE_CHECKING:
    from ConfigSpace import ConfigurationSpace
    from ConfigSpace.hyperparameters import Hyperparameter

Value = float | int | str | bool
Columns = Mapping[str, Sequence[Any]]
"""Configs the other way round: hyperparameter to its values, one per config, None where absent."""
Floats = NDArray[np.float64]
Bools = NDArray[np.bool_]

INACTIVE = -1.0
"""The code of an inactive number or ordinal; an inactive categorical has zeros in all columns."""

MAX_ONE_HOT = 64
"""A categorical with more choices than this takes one column instead of one per choice."""

_RELATIVE, _ABSOLUTE = 1e-9, 1e-13  # leeway at bounds; ConfigSpace rounds them to 13 decimals
_MAX_EXACT = 2**53  # integers beyond it are not all float64 numbers
_LOG_RATIO = 100.0
_MAX_BATCHES = 1000  # of random configs, until as many as asked for are not forbidden
_POWERS = np.array([float(f"1e{k}") for k in range(301)])  # exact up to 1e22, unlike 10.0**k
_COMPARE: dict[str, Callable[[Any, Any], Any]] = {
    "Equals": operator.eq,
    "NotEquals": operator.ne,
    "LessThan": operator.lt,
    "LessThanEquals": operator.le,
    "GreaterThan": operator.gt,
    "GreaterThanEquals": operator.ge,
}


# The id and the text of a space.


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
        _axes(space)
    except InvalidSpace:
        raise
    except Exception as error:  # ConfigSpace trusts its input: what it raises depends on the flaw
        why = f"{type(error).__name__}: {str(error).partition(chr(10))[0]}"
        raise InvalidSpace(f"ConfigSpace {__version__} cannot read this space ({why})") from error
    return space


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
    axes = _axes(space)  # raises where the space holds what a config cannot
    try:
        content = space.to_serialized_dict()
    except ValueError as error:  # a type of condition or clause that ConfigSpace does not know
        raise InvalidSpace(f"a part of the space has no JSON form: {error}") from error
    content.pop("python_module_version", None)
    for hyperparameter in content["hyperparameters"]:
        choices, weights = hyperparameter.get("choices"), hyperparameter.get("weights")
        if choices is not None:
            places = sorted(range(len(choices)), key=lambda i: _order(choices[i]))
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
        clause["values"] = sorted(values, key=_order)
    elif "value" in clause and of_float:
        clause["value"] = float(clause["value"])
    return clause


def _order(value: Value) -> tuple[bool, Any]:
    """Sorts numbers and booleans by size, then texts."""
    return isinstance(value, str), value


# A hyperparameter as an axis of numbers.


@dataclass(frozen=True, slots=True, eq=False)
class _Axis:
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
        return str(self.hyperparameter.name)

    @property
    def one_hot(self) -> bool:
        return self.kind == "categorical" and len(self.choices) <= MAX_ONE_HOT

    @property
    def column_names(self) -> list[str]:
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
            plain = [v if v is None or isinstance(v, _PLAIN) else _NOTHING for v in values]
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

    def write(self, numbers: Floats, x: Floats) -> None:
        """Fill this axis' columns of `x` (n, width), which holds zeros."""
        there = ~np.isnan(numbers)
        if self.one_hot:
            places = np.flatnonzero(there)
            x[places, self.start + numbers[there].astype(np.intp)] = 1.0
        elif self.kind != "constant":
            unit = np.full(len(numbers), INACTIVE)
            unit[there] = np.clip(self._unit(numbers[there]), 0.0, 1.0)
            x[:, self.start] = unit

    def _unit(self, numbers: Floats) -> Floats:
        if self.choices:
            return numbers / max(len(self.choices) - 1, 1)
        return np.asarray(self.hyperparameter.to_vector(numbers), dtype=np.float64)

    def read(self, x: Floats) -> Floats:
        """The numbers nearest to this axis' columns of `x` (n, width), NaN where inactive."""
        if self.kind == "constant":
            return np.zeros(len(x))
        if self.one_hot:
            part = x[:, self.start : self.start + len(self.choices)]
            return np.where(part.max(axis=1) > 0.0, part.argmax(axis=1), np.nan)
        unit = x[:, self.start]
        return np.where(unit < INACTIVE / 2, np.nan, self.from_unit(np.clip(unit, 0.0, 1.0)))

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


_PLAIN = (bool, int, float, str)
_NOTHING = object()


def _axes(space: ConfigurationSpace) -> dict[str, _Axis]:
    """The axes of a space by name, parents before children (ConfigSpace keeps that order)."""
    axes: dict[str, _Axis] = {}
    start = 0
    for name, hyperparameter in space.items():
        condition = next(iter(space.parent_conditions_of[name]), None)
        axes[name] = _Axis(hyperparameter, condition, *_kind(hyperparameter), start)
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
        return "categorical", tuple(sorted(choices, key=_order))
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
        if not isinstance(choice, _PLAIN) or choice in {math.inf, -math.inf} or _is_nan(choice):
            raise InvalidSpace(
                f"hyperparameter {name!r} has the choice {choice!r}; a config holds numbers, texts "
                "and booleans, so write None as the text 'None'"
            )
    return plain


def _is_nan(value: Any) -> bool:
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


# Configs as columns, and clauses over them.


def _columns(configs: Sequence[Config] | Columns) -> tuple[dict[str, list[Any]], int]:
    """Each hyperparameter's values, None where absent, and the number of configs."""
    if not isinstance(configs, Mapping):
        configs = list(configs)
        names = sorted(set().union(*configs))
        return {name: [c.get(name) for c in configs] for name in names}, len(configs)
    columns = {name: _listed(values) for name, values in configs.items()}
    lengths = {name: len(values) for name, values in columns.items()}
    if len(set(lengths.values())) > 1:
        raise InvalidConfig(f"the columns of a batch must be equally long, but are {lengths}")
    return columns, max(lengths.values(), default=0)


def _listed(values: Any) -> list[Any]:
    """A column as a list of Python values: also from Arrow, and from NumPy, where NaN is None."""
    if isinstance(values, str | int | float):
        raise InvalidConfig("give a list of configs, or columns of values; for one config [config]")
    if isinstance(values, np.ndarray):
        listed = values.tolist()
        return [None if _is_nan(v) else v for v in listed] if values.dtype.kind == "f" else listed
    return list(values.to_pylist() if hasattr(values, "to_pylist") else values)


def _holds(clause: Any, numbers: Mapping[str, Floats], axes: Mapping[str, _Axis]) -> Bools:
    """Where a condition, or a forbidden clause, of ConfigSpace is true, (n,)."""
    kind = type(clause).__name__.removeprefix("Forbidden")
    if kind in {"AndConjunction", "OrConjunction"}:
        parts = [_holds(part, numbers, axes) for part in clause.components]
        return np.asarray(np.all(parts, axis=0) if kind[0] == "A" else np.any(parts, axis=0))
    compare = _COMPARE.get(kind.removesuffix("Condition").removesuffix("Clause"))
    if kind.endswith("Relation"):
        return _related(clause, _COMPARE[kind.removesuffix("Relation")], numbers, axes)
    hyperparameter = clause.parent if hasattr(clause, "parent") else clause.hyperparameter
    axis, number = axes[hyperparameter.name], numbers[hyperparameter.name]
    if kind in {"InCondition", "InClause"}:
        return np.isin(number, [axis.number(v) for v in clause.values])
    if compare is None:
        raise InvalidSpace(f"a space cannot hold the clause {clause!r}")
    return np.asarray(compare(number, axis.number(clause.value)) & ~np.isnan(number))


def _related(
    clause: Any,
    compare: Callable[[Any, Any], Any],
    numbers: Mapping[str, Floats],
    axes: Mapping[str, _Axis],
) -> Bools:
    """Where the values of two hyperparameters, both there, compare; choices by their values."""
    left, right = axes[clause.left.name], axes[clause.right.name]
    a, b = numbers[left.name], numbers[right.name]
    both = ~(np.isnan(a) | np.isnan(b))
    holds = np.zeros(len(a), dtype=np.bool_)
    try:
        holds[both] = compare(left.objects(a[both]), right.objects(b[both])).astype(np.bool_)
    except TypeError as error:
        raise InvalidSpace(f"a forbidden clause compares text with numbers: {clause!r}") from error
    return holds


def _deactivate(numbers: dict[str, Floats], axes: Mapping[str, _Axis]) -> dict[str, Bools]:
    """Set to NaN what its condition makes inactive, parents first; where each is active."""
    active: dict[str, Bools] = {}
    for name, axis in axes.items():
        if axis.condition is None:
            active[name] = np.ones(len(numbers[name]), dtype=np.bool_)
        else:
            active[name] = _holds(axis.condition, numbers, axes)
            numbers[name] = np.where(active[name], numbers[name], np.nan)
    return active


def _rows(numbers: Mapping[str, Floats], axes: Mapping[str, _Axis], n: int) -> list[Config]:
    """The configs of `numbers`, hyperparameters in the order of the space."""
    if not axes:
        return [{} for _ in range(n)]
    columns = [axis.objects(numbers[name]).tolist() for name, axis in axes.items()]
    names = list(axes)
    return [
        {name: value for name, value in zip(names, row, strict=True) if value is not None}
        for row in zip(*columns, strict=True)
    ]


# Encoding.


@dataclass(frozen=True, slots=True, eq=False)
class Encoding:
    """The columns of a space as floats, for surrogates; made by `encoding(space)`.

    A number takes one column, scaled to [0, 1] as ConfigSpace does (logarithmically where the
    hyperparameter is); an ordinal one column, its place in [0, 1]; a categorical one column of 0
    or 1 per choice, choices sorted (one column, the place among the sorted choices, if there are
    more than `MAX_ONE_HOT`); a constant none. An inactive or absent hyperparameter is `INACTIVE`
    (-1.0) in its single column and all zeros in its one-hot columns: outside the range, so that a
    tree can split it off, a kernel keeps it apart from every value, and decoding is unambiguous.

    Spaces with the same id have the same encoding.
    """

    names: tuple[str, ...]
    _axes: Mapping[str, _Axis] = field(repr=False)

    @property
    def width(self) -> int:
        """The number of columns."""
        return len(self.names)

    def encode(self, configs: Sequence[Config] | Columns) -> Floats:
        """The configs as a matrix, shape (n, width).

        A value of a hyperparameter that is inactive is dropped; an absent one is encoded as
        inactive whether or not a condition says so. Forbidden clauses are not looked at.

        Args:
            configs: Mappings, or columns (None where absent, in a NumPy float column NaN).

        Raises:
            InvalidConfig: An unknown hyperparameter, or a value that is not legal for it.
        """
        columns, n = _columns(configs)
        numbers, why = _illegal(columns, n, self._axes)
        if why:
            place = min(why)
            raise InvalidConfig(f"config {place} cannot be encoded: {why[place]}")
        _deactivate(numbers, self._axes)
        x = np.zeros((n, self.width))
        for name, axis in self._axes.items():
            axis.write(numbers[name], x)
        return x

    def decode(self, x: Floats) -> list[Config]:
        """The configs nearest to the rows of `x`, shape (n, width), with plain Python values.

        Conditions are applied: what is inactive is absent whatever its columns say, what is
        active and has the inactive code (or NaN) gets its default. Floats have 13 significant
        digits. A config may be forbidden by a clause of the space: ask `check`.

        Raises:
            InvalidConfig: `x` has another width.
        """
        x = np.asarray(x, dtype=np.float64)
        if x.ndim != 2 or x.shape[1] != self.width:
            raise InvalidConfig(f"x must have shape (n, {self.width}), but has {x.shape}")
        x = np.nan_to_num(x, nan=INACTIVE)
        numbers: dict[str, Floats] = {}
        for name, axis in self._axes.items():
            number = axis.read(x)
            usual = axis.number(axis.hyperparameter.default_value)
            numbers[name] = np.where(np.isnan(number), usual, number)
        _deactivate(numbers, self._axes)
        return _rows(numbers, self._axes, len(x))


def encoding(space: ConfigurationSpace) -> Encoding:
    """The encoding of a space; later changes of the space do not change it."""
    axes = _axes(space)
    return Encoding(tuple(name for axis in axes.values() for name in axis.column_names), axes)


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
    axes = _axes(space)
    random = np.random.RandomState(seed)
    configs: list[Config] = []
    batch = max(n, 100)
    for _ in range(_MAX_BATCHES):
        if len(configs) >= n:
            return configs[:n]
        numbers = {name: axis.sample(batch, random) for name, axis in axes.items()}
        _deactivate(numbers, axes)
        allowed = np.ones(batch, dtype=np.bool_)
        for clause in space.forbidden_clauses:
            allowed &= ~_holds(clause, numbers, axes)
        kept = {name: number[allowed] for name, number in numbers.items()}
        configs += _rows(kept, axes, int(allowed.sum()))
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
    axes = _axes(space)
    columns, n = _columns(configs)
    numbers, why = _illegal(columns, n, axes)
    there = {name: ~np.isnan(number) for name, number in numbers.items()}
    active = _deactivate(numbers, axes)
    for name, axis in axes.items():
        for i in np.flatnonzero(there[name] & ~active[name]).tolist():
            why.setdefault(i, _set_though_inactive(axis, columns[name][i]))
        for i in np.flatnonzero(active[name] & ~there[name]).tolist():
            why.setdefault(i, _missing(axis))
    for clause in space.forbidden_clauses:
        named = [name for name in axes if name in _mentioned(clause)]
        for i in np.flatnonzero(_holds(clause, numbers, axes)).tolist():
            values = " and ".join(
                f"{name!r} is {columns[name][i]!r}" for name in named if there[name][i]
            )
            why.setdefault(
                i, f"{values}, but the space forbids {_words(clause)}; change one of them"
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


def _illegal(
    columns: Mapping[str, list[Any]], n: int, axes: Mapping[str, _Axis]
) -> tuple[dict[str, Floats], dict[int, str]]:
    """The numbers of each axis, and per bad config what is unknown or illegal in itself."""
    why: dict[int, str] = {}
    for name in sorted(columns.keys() - axes.keys()):
        near = get_close_matches(name, axes, n=1)
        hint = f"did you mean {near[0]!r}?" if near else f"there are {sorted(axes)[:20]}"
        for i, value in enumerate(columns[name]):
            if value is not None:
                why.setdefault(i, f"there is no hyperparameter {name!r} (here {value!r}); {hint}")
    numbers: dict[str, Floats] = {}
    for name, axis in axes.items():
        numbers[name], illegal = axis.numbers(columns.get(name, [None] * n))
        for i in np.flatnonzero(illegal).tolist():
            value = columns[name][i]
            why.setdefault(i, f"hyperparameter {name!r} is {value!r}; it must be {axis.legal}")
    return numbers, why


def _set_though_inactive(axis: _Axis, value: Any) -> str:
    return (
        f"hyperparameter {axis.name!r} is {value!r} but inactive; leave it out unless "
        f"{_words(axis.condition)}"
    )


def _missing(axis: _Axis) -> str:
    when = "in every config" if axis.condition is None else f"as {_words(axis.condition)}"
    return f"hyperparameter {axis.name!r} is missing; {when} it must be {axis.legal}"


def _words(clause: Any) -> str:
    """A condition or forbidden clause as ConfigSpace writes it, without child and keyword."""
    text = str(clause).replace("Forbidden: ", "")
    return text.replace(f"{clause.child.name} | ", "") if hasattr(clause, "child") else text


def _mentioned(clause: Any) -> set[str]:
    if hasattr(clause, "components"):
        return set().union(*map(_mentioned, clause.components))
    if hasattr(clause, "left"):
        return {clause.left.name, clause.right.name}
    return {clause.hyperparameter.name}


# Inferring a space from what was observed.


@dataclass(frozen=True, slots=True, eq=False)
class _Observed:
    """What the configs show of one hyperparameter: its values, None where absent."""

    name: str
    values: list[Value | None]
    there: Bools
    kind: str  # float, integer, categorical or constant
    distinct: tuple[Value, ...]  # sorted

    @property
    def seen(self) -> list[Value]:
        return [value for value in self.values if value is not None]


def infer(name: str, configs: Sequence[Config] | Columns) -> ConfigurationSpace:
    """A space in which the given configs are legal; their order does not matter.

    - One value makes a constant; booleans, texts and mixtures ("auto" or 0.3) a categorical of
      the observed values; integers an integer; floats, or floats and integers, a float. Bounds
      are the observed ones; integers beyond 2**53 are floats.
    - The scale is logarithmic where all values are positive, the largest is at least 100 times
      the smallest, and the logarithms of the distinct values are at least as evenly spread as
      the values (Kolmogorov-Smirnov distance to the uniform distribution).
    - A default is the median, or the most frequent choice.
    - A hyperparameter that is absent in some configs is conditional on the categorical (of at
      most `MAX_ONE_HOT` choices) whose values tell exactly where it is there, or else on an
      integer exceeding a threshold. Of several, the one with the fewest such values, then the one
      there in the fewest configs, then the one whose name begins most alike.
    - ConfigSpace knows no optional hyperparameter: an absence that no single parent explains
      gives no condition. `encode` takes such configs all the same; `check` calls it missing.

    Raises:
        InvalidConfig: A value is not finite or not plain.
    """
    from ConfigSpace import ConfigurationSpace

    columns, _ = _columns(configs)
    observed = [_observe(key, columns[key]) for key in sorted(columns)]
    observed = [one for one in observed if one.there.any()]
    parents = _parents(observed)
    space = ConfigurationSpace(name=name)
    made = {one.name: _hyperparameter(one, one.name in parents) for one in observed}
    space.add(list(made.values()))
    space.add([_condition(made[c], made[p], values) for c, (p, values) in parents.items()])
    return space


def _observe(name: str, values: list[Any]) -> _Observed:
    """One column: its kind and its distinct values."""
    kinds = set(map(type, values)) - {type(None)}
    if not kinds <= set(_PLAIN):
        values = [v.item() if isinstance(v, np.generic) else v for v in values]
        kinds = set(map(type, values)) - {type(None)}
    for value in values if not kinds <= set(_PLAIN) else ():
        if value is not None and not isinstance(value, _PLAIN):
            raise InvalidConfig(f"hyperparameter {name!r} is {value!r}; give a plain value")
    there = np.array([value is not None for value in values], dtype=np.bool_)
    if float in kinds:
        for value in values:
            if isinstance(value, float) and not math.isfinite(value):
                raise InvalidConfig(f"hyperparameter {name!r} is {value}; give a finite number")
    distinct = _distinct(values, kinds)
    if len(distinct) <= 1:
        return _Observed(name, values, there, "constant", distinct)
    if not kinds <= {int, float}:
        return _Observed(name, values, there, "categorical", distinct)
    exact = max(abs(distinct[0]), abs(distinct[-1])) <= _MAX_EXACT  # type: ignore[arg-type]
    kind = "integer" if kinds == {int} and exact else "float"
    if kind == "float" and not _fits(float(distinct[0]), float(distinct[-1])):
        kind = "categorical"
    return _Observed(name, values, there, kind, distinct)


def _fits(lower: float, upper: float) -> bool:
    """Whether ConfigSpace, which rounds bounds to 13 decimals, can hold such a range."""
    return round(lower, 13) < round(upper, 13) and max(abs(lower), abs(upper)) < 1e290


def _distinct(values: Sequence[Any], kinds: set[type]) -> tuple[Value, ...]:
    """The distinct values in order; of equal ones (True, 1, 1.0; 0.0, -0.0) always the same."""
    if len(kinds) > 1:
        typed = {(type(value).__name__, value) for value in values if value is not None}
        values = list(dict.fromkeys(value for _, value in sorted(typed, key=lambda t: t[0])))
    plain = {v + 0.0 if isinstance(v, float) else v for v in set(values) - {None}}
    return tuple(sorted(plain, key=_order))


def _hyperparameter(one: _Observed, explained: bool) -> Any:
    """The hyperparameter that the observed values suggest."""
    from ConfigSpace import hyperparameters as cs

    if one.kind == "constant" and (explained or one.there.all()):
        return cs.Constant(one.name, one.distinct[0])
    if one.kind in {"constant", "categorical"}:  # a constant would lose where it is absent
        count = Counter(one.seen)
        usual = min(one.distinct, key=lambda value: (-count[value], _order(value)))
        return cs.CategoricalHyperparameter(one.name, one.distinct, default_value=usual)
    numbers = np.array(one.seen, dtype=np.float64) + 0.0  # no -0.0
    lower, upper = numbers.min(), numbers.max()
    middle = float(np.partition(numbers, (len(numbers) - 1) // 2)[(len(numbers) - 1) // 2])
    log = _logarithmic(np.array(one.distinct, dtype=np.float64))
    if one.kind == "integer":
        return cs.UniformIntegerHyperparameter(one.name, lower, upper, int(middle), log=log)
    return cs.UniformFloatHyperparameter(one.name, lower, upper, middle, log=log)


def _logarithmic(distinct: Floats) -> bool:
    """Whether sorted values span decades, evenly on the logarithmic scale."""
    if round(distinct[0], 13) <= 0 or distinct[-1] < _LOG_RATIO * distinct[0]:
        return False
    even = np.linspace(0.0, 1.0, len(distinct))

    def unevenness(values: Floats) -> float:
        return float(np.abs((values - values[0]) / (values[-1] - values[0]) - even).max())

    return unevenness(np.log(distinct)) <= unevenness(distinct)


def _parents(observed: Sequence[_Observed]) -> dict[str, tuple[str, tuple[Value, ...] | Value]]:
    """Per child its parent with the values, or the threshold, that tell where it is there."""
    n_there = {one.name: int(one.there.sum()) for one in observed}
    candidates = [
        one
        for one in observed
        if one.kind == "integer" or (one.kind == "categorical" and len(one.distinct) <= MAX_ONE_HOT)
    ]
    codes = {one.name: _observed_codes(one) for one in candidates}
    known: dict[bytes, list[tuple[int, int, str, tuple[Value, ...] | Value]]] = {}
    parents: dict[str, tuple[str, tuple[Value, ...] | Value]] = {}
    for child in observed:
        pattern = child.there.tobytes()
        if child.there.all():
            continue
        if pattern not in known:
            known[pattern] = []
            for one in candidates:
                if n_there[one.name] > n_there[child.name]:
                    values = _explains(one, codes[one.name], child.there)
                    if values is not None:
                        few = len(values) if isinstance(values, tuple) else MAX_ONE_HOT + 1
                        known[pattern].append((few, n_there[one.name], one.name, values))
        if known[pattern]:
            _, _, parent, values = min(
                known[pattern], key=lambda k: (k[0], k[1], -_shared(child.name, k[2]), k[2])
            )
            parents[child.name] = parent, values
    return parents


def _observed_codes(one: _Observed) -> NDArray[np.int64]:
    """Index among the distinct values; -1 where absent."""
    lookup: dict[Any, int] = {value: i for i, value in enumerate(one.distinct)}
    lookup[None] = -1
    found = (lookup[value] for value in one.values)
    return np.fromiter(found, dtype=np.int64, count=len(one.values))


def _explains(
    one: _Observed, codes: NDArray[np.int64], there: Bools
) -> tuple[Value, ...] | Value | None:
    """The values of `one` (or the threshold it exceeds) exactly where `there`, or None."""
    with_child, without = codes[there], codes[~there]
    if with_child.min() < 0:
        return None
    if one.kind == "integer":
        highest = int(without.max())
        return one.distinct[highest] if 0 <= highest < with_child.min() else None
    count = np.bincount(with_child, minlength=len(one.distinct))
    other = np.bincount(without[without >= 0], minlength=len(one.distinct))
    if ((count > 0) & (other > 0)).any():
        return None
    return tuple(one.distinct[i] for i in np.flatnonzero(count))


def _shared(a: str, b: str) -> int:
    """How many leading characters two names share."""
    return sum(1 for _ in takewhile(lambda pair: pair[0] == pair[1], zip(a, b, strict=False)))


def _condition(child: Any, parent: Any, values: tuple[Value, ...] | Value) -> Any:
    from ConfigSpace import EqualsCondition, GreaterThanCondition, InCondition

    if not isinstance(values, tuple):
        return GreaterThanCondition(child, parent, values)
    if len(values) == 1:
        return EqualsCondition(child, parent, values[0])
    return InCondition(child, parent, list(values))
