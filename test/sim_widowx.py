"""A sim_node of a WidowX with two cameras as a process, and what a program receives from it."""

import time

from interbotix_xs_msgs.msg import JointGroupCommand, JointSingleCommand
from rcl_interfaces.srv import SetParameters
from rclpy.parameter import Parameter
from rclpy.qos import qos_profile_sensor_data
from sensor_msgs.msg import Image, JointState

from sim_node_process import SimNodeProcess

ARM = ["waist", "shoulder", "elbow", "forearm_roll", "wrist_angle", "wrist_rotate"]


class SimWidowx(SimNodeProcess):
    """The WidowX's sim_node and what a program receives from it."""

    def __init__(self, ros, parameters=()):
        super().__init__(ros, "widowx", parameters)
        self.joints, self.images, self.joint_state_times_s = None, {}, []
        node = self.node
        node.create_subscription(JointState, "wx250s/joint_states", self._on_joints, 10)
        for topic in ("/blue/image_raw", "/wrist/image_raw"):
            node.create_subscription(
                Image,
                topic,
                lambda m, t=topic: self.images.update({t: m}),
                qos_profile_sensor_data,
            )
        self.group = node.create_publisher(JointGroupCommand, "wx250s/commands/joint_group", 10)
        self.single = node.create_publisher(JointSingleCommand, "wx250s/commands/joint_single", 10)

    def _on_joints(self, message):
        self.joints = dict(zip(message.name, message.position, strict=True))
        self.message = message
        self.joint_state_times_s.append(time.monotonic())

    def ready(self):
        return self.wait(
            lambda: (
                self.joints is not None
                and self.status
                and len(self.images) == 2
                and self.group.get_subscription_count() > 0
                and self.single.get_subscription_count() > 0
            )
        )

    def ask_for(self, **values):
        parameters = [
            Parameter(name, value=value).to_parameter_msg() for name, value in values.items()
        ]
        return self.call(SetParameters, "sim_node/set_parameters", parameters=parameters).results
