"""All that a run leaves, and whether two of them left the same."""

from pathlib import Path
from typing import Any

import torch


def outcome(folder: Path) -> dict[str, Any]:
    """All that the one run in a folder left, from its weights to its metrics and the order of its data."""
    (run,) = (folder / "runs").glob("*/version_*")
    last, best = (torch.load(run / "checkpoints" / f"{name}.ckpt", weights_only=True) for name in ("last", "best"))
    kept = ("state_dict", "optimizer_states", "lr_schedulers", "random_states", "global_step", "tracked_loss")
    order = dict(line.split() for line in (folder / "order.txt").read_text().splitlines())
    parts = {"metrics": (run / "metrics.csv").read_text(), "order": order}
    best_parts = {f"best {name}": best[name] for name in ("state_dict", "global_step", "optimizer_states")}
    return {**parts, **best_parts, **{name: last[name] for name in kept}}


def same(one: Any, other: Any) -> bool:
    """Whether two values are equal to the bit, tensors within them too."""
    if isinstance(one, torch.Tensor):
        return torch.equal(one, other)
    if isinstance(one, dict):
        return one.keys() == other.keys() and all(same(one[key], other[key]) for key in one)
    if isinstance(one, list | tuple):
        return len(one) == len(other) and all(map(same, one, other))
    return one == other


def differing(folder: Path, whole: dict[str, Any]) -> list[str]:
    """The parts in which what a run left differs from what another did."""
    ended = outcome(folder)
    return [name for name in whole if not same(ended[name], whole[name])]
