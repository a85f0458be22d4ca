"""The information-theoretic meta-features: entropies, and what attributes tell of the class.

Every attribute counts as categories (`Table.discrete`: numbers in bins of equal frequency, a
missing value a category of its own). As in pymfe, bins whose ends are not more than 1e-8 apart are
one, whatever the unit: numbers that differ by less are best given in a smaller one. With the share p_ij of instances in category i of an
attribute x and in class j of the target y, p_i. and p_.j the shares of each alone, all logarithms
to base 2 and 0 log 0 = 0:

| name | formula | range | source |
| --- | --- | --- | --- |
| class_ent | H(y) = -sum_j p_.j log p_.j | [0, log k], bits | Michie et al. 1994 |
| attr_ent | H(x) = -sum_i p_i. log p_i., for each attribute | [0, log n], bits | Michie et al. 1994 |
| joint_ent | H(x, y) = -sum_ij p_ij log p_ij, for each attribute | [0, log n], bits | Michie et al. 1994 |
| mut_inf | I(x, y) = sum_ij p_ij log(p_ij / (p_i. p_.j)), for each attribute | [0, min(H(x), H(y))], bits | Michie et al. 1994 |
| eq_num_attr | d H(y) / sum_x I(x, y) | [1, inf) | Michie et al. 1994 |
| ns_ratio | (sum_x H(x) - sum_x I(x, y)) / sum_x I(x, y) | [0, inf) | Michie et al. 1994 |
| class_conc | tau(x given y) = (sum_ij p_ij^2 / p_.j - sum_i p_i.^2) / (1 - sum_i p_i.^2), for each attribute | [0, 1] | Kalousis & Hilario 2001 |
| attr_conc | tau(a given b), for each ordered pair of at most 12 attributes drawn at random | [0, 1] | Kalousis & Hilario 2001 |

Names are those of pymfe (Alcobaça et al. 2020). It adds 1e-8 to every share, which shifts
joint_ent and mut_inf by up to 2.7e-7 for each empty cell (eq_num_attr, ns_ratio, class_conc and
attr_conc with them) and gives constant attributes a concentration of 0.5; here the formulas hold as
they stand. tau is 0 where the other variable tells nothing and 1 where it tells all (Goodman &
Kruskal 1954); a constant attribute has none.

Michie, Spiegelhalter & Taylor 1994, Machine Learning, Neural and Statistical Classification
(STATLOG); Kalousis & Hilario 2001, Model Selection via Meta-learning: A Comparative Study; Goodman
& Kruskal 1954, Measures of Association for Cross Classifications; Alcobaça et al. 2020, MFE:
Towards Reproducible Meta-feature Extraction.
"""  # noqa: E501

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from metadb.metafeatures.contingency import Coded, Joint, batches, entropy
from metadb.metafeatures.features import CLASSIFICATION, Feature, Found
from metadb.metafeatures.table import Table
from metadb.protocols import Floats

DRAWN = 12
"""Of so many attributes `attr_conc` looks at the pairs."""

NO_ATTRIBUTE = "there is no attribute"
NOTHING_TOLD = "no attribute tells anything of the class"

INFORMATION: dict[str, Feature] = {
    "class_ent": Feature(kinds=CLASSIFICATION),
    "attr_ent": Feature(NO_ATTRIBUTE, many=True),
    "joint_ent": Feature(NO_ATTRIBUTE, many=True, kinds=CLASSIFICATION),
    "mut_inf": Feature(NO_ATTRIBUTE, many=True, kinds=CLASSIFICATION),
    "eq_num_attr": Feature(NOTHING_TOLD, kinds=CLASSIFICATION),
    "ns_ratio": Feature(NOTHING_TOLD, kinds=CLASSIFICATION),
    "class_conc": Feature("no attribute varies", many=True, kinds=CLASSIFICATION),
    "attr_conc": Feature("no two attributes of which one varies", many=True),
}
"""Every name of the group, in the order of the table above."""


def information(table: Table, seed: int = 0) -> Iterator[Found]:
    """The information-theoretic meta-features of a data set, see the table of this module.

    It costs one pass over the attributes, each sorted once: about 20 ms for a million numbers.
    """
    classes = len(table.class_sizes)
    if classes:
        yield "class_ent", entropy(table.class_sizes)
    # without classes every instance is of the same one, which leaves the entropies of attributes
    y: Coded = (np.asarray(table.y), classes) if classes else (np.zeros(table.n, np.int64), 1)
    drawn = _drawn(table.d, seed)
    kept: list[Coded] = []
    seen = 0
    told = [np.empty((4, 0))]
    for batch in batches(table.discrete()):
        kept += [coded for place, coded in enumerate(batch, seen) if place in drawn]
        seen += len(batch)
        cells = Joint.counted(batch, y)
        told.append(
            np.stack(
                [
                    cells.attribute_entropy(),
                    cells.entropy(),
                    cells.information(),
                    cells.concentration(),
                ]
            )
        )
    attr_ent, joint_ent, mut_inf, class_conc = np.concatenate(told, axis=1)  # (d,) each
    yield "attr_ent", attr_ent
    if classes:
        yield "joint_ent", joint_ent
        yield "mut_inf", mut_inf
        total = mut_inf.sum() or np.nan
        yield "eq_num_attr", table.d * entropy(table.class_sizes) / total
        yield "ns_ratio", (attr_ent.sum() - total) / total
        yield "class_conc", class_conc
    yield "attr_conc", _between(kept)


def _drawn(d: int, seed: int) -> set[int]:
    """The places of the attributes that `attr_conc` looks at: the draw of pymfe."""
    if d <= DRAWN:
        return set(range(d))
    return {int(i) for i in np.random.RandomState(seed).choice(d, DRAWN, replace=False)}


def _between(attributes: list[Coded]) -> Floats:
    """tau(a given b) of each ordered pair of them, NaN where a is constant; each table serves
    both directions."""
    found = [np.empty(0)]
    for place, other in enumerate(attributes[:-1], 1):
        for batch in batches(attributes[place:]):
            cells = Joint.counted(batch, other)
            found += [cells.concentration(), cells.concentration_of_other()]
    return np.concatenate(found)
