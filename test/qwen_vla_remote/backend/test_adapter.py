"""Others' conventions, with numbers that openpi's own transforms gave (commit 15a9616).

State, actions and images went through aloha_policy._decode_state and AlohaOutputs with
adapt_to_pi, transforms.AbsoluteActions, and openpi_client.image_tools.resize_with_pad. On images
of this repository the last and ours differ by 1.2 of 255 in the mean.
"""

import numpy as np
import pinocchio as pin
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from qwen_vla_core.embodiment import EmbodimentCodec, load_embodiment
from qwen_vla_core.embodiment.conventions import EeDeltaCodec
from qwen_vla_core.errors import CheckpointError, NonFiniteError, RemoteError
from qwen_vla_core.observation.empty_scene import empty_scene
from qwen_vla_remote.backend import Adapter, find_backend, in_joint_space, load_backend
from qwen_vla_remote.backend.images import fit_image
from robots import WIDOWX, arm_on_base_text, franka_text, robot
from scripted_policy import scene

ALOHA = load_embodiment(WIDOWX.with_name("aloha.yaml"))
ONE_ARM = load_embodiment(WIDOWX)
FRANKA = robot(franka_text())
FINGER_CLOSED_M, FINGER_OPEN_M = 0.01844, 0.058  # PUPPET_GRIPPER_POSITION_CLOSE and _OPEN

# In ALOHA's own convention: joints in rad, grippers 0 closed to 1 open.
ALOHA_STATE = [0.1, -0.9, 1.1, 0.2, -0.3, 0.4, 0.25, -0.1, -0.8, 1.0, -0.2, 0.3, -0.4, 0.9]
# The same in pi's: _decode_state(state, adapt_to_pi=True).
PI_STATE = [0.1, 0.9, -1.1, 0.2, -0.3, 0.4, -0.513078]
PI_STATE += [-0.1, 0.8, -1.0, -0.2, 0.3, -0.4, 0.50164]
# What pi puts out, and what AbsoluteActions and _encode_actions make of it with that state.
PI_ACTION = [0.01, 0.02, -0.03, 0.04, -0.05, 0.06, 0.1, -0.01, -0.02, 0.03, -0.04, 0.05, -0.06]
PI_ACTION += [0.7]
ALOHA_ACTION = [0.11, -0.92, 1.13, 0.24, -0.35, 0.46, 0.60072]
ALOHA_ACTION += [-0.11, -0.78, 0.97, -0.24, 0.35, -0.46, 0.88477]


def adapter_of(name, embodiment, **changed):
    backend = load_backend(find_backend(name))
    return Adapter(backend.model_copy(update=changed), embodiment, name)


def in_metres(values):
    """ALOHA's 14 numbers as joint positions: its grippers as fingers."""
    positions = np.array(values, float)
    span_m = FINGER_OPEN_M - FINGER_CLOSED_M
    positions[..., [6, 13]] = FINGER_CLOSED_M + positions[..., [6, 13]] * span_m
    return positions


def seen(embodiment, positions, commanded=None):
    positions = np.array(positions, float)
    commanded = positions if commanded is None else np.array(commanded, float)
    return scene(embodiment, 0.5, positions_D=positions, commanded_D=commanded)


def targets(adapter, embodiment, answer, observation):
    """Joint targets [H, D], as policy_node would publish them."""
    actions_HC = adapter.read(answer, observation)
    assert actions_HC.dtype == np.float32 and np.abs(actions_HC).max() <= 1.0
    codec = EmbodimentCodec(in_joint_space(embodiment))
    return codec.decode(actions_HC, observation.commanded_D, 0.0).positions_TD[1:]


# --- ALOHA


def test_when_an_aloha_asks_openpi_expect_its_own_convention_both_ways():
    adapter = adapter_of("openpi_aloha", ALOHA)
    observation = seen(ALOHA, in_metres(ALOHA_STATE))
    request = adapter.write(observation, None, 1, 1.0)
    assert set(request) == {"images", "state", "prompt"}
    assert set(request["images"]) == {"cam_high", "cam_left_wrist", "cam_right_wrist"}
    for image in request["images"].values():
        assert image.shape == (3, 224, 224) and image.dtype == np.uint8
    np.testing.assert_allclose(request["state"], ALOHA_STATE, atol=1e-6)
    answer = {"actions": np.tile(np.array(ALOHA_ACTION, np.float32), (50, 1))}
    found = targets(adapter, ALOHA, answer, observation)
    assert found.shape == (16, 14)
    np.testing.assert_allclose(found, np.tile(in_metres(ALOHA_ACTION), (16, 1)), atol=1e-5)


