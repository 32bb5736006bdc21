"""Over DDS: nothing moves by mistake, whoever else is on the network and whatever they send."""

import time

import numpy as np
import pytest
from geometry_msgs.msg import Twist
from lifecycle_msgs.msg import Transition
from rcl_interfaces.srv import SetParameters
from rclpy.context import Context
from rclpy.executors import SingleThreadedExecutor
from rclpy.node import Node
from rclpy.parameter import Parameter
from rclpy.qos import DurabilityPolicy, QoSProfile, ReliabilityPolicy
from sensor_msgs.msg import JointState
from std_msgs.msg import Bool
from std_srvs.srv import Trigger
from trajectory_msgs.msg import JointTrajectory, JointTrajectoryPoint

from command_observer import BaseObserver
from control_system import LEFT, TWO_ARMS, TWO_SLOW_ARMS, WAIT_S
from qwen_vla_core.from_messages import seconds
from qwen_vla_core.lag import LATE_S
from qwen_vla_ros.graph import publishers_of
from qwen_vla_ros.nodes import control_node
from qwen_vla_ros.nodes.control_node import ControlNode
from qwen_vla_ros.stall import AFTER_S, LONGEST_S
from qwen_vla_ros.trigger_client import trigger_client
from robots import arm_on_base_text, base_text

pytestmark = pytest.mark.timeout(120)

FOUND_S = 1.0
"""A second commander is found within this time (faults.md B4 row 48)."""

BEST_EFFORT = QoSProfile(depth=1, reliability=ReliabilityPolicy.BEST_EFFORT)
LATCHED = QoSProfile(depth=1, durability=DurabilityPolicy.TRANSIENT_LOCAL)


@pytest.fixture
def other(ros_domain):
    """Makes nodes as another program would, and takes them away at the end."""
    context = Context()
    context.init(domain_id=ros_domain)
    nodes = []

    def make(name):
        nodes.append(Node(name, context=context, enable_rosout=False))
        return nodes[-1]

    yield make
    for node in nodes:
        node.destroy_node()
    context.shutdown()


def wait(system, seconds):
    system.operator.wait(lambda: False, seconds)


def discovered(system, topic, count):
    system.expect(lambda: len(publishers_of(system.operator, topic)) == count, "it is discovered")


def test_when_nobody_engages_expect_nothing_on_any_command_topic(start_control):
    system = start_control(arm_on_base_text(), {"follower_left": LEFT}, base=True)
    system.expect(lambda: len(system.messages) > 30, "control_node runs")
    arm = system.robot.arms["follower_left"]
    arm.false = {"waist": 2.5}
    wait(system, 0.5)
    assert arm.group == arm.single == system.base.received == []
    system.expect(lambda: system.said, "it reports")
    values = system.said[1]
    assert values["commanding"] == "False"
    assert float(values["rate_policy/chunk_hz"]) == 0.0
    assert float(values["age_policy/chunk_s"]) == np.inf
    joints = "follower_left/joint_states"
    for stream in (joints, "mobile_base/odom"):
        key = f"rate_{stream}_hz"
        system.expect(lambda k=key: float(system.said[1][k]) > 1.0, f"{key} is said")
    assert float(system.said[1][f"age_{joints}_s"]) < 1.0


def test_when_a_second_control_node_starts_expect_the_first_to_hold_and_to_name_it(start_control):
    system = start_control(base_text(), base=True).drive()
    second = ControlNode()
    second.trigger_configure()
    second.trigger_activate()
    try:
        began_s = time.monotonic()
        system.expect(lambda: system.operator.mode.startswith("HOLD"), "hold", FOUND_S + 0.5)
        assert time.monotonic() - began_s < FOUND_S + 0.2
        assert "another /control_node" in system.operator.mode
        system.stands()
        granted, reason = system.operator.request("engage_policy")
        assert not granted and "another /control_node" in reason
    finally:
        second.destroy_node()
    system.operator.insist("reset", timeout_s=10.0)
    system.engage()


