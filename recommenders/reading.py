"""A fitted recommender put together from what `recommenders.writing` made of it."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from metadb.errors import MalformedFile
from recommenders.parts import fits, hints, names


class Reader:
    """Puts values together from what a `Writer` made of them.

    Args:
        classes: Those that may be made, by key.
        files: File name to content, verified.
        shapes: Array name to type and shape, as the manifest says.
    """

    def __init__(
        self, classes: Mapping[str, type], files: Mapping[str, bytes], shapes: Mapping[str, Any]
    ) -> None:
        self._classes = classes
        self._files = files
        self._arrays = _arrays(files, shapes)
        self._made: list[Any] = []

    def read(self, objects: Sequence[Any], root: Any) -> Any:
        """The object at the root.

        Raises:
            MalformedFile: A class, file, array or field that is not there, or not as declared.
        """
        for described in objects:
            self._made.append(self._object(described))
        return self._value(root)

    def _object(self, described: Any) -> Any:
        key, fields = described["class"], described["fields"]
        kind = self._classes.get(key)
        if kind is None:
            raise MalformedFile(f"it names the class {key!r}, which no recommender here is made of")
        expected = set(names(kind))
        if set(fields) != expected:
            odd = ", ".join(sorted(expected ^ set(fields)))
            raise MalformedFile(
                f"{key} has other fields than this metadb's ({odd}); fit the recommender again"
            )
        values = {name: self._value(inner) for name, inner in fields.items()}
        declared = hints(kind)
        for name, value in values.items():
            if not fits(value, declared.get(name, Any)):
                raise MalformedFile(f"{key}.{name} is a {type(value).__name__} of a wrong type")
        return kind(**values)

    def _value(self, written: Any) -> Any:
        if not isinstance(written, dict):
            if isinstance(written, list):
                raise MalformedFile("it holds a list where a value is due")
            return written
        ((how, inner),) = written.items()
        if how == "object":
            if type(inner) is not int or not 0 <= inner < len(self._made):
                raise MalformedFile(f"it refers to object {inner!r}, which does not stand before")
            return self._made[inner]
        if how == "array":
            return self._arrays[inner]
        if how == "float":
            return float(inner)
        if how == "text":
            return self._files[inner].decode("utf-8", "surrogatepass")
        if how == "lines":
            return tuple(json.loads(line) for line in self._files[inner].splitlines())
        if how in ("tuple", "list"):
            values = [self._value(item) for item in inner]
            return tuple(values) if how == "tuple" else values
        if how == "mapping":
            return {self._value(key): self._value(item) for key, item in inner}
        raise MalformedFile(f"it holds {how!r}, which is no kind of value")


def _arrays(files: Mapping[str, bytes], shapes: Mapping[str, Any]) -> dict[str, NDArray[Any]]:
    """Arrays by name, each of the type and shape that the manifest says."""
    found: dict[str, NDArray[Any]] = {}
    for name, body in files.items():
        if name.endswith(".safetensors"):
            from safetensors.numpy import load

            found |= {key: np.array(value) for key, value in load(body).items()}  # writable
    if set(found) != set(shapes):
        odd = ", ".join(sorted(set(found) ^ set(shapes)))
        raise MalformedFile(f"its arrays are not those of the files ({odd})")
    for name, array in found.items():
        if [array.dtype.name, *array.shape] != shapes[name]:
            raise MalformedFile(
                f"{name} is {array.dtype.name} {array.shape} in the file, and {shapes[name]} in "
                "the manifest"
            )
    return found
