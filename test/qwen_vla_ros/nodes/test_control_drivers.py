"""Over DDS: an arm's driver that changes while it is commanded, a rival, a gripper's effort."""

from itertools import pairwise

import pytest
import rclpy
from interbotix_xs_msgs.msg import JointSingleCommand, JointTrajectoryCommand
from rclpy.context import Context
from rclpy.node import Node

from control_system import LEFT, TWO_ARMS, TWO_SLOW_ARMS
from fake_robot import PERIOD_S, FakeArm
from robots import one_arm_text, pwm_arm_text
from spinning import SpinningThread

pytestmark = pytest.mark.timeout(180)

RIVAL_S, MODE_S = 1.0, 2.0
"""Within which a second commander and a changed mode have to be noticed."""
SLACK_S = 0.5
"""Of the test: what it waits for comes over DDS, too."""


@pytest.fixture
def rival(ros_domain):
    """A node of another program."""
    context = Context()
    rclpy.init(context=context, domain_id=ros_domain)
    node = rclpy.create_node("interbotix_teleop", context=context)
    yield node
    node.destroy_node()
    rclpy.shutdown(context=context)


@pytest.fixture
def simulated(start_control):
    """Starts the simulation of an arm, beside the driver that runs already."""
    started = []

    def start(pose):
        node = Node("sim_node")
        arm = FakeArm(node, "follower_left", pose)
        node.create_timer(PERIOD_S, arm.publish)
        started.append((node, SpinningThread(node)))
        return arm

    yield start
    for node, spinning in started:
        spinning.end()
        node.destroy_node()


def moving(start_control):
    """Two arms in autonomy, on their way for seconds."""
    system = start_control(TWO_SLOW_ARMS, TWO_ARMS)
    left, right = system.robot.arms.values()
    system.engage().plan([0.9, 0.0, 0.0, -0.9, 0.0, 0.0])
    system.expect(lambda: left.group and left.group[-1][0] > 0.2, "it moves")
    return system, left, right


def holds(system, words, limit_s):
    """Wait until it holds and says why; then nothing more may be sent."""
    system.expect(
        lambda: system.operator.mode.startswith("HOLD") and words in system.operator.mode,
        f"hold because of '{words}'",
        limit_s + SLACK_S,
    )
    system.operator.wait(lambda: False, 0.1)
    counts = [len(arm.group) + len(arm.single) for arm in system.robot.arms.values()]
    system.operator.wait(lambda: False, 0.5)
    assert counts == [len(arm.group) + len(arm.single) for arm in system.robot.arms.values()]


def refuses(system, words):
    granted, reason = system.operator.request("engage_policy")
    assert not granted and words in reason, reason


@pytest.mark.parametrize("pose", [LEFT, [1.0, -0.9, 0.5, 0.03]], ids=["alike", "elsewhere"])
def test_when_a_simulation_runs_beside_the_robots_driver_expect_neither_to_move(
    start_control, simulated, pose
):
    system = start_control(one_arm_text(), {"follower_left": LEFT})
    arm, twin = system.robot.arms["follower_left"], simulated(pose)
    both = "/robot and /sim_node both follow it"
    system.expect(lambda: system.said and both in system.said[0], "both are named")
    for _ in range(20):
        granted, reason = system.operator.request("go_to_start")
        assert not granted and both in reason
        system.operator.wait(lambda: False, 0.05)
    assert arm.group == twin.group == []


@pytest.mark.parametrize(
    ("kind", "name"),
    [(JointSingleCommand, "joint_single"), (JointTrajectoryCommand, "joint_trajectory")],
)
def test_when_another_program_commands_an_arm_on_its_way_expect_hold_and_its_name_within_1_s(
    start_control, rival, kind, name
):
    system, _, _ = moving(start_control)
    rival.create_publisher(kind, f"follower_right/commands/{name}", 10)
    holds(system, f"/follower_right/commands/{name}: ", RIVAL_S)
    # Discovery finds the publisher before the name of its node.
    system.expect(
        lambda: system.said and "/interbotix_teleop publishes" in system.said[0],
        "its name is said",
    )
    granted, reason = system.operator.request("engage_policy")
    assert not granted, reason


def test_when_the_robot_allows_less_than_the_embodiment_expect_the_tighter_to_hold_and_to_be_said(
    start_control,
):
    system = start_control(TWO_SLOW_ARMS, TWO_ARMS, begin=False)
    left, right = system.robot.arms.values()
    left.limits = {"waist": (-2.0, 0.3, 0.5)}  # the embodiment: -3.0..3.0 rad, 3.0 rad/s
    system.begin()
    system.engage().plan([0.9, 0.0, 0.0, 0.9, 0.0, 0.0])
    system.expect(lambda: right.group and right.group[-1][0] > 0.3, "the right arm passes it")
    system.expect(
        lambda: left.group and left.group[-1][0] == pytest.approx(0.3, abs=1e-6),
        "the left stops there",
    )
    waists = [command[0] for command in left.group]
    assert max(waists) <= 0.3 + 1e-6
    assert max(abs(b - a) for a, b in pairwise(waists)) <= 0.5 * 0.02 + 1e-6
    system.expect(
        lambda: (
            system.said
            and "left_waist: -2.0000..0.3000 rad at 0.5000 rad/s instead of -3.0000..3.0000 rad"
            in system.said[1].get("limits_of_robot", "")
        ),
        "it is said",
    )


