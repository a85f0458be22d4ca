"""Few-shot meta-learners: what training on many small tasks teaches about the next."""

from __future__ import annotations

from optimizers.fewshot.anil import ANIL
from optimizers.fewshot.fine_tuning import FineTuning
from optimizers.fewshot.imaml import IMAML
from optimizers.fewshot.linear_probe import LinearProbe
from optimizers.fewshot.lstm_optimizer import LSTMOptimizer
from optimizers.fewshot.maml import FOMAML, MAML
from optimizers.fewshot.maml_plus_plus import MAMLPlusPlus
from optimizers.fewshot.matching import Matching
from optimizers.fewshot.meta_lstm import MetaLSTM
from optimizers.fewshot.meta_sgd import MetaSGD
from optimizers.fewshot.prototypical import Prototypical
from optimizers.fewshot.relation import Relation
from optimizers.fewshot.reptile import Reptile
from optimizers.fewshot.scratch import Scratch
from optimizers.fewshot.siamese import Siamese

FEW_SHOT_LEARNERS = {
    # an initialisation
    "maml": MAML,
    "fomaml": FOMAML,
    "reptile": Reptile,
    "anil": ANIL,
    "meta_sgd": MetaSGD,
    "maml_plus_plus": MAMLPlusPlus,
    "imaml": IMAML,
    # comparing
    "prototypical": Prototypical,
    "matching": Matching,
    "relation": Relation,
    "siamese": Siamese,
    # learned optimisers
    "lstm_optimizer": LSTMOptimizer,
    "meta_lstm": MetaLSTM,
    # baselines
    "scratch": Scratch,
    "fine_tuning": FineTuning,
    "linear_probe": LinearProbe,
}

EMBEDDERS = {"prototypical", "matching", "relation", "siamese", "fine_tuning", "linear_probe"}
"""These take an embedding; the others a network whose outputs are the classes or numbers."""

CLASSIFIERS = {"prototypical", "matching", "relation", "siamese", "linear_probe"}
"""These tell classes apart, and do not regress numbers."""
