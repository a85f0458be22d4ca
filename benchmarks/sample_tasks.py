"""The tasks of `data/sample` and `data/regression`: data sets inside scikit-learn and statsmodels.

Different targets of one data set are different tasks. Breast cancer (scikit-learn) is left out on
purpose: `make demo` recommends for it, so it must be new. Of the regressions some are made by
scikit-learn's generators, since few numbers to be predicted ship with it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

MAX_ROWS = {"classification": 2000, "regression": 400}


@dataclass(frozen=True, slots=True)
class SampleTask:
    """One data set with one target: `x` is a data frame, `y` holds class numbers from 0 or numbers.

    Args:
        kind: `classification` or `regression`.
    """

    kind: str
    dataset: str
    target: str
    x: pd.DataFrame
    y: np.ndarray

    @property
    def name(self) -> str:
        return f"{self.dataset}-{self.target}"


Targets = Iterator[tuple[str, pd.DataFrame, pd.Series]]
Datasets = dict[str, tuple[str, Callable[[], Targets]]]


def _sklearn(name: str) -> tuple[pd.DataFrame, pd.Series]:
    import sklearn.datasets

    bunch = getattr(sklearn.datasets, f"load_{name}")(as_frame=True)
    return bunch.data, bunch.target


def _statsmodels(name: str) -> pd.DataFrame:
    import importlib

    frame: pd.DataFrame = importlib.import_module(f"statsmodels.datasets.{name}").load_pandas().data
    return frame


def _above_median(values: pd.Series) -> pd.Series:
    return values > values.median()


def _iris() -> Targets:
    yield "species", *_sklearn("iris")


def _wine() -> Targets:
    yield "cultivar", *_sklearn("wine")


def _digits() -> Targets:
    x, y = _sklearn("digits")
    yield "digit", x, y
    yield "odd", x, y % 2
    yield "above_four", x, y > 4


def _diabetes() -> Targets:
    x, y = _sklearn("diabetes")
    yield "progression_high", x, _above_median(y)
    yield "sex", x.drop(columns="sex"), x["sex"] > 0


def _anes96() -> Targets:
    d = _statsmodels("anes96")
    yield "vote", d.drop(columns="vote"), d["vote"]
    yield "party", d.drop(columns=["PID", "vote"]), pd.cut(d["PID"], [-1, 2, 3, 6], labels=False)
    yield "left_right", d.drop(columns="selfLR"), pd.cut(d["selfLR"], [0, 3, 4, 7], labels=False)
    yield "college", d.drop(columns="educ"), d["educ"] >= 5
    yield "watches_news", d.drop(columns="TVnews"), pd.cut(d["TVnews"], [-1, 0, 6, 7], labels=False)


def _fair() -> Targets:
    d = _statsmodels("fair")
    yield "affair", d.drop(columns="affairs"), d["affairs"] > 0
    yield "happy", d.drop(columns="rate_marriage"), d["rate_marriage"] >= 5
    yield "religious", d.drop(columns="religious"), d["religious"]
    yield "occupation", d.drop(columns="occupation"), d["occupation"].clip(2, 5)
    yield "children", d.drop(columns="children"), d["children"] > 0


def _modechoice() -> Targets:
    d = _statsmodels("modechoice").drop(columns="individual")
    yield "choice", d.drop(columns="choice"), d["choice"]
    yield "mode", d.drop(columns="mode"), d["mode"]


def _randhie() -> Targets:
    d = _statsmodels("randhie")
    health = ["hlthg", "hlthf", "hlthp"]
    yield "visits", d.drop(columns="mdvis"), d["mdvis"] > 0
    yield "good_health", d.drop(columns=health), d[health].sum(axis=1) == 0
    yield "individual_plan", d.drop(columns="idp"), d["idp"]


def _star98() -> Targets:
    d = _statsmodels("star98")
    x = d.drop(columns=["NABOVE", "NBELOW"])
    x = x[[c for c in x.columns if "_" not in c]]  # without the interaction columns
    yield "maths_above", x, _above_median(d["NABOVE"] / (d["NABOVE"] + d["NBELOW"]))
    yield "charter", x.drop(columns="PCTCHRT"), x["PCTCHRT"] > 0
    yield "low_income", x.drop(columns="LOWINC"), _above_median(x["LOWINC"])


def _grunfeld() -> Targets:
    d = _statsmodels("grunfeld")
    yield "firm", d.drop(columns="firm"), d["firm"]


def _macrodata() -> Targets:
    d = _statsmodels("macrodata")
    rises = d["unemp"].shift(-1) > d["unemp"]
    yield "unemployment_rises", d.drop(columns=["year", "quarter"])[:-1], rises[:-1]


def _fertility() -> Targets:
    d = _statsmodels("fertility")
    known = d["2010"].notna()
    early = d.loc[known, [str(year) for year in range(1960, 1980)]]
    yield "below_replacement", early, d.loc[known, "2010"] < 2.1


DATASETS: Datasets = {
    "iris": ("sklearn", _iris),
    "wine": ("sklearn", _wine),
    "digits": ("sklearn", _digits),
    "diabetes": ("sklearn", _diabetes),
    "anes96": ("statsmodels", _anes96),
    "fair": ("statsmodels", _fair),
    "modechoice": ("statsmodels", _modechoice),
    "randhie": ("statsmodels", _randhie),
    "star98": ("statsmodels", _star98),
    "grunfeld": ("statsmodels", _grunfeld),
    "macrodata": ("statsmodels", _macrodata),
    "fertility": ("statsmodels", _fertility),
}


def _progression() -> Targets:
    yield "progression", *_sklearn("diabetes")


def _alcohol() -> Targets:
    x, y = _sklearn("wine")
    yield "alcohol", x.drop(columns="alcohol").assign(cultivar=y), x["alcohol"]


def _share_above() -> Targets:
    d = _statsmodels("star98")
    x = d.drop(columns=["NABOVE", "NBELOW"])
    x = x[[c for c in x.columns if "_" not in c]]  # without the interaction columns
    yield "maths_share", x, d["NABOVE"] / (d["NABOVE"] + d["NBELOW"])


def _rate() -> Targets:
    d = _statsmodels("fertility")
    known = d["2010"].notna()
    yield "rate", d.loc[known, [str(year) for year in range(1960, 1980)]], d.loc[known, "2010"]


def _investment() -> Targets:
    d = _statsmodels("grunfeld")
    yield "investment", d[["value", "capital", "year"]], d["invest"]


def _inflation() -> Targets:
    d = _statsmodels("macrodata")
    yield "next_inflation", d.drop(columns=["year", "quarter"])[:-1], d["infl"].shift(-1)[:-1]


def _made(name: str, **how: Any) -> Callable[[], Targets]:
    """By one of scikit-learn's generators."""

    def targets() -> Targets:
        import sklearn.datasets

        x, y = getattr(sklearn.datasets, f"make_{name}")(random_state=0, **how)
        yield "y", pd.DataFrame(x).rename(columns="x{}".format), pd.Series(y)

    return targets


