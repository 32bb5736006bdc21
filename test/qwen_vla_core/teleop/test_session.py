"""Dead-man, reference, hand-over and release, with a control loop that follows."""

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from qwen_vla_core.embodiment import load_embodiment
from qwen_vla_core.embodiment.schema import Leader
from qwen_vla_core.execution import ChunkVerdict, Sample
from qwen_vla_core.modes import Answer, Mode, ModeEvent
from qwen_vla_core.teleop import Ask, Hands, Wish
from teleop_rig import TeleopRig

EMBODIMENTS = Path(__file__).parents[3] / "embodiments"
WIDOWX = load_embodiment(EMBODIMENTS / "widowx.yaml")
MOBILE = load_embodiment(EMBODIMENTS / "widowx_mobile.yaml")
START_D = np.array(WIDOWX.start_D)
PERIOD_S = 1.0 / WIDOWX.command_hz
(LEADER,) = [device for device in WIDOWX.teleop.devices if device.type == "leader"]
ABSOLUTE = Leader(**{**LEADER.model_dump(), "absolute": True})
SIDEWAYS = {"tool_velocities": {"arm": np.array([0.0, 0.1, 0.0, 0.0, 0.0, 0.0])}}
PUSHED = Hands(pressed=True, wish=Wish(**SIDEWAYS))


def still(positions_D):
    return Sample(positions_D=positions_D, velocities_D=np.zeros(len(positions_D)))


def rig(robot=WIDOWX, leader=None, start_D=None):
    return TeleopRig(robot, np.array(robot.start_D) if start_D is None else start_D, leader)


def positions(values_D):
    return {"positions": dict(zip(WIDOWX.joint_names, values_D, strict=True))}


def autonomous(person):
    """The policy moves the waist at about 0.4 rad/s."""
    robot = person.robot
    robot.give(robot.measured_D + np.zeros((2, 7)))
    assert robot.ask(ModeEvent.ENGAGE_POLICY).answer is Answer.ACCEPTED
    person.run(PERIOD_S)
    offer(person, 0.4)
    person.run(0.6)
    assert abs(robot.velocities[-1][0]) > 0.3
    return person


def offer(person, rad_s):
    """A chunk that turns the waist from the command on at that speed."""
    times_T = np.arange(WIDOWX.horizon + 1) * WIDOWX.action_step_s
    points_TD = np.tile(person.command_D, (len(times_T), 1))
    points_TD[:, 0] += rad_s * times_T
    assert person.robot.give(points_TD).verdict is ChunkVerdict.ACCEPTED


def test_when_the_deadman_is_pressed_in_hold_expect_teleop_and_no_motion():
    person = rig().press()
    assert person.mode is Mode.TELEOP and person.asks == [Ask.ENGAGE]
    np.testing.assert_allclose(person.command_D, START_D, atol=1e-9)
    assert "you have the robot" in person.messages


def test_when_the_stick_is_pushed_expect_motion_and_when_released_expect_a_hold_in_two_periods():
    person = rig().press()
    person.hands = PUSHED
    person.run(0.5)
    assert np.abs(person.command_D - START_D).max() > 0.02
    person.release()
    person.run(2 * PERIOD_S)
    assert person.mode is Mode.HOLD
    held_D, sent = person.command_D.copy(), len(person.targets)
    person.run(1.0)
    np.testing.assert_array_equal(person.command_D, held_D)
    assert len(person.targets) <= sent + 1
    person.check_motion()


def test_when_a_base_is_released_expect_it_to_stand_within_two_periods():
    person = rig(MOBILE).press()
    person.wish(base=(0.3, 0.0)).run(1.0)
    assert person.robot.velocities[-1][0] == pytest.approx(0.3)
    person.release()
    person.run(2 / MOBILE.command_hz)
    assert not person.robot.velocities[-1][:3].any() and person.mode is Mode.HOLD


