"""What is written is read again, without ROS; what is no recording is refused in one line."""

import numpy as np
import pytest
from mcap.reader import make_reader
from mcap.writer import Writer
from rosbags.highlevel import AnyReader

from qwen_vla_core.errors import RecordingError
from qwen_vla_core.modes import Mode
from qwen_vla_data.recording import (
    End,
    Outcome,
    RecordedTopic,
    RecordingWriter,
    open_recording,
    read_streams,
    recorded_topics,
    recover,
    unfinished_in,
)
from recordings import BEGIN_S, Waving, text

SAID = RecordedTopic(name="policy/instruction", type="std_msgs/msg/String", state=True)


@pytest.fixture(scope="module")
def waving(tmp_path_factory):
    robot = Waving(embodiment="widowx_mobile", duration_s=1.0)
    return robot, robot.write(tmp_path_factory.mktemp("recordings") / "one.mcap")


def test_when_a_recording_is_read_expect_what_it_says_of_itself(waving):
    robot, path = waving
    recording = open_recording(path)
    assert recording.start == robot.start()
    assert recording.end.outcome is Outcome.SUCCESS
    assert recording.instruction == robot.instruction
    assert recording.embodiment == robot.robot
    assert recording.counts["control/command"] == 50
    assert recording.duration_s == pytest.approx(0.98, abs=0.02)
    assert not unfinished_in(path.parent)


def test_when_streams_are_read_expect_the_numbers_that_were_written(waving):
    robot, path = waving
    streams = read_streams(open_recording(path))
    times_s = np.arange(50) / 50.0
    expected_TD = np.stack([robot.positions(s) for s in times_s])
    arm_D = ~np.array(robot.robot.base_D)
    np.testing.assert_array_equal(streams.commands.values_TN[:, arm_D], expected_TD[:, arm_D])
    np.testing.assert_allclose(streams.commands.stamps_s_T, BEGIN_S + times_s, atol=1e-6)
    (measured,) = streams.joints.values()
    assert set(map(tuple, measured.values_TN)) <= set(map(tuple, expected_TD[:, arm_D]))
    np.testing.assert_allclose(streams.odometry.values_TN[:, 0], 0.1 * times_s, atol=1e-9)
    np.testing.assert_array_equal(streams.odometry.rates_TN[:, 0], 0.1)
    assert [mode for _, mode, _ in streams.modes] == [Mode.TELEOP]
    assert streams.instructions[0][1] == robot.instruction
    assert all(len(series.received_s_T) == 30 for series in streams.cameras.values())
    assert not streams.refused


def test_when_another_reader_opens_a_recording_expect_its_messages(waving):
    robot, path = waving
    with AnyReader([path]) as reader:
        topics = {connection.topic for connection in reader.connections}
        decoded = [reader.deserialize(raw, c.msgtype) for c, _, raw in reader.messages()]
    assert "control/command" in topics
    assert len(decoded) == sum(open_recording(path).counts.values())


def test_when_a_chunk_holds_jpeg_expect_it_stored_as_it_is_and_the_others_compressed(tmp_path):
    robot = Waving(duration_s=1.0)
    writer = RecordingWriter(tmp_path / "one.mcap", robot.start(), 1)
    for with_images in (True, False):
        for topic, at_s, data in robot.messages():
            if with_images or not topic.image:
                writer.add(topic, data, received_ns=round(at_s * 1e9), published_ns=1)
        writer.flush()
    path = writer.finish(End())
    with path.open("rb") as file:
        summary = make_reader(file).get_summary()
    cameras = [topic.name for topic in robot.topics if topic.image]
    images = {n for n, channel in summary.channels.items() if channel.topic in cameras}
    chunks = summary.chunk_indexes
    assert {chunk.compression for chunk in chunks} == {"", "zstd"}
    for chunk in chunks:
        assert (chunk.compression == "") == bool(images & set(chunk.message_index_offsets))


def test_when_a_message_is_broken_expect_it_counted_and_the_others_read(tmp_path):
    robot = Waving(duration_s=0.2)
    writer = RecordingWriter(tmp_path / "one.mcap", robot.start(), 1)
    for topic, at_s, data in robot.messages():
        data = data[:30] if topic.name == "control/command" and at_s > BEGIN_S + 0.1 else data
        ns = round(at_s * 1e9)
        writer.add(topic, data, received_ns=ns, published_ns=ns)
    streams = read_streams(open_recording(writer.finish(End())))
    assert streams.refused["control/command"][0] == 5
    assert len(streams.commands.values_TN) == 5


