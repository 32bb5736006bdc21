"""What a server counts, as Prometheus reads it (text format 0.0.4)."""

from bisect import bisect_left
from dataclasses import dataclass, field

SECONDS = (0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1.0, 2.0, 5.0)
SIZES = (1.0, 2.0, 4.0, 8.0, 16.0)


class Histogram:
    """How often a value fell below each bound.

    Attributes:
        sum, count: of all values.
    """

    def __init__(self, bounds: tuple[float, ...]) -> None:
        self._bounds, self._counts = bounds, [0] * (len(bounds) + 1)
        self.sum, self.count = 0.0, 0

    def add(self, value: float) -> None:
        """Count one value."""
        self._counts[bisect_left(self._bounds, value)] += 1
        self.sum += value
        self.count += 1

    def lines(self, name: str) -> list[str]:
        """In the text format, where each bucket holds all below it."""
        below, lines = 0, []
        for bound, count in zip((*self._bounds, "+Inf"), self._counts, strict=True):
            below += count
            lines.append(f'{name}_bucket{{le="{bound}"}} {below}')
        return [*lines, f"{name}_sum {self.sum}", f"{name}_count {below}"]


@dataclass
class Metrics:
    """Everything that is counted, from the start on."""

    connections: int = 0
    requests: int = 0
    answers: int = 0
    refusals: int = 0
    failures: int = 0
    missed_deadlines: int = 0
    busy_refusals: int = 0
    clients_gone: int = 0
    latency_s: Histogram = field(default_factory=lambda: Histogram(SECONDS))
    queue_age_s: Histogram = field(default_factory=lambda: Histogram(SECONDS))
    batch_size: Histogram = field(default_factory=lambda: Histogram(SIZES))

    def text(self, open_connections: int, waiting: int) -> str:
        """The page that Prometheus fetches."""
        lines = []
        for name, meaning in _COUNTERS.items():
            lines += _head(name, "counter", meaning) + [f"qwen_vla_{name} {self._count(name)}"]
        for name, meaning, value in (
            ("open_connections", "clients that are connected", open_connections),
            ("waiting_requests", "requests in the queue", waiting),
        ):
            lines += [*_head(name, "gauge", meaning), f"qwen_vla_{name} {value}"]
        for name, meaning, histogram in (
            ("request_latency_seconds", "arrival of a request to its answer", self.latency_s),
            ("queue_age_seconds", "how long a request waited for the policy", self.queue_age_s),
            ("batch_size", "requests that one pass answered", self.batch_size),
        ):
            lines += _head(name, "histogram", meaning) + histogram.lines(f"qwen_vla_{name}")
        return "\n".join(lines) + "\n"

    def _count(self, name: str) -> int:
        return getattr(self, name.removesuffix("_total"))


_COUNTERS = {
    "connections_total": "clients that connected",
    "requests_total": "frames that clients sent",
    "answers_total": "requests answered with actions",
    "refusals_total": "requests that were refused as they came in",
    "failures_total": "requests on which the policy raised an error",
    "missed_deadlines_total": "requests dropped because their deadline had passed",
    "busy_refusals_total": "requests refused at once because the answer would have come too late",
    "clients_gone_total": "requests whose client was gone before the answer",
}


def _head(name: str, kind: str, meaning: str) -> list[str]:
    return [f"# HELP qwen_vla_{name} {meaning}", f"# TYPE qwen_vla_{name} {kind}"]
