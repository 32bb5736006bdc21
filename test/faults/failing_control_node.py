"""control_node with an error in one callback: what it does is said on the topic ``fail``."""

import sys

import rclpy
from std_msgs.msg import String

from qwen_vla_ros.nodes.control_node import ControlNode
from qwen_vla_ros.nodes.process import run


class FailingControlNode(ControlNode):
    """As control_node, until a request names how to fail."""

    def configure(self):
        super().configure()
        self.create_subscription(String, "fail", self._fail, 10)

    def _fail(self, message):
        if message.data == "an exception":
            raise ValueError("nobody catches this")
        if message.data == "SystemExit":
            sys.exit(0)
        rclpy.shutdown()


if __name__ == "__main__":
    run(FailingControlNode)
