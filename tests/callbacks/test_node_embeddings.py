"""The graph where the network places its nodes: which files, what they show, and training that stays as it is."""

from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from types import SimpleNamespace

import pytest
import torch
from lightning.pytorch import Callback, LightningDataModule, Trainer
from matplotlib import rc_context
from PIL import Image
from sklearn.decomposition import PCA
from torch import Tensor
from torch.testing import assert_close
from torch_geometric.data import Data

from callbacks.node_embeddings import NodeEmbeddings, draw_frames, embed_nodes, principal_plane, project
from datamodules import SparseFeaturesDataModule
from datamodules.graphs import GraphDataModule
from lit_models import LitAutoencoder, LitNodeClassifier
from nets import GCN, Autoencoder

pytestmark = pytest.mark.usefixtures("coarse_figures", "coarse_frames")

PAIRS = torch.tensor([[0, 1, 2, 3, 4, 5, 0, 1], [1, 2, 3, 4, 5, 0, 3, 4]])
EDGES = torch.cat([PAIRS, PAIRS.flip(0)], dim=1)
LABELS = torch.tensor([0, 0, 1, 1, 2, 2])
TRAIN = torch.tensor([True, False, True, False, True, False])
MARKS = (("north", "south"), torch.tensor([0, 1, 0, 1, 0, 1]))


class Hexagon(GraphDataModule):
    """Six nodes of three classes; the first of each class trains, the second tests."""

    num_classes = 3
    class_names = ("ash", "elm", "oak")
    marks = MARKS

    def load_graph(self) -> Data:
        x = torch.rand(6, 4, generator=torch.Generator().manual_seed(0))
        nothing = torch.zeros(6, dtype=torch.bool)
        return Data(x=x, edge_index=EDGES, y=LABELS, train_mask=TRAIN, val_mask=nothing, test_mask=~TRAIN)


def classifier(width: int = 2, dropout: float = 0.5, num_replicas: int = 1) -> LitNodeClassifier:
    with torch.random.fork_rng():
        torch.manual_seed(0)
        net = GCN(4, [5, width], 3, dropout=dropout, activation="tanh")
        return LitNodeClassifier(net, 3, num_replicas=num_replicas, optimizer=partial(torch.optim.Adam, lr=0.05))


@pytest.fixture
def coarse_frames() -> Iterator[None]:
    """Animations have few pixels, which is quicker."""
    with rc_context({"figure.dpi": 25}):
        yield


@pytest.fixture
def train(make_trainer: Callable) -> Callable:
    """Trains epochs of one step; gives the trainer, and the random state after it."""

    def run(
        *callbacks: Callback, task: LitNodeClassifier | None = None, max_epochs: int = 1, **arguments: object
    ) -> tuple[Trainer, Tensor]:
        trainer = make_trainer(max_epochs=max_epochs, callbacks=list(callbacks), **arguments)
        with torch.random.fork_rng():
            torch.manual_seed(0)
            trainer.fit(task or classifier(), datamodule=Hexagon())
            return trainer, torch.get_rng_state()

    return run


@pytest.fixture
def saved(monkeypatch: pytest.MonkeyPatch) -> list[tuple[str, dict]]:
    """The names of the figures that would be saved and what they would show, which is quicker."""
    shown: list[tuple[str, dict]] = []
    module = "callbacks.node_embeddings"
    monkeypatch.setattr(f"{module}.draw_node_embeddings", lambda points, **known: {"points": points, **known})
    monkeypatch.setattr(f"{module}.save_figure", lambda figure, name, *_: shown.append((name, figure)))
    monkeypatch.setattr(f"{module}.save_animation", lambda frames, path: shown.append((path.name, list(frames))))
    return shown


def files(trainer: Trainer) -> list[str]:
    return sorted(path.name for path in (Path(trainer.logger.log_dir) / "figures").glob("*"))


def test_draws_when_training_and_testing_end(train: Callable) -> None:
    trainer, _ = train(NodeEmbeddings())
    trainer.test(trainer.lightning_module, datamodule=trainer.datamodule, verbose=False)
    assert files(trainer) == ["node_embeddings_1.png", "node_embeddings_test_1.png"]
    for name in files(trainer):
        assert (Path(trainer.logger.log_dir) / "figures" / name).read_bytes().startswith(b"\x89PNG")


