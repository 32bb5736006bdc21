"""The tighter of the embodiment's limits and the robot's own, and no robot without any."""

import math
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from command_observer import CommandObserver
from looped_robot import LoopedRobot
from qwen_vla_core.embodiment import load_embodiment
from qwen_vla_core.execution.limiter import Limiter
from qwen_vla_core.modes import Answer, ModeEvent
from qwen_vla_core.safety import Motion, RobotLimits, intersect

ROBOT = load_embodiment(Path(__file__).parents[3] / "embodiments" / "widowx.yaml")
WAIST = ROBOT.joints[0]
DT_S = 1.0 / ROBOT.command_hz
anything = st.one_of(
    st.floats(-4.0, 4.0), st.sampled_from([math.nan, math.inf, -math.inf, 0.0, 1.57])
)


def of_waist(**limits):
    return intersect(ROBOT.joints, {"waist": RobotLimits(**limits)})


@settings(max_examples=200, deadline=None)
@given(anything, anything, anything)
def test_when_a_robot_says_anything_expect_limits_within_both_or_the_joint_refused(
    lower, upper, velocity
):
    result = of_waist(lower=lower, upper=upper, velocity=velocity)
    held_lower, held_upper = result.limits.lower_D[0], result.limits.upper_D[0]
    assert WAIST.lower <= held_lower < held_upper <= WAIST.upper
    assert 0.0 < result.limits.velocity_D[0] <= WAIST.velocity
    somewhere = lower < upper and max(lower, WAIST.lower) < min(upper, WAIST.upper)
    possible = somewhere and velocity > 0.0
    if possible and not any(map(math.isnan, (lower, upper, velocity))):
        assert not result.empty
        assert held_lower >= lower - 1e-3 and held_upper <= upper + 1e-3
        assert result.limits.velocity_D[0] <= velocity + 1e-3
    else:
        assert result.empty and result.empty[0].startswith("waist: the embodiment allows")


def test_when_a_robot_says_nothing_or_the_same_rounded_expect_the_embodiments_limits():
    for said in ({}, {"lower": float(np.float32(WAIST.lower)) + 9e-4, "velocity": 3.14}):
        result = of_waist(**said)
        assert result.limits.lower_D[0] == WAIST.lower
        assert result.limits.velocity_D[0] == WAIST.velocity
        assert result.tightened == result.empty == ()


def test_when_a_limit_is_tighter_expect_joint_and_both_figures_in_words():
    assert of_waist(upper=1.5, velocity=0.5).tightened == (
        "waist: -3.1416..1.5000 rad at 0.5000 rad/s instead of -3.1416..3.1416 rad at 1.5700 "
        "rad/s",
    )


def test_when_a_robot_allows_less_expect_every_kind_of_motion_within_it():
    limiter = Limiter(ROBOT)
    result = limiter.intersect({"waist": RobotLimits(lower=-0.4, upper=0.3, velocity=0.5)})
    assert result.limits is limiter.limits
    limits = result.limits
    observer = CommandObserver(
        lower=limits.lower_D.tolist(),
        upper=limits.upper_D.tolist(),
        velocity=limits.velocity_D.tolist(),
        acceleration=limits.acceleration_D.tolist(),
    )
    start_D = np.array(ROBOT.start_D)
    motion, target_D = Motion.at_rest(start_D), start_D.copy()
    observer.see(start_D, DT_S)
    for step in range(300):
        target_D[0] = 2.0 * math.sin(step / 20.0)
        if step % 50 == 0:  # a mode begins from a hold
            motion = Motion.at_rest(motion.command_D)
            observer.see(motion.command_D, DT_S)
        if step % 100 < 50:
            filtered = limiter.limit(target_D, 0.0 * target_D, motion, dt_s=DT_S)
        else:
            filtered = limiter.approach(target_D, motion, dt_s=DT_S, slow=step >= 200)
        motion = filtered.motion
        observer.see(motion.command_D, DT_S)
    assert limiter.intersect({}).limits.upper_D[0] == WAIST.upper  # another driver came up


def test_when_the_start_pose_is_outside_the_robots_limits_expect_go_to_start_refused():
    robot = LoopedRobot(ROBOT, ROBOT.start_D).run(0.2)
    robot.loop.limiter.intersect({"wrist_angle": RobotLimits(upper=1.0)})
    transition = robot.ask(ModeEvent.GO_TO_START)
    assert transition.answer is Answer.REFUSED
    assert "the start of wrist_angle, 1.3656, is outside the robot's own" in transition.reason
    robot.loop.limiter.intersect({})
    assert robot.ask(ModeEvent.GO_TO_START).answer is Answer.ACCEPTED


@pytest.mark.parametrize("velocity", [0.0, -1.0])
def test_when_a_robot_may_not_move_at_all_expect_the_joint_refused(velocity):
    assert of_waist(velocity=velocity).empty
