"""The control period with injected time: nothing moves unasked, and every fault ends in a hold."""

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from looped_robot import LoopedRobot
from qwen_vla_core.embodiment import load_embodiment
from qwen_vla_core.execution import ChunkVerdict, ControlLoop
from qwen_vla_core.modes import Answer, Mode, ModeEvent
from robots import robot as robot_from
from robots import two_arms_text

WIDOWX = load_embodiment(Path(__file__).parents[3] / "embodiments" / "widowx.yaml")
PERIOD_S = 1.0 / WIDOWX.command_hz
START_D = np.array([0.0, -0.1, 0.25, 0.0, 1.42, 0.0, 0.03])
LOWER_D = np.array([joint.lower for joint in WIDOWX.joints])
UPPER_D = np.array([joint.upper for joint in WIDOWX.joints])
JOINTS = "wx250s/joint_states"
BUTTON = "a button is pressed"
SPEED_D = np.array([joint.velocity for joint in WIDOWX.joints])


class Robot(LoopedRobot):
    """A WidowX."""

    def __init__(self, start_D=START_D, **options):
        super().__init__(WIDOWX, start_D, **options)

    def offer(self, offset_D, seconds=3.2, stamp_s=None):
        """A chunk that moves steadily from the present command by ``offset_D``."""
        start_D = self.commands[-1] if self.commands else self.measured_D
        share = np.linspace(0.0, 1.0, round(seconds / 0.2) + 1)[:, None]
        return self.give(start_D + share * np.asarray(offset_D), stamp_s=stamp_s)

    def engaged(self):
        """In autonomy with a chunk that turns the waist by 0.3 rad in 3.2 s."""
        self.run(0.1)
        self.offer(np.zeros(7))
        assert self.ask(ModeEvent.ENGAGE_POLICY).answer is Answer.ACCEPTED
        self.run(0.02)
        assert self.offer(waist(0.3)).verdict is ChunkVerdict.ACCEPTED
        return self

    def moved_after(self, seconds, settle=0.0):
        self.run(settle)
        before_D = self.commands[-1]
        self.run(seconds)
        return float(np.abs(self.commands[-1] - before_D).max())


def waist(rad):
    return np.array([rad, 0, 0, 0, 0, 0, 0], dtype=float)


def test_when_no_joint_state_has_arrived_expect_no_command():
    loop = ControlLoop(WIDOWX)
    assert loop.update(1e9, 100.0) is None


def test_when_a_chunk_arrives_before_any_joint_state_expect_it_to_be_refused():
    robot = Robot()
    assert robot.offer(waist(0.3)).verdict is ChunkVerdict.BEFORE_MODE


def test_when_reset_is_requested_before_any_joint_state_expect_refusal():
    robot = Robot()
    robot.loop.on_estop(True, robot.ros_s, BUTTON)
    robot.loop.on_estop(False, robot.ros_s, BUTTON)
    transition = robot.ask(ModeEvent.RESET)
    assert transition.answer is Answer.REFUSED and "wx250s/joint_states" in transition.reason


def test_when_nobody_engages_expect_nothing_to_be_commanded():
    robot = Robot().run(0.1)
    robot.offer(waist(0.5))
    robot.run(2.0)
    assert robot.commands == []
    assert robot.offer(waist(0.5)).reason == "nobody has engaged yet"


def test_when_joint_states_are_in_degrees_expect_nobody_to_engage_and_the_joint_named():
    degrees_D = START_D.copy()
    degrees_D[:6] = np.rad2deg(START_D[:6])  # a shoulder of -5.7, and a wrist of 81
    robot = Robot(degrees_D).run(0.5)
    for request in (ModeEvent.ENGAGE_POLICY, ModeEvent.ENGAGE_TELEOP, ModeEvent.GO_TO_START):
        robot.offer(np.zeros(7))
        robot.teleop(START_D)
        answer = robot.ask(request)
        assert answer.answer is Answer.REFUSED, request
        assert "wrist_angle is measured at 81.36, far outside -1.745..2.147" in answer.reason
    robot.run(0.1)
    assert not robot.commanding


