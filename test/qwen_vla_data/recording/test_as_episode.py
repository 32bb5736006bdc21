"""A recording is an episode: what the policy would have observed, and what was commanded."""

import re
from dataclasses import replace

import numpy as np
import pytest
from rclpy.serialization import deserialize_message
from sensor_msgs.msg import CompressedImage, JointState

from qwen_vla_core.embodiment import EmbodimentCodec
from qwen_vla_core.embodiment.streams import joint_streams
from qwen_vla_core.errors import QwenVlaError
from qwen_vla_core.observation import COMMAND, Instant, MessageObserver, Refusal
from qwen_vla_data.episode import Episode
from qwen_vla_data.images import decode_image
from qwen_vla_data.plans import with_plans
from qwen_vla_data.recording import Outcome, open_recording
from qwen_vla_data.recording.as_episode import episode_of
from qwen_vla_data.recording.observed import observe
from qwen_vla_data.sources import find_episodes
from qwen_vla_ros.images import rgb_from_image
from recordings import BEGIN_S, EMBODIMENTS, Waving
from robots import robot

JOINTS = "wx250s/joint_states"


def load(path, embodiment) -> Episode:
    (source,) = find_episodes(path)
    return source.load(EmbodimentCodec(embodiment))


@pytest.mark.parametrize("name", ["widowx", "mobile_base", "aloha"])
def test_when_a_robot_was_recorded_expect_the_observations_that_it_had_to_the_last_bit(
    tmp_path, name
):
    """The same messages, converted by rclpy and taken at the same moments as on the robot."""
    waving = Waving(embodiment=name, duration_s=2.0)
    known = waving.robot
    steps = observe(open_recording(waving.write(tmp_path / "1.mcap")), known).steps
    live = MessageObserver(known, simulated=False, rgb=rgb_from_image)
    names = {camera.topic: camera.name for camera in known.cameras}
    names |= {stream.topic: stream.topic for stream in joint_streams(known)}
    names["control/command"] = COMMAND
    due = list(steps)
    for topic, at_s, data in waving.messages():
        if topic.name not in names:
            continue
        while due and due[0].time_s < at_s:
            _expect_same(live, due.pop(0))
        message = deserialize_message(data, CompressedImage if topic.image else JointState)
        live.take(names[topic.name], message, Instant(ros_s=at_s, steady_s=at_s))
    assert len(steps) >= 2.0 * known.action_hz - 2 and len(due) <= 1


def _expect_same(live, step):
    found = live.assemble(
        step.observation.instruction, Instant(ros_s=step.time_s, steady_s=step.time_s)
    )
    assert not isinstance(found, Refusal), found
    assert found.stamp_s == step.observation.stamp_s
    np.testing.assert_array_equal(found.positions_D, step.observation.positions_D)
    np.testing.assert_array_equal(found.commanded_D, step.observation.commanded_D)
    assert found.images.keys() == step.observation.images.keys()
    for camera, image in found.images.items():
        np.testing.assert_array_equal(image, step.observation.images[camera])


def test_when_an_arm_was_driven_expect_its_commands_labels_and_images_at_every_action_step(
    tmp_path,
):
    modes = ((0.0, "AUTONOMY: engage policy"), (1.0, "TELEOP: engage teleop"))
    waving = Waving(duration_s=2.4, modes=modes, outcome=Outcome.FAILURE)
    waving.write(tmp_path / "1.mcap")
    episode = load(tmp_path / "1.mcap", waving.robot)
    times_T = episode.stamps_T - BEGIN_S
    np.testing.assert_allclose(np.diff(times_T), waving.robot.action_step_s, atol=0.035)
    moved = [waving.positions(t) for t in times_T]
    np.testing.assert_allclose(episode.commanded_TD[1:], moved[1:], atol=0.03)  # grid, not stamps
    assert (episode.instructions, episode.success) == (("pick up the red block",), False)
    assert set(episode.modes_T[times_T < 0.9]) == {"AUTONOMY"}
    assert set(episode.modes_T[times_T > 1.1]) == {"TELEOP"}
    assert episode.interventions_T.tolist() == (episode.modes_T == "TELEOP").tolist()
    for camera in waving.robot.cameras:
        image = decode_image(episode.images[camera.name][3], camera.name)
        assert image.shape == (camera.height, camera.width, 3)


def test_when_a_base_was_driven_expect_its_way_by_odometry_in_the_plans(tmp_path):
    waving = Waving(embodiment="mobile_base", duration_s=5.0)
    waving.write(tmp_path / "1.mcap")
    codec = EmbodimentCodec(waving.robot)
    episode = with_plans(load(tmp_path, waving.robot), codec)
    assert len(episode.states_TS) == 10
    driven_m = np.diff(episode.commanded_TD[:, 0])
    np.testing.assert_allclose(driven_m, 0.1 * waving.robot.action_step_s, atol=1e-6)
    ahead = codec.decode(
        codec.normalize_actions(episode.actions_NTHC[0, 0]), np.zeros(3), 0.0
    ).positions_TD[2, 0]
    assert ahead == pytest.approx(2 * 0.1 * waving.robot.action_step_s, abs=1e-4)


