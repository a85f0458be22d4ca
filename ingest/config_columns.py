"""Configurations put together a column at a time: canonical JSON texts without a loop over rows."""

from __future__ import annotations

import json
from collections.abc import Mapping

import pyarrow as pa
import pyarrow.compute as pc

from ingest.building import rows
from metadb.identity import config_ids


def config_texts(columns: Mapping[str, pa.Array]) -> pa.Array:
    """One canonical config text a row.

    Args:
        columns: Hyperparameter to its values as JSON texts (`0.1`, `"gini"`, `true`), one a row;
            null where it is inactive. Plain hyperparameters only: one value, no nesting.
    """
    if not columns:
        raise ValueError("no hyperparameters")
    named = [
        pc.binary_join_element_wise(
            json.dumps(name, ensure_ascii=False) + ":", columns[name], "", null_handling="emit_null"
        )
        for name in sorted(columns)
    ]
    inner = pc.binary_join_element_wise(*named, ",", null_handling="skip")
    return pc.binary_join_element_wise("{", inner, "}", "", null_handling="emit_null")


def config_rows(
    space: str, texts: pa.Array, *, flow: str | None = None
) -> tuple[pa.Table, pa.Array]:
    """Rows of `configs`, each config once, and the config id of each text.

    Args:
        texts: Canonical texts; null where there is no config.
    """
    codes = texts.dictionary_encode()
    distinct = codes.dictionary
    ids = pa.array(config_ids(space, distinct.to_pylist()), pa.string())
    configs = rows("configs", config=ids, space=space, hyperparameters=distinct, flow=flow)
    return configs, ids.take(codes.indices)