def test_when_a_device_dies_while_pressed_expect_a_hold_and_nothing_until_it_was_released():
    person = rig().press()
    person.hands = PUSHED
    person.run(0.3)
    person.hands = None
    person.run(2 * PERIOD_S)
    assert person.mode is Mode.HOLD and "let go: the device fell silent" in person.messages
    person.hands = PUSHED
    person.run(1.0)
    assert person.mode is Mode.HOLD and "let go of the dead-man first" in person.messages
    assert person.press().mode is Mode.TELEOP


def test_when_a_device_connects_late_and_pressed_expect_nothing_until_it_was_released():
    person = rig()
    person.hands = None
    person.run(0.5)
    person.hands = PUSHED
    person.run(0.5)
    assert person.mode is Mode.HOLD and not person.targets
    assert person.press().mode is Mode.TELEOP


def test_when_a_device_connects_late_while_the_policy_drives_expect_the_policy_to_go_on():
    person = rig()
    person.hands = None
    autonomous(person)
    person.hands = PUSHED
    person.run(0.3)
    assert person.mode is Mode.AUTONOMY and not person.targets


def test_when_two_devices_publish_expect_refusal_with_their_names_and_an_end_if_it_happens_late():
    person = rig()
    both = "teleop/command: /a and /b publish commands, too"
    person.problems.append(both)
    person.press()
    assert (
        person.mode is Mode.HOLD and f"refused: {both}" in person.messages and not person.targets
    )
    person.problems.clear()
    person.press()
    person.hands = PUSHED
    person.run(0.2)
    person.problems.append(both)
    person.run(2 * PERIOD_S)
    assert person.mode is Mode.HOLD and f"let go: {both}" in person.messages


def test_when_control_is_silent_expect_no_press_and_an_end():
    person = rig().press()
    person.commands_arrive = False
    person.run(2 * PERIOD_S)
    assert person.mode is Mode.HOLD
    person.messages.clear()
    person.press()
    assert any("control/command is silent" in message for message in person.messages)


def test_when_somebody_holds_while_it_is_pressed_expect_nothing_until_it_is_pressed_again():
    person = rig().press()
    person.hands = PUSHED
    person.run(0.2)
    person.robot.ask(ModeEvent.HOLD)
    person.run(1.0)
    assert person.mode is Mode.HOLD and "let go: control_node is in HOLD" in person.messages
    held_D = person.command_D.copy()
    person.run(0.5)
    np.testing.assert_array_equal(person.command_D, held_D)


def test_when_somebody_holds_right_after_the_press_expect_no_engagement():
    person = autonomous(rig())
    person.release()
    person.period()
    person.hands = PUSHED
    person.period()
    person.robot.ask(ModeEvent.HOLD)
    person.run(0.5)
    assert person.mode is Mode.HOLD and Ask.ENGAGE not in person.asks


def test_when_somebody_engages_and_holds_right_after_a_press_in_hold_expect_no_engagement():
    person = rig()
    person.release()
    person.period()
    person.hands = PUSHED
    person.period()
    robot = person.robot
    robot.give(robot.measured_D + np.zeros((2, 7)))
    assert robot.ask(ModeEvent.ENGAGE_POLICY).answer is Answer.ACCEPTED
    robot.ask(ModeEvent.HOLD)
    person.run(0.5)
    assert person.mode is Mode.HOLD and Ask.ENGAGE not in person.asks


def test_when_control_takes_its_time_to_hand_over_expect_the_target_to_stay_with_the_command():
    session = rig().session
    session.update(Hands(pressed=False, wish=Wish()), "AUTONOMY: x", still(START_D), [], 1.0)
    for period in range(1, 5):
        command_D = START_D + 0.01 * period
        step = session.update(PUSHED, "AUTONOMY: x", still(command_D), [], 1.0 + period * PERIOD_S)
        np.testing.assert_array_equal(step.target.positions_D, command_D)


def test_when_it_is_pressed_again_right_after_a_release_expect_it_to_take_over_from_the_hold():
    person = rig().press()
    person.release()
    person.period()
    assert person.mode is Mode.HOLD
    person.hands = PUSHED
    assert person.period().target is not None and person.session.engaged
    assert person.run(0.2).mode is Mode.TELEOP


