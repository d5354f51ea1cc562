"""Names of metrics: which of its values a metric means, which are of one replica, and which one scores a test."""

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass

Logged = Mapping[str, tuple[list[int], list[float]]]  # for each metric its steps and its values
REPLICA_SUFFIX = "_replica_"  # as nets.replicas names them


@dataclass(frozen=True)
class Metric:
    """A metric of a grid or an expectation.

    Args:
        name: as it was logged.
        at_start: whether its first value is meant instead of its last.
    """

    name: str
    at_start: bool = False

    @classmethod
    def parse(cls, text: str) -> "Metric":
        """Read ``val/loss``, the last value, or ``first val/loss``, the first one."""
        at_start = text.startswith("first ")
        return cls(text.removeprefix("first "), at_start)

    def of(self, values: Sequence[float]) -> float:
        """The value that is meant, of those that were logged."""
        return values[0 if self.at_start else -1]


def is_replica_metric(name: str) -> bool:
    """Whether a metric is of one replica alone."""
    return REPLICA_SUFFIX in name


def replica_values(metrics: Logged, name: str) -> list[tuple[list[int], list[float]]]:
    """A metric of every replica of a run, or of the run itself where it has none; empty where it was not logged."""
    each = [logged for key, logged in metrics.items() if key.startswith(name + REPLICA_SUFFIX)]
    return each or [metrics[name] for name in [name] if name in metrics]


def score_metric(measured: Collection[str], monitor: str = "", preferred: Iterable[str] = ()) -> str | None:
    """The metric of a test that says how good a run is, or None where nothing was tested.

    Args:
        measured: the metrics of the run.
        monitor: the metric that picked its best checkpoint, whose twin on the test split is taken.
        preferred: metrics that are taken instead, the first that was measured.
    """
    tested = [name for name in measured if name.startswith("test/") and not is_replica_metric(name)]
    twin = monitor.replace("val/", "test/", 1) if monitor.startswith("val/") else ""
    preferred = [name for name in preferred if name in measured]
    usual = [name for name in (twin, "test/acc", "test/loss") if name in tested]
    return next(iter([*preferred, *usual, *tested]), None)
