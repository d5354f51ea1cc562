"""Sparse matrices times dense ones, with what every training step needs prepared once.

Letters: N rows, I columns, E entries, O outputs, R replicas.
"""

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Generic, TypeVar

import torch
from torch import Tensor, nn
from torch.nn import functional as F

Result = TypeVar("Result")


class SparsePattern:
    """Where the entries of a sparse matrix (N, I) lie, row by row.

    What is made of it at first need lasts, and serves training where a validation needed it first.

    Args:
        row_starts: the first entry of each row and, last, E: (N + 1,) of integers.
        columns: the column of each entry, (E,) of integers.
        num_columns: columns I.
    """

    def __init__(self, row_starts: Tensor, columns: Tensor, num_columns: int) -> None:
        # MKL multiplies twice as fast with short integers.
        small = max(len(columns), num_columns, len(row_starts)) < 2**31
        kind = torch.int32 if small else torch.int64
        self.row_starts, self.columns = row_starts.to(kind), columns.to(kind)
        self.shape = (len(row_starts) - 1, num_columns)
        self._blocks: tuple[int, SparsePattern] | None = None

    @classmethod
    def of_entries(cls, rows: Tensor, columns: Tensor, shape: tuple[int, int]) -> tuple["SparsePattern", Tensor]:
        """The pattern of entries in any order, and the order (E,) in which it holds them.

        Shapes:
            rows (E,), columns (E,) -> a pattern of E entries, order (E,)
        """
        order = torch.argsort(rows.long() * shape[1] + columns, stable=True)
        starts = F.pad(torch.bincount(rows, minlength=shape[0]).cumsum(0), (1, 0))
        return cls(starts, columns[order], shape[1]), order

    @cached_property
    @torch.inference_mode(False)
    def rows(self) -> Tensor:
        """The row of each entry, (E,).

        Shapes:
            (E,)
        """
        numbers = torch.arange(self.shape[0], device=self.columns.device)
        return numbers.repeat_interleave(self.row_starts.diff(), output_size=len(self.columns))

    @cached_property
    @torch.inference_mode(False)
    def transposed(self) -> tuple["SparsePattern", Tensor]:
        """The pattern of the transposed matrix (I, N), and the order in which it holds these entries.

        Shapes:
            a pattern of E entries, order (E,)
        """
        return self.of_entries(self.columns, self.rows, self.shape[::-1])

    @torch.inference_mode(False)
    def blocks(self, count: int) -> "SparsePattern":
        """The pattern of a matrix with this one ``count`` times on its diagonal; the last one is remembered."""
        if count == 1:
            return self
        if self._blocks is None or self._blocks[0] != count:
            self._blocks = (count, self._repeated(count))
        return self._blocks[1]

    def _repeated(self, count: int) -> "SparsePattern":
        number = torch.arange(count, device=self.columns.device)[:, None]
        starts = (number * len(self.columns) + self.row_starts[:-1]).flatten()
        columns = (number * self.shape[1] + self.columns).flatten()
        return SparsePattern(F.pad(starts, (0, 1), value=len(columns)), columns, count * self.shape[1])


@dataclass(frozen=True)
class SparseMatrix:
    """A sparse matrix to be multiplied by dense ones: ``matrix @ dense`` is differentiable in both.

    Leading dimensions, and those of ``torch.func.vmap``, stand for several matrices of one pattern: one product of a
    block-diagonal matrix serves all of them.

    Args:
        values: the entries, (…, E).
        pattern: where they lie.

    Shapes:
        (…, N, I) @ (…, I, O) -> (…, N, O)
    """

    values: Tensor
    pattern: SparsePattern

    @classmethod
    def of(cls, tensor: Tensor) -> "SparseMatrix":
        """A tensor with the layout ``torch.sparse_csr``, to which no gradient flows.

        Shapes:
            tensor (N, I) -> (N, I)
        """
        if tensor.requires_grad:
            raise ValueError("a torch.sparse_csr tensor gets no gradient here: give it dense, or call detach() on it.")
        return cls(tensor.values(), SparsePattern(tensor.crow_indices(), tensor.col_indices(), tensor.shape[1]))

    def __matmul__(self, dense: Tensor) -> Tensor:
        return _Product.apply(self.values, dense, self.pattern)


