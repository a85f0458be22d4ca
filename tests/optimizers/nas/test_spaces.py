from __future__ import annotations

from collections import Counter
from itertools import permutations, product
from pathlib import Path

import numpy as np
import pytest

from ingest.hp_transfer_spaces import BLACKBOXES
from metadb.errors import InvalidConfig
from metadb.space import sample, space_id
from optimizers.nas import CellDARTS, CellNB201, Chain, Hierarchical
from optimizers.nas.darts import CELLS, NODES, nodes

YAHPO = Path(__file__).resolve().parents[4] / "shared" / "data" / "yahpo"
NB201, DARTS = CellNB201(), CellDARTS()


def cell(*ops):
    return {f"x{k}": op for k, op in enumerate(ops)}


ALL = [cell(*ops) for ops in product(NB201.operations, repeat=6)]


def published(config, *, zeros):
    """The text by which Dong, Yang 2020 count unique cells; skips, and zeros if asked, vanish."""
    ops, texts = iter(config.values()), ["0"]
    for node in range(1, 4):
        parts = []
        for start in range(node):
            op = next(ops)
            if zeros and (op == "none" or texts[start] == "#"):
                parts.append("#")
            else:
                parts.append(texts[start] if op == "skip_connect" else f"({texts[start]})@{op}")
        texts.append("+".join(sorted(parts)))
    return texts[-1]


def test_nb201_has_8765_networks_and_a_canonical_form_of_each():
    """The published 6,466 count coarser: a skip vanishes there, and so does how often what comes
    out of one operation is used beside another of its kind (their text unfolds the graph).
    """
    forms = [tuple(NB201.canonical(config).values()) for config in ALL]
    codes = [NB201.graph(config).code() for config in ALL]
    assert len(set(forms)) == len(set(codes)) == len(set(zip(forms, codes, strict=True))) == 8765
    assert len({published(config, zeros=True) for config in ALL}) == 6466
    assert len({published(config, zeros=False) for config in ALL}) == 12751


def test_the_published_text_merges_networks_of_other_sizes_and_ours_does_not():
    none, skip, conv = "none", "skip_connect", "nor_conv_3x3"
    shared = cell(conv, none, skip, none, skip, skip)  # one convolution, added to itself
    apart = cell(conv, conv, none, none, skip, skip)  # two convolutions, added
    assert published(shared, zeros=False) != published(apart, zeros=True)
    assert Counter(NB201.graph(shared).ops)[conv] == 1
    assert Counter(NB201.graph(apart).ops)[conv] == 2
    strip = [published(c, zeros=True).replace("#+", "") for c in (shared, apart)]
    assert strip[0] == strip[1]


def test_a_cell_of_nb201_is_written_as_it_is_published_and_read_again():
    text = "|nor_conv_3x3~0|+|none~0|skip_connect~1|+|avg_pool_3x3~0|none~1|nor_conv_1x1~2|"
    config = NB201.of_text(text)
    assert list(config.values()) == [
        "nor_conv_3x3", "none", "skip_connect", "avg_pool_3x3", "none", "nor_conv_1x1",
    ]  # fmt: skip
    assert NB201.text(config) == text
    for wrong in (text[:-1], text.replace("avg_pool_3x3", "max_pool_3x3"), "", "|none~0|"):
        with pytest.raises(InvalidConfig, match="is no cell; write"):
            NB201.of_text(wrong)


def test_the_space_of_nb201_is_that_of_the_source_of_its_table():
    assert NB201.space.name == BLACKBOXES["NAS"].space
    assert tuple(NB201.space) == BLACKBOXES["NAS"].hyperparameters


@pytest.mark.skipif(not YAHPO.exists(), reason="no checkout of yahpo_data in shared/data")
def test_the_space_of_darts_is_that_of_the_surrogate():
    pytest.importorskip("onnxruntime")
    from optimizers.yahpo import Yahpo

    surrogate = Yahpo(YAHPO, "nb301_v2")
    assert space_id(DARTS.space) == space_id(surrogate.space)
    forms = [DARTS.canonical(config) for config in sample(DARTS.space, 5, seed=0)]
    assert surrogate.evaluate(forms).num_rows == 5


def reordered(config, order):
    """The same cells with their nodes in another order; None where a user would come first."""
    new = {}
    for which in CELLS:
        place = {0: 0, 1: 1} | {old: k for k, old in enumerate(order, 2)}
        old = nodes(config, which)
        for k, node in enumerate(order, 2):
            (a, p), (b, q) = sorted((place[start], op) for start, op in old[node - 2])
            if b >= k:
                return None
            first = {2: 0, 3: 2, 4: 5, 5: 9}[k]
            prefix = next(iter(DARTS.space)).rpartition("edge_")[0]
            new |= {f"{prefix}edge_{which}_{first + a}": p, f"{prefix}edge_{which}_{first + b}": q}
            if k > 2:
                new[f"{prefix}inputs_node_{which}_{k}"] = f"{a}_{b}"
    return new


