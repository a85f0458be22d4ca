from __future__ import annotations

from itertools import pairwise, permutations

import numpy as np
import pytest

from optimizers.nas.graph import Graph

CONV, POOL = "conv", "pool"


def shuffled(graph, rng):
    """The same graph with its inner nodes in another order."""
    order = [0, *(1 + rng.permutation(len(graph) - 2)), len(graph) - 1]  # new place to old node
    place = {int(old): new for new, old in enumerate(order)}
    ops = tuple(graph.ops[int(old)] for old in order)
    return Graph(ops, frozenset((place[a], place[b]) for a, b in graph.edges))


def random_graph(rng, n):
    """Of n inner nodes of two kinds; more edges the more often one is drawn."""
    ops = ("input", *rng.choice([CONV, POOL], n), "output")
    edges = {(a, b) for a in range(n + 2) for b in range(a + 1, n + 2) if rng.random() < 0.4}
    return Graph(tuple(map(str, ops)), frozenset(edges))


def isomorphic(one, other):
    """By trying every order of the inner nodes."""
    if len(one) != len(other) or len(one.edges) != len(other.edges):
        return False
    for inner in permutations(range(1, len(one) - 1)):
        place = [0, *inner, len(one) - 1]
        same = all(one.ops[i] == other.ops[place[i]] for i in range(len(one)))
        if same and {(place[a], place[b]) for a, b in one.edges} == other.edges:
            return True
    return False


@pytest.mark.parametrize("seed", range(10))
def test_codes_are_equal_exactly_where_graphs_are_isomorphic(seed):
    rng = np.random.default_rng(seed)
    graphs = [random_graph(rng, 4) for _ in range(12)]
    graphs += [shuffled(graph, rng) for graph in graphs]
    for i, one in enumerate(graphs):
        for other in graphs[i:]:
            assert (one.code() == other.code()) == isomorphic(one, other)


def test_the_code_tells_graphs_apart_that_colours_do_not():
    """Ten nodes lead to ten: in one ring of twenty, or in two of ten; all look alike from near."""

    def rings(n, size):
        edges = set()
        for ring in range(n):
            for k in range(size):
                below = 1 + ring * size + k
                above = [11 + ring * size + k, 11 + ring * size + (k + 1) % size]
                edges |= {(0, below), *((below, a) for a in above), *((a, 21) for a in above)}
        return Graph(("input", *[CONV] * 20, "output"), frozenset(edges))

    one, two = rings(1, 10), rings(2, 5)
    assert sorted(map(len, one.before)) == sorted(map(len, two.before))
    assert one.code() != two.code()
    for graph in (one, two):
        assert graph.code() == shuffled(graph, np.random.default_rng(0)).code()


def test_what_is_on_no_path_is_left_out():
    #  0 -> 1 -> 4;  2 comes from nowhere, 3 leads nowhere
    graph = Graph(
        ("input", CONV, POOL, CONV, "output"), frozenset({(0, 1), (1, 4), (2, 4), (1, 3)})
    )
    assert graph.pruned() == Graph(("input", CONV, "output"), frozenset({(0, 1), (1, 2)}))
    assert graph.connected
    cut = Graph(("input", CONV, "output"), frozenset({(0, 1)}))
    assert not cut.connected
    assert cut.pruned() == Graph(("input", "output"), frozenset())
    assert cut.pruned().paths() == []


@pytest.mark.parametrize("seed", range(5))
def test_paths_are_those_of_brute_force(seed):
    graph = random_graph(np.random.default_rng(seed), 5)
    last = len(graph) - 1
    expected = []
    for length in range(last):
        for inner in permutations(range(1, last), length):
            way = [0, *inner, last]
            if all(step in graph.edges for step in pairwise(way)):
                expected.append(tuple(graph.ops[node] for node in inner))
    assert graph.paths() == sorted(expected)


def test_a_cell_with_operations_on_its_edges_becomes_a_graph_of_operations():
    #  0 -conv-> 1 -pool-> 2, 0 -none-> 2
    graph = Graph.of_cell([(0, 1, CONV), (1, 2, POOL), (0, 2, "none")], output=2)
    assert graph.ops == ("input", CONV, POOL, "output")
    assert graph.edges == {(0, 1), (1, 2), (2, 3)}
    assert graph.before == ((), (0,), (1,), (2,))
    assert graph.after == ((1,), (2,), (3,), ())
