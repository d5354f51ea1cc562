"""A graph with each node at its embedding by the network, and how the embeddings change in training.

Letters: N nodes, E edges, D width of the last hidden layer, C classes, F frames.
"""

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any

import torch
from lightning.pytorch import Callback, LightningModule, Trainer
from torch import Tensor

from callbacks.animation import save_animation
from callbacks.observing import undisturbed
from figures import draw_node_embeddings, limits_of
from figures.node_embeddings import NUMBERS
from lab.figures import save_figure
from lab.run_folder import run_dir
from lab.titles import data_name, joined, replicas_of

if TYPE_CHECKING:
    from matplotlib.figure import Figure


class NodeEmbeddings(Callback):
    """Draws the graph with each node at the network's last hidden layer of it, and its way there as an animation.

    Works for a task such as ``LitNodeClassifier`` that has ``encode`` and ``replicas``, of which the first is drawn,
    and a datamodule with a ``graph``. A last hidden layer wider than two is drawn along its first two principal
    components. Colours are the true classes, red rings the network's mistakes, black edges the labelled nodes of the
    training split, and shapes the ``marks`` of the datamodule where it has them: the names of a second labelling, and
    its value of each node. Up to 50 nodes have their numbers; of graphs with more than 500 nodes no edges are drawn.

    Draws ``node_embeddings`` when training ends, and after every so many epochs if wanted, and
    ``node_embeddings_test`` when testing ends. The animation ``figures/node_embeddings.gif`` shows the epochs that
    were drawn, from before training (of a resumed run: before its first epoch) to the last, in the plane of the last.

    Args:
        every_n_epochs: draw also after every so many epochs, ≥ 1; only at the end, without an animation, when None.
        animate: whether the epochs that are drawn become an animation too.

    Raises:
        ValueError: when ``every_n_epochs`` is below 1, the task has no ``encode``, or the data have no ``graph``.
    """

    def __init__(self, every_n_epochs: int | None = None, animate: bool = True) -> None:
        if every_n_epochs is not None and every_n_epochs < 1:
            raise ValueError(f"every_n_epochs must be at least 1, but it is {every_n_epochs}.")
        self.every_n_epochs, self.animate = every_n_epochs, animate
        self.frames: dict[int, tuple[Tensor, Tensor]] = {}  # embeddings and predicted classes by their epoch

    def setup(self, trainer: Trainer, pl_module: LightningModule, stage: str) -> None:
        check_graph(self, trainer)
        if not all(hasattr(pl_module, name) for name in ("encode", "replicas")):
            raise ValueError(
                f"NodeEmbeddings needs a task with encode, such as lit_models.LitNodeClassifier, but the task is "
                f"{type(pl_module).__name__}: take NodeEmbeddings out of trainer.callbacks."
            )

    def on_train_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        self.frames = {}
        if self.every_n_epochs and self.animate and trainer.is_global_zero:
            self.frames[trainer.current_epoch] = embed_nodes(pl_module, trainer.datamodule.graph)

    def on_train_epoch_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        epoch = trainer.current_epoch + 1
        if self.every_n_epochs and epoch % self.every_n_epochs == 0 and epoch != trainer.max_epochs:
            self._draw(trainer, pl_module, f"after epoch {epoch}", epoch)

    def on_train_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        self._draw(trainer, pl_module, f"after epoch {trainer.current_epoch}", trainer.current_epoch)
        if self.frames and (folder := run_dir(trainer)) is not None:
            subject = joined(data_name(trainer), replicas_of(pl_module, "first"))
            figures = draw_frames(self.frames, subject, **known_of_nodes(trainer.datamodule))
            save_animation(figures, folder / "figures" / "node_embeddings.gif")
        self.frames = {}

    def on_test_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        self._draw(trainer, pl_module, "tested network")

    def _draw(self, trainer: Trainer, pl_module: LightningModule, title: str, epoch: int | None = None) -> None:
        if not trainer.is_global_zero:
            return
        embeddings, predicted = embed_nodes(pl_module, trainer.datamodule.graph)
        if self.frames and epoch is not None:
            self.frames[epoch] = embeddings, predicted
        points, axis_names = project(embeddings, *principal_plane(embeddings))
        known, shown = known_of_nodes(trainer.datamodule), replicas_of(pl_module, "first")
        title = joined(data_name(trainer), shown, title)
        figure = draw_node_embeddings(points, predicted=predicted, title=title, axis_names=axis_names, **known)
        save_figure(figure, "node_embeddings" if epoch is not None else "node_embeddings_test", trainer, shown)


