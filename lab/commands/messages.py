"""Errors of the libraries below, said in one sentence: what came, what is allowed, what to do."""

import difflib
import errno
import importlib
import inspect
import linecache
import re
import sys
from argparse import ArgumentError
from collections.abc import Iterator
from pathlib import Path

from lightning.fabric.utilities.exceptions import MisconfigurationException

from lab.errors import LabError, nearest
from lab.files import PROJECT_ROOT
from lab.packages import PACKAGES

OURS = (*PACKAGES, "figures", "theory")
SHOWN = 12
UNWRITABLE = (errno.ENOSPC, errno.EDQUOT, errno.EROFS, errno.EACCES)


def explain(error: BaseException, options: list[str]) -> str | None:
    """One sentence for a mistake that a person can mend, or None for an error that needs its traceback.

    Args:
        error: what was raised.
        options: the dotted keys that the command accepts, to suggest the nearest one.
    """
    chain = list(_chain(error))
    for link in chain:
        if isinstance(link, LabError) or (isinstance(link, ValueError) and _raised_in_house(link)):
            return str(link)
    if isinstance(error, ArgumentError):
        return _explain_argument(chain, options)
    if missing := next((link for link in chain if isinstance(link, ModuleNotFoundError)), None):
        return f"a package is missing ({missing}): pip install {(missing.name or 'it').partition('.')[0]}"
    if type(error).__module__.startswith("wandb."):
        return f"Weights & Biases says: {error} Run `wandb login`, or add --trainer.logger.offline true."
    if unwritten := next((link for link in chain if isinstance(link, OSError) and link.errno in UNWRITABLE), None):
        where = f" {unwritten.filename}" if unwritten.filename else " a file of the run"
        return (
            f"cannot write{where} ({unwritten.strerror}): make room on the disk, or choose another "
            f"--trainer.default_root_dir; what had been saved before is kept."
        )
    if isinstance(error, MisconfigurationException) or re.search(r"invalid (strategy|accelerator)", str(error)):
        return _explain_configuration(str(error))
    if found := re.search(r"(\S+) is not in bounds, numpy accepts from (\d+) to (\d+)", str(error)):
        return f"seed_everything must be a whole number from {found[2]} to {found[3]}, but it is {found[1]}."
    if found := re.search(r"Early stopping conditioned on metric `(.+?)` which is not available.*?: (.*)", str(error)):
        return f"the callback EarlyStopping watches {found[1]}, which is not logged; choose one of {found[2]}."
    if found := re.search(r"`val_check_interval` \((\d+)\) must be less than or equal to .*? \((\d+)\)", str(error)):
        return (
            f"trainer.val_check_interval {found[1]} is more than the {found[2]} training batches of an epoch: lower "
            f"it, or count the batches of all epochs with --trainer.check_val_every_n_epoch null."
        )
    if "does not allow for gradient clipping" in str(error):
        return "trainer.gradient_clip_val needs an optimizer that is not fused here: add --model.optimizer.fused false."
    if "Error(s) in loading state_dict" in str(error):
        first = str(error).split("\n")[1].strip().split('", "')[0].rstrip('".')
        return (
            f'the checkpoint is of another model ({first}", among others): leave out what changes the network, or '
            f"use the config that it was trained with, config.yaml in its run folder."
        )
    return None


def _chain(error: BaseException | None) -> Iterator[BaseException]:
    """The error and what caused it, outermost first."""
    while error is not None:
        yield error
        error = error.__cause__ or error.__context__


def _raised_in_house(error: BaseException) -> bool:
    trace = error.__traceback__
    while trace is not None and trace.tb_next is not None:
        trace = trace.tb_next
    if trace is None:
        return False
    where = Path(trace.tb_frame.f_code.co_filename)
    if not where.is_relative_to(PROJECT_ROOT) or where.relative_to(PROJECT_ROOT).parts[0] not in OURS:
        return False
    # Raised in so many words, not by an operation that failed: that one needs its traceback.
    return linecache.getline(str(where), trace.tb_lineno).strip().startswith("raise ")


