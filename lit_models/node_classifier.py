"""Classification of the nodes of a graph, by one network or many at once.

Letters: N nodes, E edges, I features, B nodes whose labels count, C classes, D width, R replicas.
"""

import inspect
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, cast

import torch
from lightning.pytorch.cli import LRSchedulerCallable, OptimizerCallable
from lightning.pytorch.utilities import rank_zero_info
from torch import Tensor, nn

from lit_models.best_replicas import BestReplicas
from lit_models.class_counts import check_outputs, names_of_outputs
from lit_models.replica_mean import ReplicaMean
from lit_models.replicas import LitReplicas
from nets import call_replicas, is_replica_metric, replica_metrics
from nets.labels import check_labels, cross_entropy
from nets.replicas import replica_suffix

if TYPE_CHECKING:
    from torch_geometric.data import Data


class LitNodeClassifier(LitReplicas):
    r"""Trains a graph network with the cross-entropy of the nodes that a batch is about.

    loss = mean over the targets of −log softmax(net(x, edge_index))_label + (λ/2)‖W⁰‖², where W⁰ are the weights of the
    first layer: the penalty of "Semi-Supervised Classification with Graph Convolutional Networks" (Kipf and Welling,
    2017), https://arxiv.org/abs/1609.02907. (An optimizer's ``weight_decay`` penalises all layers, as in "Graph
    Attention Networks".) Logs ``train/loss`` and, for validation and test, ``<split>/loss``, without the penalty, and
    ``<split>/acc``. Under R > 1 replicas these are means over the replicas, beside ``…_std`` and, for the test,
    ``…_replica_<r>``; replica r starts from the weights that a run of its own has after ``seed_everything`` with the
    seed + r, its dropout is its own, and ``test``, ``validate``, ``predict`` and ``lab.load_run`` give it the weights
    of the epoch of its own lowest validation loss; ``val/lowest_loss`` is the mean of those losses, a metric for a
    checkpoint to monitor that shall hold them all. Early stopping looks at the mean of the replicas.

    Args:
        net: from features (N, I) and edges (2, E) to logits (N, C), with ``encode`` and a list ``layers``.
        num_classes: number of classes C, ≥ 2.
        weight_penalty: λ, ≥ 0.
        num_replicas: independent copies R that are trained side by side, ≥ 1.
        optimizer: from parameters to an optimizer; AdamW with torch's defaults when None.
        scheduler: from an optimizer to a learning-rate scheduler; see ``LitTask``.

    Shapes:
        batch: a graph with x (N, I), edge_index (2, E), y (N,) in [0, C), and the nodes in question, targets (B,);
        edge_weight (E,) counts where the network's ``forward`` takes it

    Raises:
        ValueError: when an argument is out of its range, or the data or the network do not have ``num_classes``.
    """

    averages_weights = False  # the best epochs are those of the weights that are trained

    def __init__(
        self,
        net: nn.Module,
        num_classes: int = 7,
        weight_penalty: float = 0.0,
        num_replicas: int = 1,
        optimizer: OptimizerCallable | None = None,
        scheduler: LRSchedulerCallable | None = None,
    ) -> None:
        if num_classes < 2:
            raise ValueError(f"num_classes must be at least 2, but it is {num_classes}.")
        if not 0 <= weight_penalty < float("inf"):
            raise ValueError(f"weight_penalty must be a finite number ≥ 0, but it is {weight_penalty}.")
        super().__init__(net, num_replicas, optimizer, scheduler)
        self.save_arguments()
        self.num_classes, self.weight_penalty = num_classes, weight_penalty
        # The losses and then the accuracies in one metric, since two take longer by 5 % of an epoch on Cora.
        means = nn.ModuleDict({split: ReplicaMean(2 * num_replicas) for split in ("val", "test")})
        self.means = cast(Mapping[str, ReplicaMean], means)
        self.best = BestReplicas(self.net, num_replicas)
        self.register_load_state_dict_pre_hook(_fill_in_best)

    def setup(self, stage: str) -> None:
        """Raise ValueError unless the data have the classes and the features of the task and the network."""
        super().setup(stage)
        features = getattr(self.datamodule, "num_features", None)
        in_channels = getattr(self.net, "in_channels", features)
        if features not in (None, in_channels):
            raise ValueError(
                f"the data has {features} features a node, the network in_channels={in_channels}: "
                f"set model.net.in_channels to {features}."
            )
        graph = getattr(self.datamodule, "graph", None)
        if getattr(graph, "edge_weight", None) is not None and not self.reads_weights:
            rank_zero_info(f"{type(self.net).__name__} reads no weights of edges: those of the data are left out.")

    @property
    def reads_weights(self) -> bool:
        """Whether the network takes the weights of edges, as ``nets.GCN`` does."""
        return "edge_weight" in inspect.signature(self.net.forward).parameters

    def forward(self, x: Tensor, edge_index: Tensor, *edge_weight: Tensor) -> Tensor:
        """The logits of all nodes, with R > 1 replicas those of each.

        Shapes:
            x (N, I), edge_index (2, E), and where the network takes them edge_weight (E,) -> (N, C) or (R, N, C)
        """
        inputs = (x, edge_index, *edge_weight)
        return self.net(*inputs) if self.num_replicas == 1 else call_replicas(self.net, *inputs)

    def encode(self, x: Tensor, edge_index: Tensor, *edge_weight: Tensor) -> Tensor:
        """The last hidden layer; with R > 1 replicas that of each, through which no gradient flows.

        Shapes:
            x (N, I), edge_index (2, E), edge_weight (E,) as in ``forward`` -> (N, D) or (R, N, D)
        """
        if self.num_replicas == 1:
            return self.net.encode(x, edge_index, *edge_weight)
        return torch.stack([net.encode(x, edge_index, *edge_weight) for net in self.replicas()])

    def training_step(self, batch: "Data", batch_idx: int) -> Tensor:
        logits, labels = self._targets(batch)
        labels = check_labels(
            cast(Tensor, labels), self.num_classes if batch_idx == self.current_epoch == 0 else None, ndim=1
        )
        losses = self._losses(logits, labels)
        mean = self.track(losses.mean(), len(labels))
        total = losses.sum() + self._penalty()
        # The value that is shown is the mean, the gradient that of the sum: what each replica would have alone.
        return total + (mean - total).detach()

    def validation_step(self, batch: "Data", batch_idx: int) -> dict[str, Tensor]:
        return self._evaluate("val", batch)

    def test_step(self, batch: "Data", batch_idx: int) -> dict[str, Tensor]:
        return self._evaluate("test", batch)

    def on_validation_epoch_end(self) -> None:
        self._log_evaluation("val")

    def use_best(self) -> None:
        """Give each of several replicas the weights and buffers of the epoch of its lowest validation loss."""
        self.best.restore(self.net)

    def on_validation_start(self) -> None:
        if self.trainer.state.fn == "validate":
            self.use_best()

    def on_test_start(self) -> None:
        self.use_best()

    def on_test_epoch_end(self) -> None:
        self._log_evaluation("test")

    def on_predict_start(self) -> None:
        self.use_best()

    def predict_step(self, batch: "Data", batch_idx: int) -> dict[str, Tensor]:
        """The label of each target, the most probable class, and its probability; of R > 1 replicas, those of each.

        Of data without labels there is no label, and of one network the name of the class too, if it has one.

        Shapes:
            B targets -> label (B,), class (B,), probability (B,), for R > 1 class_replica_<r> and so on
        """
        logits, labels = self._targets(batch)
        columns: dict[str, Any] = {} if labels is None else {"label": labels}
        for number, of_replica in enumerate(logits.float().softmax(dim=-1)):
            suffix = replica_suffix(number) if self.num_replicas > 1 else ""
            probability, predicted = of_replica.max(dim=-1)
            columns |= {f"class{suffix}": predicted, f"probability{suffix}": probability}
        data = self.datamodule
        if self.num_replicas == 1 and getattr(data, "names_classes", False):
            names = names_of_outputs(data, self.num_classes)
            columns["class_name"] = [names[number] for number in columns["class"].tolist()]
        return columns

    def _targets(self, batch: "Data") -> tuple[Tensor, Tensor | None]:
        """The logits (R, B, C) and, where there are any, the labels (B,) of the nodes that a batch is about."""
        weights = batch.edge_weight if self.reads_weights else None
        logits = self(batch.x, batch.edge_index, *([] if weights is None else [weights]))
        check_outputs(logits, self.num_classes, dim=-1)
        logits = logits.view(self.num_replicas, -1, self.num_classes)
        return logits.index_select(1, batch.targets), None if batch.y is None else batch.y[batch.targets]

    def _losses(self, logits: Tensor, labels: Tensor) -> Tensor:
        """The cross-entropy of each replica, (R,)."""
        return cross_entropy(logits.movedim(-1, 1), labels.expand(len(logits), -1), reduction="none").mean(dim=1)

    def _penalty(self) -> Tensor | float:
        """(λ/2)‖W⁰‖², over all replicas."""
        if self.weight_penalty == 0:
            return 0.0
        dims = 2 if self.num_replicas == 1 else 3  # of a weight matrix; biases have one less
        norms = [weight.square().sum() for weight in self.net.layers[0].parameters() if weight.ndim == dims]
        return self.weight_penalty / 2 * sum(norms)

    def _evaluate(self, split: str, batch: "Data") -> dict[str, Tensor]:
        logits, labels = self._targets(batch)
        labels = check_labels(cast(Tensor, labels), self.num_classes, ndim=1)
        losses = self._losses(logits, labels)
        accuracies = (logits.argmax(dim=-1) == labels).float().mean(dim=1)
        self.means[split].update(torch.cat([losses, accuracies]), len(labels))
        logits = logits.detach() if self.num_replicas > 1 else logits[0].detach()
        return {"loss": losses.mean(), "logits": logits, "labels": labels}

    def _log_evaluation(self, split: str) -> None:
        """Log the loss and the accuracy of a split, and in training keep the replicas that have become better."""
        losses, accuracies = self.means[split].compute().view(2, -1)
        logged = {**replica_metrics(f"{split}/loss", losses), **replica_metrics(f"{split}/acc", accuracies)}
        self.means[split].reset()
        if split == "val":  # to log a hundred replicas one by one takes longer than to train them for an epoch
            logged = {name: value for name, value in logged.items() if not is_replica_metric(name)}
        if self.trainer.state.fn == "fit" and not self.trainer.sanity_checking:
            self.best.update(self.net, losses)
            logged["val/lowest_loss"] = self.best.lowest.mean()
        self.log_dict(logged, sync_dist=True)


def _fill_in_best(task: LitNodeClassifier, state: dict[str, Tensor], prefix: str, *_: Any) -> None:
    """The weights of a checkpoint are enough: a version that kept no best epochs could load them too."""
    task.best.fill_in(state, f"{prefix}best.", f"{prefix}net.")