def check_graph(callback: Callback, trainer: Trainer) -> None:
    """Raise ValueError unless the data are a graph."""
    if getattr(trainer.datamodule, "graph", None) is None:
        name = type(callback).__name__
        raise ValueError(
            f"{name} needs a datamodule with a graph, such as datamodules.KarateClubDataModule, but it is "
            f"{type(trainer.datamodule).__name__}: take {name} out of trainer.callbacks."
        )


def known_of_nodes(data: Any) -> dict[str, Any]:
    """The edges, labels and names of a datamodule with a graph, as arguments of ``draw_node_embeddings``."""
    of_graph = {"edge_index": data.graph.edge_index, "labels": data.graph.y, "train_mask": data.graph.train_mask}
    return {name: value.cpu() for name, value in of_graph.items()} | {
        name: getattr(data, name, None) for name in ("class_names", "marks")
    }


def inputs_of(pl_module: LightningModule, graph: Any) -> tuple[Tensor, ...]:
    """The features (N, I), edges (2, E) and, where the task reads them, weights (E,), where the network is."""
    parameter = next(pl_module.parameters())
    inputs = graph.x.to(parameter.device, parameter.dtype), graph.edge_index.to(parameter.device)
    weights = getattr(graph, "edge_weight", None) if getattr(pl_module, "reads_weights", False) else None
    return inputs if weights is None else (*inputs, weights.to(parameter.device, parameter.dtype))


def embed_nodes(pl_module: LightningModule, graph: Any) -> tuple[Tensor, Tensor]:
    """The last hidden layer of each node, and the class that is read from it, of the first replica.

    Shapes:
        N nodes -> (N, D), (N,)
    """
    inputs = inputs_of(pl_module, graph)
    with undisturbed(pl_module):
        net = pl_module.replicas()[0]
        embeddings, predicted = net.encode(*inputs), net(*inputs).argmax(dim=-1)
    return embeddings.cpu().float().nan_to_num(0.0, 0.0, 0.0), predicted.cpu()  # also of diverged networks


def principal_plane(embeddings: Tensor) -> tuple[Tensor, Tensor]:
    """The centre and the first two principal directions; of two numbers a node or fewer, the origin and the axes.

    Shapes:
        (N, D) -> (D,), (D, 2)
    """
    width = embeddings.shape[1]
    if width <= 2:
        return torch.zeros(width), torch.eye(2)[:width]
    centre = embeddings.mean(dim=0)
    return centre, torch.linalg.svd(embeddings - centre, full_matrices=False).Vh[:2].T


def project(embeddings: Tensor, centre: Tensor, directions: Tensor) -> tuple[Tensor, tuple[str, str]]:
    """The embeddings in a plane, and the names of its axes.

    Shapes:
        embeddings (N, D), centre (D,), directions (D, 2) -> (N, 2)
    """
    points = (embeddings - centre) @ directions
    if embeddings.shape[1] <= 2:
        return points, (NUMBERS[0], NUMBERS[1] if embeddings.shape[1] == 2 else "")
    total = (embeddings - centre).square().sum().clamp(min=1e-12)
    shares = [f"{share:.0%}" for share in (points.square().sum(dim=0) / total).tolist()]
    return points, (
        f"first principal component of the last hidden layer ({shares[0]} of the variance)",
        f"second principal component ({shares[1]})",
    )


def draw_frames(frames: Mapping[int, tuple[Tensor, Tensor]], subject: str = "", **known: Any) -> Iterator["Figure"]:
    """One figure for each epoch, all in the plane of the last one and with the same range of axes.

    Args:
        frames: the embeddings (N, D) and the predicted classes (N,) by their epoch.
        subject: which data and which replica they are of.
        **known: further arguments of ``draw_node_embeddings``.
    """
    *_, (last, _) = frames.values()
    plane = principal_plane(last)
    names = project(last, *plane)[1]
    if last.shape[1] > 2:
        names = tuple(f"{place} principal component of the last frame" for place in ("first", "second"))
    points = [project(embeddings, *plane)[0] for embeddings, _ in frames.values()]
    known |= {"axis_names": names, "limits": limits_of(torch.cat(points))}
    for (epoch, (_, predicted)), place in zip(frames.items(), points, strict=True):
        yield draw_node_embeddings(place, predicted=predicted, title=joined(subject, f"epoch {epoch}"), **known)
