"""Weka flows as OpenML numbers them: `2361_weka.OneR`, whose hyperparameters are not known."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

import pyarrow as pa

from ingest.building import rows
from metadb.errors import MalformedFile
from metadb.identity import canonical_config, config_id, family

SPACE = "openml-weka"

_FLOW = re.compile(r"(\d+)_(\S+)")


def is_flow(name: str | None) -> bool:
    """Whether an algorithm's name is `<flow id>_<flow name>`."""
    return name is not None and _FLOW.fullmatch(name) is not None


@dataclass(frozen=True, slots=True)
class Weka:
    """Flows and their configs, as every source of OpenML's Weka runs gives them.

    A flow id is part of a config's identity: one name (`weka.MultilayerPerceptron`) occurs with
    several ids, which ran with other settings.

    Args:
        flows: Rows of `flows`.
        configs: Rows of `configs`, one a flow.
        config: Algorithm's name to config id.
        flow: Algorithm's name to flow id.
    """

    flows: pa.Table
    configs: pa.Table
    config: dict[str, str]
    flow: dict[str, str]

    @classmethod
    def of(cls, names: Sequence[str], where: str) -> Weka:
        """The flows of these names.

        Raises:
            MalformedFile: A name is not `<flow id>_<flow name>`; the text begins with `where`.
        """
        found = [(name, _FLOW.fullmatch(name)) for name in names]
        wrong = [name for name, match in found if match is None]
        if wrong:
            raise MalformedFile(
                f"{where}: the algorithm {wrong[0]!r} is not of the form <flow id>_<flow name>, "
                "e.g. 2361_weka.OneR"
            )
        flow = {name: f"openml:flow/{match[1]}" for name, match in found if match}
        title = {name: match[2] for name, match in found if match}
        config = {
            name: config_id(SPACE, {"algorithm": name}, native) for name, native in flow.items()
        }
        return cls(
            flows=rows(
                "flows",
                flow=list(flow.values()),
                name=list(title.values()),
                family=[family(name) for name in title.values()],
                library="weka",
            ),
            configs=rows(
                "configs",
                config=list(config.values()),
                space=SPACE,
                native=list(flow.values()),
                hyperparameters=[canonical_config({"algorithm": name}) for name in flow],
                flow=list(flow.values()),
            ),
            config=config,
            flow=flow,
        )