@pytest.mark.parametrize("kept", [1.0, 0.6])
def test_when_a_recording_was_not_finished_expect_what_is_there_recovered(tmp_path, kept):
    robot = Waving(duration_s=1.0)
    partial = robot.write(tmp_path / "one.mcap", finish=False)
    data = partial.read_bytes()
    partial.write_bytes(data[: int(kept * len(data))])
    with pytest.raises(RecordingError, match="not finished; recover what is there: qwen-vla"):
        open_recording(partial)
    assert unfinished_in(tmp_path) == [partial]
    recording = open_recording(recover(partial))
    assert recording.start == robot.start()
    assert recording.instruction == robot.instruction
    assert recording.end.outcome is Outcome.UNKNOWN
    count = len(read_streams(recording).commands.values_TN)
    assert count == 50 if kept == 1.0 else 0 < count < 50
    assert sorted(path.name for path in tmp_path.iterdir()) == ["one.mcap"]


def test_when_an_instruction_is_broken_expect_the_recording_recovered_all_the_same(tmp_path):
    writer = RecordingWriter(tmp_path / "one.mcap", Waving().start(), 1)
    for data in (text("pick it up"), b"\0\1"):
        writer.add(SAID, data, received_ns=1, published_ns=1)
    writer.flush(), writer.abandon()
    recording = open_recording(recover(tmp_path / "one.mcap.part"))
    assert recording.counts[SAID.name] == 2 and recording.end.instruction == "pick it up"


def test_when_a_copy_is_truncated_expect_one_line_and_a_recovery_beside_it(tmp_path):
    path = Waving(duration_s=0.5).write(tmp_path / "one.mcap")
    path.write_bytes(path.read_bytes()[:-200])
    with pytest.raises(RecordingError, match=r"one.mcap is truncated; recover what is there"):
        open_recording(path)
    recovered = recover(path)
    assert recovered.name == "one_recovered.mcap" and path.exists()
    assert open_recording(recovered).end.outcome is Outcome.SUCCESS


def test_when_nothing_can_be_read_expect_the_file_kept_under_another_name(tmp_path):
    partial = tmp_path / "one.mcap.part"
    partial.write_bytes(b"")
    with pytest.raises(RecordingError, match=r"one.mcap.part.unreadable: nothing"):
        recover(partial)
    assert [path.name for path in tmp_path.iterdir()] == ["one.mcap.part.unreadable"]


def test_when_bytes_inside_are_damaged_expect_one_line(tmp_path):
    path = Waving(duration_s=0.5).write(tmp_path / "one.mcap")
    data = bytearray(path.read_bytes())
    data[len(data) // 2 :][:64] = bytes(64)
    for at in range(len(data) // 2, len(data) // 2 + 64):
        data[at] ^= 0xFF
    path.write_bytes(data)
    with pytest.raises(RecordingError, match=r"one.mcap is damaged .*: qwen-vla record --recover"):
        read_streams(open_recording(path))


def test_when_a_bag_is_foreign_expect_one_line(tmp_path):
    path = tmp_path / "bag.mcap"
    with path.open("wb") as file:
        writer = Writer(file)
        writer.start("ros2")
        channel = writer.register_channel(
            "/x", "cdr", writer.register_schema("std_msgs/msg/Bool", "ros2msg", b"bool data")
        )
        writer.add_message(channel, 1, b"\0\1\0\0\1", 1)
        writer.finish()
    with pytest.raises(RecordingError, match=r"bag.mcap was not made by recorder_node"):
        open_recording(path)
    with pytest.raises(RecordingError, match=r"nothing of it can be read"):
        recover(path)


@pytest.mark.parametrize("content", [b"", b"x", b"no bag" * 100])
def test_when_a_file_is_no_mcap_expect_one_line(tmp_path, content):
    (tmp_path / "notes.mcap").write_bytes(content)
    with pytest.raises(RecordingError, match=r"notes.mcap is no MCAP file$"):
        open_recording(tmp_path / "notes.mcap")


def test_when_there_is_no_file_expect_one_line(tmp_path):
    with pytest.raises(RecordingError, match=r"none.mcap: no such file"):
        open_recording(tmp_path / "none.mcap")


def test_when_a_name_is_taken_expect_nothing_overwritten(waving):
    robot, path = waving
    before = path.read_bytes()
    with pytest.raises(RecordingError, match="one.mcap.*there is a file of this name"):
        RecordingWriter(path, robot.start(), 1)
    assert path.read_bytes() == before


def test_when_a_recording_is_discarded_expect_no_file(tmp_path):
    writer = RecordingWriter(tmp_path / "one.mcap", Waving().start(), 1)
    writer.discard()
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("name", ["widowx", "aloha", "mobile_base", "widowx_mobile"])
def test_when_a_robot_is_recorded_expect_all_that_its_description_names(name):
    robot = Waving(embodiment=name).robot
    topics = {topic.name for topic in recorded_topics(robot)}
    assert {camera.topic for camera in robot.cameras} <= topics
    assert {topic for device in robot.teleop.devices for topic in device.topics} <= topics
