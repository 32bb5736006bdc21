"""When a recording begins and ends, whoever asks; files are real, time is an argument."""

import itertools
import shutil
import threading
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import pytest

from child_processes import wait_for
from full_disk import full_disk
from qwen_vla_data.recording import (
    Outcome,
    RecordedTopic,
    open_recording,
    read_streams,
    recover,
    unfinished_in,
)
from qwen_vla_data.recording.background import QUEUE_BYTES, BackgroundWriter, Sample
from qwen_vla_data.recording.session import JUDGE_S, Phase, Request, Session
from recordings import BEGIN_S, Waving, text

BEGIN_NS = round(BEGIN_S * 1e9)
MODE = RecordedTopic(name="control/mode", type="std_msgs/msg/String", state=True)
SAID = RecordedTopic(name="policy/instruction", type="std_msgs/msg/String", state=True)
BLOCK = RecordedTopic(name="block", type="std_msgs/msg/String")


class Rig:
    """A session with a writer, and a clock that moves when something is said."""

    def __init__(self, folder, **options):
        numbers = itertools.count()
        self.folder = folder
        self.writer = BackgroundWriter(preroll_s=options.pop("preroll_s", 0.0))
        self.session = Session(
            self.writer,
            Waving().start(),
            new_path=lambda: folder / f"{next(numbers)}.mcap",
            **options,
        )
        self.now_ns = BEGIN_NS
        self.tick()

    def at(self, seconds):
        self.now_ns = BEGIN_NS + round(seconds * 1e9)
        return self

    def say(self, topic, words):
        self.session.take(
            Sample(
                topic=topic,
                wire_name=topic.name,
                data=text(words),
                received_ns=self.now_ns,
                published_ns=self.now_ns,
            )
        )
        return self

    def ask(self, request):
        return self.session.request(request, self.now_ns)

    def tick(self, free_gb=100.0, limit_gb=1.0):
        self.session.min_free_bytes = limit_gb * 1e9
        self.session.tick(self.now_ns, free_gb * 1e9)

    def recorded(self, name="0.mcap"):
        assert self.writer.drain(10.0)
        return open_recording(self.folder / name)


@pytest.fixture
def rig(tmp_path):
    rigs = []

    def make(**options):
        rigs.append(Rig(tmp_path, **options))
        return rigs[-1]

    yield make
    for made in rigs:
        made.writer.close(10.0)


@pytest.mark.parametrize(
    ("request_", "outcome"),
    [
        (Request.SUCCESS, Outcome.SUCCESS),
        (Request.FAILURE, Outcome.FAILURE),
        (Request.STOP, Outcome.UNKNOWN),
    ],
)
def test_when_a_person_ends_a_recording_expect_the_outcome_and_what_was_said(
    rig, request_, outcome
):
    made = rig()
    made.say(SAID, "pick up the blue block").say(MODE, "HOLD: started")
    assert made.at(1.0).ask(Request.START).granted
    made.at(1.5).say(MODE, "TELEOP: engage teleop")
    answer = made.at(3.0).ask(request_)
    assert answer.granted and "2.0 s" in answer.message and outcome.value in answer.message
    recording = made.recorded()
    assert recording.end.outcome is outcome
    assert recording.end.reason == f"record/{request_.value}"
    assert recording.start.instruction == "pick up the blue block"
    streams = read_streams(recording)
    assert [(s - BEGIN_S, mode.value) for s, mode, _ in streams.modes] == [
        (pytest.approx(1.0), "HOLD"),
        (pytest.approx(1.5), "TELEOP"),
    ]


def test_when_a_recording_is_discarded_expect_no_file_and_another_can_begin(rig, tmp_path):
    made = rig()
    made.ask(Request.START)
    assert made.ask(Request.DISCARD).granted
    assert made.writer.drain(10.0) and not list(tmp_path.iterdir())
    assert made.ask(Request.START).granted


