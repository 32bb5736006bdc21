"""What must not move a robot: measurements, faults, clocks, and what a person stopped."""

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from looped_robot import LoopedRobot
from qwen_vla_core.embodiment import load_embodiment
from qwen_vla_core.execution import ChunkVerdict
from qwen_vla_core.modes import ENGAGES, Answer, Mode, ModeEvent
from qwen_vla_core.safety.tracking import HELD_SHARE, SETTLE_S
from robots import base_text
from robots import robot as robot_from

WIDOWX = load_embodiment(Path(__file__).parents[3] / "embodiments" / "widowx.yaml")
PERIOD_S = 1.0 / WIDOWX.command_hz
READY_D = np.array([0.0, -0.1, 0.25, 0.0, 1.42, 0.0, 0.03])
SPEED_D = np.array([joint.velocity for joint in WIDOWX.joints])
TRACKING = WIDOWX.groups[0].tracking_limit
JOINTS = "wx250s/joint_states"
BUTTON = "a button is pressed"


def waist(rad):
    return np.array([rad, 0, 0, 0, 0, 0, 0], dtype=float)


def chunk_to(robot, offset_D):
    share = np.linspace(0.0, 1.0, WIDOWX.horizon + 1)[:, None]
    start_D = robot.commands[-1] if robot.commands else robot.measured_D
    return robot.give(start_D + share * offset_D)


def engaged(offset_D=None):
    """In autonomy, following a chunk of 3.2 s."""
    robot = LoopedRobot(WIDOWX, READY_D).run(0.2)
    chunk_to(robot, np.zeros(7))
    assert robot.ask(ModeEvent.ENGAGE_POLICY).answer is Answer.ACCEPTED
    robot.run(PERIOD_S)
    assert chunk_to(robot, np.zeros(7) if offset_D is None else offset_D).verdict is (
        ChunkVerdict.ACCEPTED
    )
    return robot.run(0.2)


def push(robot, offset_D, seconds=0.4):
    """Something moves the arm, at a speed that it can have, while the command stays."""
    robot.follows = False
    periods = round(seconds / PERIOD_S)
    for _ in range(periods):
        robot.measured_D = robot.measured_D + np.asarray(offset_D) / periods
        robot.run(PERIOD_S)
    return robot


def blocked(robot):
    """Something stops the arm while the chunk goes on: the tracking fault."""
    robot.follows = False
    chunk_to(robot, waist(2.0))
    for _ in range(100):
        robot.run(PERIOD_S)
        if robot.loop.state.fault:
            return robot
    raise AssertionError("no tracking fault")


def wrong_samples(robot, offset_D, count=2):
    true_D = robot.measured_D.copy()
    follows, robot.follows = robot.follows, False
    robot.measured_D = true_D + offset_D
    robot.run(count * PERIOD_S)
    robot.measured_D, robot.follows = true_D, follows
    return robot


def test_when_two_samples_are_wrong_before_anyone_engaged_expect_nothing_to_be_commanded():
    robot = LoopedRobot(WIDOWX, READY_D).run(0.5)
    wrong_samples(robot, waist(2.5)).run(1.0)
    assert robot.commands == [] and "waist moved 2.500" in robot.refusals[0]


@pytest.mark.parametrize("count", [1, 2, 4, 8, 50])
@pytest.mark.parametrize("mode", [Mode.HOLD, Mode.ESTOP])
def test_when_samples_are_wrong_while_the_robot_holds_expect_the_command_never_to_change(
    mode, count
):
    robot = engaged()
    robot.ask(ModeEvent.HOLD if mode is Mode.HOLD else ModeEvent.ESTOP)
    held_D = robot.run(0.1).commands[-1]
    wrong_samples(robot, waist(2.5), count).run(2.0)
    assert robot.loop.state.mode is mode
    assert bool(robot.loop.state.fault) == (count == 50)  # who says it for a second is right
    assert (np.array(robot.commands[-5:]) == held_D).all()


def test_when_two_samples_are_wrong_in_autonomy_expect_the_plan_to_go_on():
    robot = engaged(waist(0.3))
    wrong_samples(robot, waist(2.5))
    assert robot.loop.state.mode is Mode.AUTONOMY
    assert robot.run(1.0).commands[-1][0] == pytest.approx(0.3 * 1.24 / 3.2, abs=0.01)