@pytest.mark.parametrize(("finger", "granted"), [(0.011, True), (0.041, True), (30.0, False)])
def test_when_a_gripper_is_pressed_beyond_its_ends_expect_engaging_but_not_in_millimetres(
    finger, granted
):
    robot = Robot(np.append(START_D[:6], finger)).run(0.5)
    answer = robot.ask(ModeEvent.GO_TO_START)
    assert (answer.answer is Answer.ACCEPTED) == granted, answer.reason


def test_when_the_arm_starts_outside_its_limits_expect_hold_and_then_only_slow_inward_motion():
    outside_D = START_D.copy()
    outside_D[1] = LOWER_D[1] - 0.1
    robot = Robot(outside_D).run(0.5)
    robot.offer(np.zeros(7))
    robot.ask(ModeEvent.ENGAGE_POLICY)
    robot.run(0.02)
    assert (robot.commands[-1] == outside_D).all()
    robot.offer([0, 0.15, 0, 0, 0, 0, 0])
    robot.run(1.9)
    shoulder = np.array(robot.commands)[:, 1]
    assert (np.diff(shoulder) >= 0.0).all() and shoulder[-1] > outside_D[1]
    assert np.diff(shoulder).max() <= 0.0175 * PERIOD_S + 1e-12


def test_when_the_policy_is_engaged_expect_the_chunk_to_be_followed_to_its_end():
    robot = Robot().engaged().run(1.9)
    assert robot.commands[-1][0] == pytest.approx(0.3 * 1.9 / 3.2, abs=2e-3)


def test_when_no_chunk_was_ever_received_expect_engaging_to_be_refused_with_the_reason():
    robot = Robot().run(0.1)
    transition = robot.ask(ModeEvent.ENGAGE_POLICY)
    assert transition.answer is Answer.REFUSED and "policy: nothing received" in transition.reason


def test_when_a_driver_has_a_problem_expect_engaging_to_be_refused_with_its_words():
    robot = Robot().run(0.1)
    robot.offer(np.zeros(7))
    transition = robot.ask(ModeEvent.ENGAGE_POLICY, problems=["gripper is in mode 'position'"])
    assert transition.answer is Answer.REFUSED and "gripper is in mode" in transition.reason


def test_when_a_chunk_was_observed_before_engaging_expect_it_not_to_be_followed():
    robot = Robot().run(0.1)
    before_s = robot.ros_s
    robot.offer(np.zeros(7))
    robot.run(0.1).ask(ModeEvent.ENGAGE_POLICY)
    robot.run(PERIOD_S)
    assert robot.offer(waist(0.3), stamp_s=before_s).verdict is ChunkVerdict.BEFORE_MODE
    assert robot.moved_after(0.5) == 0.0


def test_when_the_policy_dies_expect_hold_after_the_bound_and_a_person_to_be_needed_again():
    robot = Robot().engaged().run(WIDOWX.watchdogs.observation_s - 2 * PERIOD_S)
    assert robot.moved_after(PERIOD_S) > 0.0
    robot.run(3 * PERIOD_S)
    assert robot.moved_after(1.0) == 0.0
    assert robot.loop.state.mode is Mode.AUTONOMY
    robot.run(WIDOWX.watchdogs.policy_s)
    assert robot.loop.state.mode is Mode.HOLD and "no chunk" in robot.loop.state.reason
    robot.offer(waist(0.3))
    assert robot.moved_after(1.0) == 0.0


def test_when_someone_keeps_asking_to_engage_expect_no_longer_wait_for_a_dead_policy():
    robot = Robot().engaged().run(2.1)
    for _ in range(round(WIDOWX.watchdogs.policy_s / 0.1) + 1):
        robot.run(0.1).ask(ModeEvent.ENGAGE_POLICY)
    assert robot.loop.state.mode is Mode.HOLD


def test_when_hold_is_requested_mid_motion_expect_the_very_next_command_to_repeat_the_last():
    robot = Robot().engaged().run(1.0)
    robot.ask(ModeEvent.HOLD)
    assert robot.moved_after(1.0) == 0.0


