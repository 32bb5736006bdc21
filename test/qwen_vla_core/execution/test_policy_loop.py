"""When an inference runs, with which prefix, and when it gives up: in time that is made up."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from qwen_vla_core.embodiment import EmbodimentCodec
from qwen_vla_core.errors import ChunkError, InstructionError
from qwen_vla_core.execution import PolicyLoop
from qwen_vla_core.execution.policy_loop import FAILURES_IN_A_ROW
from qwen_vla_core.modes import Mode
from qwen_vla_core.types import Observation
from robots import base_text, robot, two_arms_text

CODECS = {
    text.__name__: EmbodimentCodec(robot(text())) for text in (two_arms_text, base_text)
}  # 16 steps at 50 Hz; at 5 Hz, of which 5 are followed
ARMS = CODECS["two_arms_text"]
STEP_S = 0.02
REPLAN_S = 4 * STEP_S
START_S = 1000.0
DEADLINE_S = 1.0


class Robot:
    """A robot whose cameras show something new every ``frame_s``, and time that passes in steps.

    Attributes:
        now_s: both clocks.
        requests: the requests so far.
    """

    def __init__(self, codec=ARMS, frame_s=0.0, instruction="pick it up", **options):
        self.codec, self.frame_s = codec, frame_s
        self.loop = PolicyLoop(codec, **options)
        self.now_s, self.requests = START_S, []
        if instruction:
            self.loop.on_instruction(instruction)

    def observation(self):
        start_D = np.array(self.codec.embodiment.start_D)
        stamp_s = self.now_s
        if self.frame_s:
            stamp_s = START_S + np.floor((self.now_s - START_S) / self.frame_s) * self.frame_s
        return Observation(
            stamp_s=stamp_s,
            images={},
            positions_D=start_D,
            commanded_D=start_D,
            instruction=self.loop.instruction,
        )

    def start(self):
        """Start an inference if it is due, as a node does that polls."""
        if not self.loop.due(self.now_s):
            return None
        request = self.loop.start_inference(self.observation(), self.now_s)
        if request is not None:
            self.requests.append(request)
        return request

    def answer(self, request, after_s=0.01):
        self.now_s += after_s
        observation = request.observation
        still_HC = np.tile(
            self.codec.still(observation.commanded_D), (self.codec.embodiment.horizon, 1)
        )
        chunk = self.codec.decode(still_HC, observation.commanded_D, observation.stamp_s)
        self.loop.on_chunk(chunk, self.now_s, self.now_s)

    def fail(self):
        """The next inference fails."""
        while self.start() is None:
            self.now_s += STEP_S / 4
        self.loop.on_failure(RuntimeError("out of memory"))

    def wait_for_request(self, limit_s=10.0):
        """Let time pass until a request."""
        start_s = self.now_s
        while self.start() is None:
            self.now_s += STEP_S / 4
            assert self.now_s - start_s < limit_s, "no request"

    def problem(self):
        return self.loop.problem(self.now_s, DEADLINE_S)


# --- when


def test_when_an_answer_is_there_expect_the_next_request_a_quarter_of_a_chunk_after_the_last():
    robot = Robot()
    robot.answer(robot.start())
    robot.wait_for_request()
    first, second = (request.observation.stamp_s for request in robot.requests)
    assert second - first == pytest.approx(REPLAN_S)


def test_when_an_answer_takes_longer_expect_no_second_request_meanwhile_and_one_at_once_then():
    robot = Robot()
    request = robot.start()
    for _ in range(20):
        robot.now_s += STEP_S
        assert robot.start() is None
    robot.answer(request)
    assert robot.start() is not None


def test_when_there_is_no_instruction_expect_no_request_and_the_topic_named():
    robot = Robot(instruction="")
    assert not robot.loop.due(START_S)
    assert "policy/instruction" in robot.problem()


def test_when_a_new_instruction_comes_expect_it_answered_at_once():
    robot = Robot()
    robot.answer(robot.start(), after_s=STEP_S / 2)
    assert robot.start() is None  # not due yet
    robot.loop.on_instruction("put it down")
    assert robot.start().observation.instruction == "put it down"


def test_when_an_instruction_cannot_be_read_expect_the_one_before_to_stay():
    robot = Robot()
    with pytest.raises(InstructionError):
        robot.loop.on_instruction("\a")
    assert robot.start().observation.instruction == "pick it up"


def test_when_a_mode_begins_expect_a_request_with_the_next_frame_and_not_on_the_old_grid():
    frame_s = 0.1
    robot = Robot(CODECS["base_text"], frame_s)  # a request every 0.4 s
    robot.answer(robot.start())
    robot.now_s = START_S + 0.15
    robot.loop.on_mode(Mode.AUTONOMY, robot.now_s)
    assert robot.start() is None  # the newest frame is from before
    robot.wait_for_request()
    assert robot.requests[-1].observation.stamp_s == pytest.approx(START_S + 2 * frame_s)


def test_when_a_mode_begins_during_an_inference_expect_the_next_at_once_after_it():
    robot = Robot(CODECS["base_text"])
    request = robot.start()
    robot.now_s += 0.05
    robot.loop.on_mode(Mode.AUTONOMY, robot.now_s)
    robot.answer(request)
    assert robot.start() is not None


def test_when_no_new_frame_came_expect_no_second_request_about_the_old_one():
    robot = Robot(frame_s=0.2)
    robot.answer(robot.start())
    robot.loop.on_instruction("put it down")
    assert robot.start() is None  # a chunk with the same stamp would be refused
    robot.wait_for_request()
    assert robot.requests[1].observation.stamp_s > robot.requests[0].observation.stamp_s


def test_when_ros_time_is_set_back_expect_requests_to_go_on():
    robot = Robot()
    robot.answer(robot.start())
    robot.loop.on_mode(Mode.AUTONOMY, robot.now_s)
    robot.now_s -= 5.0
    assert robot.start().prefix is None


@given(
    frame_s=st.just(0.0) | st.floats(0.001, 0.3),
    latencies_s=st.lists(st.floats(0.001, 0.5), min_size=1, max_size=12),
    replan_steps=st.integers(0, 4),
)
@settings(max_examples=50, deadline=None)
def test_when_times_are_random_expect_stamps_to_rise_and_one_request_at_a_time(
    frame_s, latencies_s, replan_steps
):
    robot = Robot(CODECS["base_text"], frame_s, replan_steps=replan_steps)
    for latency_s in latencies_s:
        robot.wait_for_request()
        assert not robot.loop.due(robot.now_s)
        robot.answer(robot.requests[-1], latency_s)
    stamps_s = [request.observation.stamp_s for request in robot.requests]
    assert (np.diff(stamps_s) > 0.0).all()


# --- replan_steps


@pytest.mark.parametrize(
    ("name", "steps", "words"),
    [("two_arms_text", steps, "16 steps.*1 to 15") for steps in (-1, 16, 64)]
    + [("base_text", steps, "5 steps.*1 to 4") for steps in (5, 15)],
)
def test_when_a_chunk_is_not_followed_for_the_steps_expect_refusal_with_the_largest(
    name, steps, words
):
    with pytest.raises(ChunkError, match=words):
        PolicyLoop(CODECS[name], replan_steps=steps)


def test_when_the_steps_are_set_later_expect_them_used_or_the_old_ones_to_stay():
    robot = Robot()
    robot.loop.replan_steps = 2
    with pytest.raises(ChunkError):
        robot.loop.replan_steps = 16
    robot.answer(robot.start())
    robot.wait_for_request()
    first, second = (request.observation.stamp_s for request in robot.requests)
    assert second - first == pytest.approx(2 * STEP_S)


@pytest.mark.parametrize("delay_steps", [0, 3, 7])
def test_when_chunks_come_late_expect_them_requested_while_the_last_one_still_lasts(delay_steps):
    latency_s = (delay_steps + 0.5) * STEP_S
    robot = Robot(replan_steps=15, expected_s=latency_s)
    robot.answer(robot.start(), latency_s)
    for _ in range(5):
        lasts_until_s = robot.requests[-1].observation.stamp_s + 16 * STEP_S
        robot.wait_for_request()
        robot.answer(robot.requests[-1], latency_s)
        assert robot.now_s < lasts_until_s


# --- prefix


def test_when_the_robot_follows_a_chunk_of_this_mode_expect_the_rest_of_it_as_prefix():
    robot = Robot(expected_s=2 * STEP_S)
    robot.loop.on_mode(Mode.AUTONOMY, robot.now_s)
    request = robot.start()
    assert request.prefix is None  # there is no chunk yet
    robot.answer(request)
    robot.wait_for_request()
    prefix = robot.requests[-1].prefix
    assert len(prefix.actions_NC) == 12 and prefix.committed == 2


@pytest.mark.parametrize("mode", list(Mode))
def test_when_the_chunk_is_from_before_the_mode_expect_no_prefix_whatever_the_mode(mode):
    robot = Robot()
    robot.loop.on_mode(Mode.AUTONOMY, robot.now_s)
    robot.answer(robot.start())
    robot.loop.on_mode(mode, robot.now_s)
    robot.wait_for_request()
    assert robot.requests[-1].prefix is None


@pytest.mark.parametrize("mode", [Mode.HOLD, Mode.TELEOP, Mode.ESTOP])
def test_when_the_robot_does_not_follow_chunks_expect_no_prefix(mode):
    robot = Robot()
    robot.loop.on_mode(mode, robot.now_s)
    robot.answer(robot.start())
    robot.wait_for_request()
    assert robot.requests[-1].prefix is None


# --- failures


def test_when_an_inference_fails_expect_it_tried_again_with_the_next_frame():
    frame_s = 0.05
    robot = Robot(CODECS["base_text"], frame_s)
    robot.fail()
    assert robot.start() is None  # the same frame would only fail again
    robot.wait_for_request()
    assert robot.requests[-1].observation.stamp_s == pytest.approx(START_S + frame_s)
    assert "1 in a row" in robot.problem() and "out of memory" in robot.problem()
    robot.answer(robot.requests[-1])
    assert robot.problem() == ""


def test_when_so_many_fail_in_a_row_expect_no_further_request_and_what_to_do_said():
    robot = Robot()
    for _ in range(FAILURES_IN_A_ROW):
        assert not robot.loop.gave_up
        robot.fail()
    robot.now_s += 60.0
    assert robot.loop.gave_up and robot.start() is None
    for words in ("gave up", "out of memory", "policy/reset", "engage", "instruction"):
        assert words in robot.problem()


def test_when_one_succeeds_between_failures_expect_them_counted_anew():
    robot = Robot()
    for _ in range(4):
        for _ in range(FAILURES_IN_A_ROW - 1):
            robot.fail()
        robot.wait_for_request()
        robot.answer(robot.requests[-1])
    assert not robot.loop.gave_up


@pytest.mark.parametrize(
    "again",
    [
        lambda robot: robot.loop.on_instruction("pick it up"),
        lambda robot: robot.loop.reset(),
    ],
    ids=["instruction", "reset"],
)
def test_when_it_gave_up_and_a_person_acts_expect_as_many_tries_again(again):
    robot = Robot()
    for _ in range(FAILURES_IN_A_ROW):
        robot.fail()
    again(robot)
    assert not robot.loop.gave_up and robot.problem() == ""
    for _ in range(FAILURES_IN_A_ROW):
        robot.fail()
    assert robot.loop.gave_up


@pytest.mark.parametrize("mode", Mode)
def test_when_it_gave_up_and_the_mode_changes_expect_it_to_stay_so(mode):
    robot = Robot()
    for _ in range(FAILURES_IN_A_ROW):
        robot.fail()
    robot.loop.on_mode(mode, robot.now_s)
    assert robot.loop.gave_up


def test_when_reset_expect_what_was_done_in_words():
    robot = Robot()
    assert "nothing to reset" in robot.loop.reset()
    for _ in range(FAILURES_IN_A_ROW):
        robot.fail()
    assert "out of memory" in robot.loop.reset()
    assert "nothing to reset" in robot.loop.reset()


# --- too slow


def test_when_an_inference_takes_longer_than_the_deadline_expect_it_said_to_hang():
    robot = Robot()
    request = robot.start()
    robot.now_s += DEADLINE_S - 0.01
    assert robot.problem() == ""
    robot.now_s += 1.5
    assert "hangs for 2.5 s" in robot.problem() and "restart policy_node" in robot.problem()
    robot.answer(request)
    assert robot.problem() == ""


def test_when_chunks_come_later_than_half_a_chunk_expect_it_said_with_the_time_and_what_to_do():
    for latency_s, slow in ((7 * STEP_S, False), (0.7, True)):
        robot = Robot()
        assert robot.loop.slow() == ""  # nothing is known yet
        for _ in range(10):
            robot.wait_for_request()
            robot.answer(robot.requests[-1], latency_s)
        words = ("0.7 s after", "0.16 s", "takes 0.7 s here (p50)", "close what else runs")
        assert [w in robot.loop.slow() for w in words] == [slow] * 4
