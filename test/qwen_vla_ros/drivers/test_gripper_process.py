"""A WidowX's gripper in real processes: what becomes of its effort when control_node is ended."""

import contextlib
import signal
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from sensor_msgs.msg import JointState
from std_srvs.srv import Trigger

from qwen_vla_core.embodiment import load_embodiment
from sim_node_process import SimNodeProcess

WIDOWX = Path(__file__).parents[3] / "embodiments" / "widowx.yaml"
ARM = ["waist", "shoulder", "elbow", "forearm_roll", "wrist_angle", "wrist_rotate"]
STOP_M = 0.015
"""Where closed fingers meet their stop."""

pytestmark = pytest.mark.timeout(180)


def still(fingers_m):
    """Whether the last thirty messages, 0.3 s on a machine that keeps up, say the same."""
    return len(fingers_m) >= 30 and np.ptp(fingers_m[-30:]) < 1e-4


class Robot(SimNodeProcess):
    """sim_node, control_node, and a person who closes the gripper by teleoperation."""

    def __init__(self, ros, folder):
        # So slow that there is time to interrupt it on the way.
        slow = WIDOWX.read_text().replace(
            "unit: m, lower: 0.015, upper: 0.037, velocity: 0.1",
            "unit: m, lower: 0.015, upper: 0.037, velocity: 0.005",
        )
        # Processes on a loaded machine stand still for longer than a driver would.
        slow = slow.replace("joint_states_s: 0.1 ", "joint_states_s: 1.0 ")
        embodiment = folder / "slow.yaml"
        embodiment.write_text(slow)
        assert load_embodiment(embodiment).joints[-1].velocity == 0.005
        super().__init__(ros, embodiment)
        self.positions, self.fingers_m, self._arm = {}, [], None
        self.node.create_subscription(JointState, "wx250s/joint_states", self._on_states, 10)
        self._teleop = self.node.create_publisher(JointState, "teleop/command", 10)
        self.node.create_timer(0.02, self._close_gripper)
        module = "qwen_vla_ros.nodes.control_node"
        command = [sys.executable, "-m", module, "--ros-args", "-p", f"embodiment:={embodiment}"]
        self.control = subprocess.Popen(command, stderr=subprocess.PIPE, text=True)

    def _on_states(self, message):
        self.positions = dict(zip(message.name, message.position, strict=True))
        self.fingers_m.append(self.positions["left_finger"])

    def _close_gripper(self):
        if self.positions:
            self._arm = self._arm or [self.positions[name] for name in ARM]
            names, positions = [*ARM, "left_finger"], [*self._arm, STOP_M]
            message = JointState(name=names, position=positions)
            message.header.stamp = self.node.get_clock().now().to_msg()
            self._teleop.publish(message)

    @property
    def finger_m(self):
        return self.positions.get("left_finger", np.inf)

    def engage(self):
        answers = []

        def granted():
            answers.append(self.call(Trigger, "control/engage_teleop"))
            return answers[-1].success

        assert self.wait(granted, 60.0), answers[-1].message

    def close(self):
        if self.control.poll() is None:
            self.control.kill()
        self.control.communicate()
        super().close()


@pytest.mark.alone
def test_when_control_node_is_ended_while_the_gripper_closes_expect_the_finger_to_stay(
    ros, tmp_path
):
    with contextlib.closing(Robot(ros, tmp_path)) as robot:
        robot.engage()
        assert robot.wait(lambda: robot.finger_m < 0.035)
        robot.control.send_signal(signal.SIGTERM)
        assert robot.wait(lambda: robot.control.poll() is not None)
        robot.fingers_m.clear()
        # At the speed at which it closed, it would go on by 1.5 mm in thirty messages.
        assert robot.wait(lambda: still(robot.fingers_m), 20.0)
        assert robot.finger_m > STOP_M + 0.005
