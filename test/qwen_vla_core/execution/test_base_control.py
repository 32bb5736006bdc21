"""A base in the control period: driven along its own axes, within its limits, stopped at once."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from command_observer import BaseObserver, CommandObserver
from looped_robot import LoopedRobot
from qwen_vla_core.embodiment import EmbodimentCodec
from qwen_vla_core.execution import ChunkVerdict
from qwen_vla_core.execution.control_loop import ESTOP_OF_BASE
from qwen_vla_core.execution.limiter import Limiter
from qwen_vla_core.modes import Answer, Mode, ModeEvent
from qwen_vla_core.safety import Motion, Rule
from robots import arm_on_base_text, base_text, robot

CART, ARM_ON_BASE = robot(base_text()), robot(arm_on_base_text())
AHEAD, SIDE, YAW = range(3)
ODOMETRY = "mobile_base/odom"
ARM_JOINTS = "follower_left/joint_states"
STEP_S = 0.2


class Base(LoopedRobot):
    """A robot on wheels whose pose follows from what it is sent.

    Attributes:
        pose: x, y, yaw in the world.
    """

    def __init__(self, embodiment=CART):
        super().__init__(embodiment, [0.0, 0.0, 0.0, 0.0, 0.0, 0.03][: len(embodiment.joints)])
        self.pose = np.zeros(3)

    def run(self, seconds):
        for _ in range(round(seconds / self.period_s)):
            super().run(self.period_s)
            ahead, _, turn = self.sent if self.velocities else np.zeros(3)
            middle = self.pose[2] + turn * self.period_s / 2.0
            self.pose += self.period_s * np.array(
                [ahead * np.cos(middle), ahead * np.sin(middle), turn]
            )
        return self

    @property
    def sent(self):
        return self.velocities[-1][:3]

    def plan(self, ahead, turn, steps=16, age_s=0.0):
        """A chunk that drives on at these velocities, observed ``age_s`` ago where it then was."""
        waypoints_TD = np.zeros((steps + 1, len(self.measured_D)))
        velocities_TD = np.zeros_like(waypoints_TD)
        waypoints_TD[:, 3:] = self.measured_D[3:]
        yaws_T = turn * STEP_S * np.arange(steps + 1)
        velocities_TD[:, AHEAD] = ahead * np.cos(yaws_T)
        velocities_TD[:, SIDE] = ahead * np.sin(yaws_T)
        velocities_TD[:, YAW] = turn
        means_TD = (velocities_TD[1:] + velocities_TD[:-1]) / 2.0
        waypoints_TD[1:, :3] = np.cumsum(means_TD, axis=0)[:, :3] * STEP_S
        return self.give(waypoints_TD, velocities_TD, stamp_s=self.ros_s - age_s)

    def engaged(self):
        self.run(0.1).plan(0.0, 0.0)
        assert self.ask(ModeEvent.ENGAGE_POLICY).answer is Answer.ACCEPTED
        return self.run(0.02)

    def driving(self):
        assert self.engaged().plan(0.4, 0.5).verdict is ChunkVerdict.ACCEPTED
        self.run(0.5)  # of the 1.0 s for which one observation may be acted on
        np.testing.assert_allclose(self.sent, [0.4, 0.0, 0.5], atol=1e-3)
        return self

    def stopped_at_once(self):
        self.run(self.period_s)
        return (self.sent == 0.0).all()


@pytest.fixture(params=[CART, ARM_ON_BASE], ids=lambda embodiment: embodiment.name)
def base(request):
    return Base(request.param)


def test_when_nobody_engages_expect_nothing_sent_to_a_base(base):
    base.run(0.1).plan(0.4, 0.0)
    assert base.run(0.5).velocities == []


def test_when_a_chunk_drives_along_an_arc_expect_constant_velocities_along_the_bases_own_axes(
    base,
):
    base.driving()
    for _ in range(4):
        base.run(0.1)
        np.testing.assert_allclose(base.sent, [0.4, 0.0, 0.5], atol=0.005)
    assert base.run(0.1).acted == {}
    assert (np.array(base.commands)[:, :3] == 0.0).all()


def test_when_waypoints_are_followed_expect_the_base_to_arrive_at_the_last_of_them():
    text = base_text().replace("action_hz: 5", "action_hz: 20")  # a chunk takes 0.8 s
    quick = robot(text.replace("observation_s: 1.0", "observation_s: 0.8"))
    base, codec = Base(quick).engaged(), EmbodimentCodec(quick)
    t = np.linspace(0.0, 1.0, 17)[1:]
    speed = 0.2 * np.sin(np.pi * t)  # from rest to rest, to the left and straight on
    turns = np.diff(0.05 - 0.05 * np.cos(2.0 * np.pi * t), prepend=0.0)
    heading = np.cumsum(turns) - turns / 2.0  # in the middle of each step
    steps = speed * quick.action_step_s * np.stack([np.cos(heading), np.sin(heading)])
    native = np.column_stack([*steps, turns])
    chunk = codec.decode(codec.normalize_actions(native), np.zeros(3), base.ros_s)
    base.loop.on_chunk(chunk, base.ros_s, base.now_s)
    base.run(0.9)
    assert (base.sent == 0.0).all()
    np.testing.assert_allclose(base.pose[:2], chunk.positions_TD[-1, :2], atol=0.03)
    assert base.pose[2] == pytest.approx(0.0, abs=0.05)


@settings(max_examples=30, deadline=None)
@given(st.lists(st.tuples(st.floats(0.0, 0.25), st.floats(0.3, 0.65)), min_size=2, max_size=6))
def test_when_chunks_of_one_arc_replace_each_other_expect_no_change_of_velocity(arrivals):
    # Each is observed at another heading, so that along the axes on the wire they differ.
    base = Base(CART).driving()
    for age_s, wait_s in arrivals:
        before = len(base.velocities)
        assert base.plan(0.4, 0.5, age_s=age_s).verdict is ChunkVerdict.ACCEPTED
        base.run(wait_s)
        np.testing.assert_allclose(
            np.array(base.velocities)[before:, :3] - [0.4, 0.0, 0.5], 0.0, atol=0.005
        )


@pytest.mark.parametrize("sideways", [0.3, -0.3])
def test_when_a_chunk_slides_sideways_expect_that_part_dropped_and_reported(base, sideways):
    waypoints_TD = np.tile(base.measured_D, (17, 1))
    velocities_TD = np.zeros_like(waypoints_TD)
    velocities_TD[:, AHEAD], velocities_TD[:, SIDE] = 0.2, sideways
    waypoints_TD[:, :2] = np.arange(17)[:, None] * STEP_S * velocities_TD[:, :2]
    base.engaged().give(waypoints_TD, velocities_TD)
    base.run(0.9)
    np.testing.assert_allclose(base.sent, [0.2, 0.0, 0.0], atol=1e-9)
    assert base.acted == {Rule.SIDEWAYS: ("base_y",)}


def test_when_the_base_s_part_of_a_target_is_refused_expect_the_arm_to_hold_as_well():
    start_D = np.array([0.0, 0.0, 0.0, 0.0, 0.0, 0.03])
    target_D, velocities_D = start_D + 0.01, np.zeros(6)
    velocities_D[AHEAD] = np.nan
    limiter = Limiter(ARM_ON_BASE)
    filtered = limiter.limit(target_D, velocities_D, Motion.at_rest(start_D), dt_s=0.02)
    assert filtered.acted[Rule.FINITE] == ("base_x",)
    np.testing.assert_array_equal(filtered.motion.command_D, start_D)
    np.testing.assert_array_equal(filtered.motion.velocity_D, np.zeros(6))


def test_when_a_chunk_is_too_fast_expect_the_limit_and_a_report(base):
    base.engaged().plan(3.0, -4.0, steps=4)
    base.run(0.7)
    np.testing.assert_allclose(base.sent, [0.5, 0.0, -1.0])
    assert base.acted == {Rule.VELOCITY: ("base_x", "base_yaw")}


@pytest.mark.parametrize(("ahead", "end"), [(1.3, "4.160"), (-1.3, "-4.160")])
def test_when_a_chunk_leads_farther_than_the_limits_allow_expect_it_refused_whole(
    base, ahead, end
):
    offer = base.driving().plan(ahead, 0.0)
    assert offer.verdict is ChunkVerdict.FAR and f"base_x would come to {end}" in offer.reason
    assert "allowed -4 to 4" in offer.reason
    np.testing.assert_allclose(base.run(0.2).sent, [0.4, 0.0, 0.5], atol=0.005)


def test_when_an_observation_is_older_than_allowed_expect_the_base_to_stand(base):
    base.driving().run(0.4)
    np.testing.assert_allclose(base.sent, [0.4, 0.0, 0.5], atol=0.005)
    assert (base.run(0.2).sent == 0.0).all()
    assert base.loop.state.mode is Mode.AUTONOMY  # it waits for the next chunk


STOPS = {
    "hold": lambda base: base.ask(ModeEvent.HOLD),
    "estop service": lambda base: base.ask(ModeEvent.ESTOP),
    "estop topic": lambda base: base.loop.on_estop(True, base.ros_s, "a button"),
    "estop of the base": lambda base: base.loop.on_estop(True, base.ros_s, ESTOP_OF_BASE),
    "ROS time jumps": lambda base: setattr(base, "offset_s", base.offset_s + 5.0),
    "odometry dies": lambda base: (base.silent.add(ODOMETRY), base.run(0.2)),
}


@pytest.mark.parametrize("stop", STOPS.values(), ids=STOPS)
def test_when_anything_stops_the_robot_expect_zero_velocity_in_the_next_period(base, stop):
    stop(base.driving())
    assert base.stopped_at_once()
    base.plan(0.4, 0.0)
    assert (np.array(base.run(0.5).velocities)[-20:] == 0.0).all()


def test_when_odometry_dies_expect_its_name_and_no_engaging_until_it_is_back(base):
    base.driving().silent.add(ODOMETRY)
    base.run(0.3)
    assert base.loop.state.mode is Mode.HOLD and ODOMETRY in base.loop.state.reason
    base.plan(0.0, 0.0)
    transition = base.ask(ModeEvent.ENGAGE_POLICY)
    assert transition.answer is Answer.REFUSED and ODOMETRY in transition.reason
    base.silent.clear()
    base.run(0.1).plan(0.0, 0.0)
    assert base.ask(ModeEvent.ENGAGE_POLICY).answer is Answer.ACCEPTED


def test_when_odometry_was_never_received_expect_no_command_at_all(base):
    base.silent.add(ODOMETRY)
    assert base.run(0.5).commands == []


def test_when_it_was_paused_and_no_odometry_came_since_expect_engaging_refused(base):
    base.driving().loop.pause(base.ros_s)
    transition = base.ask(ModeEvent.GO_TO_START)
    assert transition.answer is Answer.REFUSED and ODOMETRY in transition.reason
    base.run(0.1)
    assert base.ask(ModeEvent.GO_TO_START).answer is Answer.ACCEPTED


def test_when_the_bases_own_stop_is_pressed_expect_a_latch_until_released_and_reset(base):
    base.driving().loop.on_estop(True, base.ros_s, ESTOP_OF_BASE)
    assert base.loop.state.mode is Mode.ESTOP and ESTOP_OF_BASE in base.loop.state.reason
    base.loop.on_estop(
        False, base.ros_s, "a button"
    )  # the topic's release does not release the base's
    transition = base.ask(ModeEvent.RESET)
    assert transition.answer is Answer.REFUSED and ESTOP_OF_BASE in transition.reason
    base.loop.on_estop(False, base.ros_s, ESTOP_OF_BASE)
    assert base.loop.state.mode is Mode.ESTOP
    assert base.ask(ModeEvent.RESET).answer is Answer.ACCEPTED


def test_when_the_arm_is_stopped_by_something_expect_the_base_to_stand():
    base = Base(ARM_ON_BASE).driving()
    base.follows = False
    for _ in range(10):
        base.measured_D[3] += 0.06
        base.run(base.period_s)
    assert base.loop.state.fault and base.stopped_at_once()
    count = len(base.velocities)
    assert (np.array(base.run(2.0).velocities)[count:, :3] == 0.0).all()
    assert not base.commanding


def test_when_the_arms_part_of_a_target_is_rejected_expect_the_base_to_stop_with_it():
    base = Base(ARM_ON_BASE).driving()
    base.teleop(base.measured_D, [0.4, 0.0, 0.5, 0.0, 0.0, 0.0])
    assert not base.stopped_at_once()
    base.teleop([0.0, 0.0, 0.0, 2.0, 0.0, 0.03], [0.4, 0.0, 0.5, 0.0, 0.0, 0.0])
    assert base.stopped_at_once() and base.acted == {Rule.JUMP: ("left_waist",)}


def test_when_a_person_drives_expect_their_velocities_and_zero_once_they_fall_silent(base):
    base.driving()
    rest = list(base.measured_D[3:])
    for _ in range(10):
        base.teleop([0.0, 0.0, 0.0, *rest], [-0.3, 0.0, 0.8, *rest])
        base.run(0.1)
    assert base.loop.state.mode is Mode.TELEOP
    np.testing.assert_allclose(base.sent, [-0.3, 0.0, 0.8])
    base.run(0.22)
    assert base.loop.state.mode is Mode.HOLD and (base.sent == 0.0).all()


@pytest.mark.parametrize("bad", [np.nan, np.inf])
@pytest.mark.parametrize("where", [AHEAD, SIDE, YAW])
def test_when_a_velocity_is_not_finite_expect_the_base_to_stop(base, bad, where):
    target = np.zeros(len(base.measured_D))
    target[where] = bad
    base.driving().teleop(base.measured_D, target)
    assert base.stopped_at_once()


@pytest.mark.parametrize("key", ["positions_TD", "velocities_TD"])
@pytest.mark.parametrize("where", [AHEAD, SIDE, YAW])
def test_when_a_chunk_is_not_finite_expect_it_refused_and_the_old_one_going_on(base, key, where):
    points = {
        name: np.zeros((5, len(base.measured_D))) for name in ("positions_TD", "velocities_TD")
    }
    points[key][2, where] = np.nan
    assert base.driving().give(**points).verdict is ChunkVerdict.NON_FINITE
    np.testing.assert_allclose(base.run(0.2).sent, [0.4, 0.0, 0.5], atol=0.005)


@settings(max_examples=60, deadline=None)
@given(st.lists(st.tuples(st.integers(0, 7), st.integers(0, 2**32 - 1)), max_size=25))
def test_when_anything_happens_in_any_order_expect_velocities_within_limits(events):
    base = Base(ARM_ON_BASE).engaged()
    for kind, seed in events:
        rng = np.random.default_rng(seed)
        if kind == 0:
            base.plan(rng.normal(0.0, 1.0), rng.normal(0.0, 2.0), age_s=rng.uniform(0.0, 0.5))
        elif kind == 1:
            points_TD = rng.normal(0.0, 10.0 ** rng.integers(-1, 6), (9, 6))
            points_TD[:, 3:] = base.measured_D[3:]
            base.give(points_TD, rng.normal(0.0, 10.0 ** rng.integers(-1, 300), (9, 6)))
        elif kind == 2:
            base.ask(rng.choice(list(ModeEvent)[:5]))
        elif kind == 3:
            base.teleop(base.measured_D, rng.normal(0.0, 2.0, 6))
        elif kind == 4:
            base.silent ^= {str(rng.choice([ODOMETRY, ARM_JOINTS]))}
        elif kind == 5:
            base.loop.on_estop(bool(rng.integers(2)), base.ros_s, ESTOP_OF_BASE)
        elif kind == 6:
            base.now_s += rng.uniform(0.0, 3.0)
        else:
            base.teleop(base.measured_D, rng.choice([np.nan, np.inf, 1.0], 6))
        base.run(0.1)
    driver = BaseObserver(velocity=[0.5, 1.0], acceleration=[1.0, 2.0])
    arm = ARM_ON_BASE.joints[3:]
    observer = CommandObserver(
        lower=[-3.0, -1.7, 0.0], upper=[3.0, 1.6, 0.057], velocity=[j.velocity for j in arm]
    )
    for command_D, velocity_D in zip(base.commands, base.velocities, strict=True):
        assert velocity_D[SIDE] == 0.0 and (command_D[:3] == 0.0).all()
        driver.see(velocity_D[AHEAD], velocity_D[YAW], base.period_s)
        observer.see(command_D[3:], base.period_s)
