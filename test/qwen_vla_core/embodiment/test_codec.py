"""Actions to joint targets and back, for every robot there is."""

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from qwen_vla_core.embodiment import EmbodimentCodec, load_embodiment
from qwen_vla_core.embodiment.normalization import denormalize, normalize
from qwen_vla_core.embodiment.rotation import euler_from_matrix, matrix_from_euler
from qwen_vla_core.errors import ChunkError, NonFiniteError
from waved_episodes import codec_of

WIDOWX = load_embodiment(Path(__file__).parents[3] / "embodiments" / "widowx.yaml")
CODEC = EmbodimentCodec(WIDOWX)
ARM = CODEC.groups["arm"]
READY_D = np.array([0.0, -0.1, 0.25, 0.0, 1.42, 0.0, 0.03])

normalized_chunks = st.integers(0, 2**32 - 1).map(
    lambda seed: np.random.default_rng(seed).uniform(-1.0, 1.0, (16, 7))
)


@given(
    st.lists(st.tuples(st.floats(-1e3, 1e3), st.floats(1e-3, 1e3)), min_size=1, max_size=8),
    st.integers(0, 2**32 - 1),
)
def test_when_values_lie_within_the_quantiles_expect_an_exact_inverse(pairs, seed):
    q01 = np.array([low for low, _ in pairs])
    q99 = q01 + np.array([span for _, span in pairs])
    native = np.random.default_rng(seed).uniform(q01, q99)
    normalized = normalize(native, q01, q99)
    assert (np.abs(normalized) <= 1.0).all()
    np.testing.assert_allclose(denormalize(normalized, q01, q99), native, atol=1e-9, rtol=1e-9)


@given(st.floats(1.0, 1e6))
def test_when_a_value_lies_beyond_the_quantiles_expect_the_nearest_of_them(beyond):
    q01, q99 = np.array([-0.5, 2.0]), np.array([0.5, 3.0])
    ends = np.array([-1.0, 1.0])
    np.testing.assert_array_equal(normalize(np.array([-beyond, 2.0 + beyond]), q01, q99), ends)
    np.testing.assert_array_equal(denormalize(beyond * ends, q01, q99), [q01[0], q99[1]])


@pytest.mark.parametrize("transform", [normalize, denormalize])
@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
def test_when_a_value_is_not_finite_expect_refusal_and_not_a_clipped_number(transform, bad):
    with pytest.raises(NonFiniteError):
        transform(np.array([0.0, bad]), np.zeros(2), np.ones(2))


@given(st.tuples(st.floats(-3.1, 3.1), st.floats(-1.5, 1.5), st.floats(-3.1, 3.1)))
def test_when_angles_become_a_matrix_and_back_expect_the_same_angles(rpy):
    np.testing.assert_allclose(euler_from_matrix(matrix_from_euler(rpy)), rpy, atol=1e-6)


@settings(max_examples=60, deadline=None)
@given(normalized_chunks)
def test_when_any_actions_are_decoded_expect_joint_limits_and_workspace(actions_HC):
    chunk = CODEC.decode(actions_HC, READY_D, stamp_s=10.0)
    lower = np.array([joint.lower for joint in WIDOWX.joints])
    upper = np.array([joint.upper for joint in WIDOWX.joints])
    assert chunk.positions_TD.shape == (17, 7)
    np.testing.assert_array_equal(chunk.positions_TD[0], READY_D)
    assert (chunk.positions_TD >= lower - 1e-9).all() and (
        chunk.positions_TD <= upper + 1e-9
    ).all()
    spec = WIDOWX.groups[0].action.kinematics
    for positions_D in chunk.positions_TD[1:]:
        tool = ARM.kinematics.forward(positions_D[:6])[:3, 3]
        assert (tool >= np.array(spec.workspace_lower_m) - 1e-3).all()
        assert (tool <= np.array(spec.workspace_upper_m) + 1e-3).all()


