"""Any graph of nodes with classes: files of one's own, or a data set of PyTorch Geometric's.

Letters: N nodes, E edges, I features, C classes, K splits.
"""

from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch
from lightning.pytorch.utilities import rank_zero_info

from datamodules.fractions import check_fractions
from datamodules.graph_files import GraphFile, read_arrays, read_tables
from datamodules.graph_forms import MASKS
from datamodules.node_batches import NodeDataModule
from datamodules.node_splits import draw_fractions
from lab.errors import LabError

if TYPE_CHECKING:
    from torch_geometric.data import Data


class GraphDataModule(NodeDataModule):
    """A graph of one's own, or one of PyTorch Geometric's data sets; or a base class with a ``load_graph`` to override.

    ``path`` is a folder with ``nodes.csv`` and ``edges.csv`` (see ``graph_files.read_tables``), or a ``.npz`` file (see
    ``graph_files.read_arrays``). ``dataset`` is a class path, such as ``torch_geometric.datasets.Actor``. Nothing is
    unpickled but tensors and plain values. Self-loops are left out, since each network hears a node itself once.
    Weights of edges are used by ``nets.GCN``; other networks say that they leave them out. Nodes without edges stay.

    To predict, a graph needs no labels: leave the column, or ``y``, out.

    Args:
        num_neighbors: see ``NodeDataModule``.
        batch_size: see ``NodeDataModule``.
        eval_batch_size: see ``NodeDataModule``.
        seed: seed of a random split, of a generated graph, and of the order of the nodes.
        mask_column: the same as a number for ``split``.
        path: the files of the graph.
        dataset: the class path of a data set, instead of ``path``.
        dataset_args: the arguments of its constructor; ``root`` is ``ARCHLAB_DATA``/<Class> where it has none.
        directed: whether messages go from the source to the target alone, or, by default, both ways.
        split: "public" for the one that comes with the graph, or where none does a random one, which is told; its
            number in 0 … K − 1 where the graph has K; "random" for one that is drawn.
        val_fraction: share of each class that validates in a random split, in (0, 1).
        test_fraction: share of each class that tests in a random split, in (0, 1), with ``val_fraction`` below 1.
        label_column: of ``nodes.csv``.
        features: columns of ``nodes.csv``; all that have no other role when None.
        class_names: the classes there may be, in their order; those of ``nodes.csv`` when None.

    Shapes:
        x (N, I), edge_index (2, E), edge_weight (E,), y (N,) in 0 … C − 1

    Raises:
        ValueError: when an argument is out of its range, or the graph is none that can be learnt from.
        LabError: when a file is missing, or what is wrong in it; says where.

    Example:
        ``python train.py fit --config configs/gcn_cora.yaml --data GraphDataModule --data.path my_graph``
    """

    names_classes = True  # in predictions

    def __init__(
        self,
        num_neighbors: list[int] | None = None,
        batch_size: int | None = None,
        eval_batch_size: int | None = None,
        seed: int = 0,
        mask_column: int | None = None,
        path: str | None = None,
        dataset: str | None = None,
        dataset_args: dict[str, Any] | None = None,
        directed: bool = False,
        split: int | str = "public",
        val_fraction: float = 0.2,
        test_fraction: float = 0.2,
        label_column: str = "label",
        features: list[str] | None = None,
        class_names: list[str] | None = None,
    ) -> None:
        if isinstance(split, str) and split not in ("public", "random"):
            raise ValueError(f'split must be "public", "random" or a number from 0 on, but it is "{split}".')
        check_fractions(val_fraction, test_fraction)
        column = split if isinstance(split, int) else mask_column
        super().__init__(num_neighbors, batch_size, eval_batch_size, seed, column)
        self.path, self.dataset, self.dataset_args = path, dataset, dataset_args or {}
        self.directed, self.split, self.fractions = directed, split, (val_fraction, test_fraction)
        self.label_column, self.features = label_column, features
        if class_names is not None:
            self.class_names = list(class_names)
        self.node_names: list[str] | None = None

    def prepare_data(self) -> None:
        """Let one process download and process what a data set needs."""
        if self.dataset is not None:
            _ = self.graph

    def load_graph(self) -> "Data":
        file = self._read()
        graph, self.node_names = file.graph, file.node_names
        self.class_names = file.class_names or self.class_names
        self._join_both_ways(graph)
        has_masks = graph.get("train_mask") is not None
        if graph.get("y") is not None and (self.split == "random" or not has_masks):
            if self.split != "random":
                rank_zero_info("The graph comes with no split: one is drawn by the seed, from each class its share.")
            generator = torch.Generator().manual_seed(self.seed)
            for name, mask in zip(MASKS, draw_fractions(graph.y.view(-1), *self.fractions, generator), strict=True):
                graph[name] = mask
        return graph

    def node_name(self, node: int) -> str:
        return str(node) if self.node_names is None else self.node_names[node]

    def sample_names(self, indices: list[int]) -> list[str]:
        """What the nodes of a prediction are called."""
        _ = self.graph
        return [self.node_name(node) for node in indices]

    def state_dict(self) -> dict[str, Any]:
        """A checkpoint keeps what its classes are called."""
        return {**super().state_dict(), **({"class_names": list(self.class_names)} if self.class_names else {})}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        super().load_state_dict(state_dict)
        has_labels, found = "graph" in vars(self) and self.graph.y is not None, list(self.class_names or ())
        learnt = list(state_dict.get("class_names", found))
        if has_labels and learnt != found:
            raise LabError(
                f"the checkpoint has learnt {', '.join(learnt)}, but the graph has {', '.join(found) or 'numbers'}: "
                f"set data.class_names and data.path as in its run."
            )
        self.class_names = learnt or None

    def _read(self) -> GraphFile:
        if (self.path is None) == (self.dataset is None):
            raise LabError(
                "GraphDataModule needs one of data.path, a folder with nodes.csv and edges.csv or a .npz file, and "
                "data.dataset, a class path such as torch_geometric.datasets.Actor."
            )
        if self.dataset is not None:
            from datamodules.graph_datasets import load_dataset

            return GraphFile(load_dataset(self.dataset, self.dataset_args, self.seed), None, None)
        path = Path(self.path).expanduser()
        if path.suffix == ".npz":
            return read_arrays(path)
        return read_tables(path, self.label_column, self.features, self.class_names)

    def _join_both_ways(self, graph: "Data") -> None:
        """Leave self-loops out, give each edge its other direction, and say what that and isolated nodes amount to."""
        from torch_geometric.utils import remove_self_loops, to_undirected

        edges = graph.get("edge_index")
        if edges is None or edges.ndim != 2 or len(edges) != 2 or not edges.numel() or edges.is_floating_point():
            return  # which is told later
        nodes, given = graph.num_nodes, edges.shape[1]
        weights = graph.get("edge_weight")
        edges, weights = remove_self_loops(edges.long(), None if weights is None else weights.view(-1))
        loops, given_ways = given - edges.shape[1], edges.shape[1]
        if not self.directed and edges.numel() and int(edges.min()) >= 0 and int(edges.max()) < nodes:
            edges = to_undirected(edges, weights, nodes, reduce="max")
            edges, weights = edges if isinstance(edges, tuple) else (edges, None)
        graph.edge_index, graph.edge_weight = edges, weights
        isolated = nodes - len(edges.unique())
        report = f"The graph has {nodes} nodes and {edges.shape[1]} edges, counting both directions"
        report += f" ({given_ways} were given)" if edges.shape[1] != given_ways else ""
        report += f"; {loops} self-loops are left out" if loops else ""
        report += f"; {isolated} nodes have no edge, and are told by their features alone" if isolated else ""
        rank_zero_info(f"{report}.")