def test_when_the_robot_allows_nothing_that_the_embodiment_does_expect_no_engaging_and_figures(
    start_control,
):
    system = start_control(TWO_SLOW_ARMS, TWO_ARMS, begin=False)
    left, _ = system.robot.arms.values()
    left.limits = {"elbow": (1.7, 2.5, 3.0)}  # the embodiment: -1.7..1.6 rad
    system.begin()
    system.expect(lambda: ("group", "arm") in left.asked, "it is asked")
    words = "left_elbow: the embodiment allows -1.7000..1.6000 rad at 3.0000 rad/s, the robot only"
    system.expect(
        lambda: words in system.operator.request("engage_policy")[1], "it refuses with figures"
    )
    left.limits = {"elbow": (-1.0, 1.5, 3.0)}
    system.engage()


def test_when_a_mode_is_changed_on_the_way_expect_hold_and_engaging_only_once_it_is_mended(
    start_control,
):
    system, _, right = moving(start_control)
    right.modes["elbow"] = "velocity"  # alone, which the driver's record of the group omits
    holds(system, "'elbow' is in mode 'velocity'", MODE_S)
    refuses(system, "'elbow' is in mode 'velocity'")
    right.modes["elbow"] = "position"
    system.operator.insist("reset", timeout_s=5.0)
    system.engage()


def test_when_a_driver_returns_with_its_gripper_in_another_mode_expect_no_value_in_a_wrong_unit(
    start_control,
):
    system, _, right = moving(start_control)
    system.spinning.call(right.die)
    system.expect(lambda: system.operator.mode.startswith("HOLD"), "hold")
    right.single.clear()
    right.start(gripper_mode="linear_position")
    system.expect(
        lambda: system.said and "'linear_position'" in system.said[0],
        "it is said",
    )
    for request in ("reset", "engage_policy"):
        system.operator.request(request)
    assert not system.operator.mode.startswith("AUTONOMY") and right.single == []
    right.modes["gripper"] = "current_based_position"
    system.operator.insist("reset", timeout_s=5.0)
    system.engage()


def test_when_a_driver_hangs_while_it_answers_expect_hold_and_the_same_question_again(
    start_control,
):
    system, left, _ = moving(start_control)
    left.silent = True
    holds(system, "has not answered for", 3.0)
    left.silent = False
    system.operator.insist("reset", timeout_s=5.0)
    system.engage()


def closing(start_control):
    """A gripper in pwm mode, on its way from open to closed in teleoperation."""
    system = start_control(pwm_arm_text(), {"follower_left": [*LEFT[:3], 0.055]})
    arm = system.robot.arms["follower_left"]
    arm.modes["gripper"] = "pwm"
    command = [*LEFT[:2], 0.02]
    system.operator.create_timer(0.02, lambda: system.say_teleop(command, []))
    system.operator.insist("engage_teleop", timeout_s=20.0)
    system.expect(lambda: arm.pwm < 0.0 and arm.positions["left_finger"] < 0.052, "it closes")
    return system, arm


def stays_open(system, arm):
    system.expect(lambda: arm.pwm == 0.0, "its effort ends", 1.0)
    stopped_m = arm.positions["left_finger"]
    assert not system.operator.wait(lambda: arm.positions["left_finger"] < stopped_m, 0.5)
    assert stopped_m > 0.03


def test_when_joint_states_end_while_a_gripper_closes_expect_its_effort_to_end(start_control):
    system, arm = closing(start_control)
    arm.alive = False
    stays_open(system, arm)


def test_when_control_node_is_deactivated_while_a_gripper_closes_expect_its_effort_to_end(
    start_control,
):
    system, arm = closing(start_control)
    system.operator.set_active("control_node", False)
    stays_open(system, arm)


@pytest.mark.parametrize("blind", [False, True])
def test_when_commanding_ends_while_a_gripper_holds_something_expect_its_effort_to_stay(
    start_control, blind
):
    system, arm = closing(start_control)
    arm.obstacles["left_finger"] = (0.045, 0.057)
    system.expect(lambda: arm.positions["left_finger"] == 0.045, "it has it")
    system.operator.wait(lambda: False, 1.0)  # until that is certain
    if blind:
        arm.alive = False
        system.expect(lambda: system.operator.mode.startswith("HOLD"), "hold")
    else:
        system.operator.set_active("control_node", False)
    assert not system.operator.wait(lambda: arm.pwm == 0.0, 0.5)
    assert arm.pwm < -100.0
