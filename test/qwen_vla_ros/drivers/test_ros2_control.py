"""The drivers of ros2_control's controllers, over DDS, against nodes that behave as those do."""

import time

import numpy as np
import pytest
import rclpy
from action_msgs.msg import GoalStatus
from rclpy.context import Context
from rclpy.executors import SingleThreadedExecutor
from std_msgs.msg import Float64MultiArray
from trajectory_msgs.msg import JointTrajectory

from fake_controllers import FORWARD, JTC_HUMBLE, JTC_JAZZY, FakeController, FakeRos2Control
from qwen_vla_core.safety import RobotLimits
from qwen_vla_ros.drivers import make_drivers, ros2_control
from robots import robot, ros2_control_text

WAIT_S = 10.0
WITHIN_1_S = 5
"""Checks of control_node in a second. They are counted: how long they take depends on the load."""
AT = {"joint_1": 0.1, "joint_2": -0.2, "joint_3": 0.5, "finger": 0.03}
ARM = ("joint_1", "joint_2")
DRIVERS = {"joint_trajectory_controller": JTC_JAZZY, "forward_command": FORWARD}


class Rig:
    """Our drivers in one context, ros2_control in another, as two processes; both are spun here.

    Attributes:
        hardware: the fake; arm: the driver of the arm's group; drivers: all.
    """

    def __init__(self, domain, driver="joint_trajectory_controller", parameters=None, joints=ARM):
        self._contexts, self._executors = [], []
        self._domain = domain
        self.node = rclpy.create_node("control_node", context=self._context())
        self._executors[0].add_node(self.node)
        self.hardware = FakeRos2Control(AT, context=self._context())
        self._executors[1].add_node(self.hardware)
        self.start("arm_controller", parameters or DRIVERS[driver], joints)
        self.start("gripper_controller", FORWARD, ("finger",))
        self.drivers = make_drivers(self.node, robot(ros2_control_text(driver)))
        self.arm, self.gripper = self.drivers.values()
        self._due_s, self.checks = 0.0, 0

    def _context(self):
        context = Context()
        rclpy.init(context=context, domain_id=self._domain)
        self._contexts.append(context)
        self._executors.append(SingleThreadedExecutor(context=context))
        return context

    def close(self):
        for executor in self._executors:
            for node in executor.get_nodes():
                node.destroy_node()
            executor.shutdown()
        for context in self._contexts:
            rclpy.shutdown(context=context)

    def start(self, name, parameters, joints):
        controller = self.hardware.load(name, parameters, joints)
        self._executors[1].add_node(controller)
        return controller

    def end(self, name):
        self._executors[1].remove_node(self.hardware.controllers[name])
        self.hardware.unload(name)

    @property
    def controller(self):
        return self.hardware.controllers["arm_controller"]

    def other_program(self, name):
        node = rclpy.create_node(name, context=self._context())
        self._executors[-1].add_node(node)
        return node

    def until(self, condition, limit_s=WAIT_S, checks=None):
        """Spin, and verify at 5 Hz as control_node does, until the condition comes true."""
        deadline_s, first = time.monotonic() + limit_s, self.checks
        while not condition() and time.monotonic() < deadline_s:
            if checks is not None and self.checks - first > checks:
                break
            for executor in self._executors:
                for _ in range(5):
                    executor.spin_once(timeout_sec=0.0005)
            if time.monotonic() >= self._due_s:
                self._due_s, self.checks = time.monotonic() + 0.2, self.checks + 1
                for driver in self.drivers.values():
                    driver.verify()
        return condition()

    def verified(self):
        return self.until(lambda: self.arm.problem is None)

    def says(self, words, checks=None):
        said = self.until(lambda: words in (self.arm.problem or ""), checks=checks)
        assert said, self.arm.problem

    def send(self, command_G, periods=1):
        """Send at 50 Hz for as long as nothing is wrong, as control_node does."""
        for _ in range(periods):
            until_s = time.monotonic() + 0.02
            if self.arm.problem is None:
                self.arm.send(np.array(command_G), np.zeros(2), None)
            self.until(lambda: False, max(until_s - time.monotonic(), 0.0))


@pytest.fixture
def make_rig(ros_domain):
    rigs = []

    def make(*arguments, **keywords):
        rigs.append(Rig(ros_domain, *arguments, **keywords))
        return rigs[-1]

    yield make
    for rig in rigs:
        rig.close()


def moved_to(rig, goal):
    reached = lambda: all(  # noqa: E731
        abs(rig.hardware.positions[name] - goal[name]) < 2e-3 for name in goal
    )
    return rig.until(reached)


