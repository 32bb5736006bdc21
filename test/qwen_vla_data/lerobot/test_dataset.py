"""A LeRobot folder holds an episode's numbers exactly, and what is wrong with one is one line."""

import json
import shutil
from dataclasses import replace

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from qwen_vla_core.embodiment import EmbodimentCodec
from qwen_vla_core.errors import QwenVlaError
from qwen_vla_data.images import decode_image
from qwen_vla_data.lerobot.layout import INFO
from qwen_vla_data.lerobot.reader import LeRobotFolder
from qwen_vla_data.lerobot.staging import find_staged, stage
from qwen_vla_data.lerobot.validator import problems_of
from qwen_vla_data.lerobot.writer import assemble
from waved_episodes import ROBOTS, codec_of, dots, planned, png, teleoperated

NUMBERS = ("states_TS", "commanded_TD", "positions_TD")
STEPS = 10
LABELS = ("stamps_T", "modes_T", "interventions_T", "observed_T")


def write(folder, codec, *episodes, exact=False):
    """The dataset of some episodes; what was left out."""
    staged = [stage(e, codec, folder, str(n), exact=exact) for n, e in enumerate(episodes)]
    return assemble(folder, staged, codec.embodiment.name)


def changed_info(folder, change):
    path = folder / INFO
    info = json.loads(path.read_text())
    change(info)
    path.write_text(json.dumps(info))


def without_columns(folder, *keys):
    """As a dataset of somebody else: without columns that only we write."""
    changed_info(folder, lambda info: [info["features"].pop(key) for key in keys])
    for path in folder.glob("data/*/*.parquet"):
        pq.write_table(pq.read_table(path).drop_columns(list(keys)), path)


@pytest.fixture(scope="module")
def widowx():
    return codec_of("widowx")


@pytest.fixture(scope="module")
def written(tmp_path_factory, widowx):
    folder = tmp_path_factory.mktemp("written")
    write(folder, widowx, teleoperated(widowx, STEPS))
    return folder


@pytest.fixture
def folder(written, tmp_path):
    """A dataset of one episode of a WidowX, to be harmed."""
    return shutil.copytree(written, tmp_path / "dataset")


@pytest.mark.parametrize("robot", ROBOTS)
def test_when_a_person_drove_expect_the_same_numbers_and_labels_back(tmp_path, robot):
    codec = codec_of(robot)
    unobserved = {"observed_T": np.arange(7) != 3}
    other = teleoperated(codec, 7, seed=1, success=None, **unobserved)
    episodes = teleoperated(codec, STEPS), other
    assert write(tmp_path, codec, *episodes) == []
    assert problems_of(tmp_path) == []
    dataset = LeRobotFolder(tmp_path)
    assert (len(dataset), dataset.robot_type) == (2, robot)
    for number, episode in enumerate(episodes):
        found = dataset.load(number, codec, views=False)
        assert (found.instructions, found.success) == (episode.instructions, episode.success)
        for name in NUMBERS + LABELS:
            np.testing.assert_array_equal(getattr(found, name), getattr(episode, name))
        for camera, frames in episode.images.items():
            for then, now in zip(frames, found.images[camera], strict=True):
                then, now = (decode_image(p, camera).astype(int) for p in (then, now))
                assert np.abs(then - now).mean() < 6.0  # the colours, not their edges


def test_when_images_are_to_be_exact_expect_the_same_bytes(tmp_path, widowx):
    episode = teleoperated(widowx, STEPS)
    write(tmp_path, widowx, episode, exact=True)
    assert problems_of(tmp_path) == []
    assert LeRobotFolder(tmp_path).load(0, widowx).images == episode.images


def test_when_an_expert_planned_expect_its_plans_back(tmp_path):
    codec = codec_of("aloha")
    episode = planned(codec, 5)
    write(tmp_path, codec, episode)
    assert problems_of(tmp_path) == []
    found = LeRobotFolder(tmp_path).load(0, codec)
    assert (found.stride, found.instructions) == (5, episode.instructions[:1])
    np.testing.assert_array_equal(found.actions_NTHC, episode.actions_NTHC[:1])
    np.testing.assert_array_equal(found.valid_NTH, episode.valid_NTH[:1])


def test_when_the_model_sees_small_views_expect_them_at_that_size(written, widowx):
    found = LeRobotFolder(written).load(0, widowx)
    assert {decode_image(p, "").shape for p in found.images["wrist"]} == {(96, 96, 3)}


@pytest.mark.parametrize("robot", ROBOTS)
def test_when_another_program_wrote_it_expect_commands_from_the_actions(tmp_path, robot):
    codec = codec_of(robot)
    episode = teleoperated(codec)
    write(tmp_path, codec, episode)
    without_columns(tmp_path, "commanded", "positions", "stamp", "mode", "intervention", "success")
    found = LeRobotFolder(tmp_path).load(0, codec)
    base_D = np.array(codec.embodiment.base_D)
    moved_TD = found.commanded_TD - found.commanded_TD[0]
    wanted_TD = episode.commanded_TD - episode.commanded_TD[0]
    np.testing.assert_allclose(moved_TD[:, ~base_D], wanted_TD[:, ~base_D], atol=5e-3)
    if base_D.any():  # where it stood at first is not known; it is counted from there
        x, y, yaw = wanted_TD[-1, base_D]
        cos, sin = np.cos(0.3), np.sin(0.3)
        seen = [cos * x + sin * y, cos * y - sin * x, yaw]
        np.testing.assert_allclose(moved_TD[-1, base_D], seen, atol=1e-4)
    np.testing.assert_array_equal(found.states_TS, episode.states_TS)
    assert found.success is found.stamps_T is found.modes_T is None


