"""What the features of the nodes tell without the edges: the reference of a network on a graph."""

from typing import TYPE_CHECKING, Any

import torch
from lightning.pytorch import Callback, LightningModule, Trainer
from torch import Tensor

from callbacks.node_embeddings import check_graph
from nets.labels import check_labels

if TYPE_CHECKING:
    import numpy as np
    from scipy.sparse import csr_matrix

STRENGTHS = (0.01, 0.1, 1.0, 10.0, 100.0, 1000.0)  # C of LogisticRegression: the inverse of the penalty


class FeatureBaseline(Callback):
    """Logs what scikit-learn's logistic regression on the nodes' features alone reaches on the test nodes.

    ``features/test_acc``, fitted to the labelled nodes of the training split of the same run; its penalty is the
    strongest of six, C from 0.01 to 1000, with the highest accuracy on the validation nodes. What a network on the
    graph reaches beyond it is what the edges are worth.

    Raises:
        ValueError: when the data have no ``graph``.
    """

    def setup(self, trainer: Trainer, pl_module: LightningModule, stage: str) -> None:
        check_graph(self, trainer)

    def on_test_epoch_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        graph = trainer.datamodule.graph
        accuracy = score_features(graph.x, graph.y, graph.train_mask, graph.val_mask, graph.test_mask)
        pl_module.log("features/test_acc", accuracy, sync_dist=True)


def score_features(x: Tensor, y: Tensor, train_mask: Tensor, val_mask: Tensor, test_mask: Tensor) -> float:
    """The accuracy on the test nodes of logistic regression on the features of the training nodes.

    Args:
        x: the features, dense or ``torch.sparse_csr``.
        y: the classes; those of the test nodes only score.
        train_mask: which nodes the regression is fitted to.
        val_mask: which nodes choose C, 1 when there are none.
        test_mask: which nodes are scored.

    Shapes:
        x (N, I), y (N,), each mask (N,) of bool
    """
    from sklearn.linear_model import LogisticRegression

    features, labels = to_scipy(x), check_labels(y, name="the labels y of the nodes", ndim=1).cpu().numpy()
    train, val, test = (mask.cpu().numpy() for mask in (train_mask, val_mask, test_mask))

    def fit(strength: float) -> Any:
        return LogisticRegression(C=strength, max_iter=2000).fit(features[train], labels[train])

    models = [fit(strength) for strength in (STRENGTHS if val.any() else (1.0,))]
    scores = [model.score(features[val], labels[val]) if val.any() else 0.0 for model in models]
    best = models[scores.index(max(scores))]
    return float(best.score(features[test], labels[test]))


def to_scipy(x: Tensor) -> "np.ndarray | csr_matrix":
    """A matrix as scikit-learn takes it, sparse where it is ``torch.sparse_csr``.

    Shapes:
        (N, I) -> (N, I)
    """
    from scipy.sparse import csr_matrix

    x = x.cpu().float()
    if x.layout != torch.sparse_csr:
        return x.numpy()
    parts = (x.values(), x.col_indices(), x.crow_indices())
    return csr_matrix(tuple(part.numpy() for part in parts), shape=tuple(x.shape))