@pytest.mark.parametrize(
    ("driver", "parameters"),
    [
        ("joint_trajectory_controller", JTC_HUMBLE),
        ("joint_trajectory_controller", JTC_JAZZY),
        ("forward_command", FORWARD),
    ],
)
def test_when_commands_are_sent_expect_the_arm_there_by_name_and_the_other_joints_untouched(
    make_rig, driver, parameters
):
    rig = make_rig(driver, parameters, joints=ARM[::-1])  # in an order of its own
    assert rig.verified(), rig.arm.problem
    assert rig.until(lambda: rig.gripper.problem is None)
    rig.send([0.12, -0.25], periods=15)
    assert moved_to(rig, {"joint_1": 0.12, "joint_2": -0.25})
    assert rig.controller.law.refused == [] and rig.hardware.positions["finger"] == AT["finger"]
    assert rig.hardware.controllers["gripper_controller"].received == []
    rig.until(lambda: len(rig.controller.received) == 15, 2.0)  # or what of it was sent
    rig.arm.stop()
    count = len(rig.controller.received)
    rig.until(lambda: False, 0.3)
    assert len(rig.controller.received) == count  # it holds by itself


CHANGES = {
    "joint_trajectory_controller": [
        ({"state": "inactive"}, "'arm_controller' is inactive; activate it"),
        ({"chained": True}, "takes its commands from another controller"),
        ({"parameters": {"joints": ["joint_1"]}}, "has joints joint_1, but not joint_2"),
        ({"parameters": {"joints": [*ARM, "joint_3"]}}, "also has joint_3; set allow_partial"),
        ({"parameters": {"update_rate": 90}}, "is 90 Hz; commands at 50 Hz need 100 Hz"),
        (
            {"parameters": {"interpolate_from_desired_state": False}},
            "would jerk with each of ours; set interpolate_from_desired_state to true",
        ),
        ({"parameters": {"interpolation_method": "none"}}, "would never move"),
    ],
    "forward_command": [
        ({"state": "inactive"}, "'arm_controller' is inactive; activate it"),
        ({"parameters": {"joints": [*ARM, "joint_3"]}}, "also has joint_3; add them"),
        ({"parameters": {"interface_name": "velocity"}}, "only 'position' can be commanded"),
        ({"drives": ARM[::-1]}, "drives joint_2/position, joint_1/position, and its parameter"),
    ],
}


@pytest.mark.parametrize("driver", DRIVERS)
def test_when_the_controller_comes_to_differ_expect_it_said_within_1_s_until_it_is_mended(
    make_rig, driver
):
    rig = make_rig(driver)
    assert rig.verified(), rig.arm.problem
    for change, words in CHANGES[driver]:
        before = {name: getattr(rig.controller, name) for name in change}
        for name, value in change.items():
            merged = before[name] | value if isinstance(value, dict) else value
            setattr(rig.controller, name, merged)
        rig.says(words, WITHIN_1_S)
        for name, value in before.items():
            setattr(rig.controller, name, value)
    assert rig.verified(), rig.arm.problem
    assert rig.controller.received == []


def test_when_the_controller_ends_and_returns_expect_both_said_and_nothing_sent_in_between(
    make_rig,
):
    rig = make_rig()
    assert "/arm_controller does not subscribe; is it up?" in rig.arm.problem
    assert rig.verified(), rig.arm.problem
    rig.end("arm_controller")
    rig.says("/arm_controller does not subscribe", WITHIN_1_S)
    rig.start("arm_controller", JTC_JAZZY, ARM).silent = True
    rig.says("/arm_controller/get_parameters has not answered", WITHIN_1_S)
    rig.controller.silent = False
    assert rig.verified(), rig.arm.problem
    assert rig.controller.received == []


def test_when_it_returns_with_another_order_between_two_checks_expect_no_value_for_a_wrong_joint(
    make_rig,
):
    rig = make_rig("forward_command")
    assert rig.verified(), rig.arm.problem
    rig.send([0.12, -0.25], periods=3)
    rig.end("arm_controller")
    rig.start("arm_controller", FORWARD, ARM[::-1])
    topic = "arm_controller/commands"
    while rig.node.count_subscribers(topic) != 1:
        rig.until(lambda: False, 0.01)
    rig.arm.problem = None  # as if nobody had looked since
    rig.arm.send(np.array([0.12, -0.25]), np.zeros(2), None)
    assert "was started again" in rig.arm.problem
    assert rig.verified(), rig.arm.problem
    rig.send([0.12, -0.25], periods=5)
    assert rig.until(lambda: rig.controller.received)
    assert all(message.data.tolist() == [-0.25, 0.12] for message in rig.controller.received)


@pytest.mark.parametrize("driver", DRIVERS)
def test_when_a_simulated_robot_has_a_controller_of_the_same_name_expect_neither_commanded(
    make_rig, driver
):
    rig = make_rig(driver)
    assert rig.verified(), rig.arm.problem
    context = rig._context()
    twin = FakeController("arm_controller", AT, DRIVERS[driver], ARM, context=context)
    rig._executors[-1].add_node(twin)
    rig.says("2 controllers are called /arm_controller")
    rig.until(lambda: False, 1.0)  # long enough for all to be verified
    rig.says("2 controllers are called /arm_controller")
    rig.send([0.12, -0.25], periods=3)
    assert rig.controller.received == twin.received == []
    rig._executors[-1].remove_node(twin)
    twin.destroy_node()
    assert rig.verified(), rig.arm.problem


