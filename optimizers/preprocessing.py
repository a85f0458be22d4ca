"""What stands before every learner: gaps filled, numbers scaled, categories one-hot encoded."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from sklearn.compose import ColumnTransformer

MOST_CATEGORIES = 32
"""A column has so many one-hot columns at most: the rarest categories share the last of them."""

MISSING = -1.0
"""The code of the category `missing`; codes of the others are 0, 1, 2, ..."""


def preprocessing(categorical: Sequence[int] = ()) -> ColumnTransformer:
    """The transformer of a matrix (n, d) of numbers and codes of categories, NaN where missing.

    Numbers: the median for what is missing and a column that says so, then mean 0 and variance 1.
    Categories: what is missing is one of its own; one never seen is taken for a rare one, or for
    none where there are no rare ones. A column that is missing throughout is kept, as zeros.

    Args:
        categorical: Positions of the columns that hold categories.
    """
    from sklearn.compose import ColumnTransformer
    from sklearn.impute import SimpleImputer
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import OneHotEncoder, StandardScaler

    numeric = make_pipeline(
        SimpleImputer(strategy="median", keep_empty_features=True, add_indicator=True),
        StandardScaler(),
    )
    one_hot = make_pipeline(
        SimpleImputer(strategy="constant", fill_value=MISSING, keep_empty_features=True),
        OneHotEncoder(
            handle_unknown="infrequent_if_exist",
            max_categories=MOST_CATEGORIES,
            sparse_output=False,
        ),
    )
    nominal = sorted(categorical)
    return ColumnTransformer([("nominal", one_hot, nominal)], remainder=numeric)
