"""End-effector deltas in every rotation and frame: exact inverses over the whole workspace."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from qwen_vla_core.embodiment import EmbodimentCodec
from qwen_vla_core.embodiment.rotation import matrix_from_axis_angle
from qwen_vla_core.errors import YamlFileError
from robots import robot, widowx_text
from rotations import rotations

ROTATIONS = ("euler", "axis_angle", "rot6d")
FRAMES = ("base", "camera")
READY_D = np.array([0.0, -0.1, 0.25, 0.0, 1.42, 0.0, 0.03])
CODECS = {
    (r, f): EmbodimentCodec(robot(widowx_text(r, "over_shoulder" if f == "camera" else None)))
    for r in ROTATIONS
    for f in FRAMES
}
every_kind = pytest.mark.parametrize(("rotation", "frame"), CODECS)


def pose(rotation, fractions):
    spec = CODECS["euler", "base"].embodiment.groups[0].action.kinematics
    low, high = np.array(spec.workspace_lower_m), np.array(spec.workspace_upper_m)
    result = np.eye(4)
    result[:3, :3], result[:3, 3] = rotation, low + fractions * (high - low)
    return result


poses = st.builds(pose, rotations, st.tuples(*[st.floats(0.0, 1.0)] * 3).map(np.array))


@every_kind
@settings(max_examples=60)
@given(before=poses, after=poses)
def test_when_any_two_poses_are_given_as_a_delta_expect_it_to_lead_there(
    rotation, frame, before, after
):
    arm = CODECS[rotation, frame].groups["arm"]
    delta = arm.delta(before, after)
    assert np.isfinite(delta).all()
    np.testing.assert_allclose(arm.step(before, delta), after, atol=1e-9)


@every_kind
@settings(max_examples=15, deadline=None)
@given(seed=st.integers(0, 2**32 - 1))
def test_when_a_reachable_motion_is_normalised_and_decoded_expect_the_same_motion(
    rotation, frame, seed
):
    codec, rng = CODECS[rotation, frame], np.random.default_rng(seed)
    walk_TD = READY_D + np.cumsum(rng.uniform(-0.02, 0.02, (8, 7)) * [1, 1, 1, 1, 1, 1, 0.03], 0)
    walk_TD = np.concatenate([READY_D[None], walk_TD])
    chunk = codec.decode(codec.normalize_actions(codec.encode(walk_TD)), READY_D, stamp_s=0.0)
    arm = codec.groups["arm"].kinematics
    for told_D, reached_D in zip(walk_TD, chunk.positions_TD, strict=True):
        np.testing.assert_allclose(arm.forward(reached_D[:6]), arm.forward(told_D[:6]), atol=2e-3)
        assert reached_D[6] == pytest.approx(told_D[6], abs=1e-9)


@every_kind
def test_when_the_action_is_still_expect_the_robot_to_stay(rotation, frame):
    codec = CODECS[rotation, frame]
    still_HC = np.tile(codec.still(READY_D), (16, 1))
    chunk = codec.decode(still_HC, READY_D, stamp_s=0.0)
    np.testing.assert_allclose(chunk.positions_TD, np.tile(READY_D, (17, 1)), atol=1e-9)


def test_when_the_frame_is_a_camera_expect_its_right_to_be_the_robots_right():
    arm = CODECS["axis_angle", "camera"].groups["arm"]
    before = pose(np.eye(3), np.full(3, 0.5))
    after = arm.step(before, np.array([0.05, 0.0, 0.0, 0.1, 0.0, 0.0]))
    np.testing.assert_allclose(after[:3, 3] - before[:3, 3], [0.0, -0.05, 0.0], atol=1e-4)
    expected = matrix_from_axis_angle([0.0, -0.1, 0.0])  # about the camera's x
    np.testing.assert_allclose(after[:3, :3], expected, atol=1e-4)


def test_when_a_delta_is_compared_with_robotmanips_formula_expect_the_same():
    # a_p = [cRe eRe* eRc, cRe e_t_e*]: rotation and translation of the target in the tool's
    # frame, turned into the camera's.
    arm = CODECS["rot6d", "camera"].groups["arm"]
    rng = np.random.default_rng(0)
    before = pose(matrix_from_axis_angle(rng.normal(size=3)), rng.uniform(size=3))
    after = pose(matrix_from_axis_angle(rng.normal(size=3)), rng.uniform(size=3))
    camera = np.array([[0, -(0.5**0.5), 0.5**0.5], [-1, 0, 0], [0, -(0.5**0.5), -(0.5**0.5)]])
    tool_in_camera = camera.T @ before[:3, :3]
    step = np.linalg.inv(before) @ after
    turn = tool_in_camera @ step[:3, :3] @ tool_in_camera.T
    expected = [*(tool_in_camera @ step[:3, 3]), *turn[:, 0], *turn[:, 1]]
    np.testing.assert_allclose(arm.delta(before, after), expected, atol=1e-9)


@pytest.mark.parametrize("six", [np.zeros(6), np.array([1.0, 0, 0, 1, 0, 0])])
def test_when_six_numbers_are_no_rotation_expect_the_arm_to_stay_for_that_step(six):
    arm = CODECS["rot6d", "base"].groups["arm"]
    actions_HC = np.tile([0.01, 0.0, 0.0, 1.0, 0, 0, 0, 1, 0], (3, 1))
    actions_HC[1, 3:] = six
    targets_HD = arm.decode(actions_HC, READY_D[:6])
    np.testing.assert_array_equal(targets_HD[1], targets_HD[0])
    forward = [arm.kinematics.forward(t)[0, 3] for t in (READY_D[:6], *targets_HD)]
    np.testing.assert_allclose(np.diff(forward), [0.01, 0.0, 0.01], atol=3e-4)


def test_when_a_pose_cannot_be_reached_expect_the_next_step_from_the_one_before():
    arm = CODECS["axis_angle", "base"].groups["arm"]
    actions_HC = np.tile([0.01, 0.0, 0.0, 0.0, 0.0, 0.0], (3, 1))
    actions_HC[1, 3:] = 0.0, np.pi, 0.0  # the tool would point at the robot's own foot
    targets_HD = arm.decode(actions_HC, READY_D[:6])
    np.testing.assert_array_equal(targets_HD[1], targets_HD[0])
    forward = [arm.kinematics.forward(t)[0, 3] for t in (READY_D[:6], *targets_HD)]
    np.testing.assert_allclose(np.diff(forward), [0.01, 0.0, 0.01], atol=3e-4)


def test_when_the_rotation_is_not_euler_expect_channels_named_after_it():
    arm = robot(widowx_text("axis_angle")).groups[0]
    assert arm.action_channels == ("arm_dx", "arm_dy", "arm_dz", "arm_drx", "arm_dry", "arm_drz")
    assert arm.state_channels[3:] == tuple(f"arm_r6d_{i}" for i in range(6))
    assert robot(widowx_text("rot6d")).groups[0].action_channels[3:] == tuple(
        f"arm_dr6d_{i}" for i in range(6)
    )


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"matrix": "[[1, 0, 0], [0, 1, 0], [0, 0, 1.1]]"}, "not orthonormal"),
        ({"matrix": "[[1, 0, 0], [0, 1, 0], [0, 0, -1]]"}, "mirror image"),
        ({"matrix": "[[1, 0, 0], [0, 1, 0], [0, 0, .nan]]"}, "finite"),
        ({"camera": "ceiling"}, "camera ceiling; there are over_shoulder, wrist"),
        ({"camera": "wrist"}, "moves with a wrist"),
    ],
)
def test_when_a_camera_is_no_frame_expect_the_reason(change, words):
    with pytest.raises(YamlFileError, match=words):
        robot(widowx_text(**{"camera": "over_shoulder"} | change))
