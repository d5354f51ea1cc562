"""The memory that a call takes, measured in a process that does nothing else."""

import os
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from pathlib import Path
from typing import Any

import torch

from benchmarks.scaling import peak_bytes


def fresh_peak_bytes(make: Callable[..., Callable[[], None]], *arguments: Any, device: str) -> int:
    """The most bytes that a call held at once beyond what it keeps between calls, in a fresh process.

    Without a GPU that is the resident memory, with all that libraries take behind torch's back; on a GPU it is what
    torch allocates. The call is made once before, so that neither a compiler nor an optimizer's state counts. It is
    not ``ru_maxrss``, which on Linux a process inherits from the one that starts it.

    Args:
        make: gives the call; of a module's top level, because it is looked up in the other process.
        arguments: of ``make``.
        device: cpu (on Linux) or cuda.
    """
    # Freed maps go back to the system at once; by default malloc would keep them, and the call find them there.
    os.environ.update(MALLOC_MMAP_THRESHOLD_="65536", MALLOC_TRIM_THRESHOLD_="65536")
    with ProcessPoolExecutor(max_workers=1, mp_context=get_context("spawn")) as fresh:
        return fresh.submit(_peak_bytes, make, arguments, torch.get_num_threads(), device).result()


def _peak_bytes(make: Callable[..., Callable[[], None]], arguments: tuple, threads: int, device: str) -> int:
    torch.set_num_threads(threads)
    call = make(*arguments)
    call()
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
