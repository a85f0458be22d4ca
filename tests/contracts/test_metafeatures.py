"""Laws of every group of meta-features, members read from the registry."""

from __future__ import annotations

from collections import Counter

import numpy as np
import pytest

from metadb.metafeatures import METAFEATURES, Table, extract_table
from metadb.metafeatures.features import names_of
from metadb.metafeatures.table import Arrays

KINDS = ("classification", "regression", "clustering")


def table(kind: str, *, n: int = 120, order: np.ndarray | None = None) -> Table:
    rng = np.random.default_rng(3)
    x, c = rng.normal(size=(4, n)), rng.integers(0, 3, (2, n)).astype(np.int32)
    x[1, ::7] = np.nan
    y = {"classification": np.arange(n) % 3, "regression": x[0] + rng.normal(size=n)}.get(kind)
    order = np.arange(n) if order is None else order
    columns = Arrays(x[:, order].copy(), c[:, order].copy(), (3, 3), (False, False))
    return Table(columns, kind, None if y is None else y[order])


def test_no_two_groups_have_a_name_in_common() -> None:
    names = Counter(
        each
        for group in METAFEATURES.values()
        for feature, declared in group.features.items()
        for each in names_of(feature, declared)
    )
    assert max(names.values()) == 1
    assert len(names) > 300


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("group", METAFEATURES)
def test_what_is_declared_for_a_kind_is_said_of_it_and_nothing_else(group: str, kind: str) -> None:
    declared = {
        each
        for feature, one in METAFEATURES[group].features.items()
        if kind in one.kinds
        for each in names_of(feature, one)
    }
    assert set(extract_table(table(kind), groups=[group])) == declared


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("group", METAFEATURES)
def test_the_same_seed_gives_the_same_values(group: str, kind: str) -> None:
    one, two = (extract_table(table(kind), groups=[group], seed=5) for _ in range(2))
    assert one.known() == two.known()


@pytest.mark.parametrize("group", ["simple", "statistical", "information", "regression"])
@pytest.mark.parametrize("kind", KINDS)
def test_the_order_of_the_instances_says_nothing(group: str, kind: str) -> None:
    """Landmarkers look at folds in the order of the data, and are no part of this law."""
    order = np.random.default_rng(0).permutation(120)
    one = extract_table(table(kind), groups=[group]).known()
    two = extract_table(table(kind, order=order), groups=[group]).known()
    assert two == pytest.approx(one, rel=1e-9, abs=1e-12)


@pytest.mark.parametrize("group", METAFEATURES)
def test_a_long_enough_limit_changes_nothing(group: str) -> None:
    whole = extract_table(table("classification"), groups=[group])
    limited = extract_table(table("classification"), groups=[group], time_limit_s=60)
    assert limited.known() == whole.known()
    assert not any(v.hurried for v in limited.by_name.values())