def test_when_a_second_robot_shares_the_namespace_expect_both_to_hold_and_nobody_to_engage(
    start_control, tmp_path
):
    system = start_control(base_text(), base=True).drive()
    path = tmp_path / "second.yaml"
    path.write_text(base_text().replace("mobile_base/", "second_base/"))
    second = ControlNode()  # of other drivers; a person's request would move both robots
    second._parameters["embodiment"] = Parameter("embodiment", value=str(path))
    second.trigger_configure()
    second.trigger_activate()
    try:
        system.expect(lambda: system.operator.mode.startswith("HOLD"), "hold", FOUND_S + 0.5)
        assert "control/command: another /control_node" in system.operator.mode
        system.stands()
        for request in ("engage_policy", "engage_teleop", "go_to_start"):
            granted, reason = system.operator.request(request)
            assert not granted and "namespace:=" in reason
    finally:
        second.destroy_node()


def test_when_someone_else_drives_the_base_later_expect_hold_within_a_second_and_the_name(
    start_control, other
):
    system = start_control(base_text(), base=True).drive()
    other("joystick").create_publisher(Twist, "mobile_base/cmd_vel", 10)
    discovered(system, "mobile_base/cmd_vel", 2)
    began_s = time.monotonic()
    system.expect(lambda: system.operator.mode.startswith("HOLD"), "hold", FOUND_S + 0.5)
    assert time.monotonic() - began_s < FOUND_S + 0.2
    # Its endpoint may be discovered before the name of its node.
    system.expect(lambda: system.said and "/joystick" in system.said[0], "its name is said")
    system.stands()
    granted, reason = system.operator.request("engage_policy")
    assert not granted and "fault is latched" in reason


def test_when_two_policies_publish_chunks_expect_autonomy_to_end_and_both_names(
    start_control, other
):
    system = start_control(base_text(), base=True).drive()
    second = other("second_policy")
    rival = second.create_publisher(JointTrajectory, "policy/chunk", 10)
    discovered(system, "policy/chunk", 2)
    system.expect(lambda: system.operator.mode.startswith("HOLD"), "hold", FOUND_S + 0.5)
    assert "/operator" in system.operator.mode

    def named():  # its endpoint may be discovered before the name of its node
        granted, reason = system.operator.request("engage_policy")
        return not granted and "/second_policy" in reason

    system.expect(named, "its name is said")
    second.destroy_publisher(rival)
    system.engage()


@pytest.mark.parametrize("qos", [BEST_EFFORT, LATCHED, QoSProfile(depth=1)], ids=str)
def test_when_an_emergency_stop_is_published_with_any_quality_of_service_expect_it_to_latch(
    start_control, other, qos
):
    system = start_control(base_text(), base=True).drive()
    button = other("button").create_publisher(Bool, "estop", qos)
    system.expect(lambda: button.get_subscription_count() > 0, "the button is discovered")
    button.publish(Bool(data=True))
    system.expect(lambda: system.operator.mode.startswith("ESTOP"), "it latches", 2.0)
    system.stands()


def test_when_it_has_just_become_active_expect_no_engaging_before_stops_can_be_discovered(
    start_control, monkeypatch
):
    system = start_control(base_text(), base=True, begin=False)
    monkeypatch.setattr(control_node, "DISCOVERY_S", 60.0)
    system.begin()
    system.expect(lambda: system.messages, "control_node runs")
    granted, reason = system.operator.request("engage_policy")
    assert not granted and "waits 60 s for the emergency stops" in reason


def test_when_a_latched_button_was_pressed_before_control_node_started_expect_no_engaging(
    start_control, other
):
    system = start_control(base_text(), base=True, begin=False)
    other("button").create_publisher(Bool, "estop", LATCHED).publish(Bool(data=True))
    system.begin()
    system.expect(lambda: system.operator.mode.startswith("ESTOP"), "it latches")
    granted, reason = system.operator.request("reset")
    assert not granted and "estop" in reason


def test_when_one_source_releases_expect_the_press_of_another_on_the_same_topic_to_stay(
    start_control, other
):
    system = start_control(base_text(), base=True).drive()
    pressed = other("button").create_publisher(Bool, "estop", LATCHED)
    pressed.publish(Bool(data=True))
    system.expect(lambda: system.operator.mode.startswith("ESTOP"), "it latches")
    second = other("console")
    released = second.create_publisher(Bool, "estop", 10)
    system.expect(lambda: released.get_subscription_count() > 0, "the console is discovered")
    wait(system, 0.5)
    for _ in range(5):
        released.publish(Bool(data=False))
        wait(system, 0.1)
    granted, reason = system.operator.request("reset")
    assert not granted and "estop" in reason
    second.destroy_publisher(released)
    wait(system, 1.5)
    pressed.publish(Bool(data=False))
    system.operator.insist("reset", timeout_s=5.0)