REGRESSIONS: Datasets = {
    "diabetes": ("sklearn", _progression),
    "wine": ("sklearn", _alcohol),
    "star98": ("statsmodels", _share_above),
    "fertility": ("statsmodels", _rate),
    "grunfeld": ("statsmodels", _investment),
    "macrodata": ("statsmodels", _inflation),
    "friedman1": ("made", _made("friedman1", n_samples=300, noise=1.0)),
    "friedman2": ("made", _made("friedman2", n_samples=300, noise=100.0)),
    "friedman3": ("made", _made("friedman3", n_samples=300, noise=0.1)),
    "sparse": (
        "made", _made("regression", n_samples=200, n_features=40, n_informative=5, noise=50.0)
    ),
}  # fmt: skip

OF_KIND = {"classification": DATASETS, "regression": REGRESSIONS}


def sample_tasks(kind: str = "classification") -> list[SampleTask]:
    """Every task of a kind, at most `MAX_ROWS` rows each (a seeded draw), features as float64."""
    tasks = []
    for dataset, (_, targets) in OF_KIND[kind].items():
        for target, x, y in targets():
            rows = np.arange(len(x))
            if len(x) > MAX_ROWS[kind]:
                drawn = np.random.default_rng(0).choice(len(x), MAX_ROWS[kind], replace=False)
                rows = np.sort(drawn)
            frame: Any = x.iloc[rows].astype("float64").reset_index(drop=True)
            truth = np.asarray(y)[rows]
            if kind == "classification":
                truth = np.unique(truth, return_inverse=True)[1]
            tasks.append(SampleTask(kind, dataset, target, frame, truth))
    return tasks
