"""Attention through matrices of low rank.

Letters in shape comments: N queries and keys, D width of a query and a key, M width of a value, K rank.
"""

from torch import Tensor

from nets.attention.softmax import check_attention_inputs


def low_rank_attention(u: Tensor, s: Tensor, vh: Tensor, v: Tensor) -> Tensor:
    r"""PV from the singular value decomposition P = U diag(s) Vh of the weights, in O(NKM) instead of O(N²M).

    "Linformer: Self-Attention with Linear Complexity" (Wang et al., 2020), https://arxiv.org/abs/2006.04768, section 3.

    Args:
        u: left singular vectors.
        s: singular values.
        vh: right singular vectors, in rows, as ``torch.linalg.svd`` gives them.
        v: values.

    Shapes:
        u (..., N, K), s (..., K), vh (..., K, S), v (..., S, M) -> (..., N, M)

    Raises:
        ValueError: when shapes do not fit together, or the rank K is higher than N or S.

    Example:
        >>> import torch
        >>> q, k, v = torch.rand(7, 2), torch.rand(6, 2), torch.rand(6, 3)
        >>> u, s, vh = torch.linalg.svd(q @ k.T, full_matrices=False)
        >>> torch.allclose(low_rank_attention(u[:, :2], s[:2], vh[:2], v), q @ k.T @ v, atol=1e-5)
        True
    """
    if u.dim() < 2 or vh.dim() < 2 or v.dim() < 2 or s.dim() < 1:
        shapes = [tuple(tensor.shape) for tensor in (u, s, vh, v)]
        raise ValueError(f"u, s, vh and v must be (..., N, K), (..., K), (..., K, S), (..., S, M), but are {shapes}.")
    rank = s.shape[-1]
    if u.shape[-1] != rank or vh.shape[-2] != rank:
        raise ValueError(
            f"u, s and vh must share the rank, but u has {u.shape[-1]} columns (shape {tuple(u.shape)}), s {rank} "
            f"values and vh {vh.shape[-2]} rows (shape {tuple(vh.shape)}): cut them to u[..., :k], s[..., :k] and "
            f"vh[..., :k, :]."
        )
    if vh.shape[-1] != v.shape[-2]:
        raise ValueError(
            f"vh and v must have the same length, but vh has {vh.shape[-1]} columns (shape {tuple(vh.shape)}) "
            f"and v has {v.shape[-2]} rows (shape {tuple(v.shape)})."
        )
    check_rank("the rank of u, s and vh", rank, min(u.shape[-2], vh.shape[-1]))
    return (u * s.unsqueeze(-2)) @ (vh @ v)


def projected_attention(q: Tensor, k: Tensor, v: Tensor, c: Tensor, d: Tensor) -> Tensor:
    r"""Q(CK)ᵀDV: the keys and values of N tokens summed up in K rows each, in O(NKD) instead of O(N²D).

    "Linformer: Self-Attention with Linear Complexity" (Wang et al., 2020), https://arxiv.org/abs/2006.04768, without
    its softmax. Equal to QKᵀV for the C and D of ``theory.exact_projections`` when QKᵀ has rank K.

    Args:
        q: queries.
        k: keys.
        v: values.
        c: projection of the keys.
        d: projection of the values.

    Shapes:
        q (..., N, D), k (..., S, D), v (..., S, M), c and d (..., K, S) -> (..., N, M)

    Raises:
        ValueError: when shapes do not fit together, or the rank K is higher than S.

    Example:
        >>> import torch
        >>> q, k, v = torch.rand(7, 4), torch.rand(6, 4), torch.rand(6, 3)
        >>> c, d = torch.rand(2, 6), torch.rand(2, 6)  # six tokens summed up in two
        >>> projected_attention(q, k, v, c, d).shape
        torch.Size([7, 3])
    """
    check_attention_inputs(q, k, v, None)
    for name, projection in {"c": c, "d": d}.items():
        if projection.dim() < 2 or projection.shape[-1] != k.shape[-2]:
            raise ValueError(
                f"{name} must be a matrix with as many columns as k has rows, {k.shape[-2]}, "
                f"but its shape is {tuple(projection.shape)}."
            )
        check_rank(f"the number of rows of {name}", projection.shape[-2], k.shape[-2])
    if c.shape[-2] != d.shape[-2]:
        raise ValueError(f"c and d must have as many rows as each other, but have {c.shape[-2]} and {d.shape[-2]}.")
    return (q @ (c @ k).transpose(-2, -1)) @ (d @ v)


def check_rank(name: str, rank: int, length: int) -> None:
    """Raise ValueError unless ``rank`` is in 1 … ``length``."""
    if not isinstance(rank, int) or not 1 <= rank <= length:
        raise ValueError(
            f"{name} must be a whole number in 1 … {length}, the length of the sequence, but it is {rank!r}."
        )
