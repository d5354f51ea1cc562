"""Norms of the gradient with respect to the hidden state at each time step, beside the bounds of theory.

Letters: B batch, T time, H hidden size, L layers.
"""

import inspect
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import torch
from lightning.pytorch import LightningModule, Trainer
from torch import Tensor, nn
from torch.nn.utils.rnn import PackedSequence

from callbacks.draws_at_end import DrawsAtEnd
from callbacks.observing import metrics_so_far, rehearsal
from figures import draw_gradients_over_training, draw_timestep_gradients, gradients_of
from lab.figures import save_figure
from lab.titles import title_of
from nets import RNNLayer
from nets.recurrent import RecurrentLayer, RecurrentNet
from nets.unroll import States
from theory import gradient_bound, vanishing_rate

LIPSCHITZ = 1.0  # the largest slope of tanh, ReLU and identity


class TimestepGradients(DrawsAtEnd):
    r"""Logs the gradient of the loss with respect to every hidden state of a recurrent network.

    ``gradients/layer_<l>/`` + ``grad_norm/t_<t>``: ‖∂L/∂h_t‖; ``cell_grad_norm/t_<t>``: ‖∂L/∂c_t‖ of an LSTM;
    ``hidden_norm/t_<t>``: ‖h_t‖; ``bound/t_<t>``: the largest ‖∂L/∂h_t‖ that an RNN's W^h allows
    (``theory.gradient_bound``); ``vanishing_rate``: the slope of log ‖∂L/∂h_t‖ over t, in nats a step;
    ``spectral_radius`` and ``sigma_max`` of W^h, for an LSTM ``/<gate>``. L is the loss of one batch (of the first of
    those that are accumulated), norms are over the whole batch (B, H); with several processes those of the first.

    The batch goes through the network once more, step by step, before it is trained on: the training itself keeps its
    fused kernels, its random numbers, and every bit of its weights. Draws ``timestep_gradients`` and
    ``gradients_over_training`` when training ends, also when it ends by an error.

    Args:
        every_n_steps: log before every so many optimizer steps, ≥ 1, the first one included.

    Raises:
        ValueError: when ``every_n_steps`` is below 1, the network has no ``nets.RNN``, ``LSTM``, or layer of them, or
            the task has no ``batch_loss``.
    """

    def __init__(self, every_n_steps: int = 50) -> None:
        if every_n_steps < 1:
            raise ValueError(f"every_n_steps must be at least 1, but it is {every_n_steps}.")
        self.every_n_steps = every_n_steps

    def setup(self, trainer: Trainer, pl_module: LightningModule, stage: str) -> None:
        if not any(isinstance(module, RecurrentNet) for module in pl_module.net.modules()):
            raise ValueError(
                f"TimestepGradients needs a network with nets.RNN or nets.LSTM, but the network is "
                f"{type(pl_module.net).__name__}: take TimestepGradients out of trainer.callbacks."
            )
        if not hasattr(pl_module, "batch_loss"):
            raise ValueError(
                f"TimestepGradients needs a task with batch_loss(batch), such as lit_models.LitSequenceRegressor, but "
                f"the task is {type(pl_module).__name__}."
            )

    def on_train_batch_start(self, trainer: Trainer, pl_module: LightningModule, batch: Any, batch_idx: int) -> None:
        if trainer.global_step % self.every_n_steps or batch_idx % trainer.accumulate_grad_batches:
            return
        if not trainer.is_global_zero:
            return
        scaler = getattr(trainer.precision_plugin, "scaler", None)  # of 16-bit floats, which small gradients underflow
        with rehearsal(trainer, pl_module):
            layers = measure_timestep_gradients(pl_module, batch, scaler.get_scale() if scaler else 1.0)
        metrics = {
            f"gradients/layer_{number}/{name}": value
            for number, layer in enumerate(layers, start=1)
            for name, value in _named(layer).items()
        }
        for logger in trainer.loggers:
            logger.log_metrics(metrics, step=trainer.global_step)

    def draw(self, trainer: Trainer, pl_module: LightningModule) -> None:
        layers = gradients_of(metrics_so_far(trainer) or {})
        if layers:
            title = title_of(trainer)
            save_figure(draw_timestep_gradients(layers, title), "timestep_gradients", trainer)
            save_figure(draw_gradients_over_training(layers, title), "gradients_over_training", trainer)


