"""Learned relative attention compared with the constructed layer that computes the same operator."""

from lightning.pytorch import Callback, LightningModule, Trainer

from callbacks.observing import undisturbed
from figures import draw_relative_positions
from lab.figures import save_figure
from nets import RelativeAttention1d
from theory import conv1d_as_relative_attention, max_pool_as_relative_attention


class RelativePositions(Callback):
    """Draws the scores p that a ``RelativeAttention1d`` learned beside those of the construction in ``theory``.

    Needs ``LocalOperatorDataModule``, which knows the operator. Draws ``relative_positions_<split>`` when training and
    testing end, and logs ``test/constructed_rse``, the relative squared error of the construction on the same
    sequences.

    Raises:
        ValueError: when the network is no ``RelativeAttention1d`` of one channel, the data come from elsewhere, or the
            window is narrower than the operator.
    """

    def setup(self, trainer: Trainer, pl_module: LightningModule, stage: str) -> None:
        net, data = pl_module.net, trainer.datamodule
        if not isinstance(net, RelativeAttention1d) or net.w_q.in_features != 1:
            raise ValueError(
                f"RelativePositions needs nets.RelativeAttention1d with embed_dim=1, but the network is "
                f"{type(net).__name__}{_width(net)}: take RelativePositions out of trainer.callbacks."
            )
        if not hasattr(data, "operator"):
            raise ValueError("RelativePositions needs datamodules.LocalOperatorDataModule.")
        if net.max_distance < data.radius:
            raise ValueError(
                f"max_distance={net.max_distance} of the network is less than {data.radius}, the reach of the "
                f'operator "{data.operator}": raise model.net.max_distance.'
            )

    def on_train_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        self._draw(trainer, pl_module, "val")

    def on_test_epoch_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        inputs, targets = (tensor.to(pl_module.device) for tensor in trainer.datamodule.datasets["test"].tensors)
        margin = trainer.datamodule.radius
        with undisturbed(pl_module.net):
            predictions = constructed_layer(trainer.datamodule, pl_module.net)(inputs)[:, margin : -margin or None]
            error = (predictions - targets).square().sum() / (targets - targets.mean()).square().sum()
        pl_module.log("test/constructed_rse", error, rank_zero_only=True)

    def on_test_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        self._draw(trainer, pl_module, "test")

    def _draw(self, trainer: Trainer, pl_module: LightningModule, split: str) -> None:
        if not trainer.is_global_zero:
            return
        data, net = trainer.datamodule, pl_module.net
        inputs, targets = (tensor.to(pl_module.device) for tensor in data.datasets[split].__getitems__([0]))
        with undisturbed(net):
            constructed = constructed_layer(data, net)
            predictions = [layer(inputs)[0, :, 0].cpu().float() for layer in (net, constructed)]
        scalars = [_scalars(layer) for layer in (net, constructed)]
        title = f"convolution with {data.kernel}" if data.operator == "conv" else f"max-pool of width {2 * data.k + 1}"
        figure = draw_relative_positions(
            net.p.detach().cpu().float(), constructed.p.detach().cpu().float(), scalars, targets[0, :, 0].cpu().float(),
            predictions, title,
        )  # fmt: skip
        save_figure(figure, f"relative_positions_{split}", trainer)


def constructed_layer(data: object, net: RelativeAttention1d) -> RelativeAttention1d:
    """A layer of the shape of ``net`` that computes the operator of the data by construction."""
    if data.operator == "conv":
        weights = conv1d_as_relative_attention(data.kernel, data.length)
    else:
        weights = max_pool_as_relative_attention(data.k, data.length, smallest_input=max(data.low, 0.01))
    layer = RelativeAttention1d(min(net.max_distance, data.length - 1))
    return layer.set_scalars(*weights).to(net.p.device, net.p.dtype)


def _width(net: object) -> str:
    return f" with embed_dim={net.w_q.in_features}" if isinstance(net, RelativeAttention1d) else ""


def _scalars(layer: RelativeAttention1d) -> str:
    w_q, w_k, w_v = (weights.weight.item() for weights in (layer.w_q, layer.w_k, layer.w_v))
    return f"w_q w_k = {w_q * w_k:.4g}, w_v = {w_v:.4g}"
