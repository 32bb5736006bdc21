"""control_node over DDS with two arms of identical joint names, with a base, and with both."""

import json
import os
import signal

import numpy as np
import pytest
from std_msgs.msg import String

from command_observer import BaseObserver
from control_system import LEFT, TWO_ARMS, TWO_SLOW_ARMS, WAIT_S
from qwen_vla_ros.graph import not_received
from qwen_vla_ros.qos import LATCHED
from robots import arm_on_base_text, base_text, two_arms_text

pytestmark = pytest.mark.timeout(120)


def test_when_two_arms_share_joint_names_expect_each_in_its_rows_and_commanded_on_its_side(
    start_control,
):
    system = start_control(TWO_SLOW_ARMS, TWO_ARMS)
    system.expect(lambda: system.messages, "control_node holds")
    assert tuple(system.messages[-1].name) == system.embodiment.joint_names
    assert list(system.messages[-1].position) == [0.1, 0.2, 0.03, -0.1, -0.2, 0.04]
    left, right = system.robot.arms.values()
    assert left.single == right.single == []  # nobody has asked the grippers to move
    system.engage().plan([0.3, 0.0, 0.0, 0.0, -0.3, 0.01])
    system.expect(
        lambda: (
            left.group
            and right.group
            and np.allclose([*left.group[-1], *right.group[-1]], [0.4, 0.2, -0.1, -0.5], atol=0.02)
        ),
        "each arm gets its own part",
    )
    assert left.single == []
    ends = system.embodiment.groups[3].gripper_ends
    system.expect(
        lambda: right.single and abs(right.single[-1][1] - ends.motor_rad(0.05)) < 0.05,
        "the right gripper opens",
    )
    assert {name for name, _ in right.single} == {"gripper"}


def test_when_the_second_arm_dies_expect_both_to_hold_and_its_name(start_control):
    system = start_control(TWO_SLOW_ARMS, TWO_ARMS)
    left, right = system.robot.arms.values()
    system.engage().plan([0.9, 0.0, 0.0, -0.9, 0.0, 0.0])
    system.expect(lambda: left.group and left.group[-1][0] > 0.2, "it moves")
    right.alive = False
    system.expect(lambda: system.operator.mode.startswith("HOLD"), "hold")
    assert "follower_right/joint_states" in system.operator.mode
    system.operator.wait(lambda: False, 0.2)
    held, count = left.group[-1], len(left.group)
    system.operator.wait(lambda: False, 0.5)
    assert len(left.group) > count + 10 and all(cmd == held for cmd in left.group[count:])
    granted, reason = system.operator.request("engage_policy")
    assert not granted and "follower_right/joint_states" in reason


def test_when_the_second_arm_has_no_driver_expect_nothing_sent_and_its_name(start_control):
    system = start_control(two_arms_text(), {"follower_left": LEFT})
    system.expect(lambda: "/control_node" in system.operator.diagnostics, "it reports")
    granted, reason = system.operator.request("engage_policy")
    assert not granted and "follower_right/get_robot_info has not answered" in reason
    assert "follower_right/joint_states: nothing received" in reason
    assert system.robot.arms["follower_left"].group == [] and system.messages == []


@pytest.mark.parametrize("behind_s", [2.0, -2.0])
def test_when_a_stamped_bases_clock_differs_expect_nobody_to_engage_until_it_agrees(
    start_control, behind_s
):
    system = start_control(base_text(stamped=True), base=True, stamped=True)
    system.base.behind_s = behind_s
    system.expect(lambda: system.said and "from now" in system.said[0], "it is named")
    still_D = np.zeros(len(system.embodiment.joints))
    system.operator.create_timer(0.1, lambda: system.plan(still_D))
    granted, reason = system.operator.request("engage_policy")
    assert not granted and "from now" in reason
    assert f"stamped {'-' if behind_s > 0.0 else '+'}" in reason
    assert "chrony" in reason and system.base.received == []
    system.base.behind_s = 0.0
    system.operator.insist("engage_policy", WAIT_S)