def test_when_the_measurement_stays_wrong_expect_hold_a_fault_and_then_silence():
    robot = engaged()
    held_D = robot.commands[-1].copy()
    robot.follows = False
    robot.measured_D = robot.measured_D + waist(2.5)
    robot.run(2.0)
    assert robot.loop.state.mode is Mode.HOLD and "waist" in robot.loop.state.fault
    assert (np.array(robot.commands)[-5:] == held_D).all() and not robot.commanding


def test_when_something_stops_the_arm_expect_the_push_relieved_once_and_then_silence():
    robot = blocked(engaged())
    assert "waist" in robot.loop.state.fault and robot.loop.state.mode is Mode.HOLD
    pushing_D, measured_D = robot.commands[-1].copy(), robot.measured_D.copy()
    before = len(robot.commands)
    robot.run(2.0)
    np.testing.assert_allclose(robot.commands[-1][:6], measured_D[:6], atol=1e-5)
    assert robot.commands[-1][6] == pushing_D[6]  # a gripper goes on holding
    moves_TD = np.abs(np.diff(robot.commands[before - 1 :], axis=0))
    assert (moves_TD <= SPEED_D * PERIOD_S + 1e-12).all()
    count = len(robot.commands)
    robot.measured_D = robot.measured_D + waist(0.05)
    assert len(robot.run(1.0).commands) == count and not robot.commanding


def test_when_the_arm_goes_on_moving_after_the_fault_expect_no_relief():
    robot = engaged()
    held_D = robot.commands[-1].copy()
    push(robot, waist(1.2), seconds=1.2)
    assert "waist" in robot.loop.state.fault
    assert (robot.commands[-1] == held_D).all() and not robot.commanding


def test_when_the_arm_is_pushed_farther_after_the_fault_expect_relief_no_farther_than_at_it():
    robot = engaged()
    held_D = robot.commands[-1].copy()
    push(robot, waist(0.9), seconds=0.6).run(2.0)
    apart = robot.commands[-1][0] - held_D[0]
    assert TRACKING <= apart <= TRACKING + 3 * 0.03 and not robot.commanding


@pytest.mark.parametrize("stop", [ModeEvent.HOLD, ModeEvent.ESTOP, ModeEvent.RESET])
def test_when_a_person_stops_during_the_relief_expect_no_further_command(stop):
    robot = blocked(engaged())
    while (robot.commands[-1] == robot.commands[-2]).all():
        robot.run(PERIOD_S)  # until it has begun to move
    count = len(robot.commands)
    robot.ask(stop)
    assert len(robot.run(1.0).commands) == count and not robot.commanding


def test_when_joint_states_die_during_the_relief_expect_no_further_motion():
    robot = blocked(engaged()).run(0.14)
    robot.silent.add(JOINTS)
    robot.run(WIDOWX.watchdogs.joint_states_s + PERIOD_S)
    count = len(robot.commands)
    assert len(robot.run(1.0).commands) == count


def test_when_a_fault_was_reset_expect_silence_until_a_person_engages_from_where_the_arm_is():
    robot = blocked(engaged()).run(2.0)
    assert robot.ask(ModeEvent.ENGAGE_POLICY).answer is Answer.REFUSED
    count = len(robot.commands)
    assert robot.ask(ModeEvent.RESET).answer is Answer.ACCEPTED
    push(robot, waist(-0.3))
    assert len(robot.run(1.0).commands) == count
    chunk_to(robot, np.zeros(7))
    assert robot.ask(ModeEvent.ENGAGE_POLICY).answer is Answer.ACCEPTED
    robot.run(PERIOD_S)
    np.testing.assert_array_equal(robot.commands[-1], robot.measured_D)


@pytest.mark.parametrize("mode", [Mode.HOLD, Mode.ESTOP, Mode.AUTONOMY])
def test_when_a_held_arm_falls_expect_a_fault_well_below_the_tracking_limit_and_silence(mode):
    robot = engaged().run(2.2)  # the chunk's observation is too old: it holds
    if mode is not Mode.AUTONOMY:
        robot.ask(ModeEvent.HOLD if mode is Mode.HOLD else ModeEvent.ESTOP)
    held_D = robot.run(SETTLE_S + 0.1).commands[-1].copy()
    push(robot, [0, 0.3, 0, 0, 0, 0, 0])
    assert 0.3 < TRACKING and "shoulder" in robot.loop.state.fault
    assert f"limit {HELD_SHARE * TRACKING:.3f}" in robot.loop.state.fault
    count = len(robot.commands)
    assert (robot.run(1.0).commands[-1] == held_D).all() and len(robot.commands) == count


