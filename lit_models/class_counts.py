"""One rule for all tasks: the data have as many classes, and tokens, as the task and the network."""

from collections.abc import Mapping
from typing import Any

from torch import Tensor

PHRASES = {
    "model.num_classes": "the task num_classes={}",
    "model.net.num_classes": "the network {} outputs",
    "model.net.num_conditions": "the network num_conditions={}",
    "model.net.vocab_size": "the network vocab_size={}",
}


def classes_of_data(data: Any) -> int | None:
    """What a datamodule says of its classes, by ``num_classes`` or its ``class_names``; None where it says nothing."""
    return getattr(data, "num_classes", None) or len(getattr(data, "class_names", None) or ()) or None


def names_of_outputs(data: Any, num_classes: int) -> list[str]:
    """A name for each output: that of its class where the data have one, else its number."""
    names = list(getattr(data, "class_names", None) or ())
    return names[:num_classes] + [str(number) for number in range(len(names), num_classes)]


def check_counts(in_data: int | None, noun: str, counts: Mapping[str, int], exact: bool) -> None:
    """Refuse outputs that nothing in the data trains, and what in the data has no output.

    Args:
        in_data: how many classes or tokens the data have; None where that is not known.
        noun: what they are.
        counts: how many the task and the network have, by the argument that sets it, one of ``PHRASES``.
        exact: whether the data may not have fewer either. What was trained so still has to be tested.

    Raises:
        ValueError: when they do not fit.
    """
    most = max(counts.values(), default=0)
    in_data = in_data or most
    if any(count != most for count in counts.values()) or in_data > most or (exact and in_data < most):
        *others, last = [f"the data has {in_data} {noun}", *(PHRASES[key].format(n) for key, n in counts.items())]
        raise ValueError(f"{', '.join(others)} and {last}: set {' and '.join(counts)} to {in_data}.")


def check_vocabulary(data: Any, net: Any, exact: bool) -> None:
    """Raise ValueError unless a network has a token for each of the data, and no more where ``exact``."""
    in_data = getattr(data, "vocab_size", None)
    in_net = getattr(net, "vocab_size", in_data)
    if in_net is not None:
        check_counts(in_data, "tokens", {"model.net.vocab_size": in_net}, exact)


def check_outputs(logits: Tensor, num_classes: int, dim: int = 1) -> None:
    """Raise ValueError unless a network gives a logit for each class of its task.

    Shapes:
        logits (B, C, ...), or C in the dimension ``dim``
    """
    if logits.shape[dim] != num_classes:
        raise ValueError(
            f"the network gives {logits.shape[dim]} outputs, but num_classes={num_classes} of the task: give the "
            f"network as many outputs."
        )