@pytest.mark.parametrize("stamped", [False, True])
def test_when_a_base_drives_and_is_held_expect_its_velocities_at_the_control_rate(
    start_control, stamped
):
    system = start_control(base_text(stamped), base=True, stamped=stamped)
    system.drive()
    observer = BaseObserver(velocity=[0.5, 1.0], acceleration=[1.0, 2.0])
    for _, ahead, turn in system.base.received:
        observer.see(ahead, turn, 0.02)
    assert max(ahead for _, ahead, _ in system.base.received) == pytest.approx(0.3)
    system.expect(
        lambda: list(system.messages[-1].velocity) == pytest.approx([0.3, 0.0, 0.2]), "it is said"
    )
    assert list(system.messages[-1].position) == [0.0, 0.0, 0.0]
    granted, _ = system.operator.request("hold")
    assert granted
    assert system.stands(timeout_s=0.5) > 5  # zero goes on being sent
    times_s = [time_s for time_s, _, _ in system.base.received]
    assert np.median(np.diff(times_s)) == pytest.approx(0.02, rel=0.3)
    assert bool(system.base.headers) == stamped
    assert all(h.frame_id == "base_link" and h.stamp.sec > 0 for h in system.base.headers)


def test_when_a_chunk_is_nan_expect_the_base_to_go_on_with_the_old_one(start_control):
    system = start_control(base_text(), base=True).drive()
    system.plan(np.zeros(3), [0.1, 0.0, 0.0], bad=np.nan)
    system.operator.wait(lambda: False, 0.3)
    assert system.base.last == pytest.approx((0.3, 0.2))


def test_when_plans_are_bad_too_fast_and_then_end_expect_each_counted_in_the_diagnostics(
    start_control,
):
    system = start_control(two_arms_text(), TWO_ARMS).engage()

    system.plan(np.zeros(6), bad=np.nan)
    refused = "chunks_non-finite: a value is NaN or infinite"
    system.expect(
        lambda: system.said and refused in system.said[0], "the last refusal's own words"
    )
    assert system.said[1]["chunks_non-finite"] == "1"
    system.plan([2.5, 0.0, 0.0, 0.0, 0.0, 0.0])  # in 0.32 s, at 2.6 times the limit
    system.expect(
        lambda: "left_waist velocity" in system.said[1]["limited_joints"], "joint and rule"
    )
    assert int(system.said[1]["velocity_limited"]) > 0
    system.expect(lambda: system.operator.mode.startswith("HOLD"), "the plan has ended")
    system.expect(lambda: int(system.said[1]["autonomy_holds"]) > 0, "periods without a plan")
    late_ms = [float(system.said[1][f"lateness_p{share}_ms"]) for share in (50, 90, 99)]
    assert 0.0 <= late_ms[0] <= late_ms[1] <= late_ms[2]
    published = [publisher.topic_name for publisher in system.control.publishers]
    assert [words for topic in published for words in not_received(system.operator, topic)] == []


def test_when_odometry_dies_expect_the_base_to_stand_and_its_name(start_control):
    system = start_control(base_text(), base=True).drive()
    system.base.alive = False
    system.stands()
    system.expect(lambda: "mobile_base/odom" in system.operator.mode, "its name is said")


def test_when_odometry_is_nan_expect_the_same_as_silence(start_control):
    system = start_control(base_text(), base=True).drive()
    system.base.broken = True
    system.stands()
    system.expect(lambda: "mobile_base/odom" in system.operator.mode, "its name is said")


def test_when_odometry_repeats_one_message_expect_the_same_as_silence(start_control):
    system = start_control(base_text(), base=True).drive()
    system.base.frozen = True
    system.stands()
    system.expect(lambda: "mobile_base/odom" in system.operator.mode, "its name is said")
    system.expect(lambda: system.said and "stamp does not rise" in system.said[0], "and why")


def test_when_the_bases_estop_is_pressed_expect_a_latch_that_a_reset_ends_after_its_release(
    start_control,
):
    system = start_control(arm_on_base_text(), {"follower_left": LEFT}, base=True).drive()
    system.base.estop = system.base.broken = True  # the stop counts whatever else is said
    system.stands()
    assert system.operator.mode.startswith("ESTOP")
    system.base.broken = False
    system.operator.wait(lambda: False, 0.1)
    granted, reason = system.operator.request("reset")
    assert not granted and "emergency stop" in reason
    system.base.estop = False
    system.operator.insist("reset", timeout_s=5.0)
    system.expect(lambda: system.operator.mode.startswith("HOLD"), "reset leads to hold")


