"""The path encoding of architectures: which sequences of operations lead from input to output.

White, Neiswanger, Savani 2021, "BANANAS: Bayesian Optimization with Neural Architectures for Neural
Architecture Search".
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Self

import numpy as np

from metadb.protocols import Floats

MOST = 250
"""So many paths are told apart; the rarest are left out (the paper's truncation)."""

Path = tuple[str, ...]


@dataclass(frozen=True, slots=True)
class PathEncoding:
    """One column a path, 1 where an architecture has it.

    Args:
        columns: Path to column.
    """

    columns: dict[Path, int]

    @classmethod
    def of(cls, paths: Sequence[Sequence[Path]]) -> Self:
        """The encoding by the paths of some architectures, the most frequent `MOST` of them."""
        often = Counter(path for one in paths for path in set(one))
        kept = sorted(often, key=lambda path: (-often[path], path))[:MOST]
        return cls({path: k for k, path in enumerate(kept)})

    def encode(self, paths: Sequence[Sequence[Path]]) -> Floats:
        """Architectures by their paths, (n, columns)."""
        x = np.zeros((len(paths), len(self.columns)))
        for i, one in enumerate(paths):
            x[i, [k for path in one if (k := self.columns.get(path)) is not None]] = 1.0
        return x