def test_when_latched_and_configured_again_expect_the_latch_to_stay(start_control):
    system = start_control(base_text(), base=True)
    system.expect(lambda: system.messages, "control_node runs")
    assert system.operator.request("estop")[0]
    system.operator.set_active("control_node", False)
    for change in (Transition.TRANSITION_CLEANUP, Transition.TRANSITION_CONFIGURE):
        system.operator.change_state("control_node", change)
    system.operator.set_active("control_node", True)
    system.expect(lambda: system.operator.mode.startswith("ESTOP"), "it is still latched")
    granted, reason = system.operator.request("engage_policy")
    assert not granted and "latched" in reason


def test_when_pressed_and_configured_again_expect_no_reset_before_it_is_released(
    start_control, other
):
    system = start_control(base_text(), base=True)
    button = other("button").create_publisher(Bool, "estop", 10)
    system.expect(lambda: button.get_subscription_count() > 0, "the button is discovered")
    button.publish(Bool(data=True))  # once: it is not repeated until it is released
    system.expect(lambda: system.operator.mode.startswith("ESTOP"), "it latches")
    system.operator.set_active("control_node", False)
    for change in (Transition.TRANSITION_CLEANUP, Transition.TRANSITION_CONFIGURE):
        system.operator.change_state("control_node", change)
    system.operator.set_active("control_node", True)
    wait(system, 1.5)
    granted, reason = system.operator.request("reset")
    assert not granted and "estop" in reason
    button.publish(Bool(data=False))
    system.operator.insist("reset", timeout_s=5.0)


def names(count):
    return [f"joint_{k}" for k in range(count - 1)] + ["joint_0"]


def many_points(count):
    points = [JointTrajectoryPoint(positions=[0.0] * 6, velocities=[0.0] * 6)] * count
    return JointTrajectory(joint_names=["x"] * 6, points=points)


@pytest.mark.alone
def test_when_a_message_is_enormous_expect_no_gap_in_the_commands_and_the_refusal_said(
    start_control, other
):
    system = start_control(TWO_SLOW_ARMS, TWO_ARMS, process=True).engage()
    stranger = other("stranger")
    for topic, message in {
        "teleop/command": JointState(name=names(30_000), position=[0.0] * 30_000),
        "follower_left/joint_states": JointState(name=names(30_000), position=[0.0] * 30_000),
        "policy/chunk": many_points(10_000),
    }.items():
        publisher = stranger.create_publisher(type(message), topic, 10)
        system.expect(lambda p=publisher: p.get_subscription_count() > 0, "it is discovered")
        system.messages.clear()
        counter = f"{topic.rpartition('/')[2]}_refused"

        def refused(counter=counter):
            words, values = system.said or ("", {})
            return counter in values and "bytes; this robot's are at most" in words

        for _ in range(50):  # best effort may lose a part of a message of a megabyte
            publisher.publish(message)
            if system.operator.wait(refused, 0.3):
                break
        assert refused(), topic
        count = len(system.messages)
        system.expect(lambda n=count: len(system.messages) > n + 10, "commands go on")
        sent_s = [seconds(message.header.stamp) for message in system.messages]
        assert np.diff(sent_s).max() < 0.1, topic


def test_when_ros_time_is_simulated_and_no_clock_runs_expect_no_engaging_and_no_motion(
    start_control,
):
    system = start_control(
        base_text(), base=True, arguments=("-p", "control_node:use_sim_time:=true")
    )
    system.expect(lambda: system.messages, "control_node runs")
    wait(system, 1.2)  # until emergency stops would have been discovered
    system.plan(np.zeros(3), [0.3, 0.0, 0.2])
    wait(system, 0.1)
    granted, reason = system.operator.request("engage_policy")
    assert not granted and "ROS time" in reason and "/clock" in reason
    assert system.base.received == []


