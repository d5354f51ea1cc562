"""The loops of PyTorch Geometric's examples for Cora, written here after the papers: PyG's layers on dense features."""

import torch
from torch import Tensor, nn
from torch.nn import functional as F
from torch_geometric.data import Data
from torch_geometric.nn import GATConv, GCNConv


class ExampleGCN(nn.Module):
    """Two graph convolutions, each after dropout, with the normalised adjacency cached."""

    def __init__(self, in_channels: int, num_classes: int) -> None:
        super().__init__()
        self.conv1 = GCNConv(in_channels, 16, cached=True)
        self.conv2 = GCNConv(16, num_classes, cached=True)

    def forward(self, x: Tensor, edge_index: Tensor) -> Tensor:
        x = F.dropout(x, 0.5, self.training)
        x = self.conv1(x, edge_index).relu()
        return self.conv2(F.dropout(x, 0.5, self.training), edge_index)

    def optimizer(self) -> torch.optim.Optimizer:
        """Adam with the penalty on the first layer only."""
        groups = [
            {"params": self.conv1.parameters(), "weight_decay": 5e-4},
            {"params": self.conv2.parameters(), "weight_decay": 0.0},
        ]
        return torch.optim.Adam(groups, lr=0.01, fused=True)


class ExampleGAT(nn.Module):
    """Two layers of attention, of eight heads and of one, each after dropout."""

    def __init__(self, in_channels: int, num_classes: int) -> None:
        super().__init__()
        self.conv1 = GATConv(in_channels, 8, heads=8, dropout=0.6)
        self.conv2 = GATConv(64, num_classes, heads=1, concat=False, dropout=0.6)

    def forward(self, x: Tensor, edge_index: Tensor) -> Tensor:
        x = F.dropout(x, 0.6, self.training)
        x = F.elu(self.conv1(x, edge_index))
        return self.conv2(F.dropout(x, 0.6, self.training), edge_index)

    def optimizer(self) -> torch.optim.Optimizer:
        """Adam with the penalty on all layers."""
        return torch.optim.Adam(self.parameters(), lr=0.005, weight_decay=5e-4, fused=True)


def example_loop(net: ExampleGCN | ExampleGAT, data: Data, epochs: int) -> float:
    """Train, and look at all splits after every epoch, as the examples do.

    Returns:
        the test accuracy of the epoch with the least validation loss.
    """
    optimizer, best_loss, test_acc = net.optimizer(), float("inf"), 0.0
    for _ in range(epochs):
        net.train()
        optimizer.zero_grad()
        logits = net(data.x, data.edge_index)
        F.cross_entropy(logits[data.train_mask], data.y[data.train_mask]).backward()
        optimizer.step()
        net.eval()
        with torch.no_grad():
            logits = net(data.x, data.edge_index)
        right = logits.argmax(dim=-1) == data.y
        _, _, accuracy = (
            float(right[mask].float().mean()) for mask in (data.train_mask, data.val_mask, data.test_mask)
        )
        loss = float(F.cross_entropy(logits[data.val_mask], data.y[data.val_mask]))
        if loss < best_loss:
            best_loss, test_acc = loss, accuracy
    return test_acc
