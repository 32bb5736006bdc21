"""What the nodes of one robot, or of all on the network, said last on /diagnostics."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

OK, WARN, ERROR, STALE = range(4)
"""diagnostic_msgs/DiagnosticStatus."""
LEVELS = ("OK", "WARN", "ERROR", "STALE")
SILENT_S = 3.0
"""Nodes publish once a second."""


@dataclass(frozen=True, kw_only=True)
class NodeStatus:
    """One status of /diagnostics.

    Attributes:
        name: of the node, with its namespace.
        robot: what it runs, in our nodes the embodiment's name.
        level: 0 to 3.
        message: the reason, in words.
        values: what it measured.
        received_s: steady time.
    """

    name: str
    robot: str
    level: int
    message: str
    values: Mapping[str, str]
    received_s: float


class StatusBoard:
    """The last status of each name, and how long ago it came."""

    def __init__(self, namespace: str = "") -> None:
        """``namespace``: of the robot to show; empty for all."""
        self._prefix = f"/{namespace.strip('/')}/" if namespace.strip("/") else "/"
        self._last: dict[str, NodeStatus] = {}

    def receive(self, statuses: Iterable[NodeStatus]) -> None:
        """Take what one message holds."""
        for status in statuses:
            if status.name.startswith(self._prefix) or self._prefix == "/":
                self._last[status.name] = status

    def statuses(self, now_s: float) -> list[NodeStatus]:
        """All by robot and name; a name that fell silent is STALE, with how long it has been."""
        return sorted(
            (_aged(status, now_s) for status in self._last.values()),
            key=lambda status: (status.robot, status.name),
        )


def statuses_of(array: Any, now_s: float) -> list[NodeStatus]:
    """The statuses of a diagnostic_msgs/DiagnosticArray that was received now."""
    return [
        NodeStatus(
            name=status.name,
            robot=status.hardware_id,
            level=min(int.from_bytes(status.level, "little"), STALE),
            message=status.message,
            values={pair.key: pair.value for pair in status.values},
            received_s=now_s,
        )
        for status in array.status
    ]


def _aged(status: NodeStatus, now_s: float) -> NodeStatus:
    age_s = now_s - status.received_s
    if age_s <= SILENT_S:
        return status
    return NodeStatus(
        name=status.name,
        robot=status.robot,
        level=STALE,
        message=f"silent for {age_s:.0f} s; its last: {status.message}",
        values=status.values,
        received_s=status.received_s,
    )