def test_when_a_server_leaves_pis_transforms_out_expect_flips_offsets_and_motor_angles():
    adapter = adapter_of("pi_aloha", ALOHA)
    observation = seen(ALOHA, in_metres(ALOHA_STATE), in_metres(ALOHA_ACTION))
    request = adapter.write(observation, None, 1, 1.0)
    np.testing.assert_allclose(request["state"], PI_STATE, atol=1e-5)
    assert request["images"]["cam_high"].shape == (224, 224, 3)
    answer = {"actions": np.tile(np.array(PI_ACTION), (50, 1))}
    found = targets(adapter, ALOHA, answer, observation)
    # The offsets are counted from the state that was sent, not from the command.
    np.testing.assert_allclose(found, np.tile(in_metres(ALOHA_ACTION), (16, 1)), atol=1e-5)


@pytest.mark.parametrize(
    ("opening", "angle"),
    [(0, -1.079866), (0.1, -0.802281), (0.5, -0.140056), (0.75, 0.223328), (1, 0.945653)],
)
def test_when_a_gripper_is_sent_as_a_motor_angle_expect_openpis_number(opening, angle):
    adapter = adapter_of("pi_aloha", ALOHA)
    state = [*ALOHA_STATE[:6], opening, *ALOHA_STATE[7:]]
    sent = adapter.write(seen(ALOHA, in_metres(state)), None, 1, 1.0)["state"]
    assert sent[6] == pytest.approx(angle, abs=1e-5)


def test_when_joints_go_where_our_episodes_never_were_expect_them_unclipped():
    adapter = adapter_of("openpi_aloha", ALOHA)
    assert max(ALOHA.groups[0].action_normalization.q99) < 2.5
    far = [2.9, -1.8, 1.5, 3.0, 2.2, -3.0, 1.0] * 2
    answer = {"actions": np.tile(np.array(far, np.float32), (50, 1))}
    found = targets(adapter, ALOHA, answer, seen(ALOHA, in_metres(ALOHA_STATE)))
    np.testing.assert_allclose(found[-1], in_metres(far), atol=1e-5)


# --- DROID


def test_when_droids_gripper_is_open_expect_0_and_speeds_in_fifths_of_a_radian_a_step():
    adapter = adapter_of("openpi_droid", FRANKA)
    arm = [0.1, -0.5, 0.2, -2.0, 0.3, 1.5, 0.0]
    observation = seen(FRANKA, [*arm, 0.04], [*arm, 0.0])
    request = adapter.write(observation, None, 1, 1.0)
    assert request["observation/exterior_image_1_left"].shape == (224, 224, 3)
    assert request["observation/wrist_image_left"].shape == (224, 224, 3)
    np.testing.assert_allclose(request["observation/joint_position"], arm, atol=1e-6)
    assert request["observation/gripper_position"] == [0.0]
    assert request["prompt"] == observation.instruction
    values = np.zeros((15, 8), np.float32)
    values[:, 0], values[:, 1] = 0.5, -1.0
    values[0, 7], values[1:, 7] = 0.4, 0.6
    found = targets(adapter, FRANKA, {"actions": values}, observation)
    steps = np.arange(1, 16)
    np.testing.assert_allclose(found[:, 0], 0.1 + 0.1 * steps, atol=1e-5)
    np.testing.assert_allclose(found[:, 1], np.maximum(-0.5 - 0.2 * steps, -1.76), atol=1e-5)
    # Above 0.5 is closed, as examples/droid/main.py has it.
    np.testing.assert_allclose(found[:, 7], [0.04, *[0.0] * 14], atol=1e-6)


def test_when_a_speed_is_beyond_one_expect_it_clipped_as_openpis_droid_main_does():
    adapter = adapter_of("openpi_droid", FRANKA)
    arm = [0.0] * 7
    values = np.zeros((15, 8), np.float32)
    values[0, :2] = 2.0, 1.5
    found = targets(adapter, FRANKA, {"actions": values}, seen(FRANKA, [*arm, 0.0]))
    np.testing.assert_allclose(found[0, :2], [0.2, 0.2], atol=1e-5)


# --- LIBERO, BridgeData


def test_when_a_tool_points_down_expect_liberos_rotation_by_half_a_turn_about_x():
    adapter = adapter_of("openpi_libero", ONE_ARM, horizon=64)  # as long as a WidowX's chunk
    start = np.array(ONE_ARM.start_D)  # tool at (0.3, 0, 0.15) m, pointing down, open
    request = adapter.write(seen(ONE_ARM, start), None, 1, 1.0)
    state = request["observation/state"]
    np.testing.assert_allclose(state[:3], [0.3, 0.0, 0.15], atol=1e-4)
    np.testing.assert_allclose(state[3:6], [np.pi, 0, 0], atol=2e-3)
    np.testing.assert_allclose(state[6:], [0.04, -0.04], atol=1e-6)