def measure_timestep_gradients(task: LightningModule, batch: Any, scale: float = 1.0) -> list[dict[str, Tensor]]:
    """The quantities that ``TimestepGradients`` logs, for each layer in the order in which they run.

    Args:
        task: a task with ``net`` and ``batch_loss``.
        batch: a batch, as its ``batch_loss`` takes it.
        scale: the factor of the loss for the backward pass, so that 16-bit floats can hold its gradients.

    Shapes:
        quantities that end in ``norm``, and ``bound``: (T,); all others ()

    Raises:
        ValueError: when no recurrent layer runs.
    """
    with recorded_states(task.net) as recorded:
        loss = task.batch_loss(batch)
    if not recorded:
        raise ValueError(
            f"TimestepGradients needs a network that runs its nets.RNN or nets.LSTM, but {type(task.net).__name__} ran "
            f"none for this batch: take TimestepGradients out of trainer.callbacks."
        )
    tensors = [tensor for _, states in recorded for tensor in (states.outputs, *states.hidden, *states.cell)]
    gradients = iter(torch.autograd.grad(scale * loss, tensors, allow_unused=True, materialize_grads=True))
    layers = []
    for layer, states in recorded:
        direct = next(gradients).transpose(0, 1)  # (T, B, H)
        of_hidden = torch.stack([next(gradients) for _ in states.hidden])
        of_cell = [next(gradients) for _ in states.cell]
        measured = {"grad_norm": _norms(of_hidden) / scale, "hidden_norm": _norms(torch.stack(states.hidden))}
        if of_cell:
            measured["cell_grad_norm"] = _norms(torch.stack(of_cell)) / scale
        measured |= _of_weights(layer)
        if isinstance(layer, RNNLayer):
            measured["bound"] = gradient_bound(_norms(direct) / scale, measured["sigma_max"], LIPSCHITZ)
        layers.append({**measured, "vanishing_rate": vanishing_rate(measured["grad_norm"])})
    return layers


@contextmanager
def recorded_states(net: nn.Module) -> Iterator[list[tuple[RecurrentLayer, States]]]:
    """Collects the layers of every ``RecurrentNet`` that runs, and their states, without changing the outputs."""
    recorded: list[tuple[RecurrentLayer, States]] = []
    asked: dict[nn.Module, bool] = {}  # whether the network itself asks for the states

    def ask(module: RecurrentNet, given: tuple, options: dict[str, Any]) -> tuple[tuple, dict[str, Any]]:
        named = inspect.signature(module.forward).bind(*given, **options).arguments
        asked[module] = named.get("return_states", False)
        return (), {**named, "x": _with_gradient(named["x"]), "return_states": True}

    def keep(module: RecurrentNet, given: tuple, returned: tuple) -> tuple:
        states = returned[-1]
        recorded.extend(zip(module.recurrent_layers, [states] if isinstance(states, States) else states, strict=True))
        return returned if asked[module] else returned[:-1]

    modules = [module for module in net.modules() if isinstance(module, RecurrentNet)]
    hooks = [module.register_forward_pre_hook(ask, with_kwargs=True) for module in modules]
    hooks += [module.register_forward_hook(keep, prepend=True) for module in modules]
    try:
        yield recorded
    finally:
        for hook in hooks:
            hook.remove()


def _with_gradient(x: Tensor | PackedSequence) -> Tensor | PackedSequence:
    """The same input, which requires a gradient: layers with frozen weights have one too."""
    if isinstance(x, PackedSequence):
        return x._replace(data=_with_gradient(x.data))
    return x if x.requires_grad else x.detach().requires_grad_()


def _norms(values: Tensor) -> Tensor:
    """The norm of each of (T, B, H), on the CPU; in float64, since the square of 1e-25 is 0 in float32."""
    return values.detach().flatten(1).cpu().double().norm(dim=1)


def _of_weights(layer: RecurrentLayer) -> dict[str, Tensor]:
    """Spectral radius and largest singular value of each block of W^h; NaN where the weights are not finite."""
    weights = layer.weight_hh.detach().float().cpu().unflatten(0, (len(layer.gate_names), -1))  # (G, H, H)
    if not weights.isfinite().all():
        radii = sigmas = weights.new_full((len(layer.gate_names),), float("nan"))
    else:
        radii = torch.linalg.eigvals(weights).abs().amax(dim=1)
        sigmas = torch.linalg.svdvals(weights)[:, 0]
    if len(layer.gate_names) == 1:
        return {"spectral_radius": radii[0], "sigma_max": sigmas[0]}
    of_gates = zip(layer.gate_names, radii, sigmas, strict=True)
    return {
        f"{name}/{gate}": value
        for gate, radius, sigma in of_gates
        for name, value in {"spectral_radius": radius, "sigma_max": sigma}.items()
    }


def _named(layer: Mapping[str, Tensor]) -> dict[str, float]:
    """Numbers by the names under which they are logged."""
    digits = len(str(len(layer["grad_norm"])))
    named = {name: value.item() for name, value in layer.items() if not value.dim()}
    for name, values in layer.items():
        if values.dim():
            named |= {f"{name}/t_{t:0{digits}d}": value for t, value in enumerate(values.tolist(), start=1)}
    return named
