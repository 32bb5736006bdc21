"""A robot that is slowed down while it moves: no jump, and soon no faster than allowed."""

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from command_observer import BaseObserver, CommandObserver
from qwen_vla_core.embodiment import load_embodiment
from qwen_vla_core.errors import NonFiniteError
from qwen_vla_core.execution.limiter import SLOW, SPEED_SCALES, Limiter
from qwen_vla_core.safety import Motion, Rule

ROBOT = load_embodiment(Path(__file__).parents[3] / "embodiments" / "widowx_mobile.yaml")
DT_S = 1.0 / ROBOT.command_hz
ARM = slice(3, len(ROBOT.joints))
SPEED_D = np.array([joint.velocity for joint in ROBOT.joints])
CHANGE_D = np.array([joint.acceleration for joint in ROBOT.joints]) * DT_S
START_D = np.array(ROBOT.start_D)
TURNS = START_D + np.r_[np.zeros(3), 1.0, np.zeros(6)]
STAYS = np.zeros(len(START_D))
scales = st.floats(*SPEED_SCALES)


def observers():
    arm = CommandObserver(
        lower=[joint.lower for joint in ROBOT.joints[ARM]],
        upper=[joint.upper for joint in ROBOT.joints[ARM]],
        velocity=SPEED_D[ARM].tolist(),
        acceleration=(CHANGE_D[ARM] / DT_S).tolist(),
    )
    base = BaseObserver(
        velocity=[SPEED_D[0], SPEED_D[2]], acceleration=[CHANGE_D[0] / DT_S, CHANGE_D[2] / DT_S]
    )
    return arm, base


@settings(max_examples=15, deadline=None)
@given(st.lists(st.tuples(scales, st.integers(1, 20)), min_size=1, max_size=5), st.randoms())
def test_when_the_scale_changes_in_motion_expect_no_jump_and_soon_no_more_than_it_allows(
    changes, random
):
    limiter, motion = Limiter(ROBOT), Motion.at_rest(START_D)
    arm, base = observers()
    arm.see(START_D[ARM], DT_S)
    target_D, velocity_D = START_D.copy(), STAYS.copy()
    for scale, periods in changes:
        limiter.max_speed_scale = scale
        may_D = np.maximum(np.abs(motion.velocity_D), scale * SPEED_D)
        for _ in range(periods):
            target_D[ARM] += [random.uniform(-0.1, 0.1) for _ in target_D[ARM]]
            velocity_D[[0, 2]] = random.uniform(-1.0, 1.0), random.uniform(-1.0, 1.0)
            last_D = motion.command_D
            motion = limiter.limit(target_D, velocity_D, motion, dt_s=DT_S).motion
            arm.see(motion.command_D[ARM], DT_S)
            base.see(motion.velocity_D[0], motion.velocity_D[2], DT_S)
            may_D = np.maximum(may_D - CHANGE_D, scale * SPEED_D)
            assert (np.abs(motion.velocity_D) <= may_D + 1e-9).all()
            assert (np.abs(motion.command_D - last_D) <= may_D * DT_S + 1e-9).all()


@pytest.mark.parametrize("scale", [0.1, 0.5, 1.0])
def test_when_a_scale_is_set_expect_that_share_of_the_speed_used_and_reported(scale):
    limiter, motion = Limiter(ROBOT), Motion.at_rest(START_D)
    limiter.max_speed_scale = scale
    drives = np.r_[1.0, np.zeros(len(START_D) - 1)]
    for _ in range(25):
        filtered = limiter.approach(TURNS, motion, dt_s=DT_S, slow=False)
        motion = filtered.motion
    assert motion.velocity_D[3] == pytest.approx(scale * SPEED_D[3])
    assert "waist" in filtered.acted[Rule.VELOCITY]
    for _ in range(50):
        filtered = limiter.limit(motion.target_D, drives, motion, dt_s=DT_S)
        motion = filtered.motion
    assert motion.velocity_D[0] == pytest.approx(scale * SPEED_D[0])
    assert "base_x" in filtered.acted[Rule.VELOCITY]


@pytest.mark.parametrize(("scale", "share"), [(0.1, 0.1), (0.5, SLOW)])
def test_when_it_goes_to_its_start_pose_expect_the_slower_of_both(scale, share):
    limiter, motion = Limiter(ROBOT), Motion.at_rest(START_D)
    limiter.max_speed_scale = scale
    for _ in range(25):
        motion = limiter.approach(TURNS, motion, dt_s=DT_S, slow=True).motion
    assert motion.velocity_D[3] == pytest.approx(share * SPEED_D[3])


def test_when_the_last_motion_is_nan_expect_the_same_refusal_as_at_full_speed():
    limiter = Limiter(ROBOT)
    limiter.max_speed_scale = 0.5
    broken = Motion(command_D=START_D, velocity_D=STAYS + np.nan, target_D=START_D)
    with pytest.raises(NonFiniteError):
        limiter.limit(TURNS, STAYS, broken, dt_s=DT_S)
