"""Citation graphs: papers, the words in them, and who cites whom."""

from typing import TYPE_CHECKING

import torch
from torch import Tensor

from datamodules.listing import find_file
from datamodules.node_batches import NodeDataModule
from datamodules.node_splits import draw, draw_per_class
from lab.downloads import data_root, download
from lab.errors import LabError

if TYPE_CHECKING:
    from torch_geometric.data import Data

NUM_CLASSES = {"Cora": 7, "CiteSeer": 6, "PubMed": 3}
CORA_CLASSES = (
    "Theory", "Reinforcement Learning", "Genetic Algorithms", "Neural Networks", "Probabilistic Methods",
    "Case Based", "Rule Learning",
)  # fmt: skip
SPLITS = ("public", "full", "random")
PER_CLASS, NUM_VAL, NUM_TEST = 20, 500, 1000  # of a random split, as in the public one
MIRROR = "https://github.com/kimiyoung/planetoid/raw/master/data/"
CHECKSUMS = {  # of Cora alone, whose files could be checked
    "x": "190831eee19d8f330d89d94b40a65c5a",
    "tx": "b29c36916768e1d2f55391c1aa9317ac",
    "allx": "c9083193a57057dd1238321e140194d7",
    "y": "78344284e3ff7fd24eb9c307d51351eb",
    "ty": "48bf43f54fa5b86089a4bd0299795f10",
    "ally": "125d70817fe1fdbfdcad991995e81579",
    "graph": "b37c419cec179f45834467630c278e4c",
    "test.index": "9b822cae1d01f41e8bf8782e20367c0e",
}


class PlanetoidDataModule(NodeDataModule):
    """The field of a paper from its words and its citations, with twenty labels a field.

    "Revisiting Semi-Supervised Learning with Graph Embeddings" (Yang et al., 2016), https://arxiv.org/abs/1603.08861,
    from the authors' files ``ind.<name>.*``, which are read without unpickling anything but arrays. The words of a
    paper sum to 1. The public split has 20 training papers a class, 500 to validate and 1,000 to test; "full" trains
    on all papers that are in neither of the latter ("FastGCN", Chen et al., 2018, https://arxiv.org/abs/1801.10247);
    "random" draws a split of the public one's sizes by the seed.

    Cora is downloaded where it is missing. CiteSeer and PubMed have to be there: no checksums of them are known here.

    Args:
        name: "Cora", "CiteSeer" or "PubMed".
        root: the folder that holds ``Planetoid/<name>/raw``; ``ARCHLAB_DATA``, else ``data``, when None.
        split: "public", "full" or "random".
        sparse_features: keep the words, of which 99 % are zeros, in the layout ``torch.sparse_csr``.
        num_neighbors: see ``NodeDataModule``; neighbourhoods have dense features.
        batch_size: see ``NodeDataModule``.
        eval_batch_size: see ``NodeDataModule``.
        seed: seed of a random split and of the order.

    Shapes:
        x (N, I) whose rows sum to 1 (Cora: 2,708 papers, 1,433 words), edge_index (2, E), y (N,)

    Raises:
        ValueError: when an argument is out of its range.
        LabError: when files are missing or damaged.
    """

    def __init__(
        self,
        name: str = "Cora",
        root: str | None = None,
        split: str = "public",
        sparse_features: bool = True,
        num_neighbors: list[int] | None = None,
        batch_size: int | None = None,
        eval_batch_size: int | None = None,
        seed: int = 0,
    ) -> None:
        super().__init__(num_neighbors, batch_size, eval_batch_size, seed)
        if name not in NUM_CLASSES:
            raise ValueError(f'name must be one of {", ".join(NUM_CLASSES)}, but it is "{name}".')
        if split not in SPLITS:
            raise ValueError(f'split must be one of {", ".join(SPLITS)}, but it is "{split}".')
        self.name, self.split, self.sparse_features = name, split, sparse_features
        self.folder = data_root(root) / "Planetoid" / name / "raw"
        self.num_classes = NUM_CLASSES[name]
        self.class_names = CORA_CLASSES if name == "Cora" else None

    def prepare_data(self) -> None:
        """Download what is missing of Cora; with everything there, nothing is written."""
        if self.name != "Cora":
            return
        for kind, checksum in CHECKSUMS.items():
            path = self.folder / f"ind.cora.{kind}"
            try:
                if find_file(self.folder, path.name) is None:
                    download([MIRROR + path.name], path, checksum)
            except LabError as error:
                raise LabError(
                    f"Cora is not in {self.folder} ({path.name} is missing) and cannot be downloaded ({error}). "
                    f"Set --data.root or ARCHLAB_DATA to the folder that holds Planetoid/Cora/raw, or use "
                    f"DigitsGraphDataModule (configs/gcn_digits_graph.yaml), which needs no files."
                ) from error

    def load_graph(self) -> "Data":
        from datamodules.planetoid_files import read_planetoid

        graph = read_planetoid(self.folder, self.name)
        has_words = graph.x.crow_indices().diff() > 0
        graph.x = rows_sum_to_one(graph.x)
        if not self.sparse_features:
            graph.x = graph.x.to_dense()
        if self.split != "public":
            self._split(graph, has_words)
        return graph

    def _split(self, graph: "Data", candidates: Tensor) -> None:
        """Another split than the public one, of papers that have words: CiteSeer has some without words and field."""
        if self.split == "full":
            graph.train_mask = candidates & ~(graph.val_mask | graph.test_mask)
            return
        generator = torch.Generator().manual_seed(self.seed)
        graph.train_mask = draw_per_class(graph.y, candidates, PER_CLASS, generator)
        graph.val_mask = draw("num_val", NUM_VAL, candidates & ~graph.train_mask, generator)
        left = candidates & ~(graph.train_mask | graph.val_mask)
        graph.test_mask = draw("num_test", NUM_TEST, left, generator)


def rows_sum_to_one(x: Tensor) -> Tensor:
    """A ``torch.sparse_csr`` matrix with its rows divided by their sums; rows without entries stay.

    Shapes:
        (N, I) -> (N, I)
    """
    starts = x.crow_indices()
    sums = torch.zeros(len(x), dtype=x.dtype)
    rows = torch.arange(len(x)).repeat_interleave(starts.diff())
    sums.index_add_(0, rows, x.values())
    values = x.values() / sums.where(sums != 0, 1.0)[rows]
    return torch.sparse_csr_tensor(starts, x.col_indices(), values, x.shape, check_invariants=False)
