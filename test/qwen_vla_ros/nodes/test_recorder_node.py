"""recorder_node over DDS: what it hears becomes files, whatever happens to it meanwhile."""

import os
import subprocess
import sys
import threading
import time
from array import array
from contextlib import suppress

import numpy as np
import pytest
import rclpy
from diagnostic_msgs.msg import DiagnosticArray, DiagnosticStatus
from rclpy.executors import SingleThreadedExecutor
from rclpy.lifecycle import TransitionCallbackReturn
from rclpy.parameter import Parameter
from rclpy.qos import QoSProfile, ReliabilityPolicy
from sensor_msgs.msg import Image, JointState
from std_msgs.msg import String
from std_srvs.srv import Trigger

from child_processes import wait_for
from qwen_vla_core.errors import RecordingError
from qwen_vla_data.recording import Outcome, open_recording, read_streams, unfinished_in, writer
from qwen_vla_data.recording.folder_lock import FolderLock
from qwen_vla_ros.nodes import recorder_node
from qwen_vla_ros.nodes.recorder_node import RecorderNode
from qwen_vla_ros.qos import LATCHED
from qwen_vla_ros.raw_topics import DEPTH

JOINTS = ("waist", "shoulder", "elbow", "forearm_roll", "wrist_angle", "wrist_rotate")
JOINTS += ("left_finger",)
STATES, SHOULDER = "wx250s/joint_states", "blue/image_raw"
WAIT_S = 20.0
ANSWER_S = 0.2
"""A person who ended an episode wants to know it before the hand is off the button."""
RAMP = np.tile(np.arange(64, dtype=np.uint8), (48, 1))
RGB = np.stack([RAMP * 3, RAMP, 255 - RAMP], axis=-1)


def arguments(folder, **parameters):
    parameters = {"embodiment": "widowx", "folder": folder, **parameters}
    return ["--ros-args", *(word for k, v in parameters.items() for word in ("-p", f"{k}:={v}"))]


class Rig:
    """A recorder and a robot's drivers in one thread: time passes only in ``wait``."""

    def __init__(self, domain, folder, **parameters):
        self.folder = folder
        rclpy.init(args=arguments(folder, **parameters), domain_id=domain)
        self.recorder = RecorderNode()
        assert self.recorder.trigger_configure() == TransitionCallbackReturn.SUCCESS
        self.recorder.trigger_activate()
        self.drivers = rclpy.create_node("drivers")
        self.executor = SingleThreadedExecutor()
        self.executor.add_node(self.recorder)
        self.executor.add_node(self.drivers)
        best_effort = QoSProfile(depth=10, reliability=ReliabilityPolicy.BEST_EFFORT)
        self.states = self.drivers.create_publisher(JointState, STATES, best_effort)
        self.images = self.drivers.create_publisher(Image, SHOULDER, 10)
        self.mode = self.drivers.create_publisher(String, "control/mode", LATCHED)
        self.level, self.message, self.values = None, "", {}
        self.drivers.create_subscription(DiagnosticArray, "/diagnostics", self._on_status, 10)
        self.wait(lambda: self.recorder.count_publishers(SHOULDER), "discovery")
        self.wait(self.states.get_subscription_count, "discovery")

    def _on_status(self, message):
        self.level, self.message = message.status[0].level, message.status[0].message
        self.values = {pair.key: pair.value for pair in message.status[0].values}

    def wait(self, condition, what):
        end_s = time.monotonic() + WAIT_S
        while not condition():
            assert time.monotonic() < end_s, f"{what} did not happen; {self.message}"
            self.executor.spin_once(timeout_sec=0.02)

    def ask(self, name):
        client = self.drivers.create_client(Trigger, f"record/{name}")
        self.wait(client.service_is_ready, name)
        future = client.call_async(Trigger.Request())
        self.wait(future.done, name)
        return future.result()

    def say_joints(self, waist):
        message = JointState(name=list(JOINTS), position=[waist, *[0.02] * 6])
        message.header.stamp = self.drivers.get_clock().now().to_msg()
        self.states.publish(message)

    def show(self):
        message = Image(
            width=64, height=48, step=192, encoding="rgb8", data=array("B", RGB.tobytes())
        )
        message.header.stamp = self.drivers.get_clock().now().to_msg()
        self.images.publish(message)

    def record(self, count=5):
        """A short recording; the positions of the waist that were published."""
        assert self.ask("start").success
        sent = [0.01 * k for k in range(count)]
        for waist in sent:
            self.show()
            self.say_joints(waist)
            self.executor.spin_once(timeout_sec=0.02)
        return sent

    def recording(self, answer):
        path = self.folder / answer.message.partition(":")[0].rpartition("/")[2]
        self.wait(path.exists, f"{path}")
        return open_recording(path)

    def close(self):
        self.recorder.trigger_shutdown()
        self.executor.shutdown()
        self.recorder.destroy_node()
        self.drivers.destroy_node()  # or the next recorder here would see two publishers
        rclpy.try_shutdown()