@settings(max_examples=60, deadline=None)
@given(normalized_chunks)
def test_when_reachable_actions_are_decoded_and_encoded_expect_the_same_actions(actions_HC):
    gentle_HC = actions_HC * [0.1, 0.1, 0.1, 0.05, 0.05, 0.05, 1.0]
    chunk = CODEC.decode(gentle_HC, READY_D, stamp_s=0.0)
    again_HC = CODEC.normalize_actions(CODEC.encode(chunk.positions_TD))
    np.testing.assert_allclose(again_HC, gentle_HC, atol=0.02)  # 0.02 of 0.05 m is 1 mm


def test_when_the_first_action_moves_up_expect_the_target_one_step_after_the_observation():
    actions_HC = np.zeros((16, 7))
    actions_HC[0, 2] = 0.4  # 0.4 of 0.05 m
    chunk = CODEC.decode(actions_HC, READY_D, stamp_s=3.0)
    before = ARM.kinematics.forward(READY_D[:6])[2, 3]
    after = ARM.kinematics.forward(chunk.positions_TD[1][:6])[2, 3]
    assert chunk.step_s == pytest.approx(0.2)
    assert after - before == pytest.approx(0.02, abs=3e-4)


def test_when_the_gripper_points_down_expect_zero_euler_angles():
    pose = np.eye(4)
    pose[:3, :3] = WIDOWX.groups[0].action.kinematics.zero_rotation
    pose[:3, 3] = [0.3, 0.0, 0.15]  # BridgeData's start_state
    joints_D = ARM.kinematics.inverse(pose, READY_D[:6])
    state = CODEC.state(np.append(joints_D, 0.037))
    np.testing.assert_allclose(state, [0.3, 0.0, 0.15, 0, 0, 0, 1.0], atol=1e-3)


def test_when_a_step_cannot_be_reached_expect_the_arm_to_stay_for_that_step():
    stretched_D = np.array([0.0, 1.0, -0.9, 0.0, -0.1, 0.0, 0.03])
    actions_HC = np.zeros((16, 7))
    actions_HC[:, 4] = -1.0  # tip backwards until a limit or the reach ends it
    chunk = CODEC.decode(actions_HC, stretched_D, stamp_s=0.0)
    assert np.isfinite(chunk.positions_TD).all()
    assert (np.abs(np.diff(chunk.positions_TD[:, :6], axis=0)).max(axis=1) == 0.0).any()


@pytest.mark.parametrize("shape", [(16, 6), (0, 7), (7,), (1, 16, 7)])
def test_when_actions_have_another_shape_expect_the_chunk_to_be_refused(shape):
    with pytest.raises(ChunkError):
        CODEC.decode(np.zeros(shape), READY_D, stamp_s=0.0)


def test_when_an_action_is_nan_expect_the_chunk_to_be_refused():
    actions_HC = np.zeros((16, 7))
    actions_HC[5, 3] = np.nan
    with pytest.raises(NonFiniteError):
        CODEC.decode(actions_HC, READY_D, stamp_s=0.0)


@settings(max_examples=40, deadline=None)
@given(st.sampled_from(("widowx", "aloha", "widowx_mobile")), st.integers(0, 2**32 - 1))
def test_when_a_state_is_turned_into_positions_expect_the_same_state_again(name, seed):
    codec = codec_of(name)
    robot = codec.embodiment
    near_D = np.array(robot.start_D)
    positions_D = near_D + np.random.default_rng(seed).uniform(-0.1, 0.1, len(near_D))
    low_D, high_D = np.array([(joint.lower, joint.upper) for joint in robot.joints]).T
    positions_D = np.where(robot.base_D, 0.0, positions_D.clip(low_D, high_D))
    found_D = codec.positions(codec.state(positions_D), near_D)
    np.testing.assert_allclose(codec.state(found_D), codec.state(positions_D), atol=2e-3)
    assert np.abs(found_D - positions_D).max() < 0.05  # the same arm posture, not another one