def test_when_it_is_pressed_before_control_holds_expect_refusal_in_words():
    session = rig().session
    session.update(Hands(pressed=False, wish=Wish()), "TELEOP: x", still(START_D), [], 1.0)
    step = session.update(PUSHED, "TELEOP: x", still(START_D), [], 1.02)
    assert step.target is None and step.message == "refused: control_node is in TELEOP"


def test_when_the_emergency_stop_is_latched_expect_refusal_in_words():
    person = rig()
    person.robot.loop.on_estop(True, person.robot.ros_s, "button")
    person.press()
    assert person.mode is Mode.ESTOP and not person.targets
    assert any("control_node is in ESTOP" in message for message in person.messages)


def test_when_control_refuses_expect_its_reason_and_silence():
    person = rig()
    person.robot.loop.on_hardware_fault("x", person.robot.ros_s)
    person.robot.ask(ModeEvent.HOLD)
    person.robot.silent.add(person.robot.streams[0].topic)
    person.run(0.5)
    person.press()
    assert any("control_node refuses" in message for message in person.messages)
    assert person.mode is Mode.HOLD


def test_when_a_person_takes_over_while_the_policy_moves_expect_continuous_bounded_motion():
    person = autonomous(rig())
    person.release()
    person.period()
    began_s = person.robot.now_s
    person.hands = Hands(pressed=True, wish=Wish())
    person.period()
    assert person.mode is Mode.TELEOP and person.robot.now_s - began_s <= 0.05
    person.run(0.6)
    assert person.mode is Mode.TELEOP
    np.testing.assert_allclose(person.robot.velocities[-1], 0.0, atol=1e-3)
    assert min(np.diff(np.array(person.robot.commands)[:, 0])) > -1e-6, "it does not come back"
    person.check_motion(held=False)


def test_when_a_moving_leader_takes_over_from_a_moving_policy_expect_bounded_motion():
    person = autonomous(rig(leader=LEADER))
    person.hands = Hands(pressed=False, wish=Wish(**positions(START_D + 0.5)))
    person.period()
    for period in range(60):
        moved_D = START_D + 0.5
        moved_D[1] += 0.01 * period
        person.wish(**positions(moved_D)).period()
    assert person.mode is Mode.TELEOP
    assert person.command_D[1] > START_D[1] + 0.4
    person.check_motion()


def test_when_a_moving_person_hands_back_expect_the_policy_and_bounded_motion():
    person = rig().press()
    person.hands = PUSHED
    person.run(0.6)
    offer(person, 0.3)
    assert person.session.hand_back()
    person.period()
    assert person.mode is Mode.AUTONOMY and person.asks[-1] is Ask.HAND_BACK
    person.run(PERIOD_S)
    offer(person, 0.3)
    person.run(0.5)
    assert person.mode is Mode.AUTONOMY, "the pressed dead-man does not take it again"
    person.check_motion(held=False)


def test_when_a_moving_person_hands_back_and_no_plan_comes_expect_the_arm_to_brake_and_stay():
    person = rig(leader=LEADER)
    person.hands = Hands(pressed=False, wish=Wish(**positions(START_D)))
    person.period()
    for period in range(60):
        person.wish(**positions(START_D + 0.015 * period * np.eye(7)[0])).period()
    offer(person, 0.0)
    assert abs(person.robot.velocities[-1][0]) > 0.5
    assert person.session.hand_back()
    person.run(0.5)
    assert person.mode is Mode.AUTONOMY and not person.robot.velocities[-1].any()
    person.check_motion(held=False)


def test_when_a_moving_base_is_handed_back_and_no_plan_comes_expect_it_to_brake():
    person = rig(MOBILE).press()
    person.wish(base=(0.3, 0.0)).run(1.0)
    robot = person.robot
    robot.give(robot.measured_D + np.zeros((2, len(robot.measured_D))))
    assert person.session.hand_back()
    person.run(0.6)
    ahead = np.array(robot.velocities)[:, 0]
    assert person.mode is Mode.AUTONOMY and ahead[-1] == 0.0
    limit = MOBILE.joints[0].acceleration / MOBILE.command_hz
    assert (np.abs(np.diff(ahead)) <= limit + 1e-9).all()