def test_when_joint_states_stop_expect_hold_within_the_limit_plus_one_period():
    robot = Robot().engaged().run(1.0)
    robot.silent.add(JOINTS)
    assert robot.moved_after(1.0, settle=WIDOWX.watchdogs.joint_states_s + PERIOD_S) == 0.0
    assert robot.loop.state.mode is Mode.HOLD and "wx250s/joint_states" in robot.loop.state.reason


def test_when_estop_is_true_expect_a_latch_that_only_a_reset_after_its_release_ends():
    robot = Robot().engaged().run(0.5)
    robot.loop.on_estop(True, robot.ros_s, BUTTON)
    assert robot.loop.state.mode is Mode.ESTOP
    assert robot.moved_after(0.5) == 0.0
    assert robot.ask(ModeEvent.RESET).answer is Answer.REFUSED
    robot.loop.on_estop(False, robot.ros_s, BUTTON)
    assert robot.loop.state.mode is Mode.ESTOP
    assert robot.ask(ModeEvent.ENGAGE_POLICY).answer is Answer.REFUSED
    assert robot.ask(ModeEvent.RESET).answer is Answer.ACCEPTED
    assert robot.loop.state.mode is Mode.HOLD


def test_when_commanding_pauses_expect_silence_and_a_new_start_where_the_arm_is():
    robot = Robot().engaged().run(0.5)
    robot.loop.pause(robot.ros_s)
    assert robot.loop.state.mode is Mode.HOLD
    robot.measured_D = START_D + waist(0.7)  # a person moved it meanwhile
    count = len(robot.commands)
    assert len(robot.run(0.5).commands) == count
    robot.offer(np.zeros(7))
    assert robot.ask(ModeEvent.ENGAGE_POLICY).answer is Answer.ACCEPTED
    robot.run(PERIOD_S)
    np.testing.assert_array_equal(robot.commands[-1], robot.measured_D)


def test_when_commanding_pauses_during_an_estop_expect_the_latch_to_stay():
    robot = Robot().engaged().run(0.5)
    robot.loop.on_estop(True, robot.ros_s, BUTTON)
    robot.loop.pause(robot.ros_s)
    robot.run(0.5)
    assert robot.loop.state.mode is Mode.ESTOP
    assert robot.ask(ModeEvent.ENGAGE_POLICY).answer is Answer.REFUSED


def test_when_the_gripper_is_held_open_by_a_block_expect_no_tracking_fault():
    robot = Robot().engaged()
    robot.follows = False
    robot.measured_D[6] = 0.02
    robot.run(0.3)
    assert robot.loop.state.fault == ""


def test_when_ros_time_jumps_expect_hold_until_engaged_again():
    for jump_s in (-5.0, 5.0):
        robot = Robot().engaged().run(0.5)
        robot.offset_s += jump_s
        robot.run(PERIOD_S)
        assert robot.loop.state.mode is Mode.HOLD and "ROS time" in robot.loop.state.reason
        assert robot.moved_after(0.5) == 0.0


def test_when_the_process_was_stopped_for_two_seconds_expect_one_normal_step_and_no_burst():
    robot = Robot().engaged().run(0.5)
    before_D = robot.commands[-1]
    robot.now_s += 2.0  # both clocks went on while nothing ran
    robot.run(PERIOD_S)
    assert (np.abs(robot.commands[-1] - before_D) <= SPEED_D * PERIOD_S + 1e-12).all()


def test_when_teleop_moves_during_autonomy_expect_it_to_have_the_robot_at_once():
    robot = Robot().engaged().run(0.5)
    robot.teleop(robot.commands[-1])
    assert robot.loop.state.mode is Mode.TELEOP
    assert robot.run(PERIOD_S).loop.state.mode is Mode.TELEOP


def test_when_teleop_falls_silent_expect_hold_and_never_autonomy():
    robot = Robot().engaged().run(0.5)
    robot.teleop(robot.commands[-1])
    robot.run(WIDOWX.watchdogs.teleop_s + 2 * PERIOD_S)
    assert robot.loop.state.mode is Mode.HOLD
    robot.offer(waist(0.3))
    assert robot.moved_after(0.5) == 0.0