def test_when_states_are_joint_positions_expect_the_states_of_the_robot(folder, widowx):
    episode = teleoperated(widowx, STEPS)
    (path,) = folder.glob("data/*/*.parquet")
    table = pq.read_table(path)
    joints = table["positions"].cast(pa.list_(pa.float32(), 7))
    place = table.column_names.index("observation.state")
    pq.write_table(table.set_column(place, "observation.state", joints), path)

    def rename(info):
        names = [f"{joint}.pos" for joint in widowx.embodiment.joint_names]
        info["features"]["observation.state"]["names"] = {"motors": names}

    changed_info(folder, rename)
    without_columns(folder, "positions")
    found = LeRobotFolder(folder).load(0, widowx)
    np.testing.assert_allclose(found.states_TS, episode.states_TS, atol=1e-5)
    np.testing.assert_allclose(found.positions_TD, episode.positions_TD, atol=1e-6)


def test_when_frames_come_faster_than_actions_expect_those_between_left_out(tmp_path, widowx):
    fast = EmbodimentCodec(widowx.embodiment.model_copy(update={"action_hz": 10.0}))
    write(tmp_path, fast, teleoperated(fast, 2 * STEPS + 1))
    found = LeRobotFolder(tmp_path).load(0, widowx)
    whole = LeRobotFolder(tmp_path).load(0, fast)
    np.testing.assert_array_equal(found.commanded_TD, whole.commanded_TD[::2])
    assert found.images["wrist"] == whole.images["wrist"][::2]


def test_when_one_episode_lacks_a_column_expect_it_left_out_and_named(tmp_path, widowx):
    episodes = (
        teleoperated(widowx, STEPS),
        teleoperated(widowx, STEPS, stamps_T=None, modes_T=None),
    )
    assert write(tmp_path, widowx, *episodes) == ["mode", "stamp"]
    assert problems_of(tmp_path) == []
    assert LeRobotFolder(tmp_path).load(0, widowx).stamps_T is None


def test_when_an_export_was_interrupted_expect_what_is_whole_found_again(tmp_path, widowx):
    staged = stage(teleoperated(widowx, STEPS), widowx, tmp_path, "a", exact=False)
    assert find_staged(tmp_path, "a") == staged
    path = staged.table_path(tmp_path)
    path.write_bytes(path.read_bytes()[:-100])
    assert find_staged(tmp_path, "a") is None is find_staged(tmp_path, "b")


def test_when_episodes_have_other_rates_expect_both_named(tmp_path):
    aloha = codec_of("aloha")
    one, other = teleoperated(aloha, STEPS), planned(aloha, 3)
    with pytest.raises(QwenVlaError, match="episode 1 has 10 frames a second, episode 0 50"):
        write(tmp_path, aloha, one, other)


# --- refused, in one line that names it


def truncate(pattern):
    def harm(folder):
        for path in folder.glob(pattern):
            path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])

    return harm


def set_info(**changes):
    return lambda folder: changed_info(folder, lambda info: info.update(changes))


def rename_joint(folder):
    def rename(info):
        info["features"]["observation.state"]["names"][0] = "shoulder_lift"

    changed_info(folder, rename)


def nameless(folder):
    def rename(info):
        info["features"]["observation.state"]["names"] = None

    changed_info(folder, rename)


HARMS = {
    "v2": (set_info(codebase_version="v2.1"), "is a LeRobot dataset v2.1; convert it with"),
    "newer": (set_info(codebase_version="v4.0"), "version v4.0; this program reads v3.0"),
    "no json": (truncate("meta/info.json"), "info.json: not a readable description"),
    "data": (truncate("data/*/*.parquet"), "data/chunk-000/file-000.parquet cannot be read"),
    "video": (truncate("videos/*wrist/*/*.mp4"), "wrist/chunk-000/file-000.mp4 "),
    "episodes": (truncate("meta/episodes/*/*.parquet"), "meta/episodes cannot be read"),
    "fps": (set_info(fps=7), "7 frames a second, and widowx acts at 5 Hz"),
    "joint": (
        rename_joint,
        "observation.state lacks arm_x of widowx; it has shoulder_lift, arm_y",
    ),
    "names": (nameless, "observation.state has no names, and joints are matched by name"),
    "count": (set_info(total_episodes=3), "info.json counts 3 episodes, meta/episodes 1"),
}


