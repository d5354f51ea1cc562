"""Linear attention against PyTorch's fused softmax attention and published packages, from 512 to 65,536 tokens.

python benchmarks/attention.py     (pip install -r requirements-bench.txt; about ten minutes on two CPU cores)

4 heads of width 64, batch 1, float32, φ = elu + 1 where a package lets one choose. Every contender runs once a round,
in alternation, forward alone and forward with backward; a contender leaves when the next size would take it longer
than --limit seconds, or its N×N weights more than --memory GiB. Peak memory is what torch allocates beyond the inputs.
"""

import argparse
import os
import sys
import warnings
from collections.abc import Callable
from dataclasses import replace
from importlib.metadata import version
from pathlib import Path
from statistics import median

os.environ.setdefault("KINETO_LOG_LEVEL", "99")  # the profiler that weighs memory tells of every start and stop

import torch
from torch import Tensor
from torch.nn import functional as F

sys.path.insert(0, str(Path(__file__).parents[1]))
from benchmarks.scaling import Record, draw_scaling, growth, peak_bytes, seconds_of
from benchmarks.timing import (
    FOLDER,
    Comparison,
    Measurement,
    alternate,
    benchmark_parser,
    machine,
    parse_benchmark,
    publish,
)
from nets import elu_features, linear_attention, softmax_attention

HEADS, WIDTH, JUDGED = 4, 64, 16_384
SIZES = [512, 1024, 2048, 4096, 8192, JUDGED, 32_768, 65_536]
SDPA, WEIGHTS = "torch SDPA", "softmax with its weights"
OURS, OURS_CAUSAL = "archlab, elu", "archlab, elu, causal"
OURS_SOFTMAX, OURS_SOFTMAX_CAUSAL = "archlab, softmax", "archlab, softmax, causal"
Attention = Callable[[Tensor, Tensor, Tensor], Tensor]


def main() -> None:
    arguments = _parse()
    where = machine()
    contenders = softmax_contenders() | linear_contenders()
    records = {name: Record() for name in contenders}
    for size in arguments.sizes:
        running = {name: call for name, call in contenders.items() if still_fits(name, records[name], size, arguments)}
        print(f"N = {size:,}: {', '.join(running)}", flush=True)
        measure(running, records, size, arguments)
    comparison = compare(records, max(size for size in arguments.sizes if size <= JUDGED), where)
    stem = "attention" if arguments.device == "cpu" else "attention_gpu"
    result = comparison.result(stem)
    rounds = {"all_sizes": {name: vars(record) for name, record in records.items()}}
    publish(replace(result, details={**result.details, **rounds}), None if arguments.smoke else FOLDER)
    if not arguments.smoke:
        title = f"Attention with {HEADS} heads of width {WIDTH}: fitted growth in the legends"
        draw_scaling(records, title, (OURS, OURS_CAUSAL)).savefig(Path("docs") / f"{stem}_speed.png", dpi=100)


def softmax_contenders() -> dict[str, Attention]:
    """Quadratic time: PyTorch's fused kernel, and the formula with its N×N weights."""
    return {
        SDPA: F.scaled_dot_product_attention,
        WEIGHTS: lambda q, k, v: softmax_attention(q, k, v, return_weights=True)[0],
    }


def linear_contenders() -> dict[str, Attention]:
    """Ours and those of packages, causal and not.

    Raises:
        SystemExit: when one of the packages is not installed.
    """
    warnings.filterwarnings("ignore", module="fla.*")
    try:
        from fla.ops.linear_attn.naive import naive_chunk_linear_attn
        from linear_attention_transformer.linear_attention_transformer import causal_linear_attn, linear_attn
        from performer_pytorch.performer_pytorch import linear_attention as performer_attention
    except ImportError as error:
        raise SystemExit(f"{error}: pip install -r requirements-bench.txt") from error

    def fla_causal(q: Tensor, k: Tensor, v: Tensor) -> Tensor:
        q, k, v = (x.transpose(1, 2) for x in (elu_features(q), elu_features(k), v))  # it takes (B, N, H, D)
        return naive_chunk_linear_attn(q, k, v, normalize=True).transpose(1, 2)

    lucidrains, performer, fla = (
        f"{name} {version(name)}" for name in ("linear-attention-transformer", "performer-pytorch", "fla-core")
    )
    return {
        OURS: lambda q, k, v: linear_attention(q, k, v, elu_features),
        f"{performer}, elu": lambda q, k, v: performer_attention(elu_features(q), elu_features(k), v),
        OURS_CAUSAL: lambda q, k, v: linear_attention(q, k, v, elu_features, causal=True),
        f"{fla} naive chunks, elu, causal": fla_causal,
        OURS_SOFTMAX: lambda q, k, v: linear_attention(q, k, v, SoftmaxFeatures(over_tokens=True)),
        f"{lucidrains}, softmax": linear_attn,
        OURS_SOFTMAX_CAUSAL: lambda q, k, v: linear_attention(q, k, v, SoftmaxFeatures(), causal=True),
        f"{lucidrains}, softmax, causal": causal_linear_attn,
    }


class SoftmaxFeatures:
    """The features that linear-attention-transformer has built in: softmax over a query's, exponentials of a key's."""

    def __init__(self, over_tokens: bool = False) -> None:
        self.over_tokens = over_tokens

    def for_attention(self, q: Tensor, k: Tensor) -> tuple[Tensor, Tensor]:
        return q.softmax(dim=-1), k.softmax(dim=-2) if self.over_tokens else k.exp()


