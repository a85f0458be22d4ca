"""Laws of who grows a tree: whoever it is, the tree is scikit-learn's."""

from __future__ import annotations

from importlib.metadata import version

import numpy as np
import pytest

from metadb.metafeatures import Table, tree
from metadb.metafeatures.table import Arrays


def test_of_another_scikit_learn_no_tree_is_grown_here(monkeypatch: pytest.MonkeyPatch) -> None:
    rng = np.random.default_rng(0)
    data = Table(
        Arrays(rng.normal(size=(20, 1000)), np.empty((0, 1000), np.int32)),
        "classification",
        np.arange(1000) % 2,
    )
    assert tree._is_ours(data) == version("scikit-learn").startswith(tree.SAME_AS)
    monkeypatch.setattr(tree, "SAME_AS", "0.1.")
    assert not tree._is_ours(data)