def test_when_an_input_is_published_as_another_type_expect_it_named_and_no_engaging(
    start_control, other
):
    system = start_control(base_text(), base=True)
    other("old_button").create_publisher(JointState, "estop", 10)
    discovered(system, "estop", 1)
    words = "estop is published as sensor_msgs/msg/JointState by /old_button"

    def refused():
        granted, reason = system.operator.request("engage_policy")
        assert not granted
        return words in reason

    system.expect(refused, "it is named")


def test_when_the_arm_is_stopped_by_an_obstacle_expect_a_fault_relief_and_silence(start_control):
    system = start_control(TWO_SLOW_ARMS, TWO_ARMS).engage()
    left = system.robot.arms["follower_left"]
    left.obstacles["waist"] = (-3.0, 0.15)
    system.plan([0.9, 0.0, 0.0, 0.0, 0.0, 0.0])
    system.expect(lambda: "left_waist" in system.operator.mode, "the fault is said")
    system.expect(lambda: abs(left.group[-1][0] - 0.15) < 1e-3, "the push is relieved")
    wait(system, 1.0)
    count = len(left.group)
    wait(system, 0.5)
    assert len(left.group) == count


def test_when_an_arm_loses_its_torque_while_held_expect_it_not_to_spring_back(start_control):
    system = start_control(TWO_SLOW_ARMS, TWO_ARMS).engage()
    left = system.robot.arms["follower_left"]
    assert system.operator.request("hold")[0]
    wait(system, 0.8)
    left.torque = False
    system.expect(lambda: "left_elbow" in system.operator.mode, "the fall is noticed")
    wait(system, 0.1)  # what was sent before may be on its way still
    count = len(left.group)
    wait(system, 0.3)
    fallen = left.positions["elbow"]
    assert len(left.group) == count
    left.torque, left.goals["elbow"] = True, fallen  # as a driver that resets its goals
    system.operator.insist("reset", timeout_s=5.0)
    system.engage()
    assert left.positions["elbow"] == pytest.approx(fallen, abs=0.01)


def test_when_a_person_asks_for_the_start_pose_expect_the_arms_to_get_there_slowly(start_control):
    system = start_control(TWO_SLOW_ARMS, TWO_ARMS)
    system.operator.insist("go_to_start", timeout_s=10.0)
    system.expect(lambda: "arrived" in system.operator.mode, "they arrive", 20.0)
    left, right = system.robot.arms.values()
    start_D = system.embodiment.start_D
    goal = [*start_D[:2], *start_D[3:5]]
    system.expect(
        lambda: np.allclose([*left.group[-1], *right.group[-1]], goal, atol=2e-3), "both are there"
    )
    assert np.abs(np.diff(left.group, axis=0)).max() <= 0.2 * 3.0 * 0.02 + 1e-6


def test_when_a_speed_scale_is_set_in_motion_expect_it_used_and_one_out_of_range_refused(
    start_control, other
):
    system = start_control(base_text(), base=True).drive()
    console = other("console")
    setting = console.create_client(SetParameters, "control_node/set_parameters")
    executor = SingleThreadedExecutor(context=console.context)
    executor.add_node(console)
    system.expect(setting.service_is_ready, "the parameters are discovered")

    def scale(value):
        parameter = Parameter("max_speed_scale", value=value).to_parameter_msg()
        answer = setting.call_async(SetParameters.Request(parameters=[parameter]))
        executor.spin_until_future_complete(answer, timeout_sec=WAIT_S)
        return answer.result().results[0]

    assert scale(0.2).successful
    system.expect(lambda: system.base.last == pytest.approx((0.1, 0.2)), "a fifth of 0.5 m/s")
    observer = BaseObserver(velocity=[0.5, 1.0], acceleration=[1.0, 2.0])
    for _, ahead, turn in system.base.received:
        observer.see(ahead, turn, 0.02)
    for value in (0.05, 1.5, -1.0, float("nan"), "fast"):
        answer = scale(value)
        assert not answer.successful and "max_speed_scale" in answer.reason
    wait(system, 0.2)
    assert system.base.last == pytest.approx((0.1, 0.2))
    system.expect(lambda: system.said and system.said[1]["max_speed_scale"] == "0.2", "it is said")


