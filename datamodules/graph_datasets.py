"""PyTorch Geometric's data sets by their class paths, made without unpickling anything but tensors and plain values."""

import inspect
import os
import random
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from functools import cache
from importlib import import_module
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from lightning.pytorch.utilities.seed import isolate_rng

from lab.downloads import data_root
from lab.errors import LabError, nearest

if TYPE_CHECKING:
    from torch_geometric.data import Data

FORCE_SAFE = "TORCH_FORCE_WEIGHTS_ONLY_LOAD"  # torch.load then never unpickles, whatever its caller asks for
_refusing: ContextVar[bool] = ContextVar("refusing", default=False)


def load_dataset(class_path: str, arguments: dict[str, Any], seed: int) -> "Data":
    """The one graph of a data set.

    A data set's own processed file is loaded by PyG with ``torch.load(weights_only=True)``: PyG registers its classes
    for it, and its second try without is shut off. A raw file that is a pickle of objects is refused too.

    Args:
        class_path: of its class, such as "torch_geometric.datasets.Actor".
        arguments: those of its constructor. Where it takes a ``root`` and none is given, its files lie in the folder of
            data sets, under the name of the class.
        seed: of what a generated data set draws; the global generators stay as they are.

    Raises:
        LabError: when there is no such class, its files cannot be had or are not safe, or it has not one graph.
    """
    made = _class_of(class_path)
    parameters = inspect.signature(made).parameters
    if unknown := [name for name in arguments if name not in parameters and "kwargs" not in parameters]:
        raise LabError(
            f'{class_path} takes {", ".join(parameters)}, but data.dataset_args has "{unknown[0]}"'
            f"{nearest(unknown[0], parameters)}"
        )
    if "root" in parameters:
        arguments = {"root": str(data_root(None) / made.__name__), **arguments}
    try:
        with _seeded(seed), nothing_unpickled():
            dataset = made(**arguments)
            graphs = [dataset[number] for number in range(min(2, len(dataset)))]
    except LabError as error:
        raise LabError(f"{class_path} cannot be used: {error}") from error
    except Exception as error:  # of a library: a network that is not there, a file that is damaged, a wrong value
        reason = str(error).strip().split("\n")[0][:200] or type(error).__name__
        where = f" in {arguments['root']}" if "root" in arguments else ""
        raise LabError(
            f"{class_path} cannot be made ({reason}): check data.dataset_args and its files{where}, and see its "
            f"page in PyG's documentation."
        ) from error
    if len(graphs) != 1:
        raise LabError(f"{class_path} has {len(dataset)} graphs, but nodes are told apart in one: choose another one.")
    return graphs[0]


@contextmanager
def nothing_unpickled() -> Iterator[None]:
    """Inside, a pickle that needs any class or function is refused, whoever reads it.

    Raises:
        LabError: from where such a pickle is read.
    """
    _install_hook()
    before, token = os.environ.get(FORCE_SAFE), _refusing.set(True)
    os.environ[FORCE_SAFE] = "1"
    try:
        yield
    finally:
        _refusing.reset(token)
        if before is None:
            del os.environ[FORCE_SAFE]
        else:
            os.environ[FORCE_SAFE] = before


@cache
def _install_hook() -> None:
    """Python tells its audit hooks of each class or function that a pickle asks for, before it is had."""
    sys.addaudithook(_refuse)


def _refuse(event: str, arguments: tuple[Any, ...]) -> None:
    if event == "pickle.find_class" and _refusing.get():
        raise LabError(
            f"one of its files is a pickle that asks for {'.'.join(arguments)}, and nothing is unpickled here: "
            f"save the graph as nodes.csv and edges.csv, or as .npz, and set data.path"
        )


def _class_of(class_path: str) -> type:
    module, _, name = class_path.rpartition(".")
    try:
        found = getattr(import_module(module), name)
    except (ImportError, AttributeError, ValueError) as error:
        import torch_geometric.datasets

        raise LabError(
            f'data.dataset must be the class path of a data set, such as torch_geometric.datasets.Actor, but "'
            f'{class_path}" is none{nearest(name, torch_geometric.datasets.__all__)}'
        ) from error
    if name == "Planetoid":
        raise LabError("Planetoid's files are pickles: use PlanetoidDataModule, which reads them without running them.")
    if not inspect.isclass(found):
        raise LabError(f"data.dataset must name a class, but {class_path} is a {type(found).__name__}.")
    return found


@contextmanager
def _seeded(seed: int) -> Iterator[None]:
    with isolate_rng():
        random.seed(seed)
        np.random.seed(seed % 2**32)
        torch.manual_seed(seed)
        yield