def test_when_a_held_arm_sags_a_little_expect_it_held():
    robot = engaged()
    robot.ask(ModeEvent.HOLD)
    robot.run(1.0)
    push(robot, [0, 0.1, 0, 0, 0, 0, 0]).run(1.0)
    assert robot.loop.state.fault == "" and robot.commanding


def test_when_joint_states_die_in_motion_expect_no_fault_from_where_the_arm_was_seen_last():
    robot = engaged()
    share = np.linspace(0.0, 2.0, WIDOWX.horizon + 1).clip(max=1.0)[:, None]
    robot.give(robot.commands[-1] + share * waist(2.5))  # at all but the joint's highest speed
    robot.run(0.6)
    seen_D = robot.loop.inputs.measured_D
    robot.silent.add(JOINTS)
    robot.run(2.0)
    assert np.abs(robot.commands[-1] - seen_D).max() > HELD_SHARE * TRACKING
    assert robot.loop.state.mode is Mode.HOLD and robot.loop.state.fault == ""
    assert robot.commanding


def test_when_an_arm_nobody_engaged_is_moved_by_hand_expect_nobody_to_pull_it_back():
    robot = LoopedRobot(WIDOWX, READY_D).run(0.5)
    push(robot, [0, 0.8, 0, 0, 0, 0, 0], seconds=1.0).run(1.0)
    assert robot.commands == [] and robot.loop.state.fault == ""


@pytest.mark.parametrize("request_", ENGAGES)
def test_when_the_arm_is_being_moved_expect_engaging_refused_and_the_joint(request_):
    robot = LoopedRobot(WIDOWX, READY_D).run(0.3)
    chunk_to(robot, np.zeros(7))
    robot.teleop(READY_D)
    push(robot, waist(0.2), seconds=0.1)
    transition = robot.ask(request_)
    assert transition.answer is Answer.REFUSED and "waist by" in transition.reason
    robot.run(0.1)
    robot.teleop(READY_D)
    assert robot.ask(request_).answer is Answer.ACCEPTED


def test_when_the_first_sample_is_wrong_expect_engaging_from_where_the_arm_really_is():
    robot = LoopedRobot(WIDOWX, READY_D + waist(2.5))
    robot.follows = False
    robot.run(PERIOD_S)
    robot.measured_D = READY_D.copy()
    robot.run(1.0)
    chunk_to(robot, np.zeros(7))
    assert robot.ask(ModeEvent.ENGAGE_POLICY).answer is Answer.ACCEPTED
    np.testing.assert_array_equal(robot.run(PERIOD_S).commands[-1], READY_D)


def test_when_a_driver_gets_a_problem_while_commanding_expect_a_latch_and_silence():
    robot = engaged(waist(0.3))
    robot.loop.on_hardware_fault("another node commands the arm", robot.ros_s)
    count = len(robot.commands)
    assert len(robot.run(1.0).commands) == count
    assert robot.loop.state.fault == "hardware fault: another node commands the arm"
    robot.loop.on_hardware_fault("another node commands the arm", robot.ros_s)
    assert robot.ask(ModeEvent.ENGAGE_POLICY, ["still"]).answer is Answer.REFUSED


def test_when_a_driver_has_a_problem_before_anyone_engaged_expect_no_latch():
    robot = LoopedRobot(WIDOWX, READY_D).run(0.2)
    robot.loop.on_hardware_fault("not there yet", robot.ros_s)
    assert robot.loop.state.fault == ""


def test_when_estop_is_pressed_during_a_fault_expect_the_mode_to_say_so_and_silence():
    robot = blocked(engaged()).run(0.1)
    robot.loop.on_estop(True, robot.ros_s, BUTTON)
    count = len(robot.commands)
    assert robot.loop.state.mode is Mode.ESTOP and len(robot.run(1.0).commands) == count


