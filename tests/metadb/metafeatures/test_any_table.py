"""Laws over tables that nobody would make by hand: a value or a reason, never a failure."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from typing import Any

import numpy as np
import pandas as pd
import pytest

from metadb.metafeatures import extract

Rng = np.random.Generator

COLUMNS: tuple[Callable[[Rng, int], Any], ...] = (
    lambda rng, n: rng.normal(size=n) * 10.0 ** rng.integers(-300, 300),
    lambda rng, n: rng.integers(0, rng.integers(1, 10), n),
    lambda rng, n: np.full(n, rng.choice([0.0, 0.1, -3e300, 1e-310])),
    lambda rng, n: rng.choice(np.array(["a", "b", "☃", "", None], object), n),
    lambda rng, n: np.array([f"id{i}" for i in rng.permutation(n)], object),
    lambda rng, n: rng.random(n) < rng.random(),
    lambda rng, n: pd.to_datetime(rng.integers(0, 2**31, n), unit="s"),
    lambda rng, n: np.where(rng.random(n) < 0.5, np.nan, rng.normal(size=n)),
    lambda rng, n: np.full(n, np.nan),
    lambda rng, n: 1e15 + rng.integers(0, 3, n).astype(float),
    lambda rng, n: np.where(rng.random(n) < 0.2, np.inf, rng.standard_cauchy(n)),
    lambda rng, n: np.exp(np.clip(rng.normal(size=n) * rng.integers(1, 200), -700, 700)),
    lambda rng, n: np.rint(rng.normal(size=n) * 1e25),
    lambda rng, n: np.array([(1, "x", None, 2.5)[i] for i in rng.integers(0, 4, n)], object),
)

TARGETS: tuple[Callable[[Rng, int], Any], ...] = (
    lambda rng, n: None,
    lambda rng, n: rng.normal(size=n) * 10.0 ** rng.integers(-200, 200),
    lambda rng, n: rng.integers(0, 2, n),
    lambda rng, n: np.arange(n),
    lambda rng, n: rng.choice(np.array([*"abcdefg"], object), n),
    lambda rng, n: np.zeros(n),
    lambda rng, n: np.r_[
        0.0, np.where(rng.random(n - 1) < 0.3, np.nan, rng.standard_cauchy(n - 1))
    ],
    lambda rng, n: np.sort(rng.integers(0, 30, n)),
)


@pytest.mark.parametrize("seed", range(60))
def test_any_table_has_values_or_reasons(seed: int) -> None:
    rng = np.random.default_rng(seed)
    n, d = int(rng.choice([1, 2, 9, 10, 11, 37, 150, 400])), int(rng.choice([1, 2, 5, 15]))
    columns = {f"c{i}": COLUMNS[rng.integers(len(COLUMNS))](rng, n) for i in range(d)}
    y = TARGETS[seed % len(TARGETS)](rng, n)
    limit_s = 0.05 if seed % 10 == 9 else None
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        found = extract(pd.DataFrame(columns), y, time_limit_s=limit_s, sample=200, seed=seed)
    allowed = {"ok", "undefined", "timeout"} if limit_s else {"ok", "undefined"}
    for name, value in found.by_name.items():
        assert value.status in allowed, (name, value.reason)
        assert np.isfinite(value.value) == (value.status == "ok"), name
