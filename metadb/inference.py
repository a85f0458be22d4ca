"""A space inferred from observed configs: kinds, bounds, scales, defaults and conditions."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import takewhile
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from metadb.axes import MAX_ONE_HOT, PLAIN, Bools, Floats, Value, sort_key
from metadb.columns import Columns, as_columns
from metadb.errors import InvalidConfig
from metadb.records import Config

if TYPE_CHECKING:
    from ConfigSpace import ConfigurationSpace

_MAX_EXACT = 2**53  # integers beyond it are not all float64 numbers
_LOG_RATIO = 100.0


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

    columns, _ = as_columns(configs)
    observed = [_observe(key, columns[key]) for key in sorted(columns)]
    observed = [one for one in observed if one.there.any()]
    parents = _parents(observed)
    space = ConfigurationSpace(name=name)
    made = {one.name: _hyperparameter(one, one.name in parents) for one in observed}
    space.add(list(made.values()))
    space.add([_condition(made[c], made[p], values) for c, (p, values) in parents.items()])
    return space


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


def _observe(name: str, values: list[Any]) -> _Observed:
    """One column: its kind and its distinct values."""
    kinds = set(map(type, values)) - {type(None)}
    if not kinds <= set(PLAIN):
        values = [v.item() if isinstance(v, np.generic) else v for v in values]
        kinds = set(map(type, values)) - {type(None)}
    for value in values if not kinds <= set(PLAIN) else ():
        if value is not None and not isinstance(value, PLAIN):
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
    return tuple(sorted(plain, key=sort_key))


def _hyperparameter(one: _Observed, explained: bool) -> Any:
    """The hyperparameter that the observed values suggest."""
    from ConfigSpace import hyperparameters as cs

    if one.kind == "constant" and (explained or one.there.all()):
        return cs.Constant(one.name, one.distinct[0])
    if one.kind in {"constant", "categorical"}:  # a constant would lose where it is absent
        count = Counter(one.seen)
        usual = min(one.distinct, key=lambda value: (-count[value], sort_key(value)))
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
