"""The size of scores and the spread of attention: against plain recomputation, theory, and what is logged of them."""

import math
from collections.abc import Callable
from functools import partial
from pathlib import Path

import pytest
import torch
from lightning.pytorch import Callback, LightningDataModule
from torch import Tensor, nn
from torch.testing import assert_close

from callbacks import AttentionStatistics
from callbacks.attention_statistics import measure_attention
from lab import read_metrics
from lab.training.guards import ResumableStop
from lab.training.loggers import RunLogger
from lit_models import LitImageClassifier
from nets import MultiHeadAttention, VisionTransformer

pytestmark = pytest.mark.usefixtures("coarse_figures")

NAMES = ("raw_variance", "scaled_variance", "predicted_variance", "entropy")
STEPS = {name: [0] if name == "predicted_variance" else [0, 4, 9] for name in NAMES}


def images(length: int = 6) -> Tensor:
    return torch.rand(length, 1, 8, 8, generator=torch.Generator().manual_seed(1))


def naive_statistics(net: VisionTransformer, batch: Tensor) -> list[list[dict[str, float]]]:
    """For every layer and head, one head at a time, from the rows of the projection that are its own."""
    tokens, layers = net._embed(batch), []
    for layer in net.layers:
        attention, x = layer.attention, layer.attention_norm(tokens)
        width, heads = attention.head_dim, []
        w_q, w_k, _ = attention.qkv.weight.chunk(3)
        for head in range(attention.num_heads):
            rows = slice(head * width, (head + 1) * width)
            scores = torch.einsum("bne,de,df,bsf->bns", x, w_q[rows], w_k[rows], x)
            variance = ((scores - scores.mean()) ** 2).sum() / (scores.numel() - 1)
            weights = (scores / math.sqrt(width)).exp()
            weights = weights / weights.sum(dim=-1, keepdim=True)
            sizes = w_q[rows].square().sum() * w_k[rows].square().sum()
            heads.append(
                {
                    "raw_variance": variance.item(),
                    "scaled_variance": variance.item() / width,
                    "predicted_variance": (sizes * x.square().mean() ** 2 / width).item(),
                    "entropy": -(weights * weights.log()).sum(dim=-1).mean().item(),
                }
            )
        tokens = layer(tokens)
        layers.append(heads)
    return layers


@pytest.mark.parametrize("sizes", [{}, {"depth": 3, "num_heads": 3, "head_dim": 5, "pool": "mean"}])
@torch.no_grad()
def test_statistics_are_those_of_a_plain_recomputation(tiny_vit: Callable, sizes: dict) -> None:
    net = tiny_vit(**sizes).double().eval()
    expected, measured = naive_statistics(net, images().double()), measure_attention(net, images().double())
    assert len(measured) == len(expected)
    for layer, heads in zip(measured, expected, strict=True):
        assert set(layer) == set(NAMES)
        for name, values in layer.items():
            assert values.tolist() == pytest.approx([head[name] for head in heads], rel=1e-4), name


@pytest.mark.parametrize("attention", ["softmax", "elu", "quadratic", "performer"])
def test_entropy_is_that_of_the_weights_that_the_network_returns(tiny_vit: Callable, attention: str) -> None:
    net = tiny_vit(attention=attention).eval()
    with torch.no_grad():
        _, weights = net(images(), return_weights=True)
    for layer, of_layer in zip(measure_attention(net, images()), weights, strict=True):
        assert_close(layer["entropy"], -torch.xlogy(of_layer, of_layer).sum(dim=-1).mean(dim=(0, 2)))


def test_even_attention_has_scores_of_zero_and_the_entropy_log_n(tiny_vit: Callable) -> None:
    net = tiny_vit()
    for layer in net.layers:
        nn.init.zeros_(layer.attention.qkv.weight)
    for layer in measure_attention(net, images()):
        assert layer["raw_variance"].tolist() == layer["predicted_variance"].tolist() == [0.0, 0.0]
        assert_close(layer["entropy"], torch.full((2,), math.log(5)))  # four patches and the class token


def test_saturated_attention_has_the_entropy_zero(tiny_vit: Callable) -> None:
    net = tiny_vit()
    for layer in net.layers:
        layer.attention.qkv.weight.data *= 1e4
    for layer in measure_attention(net, images()):
        assert (layer["entropy"] < 0.01).all()


@pytest.mark.parametrize(("embed_dim", "head_dim"), [(64, 4), (64, 16), (64, 64), (128, 8)])
@pytest.mark.parametrize("size", [0.5, 3.0])
def test_predicted_variance_is_within_a_quarter_of_that_of_many_random_tokens_at_initialisation(
    embed_dim: int, head_dim: int, size: float
) -> None:
    torch.manual_seed(0)
    layer = MultiHeadAttention(embed_dim, num_heads=4, head_dim=head_dim)
    (measured,) = measure_attention(layer, size * torch.randn(16, 128, embed_dim))
    assert measured["raw_variance"].tolist() == pytest.approx(measured["predicted_variance"].tolist(), rel=0.25)