def test_when_nobody_publishes_an_estop_that_is_named_expect_nobody_to_engage_and_a_hold(
    start_control, other
):
    topics = ("-p", "control_node:estop_topics:=['estop', '/cell/stop']")
    system = start_control(base_text(), base=True, arguments=topics)
    system.expect(lambda: len(system.messages) > 2, "control_node holds")
    wait(system, control_node.DISCOVERY_S)
    still_D = np.zeros(len(system.embodiment.joints))
    timer = system.operator.create_timer(0.1, lambda: system.plan(still_D))
    wait(system, 0.3)
    granted, reason = system.operator.request("engage_policy")
    assert not granted and "/cell/stop: nobody publishes this emergency stop" in reason
    button = other("button")
    publisher = button.create_publisher(Bool, "/cell/stop", 10)
    system.operator.destroy_timer(timer)
    system.drive()
    button.destroy_publisher(publisher)
    system.stands()
    assert "HOLD" in system.operator.mode and "/cell/stop" in system.operator.mode


def test_when_targets_of_a_person_come_later_and_later_expect_a_hold_and_a_takeover_all_the_same(
    start_control,
):
    # A thread shared with a loaded machine may stand still for longer than a device would.
    text = base_text().replace("teleop_s: 0.2", "teleop_s: 0.5")
    system = start_control(text, base=True).drive()
    system.silence_policy()
    late_s = [3.0]  # the clock of the person's computer is behind

    def say():
        system.say_teleop([0.0, 0.0, 0.0], [0.2, 0.0, 0.0], late_s[0])

    timer = system.operator.create_timer(0.02, say)
    system.expect(lambda: system.base.last == pytest.approx((0.2, 0.0)), "a person drives")
    wait(system, 0.5)
    assert system.operator.mode.startswith("TELEOP")
    while late_s[0] < 3.0 + 2.0 * LATE_S:
        late_s[0] += 0.02
        wait(system, 0.05)
    system.stands()
    assert "teleop lost" in system.operator.mode
    system.expect(lambda: system.said and "teleop_late" in system.said[1], "it is counted")
    system.operator.destroy_timer(timer)
    system.engage()
    say()
    system.expect(lambda: not system.operator.mode.startswith("AUTONOMY"), "taken over")


@pytest.mark.parametrize("name", ["engage_policy", "go_to_start"])
def test_when_control_node_stood_still_while_it_was_asked_expect_no_motion_when_it_goes_on(
    start_control, name
):
    system = start_control(arm_on_base_text(), {"follower_left": LEFT}, base=True).engage()
    assert system.operator.request("hold")[0]
    still_D = np.zeros(len(system.embodiment.joints))
    system.operator.create_timer(0.1, lambda: system.plan(still_D))
    client = trigger_client(system.operator, f"control/{name}")
    system.expect(client.service_is_ready, "the service is found")
    count = len(system.modes)
    system.stall(LONGEST_S + 0.5)
    wait(system, 0.1)
    answer = client.call_async(Trigger.Request())
    system.expect(answer.done, "it is answered")
    assert not answer.result().success and "stood still for" in answer.result().message
    assert not [mode for _, mode in system.modes[count:] if not mode.startswith("HOLD")]

    def asked_again():
        system.operator.request("reset")  # drivers may have hung in the stall as well
        return system.operator.request(name)[0]

    system.expect(asked_again, "asked again, it is granted", AFTER_S + WAIT_S)


@pytest.mark.alone
def test_when_estop_is_pressed_expect_zero_at_the_base_long_before_the_next_period(start_control):
    text = base_text().replace("command_hz: 50", "command_hz: 10")
    system = start_control(text, base=True, process=True)
    latencies_s = []
    for _ in range(7):
        system.drive()
        pressed_s = time.monotonic()
        assert system.operator.request("estop")[0]
        system.expect(lambda: system.base.last == (0.0, 0.0), "it stands")
        zero_s = next(t for t, ahead, turn in system.base.received if t > pressed_s and not ahead)
        latencies_s.append(zero_s - pressed_s)
        system.silence_policy()
        system.operator.insist("reset", timeout_s=5.0)
    del latencies_s[0]  # with the first, its service is looked for
    assert np.median(latencies_s) < 0.03  # a period is 0.1 s
    assert max(latencies_s) < 0.1