def test_when_a_person_drives_expect_their_velocities_and_zero_once_they_let_go(start_control):
    system = start_control(arm_on_base_text(), {"follower_left": LEFT}, base=True).drive()

    def turned():
        arm = list(system.messages[-1].position[3:])
        system.say_teleop([0.0, 0.0, 0.0, *arm], [0.0, 0.0, -0.4, 0.0, 0.0, 0.0])
        return system.base.last == pytest.approx((0.0, -0.4)) and (
            system.operator.mode.startswith("TELEOP")
        )

    system.expect(turned, "the person has the base")
    system.stands()
    system.expect(lambda: system.operator.mode.startswith("HOLD"), "it holds")


def test_when_a_person_takes_over_and_lets_go_expect_start_and_reason_for_whoever_listens_late(
    start_control,
):
    system = start_control(base_text(), base=True).drive()
    operator, heard = system.operator, []
    began_s = operator.get_clock().now().nanoseconds * 1e-9
    system.say_teleop([0.0] * 3, [0.1, 0.0, 0.0])
    system.expect(lambda: operator.mode.startswith("TELEOP"), "the person has the base")
    system.expect(lambda: operator.mode.startswith("HOLD"), "the person fell silent")
    topic = "control/intervention_reason"
    operator.create_subscription(
        String, topic, lambda m: heard.append(json.loads(m.data)), LATCHED
    )
    system.expect(lambda: heard, "the last one is latched")
    assert heard[-1]["intervention"] is False and "teleop" in heard[-1]["reason"]
    system.engage().say_teleop([0.0] * 3, [0.1, 0.0, 0.0])
    system.expect(lambda: heard[-1]["intervention"], "the next one is published")
    assert heard[-1]["reason"] == "teleop active: teleop moved"
    assert began_s < heard[0]["since_s"] < heard[-1]["since_s"]


@pytest.mark.parametrize("velocity", [[np.nan, 0.0, 0.0], []])
def test_when_a_persons_velocities_are_unusable_expect_autonomy_to_go_on(start_control, velocity):
    system = start_control(base_text(), base=True).drive()
    for _ in range(5):
        system.say_teleop([0.0, 0.0, 0.0], velocity)
        system.operator.wait(lambda: False, 0.05)
    assert system.operator.mode.startswith("AUTONOMY")
    assert system.base.last == pytest.approx((0.3, 0.2))


def test_when_a_driving_base_is_deactivated_expect_zero_and_then_silence(start_control):
    system = start_control(base_text(), base=True).drive()
    system.operator.set_active("control_node", False)
    system.expect(lambda: system.base.last == (0.0, 0.0), "zero", 1.0)
    count = len(system.base.received)
    system.operator.wait(lambda: False, 0.3)
    assert len(system.base.received) == count


def test_when_a_dry_run_drives_and_ends_expect_it_shown_and_nothing_sent(start_control):
    system = start_control(arm_on_base_text(), {"follower_left": LEFT}, base=True, dry=True)
    system.engage().plan([0.0, 0.0, 0.0, 0.3, 0.0, 0.0], [0.3, 0.0, 0.2, 0.0, 0.0, 0.0])
    system.expect(lambda: system.messages[-1].velocity[0] == pytest.approx(0.3), "it is shown")
    system.operator.set_active("control_node", False)
    system.operator.wait(lambda: False, 0.1)
    assert system.base.received == [] and system.robot.arms["follower_left"].group == []


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_when_the_node_is_interrupted_while_driving_expect_zero_as_its_last_word(
    start_control, number
):
    system = start_control(base_text(), base=True, process=True).drive()
    os.kill(system.process.pid, number)
    assert system.process.wait(timeout=10) == 0
    system.expect(lambda: system.base.last == (0.0, 0.0), "zero")


def test_when_the_base_listens_for_the_other_type_expect_it_said_and_nothing_sent(start_control):
    system = start_control(base_text(stamped=False), base=True, stamped=True, process=True)
    system.expect(lambda: system.said and "TwistStamped" in system.said[0], "it is said")
    # Discovery learns of the subscription before it learns of the node that it belongs to.
    system.expect(lambda: "/robot for" in system.said[0], "its name is said")
    granted, reason = system.operator.request("engage_policy")
    assert not granted and "/robot for geometry_msgs/msg/TwistStamped" in reason
    assert "'stamped'" in reason and system.base.received == []
