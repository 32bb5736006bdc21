"""One diagnostic status per node, on /diagnostics once a second."""

import os
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
from diagnostic_msgs.msg import DiagnosticArray, DiagnosticStatus, KeyValue
from rclpy.duration import Duration
from rclpy.node import Node

from qwen_vla_core.resources import package_version

from .qos import RELIABLE

PERIOD_S = 1.0
OK, WARN, ERROR = DiagnosticStatus.OK, DiagnosticStatus.WARN, DiagnosticStatus.ERROR


class DiagnosticsPublisher:
    """Publishes the state of a node; the node decides level and text."""

    def __init__(self, node: Node, hardware: str, embodiment_sha256: str = "") -> None:
        self._node, self._hardware = node, hardware
        self._embodiment_sha256 = embodiment_sha256
        self._publisher = node.create_publisher(DiagnosticArray, "/diagnostics", RELIABLE)
        self._version = package_version()

    def publish(self, level: bytes, message: str, values: Mapping[str, object]) -> None:
        """Send one status; values become text, floats with four significant digits.

        Every node's values end with its memory, which file it read as embodiment, and the
        package's version.
        """
        values = {
            **values,
            "memory_mib": _memory_mib(),
            "embodiment_sha256": self._embodiment_sha256,
            "version": self._version,
        }
        array = DiagnosticArray()
        array.header.stamp = self._node.get_clock().now().to_msg()
        array.status = [
            DiagnosticStatus(
                level=level,
                name=self._node.get_fully_qualified_name(),
                message=message,
                hardware_id=self._hardware,
                values=[KeyValue(key=key, value=_text(value)) for key, value in values.items()],
            )
        ]
        self._publisher.publish(array)

    def flush(self) -> None:
        """Wait until everyone has the last status, 0.1 s at most: before a node ends."""
        self._publisher.wait_for_all_acked(Duration(seconds=0.1))


def lateness(period_s: float, lateness_s: Sequence[float]) -> dict[str, float]:
    """How late the periods of a loop began, in percentiles; 0 where there was none yet."""
    late_ms = np.array(lateness_s or [0.0]) * 1e3
    p50_ms, p90_ms, p99_ms = (float(q) for q in np.percentile(late_ms, (50, 90, 99)))
    return {
        "period_ms": period_s * 1e3,
        "lateness_p50_ms": p50_ms,
        "lateness_p90_ms": p90_ms,
        "lateness_p99_ms": p99_ms,
    }


def _memory_mib() -> float:
    """What the process has in memory; 0 where /proc does not say."""
    try:
        pages = int(Path("/proc/self/statm").read_text().split()[1])
    except OSError:
        return 0.0
    return pages * os.sysconf("SC_PAGE_SIZE") / 2**20


def _text(value: object) -> str:
    return f"{value:.4g}" if isinstance(value, float) else str(value)
