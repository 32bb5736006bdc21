"""control_node over DDS with a robot in a thread, and a test in the place of person and policy."""

import subprocess
import sys
import time

import numpy as np
import rclpy
from rclpy.duration import Duration
from sensor_msgs.msg import JointState
from std_msgs.msg import String
from trajectory_msgs.msg import JointTrajectory

from fake_robot import FakeRobot
from qwen_vla_core.types import ActionChunk
from qwen_vla_ros.messages import chunk_message
from qwen_vla_ros.nodes.control_node import ControlNode
from qwen_vla_ros.operator import Operator
from qwen_vla_ros.qos import LATCHED
from robots import robot, two_arms_text
from spinning import SpinningThread

WAIT_S = 15.0
LEFT, RIGHT = [0.1, 0.2, 0.5, 0.03], [-0.1, -0.2, 0.6, 0.04]  # waist, elbow, motor, finger
TWO_ARMS = {"follower_left": LEFT, "follower_right": RIGHT}
# Chunks of 1.6 s, so that one of them is enough for a test.
TWO_SLOW_ARMS = two_arms_text().replace("action_hz: 50", "action_hz: 10")
TWO_SLOW_ARMS = TWO_SLOW_ARMS.replace("observation_s: 0.32", "observation_s: 1.6")


class System:
    """control_node and a robot in a thread, and a person with a policy's voice in ours."""

    def __init__(
        self,
        text,
        folder,
        domain,
        arms=None,
        *,
        base=False,
        stamped=False,
        process=False,
        dry=False,
        begin=True,
        arguments=(),
    ):
        self.embodiment = robot(text)
        path = folder / "robot.yaml"
        # A thread shared with a loaded machine may stand still for longer than a driver would.
        path.write_text(
            text.replace("states_s: 0.2", "states_s: 0.5").replace(
                "odometry_s: 0.2", "odometry_s: 0.5"
            )
        )
        parameters = ["--ros-args", "-p", f"embodiment:={path}", "-p", f"dry_run:={dry}"]
        parameters += arguments
        rclpy.init(args=parameters, domain_id=domain)
        self.operator = Operator(self.embodiment)
        self.messages = []
        # Deep: a test that is busy for 0.5 s lost those in between with ten, which looked like a
        # gap of 0.32 s in what control_node had sent.
        sent = self.messages.append
        self.operator.create_subscription(JointState, "control/command", sent, 1000)
        self.modes = []
        self.operator.create_subscription(String, "control/mode", self._on_mode, LATCHED)
        self._chunk = self.operator.create_publisher(JointTrajectory, "policy/chunk", 10)
        self._policy = None
        self._teleop = self.operator.create_publisher(JointState, "teleop/command", 10)
        self.robot = FakeRobot(arms or {}, base, stamped)
        self.base = self.robot.base
        self.control = self.process = None
        self.spinning = SpinningThread(self.robot)
        if process:
            module = "qwen_vla_ros.nodes.control_node"
            self.process = subprocess.Popen([sys.executable, "-m", module, *parameters])
        elif begin:
            self.begin()

    def begin(self):
        """Start control_node in this process."""
        self.control = ControlNode()
        self.control.trigger_configure()
        self.control.trigger_activate()
        self.spinning.executor.add_node(self.control)

    def close(self):
        if self.process is not None:
            self.process.kill()
            self.process.wait()
        self.spinning.end()
        for node in (self.operator, self.robot, self.control):
            if node is not None:
                node.destroy_node()
        rclpy.try_shutdown()

    def stall(self, seconds):
        """Have control_node and the robot stand still, as on a computer that swaps."""
        self.spinning.executor.create_task(time.sleep, seconds)

    @property
    def said(self):
        """control_node's last diagnostics, a message and values; None before the first."""
        return self.operator.diagnostics.get("/control_node")

    def expect(self, condition, what, timeout_s=WAIT_S):
        assert self.operator.wait(condition, timeout_s), (
            f"{what}; mode '{self.operator.mode}', {self.operator.diagnostics}"
        )

    def _on_mode(self, message):
        self.modes.append((time.monotonic(), message.data))

    def plan(self, end_D, velocity_D=None, bad=None):
        """Say a chunk that leads from the present command, in a straight line, by ``end_D``.

        A base drives at ``velocity_D`` (ahead, -, turning).
        """
        robot = self.embodiment
        width, points = len(robot.joints), robot.horizon + 1
        start_D = np.array(self.messages[-1].position) if self.messages else np.zeros(width)
        positions_TD = start_D + np.linspace(0.0, 1.0, points)[:, None] * np.array(end_D)
        velocities_TD = np.zeros((points, width))
        if velocity_D is not None:
            ahead, turn = velocity_D[0], velocity_D[2]
            yaws_T = turn * robot.action_step_s * np.arange(points)
            velocities_TD[:, 0], velocities_TD[:, 1] = (
                ahead * np.cos(yaws_T),
                ahead * np.sin(yaws_T),
            )
            velocities_TD[:, 2] = turn
            means_TB = (velocities_TD[1:, :3] + velocities_TD[:-1, :3]) / 2.0
            positions_TD[1:, :3] = np.cumsum(means_TB, axis=0) * robot.action_step_s
        if bad is not None:
            velocities_TD[5, 0] = bad
        chunk = ActionChunk(
            stamp_s=self.operator.get_clock().now().nanoseconds * 1e-9,
            step_s=robot.action_step_s,
            positions_TD=positions_TD,
            velocities_TD=velocities_TD,
        )
        self._chunk.publish(chunk_message(chunk, self.embodiment.joint_names))

    def say_teleop(self, position, velocity, late_s=None):
        """Without a stamp, or as it arrives over a link that takes so long."""
        message = JointState(
            name=list(self.embodiment.joint_names), position=position, velocity=velocity
        )
        if late_s is not None:
            said = self.operator.get_clock().now() - Duration(seconds=late_s)
            message.header.stamp = said.to_msg()
        self._teleop.publish(message)

    def engage(self):
        self.expect(lambda: len(self.messages) > 2, "control_node holds")
        deadline_s = time.monotonic() + WAIT_S
        granted, reason = False, ""
        while not granted:
            assert time.monotonic() < deadline_s, reason
            self.plan(np.zeros(len(self.embodiment.joints)))
            self.operator.wait(lambda: False, 0.05)
            granted, reason = self.operator.request("engage_policy")
        return self

    def drive(self):
        """Engage, and drive at 0.3 m/s while turning at 0.2 rad/s, with a chunk every 0.3 s."""
        still_D = np.zeros(len(self.embodiment.joints))
        self.engage().plan(still_D, [0.3, 0.0, 0.2])
        self._policy = self.operator.create_timer(0.3, lambda: self.plan(still_D, [0.3, 0.0, 0.2]))
        self.expect(
            lambda: self.base.last and np.allclose(self.base.last, (0.3, 0.2)), "it drives"
        )
        return self

    def silence_policy(self):
        self.operator.destroy_timer(self._policy)

    def stands(self, timeout_s=WAIT_S):
        self.expect(lambda: self.base.last == (0.0, 0.0), "it stands", timeout_s)
        count = len(self.base.received)
        self.operator.wait(lambda: False, 0.3)
        later = self.base.received[count:]
        assert all(received[1:] == (0.0, 0.0) for received in later)
        return len(later)
