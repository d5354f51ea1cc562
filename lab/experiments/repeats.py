"""What makes two runs of one config no repeats of each other though nothing else was typed: processes and data."""

import shlex
from collections.abc import Mapping, Sequence
from typing import Any

from lab.run_folder import RunFolder

PROCESSES = ("trainer.devices", "trainer.num_nodes")  # each process has a batch of its own
SHOWN = 8  # digits of a fingerprint


def process_options(run: RunFolder, stated: Mapping[str, Any], ran: Mapping[str, Any]) -> list[str]:
    """What one types for as many processes as a run had, where its config states others.

    Args:
        run: its folder.
        stated: the values of its config files.
        ran: its own values.
    """
    processes = run.data.get("processes") or _count(ran)
    if processes is None or processes == (_count(stated) or 1):
        return []
    given = ran.get(PROCESSES[1])
    nodes = given if isinstance(given, int) else 1
    strategy = str(ran.get("trainer.strategy", "auto"))
    options = [f"--{PROCESSES[0]} {processes // nodes}", *([f"--{PROCESSES[1]} {nodes}"] if nodes > 1 else [])]
    return options + ([f"--trainer.strategy {shlex.quote(strategy)}"] if strategy != "auto" else [])


def data_notes(runs: Sequence[RunFolder], variants: Sequence[Any], roots: Sequence[Any]) -> list[str]:
    """For each run, what distinguishes its files of data from those of the other runs of its variant; mostly nothing.

    The same files in another place are the same data. Where the place was typed and the files are not known to be those
    of the place that the config states, it is named; otherwise, where files were changed in their place, a fingerprint.

    Args:
        runs: run folders.
        variants: what is typed for each, apart from its data.
        roots: the place of its data that was typed for each, or None.
    """
    known = [run.data for run in runs]
    notes = []
    for data, variant, root in zip(known, variants, roots, strict=True):
        alike = [(of, at) for of, other, at in zip(known, variants, roots, strict=True) if other == variant]
        usual = {of["fingerprint"] for of, at in alike if at is None and of.get("fingerprint")}
        fingerprint = data.get("fingerprint")
        if not fingerprint:
            notes.append("")
        elif root is not None and fingerprint not in usual | {data.get("usual")}:
            first = next(at for of, at in alike if at is not None and of.get("fingerprint") == fingerprint)
            notes.append(f" --data.root {shlex.quote(str(first))}")
        else:
            notes.append(f" # data {fingerprint[:SHOWN]}" if len(usual) > 1 else "")
    return notes


def _count(values: Mapping[str, Any]) -> int | None:
    """How many processes a configuration states, where it does so by numbers."""
    devices, nodes = values.get(PROCESSES[0]), values.get(PROCESSES[1]) or 1
    devices = len(devices) if isinstance(devices, list) else devices
    devices = int(devices) if isinstance(devices, str) and devices.isdecimal() else devices
    return devices * nodes if isinstance(devices, int) and isinstance(nodes, int) and devices > 0 else None