def test_when_a_request_makes_no_sense_expect_it_refused_in_words(rig):
    made = rig()
    for request in (Request.STOP, Request.SUCCESS, Request.DISCARD):
        assert not made.ask(request).granted
    made.ask(Request.START)
    answer = made.ask(Request.START)
    assert not answer.granted and "already" in answer.message


def test_when_episodes_follow_the_mode_expect_a_preroll_and_takeovers_inside(rig):
    made = rig(follow_mode=True, preroll_s=2.0)
    made.say(MODE, "HOLD: started")
    for k in range(6):
        made.at(1.0 + k).say(BLOCK, f"{k}")
    made.at(6.5).say(MODE, "AUTONOMY: engage policy")
    assert made.session.phase is Phase.RECORDING
    made.at(7.0).say(MODE, "TELEOP: teleop active")
    made.at(8.0).say(MODE, "AUTONOMY: engage policy")
    made.at(9.0).say(MODE, "HOLD: hold")
    assert made.session.phase is Phase.JUDGING
    made.at(9.5).say(BLOCK, "after the end")
    assert made.at(10.0).ask(Request.SUCCESS).granted
    recording = made.recorded()
    assert recording.end.outcome is Outcome.SUCCESS and recording.end.reason == "mode HOLD: hold"
    blocks = [m.decode().data for m in recording.messages(["block"])]
    assert blocks == ["4", "5"], "of the last two seconds"
    modes = [mode.value for _, mode, _ in read_streams(recording).modes]
    assert modes == ["HOLD", "AUTONOMY", "TELEOP", "AUTONOMY", "HOLD"]
    assert recording.start_s - BEGIN_S == pytest.approx(5.0)


def test_when_nobody_judges_an_episode_expect_it_kept_with_outcome_unknown(rig):
    made = rig(follow_mode=True)
    made.say(MODE, "TELEOP: engage teleop").at(1.0).say(MODE, "HOLD: released")
    made.at(1.0 + JUDGE_S / 2).tick()
    assert made.session.phase is Phase.JUDGING
    made.at(1.1 + JUDGE_S).tick()
    assert made.recorded().end.outcome is Outcome.UNKNOWN


def test_when_the_next_episode_begins_expect_the_one_before_finished(rig):
    made = rig(follow_mode=True)
    for k in range(2):
        made.at(2.0 * k).say(MODE, "TELEOP: engage teleop")
        made.at(2.0 * k + 1.0).say(MODE, "HOLD: released")
    made.ask(Request.DISCARD)
    assert made.recorded().duration_s == pytest.approx(1.0)
    assert [path.name for path in made.folder.iterdir()] == ["0.mcap"]


def test_when_a_person_records_expect_the_mode_not_to_end_it(rig):
    made = rig(follow_mode=True)
    made.ask(Request.START)
    made.at(1.0).say(MODE, "TELEOP: engage teleop").at(2.0).say(MODE, "HOLD: released")
    assert made.session.phase is Phase.RECORDING


def test_when_the_disk_has_too_little_space_expect_a_whole_recording_and_the_limit_named(rig):
    made = rig()
    made.ask(Request.START)
    made.at(1.0).say(BLOCK, "kept").tick(free_gb=0.9)
    assert made.session.phase is Phase.IDLE
    assert "0.9 GB of disk are free, limit 1.0 GB" in made.session.problem
    assert made.recorded().counts == {"block": 1}
    answer = made.ask(Request.START)
    assert not answer.granted and "limit 1.0 GB" in answer.message
    made.tick(free_gb=5.0)
    assert made.ask(Request.START).granted and not made.session.problem


def said_in(path):
    return [message.decode().data for message in open_recording(path).messages([BLOCK.name])]


def recovered_copy(partial):
    """What would be recovered of a file now."""
    with TemporaryDirectory() as folder:
        return said_in(recover(Path(shutil.copy(partial, folder))))


