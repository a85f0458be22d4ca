"""Matching networks: the classes of the examples that a query is most like, weighted by likeness.

Vinyals, Blundell, Lillicrap, Kavukcuoglu, Wierstra 2016, "Matching Networks for One Shot
Learning", https://arxiv.org/abs/1606.04080 (equations 1 and 2, without the context embeddings of
section 2.1.2, which the paper finds to make no difference on Omniglot).
"""

from __future__ import annotations

from typing import ClassVar

from ConfigSpace import Float
from torch import Tensor, nn
from torch.nn.functional import normalize

from optimizers.fewshot.embedding import Embedding, members
from optimizers.fewshot.episode import Episodes, Examples
from optimizers.fewshot.forward import losses
from optimizers.fewshot.outer import Outer
from optimizers.fewshot.predictor import Predictor


class Matching:
    """An embedding whose cosines, through a softmax, say how much each example counts.

    Args:
        module, outer_rate, at_once, device: See `Prototypical`.
    """

    hyperparameters: ClassVar = (Float("outer_rate", (1e-4, 1e-2), log=True, default=1e-3),)

    def __init__(
        self,
        module: nn.Module,
        *,
        outer_rate: float = 1e-3,
        at_once: int = 1,
        device: str = "cpu",
        seed: int = 0,
    ) -> None:
        self._embedding = Embedding(module, device)
        self.learnt, self.kept = self._embedding.learnt, self._embedding.kept
        self.outer = Outer(self.learnt, rate=outer_rate, at_once=at_once)

    def step(self, episodes: Episodes) -> float:
        """One step of Adam; returns the mean loss on the queries."""
        return self.outer.descend(self._judged, episodes)

    def adapt(self, support: Examples) -> Predictor:
        """The places of each task's examples; what is asked is compared with all of them."""
        return self._embedding.adapted(support, matched)

    def _judged(self, episodes: Episodes) -> Tensor:
        return losses(self._embedding.judged(episodes, matched), episodes.query.y)


def matched(query: Tensor, support: Tensor, y: Tensor) -> Tensor:
    """Log-probabilities of the classes (tasks, n, ways): attention to the examples, by class."""
    likeness = normalize(query.flatten(2), dim=2) @ normalize(support.flatten(2), dim=2).mT
    attention = likeness.log_softmax(dim=2)  # (tasks, n, examples)
    outside = members(y, attention).log()  # 0 for a member, -inf else
    return (attention.unsqueeze(2) + outside.unsqueeze(1)).logsumexp(3)