def test_when_a_camera_was_silent_for_a_while_expect_the_longer_part(tmp_path):
    waving = Waving(duration_s=4.0)
    topic = waving.robot.cameras[0].topic
    replace(waving, skip={topic: (1.0, 2.0)}).write(tmp_path / "1.mcap")
    times_T = load(tmp_path, waving.robot).stamps_T - BEGIN_S
    assert times_T[0] >= 1.9 and np.diff(times_T).max() < 2 * waving.robot.action_step_s


def test_when_joint_states_came_late_for_a_moment_expect_the_whole_with_that_step_marked(tmp_path):
    """As on a busy computer: the arm goes on, and the way that it took is known."""
    waving = Waving(duration_s=4.0)
    replace(waving, skip={JOINTS: (1.02, 1.38)}).write(tmp_path / "1.mcap")
    episode = load(tmp_path, waving.robot)
    assert len(episode.states_TS) >= 4.0 * waving.robot.action_hz - 2
    (unseen,) = np.flatnonzero(~episode.observed_T)
    assert episode.stamps_T[unseen] == episode.stamps_T[unseen - 1]
    assert episode.left_out is None
    moved_D = waving.positions((unseen + 0.5) * waving.robot.action_step_s)
    np.testing.assert_allclose(episode.commanded_TD[unseen], moved_D, atol=0.1)


@pytest.mark.parametrize(
    ("skip", "says"),
    [
        ((1.0, 2.4), r"2\.\d s of the 4\.0 s .* are left out: .* old, .*, from [12]\.\d s of"),
        ((0.0, 1.4), r"1\.\d s of the 4\.0 s .* are left out: .*received.*, from 0\.0 s of"),
        ((2.4, 4.0), r"1\.\d s of the 4\.0 s .* are left out: .* old, .*, from 2\.\d s of"),
    ],
)
def test_when_a_part_that_was_driven_is_left_out_expect_how_much_of_it_and_which_stream(
    tmp_path, skip, says
):
    waving = Waving(duration_s=4.0)
    replace(waving, skip={JOINTS: skip}).write(tmp_path / "1.mcap")
    left_out = load(tmp_path, waving.robot).left_out
    assert re.search(says, left_out) and JOINTS in left_out


def test_when_what_is_left_out_was_not_driven_expect_no_word_of_it(tmp_path):
    waving = Waving(duration_s=4.0, modes=((0.0, "HOLD: start"), (2.0, "TELEOP: engage teleop")))
    replace(waving, skip={JOINTS: (0.5, 1.7)}).write(tmp_path / "1.mcap")
    assert load(tmp_path, waving.robot).left_out is None


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        ({"skip": {"wrist/image_raw": (0.0, 9.0)}}, "no image of camera wrist on /?wrist/image_"),
        ({"skip": {"control/command": (0.0, 9.0)}}, "widowx cannot be observed: command"),
        ({"skip": {JOINTS: (0.0, 9.0)}}, f"widowx cannot be observed: {JOINTS}"),
        ({"embodiment": "aloha"}, "recorded on aloha, not on widowx"),
    ],
)
def test_when_it_is_no_episode_of_the_robot_expect_one_line_that_says_why(
    tmp_path, change, expected
):
    waving = replace(Waving(duration_s=1.0), **change)
    topics = {topic.name for topic in waving.topics}
    waving.skip = {name if name in topics else f"/{name}": t for name, t in waving.skip.items()}
    waving.write(tmp_path / "1.mcap")
    with pytest.raises(QwenVlaError, match=expected) as caught:
        load(tmp_path, Waving().robot)
    assert "1.mcap" in str(caught.value) and "\n" not in str(caught.value)


def test_when_joints_have_other_names_today_expect_both_lists(tmp_path):
    recording = open_recording(Waving(duration_s=1.0).write(tmp_path / "1.mcap"))
    text = (EMBODIMENTS / "widowx.yaml").read_text().replace("waist", "hip")
    codec = EmbodimentCodec(robot(text))
    with pytest.raises(QwenVlaError, match="joints waist, .* has hip, .*; use the embodiment"):
        episode_of(recording, codec)


def test_when_a_recording_was_cut_off_expect_how_to_recover_it(tmp_path):
    path = Waving(duration_s=1.0).write(tmp_path / "1.mcap")
    path.write_bytes(path.read_bytes()[:-2000])
    with pytest.raises(QwenVlaError, match="1.mcap is truncated; recover what is there: qwen-vla"):
        load(tmp_path, Waving().robot)
