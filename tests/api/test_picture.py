"""The picture is well-formed SVG that shows its curves."""

from __future__ import annotations

from xml.etree import ElementTree

import pytest

from api.picture import curves, ticks


@pytest.mark.parametrize("n", [1, 2, 20, 137])
def test_a_picture_has_a_curve_and_a_legend_for_each_series(n):
    lines = {"cold <start>": [1 / (i + 1) for i in range(n)], "warm": [0.5] * n}
    root = ElementTree.fromstring(curves(lines, title="a & b", x_label="n", y_label="loss"))
    tag = "{http://www.w3.org/2000/svg}"
    assert len(root.findall(f"{tag}path")) == 2
    texts = [t.text for t in root.iter(f"{tag}text")]
    assert {"cold <start>", "warm", "a & b", "n", "loss"} <= set(texts)
    ends = [float(part[1:].split("V")[0]) for path in root.findall(f"{tag}path")
            for part in path.attrib["d"].replace("H", " H").split() if part[0] == "H"]  # fmt: skip
    keys = [float(line.attrib["x1"]) for line in root.findall(f"{tag}line[@stroke-width='2.5']")]
    assert len(keys) == 2
    assert max(ends) < min(keys), "the legend lies over a curve"


@pytest.mark.parametrize(
    ("low", "high"), [(0.02, 0.11), (0.0, 0.0), (5.0, 5.0), (-3.0, 900.0), (1e-9, 2e-9)]
)
def test_ticks_are_round_and_hold_the_values(low, high):
    first, last, step = ticks(low, high)
    assert first <= low
    assert last >= high
    assert first < last
    assert (last - first) / step <= 8