@pytest.mark.parametrize("what", HARMS)
def test_when_a_folder_cannot_be_read_expect_one_line_that_says_why(folder, widowx, what):
    harm, words = HARMS[what]
    without_columns(folder, "positions")
    harm(folder)
    with pytest.raises(QwenVlaError) as refusal:
        LeRobotFolder(folder).load(0, widowx)
    assert words in str(refusal.value) and "\n" not in str(refusal.value)


def test_when_it_is_another_robots_expect_what_is_missing_named(folder):
    aloha = codec_of("aloha").embodiment
    slow = EmbodimentCodec(aloha.model_copy(update={"action_hz": 5.0}))
    with pytest.raises(QwenVlaError, match="observation.state lacks left_waist, left_shoulder"):
        LeRobotFolder(folder).load(0, slow)


def test_when_a_camera_is_missing_expect_those_that_there_are(tmp_path, widowx):
    write(tmp_path, widowx, teleoperated(widowx, STEPS))
    changed_info(tmp_path, lambda info: info["features"].pop("observation.images.wrist") and None)
    with pytest.raises(QwenVlaError, match="no camera wrist of widowx; it has over_shoulder"):
        LeRobotFolder(tmp_path).load(0, widowx)


def test_when_a_folder_holds_something_else_expect_that_said(tmp_path):
    with pytest.raises(QwenVlaError, match="is no LeRobot dataset: it has no meta/info.json"):
        LeRobotFolder(tmp_path)


def replaced(frames, place, data):
    return (*frames[:place], data, *frames[place + 1 :])


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (lambda e: {"images": {"wrist": e.images["wrist"]}}, "no images of camera over_shoulder"),
        (
            lambda e: {"images": {**e.images, "wrist": replaced(e.images["wrist"], 3, b"no")}},
            "image 3 of camera wrist is damaged",
        ),
        (
            lambda e: {"states_TS": np.where(np.arange(7) == 2, np.nan, e.states_TS)},
            "observation.state arm_z at step 0 is NaN",
        ),
        (lambda e: {"embodiment": "aloha"}, "recorded on aloha with 7 joints"),
    ],
)
def test_when_an_episode_cannot_be_exported_expect_one_line(tmp_path, widowx, change, words):
    episode = teleoperated(widowx, STEPS)
    with pytest.raises(QwenVlaError, match=words):
        write(tmp_path, widowx, replace(episode, **change(episode)))


def test_when_images_differ_in_size_between_episodes_expect_both_named(tmp_path, widowx):
    one = teleoperated(widowx, STEPS)
    larger = {"wrist": tuple(png(p) for p in dots(STEPS, size=(64, 64)))}
    other = replace(one, images={**one.images, **larger})
    with pytest.raises(QwenVlaError, match=r"images.wrist of episode 1 \(video \[64, 64, 3\]"):
        write(tmp_path, widowx, one, other)


# --- the validator


def column(key, change):
    def harm(folder):
        (path,) = folder.glob("data/*/*.parquet")
        table = pq.read_table(path)
        values = change(table[key].to_numpy().copy())
        place = table.column_names.index(key)
        pq.write_table(table.set_column(place, key, pa.array(values, table[key].type)), path)

    return harm


def drop(*keys):
    def harm(folder):
        (path,) = folder.glob("data/*/*.parquet")
        pq.write_table(pq.read_table(path).drop_columns(list(keys)), path)

    return harm


def plain_tasks(folder):
    path = folder / "meta/tasks.parquet"
    pq.write_table(pq.read_table(path).replace_schema_metadata({}), path)


def no_quantile(folder):
    path = folder / "meta/stats.json"
    statistics = json.loads(path.read_text())
    del statistics["action"]["q01"]
    path.write_text(json.dumps(statistics))


def remove(pattern):
    return lambda folder: [path.unlink() for path in folder.glob(pattern)]


FAULTS = {
    "timestamps": (column("timestamp", lambda t: t * 1.001), "s from frame_index / fps"),
    "index": (column("index", lambda i: i + 1), "index does not go on from 0"),
    "frames": (column("frame_index", lambda i: i[::-1]), "do not count from 0 on"),
    "task": (column("task_index", lambda i: i + 5), "a task_index is not in meta/tasks.parquet"),
    "missing": (drop("action"), "column action is missing"),
    "tasks": (plain_tasks, "the text is not the index 'task'"),
    "statistics": (no_quantile, "action lacks q01"),
    "no video": (remove("videos/*wrist/*/*.mp4"), "file-000.mp4 is missing"),
    "video": (truncate("videos/*wrist/*/*.mp4"), "file-000.mp4 "),
    "fps": (set_info(fps=10), "file-000.mp4 has 5 frames a second"),
    "frames in all": (set_info(total_frames=99), "meta/info.json counts 99"),
    "v2": (set_info(codebase_version="v2.0"), "is a LeRobot dataset v2.0"),
}


@pytest.mark.parametrize("what", FAULTS)
def test_when_a_dataset_has_a_fault_expect_the_validator_to_name_it(folder, what):
    harm, words = FAULTS[what]
    harm(folder)
    assert any(words in problem for problem in problems_of(folder)), problems_of(folder)