def test_when_the_policy_cannot_take_the_robot_back_expect_a_hold():
    person = rig().press()
    assert person.session.hand_back()
    person.run(0.5)
    assert person.mode is Mode.HOLD


def test_when_nobody_has_the_robot_expect_no_hand_back():
    assert not rig().session.hand_back()


def test_when_an_absolute_leader_is_a_radian_away_expect_refusal_until_it_is_aligned():
    person = rig(leader=ABSOLUTE)
    leader_D = START_D.copy()
    leader_D[0] += 1.0
    person.press(Wish(**positions(leader_D)))
    assert person.mode is Mode.HOLD and not person.targets
    assert any("waist of the leader is +1.00 rad away" in message for message in person.messages)
    person.release()
    person.run(0.1)
    person.session.align()
    person.run(6.0)
    assert "let go: aligned: engage now" in person.messages and person.mode is Mode.HOLD
    speeds = np.abs(np.array(person.robot.velocities)[:, 0])
    assert np.median(speeds[speeds > 0.0]) <= 0.2 * 1.57 + 1e-3 and speeds.max() < 1.57 / 3.0
    assert person.press(Wish(**positions(leader_D))).mode is Mode.TELEOP
    person.check_motion()


def test_when_an_alignment_is_stopped_by_a_person_expect_no_further_motion():
    person = rig(leader=ABSOLUTE)
    leader_D = START_D + 0.5
    person.hands = Hands(pressed=False, wish=Wish(**positions(leader_D)))
    person.period()
    person.session.align()
    person.run(0.5)
    person.robot.ask(ModeEvent.HOLD)
    person.run(0.1)
    held_D = person.command_D.copy()
    person.run(1.0)
    np.testing.assert_array_equal(person.command_D, held_D)


def test_when_a_leader_says_nan_or_jumps_while_engaged_expect_a_hold_with_the_reason():
    for bad, reason in ((np.nan, "NaN or infinity"), (1e12, "jumped"), (START_D[0] + 1.0, "jump")):
        person = rig(leader=LEADER).press(Wish(**positions(START_D)))
        wrong_D = START_D.copy()
        wrong_D[0] = bad
        person.wish(**positions(wrong_D)).run(2 * PERIOD_S)
        assert person.mode is Mode.HOLD and any(reason in message for message in person.messages)
        np.testing.assert_allclose(person.command_D, START_D, atol=1e-9)
        person.check_motion()


def test_when_a_service_lets_go_of_a_pressed_device_expect_a_hold():
    person = rig().press()
    person.session.let_go()
    person.run(0.5)
    assert person.mode is Mode.HOLD


@settings(max_examples=15, deadline=None)
@given(
    st.floats(-0.8, 0.8),
    st.lists(st.floats(-3.0, 3.0), min_size=2, max_size=3),
    st.floats(-0.8, 0.8),
)
def test_when_the_robot_is_handed_over_in_any_motion_expect_bounded_steps_both_ways(
    before_rad_s, leader_rad_s, after_rad_s
):
    person = rig(leader=LEADER)
    person.hands = Hands(pressed=False, wish=Wish(**positions(START_D)))
    robot = person.robot
    robot.give(robot.measured_D + np.zeros((2, 7)))
    robot.ask(ModeEvent.ENGAGE_POLICY)
    person.run(PERIOD_S)
    offer(person, before_rad_s)
    person.run(0.5)
    leader_D = START_D.copy()
    for rad_s in leader_rad_s:
        for _ in range(15):
            leader_D[:3] += rad_s * PERIOD_S
            person.wish(**positions(leader_D)).period()
    assert person.mode is Mode.TELEOP
    offer(person, after_rad_s)
    person.session.hand_back()
    person.run(2 * PERIOD_S)
    assert person.mode is Mode.AUTONOMY
    offer(person, after_rad_s)
    person.run(0.5)
    assert person.mode is Mode.AUTONOMY
    person.check_motion(held=False)
