"""ALOHA's HDF5 files become episodes: joints in order, colours right, faults in one line."""

import cv2
import h5py
import numpy as np
import pytest

from qwen_vla_core.embodiment import EmbodimentCodec
from qwen_vla_core.errors import QwenVlaError
from qwen_vla_data.aloha_hdf5 import read_aloha_hdf5
from qwen_vla_data.images import decode_image
from qwen_vla_data.plans import with_plans
from waved_episodes import codec_of, teleoperated

STEPS = 24
RED = (200, 30, 40)
CAMERAS = ("cam_high", "cam_left_wrist", "cam_right_wrist", "cam_low")
DOING = "lift the green cube"


@pytest.fixture(scope="module")
def aloha():
    return codec_of("aloha")


def write(path, codec, compressed=False, colour=RED, cameras=CAMERAS, **changes):
    """As record_episodes.py writes it; qpos and action of an episode that waves."""
    whole = teleoperated(codec, STEPS + 1)
    columns = {
        "observations/qpos": whole.states_TS[:-1],
        "observations/qvel": np.zeros((STEPS, 14)),
        "action": np.stack([codec.state(c) for c in whole.commanded_TD[1:].astype(float)]),
    }
    image = np.full((48, 64, 3), colour, np.uint8)
    for camera in cameras:
        stored = np.tile(image, (STEPS, 1, 1, 1))
        if compressed:
            jpeg = cv2.imencode(".jpg", image)[1].ravel()
            stored = np.tile(np.pad(jpeg, (0, 100)), (STEPS, 1))
        columns[f"observations/images/{camera}"] = stored
    with h5py.File(path, "w") as file:
        file.attrs["sim"], file.attrs["compress"] = False, compressed
        for key, values in (columns | changes).items():
            file[key] = values
    return whole


@pytest.mark.parametrize("compressed", [False, True])
def test_when_a_file_is_read_expect_its_joints_commands_and_colours(tmp_path, aloha, compressed):
    whole = write(tmp_path / "0.hdf5", aloha, compressed)
    episode = read_aloha_hdf5(tmp_path / "0.hdf5", aloha, DOING)
    assert (episode.instructions, episode.stride, len(episode.states_TS)) == ((DOING,), 1, STEPS)
    np.testing.assert_array_equal(episode.states_TS, whole.states_TS[:-1])
    np.testing.assert_allclose(episode.positions_TD, whole.positions_TD[:-1], atol=1e-6)
    # What is learned at step t is what was sent then: the file's action.
    plans_THC = with_plans(episode, aloha).actions_NTHC[0]
    sent_TC = np.stack([aloha.state(c) for c in whole.commanded_TD[1:].astype(float)])
    np.testing.assert_allclose(plans_THC[:-1, 0], sent_TC[:-1], atol=1e-5)
    assert set(episode.images) == set(CAMERAS[:3])
    shown = decode_image(episode.images["cam_high"][5], "")
    assert shown.shape == (96, 96, 3)
    np.testing.assert_allclose(shown[40, 40], RED, atol=3)


def test_when_the_first_colour_is_blue_expect_red_and_blue_exchanged(tmp_path, aloha):
    write(tmp_path / "0.hdf5", aloha, colour=RED[::-1])
    episode = read_aloha_hdf5(tmp_path / "0.hdf5", aloha, DOING, bgr=True)
    np.testing.assert_array_equal(decode_image(episode.images["cam_high"][0], "")[9, 9], RED)


def test_when_the_robot_acts_at_half_the_rate_expect_every_other_step(tmp_path, aloha):
    whole = write(tmp_path / "0.hdf5", aloha)
    slow = EmbodimentCodec(aloha.embodiment.model_copy(update={"action_hz": 25.0}))
    episode = read_aloha_hdf5(tmp_path / "0.hdf5", slow, DOING)
    np.testing.assert_array_equal(episode.states_TS, whole.states_TS[:-1:2])
    np.testing.assert_allclose(episode.commanded_TD[1:], whole.commanded_TD[2:-1:2], atol=1e-5)


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"cameras": ("cam_low",)}, "has no camera cam_high; it has cam_low"),
        ({"action": np.zeros((STEPS, 16))}, r"action \(24, 16\) are not both \[T, 14\]"),
        ({"observations/qpos": np.zeros((3, 14))}, r"qpos \(3, 14\) and action"),
    ],
)
def test_when_a_file_lacks_something_expect_one_line(tmp_path, aloha, changes, words):
    write(tmp_path / "0.hdf5", aloha, **changes)
    with pytest.raises(QwenVlaError, match=words):
        read_aloha_hdf5(tmp_path / "0.hdf5", aloha, DOING)


def test_when_a_file_is_truncated_or_something_else_expect_its_name(tmp_path, aloha):
    path = tmp_path / "0.hdf5"
    write(path, aloha)
    path.write_bytes(path.read_bytes()[:5000])
    with pytest.raises(QwenVlaError, match=r"0\.hdf5 is damaged, or no HDF5 file"):
        read_aloha_hdf5(path, aloha, DOING)
    with h5py.File(tmp_path / "1.hdf5", "w") as file:
        file["data"] = 1
    with pytest.raises(QwenVlaError, match="no episode of an ALOHA"):
        read_aloha_hdf5(tmp_path / "1.hdf5", aloha, DOING)


@pytest.mark.parametrize("robot", ["widowx", "mobile_base", "widowx_mobile"])
def test_when_the_robot_is_no_aloha_expect_refusal(tmp_path, robot):
    with pytest.raises(QwenVlaError, match=f"{robot} has .*two arms of six joint positions"):
        read_aloha_hdf5(tmp_path / "0.hdf5", codec_of(robot), DOING)
