"""The registry of families."""

from __future__ import annotations

import pytest

from metadb.errors import NotFound
from recommenders import family


def test_an_unknown_family_is_named_with_those_that_exist():
    with pytest.raises(NotFound, match="no recommender 'magic'; there are auto, random, cold"):
        family("magic")
