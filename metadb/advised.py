"""What was advised, as rows to keep: each with its figures and with what it rests on."""

from __future__ import annotations

import json
import uuid
from collections.abc import Sequence
from datetime import UTC, datetime
from math import isfinite
from typing import Any

from metadb.identity import canonical_config, config_id
from metadb.records import Recommendation
from metadb.snapshot import Snapshot, version_text


def advised(
    snapshot: Snapshot,
    task: str,
    recommendations: Sequence[Recommendation],
    *,
    space: str,
    metric: str,
    recommender: str,
) -> list[dict[str, Any]]:
    """Rows of the table `recommendations`, first advised first.

    Args:
        snapshot: What the recommender learnt from; the version that is noted down is its version.
    """
    now = datetime.now(UTC).replace(tzinfo=None)
    version = version_text(snapshot.version)
    texts = [canonical_config(r.config) for r in recommendations]
    known = _known_ids(snapshot, space, texts)
    rows = []
    for rank, (recommendation, text) in enumerate(zip(recommendations, texts, strict=True), 1):
        because = recommendation.because
        ids = known.get(text, [])
        named = [id_ for id_ in ids if id_ in because.configs]
        low, high = recommendation.interval or (None, None)
        rows.append(
            {
                "recommendation": uuid.uuid4().hex,
                "recorded_at": now,
                "task": task,
                "space": space,
                "metric": metric,
                "recommender": recommender,
                "rank": rank,
                "config": [*named, *ids, config_id(space, recommendation.config)][0],
                "hyperparameters": text,
                "expected_loss": _known(recommendation.expected_loss),
                "expected_from": _known(low),
                "expected_to": _known(high),
                "probability": _known(recommendation.probability),
                "tasks": list(because.tasks),
                "weights": [float(weight) for weight in because.weights],
                "evaluations": snapshot.behind(recommendation, metric),
                "members": _trust(recommendation),
                "note": because.note,
                "store_version": version,
            }
        )
    return rows


def _known_ids(snapshot: Snapshot, space: str, texts: list[str]) -> dict[str, list[str]]:
    """Canonical text to the ids it has in the store: where an origin's own id is part of what a
    config is (`configs.native`), the text alone does not make it."""
    found = snapshot.sql(
        """
        select hyperparameters, config from configs
        where space = ? and hyperparameters in (select unnest(?::varchar[]))
        order by native nulls first, config
        """,
        [space, texts],
    )
    ids: dict[str, list[str]] = {}
    for row in found.to_pylist():
        ids.setdefault(row["hyperparameters"], []).append(row["config"])
    return ids


def _trust(recommendation: Recommendation) -> str | None:
    members = recommendation.because.members
    return json.dumps({name: float(share) for name, share in members.items()}) if members else None


def _known(value: float | None) -> float | None:
    """The number, or None where it is none: SQL would count a NaN as the largest of all."""
    return float(value) if value is not None and isfinite(value) else None
