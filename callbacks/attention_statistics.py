"""The variance of attention scores and the entropy of attention, beside their predictions at initialisation."""

from collections.abc import Sequence

import torch
from lightning.pytorch import Callback, LightningModule, Trainer
from torch import Tensor, nn

from callbacks.observing import check_datasets, metrics_so_far, undisturbed
from figures import draw_attention_statistics, statistics_of
from lab.figures import save_figure
from lab.titles import title_of
from nets import MultiHeadAttention
from theory import dot_product_moments

NAMES = ("raw_variance", "scaled_variance", "predicted_variance", "entropy")


class AttentionStatistics(Callback):
    r"""Logs, for every layer and head, how large the scores are and how spread out the attention is.

    ``attention/layer_<l>/head_<h>/`` + ``raw_variance``: variance of q·k over examples, queries and keys;
    ``scaled_variance``: that of q·k/√D; ``entropy``: −Σ_j w_ij log w_ij, averaged over the queries, in nats: log N
    where attention is even, 0 where it is saturated (left out for "linformer", whose weights may be negative);
    ``predicted_variance``, at the first step alone: Dσ_q²σ_k² of ``theory.dot_product_moments``, with the σ that the
    projections (without their biases) give to inputs without a preferred direction. Draws ``attention_statistics`` when
    training ends.

    Args:
        every_n_epochs: log after every so many epochs, ≥ 1, and before the first.
        num_examples: how many of the first validation examples are looked at, ≥ 1.

    Raises:
        ValueError: when an argument is out of its range, or the network has no ``nets.MultiHeadAttention``.
    """

    def __init__(self, every_n_epochs: int = 1, num_examples: int = 64) -> None:
        for name, value in {"every_n_epochs": every_n_epochs, "num_examples": num_examples}.items():
            if value < 1:
                raise ValueError(f"{name} must be at least 1, but it is {value}.")
        self.every_n_epochs, self.num_examples = every_n_epochs, num_examples

    def setup(self, trainer: Trainer, pl_module: LightningModule, stage: str) -> None:
        if not any(isinstance(module, MultiHeadAttention) for module in pl_module.net.modules()):
            raise ValueError(
                f"AttentionStatistics needs a network with nets.MultiHeadAttention, but the network is "
                f"{type(pl_module.net).__name__}: take AttentionStatistics out of trainer.callbacks."
            )
        check_datasets(self, trainer)

    def on_train_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        if trainer.global_step == 0:
            self._log(trainer, pl_module, NAMES)

    def on_train_epoch_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        if (trainer.current_epoch + 1) % self.every_n_epochs == 0:
            self._log(trainer, pl_module, [name for name in NAMES if name != "predicted_variance"])

    def on_train_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        metrics = metrics_so_far(trainer)
        if metrics and statistics_of(metrics, "raw_variance"):
            save_figure(draw_attention_statistics({title_of(trainer): metrics}), "attention_statistics", trainer)

    def _log(self, trainer: Trainer, pl_module: LightningModule, names: Sequence[str]) -> None:
        if not trainer.is_global_zero:
            return
        dataset = trainer.datamodule.datasets["val"]
        inputs = dataset.__getitems__(range(min(self.num_examples, len(dataset))))[0].to(pl_module.device)
        layers = measure_attention(pl_module.net, inputs.to(next(pl_module.net.parameters()).dtype))
        metrics = {
            f"attention/layer_{layer}/head_{head}/{name}": value
            for layer, statistics in enumerate(layers, start=1)
            for name in names
            if statistics[name].isfinite().all()
            for head, value in enumerate(statistics[name].tolist(), start=1)
        }
        for logger in trainer.loggers:
            logger.log_metrics(metrics, step=max(trainer.global_step - 1, 0))  # the step of the epoch's other metrics


def measure_attention(net: nn.Module, inputs: Tensor) -> list[dict[str, Tensor]]:
    """The statistics of every ``MultiHeadAttention`` of a network over a batch, in the order in which it runs.

    Args:
        net: a network with ``nets.MultiHeadAttention`` in it.
        inputs: what the network takes.

    Shapes:
        each statistic (H,)
    """
    seen: list[tuple[MultiHeadAttention, Tensor]] = []
    layers = [module for module in net.modules() if isinstance(module, MultiHeadAttention)]
    hooks = [layer.register_forward_pre_hook(lambda layer, given: seen.append((layer, given[0]))) for layer in layers]
    try:
        with undisturbed(net):
            net(inputs)
    finally:
        for hook in hooks:
            hook.remove()
    with undisturbed(net):
        return [_measure_layer(layer, tokens) for layer, tokens in seen]


def _measure_layer(layer: MultiHeadAttention, tokens: Tensor) -> dict[str, Tensor]:
    q, k, _ = layer.project(tokens)  # (B, H, N, D)
    scores = (q @ k.transpose(-2, -1)).float()  # (B, H, N, N)
    raw_variance = scores.transpose(0, 1).flatten(1).var(dim=1)
    _, weights = layer(tokens, return_weights=True)  # (B, H, N, N)
    entropy = torch.special.entr(weights.float()).sum(dim=-1).mean(dim=(0, 2))  # -inf where a weight is negative
    of_q, of_k, _ = layer.qkv.weight.square().unflatten(0, (3, layer.num_heads, layer.head_dim))  # (H, D, E)
    spread = tokens.square().mean()  # each component of a query has the variance ‖W_q‖²/D of that of a token
    std = (of_q.sum(dim=(1, 2)) * of_k.sum(dim=(1, 2))) ** 0.25 * (spread / layer.head_dim) ** 0.5  # (H,)
    return {
        "raw_variance": raw_variance,
        "scaled_variance": raw_variance / layer.head_dim,
        "predicted_variance": dot_product_moments(0.0, std, layer.head_dim).variance,
        "entropy": entropy,
    }