@pytest.mark.parametrize(("every_n_epochs", "epochs"), [(None, [4]), (1, [1, 2, 3, 4]), (2, [2, 4]), (3, [3, 4])])
def test_draws_after_every_so_many_epochs_too(
    train: Callable, saved: list, every_n_epochs: int | None, epochs: list[int]
) -> None:
    train(NodeEmbeddings(every_n_epochs, animate=False), max_epochs=4)
    assert [(name, known["title"]) for name, known in saved] == [
        ("node_embeddings", f"Hexagon, after epoch {epoch}") for epoch in epochs
    ]


def test_the_animation_has_the_drawn_epochs_and_the_start_and_holds_the_last_longer(train: Callable) -> None:
    trainer, _ = train(NodeEmbeddings(every_n_epochs=2), max_epochs=3)
    assert files(trainer) == ["node_embeddings.gif", "node_embeddings_2.png", "node_embeddings_3.png"]
    with Image.open(Path(trainer.logger.log_dir) / "figures" / "node_embeddings.gif") as picture:
        assert picture.n_frames == 3  # before training, after epoch 2, after epoch 3
        durations = []
        for number in range(picture.n_frames):
            picture.seek(number)
            durations.append(picture.info["duration"])
            assert picture.convert("RGB").getpixel((0, 0)) == (255, 255, 255)
        assert all(duration >= 125 for duration in durations) and durations[-1] > 2 * max(durations[:-1])


@pytest.mark.parametrize(("every_n_epochs", "animate"), [(None, True), (1, False)])
def test_without_several_epochs_or_when_not_wanted_there_is_no_animation(
    train: Callable, saved: list, every_n_epochs: int | None, animate: bool
) -> None:
    train(NodeEmbeddings(every_n_epochs, animate))
    assert [name for name, _ in saved] == ["node_embeddings"]


def test_a_run_without_files_draws_nothing(train: Callable) -> None:
    trainer, _ = train(NodeEmbeddings(every_n_epochs=1), fast_dev_run=True)
    assert trainer.state.finished


def test_frames_share_the_plane_of_the_last_and_one_range_of_axes() -> None:
    generator = torch.Generator().manual_seed(0)
    embeddings = [torch.randn(6, 5, generator=generator) * scale for scale in (0.1, 1.0, 3.0)]
    frames = {epoch: (one, LABELS) for epoch, one in zip((0, 10, 15), embeddings, strict=True)}
    figures = list(draw_frames(frames, edge_index=EDGES, labels=LABELS))
    assert [figure.axes[0].get_title() for figure in figures] == [
        f"epoch {epoch}: 0 of 6 nodes wrong" for epoch in (0, 10, 15)
    ]
    centre, directions = principal_plane(embeddings[-1])
    for figure, one in zip(figures, embeddings, strict=True):
        axes = figure.axes[0]
        assert (axes.get_xlim(), axes.get_ylim()) == (figures[-1].axes[0].get_xlim(), figures[-1].axes[0].get_ylim())
        assert axes.get_xlabel() == "first principal component of the last frame"
        shown = torch.stack([torch.as_tensor(text.get_position()) for text in axes.texts])
        order = [int(text.get_text()) for text in axes.texts]
        assert_close(shown.float(), ((one - centre) @ directions)[order])
        (left, right), (low, high) = axes.get_xlim(), axes.get_ylim()
        assert left < shown[:, 0].min() and shown[:, 0].max() < right
        assert low < shown[:, 1].min() and shown[:, 1].max() < high


@pytest.mark.parametrize(("width", "num_replicas"), [(2, 1), (4, 1), (2, 3)])
def test_shows_the_last_hidden_layer_and_the_mistakes_of_the_first_replica(
    train: Callable, saved: list, width: int, num_replicas: int
) -> None:
    task = classifier(width, num_replicas=num_replicas)
    trainer, _ = train(NodeEmbeddings(), task=task)
    graph, net = trainer.datamodule.graph, task.replicas()[0].eval()
    ((_, known),) = saved
    with torch.no_grad():
        expected = project(hidden := net.encode(graph.x, EDGES), *principal_plane(hidden))
        assert torch.equal(known["predicted"], net(graph.x, EDGES).argmax(dim=-1))
    assert_close(known["points"], expected[0])
    assert known["axis_names"] == expected[1]
    assert known["title"] == f"Hexagon, {'replica 0 of 3, ' if num_replicas > 1 else ''}after epoch 1"
    assert known["class_names"] == ("ash", "elm", "oak") and known["marks"] is MARKS
    assert torch.equal(known["labels"], LABELS) and torch.equal(known["train_mask"], TRAIN)


