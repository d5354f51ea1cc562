"""The memory that a call takes, measured in a process that does nothing else."""

import gc
import os
from collections.abc import Callable, Sequence
from concurrent.futures import ProcessPoolExecutor
from functools import partial
from multiprocessing import get_context
from pathlib import Path

import torch

from benchmarks.scaling import peak_bytes


def peaks_apart(make: Callable[..., Callable[[], None]], arguments: Sequence[tuple], device: str) -> list[int]:
    """The most bytes that each of several calls held at once beyond what it keeps between calls, in another process.

    Without a GPU that is the resident memory, with all that libraries take behind torch's back; on a GPU it is what
    torch allocates. Each call is made once before, so that neither a compiler nor an optimizer's state counts. It is
    not ``ru_maxrss``, which on Linux a process inherits from the one that starts it, and which never falls.

    Args:
        make: gives a call; of a module's top level, because it is looked up in the other process.
        arguments: of ``make``, for each call.
        device: cpu (on Linux) or cuda.
    """
    # Freed maps go back to the system at once; by default malloc would keep them, and the next call find them there.
    os.environ.update(MALLOC_MMAP_THRESHOLD_="65536", MALLOC_TRIM_THRESHOLD_="65536")
    weigh = partial(_peak_bytes, make, torch.get_num_threads(), device)
    with ProcessPoolExecutor(max_workers=1, mp_context=get_context("spawn")) as apart:
        return list(apart.map(weigh, arguments))


def _peak_bytes(make: Callable[..., Callable[[], None]], threads: int, device: str, arguments: tuple) -> int:
    torch.set_num_threads(threads)
    call = make(*arguments)
    call()
    gc.collect()
    if device.startswith("cuda"):
        return peak_bytes(call, device)
    Path("/proc/self/clear_refs").write_text("5")  # the peak so far is forgotten
    before = _resident_bytes("VmRSS")
    call()
    return _resident_bytes("VmHWM") - before


def _resident_bytes(field: str) -> int:
    lines = Path("/proc/self/status").read_text().splitlines()
    (kibibytes,) = (line.split()[1] for line in lines if line.startswith(f"{field}:"))
    return 1024 * int(kibibytes)
