"""scikit-learn's names of metrics, which mean something else in the store."""

from __future__ import annotations

_OURS = {  # without a word behind they are of one class there, and weighted over classes here
    "f1": "f1_binary",
    "precision": "precision_binary",
    "recall": "recall_binary",
    "f1_weighted": "f1",
    "precision_weighted": "precision",
    "recall_weighted": "recall",
    "roc_auc_ovr_weighted": "roc_auc",
}


def from_sklearn(name: str) -> str:
    """The store's word for a metric of scikit-learn: `f1_weighted` is `f1`."""
    return _OURS.get(name, name)