def still_fits(name: str, record: Record, size: int, arguments: argparse.Namespace) -> bool:
    """Whether a contender is expected to stay within the limits of time and memory at a size."""
    if name == WEIGHTS and 4 * 4 * HEADS * size**2 > arguments.memory * 2**30:  # scores, weights and their gradients
        return False
    if not record.both:
        return True
    last = max(record.both)
    growth = 2 if name in (SDPA, WEIGHTS) else 1
    return last == size // 2 and median(record.both[last]) * (size / last) ** growth <= arguments.limit


def measure(
    running: dict[str, Attention], records: dict[str, Record], size: int, arguments: argparse.Namespace
) -> None:
    """Time every contender in alternating rounds, then weigh it once."""
    torch.manual_seed(0)
    shape = (1, HEADS, size, WIDTH)
    inputs = [torch.randn(shape, device=arguments.device, requires_grad=True) for _ in range(3)]
    direction = torch.randn(shape, device=arguments.device)
    seconds = alternate({name: _timer(call, inputs, direction) for name, call in running.items()}, arguments.rounds)
    for name, call in running.items():
        record = records[name]
        record.forward[size], record.both[size] = map(list, zip(*seconds[name], strict=True))
        record.forward_bytes[size] = [peak_bytes(lambda call=call: _forward(call, inputs), arguments.device)]
        record.both_bytes[size] = [peak_bytes(lambda call=call: _both(call, inputs, direction), arguments.device)]


def compare(records: dict[str, Record], size: int, where: str) -> Comparison:
    """The forward pass at one size, with what grows how fast beside it."""
    measurements = [
        Measurement(name, [1e3 * value for value in record.forward[size]], _facts(record, size))
        for name, record in sorted(records.items(), key=lambda item: item[0] != OURS)
        if size in record.forward
    ]
    title = f"Attention over {size:,} tokens, forward ({HEADS} heads of width {WIDTH}, float32); growth over all sizes"
    return Comparison(title, "ms", measurements, verdict(records, {item.name: item for item in measurements}), where)


def verdict(records: dict[str, Record], at_size: dict[str, Measurement]) -> str:
    """The targets, and what came of them."""
    ours, causal = at_size[OURS], at_size[OURS_CAUSAL]
    exponents = [
        growth(values)
        for name in (OURS, OURS_CAUSAL)
        for values in vars(records[name]).values()
    ]  # fmt: skip
    lines = [_judge("Largest exponent of our time and memory (elu)", max(exponents), 1.1, "≤")]
    if SDPA in at_size:
        lines.append(_judge("SDPA's time in units of ours", at_size[SDPA].ratio_to(ours), 30, "≥"))
    lines.append(_judge("our causal time in units of the other", causal.ratio_to(ours), 2.5, "≤"))
    own = {("elu", False): OURS, ("elu", True): OURS_CAUSAL}
    own |= {("softmax", False): OURS_SOFTMAX, ("softmax", True): OURS_SOFTMAX_CAUSAL}
    for name, rival in at_size.items():
        if not name.startswith("archlab") and name not in (SDPA, WEIGHTS):
            _, features, *causality = name.split(", ")
            ratio = at_size[own[features, bool(causality)]].ratio_to(rival)
            lines.append(_judge(f"our time in units of {name}", ratio, 1.0, "≤"))
    return "; ".join(lines) + "."


def _facts(record: Record, size: int) -> dict[str, str]:
    return {
        "with backward": f"{1e3 * median(record.both[size]):,.0f}",
        "time ∝ N^": f"{growth(record.forward):.2f} / {growth(record.both):.2f}",
        "peak MiB": f"{record.forward_bytes[size][0] / 2**20:,.0f} / {record.both_bytes[size][0] / 2**20:,.0f}",
        "memory ∝ N^": f"{growth(record.forward_bytes):.2f} / {growth(record.both_bytes):.2f}",
    }


def _judge(what: str, value: float, target: float, sign: str) -> str:
    met = value <= target if sign == "≤" else value >= target
    return f"{what}: {value:.3g}, target {sign} {target:g}: {'met' if met else 'not met'}"


def _timer(call: Attention, inputs: list[Tensor], direction: Tensor) -> Callable[[], tuple[float, float]]:
    def once() -> tuple[float, float]:
        forward = seconds_of(lambda: _forward(call, inputs))
        return forward, seconds_of(lambda: _both(call, inputs, direction))

    return once


def _forward(call: Attention, inputs: list[Tensor]) -> None:
    with torch.no_grad():
        call(*inputs)


def _both(call: Attention, inputs: list[Tensor], direction: Tensor) -> None:
    torch.autograd.grad(call(*inputs), inputs, direction)


def _parse() -> argparse.Namespace:
    parser = benchmark_parser(__doc__, rounds=7)
    parser.add_argument("--sizes", type=int, nargs="+", default=SIZES, help="numbers of tokens, each twice the last")
    parser.add_argument("--limit", type=float, default=20.0, help="longest forward and backward pass, in seconds")
    parser.add_argument("--memory", type=float, default=6.0, help="most memory for N×N weights, in GiB")
    parser.add_argument("--device", default="cpu", help="cpu or cuda")
    arguments = parse_benchmark(parser, sizes=[128, 256])
    doubled = [2 * size for size in arguments.sizes[:-1]]
    if len(arguments.sizes) < 2 or arguments.sizes[1:] != doubled or arguments.sizes[0] > JUDGED:
        parser.error(f"--sizes must be two or more, each twice the last, from at most {JUDGED}: {arguments.sizes}")
    if arguments.rounds < 2:
        parser.error(f"--rounds must be at least 2, because a spread is measured: {arguments.rounds}")
    return arguments


if __name__ == "__main__":
    main()
