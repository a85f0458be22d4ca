from __future__ import annotations

from collections import Counter

import numpy as np
import pytest

from metadb.space import sample
from optimizers.nas import NAS_SPACES
from optimizers.nas.wl import DEPTHS, Patterns, kernel


def slow(one, other, depth):
    """The kernel by texts: patterns written out, counted, and their cosine."""

    def counted(graph):
        now = list(graph.ops)
        found = Counter(now)
        for _ in range(depth):
            now = [
                f"({text} of {sorted(now[a] for a, b in graph.edges if b == i)})"
                for i, text in enumerate(now)
            ]
            found.update(now)
        return found

    a, b = counted(one), counted(other)

    def product(p, q):
        return sum(p[text] * q[text] for text in p)

    return product(a, b) / np.sqrt(product(a, a) * product(b, b))


@pytest.mark.parametrize("space", NAS_SPACES)
@pytest.mark.parametrize("depth", range(DEPTHS))
def test_the_kernel_is_that_of_patterns_written_out(space, depth):
    nas = NAS_SPACES[space]()
    graphs = [nas.graph(config) for config in sample(nas.space, 8, seed=0)]
    patterns = Patterns()
    counts = [patterns.count(graph) for graph in graphs]
    x = patterns.matrix(counts, depth)
    expected = [[slow(a, b, depth) for b in graphs] for a in graphs]
    np.testing.assert_allclose(kernel(x, x), expected, atol=1e-12)


def test_isomorphic_graphs_have_the_same_patterns():
    nas = NAS_SPACES["hierarchical"]()
    patterns = Patterns()
    changed = 0
    for config in sample(nas.space, 40, seed=1):
        form = nas.canonical(config)
        changed += form != config
        one, two = patterns.count(nas.graph(config)), patterns.count(nas.graph(form))
        assert dict(zip(one[0], one[1], strict=True)) == dict(zip(two[0], two[1], strict=True))
    assert changed