def test_when_two_sources_press_expect_each_to_release_only_its_own():
    robot = engaged()
    robot.loop.on_estop(True, robot.ros_s, BUTTON)
    robot.loop.on_estop(True, robot.ros_s, "the other")
    robot.loop.on_estop(False, robot.ros_s, "the other")
    transition = robot.ask(ModeEvent.RESET)
    assert transition.answer is Answer.REFUSED and BUTTON in transition.reason


def heartbeat_robot():
    text = base_text().replace("policy_s: 2.0", "policy_s: 2.0, estop_heartbeat_s: 0.3")
    return LoopedRobot(robot_from(text), np.zeros(3), estop_topics=("estop", "base/estop"))


def test_when_a_heartbeat_is_configured_and_one_source_never_spoke_expect_no_engaging():
    robot = heartbeat_robot()
    for _ in range(20):
        robot.run(PERIOD_S).loop.inputs.on_estop_heartbeat("estop", robot.now_s)
    robot.give(np.zeros((17, 3)))
    transition = robot.ask(ModeEvent.ENGAGE_POLICY)
    assert transition.answer is Answer.REFUSED and robot.loop.state.mode is Mode.ESTOP


def test_when_a_heartbeat_stops_expect_a_press_and_a_reset_only_after_it_is_back():
    robot = heartbeat_robot()

    def beat(*topics):
        for _ in range(25):
            for topic in topics:
                robot.loop.inputs.on_estop_heartbeat(topic, robot.now_s)
            robot.run(PERIOD_S)

    beat("estop", "base/estop")
    assert robot.ask(ModeEvent.RESET).answer is Answer.ACCEPTED
    robot.give(np.zeros((17, 3)))
    assert robot.ask(ModeEvent.ENGAGE_POLICY).answer is Answer.ACCEPTED
    beat("estop")
    assert robot.loop.state.mode is Mode.ESTOP and "base/estop" in robot.loop.state.reason
    transition = robot.ask(ModeEvent.RESET)
    assert transition.answer is Answer.REFUSED and "base/estop" in transition.reason
    beat("estop", "base/estop")
    assert robot.ask(ModeEvent.RESET).answer is Answer.ACCEPTED
    assert robot.loop.state.mode is Mode.HOLD


def driving():
    """A base at 0.4 m/s with a chunk that has just arrived."""
    base = LoopedRobot(robot_from(base_text()), np.zeros(3)).run(0.3)
    line_TD = np.zeros((17, 3))
    base.give(line_TD)
    assert base.ask(ModeEvent.ENGAGE_POLICY).answer is Answer.ACCEPTED
    base.run(PERIOD_S)
    velocities_TD = np.tile([0.4, 0.0, 0.0], (17, 1))
    line_TD[:, 0] = 0.4 * 0.2 * np.arange(17)
    assert base.give(line_TD, velocities_TD).verdict is ChunkVerdict.ACCEPTED
    base.run(0.5)
    assert base.velocities[-1][0] == pytest.approx(0.4, abs=0.01)
    return base


def test_when_ros_time_stands_still_expect_the_base_to_stand_within_a_third_of_a_second():
    base = driving()
    for _ in range(100):
        base.offset_s -= PERIOD_S
        base.run(PERIOD_S)
    assert (np.array(base.velocities)[-85:] == 0.0).all()
    assert base.loop.state.mode is Mode.HOLD and "stood still" in base.loop.state.reason
    transition = base.ask(ModeEvent.ENGAGE_POLICY)
    assert transition.answer is Answer.REFUSED and "stood still" in transition.reason


def test_when_ros_time_crawls_expect_the_observation_to_age_by_steady_time_as_well():
    base = driving()
    for _ in range(50):
        base.offset_s -= 0.4 * PERIOD_S  # too fast to be called standing still
        base.run(PERIOD_S)
    assert (np.array(base.velocities)[-20:] == 0.0).all()


def test_when_positions_stand_and_velocities_do_not_expect_the_chunk_refused():
    base = driving()
    offer = base.give(np.zeros((17, 3)), np.tile([0.4, 0.0, 0.0], (17, 1)))
    assert offer.verdict is ChunkVerdict.CONTRADICTION and "base_x" in offer.reason


