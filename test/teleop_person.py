"""teleop_node beside control_node over DDS: a device in our thread, robot and nodes in another."""

from rclpy.lifecycle import TransitionCallbackReturn
from sensor_msgs.msg import JointState

from qwen_vla_ros.nodes.teleop_node import TeleopNode


class Person:
    """A device that repeats what it says, and what the person asks for."""

    def __init__(self, system):
        self.system, self.operator = system, system.operator
        self.operator.destroy_publisher(system._teleop)  # teleop_node refuses beside another
        self.feedback = []
        self.operator.create_subscription(JointState, "teleop/feedback", self.feedback.append, 10)
        self.message, self.publisher = None, None
        self.timer = self.operator.create_timer(0.02, self._say)
        self.teleop = TeleopNode()
        assert self.teleop.trigger_configure() == TransitionCallbackReturn.SUCCESS
        self.teleop.trigger_activate()
        system.spinning.executor.add_node(self.teleop)

    def _say(self):
        if self.message is not None:
            self.publisher.publish(self.message)

    def device(self, kind, topic):
        self.publisher = self.operator.create_publisher(kind, topic, 10)
        return self

    def expect(self, condition, what):
        self.system.expect(condition, f"{what}; {self.teleop._message}")

    def expect_mode(self, mode, what):
        self.expect(lambda: self.operator.mode.startswith(mode), what)

    def call(self, name):
        return self.operator.trigger(f"teleop/{name}")

    def close(self):
        self.system.spinning.end()
        self.teleop.destroy_node()