def test_when_the_disk_is_full_expect_the_recording_to_end_and_what_is_there_recovered(
    rig, monkeypatch
):
    made = rig()
    with full_disk(200_000):
        made.ask(Request.START)
        made.say(BLOCK, "kept")
        made.writer.drain(10.0)
        monkeypatch.setattr("qwen_vla_data.recording.background.FLUSH_S", 0.0)
        wait_for(lambda: "kept" in recovered_copy(made.folder / "0.mcap.part"))
        noise = np.random.default_rng(0).integers(33, 123, 300_000, np.uint8).tobytes().decode()
        for _ in range(5):
            made.say(BLOCK, noise)
        wait_for(lambda: made.session.problem)
        assert "0.mcap.part cannot be written: File too large" in made.session.problem
        assert not made.ask(Request.SUCCESS).granted
    (partial,) = unfinished_in(made.folder)
    assert "kept" in said_in(recover(partial))
    assert made.ask(Request.START).granted and not made.session.problem


def test_when_a_recording_that_cannot_be_written_is_discarded_expect_it_never_recovered(rig):
    made = rig()
    made.ask(Request.START)
    assert made.writer.drain(10.0)
    made.writer._order(_disk_full)  # comes to light only after a person was answered
    assert made.ask(Request.DISCARD).granted
    assert made.writer.drain(10.0)
    assert unfinished_in(made.folder) == []


def test_when_a_finished_recording_fails_late_expect_the_next_one_to_go_on_and_it_to_be_said(
    rig, monkeypatch
):
    made, both_asked = rig(), threading.Event()
    made.ask(Request.START)
    made.say(BLOCK, "first")
    assert made.writer.drain(10.0)
    first, finish = made.writer._writer, made.writer._writer.finish

    def fail_late(end):
        assert both_asked.wait(10.0)
        first.finish = finish
        _disk_full()

    monkeypatch.setattr(first, "finish", fail_late)
    made.ask(Request.SUCCESS)
    assert made.ask(Request.START).granted
    both_asked.set()
    made.say(BLOCK, "second")
    made.tick()
    assert made.session.phase is Phase.RECORDING
    assert made.writer.drain(10.0)
    made.tick()
    assert made.session.phase is Phase.RECORDING
    assert "No space left" in made.session.problem
    assert made.ask(Request.SUCCESS).granted
    assert made.recorded("1.mcap").end.outcome is Outcome.SUCCESS


def _disk_full():
    raise OSError(28, "No space left on device")


def test_when_a_name_is_taken_expect_the_reason_and_the_next_recording_to_have_its_chance(
    rig, tmp_path
):
    made = rig()
    (tmp_path / "0.mcap").mkdir()
    made.ask(Request.START)
    assert made.writer.drain(10.0)
    assert "0.mcap" in made.session.problem
    assert made.ask(Request.START).granted


def test_when_the_writer_does_not_keep_up_expect_messages_dropped_and_counted(rig, monkeypatch):
    made = rig()
    made.ask(Request.START)
    made.writer.drain(10.0)
    monkeypatch.setattr(made.writer, "_taken_bytes", -QUEUE_BYTES)
    made.say(BLOCK, "too much").say(BLOCK, "too much")
    monkeypatch.setattr(made.writer, "_taken_bytes", 0)
    made.session.lost("block", 3)
    made.ask(Request.STOP)
    assert made.recorded().end.dropped == {"block": 5}


def test_when_a_mode_cannot_be_read_expect_it_recorded_and_the_episode_to_go_on(rig):
    made = rig(follow_mode=True)
    made.say(MODE, "TELEOP: engage teleop")
    made.session.take(Sample(MODE, MODE.name, b"\0\1", made.now_ns, made.now_ns))
    assert made.session.phase is Phase.RECORDING
    made.ask(Request.STOP)
    assert made.recorded().counts["control/mode"] == 2


def test_when_the_recorder_is_stopped_expect_a_whole_file_that_says_so(rig):
    made = rig()
    made.ask(Request.START)
    made.session.close(made.now_ns, "recorder_node was stopped")
    assert made.recorded().end.reason == "recorder_node was stopped"
