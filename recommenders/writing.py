"""What a fitted recommender is made of, taken apart into plain JSON and arrays.

The objects stand in a list, each after those that it holds; the same object held twice stands there
once, so that what was shared is shared again. A value is written as

    text, whole number, true, false, null   itself
    floating-point number                   itself, or {"float": "inf"} where JSON has none
    long text                               {"text": FILE}
    tuple, list                             {"tuple": [...]}, {"list": [...]}
    tuple of many texts                     {"lines": FILE}, a JSON text a line
    mapping                                 {"mapping": [[key, value], ...]}
    array                                   {"array": NAME}
    dataclass                               {"object": place in the list}
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import replace
from hashlib import sha256
from math import isfinite
from typing import Any

import numpy as np
from numpy.typing import NDArray

from metadb.errors import InvalidSpace, MetadbError
from metadb.history import Configs
from recommenders.parts import fits, hints, key_of, names

_LONG = 2000  # characters; a longer text has a file of its own
_MANY = 50  # texts; a longer tuple has one
_KINDS = "biuf"  # of arrays: booleans, whole and floating-point numbers


class Writer:
    """Takes values apart; `objects`, `shapes` and `files` then are what there is to write.

    Args:
        classes: Those that may be written, by key.
    """

    def __init__(self, classes: Mapping[str, type]) -> None:
        self.objects: list[dict[str, Any]] = []
        self.shapes: dict[str, list[Any]] = {}
        self._classes = classes
        self._arrays: dict[str, NDArray[Any]] = {}
        self._texts: dict[str, bytes] = {}
        self._seen: dict[int, tuple[Any, dict[str, Any]]] = {}  # kept alive, so ids stay theirs

    def write(self, value: Any, path: str = "the recommender") -> Any:
        """A value as JSON has it.

        Raises:
            MetadbError: It, or a part of it, has no form without pickle.
        """
        if value is None or isinstance(value, bool | np.bool_):
            return None if value is None else bool(value)
        if isinstance(value, int | np.integer):
            return int(value)
        if isinstance(value, float | np.floating):
            number = float(value)
            return number if isfinite(number) else {"float": repr(number)}
        if isinstance(value, str):
            return str(value) if len(value) <= _LONG else {"text": self._text(str(value))}
        if id(value) not in self._seen:
            self._seen[id(value)] = (value, self._part(value, path))
        return self._seen[id(value)][1]

    def files(self) -> dict[str, bytes]:
        """File name to content; a name begins with the hash of the content."""
        if not self._arrays:
            return dict(self._texts)
        from safetensors.numpy import save

        body = save(self._arrays)
        return {**self._texts, f"{sha256(body).hexdigest()[:16]}.safetensors": body}

    def _part(self, value: Any, path: str) -> dict[str, Any]:
        if isinstance(value, np.ndarray):
            return self._array(value, path)
        if type(value) in (tuple, list):
            texts = type(value) is tuple and all(type(item) is str for item in value)
            if texts and len(value) > _MANY:
                return {"lines": self._text("".join(json.dumps(t) + "\n" for t in value))}
            inner = [self.write(item, f"{path}[{i}]") for i, item in enumerate(value)]
            return {type(value).__name__: inner}
        if isinstance(value, Mapping):
            items = [
                [self.write(key, path), self.write(item, f"{path}[{key!r}]")]
                for key, item in value.items()
            ]
            return {"mapping": items}
        if isinstance(value, Configs):
            value = _with_space(value)
        kind = type(value)
        if self._classes.get(key_of(kind)) is kind:
            return self._object(value, kind, path)
        raise MetadbError(
            f"{path} is a {kind.__module__}.{kind.__qualname__}, which cannot be saved; a saved "
            "recommender holds arrays, texts, numbers, and dataclasses that are registered"
        )

    def _object(self, value: Any, kind: type, path: str) -> dict[str, Any]:
        fields, declared = {}, hints(kind)
        for name in names(kind):
            inner = getattr(value, name)
            fields[name] = self.write(inner, f"{path}.{name}")
            if not fits(inner, declared.get(name, Any)):
                raise MetadbError(
                    f"{path}.{name} is a {type(inner).__name__}, and not what {kind.__name__} "
                    "declares it to be; it could not be read back"
                )
        self.objects.append({"class": key_of(kind), "fields": fields})
        return {"object": len(self.objects) - 1}

    def _array(self, value: NDArray[Any], path: str) -> dict[str, Any]:
        if value.dtype.kind not in _KINDS or value.dtype.itemsize > 8:
            raise MetadbError(f"{path} is an array of {value.dtype}, which cannot be saved")
        name = f"array_{len(self._arrays)}"
        dtype = value.dtype.newbyteorder("=")
        self._arrays[name] = np.array(value, dtype=dtype, order="C")
        self.shapes[name] = [dtype.name, *value.shape]
        return {"array": name}

    def _text(self, text: str) -> str:
        body = text.encode("utf-8", "surrogatepass")
        name = f"{sha256(body).hexdigest()[:16]}.txt"
        self._texts[name] = body
        return name


def _with_space(configs: Configs) -> Configs:
    """The batch with its space written down, so that it is encoded alike wherever it is read.

    Where the space was inferred, another metadb, or a part of the configs, might infer another.
    """
    if configs.definition is not None:
        return configs
    from metadb.space import to_json

    try:
        return replace(configs, definition=to_json(configs.space))
    except InvalidSpace:  # it has no text, so it is inferred again
        return configs