@pytest.mark.parametrize("driver", DRIVERS)
def test_when_another_program_commands_the_controller_expect_it_named_within_1_s_until_it_ends(
    make_rig, driver
):
    rig = make_rig(driver)
    assert rig.verified(), rig.arm.problem
    kind, topic = {
        "joint_trajectory_controller": (JointTrajectory, "arm_controller/joint_trajectory"),
        "forward_command": (Float64MultiArray, "arm_controller/commands"),
    }[driver]
    publisher = (rival := rig.other_program("moveit_servo")).create_publisher(kind, topic, 10)
    # How long DDS takes to discover it depends on the machine, so the second begins there.
    assert rig.until(lambda: rig.node.count_publishers(topic) == 2)
    rig.says("publishes commands, too; stop it", WITHIN_1_S)
    rig.says(f"/{topic}: /moveit_servo publishes")  # discovered after the publisher itself
    rival.destroy_publisher(publisher)
    assert rig.verified()


def test_when_another_program_has_the_controller_execute_a_goal_expect_it_said_until_it_is_over(
    make_rig,
):
    rig = make_rig()
    rig.controller.execute_goal(GoalStatus.STATUS_EXECUTING)  # before we came
    rig.says("/arm_controller/follow_joint_trajectory/_action/status: /arm_controller executes")
    rig.controller.execute_goal(GoalStatus.STATUS_SUCCEEDED)
    assert rig.verified(), rig.arm.problem
    rig.controller.execute_goal(GoalStatus.STATUS_ACCEPTED)
    rig.says("executes a goal of another program", WITHIN_1_S)
    rig.end("arm_controller")
    rig.start("arm_controller", JTC_JAZZY, ARM)  # and its goals with it
    assert rig.verified(), rig.arm.problem


def test_when_humble_s_controller_is_slow_or_begins_at_the_measured_pose_expect_its_own_remedy(
    make_rig,
):
    rig = make_rig(parameters=JTC_HUMBLE | {"open_loop_control": False, "update_rate": 80})
    rig.says("/arm_controller begins each trajectory at the measured pose, behind the last")
    assert "set open_loop_control to true" in rig.arm.problem
    rig.controller.parameters = rig.controller.parameters | {"open_loop_control": True}
    rig.says("/arm_controller: update_rate is 80 Hz; commands at 50 Hz need 100 Hz", WITHIN_1_S)
    rig.controller.parameters = rig.controller.parameters | {"update_rate": 0}  # the manager's
    assert rig.verified(), rig.arm.problem


def test_when_a_controller_has_more_joints_expect_the_others_to_stay_where_partial_goals_go(
    make_rig,
):
    partial = JTC_HUMBLE | {"allow_partial_joints_goal": True}
    rig = make_rig(parameters=partial, joints=(*ARM, "joint_3"))
    assert rig.verified(), rig.arm.problem
    rig.send([0.12, -0.25], periods=15)
    assert moved_to(rig, {"joint_1": 0.12, "joint_3": 0.5})


def test_when_the_robot_is_described_expect_its_limits_by_joint_and_anew_when_they_change(
    make_rig,
):
    rig = make_rig()
    assert rig.verified(), rig.arm.problem
    assert rig.arm.limits == {}  # without a description only the embodiment's hold
    rig.hardware.describe({"joint_1": (-2.9, 2.8, 2.5), "joint_9": (-1.0, 1.0, 1.0)})
    assert rig.until(lambda: rig.arm.limits)
    assert rig.arm.limits == {"waist": RobotLimits(lower=-2.9, upper=2.8, velocity=2.5)}
    for text in ("<robot>", f"<robot>{' ' * 300_000}</robot>"):
        rig.hardware.publish_description(text)
        assert rig.until(lambda: "/robot_description: " in (rig.arm.warning or ""))
        assert rig.arm.problem is None
        rig.hardware.describe({"joint_1": (-2.0, 2.0, 1.0), "joint_2": (-1.0, 1.0, 1.0)})
        assert rig.until(lambda: rig.arm.warning is None)
    assert rig.arm.limits["waist"].upper == 2.0 and set(rig.arm.limits) == {"waist", "elbow"}


def test_when_the_messages_of_the_manager_are_missing_expect_all_else_checked(
    make_rig, monkeypatch
):
    monkeypatch.setattr(ros2_control, "ListControllers", None)
    rig = make_rig("forward_command")
    rig.controller.state = "inactive"
    assert rig.verified(), rig.arm.problem
    assert "whether the controller is active is not checked" in rig.arm.warning
    rig.controller.parameters = rig.controller.parameters | {"joints": ["joint_1"]}
    rig.says("has joints joint_1, but not joint_2", WITHIN_1_S)
