"""One diagnostic status per node, on /diagnostics once a second."""

from collections.abc import Mapping

from diagnostic_msgs.msg import DiagnosticArray, DiagnosticStatus, KeyValue
from rclpy.duration import Duration
from rclpy.node import Node

from .qos import RELIABLE

PERIOD_S = 1.0
OK, WARN, ERROR = DiagnosticStatus.OK, DiagnosticStatus.WARN, DiagnosticStatus.ERROR


class DiagnosticsPublisher:
    """Publishes the state of a node; the node decides level and text."""

    def __init__(self, node: Node, hardware: str) -> None:
        self._node, self._hardware = node, hardware
        self._publisher = node.create_publisher(DiagnosticArray, "/diagnostics", RELIABLE)

    def publish(self, level: bytes, message: str, values: Mapping[str, object]) -> None:
        """Send one status; values become text, floats with four significant digits."""
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


def _text(value: object) -> str:
    return f"{value:.4g}" if isinstance(value, float) else str(value)