def test_measuring_leaves_no_trace(tiny_vit: Callable) -> None:
    net = tiny_vit(dropout=0.5).train()
    state = torch.get_rng_state()
    first, second = (measure_attention(net, images()) for _ in range(2))
    assert_close(first, second, rtol=0, atol=0)
    assert net.training and torch.equal(torch.get_rng_state(), state)
    assert not any(module._forward_pre_hooks for module in net.modules())


@pytest.fixture
def undrawn(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("callbacks.attention_statistics.save_figure", lambda *arguments: None)


@pytest.fixture
def train(tiny_vit: Callable, tiny_images: type, make_trainer: Callable) -> Callable:
    """Trains with dropout, two epochs of five steps by default; gives the weights and the run folder."""

    def run(*callbacks: Callback, max_epochs: int = 2, **sizes: object) -> tuple[dict[str, Tensor], Path]:
        task = LitImageClassifier(tiny_vit(dropout=0.1, **sizes), 3, optimizer=partial(torch.optim.SGD, lr=0.1))
        trainer = make_trainer(max_epochs=max_epochs, callbacks=list(callbacks))
        with torch.random.fork_rng():
            torch.manual_seed(0)
            trainer.fit(task, datamodule=tiny_images())
        return task.state_dict(), Path(trainer.logger.log_dir)

    return run


@pytest.mark.parametrize("attention", ["softmax", "performer", "linformer"])
def test_weights_are_bit_identical_with_and_without_the_callback(train: Callable, attention: str) -> None:
    with_it, run = train(AttentionStatistics(), attention=attention)
    without, _ = train(attention=attention)
    assert all(torch.equal(with_it[name], without[name]) for name in without)
    logged = {name.split("/")[-1] for name in read_metrics(run) if name.startswith("attention/")}
    assert logged == set(NAMES) - ({"entropy"} if attention == "linformer" else set())


def test_metrics_csv_holds_every_statistic_of_every_layer_and_head(
    train: Callable, tiny_vit: Callable, tiny_images: type
) -> None:
    _, run = train(AttentionStatistics(num_examples=3))
    metrics = {name: logged for name, logged in read_metrics(run).items() if name.startswith("attention/")}
    heads = [(layer, head) for layer in (1, 2) for head in (1, 2)]
    assert {name: steps for name, (steps, _) in metrics.items()} == {
        f"attention/layer_{layer}/head_{head}/{name}": STEPS[name] for layer, head in heads for name in NAMES
    }
    data = tiny_images()
    data.setup("fit")
    before = measure_attention(tiny_vit(), data.datasets["val"].tensors[0][:3])
    for layer, head in heads:
        for name in NAMES:
            _, values = metrics[f"attention/layer_{layer}/head_{head}/{name}"]
            assert values[0] == pytest.approx(before[layer - 1][name][head - 1].item(), rel=1e-5)
    assert [path.name for path in (run / "figures").iterdir()] == ["attention_statistics_10.png"]


def test_logs_before_the_first_and_after_every_so_many_epochs(train: Callable, undrawn: None) -> None:
    _, run = train(AttentionStatistics(every_n_epochs=2), max_epochs=5)
    assert read_metrics(run)["attention/layer_1/head_1/entropy"][0] == [0, 9, 19]


def test_a_resumed_run_keeps_what_was_logged_before(
    tiny_task: Callable, tiny_images: type, make_trainer: Callable, tmp_path: Path, undrawn: None
) -> None:
    for max_epochs, checkpoint in ((1, None), (2, tmp_path / "last.ckpt")):
        logger = RunLogger(tmp_path, name="resumed", version="version_0", first_step=5 * (max_epochs - 1))
        callbacks = [AttentionStatistics(), ResumableStop(last=None)]  # as train.py has it
        trainer = make_trainer(max_epochs=max_epochs, callbacks=callbacks, logger=logger)
        trainer.fit(tiny_task(), datamodule=tiny_images(), ckpt_path=checkpoint, weights_only=True)
        trainer.save_checkpoint(tmp_path / "last.ckpt")
    metrics = read_metrics(logger.log_dir)
    assert metrics["val/loss"][0] == [4, 9]
    assert metrics["attention/layer_1/head_1/entropy"][0] == [0, 4, 9]


def test_a_network_without_attention_is_refused(tiny_images: type, make_trainer: Callable) -> None:
    task = LitImageClassifier(nn.Sequential(nn.Flatten(), nn.Linear(64, 3)), num_classes=3)
    with pytest.raises(ValueError, match=r"needs a network with nets.MultiHeadAttention, but the network is Seq"):
        make_trainer(callbacks=[AttentionStatistics()]).fit(task, datamodule=tiny_images())


def test_data_without_datasets_are_refused(tiny_task: Callable, make_trainer: Callable) -> None:
    with pytest.raises(ValueError, match="AttentionStatistics needs a datamodule with datasets"):
        make_trainer(callbacks=[AttentionStatistics()]).fit(tiny_task(), datamodule=LightningDataModule())


@pytest.mark.parametrize("name", ["every_n_epochs", "num_examples"])
def test_arguments_out_of_range_are_refused(name: str) -> None:
    with pytest.raises(ValueError, match=f"{name} must be at least 1, but it is 0"):
        AttentionStatistics(**{name: 0})
