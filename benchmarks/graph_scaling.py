"""The time of an epoch of GCN and GAT over the edges of a graph, and of a batch of sampled neighbourhoods.

python benchmarks/graph_scaling.py            (about ten minutes on two CPU cores, 10 GiB of memory)
python benchmarks/graph_scaling.py --smoke    does it run at all?

Random graphs with ten edges a node and 32 features. An epoch is a training step on the whole graph and an evaluation of
it; a sampled batch is a training step on 1,024 nodes with ten neighbours each, and ten of each of those.
"""

import sys
from collections.abc import Callable
from pathlib import Path
from statistics import median

import torch
from matplotlib.figure import Figure
from torch import nn
from torch.nn import functional as F
from torch_geometric.data import Data
from torch_geometric.loader import NodeLoader

sys.path.insert(0, str(Path(__file__).parents[1]))
from benchmarks.scaling import growth, seconds_of
from benchmarks.timing import FOLDER, alternate, benchmark_parser, machine, parse_benchmark, publish
from datamodules.neighbor_sampling import UniformNeighborSampler
from lab.reports.results import BenchmarkResult
from nets import GAT, GCN

SIZES = (10**4, 10**5, 10**6, 10**7)  # edges
DEGREE, FEATURES, CLASSES, BATCH, HOPS = 10, 32, 8, 1024, [10, 10]
TARGET = 1.1
WHOLE = {"GCN": lambda: GCN(FEATURES, 16, CLASSES), "GAT": lambda: GAT(FEATURES, 4, CLASSES, heads=4)}
SAMPLED = "GCN, a sampled batch"
Times = dict[str, dict[int, list[float]]]  # the seconds of each round, by contender and edges


def main() -> None:
    """Measure every size, print the times and the exponents, and write them to runs/benchmarks."""
    arguments = parse_benchmark(benchmark_parser(__doc__, rounds=5))
    sizes, rounds = ((1000, 4000), 2) if arguments.smoke else (SIZES, arguments.rounds)
    where, times = machine(), {name: {} for name in (*WHOLE, SAMPLED)}
    for edges in sizes:
        print(f"{edges:,} edges", flush=True)
        contenders = contenders_of(random_graph(edges))
        for call in contenders.values():
            call()  # warms up, and prepares the graph
        for name, seconds in alternate({n: lambda c=c: seconds_of(c) for n, c in contenders.items()}, rounds).items():
            times[name][edges] = seconds
    save(times, where, f"graph_scaling{'_smoke' if arguments.smoke else ''}")


def random_graph(num_edges: int) -> Data:
    """Nodes with random features and classes, joined at random."""
    generator = torch.Generator().manual_seed(0)
    nodes = num_edges // DEGREE
    return Data(
        x=torch.randn(nodes, FEATURES, generator=generator),
        edge_index=torch.randint(nodes, (2, num_edges), generator=generator),
        y=torch.randint(CLASSES, (nodes,), generator=generator),
    )


def contenders_of(graph: Data) -> dict[str, Callable[[], None]]:
    """An epoch of each network on the whole graph, and a step on a sampled neighbourhood."""
    contenders = {name: _epoch(build(), graph) for name, build in WHOLE.items()}
    sampler = UniformNeighborSampler(graph.edge_index, graph.num_nodes, HOPS)
    size = min(BATCH, graph.num_nodes)
    loader = NodeLoader(graph, sampler, input_nodes=torch.arange(size), batch_size=size)
    net = WHOLE["GCN"]()
    optimizer = torch.optim.Adam(net.parameters(), fused=True)

    def step() -> None:
        (batch,) = list(loader)
        _train(net, optimizer, batch, slice(0, batch.batch_size))

    return {**contenders, SAMPLED: step}


def _epoch(net: nn.Module, graph: Data) -> Callable[[], None]:
    optimizer = torch.optim.Adam(net.parameters(), fused=True)

    def epoch() -> None:
        _train(net, optimizer, graph, slice(None))
        net.eval()
        with torch.inference_mode():
            net(graph.x, graph.edge_index)

    return epoch


def _train(net: nn.Module, optimizer: torch.optim.Optimizer, graph: Data, nodes: slice) -> None:
    net.train()
    optimizer.zero_grad()
    F.cross_entropy(net(graph.x, graph.edge_index)[nodes], graph.y[nodes]).backward()
    optimizer.step()


def save(times: Times, where: str, name: str) -> None:
    """Print the times and how they grow, and write them to runs/benchmarks, as data and as a picture."""
    exponents = {name: growth(of_name) for name, of_name in times.items()}
    rows = []
    for edges in next(iter(times.values())):
        rows.append([f"{edges:,}", *(f"{1e3 * median(of_name[edges]):,.4g}" for of_name in times.values())])
    rows.append(["time ∝ E^", *(f"{value:.2f}" for value in exponents.values())])
    worst = max(exponents[name] for name in WHOLE)
    verdict = f"Largest exponent of an epoch {worst:.2f}; target ≤ {TARGET}: {'met' if worst <= TARGET else 'not met'}."
    title = "An epoch of training and evaluation over the edges of a graph"
    columns = ["edges", *(f"{contender} (ms)" for contender in times)]
    publish(BenchmarkResult(name, title, columns, rows, where, verdict, {"seconds": times}))
    draw(times, exponents, title).savefig(FOLDER / f"{name}.png", dpi=110)


def draw(times: Times, exponents: dict[str, float], title: str) -> Figure:
    """Time over edges on logarithmic axes, with the fitted exponents in the legend."""
    figure = Figure(figsize=(7.0, 4.6), layout="constrained")
    axes = figure.subplots()
    for name, of_name in times.items():
        label = f"{name}: E^{exponents[name]:.2f}" + ("" if name == SAMPLED else ", an epoch of the whole graph")
        axes.loglog(list(of_name), [median(rounds) for rounds in of_name.values()], marker="o", label=label)
    axes.set(xlabel="edges E", ylabel="seconds", title=title)
    axes.grid(alpha=0.3, which="both")
    axes.legend(fontsize=9)
    return figure


if __name__ == "__main__":
    main()