# Quaternions (x, y, z, w) of tools that point nearly down, and what openpi's _quat2axisangle
# (examples/libero/main.py) makes of them: beyond half a turn it goes on.
TOOLS_DOWN = [
    ((0.999149, 0.020003, 0.030004, 0.020003), (3.099566, 0.062053, 0.09308)),
    ((0.999149, 0.020003, 0.030004, -0.020003), (3.179531, 0.063654, 0.095481)),
    ((0.982558, -0.100261, 0.100261, 0.120313), (2.870646, -0.292923, 0.292923)),
    ((0.982558, -0.100261, 0.100261, -0.120313), (3.348121, -0.341645, 0.341645)),
]


@pytest.mark.parametrize(("quaternion", "vector"), TOOLS_DOWN)
def test_when_a_tool_tilts_about_pointing_down_expect_liberos_vector_without_a_jump(
    quaternion, vector
):
    adapter = adapter_of("openpi_libero", ONE_ARM, horizon=64)
    arm, pose = ONE_ARM.groups[0], np.eye(4)
    tool_axes = np.array([[0, 0, 1], [0, -1, 0], [1, 0, 0]])  # theirs as columns in ours
    pose[:3, :3] = pin.Quaternion(np.array(quaternion)).normalized().matrix() @ tool_axes.T
    pose[:3, 3] = 0.3, 0.0, 0.2
    start = np.array(ONE_ARM.start_D)
    joints = EeDeltaCodec(arm, 1.0).kinematics.inverse(pose, start[:6])
    request = adapter.write(seen(ONE_ARM, [*joints, start[6]]), None, 1, 1.0)
    np.testing.assert_allclose(request["observation/state"][3:6], vector, atol=2e-3)


def test_when_libero_steps_ahead_expect_the_tool_there_and_its_gripper_closed_by_1():
    adapter = adapter_of("openpi_libero", ONE_ARM, horizon=64)
    start = np.array(ONE_ARM.start_D)
    values = np.zeros((64, 7), np.float32)
    values[:8, 0], values[:, 6] = 0.5, 1.0
    found = targets(adapter, ONE_ARM, {"actions": values}, seen(ONE_ARM, start))
    tool = EmbodimentCodec(ONE_ARM).state(found[1])  # after 0.4 s, eight of its steps
    np.testing.assert_allclose(tool[:3], [0.3 + 8 * 0.5 * 0.0153, 0.0, 0.15], atol=1e-3)
    np.testing.assert_allclose(found[:, 6], 0.015, atol=1e-6)
    values[:, 6] = -1.0
    found = targets(adapter, ONE_ARM, {"actions": values}, seen(ONE_ARM, start))
    np.testing.assert_allclose(found[:, 6], 0.037, atol=1e-6)


def test_when_starvla_answers_in_its_maps_expect_bridgedatas_steps():
    adapter = adapter_of("starvla_bridge", ONE_ARM)
    start = np.array(ONE_ARM.start_D)
    request = adapter.write(seen(ONE_ARM, start), None, 1, 1.0)
    (example,) = request["examples"]
    assert example["lang"] == scene(ONE_ARM).instruction
    assert [image.shape for image in example["image"]] == [(224, 224, 3)]
    values = np.zeros((1, 16, 7), np.float32)
    values[0, :, 1], values[0, :, 6] = 0.01, 0.5
    answer = {"status": "ok", "data": {"actions": values}}
    found = targets(adapter, ONE_ARM, answer, seen(ONE_ARM, start))
    tool = EmbodimentCodec(ONE_ARM).state(found[3])
    np.testing.assert_allclose(tool[:3], [0.3, 0.04, 0.15], atol=1e-3)
    assert found[0, 6] == pytest.approx((0.015 + 0.037) / 2)


def test_when_a_policy_learned_from_an_exported_dataset_expect_its_own_numbers_both_ways():
    adapter, codec = adapter_of("lerobot_widowx", ONE_ARM), EmbodimentCodec(ONE_ARM)
    positions = np.array([0.3, 0.1, 0.4, -0.2, 1.2, 0.5, 0.02])
    observation = seen(ONE_ARM, positions, positions + 0.01 * np.array([1] * 6 + [0.0]))
    request = adapter.write(observation, None, 1, 1.0)
    assert request["images"]["wrist"].shape == (96, 96, 3)
    np.testing.assert_allclose(request["state"], codec.state(positions), atol=1e-5)
    native_HC = np.tile([0.004, -0.003, 0.002, 0.01, -0.02, 0.03, 0.4], (16, 1))
    found = targets(adapter, ONE_ARM, {"actions": native_HC.astype(np.float32)}, observation)
    ours = codec.decode(codec.normalize_actions(native_HC), observation.commanded_D, 0.0)
    np.testing.assert_allclose(found, ours.positions_TD[1:], atol=1e-4)


