"""What the closed forms ask of a matrix."""

from torch import Tensor


def check_matrix(name: str, matrix: Tensor, k: int = 1) -> None:
    """Raise ValueError unless a matrix is one of floating point that is not empty, and a bottleneck k is ≥ 1.

    Shapes:
        matrix (d, n)
    """
    if matrix.dim() != 2 or matrix.numel() == 0 or not matrix.is_floating_point():
        described = f"its shape is {tuple(matrix.shape)} and its dtype {matrix.dtype}"
        raise ValueError(f"{name} must be a matrix of floating point that is not empty, but {described}.")
    if k < 1:
        raise ValueError(f"k must be at least 1, but it is {k}.")
