"""How likely the instruction is done: published as policy/done, and a robot that is done holds."""

import numpy as np
from rclpy.node import Node
from std_msgs.msg import Float32
from std_srvs.srv import Trigger

from qwen_vla_core.modes import Mode

from .qos import RELIABLE

DONE_IN_A_ROW = 3
"""Chunks at which a task looks done before the robot is asked to hold; one may be an accident."""


class DoneWatch:
    """Counts the chunks in a row at which the instruction looked done.

    Attributes:
        autonomous: whether the policy moves the robot; only then is the robot asked to hold.
    """

    def __init__(self, node: Node) -> None:
        self._node, self.autonomous, self._sure = node, False, 0
        self._done = node.create_publisher(Float32, "policy/done", RELIABLE)
        self._hold = node.create_client(Trigger, "control/hold")

    @property
    def watched(self) -> bool:
        """Whether the policy is to be asked at all."""
        return self._enough > 0.0

    def on_instruction(self) -> None:
        """Count anew for another task."""
        self._sure = 0

    def on_mode(self, mode: Mode) -> None:
        """Count anew in another mode."""
        self.autonomous, self._sure = mode is Mode.AUTONOMY, 0

    def on_chunk(self, done: float, instruction: str) -> None:
        """Publish, and ask to hold where that is sure enough.

        Args:
            done: the policy's confidence, 0 to 1; NaN where it was not asked, or cannot say.
        """
        if np.isnan(done):
            return
        self._done.publish(Float32(data=done))
        enough = self._enough
        self._sure = self._sure + 1 if enough <= done and 0.0 < enough < 1.0 else 0
        if self._sure >= DONE_IN_A_ROW and self.autonomous:  # each time: one may be lost
            self._node.get_logger().info(f"'{instruction}' is done ({done:.3f}): holding")
            self._hold.call_async(Trigger.Request())

    @property
    def _enough(self) -> float:
        return self._node.get_parameter("done_confidence").value
