"""Whether the tuner of a hook is installed, said in a sentence before its import fails."""

from __future__ import annotations

from importlib.util import find_spec

from metadb.errors import WrongUsage


def needs(package: str, *, extra: str) -> None:
    """Called first in the file of a hook; imports nothing.

    Args:
        package: As it is imported.
        extra: The extra of metadb that brings it.

    Raises:
        WrongUsage: The package is not installed.
    """
    if find_spec(package) is None:
        raise WrongUsage(
            f"this hook needs the package {package}, which is not installed: "
            f"pip install 'metadb[{extra}]'"
        )
