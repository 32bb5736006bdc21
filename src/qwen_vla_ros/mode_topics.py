"""What control_node says of its mode: latched topics, published when something changes.

``control/intervention`` says whether a person has the robot, ``control/intervention_reason`` since
when and why: one JSON object, so that a recorder reads it without parsing words.
"""

import json

from rclpy.node import Node
from std_msgs.msg import Bool, String

from qwen_vla_core.modes import Mode, ModeState

from .qos import LATCHED


class ModeTopics:
    """The publishers of one control node.

    Attributes:
        published: the state that was published last; None for none since ``forget``.
    """

    def __init__(self, node: Node) -> None:
        self._node = node
        self._mode = node.create_publisher(String, "control/mode", LATCHED)
        self._intervention = node.create_publisher(Bool, "control/intervention", LATCHED)
        self._reason = node.create_publisher(String, "control/intervention_reason", LATCHED)
        self.published: ModeState | None = None

    def forget(self) -> None:
        """Publish everything at the next ``publish``, whether it changed or not."""
        self.published = None

    def publish(self, state: ModeState, ros_s: float) -> None:
        """Publish what changed; ``ros_s`` is ROS time now, s."""
        before, self.published = self.published, state
        if state == before:
            return
        self._node.get_logger().info(f"mode {state.text}")
        person = state.mode is Mode.TELEOP
        if before is None or person != (before.mode is Mode.TELEOP):
            said = {"intervention": person, "since_s": round(ros_s, 6), "reason": state.reason}
            self._reason.publish(String(data=json.dumps(said)))
            self._intervention.publish(Bool(data=person))
        # Last: whoever has received the mode finds the other two as they belong to it.
        self._mode.publish(String(data=state.text))