def test_training_is_bit_identical_with_and_without_the_callback(train: Callable, saved: list) -> None:
    def state(*callbacks: Callback) -> tuple[dict[str, Tensor], dict, Tensor]:
        task = classifier()  # needs modes and random state for its dropout
        trainer, random_state = train(*callbacks, task=task, max_epochs=4)
        assert all(module.training for module in task.net.modules())
        return task.state_dict(), trainer.optimizers[0].state_dict(), random_state

    assert_close(state(NodeEmbeddings(every_n_epochs=1)), state(), rtol=0, atol=0)
    *stills, (name, frames) = saved
    assert len(stills) == 4 and name == "node_embeddings.gif"
    assert [frame["title"] for frame in frames] == [f"Hexagon, epoch {number}" for number in range(5)]


def test_other_processes_than_the_first_draw_nothing() -> None:
    trainer, callback = SimpleNamespace(is_global_zero=False, current_epoch=1, max_epochs=5), NodeEmbeddings(1)
    for hook in ("on_train_start", "on_train_epoch_end", "on_train_end", "on_test_end"):
        getattr(callback, hook)(trainer, None)  # would fail without a task
    assert not callback.frames


def test_takes_sparse_features_in_the_precision_of_the_network_and_a_network_that_diverged() -> None:
    task = classifier(dropout=0.0).double()
    graph = Data(x=torch.eye(6)[:, :4].to_sparse_csr(), edge_index=EDGES)
    embeddings, _ = embed_nodes(task, graph)
    with torch.no_grad():
        assert_close(embeddings, task.net.encode(torch.eye(6, dtype=torch.float64)[:, :4], EDGES).float())
        task.net.layers[0].weight.fill_(torch.nan)
    assert torch.equal(embed_nodes(task, graph)[0], torch.zeros(6, 2))


def test_a_wide_layer_is_drawn_along_its_principal_components() -> None:
    embeddings = torch.randn(30, 5, generator=torch.Generator().manual_seed(0)) * torch.tensor([1.0, 5, 2, 1, 1]) + 3
    points, names = project(embeddings, *principal_plane(embeddings))
    reference = PCA(2).fit(embeddings.double().numpy())
    expected = torch.from_numpy(reference.transform(embeddings.double().numpy())).float()
    assert_close(points.abs(), expected.abs(), atol=1e-4, rtol=1e-4)
    first, second = reference.explained_variance_ratio_
    assert names == (
        f"first principal component of the last hidden layer ({first:.0%} of the variance)",
        f"second principal component ({second:.0%})",
    )


def test_a_layer_of_two_numbers_is_drawn_as_it_is_and_one_number_on_a_line() -> None:
    embeddings = torch.rand(6, 2)
    points, names = project(embeddings, *principal_plane(embeddings))
    assert torch.equal(points, embeddings) and names == ("first number of the last hidden layer", "second number")
    points, names = project(embeddings[:, :1], *principal_plane(embeddings[:, :1]))
    assert torch.equal(points, torch.stack([embeddings[:, 0], torch.zeros(6)], dim=1)) and names[1] == ""


def test_what_it_cannot_draw_is_refused(make_trainer: Callable) -> None:
    with pytest.raises(ValueError, match=r"every_n_epochs must be at least 1, but it is 0"):
        NodeEmbeddings(every_n_epochs=0)
    trainer = make_trainer(callbacks=[NodeEmbeddings()])
    message = (
        r"NodeEmbeddings needs a datamodule with a graph, .* it is SparseFeaturesDataModule: take NodeEmbeddings out"
    )
    with pytest.raises(ValueError, match=message):
        data = SparseFeaturesDataModule(4, num_train=4, num_eval=4)
        trainer.fit(LitAutoencoder(Autoencoder(4, [2])), datamodule=data)
    trainer = SimpleNamespace(datamodule=SimpleNamespace(graph=Data()))
    message = (
        r"needs a task with encode, such as lit_models.LitNodeClassifier, but the task is LightningDataModule: take"
    )
    with pytest.raises(ValueError, match=message):
        NodeEmbeddings().setup(trainer, LightningDataModule(), "fit")