class _Product(torch.autograd.Function):
    """Y = S X for sparse S and dense X, with ∂X = Sᵀ ∂Y and, where S has an entry, ∂S_ij = ∂Y_i · X_j.

    Shapes:
        values (…, E), dense (…, I, O) -> (…, N, O), leading dimensions broadcast
    """

    @staticmethod
    def forward(values: Tensor, dense: Tensor, pattern: SparsePattern) -> Tensor:
        leading = torch.broadcast_shapes(values.shape[:-1], dense.shape[:-2])
        kind = torch.promote_types(dense.dtype, torch.float32)  # torch has no sparse products of bfloat16
        with torch.autocast(dense.device.type, enabled=False):
            product = _blocks(values.to(kind), leading, pattern) @ _rows_of(dense.to(kind), leading)
        return product.view(*leading, pattern.shape[0], -1).to(dense.dtype)

    @staticmethod
    def setup_context(ctx: Any, inputs: tuple[Tensor, Tensor, SparsePattern], output: Tensor) -> None:
        values, dense, ctx.pattern = inputs
        ctx.save_for_backward(values, dense)

    @staticmethod
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor | None, Tensor | None, None]:
        values, dense = ctx.saved_tensors
        grad = grad.to(torch.promote_types(grad.dtype, torch.float32))
        values_grad = dense_grad = None
        if ctx.needs_input_grad[0]:
            leading = grad.shape[:-2]
            zeros = _blocks(torch.zeros_like(values, dtype=grad.dtype), leading, ctx.pattern)
            rows, columns = _rows_of(grad, leading), _rows_of(dense.to(grad.dtype), leading)
            sampled = torch.sparse.sampled_addmm(zeros, rows, columns.T, beta=0.0).values()
            values_grad = sampled.view(*leading, -1).sum_to_size(values.shape).to(values.dtype)
        if ctx.needs_input_grad[1]:
            transposed, order = ctx.pattern.transposed
            product = _Product.apply(values.index_select(-1, order), grad, transposed)
            dense_grad = product.sum_to_size(dense.shape).to(dense.dtype)
        return values_grad, dense_grad, None

    @staticmethod
    def vmap(info: Any, in_dims: tuple[int | None, ...], values: Tensor, dense: Tensor, pattern: SparsePattern) -> Any:
        values_dim, dense_dim = in_dims[:2]
        own = max(values.ndim - 1 - (values_dim is not None), dense.ndim - 2 - (dense_dim is not None))
        values, dense = _lead(values, values_dim, own + 1), _lead(dense, dense_dim, own + 2)
        return _Product.apply(values, dense, pattern), 0


def _blocks(values: Tensor, leading: torch.Size, pattern: SparsePattern) -> Tensor:
    """Matrices (…, N, I) as the blocks of one, in torch's own layout."""
    blocks = pattern.blocks(leading.numel())
    entries = values.expand(*leading, -1).reshape(-1)
    return torch.sparse_csr_tensor(blocks.row_starts, blocks.columns, entries, blocks.shape, check_invariants=False)


def _rows_of(dense: Tensor, leading: torch.Size) -> Tensor:
    return dense.expand(*leading, *dense.shape[-2:]).reshape(-1, dense.shape[-1])


def _lead(tensor: Tensor, dim: int | None, ndim: int) -> Tensor:
    """A tensor with the dimension ``dim`` first and the others last, ``ndim`` of them."""
    if dim is None:
        return tensor
    tensor = tensor.movedim(dim, 0)
    return tensor.view(len(tensor), *[1] * (ndim + 1 - tensor.ndim), *tensor.shape[1:])


class Dropout(nn.Module):
    r"""Sets a share p of the entries to zero and scales the others by 1/(1 − p), of a sparse matrix those it has.

    "Dropout: A Simple Way to Prevent Neural Networks from Overfitting" (Srivastava et al., 2014),
    https://jmlr.org/papers/v15/srivastava14a.html. On a CPU torch draws a random number an entry, which takes longer
    than the rest of a graph network; here each random number serves four entries with 16 bits each, so that p is
    rounded to a multiple of 2⁻¹⁶.

    Args:
        p: share of the entries that are dropped, in [0, 1).

    Shapes:
        any -> the same
    """

    def __init__(self, p: float) -> None:
        super().__init__()
        if not 0 <= p < 1:
            raise ValueError(f"dropout must be in [0, 1), but it is {p}.")
        self.p = p

    def forward(self, x: Tensor | SparseMatrix) -> Tensor | SparseMatrix:
        if isinstance(x, SparseMatrix):
            return SparseMatrix(self(x.values), x.pattern)
        if not self.training or self.p == 0:
            return x
        if x.device.type != "cpu":
            return F.dropout(x, self.p)
        words = torch.randint(-(2**63), 2**63 - 1, (-(-x.numel() // 4),), device=x.device)
        bits = words.view(torch.int16)[: x.numel()].view(x.shape)
        return torch.where(bits >= round(self.p * 2**16) - 2**15, x / (1 - self.p), 0.0)

    def extra_repr(self) -> str:
        return f"p={self.p}"


class LastCall(Generic[Result]):
    """A function that remembers its last result: a graph is prepared once, not in every step.

    Args:
        function: what is called with tensors, which count as the same while they are the same objects and unchanged,
            and with anything else.
    """

    def __init__(self, function: Callable[..., Result]) -> None:
        self.function = function
        self.arguments: tuple[Any, ...] | None = None
        self.versions: tuple[int | None, ...] = ()

    def __call__(self, *arguments: Any) -> Result:
        versions = tuple(map(_version, arguments))
        known = self.arguments is not None and versions == self.versions
        if not known or not all(map(_same, arguments, self.arguments or ())):
            with torch.inference_mode(False), torch.no_grad():  # what a validation prepares serves training too
                self.result = self.function(*arguments)
            self.arguments, self.versions = arguments, versions
        return self.result

    def __reduce__(self) -> tuple[Any, ...]:
        return LastCall, (self.function,)  # a copy, or what is unpickled, remembers nothing


def _same(one: Any, other: Any) -> bool:
    return one is other if isinstance(one, Tensor) else one == other


def _version(argument: Any) -> int | None:
    """How often a tensor was changed in place, which nobody counts of those made in inference mode."""
    return argument._version if isinstance(argument, Tensor) and not argument.is_inference() else None
