"""Joint limits of a robot's own description (URDF), as robot_state_publisher publishes it."""

import math
from collections.abc import Iterator, Sequence
from xml.etree import ElementTree

from rclpy.node import Node
from rclpy.serialization import deserialize_message
from std_msgs.msg import String

from qwen_vla_core.embodiment.schema import Joint
from qwen_vla_core.safety import RobotLimits

from ..qos import LATCHED

LARGEST_BYTES = 256 * 1024
"""Some fifty joints with their links: it is read in 15 ms, for which the control loop waits."""


class DescribedLimits:
    """What a robot's description says of some joints.

    Attributes:
        limits: as base.Driver has it; empty while nothing was published.
        warning: why they are not known, in words; None also while nothing was published.
    """

    def __init__(self, node: Node, topic: str, joints: Sequence[Joint]) -> None:
        self._topic, self._joints = node.resolve_topic_name(topic), tuple(joints)
        self._read: bytes | None = None
        self.limits: dict[str, RobotLimits] = {}
        self.warning: str | None = None
        node.create_subscription(String, self._topic, self._on_description, LATCHED, raw=True)

    def _on_description(self, message: bytes) -> None:
        if message == self._read:
            return
        self._read, self.warning = message, None
        if len(message) > LARGEST_BYTES:
            self.warning = (
                f"{self._topic}: {len(message)} bytes are too many to be read while the robot "
                "moves; only the embodiment's limits hold"
            )
            return
        try:
            described = dict(_limits(deserialize_message(message, String).data))
        except (ElementTree.ParseError, ValueError) as error:
            self.warning = f"{self._topic}: cannot be read ({error}); the last limits hold"
            return
        self.limits = {
            joint.name: described[joint.driver_name]
            for joint in self._joints
            if joint.driver_name in described
        }


def _limits(urdf: str) -> Iterator[tuple[str, RobotLimits]]:
    """The limits of the joints that have any, by the description's names."""
    for joint in ElementTree.fromstring(urdf).findall("joint"):
        limit = joint.find("limit")
        if limit is None:
            continue
        lower, upper = -math.inf, math.inf
        if joint.get("type") != "continuous":
            lower, upper = float(limit.get("lower", 0.0)), float(limit.get("upper", 0.0))
        velocity = float(limit.get("velocity", math.inf))
        yield joint.get("name"), RobotLimits(lower=lower, upper=upper, velocity=velocity)