# --- images


def camera_image(height=480, width=640):
    image = np.zeros((height, width, 3), np.uint8)
    image[:, : width // 2] = 200, 100, 50
    image[: height // 2] += np.array([10, 20, 30], np.uint8)
    return image


@pytest.mark.parametrize(
    ("height", "width", "axis", "first", "last"),
    [(480, 640, 0, 28, 195), (480, 333, 1, 34, 188), (100, 333, 0, 78, 144)],
)
def test_when_an_image_is_not_square_expect_openpis_margins(height, width, axis, first, last):
    images = load_backend(find_backend("openpi_droid")).images
    fitted = fit_image(camera_image(height, width), images)
    assert fitted.shape == (224, 224, 3)
    other = tuple({0, 1, 2} - {axis})
    filled = np.flatnonzero(fitted.max(axis=other))
    # Only the left part is there below the middle, so the other axis says how far it reaches.
    assert filled[0] == first and filled[-1] == (last if axis == 0 else filled[-1])


def test_when_an_image_is_shrunk_expect_openpis_colours():
    images = load_backend(find_backend("openpi_droid")).images
    fitted = fit_image(camera_image(), images)
    assert fitted[60, 50].tolist() == [210, 120, 80] and fitted[60, 200].tolist() == [10, 20, 30]
    assert fitted[150, 50].tolist() == [200, 100, 50] and fitted[150, 200].max() == 0
    first = fit_image(camera_image(), images.model_copy(update={"layout": "channels_first"}))
    np.testing.assert_array_equal(np.moveaxis(first, 0, 2), fitted)
    stretched = fit_image(camera_image(), images.model_copy(update={"fit": "stretch"}))
    assert stretched.max(axis=(1, 2)).min() > 0


# --- answers and robots that do not fit


SHAPE = (50, 14)


@pytest.mark.parametrize(
    ("answer", "why"),
    [
        ({}, "no 'actions'"),
        ({"type": "error", "message": "Invalid request payload"}, "Invalid request payload"),
        ([], "no 'actions'"),
        ({"actions": [[0.0] * 14] * 50}, "no array"),
        ({"actions": np.zeros(SHAPE, int)}, "no array"),
        ({"actions": np.zeros(SHAPE[::-1])}, "shape"),
        ({"actions": np.zeros((49, 14))}, "shape"),
        ({"actions": np.zeros((2, *SHAPE))}, "shape"),
        ({"actions": np.full(SHAPE, np.nan)}, "NaN"),
        ({"actions": np.full(SHAPE, np.inf)}, "infinity"),
    ],
)
def test_when_an_answer_holds_something_else_expect_refusal(answer, why):
    adapter = adapter_of("openpi_aloha", ALOHA)
    with pytest.raises(RemoteError, match=why):
        adapter.read(answer, seen(ALOHA, in_metres(ALOHA_STATE)))


@pytest.mark.parametrize(
    ("name", "embodiment", "changed", "why"),
    [
        ("openpi_aloha", ONE_ARM, {}, "it shows cam_high"),
        ("openpi_libero", FRANKA, {}, "it shows over_shoulder"),
        ("starvla_bridge", ALOHA, {}, "it shows over_shoulder"),
        ("openpi_aloha", ALOHA, {"horizon": 10}, "lasts 0.20 s and a chunk of the robot 0.32 s"),
        ("openpi_aloha", ALOHA, {"action_hz": 200.0}, "lasts 0.25 s"),
    ],
)
def test_when_a_backend_is_another_robots_expect_what_does_not_fit(name, embodiment, changed, why):
    with pytest.raises(CheckpointError, match=f"backend {name} does not fit .*{why}"):
        adapter_of(name, embodiment, **changed)


def changed_parts(name, **by_group):
    """The actions of a backend with other values in some parts, or without them (None)."""
    actions = load_backend(find_backend(name)).actions
    parts = [
        part.model_copy(update=by_group.get(part.group, {}))
        for part in actions.parts
        if by_group.get(part.group, {}) is not None
    ]
    return actions.model_copy(update={"parts": tuple(parts)})


@pytest.mark.parametrize(
    ("by_group", "why"),
    [
        ({"left_arm": None}, "nothing of left_arm"),
        ({"left_arm": {"signs": (1, -1)}}, "2 signs for left_arm, which has 6 joints"),
        ({"left_arm": {"group": "left_leg"}}, "it names left_leg"),
        ({"left_arm": {"group": "left_gripper"}, "left_gripper": {"group": "left_arm"}}, "no arm"),
    ],
)
def test_when_a_part_and_its_group_differ_expect_refusal_that_names_it(by_group, why):
    actions = changed_parts("openpi_aloha", **by_group)
    with pytest.raises(CheckpointError, match=why):
        adapter_of("openpi_aloha", ALOHA, actions=actions)


def test_when_a_robot_drives_on_wheels_expect_refusal_because_nobody_drives_it():
    wheels = robot(arm_on_base_text())
    actions = load_backend(find_backend("openpi_aloha")).actions
    arm = actions.parts[0].model_copy(update={"group": "left_arm"})
    changed = {"actions": actions.model_copy(update={"parts": (arm, actions.parts[1])})}
    views = load_backend(find_backend("openpi_aloha")).images
    view = views.views[0].model_copy(update={"camera": "front"})
    changed |= {"images": views.model_copy(update={"views": (view,)}), "states": ()}
    with pytest.raises(CheckpointError, match="say nothing of base"):
        adapter_of("openpi_aloha", wheels, action_hz=5.0, **changed)


@pytest.mark.parametrize(
    ("metadata", "why"),
    [
        ([], "map"),
        ({"protocol": "qwen_vla"}, "without a backend"),
        ({"action_horizon": 10}, "10 steps"),
        ({"action_chunk_size": 16}, "16 steps"),
    ],
)
def test_when_a_server_is_plainly_another_expect_refusal_at_the_handshake(metadata, why):
    adapter = adapter_of("openpi_aloha", ALOHA)
    adapter.check({"reset_pose": [0, -1.5, 1.5, 0, 0, 0], "action_horizon": 50})
    with pytest.raises(RemoteError, match=why):
        adapter.check(metadata)


# --- whatever comes


NUMBERS = st.floats(-1e6, 1e6, width=32)


@given(arrays(np.float32, SHAPE, elements=NUMBERS), st.sampled_from(["openpi_aloha", "pi_aloha"]))
def test_when_an_answer_is_any_numbers_expect_targets_within_the_limits(values, name):
    adapter = adapter_of(name, ALOHA)
    found = targets(adapter, ALOHA, {"actions": values}, seen(ALOHA, in_metres(ALOHA_STATE)))
    assert np.isfinite(found).all()
    for joint, of_joint in zip(ALOHA.joints, found.T, strict=True):
        is_gripper = joint.unit == "m"  # the ends of its motor are just outside of its limits
        low, high = (0.0184, 0.0581) if is_gripper else (joint.lower, joint.upper)
        assert low - 1e-5 <= of_joint.min() and of_joint.max() <= high + 1e-5


@given(arrays(np.float32, (15, 8), elements=NUMBERS))
def test_when_speeds_are_any_numbers_expect_no_joint_faster_than_a_step_allows(values):
    adapter = adapter_of("openpi_droid", FRANKA)
    start = np.array(FRANKA.start_D)
    found = targets(adapter, FRANKA, {"actions": values}, seen(FRANKA, start))
    path = np.concatenate([start[None], found])
    assert np.abs(np.diff(path[:, :7], axis=0)).max() <= 0.2 + 1e-5


def test_when_the_robot_itself_says_nan_expect_nothing_to_be_made_of_it():
    adapter = adapter_of("pi_aloha", ALOHA)
    positions = in_metres(ALOHA_STATE)
    positions[2] = np.nan
    with pytest.raises(NonFiniteError):
        adapter.read({"actions": np.zeros(SHAPE)}, seen(ALOHA, positions))


def test_when_a_robot_is_driven_by_another_model_expect_nothing_else_of_it_changed():
    driven = in_joint_space(ONE_ARM)
    assert driven.joint_names == ONE_ARM.joint_names and driven.joints == ONE_ARM.joints
    assert (driven.horizon, driven.action_hz) == (ONE_ARM.horizon, ONE_ARM.action_hz)
    assert driven.action_channels == (*ONE_ARM.joint_names[:6], "gripper")
    codec, start = EmbodimentCodec(driven), empty_scene(ONE_ARM).commanded_D
    still = np.tile(codec.still(start), (driven.horizon, 1))
    np.testing.assert_allclose(codec.decode(still, start, 0.0).positions_TD[-1], start, atol=1e-9)