def test_when_teleop_is_far_from_the_arm_expect_no_motion():
    robot = Robot().engaged().run(0.5)
    far_D = robot.commands[-1] + waist(WIDOWX.jump_limit + 0.1)
    robot.teleop(far_D)
    assert robot.moved_after(0.1) == 0.0


@settings(max_examples=40, deadline=None)
@given(st.lists(st.tuples(st.integers(0, 6), st.integers(0, 2**32 - 1)), max_size=25))
def test_when_anything_happens_in_any_order_expect_limits_speed_and_finite_commands(events):
    robot = Robot().engaged()
    for kind, seed in events:
        rng = np.random.default_rng(seed)
        if kind == 0:
            robot.offer(rng.normal(0.0, 1.0, 7), seconds=rng.choice([0.2, 1.0, 3.2]))
        elif kind == 1:
            robot.ask(rng.choice(list(ModeEvent)[:5]))
        elif kind == 2:
            wild_D = robot.commands[-1] + rng.normal(0.0, 0.5, 7)
            robot.teleop(wild_D)
        elif kind == 3:
            robot.silent ^= {JOINTS}
        elif kind == 4:
            robot.now_s += rng.uniform(0.0, 3.0)
        elif kind == 5:
            robot.loop.on_estop(bool(rng.integers(2)), robot.ros_s, BUTTON)
        else:
            robot.offset_s += rng.normal(0.0, 1.0)
        robot.run(0.1)
    commands_TD = np.array(robot.commands)
    assert np.isfinite(commands_TD).all()
    assert (commands_TD >= LOWER_D - 1e-9).all() and (commands_TD <= UPPER_D + 1e-9).all()
    assert (np.abs(np.diff(commands_TD, axis=0)) <= SPEED_D * PERIOD_S + 1e-9).all()


def two_arms():
    """Both arms in autonomy, turning at both waists."""
    embodiment = robot_from(two_arms_text())
    robot = LoopedRobot(embodiment, [0.1, 0.2, 0.03, -0.1, -0.2, 0.04]).run(0.1)
    robot.give(np.tile(robot.measured_D, (2, 1)))
    assert robot.ask(ModeEvent.ENGAGE_POLICY).answer is Answer.ACCEPTED
    turn_D = np.array([0.1, 0.0, 0.0, -0.1, 0.0, 0.0])
    robot.run(0.02).give(robot.measured_D + np.linspace(0.0, 1.0, 17)[:, None] * turn_D)
    return robot.run(0.1)


def test_when_two_arms_play_a_chunk_expect_each_to_follow_its_own_part():
    np.testing.assert_allclose(
        two_arms().run(0.25).commands[-1], [0.2, 0.2, 0.03, -0.2, -0.2, 0.04], atol=2e-3
    )


@pytest.mark.parametrize("side", ["left", "right"])
def test_when_one_of_two_arms_falls_silent_expect_both_to_hold_and_its_name(side):
    robot = two_arms()
    robot.silent.add(f"follower_{side}/joint_states")
    robot.run(0.22)
    held_D = robot.commands[-1]
    assert (robot.run(0.5).commands[-1] == held_D).all()
    assert robot.loop.state.mode is Mode.HOLD
    assert f"follower_{side}/joint_states" in robot.loop.state.reason
    transition = robot.ask(ModeEvent.ENGAGE_POLICY)
    assert transition.answer is Answer.REFUSED and f"follower_{side}" in transition.reason


def test_when_one_of_two_arms_was_never_received_expect_no_command_and_no_engaging():
    robot = LoopedRobot(robot_from(two_arms_text()), np.zeros(6))
    robot.silent.add("follower_right/joint_states")
    assert robot.run(0.5).commands == []
    transition = robot.ask(ModeEvent.ENGAGE_POLICY)
    assert "follower_right/joint_states: nothing received" in transition.reason
