"""What a new chunk has to continue: what the old one would have done, for every kind of robot."""

from pathlib import Path

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from qwen_vla_core.embodiment import EmbodimentCodec, load_embodiment
from qwen_vla_core.errors import ChunkError, NonFiniteError
from qwen_vla_core.execution import Prefix, prefix_of
from qwen_vla_core.types import Observation
from robots import arm_on_base_text, base_text, robot, two_arms_text

WIDOWX = EmbodimentCodec(
    load_embodiment(Path(__file__).parents[3] / "embodiments" / "widowx.yaml")
)
READY_D = np.array([0.0, -0.15, 0.26, 0.0, 1.46, 0.0, 0.03])
CODECS = {"widowx": WIDOWX} | {
    text.__name__: EmbodimentCodec(robot(text()))
    for text in (two_arms_text, base_text, arm_on_base_text)
}
STAMP_S = 100.0
TOLERANCE = 2e-3
"""m or rad: what inverse kinematics leaves of a chunk that is decoded from its prefix."""


def moving(codec, seed, size=0.3):
    """A chunk of a robot that moves at random but not in jerks."""
    robot = codec.embodiment
    knots = np.random.default_rng(seed).uniform(-size, size, (3, len(robot.action_channels)))
    actions_HC = np.stack(
        [np.interp(np.linspace(0, 2, robot.horizon), range(3), channel) for channel in knots.T],
        axis=1,
    )
    start_D = READY_D if codec is WIDOWX else np.array(robot.start_D)
    return codec.decode(actions_HC, start_D, STAMP_S)


def planned(chunk, times_s):
    points_s = chunk.stamp_s + chunk.step_s * np.arange(len(chunk.positions_TD))
    return np.stack([np.interp(times_s, points_s, p) for p in chunk.positions_TD.T], axis=1)


def places(codec, positions_TD):
    """What must agree: poses of arms that are moved by pose, positions of other joints."""
    arm = codec.groups.get("arm")
    if arm is None:
        return positions_TD
    poses = [arm.kinematics.forward(positions_D[:6]).ravel() for positions_D in positions_TD]
    return np.concatenate([poses, positions_TD[:, 6:]], axis=1)


def seen(stamp_s, commanded_D):
    return Observation(
        stamp_s=stamp_s,
        images={},
        positions_D=commanded_D,
        commanded_D=commanded_D,
        instruction="",
    )


@pytest.mark.parametrize("name", CODECS)
@given(
    seed=st.integers(0, 2**16),
    begun=st.integers(0, 15),
    ahead=st.just(0.0) | st.floats(0.01, 0.99),
    delay=st.integers(0, 20),
)
@settings(max_examples=25, deadline=None)
def test_when_a_robot_follows_a_chunk_expect_its_targets_again_however_many_are_left(
    name, seed, begun, ahead, delay
):
    """``begun`` steps were begun, and of the last of them the share ``ahead`` is still to come."""
    codec = CODECS[name]
    robot, chunk = codec.embodiment, moving(codec, seed)
    now_s = STAMP_S + max(begun - ahead, 0.0) * chunk.step_s
    commanded_D = planned(chunk, [now_s])[0]
    prefix = prefix_of(chunk, seen(now_s, commanded_D), codec, delay)
    left = robot.horizon - begun
    assert prefix.actions_NC.shape == (left, len(robot.action_channels))
    assert prefix.actions_NC.dtype == np.float32 and np.abs(prefix.actions_NC).max() <= 1.0
    assert prefix.committed == min(delay, left, robot.horizon - 1)

    again = codec.decode(prefix.actions_NC, commanded_D, now_s).positions_TD
    wanted = planned(chunk, now_s + chunk.step_s * np.arange(left + 1))
    if any(robot.base_D):
        base = robot.group_slice("base")
        x, y, yaw = wanted[:, base].T
        z = (x + 1j * y - (x[0] + 1j * y[0])) * np.exp(-1j * yaw[0])
        wanted[:, base] = np.stack([z.real, z.imag, yaw - yaw[0]], axis=1)
    if codec is WIDOWX:  # where a straight line in joint space leaves the workspace, it is cut
        spec = robot.groups[0].action.kinematics
        tools = places(codec, wanted)[:, [3, 7, 11]]
        assume((tools > spec.workspace_lower_m).all() and (tools < spec.workspace_upper_m).all())
    np.testing.assert_allclose(places(codec, again), places(codec, wanted), atol=TOLERANCE)


@pytest.mark.parametrize("lag_rad", [-0.4, 0.4])
@given(seed=st.integers(0, 2**16))
@settings(max_examples=10, deadline=None)
def test_when_the_command_lags_behind_the_chunk_expect_the_prefix_to_catch_up(lag_rad, seed):
    """The waist lags farther than one clipped delta reaches; the next ones make up for it."""
    chunk = moving(WIDOWX, seed, size=0.2)
    now_s = STAMP_S + 3 * chunk.step_s
    commanded_D = planned(chunk, [now_s])[0] + np.array([lag_rad, 0, 0, 0, 0, 0, 0])
    prefix = prefix_of(chunk, seen(now_s, commanded_D), WIDOWX, 6)
    again = WIDOWX.decode(prefix.actions_NC[:6], commanded_D, now_s).positions_TD
    wanted = planned(chunk, now_s + chunk.step_s * np.arange(7))
    again, wanted = places(WIDOWX, again), places(WIDOWX, wanted)
    assert np.abs(again[1] - wanted[1]).max() > 10 * TOLERANCE
    np.testing.assert_allclose(again[-1], wanted[-1], atol=TOLERANCE)


def test_when_no_chunk_leads_on_from_here_expect_no_prefix():
    chunk = moving(WIDOWX, 1)
    end_D = chunk.positions_TD[-1]
    assert prefix_of(None, seen(STAMP_S, READY_D), WIDOWX, 2) is None
    assert prefix_of(chunk, seen(STAMP_S - 0.01, READY_D), WIDOWX, 2) is None
    assert prefix_of(chunk, seen(chunk.end_s - 0.1, end_D), WIDOWX, 2) is None
    elsewhere_D = READY_D + 1.1 * WIDOWX.embodiment.jump_limit * np.eye(7)[0]
    assert prefix_of(chunk, seen(STAMP_S, elsewhere_D), WIDOWX, 2) is None
    assert prefix_of(chunk, seen(STAMP_S, READY_D), WIDOWX, 2) is not None


@pytest.mark.parametrize(
    ("actions", "committed", "error"),
    [
        (np.zeros((2, 7)), 3, ChunkError),
        (np.zeros((2, 7)), -1, ChunkError),
        (np.zeros(7), 1, ChunkError),
        (np.full((2, 7), np.nan), 1, NonFiniteError),
    ],
)
def test_when_a_prefix_is_none_expect_refusal(actions, committed, error):
    with pytest.raises(error):
        Prefix(actions_NC=actions, committed=committed)
