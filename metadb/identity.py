"""What makes two configurations, or two flows, the same one: canonical texts and their hashes.

One configuration is one row whatever library version or spelling it came in: `None`, `"none"` of
an XML file, `numpy.float64(0.1)`, the module path before or after scikit-learn renamed it. An
integer is not a float, though: `max_features=1` is one feature, `max_features=1.0` is all.
"""

from __future__ import annotations

import hashlib
import json
import math
import re
from collections.abc import Iterable, Mapping
from typing import Any

from metadb.errors import InvalidConfig
from metadb.records import Config

_SEPARATOR = "\x1f"


def typed(text: str) -> float | int | str | bool:
    """The value that a text stands for: `"true"` is True, `"3"` is 3, `"0.1"` is 0.1.

    What is none of these stays text; `None` stays the text `"None"`, since a hyperparameter that
    is None is set to None, while an absent one is inactive.

    >>> typed("3"), typed("3.0"), typed("True"), typed("None"), typed('"rbf"')
    (3, 3.0, True, 'None', 'rbf')
    """
    text = text.strip()
    if len(text) >= 2 and text[0] == text[-1] == '"':
        return text[1:-1]
    lowered = text.lower()
    if lowered in {"true", "false"}:
        return lowered == "true"
    if lowered in {"none", "null"}:
        return "None"
    if re.fullmatch(r"[+-]?[0-9]{1,300}", text):
        return int(text)
    if not re.fullmatch(r"[+-]?[0-9.]+([eE][+-]?[0-9]+)?", text):
        return text  # float() would take `1_0`, `nan` and digits of other scripts too
    try:
        number = float(text)
    except ValueError:
        return text
    return number if math.isfinite(number) else text


def canonical_config(config: Mapping[str, Any]) -> str:
    """The one text of a configuration: JSON with sorted names and plain values.

    Raises:
        InvalidConfig: A name is not text, or a value is not finite or not a plain value.
    """
    plain = {}
    for name, value in config.items():
        if not isinstance(name, str) or not name:
            raise InvalidConfig(f"a hyperparameter's name must be text, not {name!r}")
        plain[name] = _plain(name, value)
    text = json.dumps(plain, sort_keys=True, ensure_ascii=False, separators=(",", ":"))
    if not text.isascii():
        try:
            text.encode()
        except UnicodeEncodeError as error:
            raise InvalidConfig(f"the config {text!a} holds half a character") from error
    return text


def _plain(name: str, value: Any) -> float | int | str | bool:
    if hasattr(value, "item") and not getattr(value, "shape", ()):
        value = value.item()  # a NumPy scalar
    if value is None:
        return "None"
    if isinstance(value, float):
        if not math.isfinite(value):
            raise InvalidConfig(f"hyperparameter {name!r} is {value}; give a finite number")
        return value + 0.0  # -0.0 is 0.0
    if isinstance(value, bool | int):
        return value
    if isinstance(value, str):
        return str.__str__(value)  # numpy.str_ is text too, and so is a member of a text enum
    raise InvalidConfig(
        f"hyperparameter {name!r} has a {type(value).__name__} value; a config holds numbers, "
        "texts and booleans"
    )


def parse_config(text: str) -> dict[str, float | int | str | bool]:
    """The configuration that a canonical text stands for."""
    config: dict[str, float | int | str | bool] = json.loads(text)
    return config


def row_id(*parts: str | int | float | None) -> str:
    """The MD5 of a row's identity, as the store makes it in SQL: null is the empty text."""
    text = _SEPARATOR.join("" if part is None else str(part) for part in parts)
    return hashlib.md5(text.encode(), usedforsecurity=False).hexdigest()


def config_id(space: str, config: Config, native: str | None = None) -> str:
    """The id of a configuration: equal values in one space are one config.

    Args:
        native: The id at the origin, only where the hyperparameters are not known.
    """
    return row_id(space, native, canonical_config(config))


def config_ids(space: str, texts: Iterable[str]) -> list[str]:
    """The ids of configurations given as canonical texts, without native ids."""
    return [row_id(space, None, text) for text in texts]


_DOTTED = re.compile(r"\b([A-Za-z_]\w*)(?:\.[A-Za-z_]\w*)*\.([A-Za-z_]\w*)\b")
_VERSION = re.compile(r"\(\d+\)$")


def family(flow_name: str) -> str:
    """A flow's name without module paths and version: one per algorithm, across library versions.

    >>> family("sklearn.ensemble.forest.RandomForestClassifier(20)")
    'sklearn.RandomForestClassifier'
    >>> family("sklearn.ensemble._forest.RandomForestClassifier")
    'sklearn.RandomForestClassifier'
    """
    return _DOTTED.sub(r"\1.\2", _VERSION.sub("", flow_name))
