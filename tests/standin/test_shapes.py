"""The stand-in's answers have the elements and attributes of those recorded from OpenML."""

from __future__ import annotations

import re

import httpx
import numpy as np
import pytest
from lxml import etree

from tests.standin.serving import ROOT, Server
from tests.standin.world import OK

RECORDED = ROOT.parent / "shared" / "data" / "openml-recorded"
real = pytest.mark.skipif(not RECORDED.is_dir(), reason=f"recorded answers only with {RECORDED}")
ACCURACY = "function/predictive_accuracy"
_O = "{http://openml.org/openml}"


def shape(xml: bytes) -> set[str]:
    """Every element's path, with the names of its attributes."""
    found = set()
    text = re.sub(rb"[^\x09\x0a\x20-\x7e]", b"?", xml)
    element = etree.fromstring(text, etree.XMLParser(recover=True))
    for one in element.iter(f"{_O}*"):
        path = [one, *one.iterancestors()]
        names = "/".join(p.tag.removeprefix(_O) for p in reversed(path))
        names = re.sub(r"(/component/flow)+", "/component/flow", names)
        found.add(names + "".join(f"@{a}" for a in sorted(one.attrib)))
    return found


SHAPES = {
    "data/{dataset}": "*/data/*.xml",
    "data/features/{dataset}": "*/data_features/*.xml",
    "data/qualities/{dataset}": "*/data_qualities/*.xml",
    "task/{task}": "*/task/*.xml",
    "task/list": "test/task_list/*.xml",
    "flow/{flow}": "*/flow/*.xml",
    "flow/list": "mock/flow_list.xml",
    "setup/{setup}": "*/setup/*.xml",
    "run/{run}": "*/run/*.xml",
    "run/list/limit/100": "test/run_list/*.xml",
    f"evaluation/list/{ACCURACY}/limit/100": "test/evaluation_list/*.xml",
    "estimationprocedure/list": "test/estimationprocedure/*.xml",
    "user/list": "test/user_list/*.xml",
    "study/123": "test/study/*157.xml",
    "study/99": "test/study/study_get_suite*.xml",
    "run/trace/{search}": "examples/run_trace.xml",
}
OURS_ALONE = {"study/alias", "run/error_message"}
"""In the server's templates and in ENDPOINTS.md; in no recorded answer."""


@real
@pytest.mark.parametrize("path", SHAPES)
def test_answers_have_the_shape_of_recorded_ones(
    path: str, server: Server, ask: httpx.Client
) -> None:
    world = server.world
    ok = np.flatnonzero(world.run_state == OK)
    flows = [world.flow_of(world.setup_book.ids[s]) for s in world.run_setup]
    ids = {
        "dataset": world.datasets[0].id,
        "task": world.task_list[0].id,
        "flow": next(f.id for f in world.flow_book.tops if f.parts),
        "setup": next(s for s in world.setup_book.ids if world.flow_of(s).parts),
        "run": int(world.run[next(i for i in ok if flows[i].inputs and world.run_task[i] == 0)]),
        "search": int(world.run[next(i for i in ok if flows[i].algorithm.search)]),
    }
    mine = shape(ask.get("xml/" + path.format(**ids)).content)
    recorded = [shape(file.read_bytes()) for file in sorted(RECORDED.glob(SHAPES[path]))]
    assert recorded
    assert mine - set.union(*recorded) <= OURS_ALONE
    assert set.intersection(*recorded) <= mine