@pytest.fixture
def start(ros_domain, tmp_path):
    rigs = []

    def make(**parameters):
        rigs.append(Rig(ros_domain, tmp_path / "recordings", **parameters))
        return rigs[-1]

    yield make
    for rig in rigs:
        rig.close()


def test_when_a_person_records_expect_all_topics_raw_images_as_jpeg_and_the_outcome(start):
    rig = start(instruction="'fetch'", checkpoint="ws://x:1")
    rig.mode.publish(String(data="HOLD: started"))
    sent = rig.record()
    answer = rig.ask("success")
    assert answer.success and "outcome success" in answer.message
    recording = rig.recording(answer)
    assert recording.end.outcome is Outcome.SUCCESS and not recording.end.dropped
    assert recording.instruction == "fetch" and recording.start.checkpoint == "ws://x:1"
    streams = read_streams(recording)
    assert streams.joints[STATES].values_TN[:, 0].tolist() == sent
    assert [mode.value for _, mode, _ in streams.modes] == ["HOLD"]
    assert recording.counts[SHOULDER] == len(sent)
    assert recording.types[SHOULDER] == "sensor_msgs/msg/CompressedImage"
    received_s = streams.joints[STATES].received_s_T
    assert np.abs(received_s - streams.joints[STATES].stamps_s_T).max() < WAIT_S
    rig.wait(
        lambda: np.isfinite(float(rig.values.get(f"age_{STATES}_s", np.inf))),
        "the age of a stream",
    )
    assert float(rig.values["age_wrist/image_raw_s"]) == np.inf  # nobody publishes it


def test_when_raw_images_are_wanted_expect_their_pixels(start):
    rig = start(raw_images=True)
    rig.record(2)
    recording = rig.recording(rig.ask("failure"))
    assert recording.types[SHOULDER] == "sensor_msgs/msg/Image"
    pixels = [bytes(m.decode().data) for m in recording.messages([SHOULDER])]
    assert pixels == [RGB.tobytes()] * 2


def test_when_messages_come_faster_than_they_are_fetched_expect_the_lost_ones_counted(start):
    rig = start()
    rig.record(1)
    rig.wait(lambda: rig.recorder._writer.size_bytes, "the first is fetched")
    rig.wait(lambda: rig.states.get_subscription_count() > 0, "joint states are subscribed")
    for k in range(DEPTH + 40):  # nobody fetches meanwhile: the oldest are overwritten
        rig.say_joints(0.001 * k)
    rig.wait(lambda: "messages dropped: 40 of wx250s/joint_states" in rig.message, "it is said")
    assert rig.level == DiagnosticStatus.WARN
    recording = rig.recording(rig.ask("stop"))
    assert recording.end.dropped == {STATES: 40}
    assert recording.counts[STATES] == 1 + DEPTH


def test_when_a_camera_is_missing_expect_the_recording_to_say_so(start):
    rig = start()
    answer = rig.ask("start")
    assert answer.success and "nobody publishes wrist/image_raw" in answer.message
    rig.wait(lambda: "nobody publishes wrist/image_raw" in rig.message, "the diagnostics say it")
    rig.ask("discard")
    rig.wait(lambda: not list(rig.folder.glob("*.mcap*")), "it is gone")


def test_when_the_disk_gets_full_expect_an_error_and_a_whole_file(start):
    rig = start()
    rig.record(3)
    limit = Parameter("min_free_gb", Parameter.Type.DOUBLE, 1e6)
    assert rig.recorder.set_parameters([limit])[0].successful
    rig.wait(lambda: rig.level == DiagnosticStatus.ERROR, "the error")
    assert "GB of disk are free, limit 1000000.0 GB" in rig.message
    rig.wait(lambda: list(rig.folder.glob("*.mcap")), "it is finished")
    (path,) = rig.folder.glob("*.mcap")
    assert "GB of disk are free" in open_recording(path).end.reason
    answer = rig.ask("start")
    assert not answer.success and "limit 1000000.0 GB" in answer.message


def test_when_the_disk_stalls_expect_every_request_answered_within_its_bound(start, monkeypatch):
    works = threading.Event()

    def stall(path):
        """A disk that does not finish what it was given."""
        assert works.wait(WAIT_S)

    monkeypatch.setattr(writer, "synchronize", stall)
    rig, took_s, recorded = start(), [], []
    try:
        for request in ("start", "success", "start", "failure", "start", "discard"):
            rig.show()
            asked_s = time.monotonic()
            answer = rig.ask(request)
            took_s.append(time.monotonic() - asked_s)
            assert answer.success
            if request in ("success", "failure"):
                recorded.append(answer)
        assert not list(rig.folder.glob("*.mcap"))  # none is finished
        # The middle one: this process may have to wait for a core, but not each time.
        assert np.median(took_s) < ANSWER_S
    finally:
        works.set()
    outcomes = [rig.recording(answer).end.outcome for answer in recorded]
    assert outcomes == [Outcome.SUCCESS, Outcome.FAILURE]


