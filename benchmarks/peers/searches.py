"""The peers' searches by name, each asked and told like one of `optimizers.OPTIMIZERS`."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

from benchmarks.peers.botorch_search import BotorchSearch
from benchmarks.peers.optuna_search import OptunaSearch
from benchmarks.peers.smac_search import SmacSearch
from benchmarks.peers.syne_tune_search import SyneTuneSearch

SEARCHES: dict[str, Callable[..., Any]] = {
    # one budget
    "optuna_tpe": partial(OptunaSearch, sampler="tpe"),
    "optuna_tpe_group": partial(OptunaSearch, sampler="tpe_group"),
    "optuna_gp": partial(OptunaSearch, sampler="gp"),
    "botorch": BotorchSearch,
    "smac": SmacSearch,
    # several budgets
    "optuna_hyperband": partial(OptunaSearch, sampler="random", hyperband=True),
    "optuna_bohb": partial(OptunaSearch, sampler="tpe", hyperband=True),
    "syne_asha": partial(SyneTuneSearch, scheduler="asha"),
    "syne_hyperband": partial(SyneTuneSearch, scheduler="hyperband"),
    "syne_bohb": partial(SyneTuneSearch, scheduler="bohb"),
}
"""Name to what makes it: `SEARCHES[name](space, seed=...)`."""