def test_when_a_person_asks_for_the_start_pose_expect_a_slow_motion_there_and_then_hold():
    robot = LoopedRobot(WIDOWX, [0.0, -1.80, 1.55, 0.0, 0.8, 0.0, 0.02]).run(0.3)
    assert robot.ask(ModeEvent.GO_TO_START).answer is Answer.ACCEPTED
    assert robot.loop.state.mode is Mode.START
    robot.run(15.0)
    assert robot.loop.state.mode is Mode.HOLD and "start pose" in robot.loop.state.reason
    start_D = np.array(WIDOWX.start_D)
    np.testing.assert_allclose(robot.commands[-1][:6], start_D[:6], atol=1.1e-3)
    assert robot.commands[-1][6] == 0.02  # a gripper goes on holding what it holds
    speeds_TD = np.abs(np.diff(robot.commands, axis=0)) / PERIOD_S
    assert (speeds_TD <= 0.2 * SPEED_D + 1e-9).all()


@pytest.mark.parametrize("stop", [ModeEvent.HOLD, ModeEvent.ESTOP])
def test_when_a_person_stops_the_motion_to_the_start_expect_the_next_command_to_repeat_the_last(
    stop,
):
    robot = LoopedRobot(WIDOWX, [0.0, -1.80, 1.55, 0.0, 0.8, 0.0, 0.02]).run(0.3)
    robot.ask(ModeEvent.GO_TO_START)
    held_D = robot.run(1.0).commands[-1].copy()
    robot.ask(stop)
    assert (np.array(robot.run(1.0).commands[-50:]) == held_D).all()


def test_when_joint_states_die_on_the_way_to_the_start_expect_hold():
    robot = LoopedRobot(WIDOWX, [0.0, -1.80, 1.55, 0.0, 0.8, 0.0, 0.02]).run(0.3)
    robot.ask(ModeEvent.GO_TO_START)
    robot.run(1.0).silent.add(JOINTS)
    held_D = robot.run(WIDOWX.watchdogs.joint_states_s + 2 * PERIOD_S).commands[-1].copy()
    assert (robot.run(1.0).commands[-1] == held_D).all()
    assert robot.loop.state.mode is Mode.HOLD


@settings(max_examples=40, deadline=None)
@given(st.lists(st.tuples(st.integers(0, 5), st.integers(0, 2**32 - 1)), max_size=20))
def test_when_nobody_engages_expect_silence_whatever_is_measured_and_received(events):
    robot = LoopedRobot(WIDOWX, READY_D).run(0.2)
    robot.follows = False
    for kind, seed in events:
        rng = np.random.default_rng(seed)
        if kind == 0:
            robot.measured_D = READY_D + rng.normal(0.0, 1.0, 7)
        elif kind == 1:
            robot.ask(rng.choice([ModeEvent.HOLD, ModeEvent.ESTOP, ModeEvent.RESET]))
        elif kind == 2:
            robot.teleop(READY_D + rng.normal(0.0, 0.2, 7))
        elif kind == 3:
            robot.silent ^= {JOINTS}
        elif kind == 4:
            chunk_to(robot, rng.normal(0.0, 0.3, 7))
        else:
            robot.loop.on_estop(bool(rng.integers(2)), robot.ros_s, BUTTON)
        robot.run(0.06)
    assert robot.commands == []


@settings(max_examples=40, deadline=None)
@given(st.lists(st.tuples(st.integers(0, 4), st.integers(0, 2**32 - 1)), max_size=20))
def test_when_an_emergency_stop_is_latched_expect_the_command_never_to_change(events):
    robot = engaged(waist(0.3))
    robot.loop.on_estop(True, robot.ros_s, BUTTON)
    robot.follows = False
    held_D, count = robot.commands[-1].copy(), len(robot.commands)
    for kind, seed in events:
        rng = np.random.default_rng(seed)
        if kind == 0:
            robot.measured_D = robot.measured_D + rng.normal(0.0, 0.5, 7)
        elif kind == 1:
            robot.ask(rng.choice([*ENGAGES, ModeEvent.HOLD, ModeEvent.RESET]))
        elif kind == 2:
            robot.teleop(READY_D + rng.normal(0.0, 0.2, 7))
        elif kind == 3:
            robot.silent ^= {JOINTS}
        else:
            chunk_to(robot, rng.normal(0.0, 0.3, 7))
        robot.run(0.06)
    assert robot.loop.state.mode is Mode.ESTOP
    assert all((command == held_D).all() for command in robot.commands[count:])