def test_when_the_folder_goes_away_expect_an_error_and_the_recorder_to_go_on(start):
    rig = start()
    rig.ask("start")
    rig.wait(lambda: any(rig.folder.glob("*.part")), "the file")  # before, it would be made anew
    rig.folder.rename(rig.folder.with_name("unplugged"))
    rig.wait(lambda: rig.level == DiagnosticStatus.ERROR, "the error")
    rig.folder.with_name("unplugged").rename(rig.folder)
    assert rig.ask("start").success
    rig.ask("discard")


def test_when_episodes_follow_the_mode_expect_a_file_for_each(start):
    rig = start(follow_mode=True)
    rig.mode.publish(String(data="AUTONOMY: engage policy"))
    rig.wait(lambda: rig.recorder._session.phase.name == "RECORDING", "it records")
    rig.say_joints(0.1)
    rig.mode.publish(String(data="HOLD: hold"))
    rig.wait(lambda: rig.recorder._session.phase.name == "JUDGING", "it has ended")
    recording = rig.recording(rig.ask("failure"))
    assert recording.end.outcome is Outcome.FAILURE and recording.end.reason == "mode HOLD: hold"


@pytest.mark.alone
def test_when_a_recorder_is_killed_expect_the_next_one_to_recover_all_but_the_last_second(
    start, tmp_path, ros_domain
):
    folder = tmp_path / "recordings"
    command = [sys.executable, "-m", "qwen_vla_ros.nodes.recorder_node", *arguments(folder)]
    process = subprocess.Popen(command, env=os.environ | {"ROS_DOMAIN_ID": str(ros_domain)})
    rclpy.init(domain_id=ros_domain)
    try:
        node = rclpy.create_node("drivers")
        states = node.create_publisher(JointState, STATES, 10)
        client = node.create_client(Trigger, "record/start")
        wait_for(lambda: client.service_is_ready() and states.get_subscription_count(), WAIT_S)
        future = client.call_async(Trigger.Request())
        wait_for(lambda: rclpy.spin_once(node, timeout_sec=0.02) or future.done(), WAIT_S)
        sent = []

        def publish():
            sent.append(time.time())
            states.publish(JointState(name=list(JOINTS), position=[0.001 * len(sent)] * 7))

        node.create_timer(0.01, publish)
        rclpy.spin_until_future_complete(node, rclpy.Future(), timeout_sec=2.5)
        process.kill()
        killed_s = time.time()
    finally:
        process.kill()
        process.wait()
        rclpy.try_shutdown()
    (partial,) = unfinished_in(folder)
    rig = start()
    assert not unfinished_in(folder) and rig.recorder.active
    (path,) = folder.glob("*.mcap")
    assert path.name == partial.name.removesuffix(".part")
    recording = open_recording(path)
    assert "recovered" in recording.end.reason
    series = read_streams(recording).joints[STATES]
    numbers = np.round(series.values_TN[:, 0] / 0.001).astype(int)
    assert (np.diff(numbers) == 1).all(), "none in between is lost"
    assert killed_s - series.received_s_T[-1] < 1.0


def test_when_another_recorder_has_the_folder_expect_one_line_and_it_undisturbed(start, tmp_path):
    rig = start()
    with pytest.raises(RecordingError, match="another recorder writes to .*recordings: end it"):
        FolderLock(rig.folder)
    second = RecorderNode()
    assert second.trigger_configure() == TransitionCallbackReturn.FAILURE
    second.destroy_node()
    rig.record(2)
    assert rig.recording(rig.ask("success")).counts[STATES] == 2


def test_when_configuring_fails_half_way_expect_the_folder_free_for_another(
    ros_domain, tmp_path, monkeypatch
):
    monkeypatch.setitem(sys.modules, "nav_msgs.msg", None)  # as where it is not installed
    folder = tmp_path / "recordings"
    rclpy.init(args=arguments(folder, embodiment="widowx_mobile"), domain_id=ros_domain)
    try:
        node = RecorderNode()
        assert node.trigger_configure() != TransitionCallbackReturn.SUCCESS
        assert not list(node.subscriptions)
        FolderLock(folder).release()
        node.destroy_node()
    finally:
        rclpy.try_shutdown()


def test_when_a_slow_disk_still_writes_after_the_end_expect_the_folder_taken_until_it_is_done(
    start, monkeypatch
):
    works = threading.Event()
    monkeypatch.setattr(recorder_node, "CLOSE_S", 0.05)
    monkeypatch.setattr(writer, "synchronize", lambda path: works.wait(WAIT_S))
    rig = start()
    try:
        rig.record(2)
        rig.ask("success")
        rig.recorder.trigger_deactivate(), rig.recorder.trigger_cleanup()
        with pytest.raises(RecordingError, match="another recorder writes to"):
            FolderLock(rig.folder)
    finally:
        works.set()

    def is_free():
        with suppress(RecordingError):
            FolderLock(rig.folder).release()
            return True

    wait_for(is_free, WAIT_S)
    assert [path.suffix for path in rig.folder.glob("*.mcap*")] == [".mcap"]


def test_when_the_folder_cannot_be_written_expect_one_line(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(RecordingError, match="file/recordings cannot be written: Not a directory"):
        FolderLock(tmp_path / "file" / "recordings")