def _explain_argument(chain: list[BaseException], options: list[str]) -> str:
    """Say a parsing error of jsonargparse, which nests one message in another, by its key and its innermost reason."""
    keys: list[str] = []
    class_path = None
    for link in chain:
        if nested := re.match(r'Parser key "([\w.]+)":', str(link)):
            keys += [nested[1]] if keys[-1:] != [nested[1]] else []
        if found := re.match(r"Problem with given class_path '([\w.]+)'", str(link)):
            class_path = found[1]
    text, key = str(chain[-1]).strip(), ".".join(keys)
    if found := re.search(r"Option '([\w.]+)' is not accepted", text):
        return _unknown_argument(key, found[1], class_path)
    if found := re.search(r"(?:unrecognized arguments: -*|does not accept option ')([\w.]+)", text):
        return f"{found[1]} is no key of this command{_nearest_key(found[1], options)} See python train.py fit --help."
    if found := re.search(r"No module named '(\S+)'", text):
        return f'{key} names the module "{found[1]}", which does not exist{nearest(found[1], OURS) or "."}'
    if found := re.search(r"dot import path string: (\S+)|has no attribute '(\S+)'", text):
        return _unknown_class(key, found[1] or found[2])
    if found := re.search(r"Expected an? (.+?)\. Got value: (.*)", text):
        kind = re.sub(r"<class '([\w.]+)'>", r"\1", found[1])
        word = " (No, Yes, Null and the like are no words to YAML: put them in quotes)"
        hint = word if kind == "str" and found[2] in ("False", "True", "None") else ""
        return f'{key} must be of the type {kind}, but it is "{found[2]}"{hint}.'
    if found := re.search(r"arguments are required: (?:\w+\.)?(.+)", text):
        missing = ".".join([*keys, found[1]])
        return f"{missing} is missing: give a config, such as --config configs/vit_digits.yaml, or --{missing}."
    return " ".join(text.split())


def _unknown_argument(key: str, name: str, class_path: str | None) -> str:
    if class_path is None:
        return f"{key}.{name} is not known."
    accepted = list(inspect.signature(_import(class_path)).parameters)
    return f"{key}.{name} is not an argument of {class_path}{nearest(name, accepted)} It takes {', '.join(accepted)}."


def _unknown_class(key: str, name: str) -> str:
    """A class that is not there: suggest the nearest of the house, or of torch's optimizers and schedulers."""
    known = {
        found: f"{room}.{found}"
        for room in (*OURS, "torch.optim", "torch.optim.lr_scheduler")
        if room in sys.modules
        for found, _ in inspect.getmembers(sys.modules[room], inspect.isclass)
        if not found.startswith("_")
    }
    match = difflib.get_close_matches(name.rsplit(".", 1)[-1], known, n=1, cutoff=0.6)
    hint = f'did you mean "{known[match[0]]}"?' if match else "give the full path of a class, package.module.Class."
    return f'{key} names the class "{name}", which does not exist; {hint}'


def _nearest_key(key: str, options: list[str]) -> str:
    match = difflib.get_close_matches(key, options, n=1, cutoff=0.6)
    return f'; did you mean "{match[0]}"?' if match else "."


def _explain_configuration(text: str) -> str:
    if found := re.search(r"monitor='(.+?)'\)` could not find .*? metrics: \[(.*?)\]", text, re.S):
        return f'monitor names "{found[1]}", which is not logged; choose one of {found[2]}.'
    if "gpu backend" in text or "CUDAAccelerator" in text:
        return f"trainer.accelerator asks for a GPU, but there is none here ({text}): use --trainer.accelerator auto."
    return " ".join(text.split())


def _import(class_path: str) -> type:
    module, name = class_path.rsplit(".", 1)
    return getattr(importlib.import_module(module), name)
