"""The reconstructions of an autoencoder, for the pictures of a run and of a report.

Letters: B batch, D inputs, K bottleneck.
"""

from typing import Any

from torch import Tensor


def reconstruct(task: Any, inputs: Tensor, num_examples: int) -> tuple[dict[str, Tensor], Tensor]:
    """The rows of a picture of reconstructions by their names, and the codes of all inputs, of the first replica.

    Where training corrupts the inputs, the reconstructions are those of corrupted inputs.

    Args:
        task: a task such as ``lit_models.LitAutoencoder``, with ``replicas``, ``corrupt`` and ``corruption``.
        inputs: the inputs.
        num_examples: how many of them are reconstructed, the first ones.

    Shapes:
        inputs (B, D) -> rows (num_examples, D) each, codes (B, K)
    """
    net, examples = task.replicas()[0], inputs[:num_examples]
    rows = {"original": examples}
    shown = examples
    if task.corruption is not None:
        task.corruption.train()  # the caller restores the mode
        corrupted = task.corrupt(examples, 0)
        shown = rows["corrupted"] = corrupted if corrupted.ndim == examples.ndim else corrupted[0]
    rows["reconstruction"] = net(shown)
    return {name: row.cpu().float() for name, row in rows.items()}, net.encode(inputs).cpu().float()