def test_cells_of_darts_with_their_nodes_in_another_order_have_one_canonical_form():
    seen = 0
    for config in sample(DARTS.space, 40, seed=1):
        for order in permutations(NODES):
            other = reordered(config, order)
            if other is not None and other != config:
                seen += 1
                assert DARTS.canonical(other) == DARTS.canonical(config)
                assert DARTS.graph(other).code() == DARTS.graph(config).code()
    assert seen > 20


def test_cells_of_darts_that_differ_have_canonical_forms_that_differ():
    drawn = sample(DARTS.space, 100, seed=2)
    near = [one for config in drawn[:3] for one in DARTS.neighbours(config)]
    forms = {str(DARTS.canonical(config)) for config in (*drawn, *near)}
    codes = {DARTS.graph(config).code() for config in (*drawn, *near)}
    assert len(forms) == len(codes)


def test_a_neighbour_in_darts_has_one_operation_or_one_input_changed():
    """Two changes may lead to the same network, so that there are fewer."""
    near = [len(DARTS.neighbours(config)) for config in sample(DARTS.space, 6, seed=3)]
    operations = 2 * 8 * 6
    inputs = 2 * (2 * 1 + 2 * 2 + 2 * 3)  # of nodes 3, 4 and 5, either of the two
    assert max(near) == operations + inputs
    assert min(near) > operations


def test_a_chain_is_what_it_says():
    chain = Chain(layers=4)
    config = {
        "layers": 3, "op0": "nor_conv_3x3", "width0": 2, "op1": "max_pool_3x3", "skip1": False,
        "op2": "nor_conv_1x1", "width2": 4, "skip2": True,
    }  # fmt: skip
    graph = chain.graph(config)
    assert graph.ops == ("input", "nor_conv_3x3 x2", "max_pool_3x3", "nor_conv_1x1 x4", "output")
    assert graph.edges == {(0, 1), (1, 2), (2, 3), (3, 4), (1, 4)}  # past layers 1 and 2
    codes = [chain.graph(one).code() for one in sample(chain.space, 300, seed=0)]
    texts = {str(sorted(one.items())) for one in sample(chain.space, 300, seed=0)}
    assert len(set(codes)) == len(texts)


def test_a_skip_leads_over_pools_to_the_same_shape():
    torch = pytest.importorskip("torch")
    chain = Chain(layers=4)
    config = {
        "layers": 4, "op0": "max_pool_3x3", "op1": "avg_pool_3x3", "skip1": True,
        "op2": "nor_conv_3x3", "width2": 4, "skip2": True,
        "op3": "sep_conv_3x3", "width3": 1, "skip3": True,
    }  # fmt: skip
    network = chain.build(config, shape=(1, 7, 10), classes=2, width=4, depth=2)
    assert network(torch.zeros(3, 1, 7, 10)).shape == (3, 2)


def hierarchy(motif0, motif1, *parts):
    named = {f"motif0.{k}": op for k, op in enumerate(motif0)}
    named |= {f"motif1.{k}": op for k, op in enumerate(motif1)}
    return named | {f"cell.{k}": part for k, part in enumerate(parts)}


def test_motifs_that_do_the_same_are_one_and_what_is_not_used_is_none():
    space = Hierarchical()
    none, skip, conv, pool = "none", "skip_connect", "nor_conv_3x3", "max_pool_3x3"
    one = hierarchy((conv, none, pool), (skip, conv, none), "motif0", none, none, none, skip, none)
    two = hierarchy((pool, conv, conv), (conv, none, pool), none, "motif1", none, none, none, skip)
    assert space.canonical(one) == space.canonical(two)
    assert space.canonical(one)["motif1.1"] == none
    idle = hierarchy((none, skip, pool), (conv, none, none), "motif0", none, none, none, skip, none)
    form = space.canonical(idle)
    assert [form[f"cell.{k}"] for k in range(6)] == [none, skip, none, none, none, skip]
    assert {form[f"motif0.{k}"] for k in range(3)} == {none}


def test_a_motif_is_unfolded_wherever_it_is_used():
    space = Hierarchical()
    none, conv, pool = "none", "nor_conv_3x3", "max_pool_3x3"
    config = hierarchy((conv, none, pool), (none,) * 3, "motif0", none, "motif0", none, none, conv)
    assert space.graph(config).paths() == [(conv, pool, conv, pool, conv)]


@pytest.mark.parametrize("make", [CellNB201, CellDARTS])
def test_operations_can_be_left_out(make):
    kept = ("skip_connect", "avg_pool_3x3")
    space = make(kept)
    drawn = sample(space.space, 20, seed=0)
    used = {op.rpartition(".")[2] for c in drawn for op in space.graph(c).ops}
    assert set(kept) <= used
    assert not {op for op in used if "conv" in op}
    assert np.all([space.canonical(space.canonical(c)) == space.canonical(c) for c in drawn])
