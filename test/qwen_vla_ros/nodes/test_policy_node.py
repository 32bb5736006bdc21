"""policy_node: what it receives, when it gives up and tries again, and what it says of itself."""

import re
import threading
import time

import numpy as np
import pytest
import rclpy
from rcl_interfaces.msg import Parameter, ParameterValue
from rcl_interfaces.srv import SetParameters
from rclpy.context import Context
from sensor_msgs.msg import CompressedImage
from std_msgs.msg import Float32, String
from std_srvs.srv import Trigger
from trajectory_msgs.msg import JointTrajectory

from policy_streams import READY, SUCCESS, ScriptedPolicy, policy_at_work
from qwen_vla_core.execution.policy_loop import FAILURES_IN_A_ROW
from qwen_vla_core.resources import SHIPPED_CHECKPOINT
from qwen_vla_ros import diagnostics
from qwen_vla_ros.nodes.policy_node import PolicyNode
from qwen_vla_ros.qos import IMAGES, LATCHED, RELIABLE
from robots import widowx_text
from waved_episodes import codec_of, teleoperated

REFUSED = "policy/instruction refused"
GO = {"instruction": "'go'"}


@pytest.fixture
def at_work(ros_domain, monkeypatch):
    """Starts an active policy_node beside a robot."""

    def start(policy, **parameters):
        return policy_at_work(ros_domain, monkeypatch, policy, **parameters)

    return start


@pytest.fixture
def start_node(ros_domain):
    """Makes a policy_node with parameters, without bringing it up."""

    def start(**parameters):
        arguments = [part for k, v in parameters.items() for part in ("-p", f"{k}:={v}")]
        rclpy.init(args=["--ros-args", *arguments], domain_id=ros_domain)
        return PolicyNode()

    yield start
    rclpy.try_shutdown()


def out_of_memory(observation):
    raise RuntimeError("out of memory")


# --- how it runs


def test_when_all_is_well_expect_chunks_and_running_reported(at_work):
    with at_work(ScriptedPolicy(), **GO) as work:
        work.until(lambda: len(work.robot.chunks) >= 2)
        work.until_reported("running", level=diagnostics.OK)
        values = work.robot.values
        assert values["instruction"] == "go" and values["checkpoint"] == str(SHIPPED_CHECKPOINT)
        assert len(values["checkpoint_sha256"]) == len(values["embodiment_sha256"]) == 12
        for stream in ("over_shoulder", "wrist", "wx250s/joint_states"):
            work.until(lambda key=f"rate_{stream}_hz": float(work.robot.values[key]) > 1.0)
    assert work.robot.chunks == sorted(set(work.robot.chunks))


def test_when_the_checkpoint_is_an_episode_expect_it_replayed_once_a_person_engages(
    at_work, tmp_path
):
    codec = codec_of("widowx")
    episode = teleoperated(codec, 40)
    episode.save(tmp_path / "one.npz")
    with at_work(None, checkpoint=tmp_path / "one.npz") as work:
        robot = work.robot
        work.until(lambda: len(robot.chunks) > 3 and "replayed_s" in robot.values)
        assert float(robot.values["replayed_s"]) == 0.0  # it shows how it would begin
        np.testing.assert_allclose(robot.plan[0], READY, atol=1e-9)
        robot.enter("AUTONOMY")
        work.until(lambda: float(robot.values["replayed_s"]) > 1.0)
        assert robot.values["instruction"] == "pick up the red block"
        assert robot.values["path"].endswith("one.npz")
        nearest = np.abs(episode.commanded_TD[:, None] - robot.plan[1:]).max(2).min(0)
        assert nearest.max() < 0.02  # the recorded poses, whatever the convention of the actions
        robot.enter("HOLD")
        work.until(lambda: float(robot.values["replayed_s"]) == 0.0)


# --- instructions


@pytest.mark.parametrize("qos", [IMAGES, RELIABLE, LATCHED], ids=["best", "volatile", "latched"])
def test_when_any_kind_of_publisher_gives_an_instruction_expect_it_answered(at_work, qos):
    policy = ScriptedPolicy()
    with at_work(policy) as work:
        work.until_reported("no instruction")
        publisher = work.robot.create_publisher(String, "policy/instruction", qos)
        work.until(publisher.get_subscription_count)
        publisher.publish(String(data="Pick up the RED block."))
        work.until(lambda: policy.asked)
    assert policy.asked[0].instruction == "pick up the red block"


def test_when_an_instruction_was_latched_before_the_start_expect_it_answered(at_work):
    policy = ScriptedPolicy()
    with at_work(policy) as work:
        publisher = work.robot.create_publisher(String, "policy/instruction", LATCHED)
        publisher.publish(String(data="go"))
        work.node.trigger_deactivate(), work.node.trigger_cleanup()
        assert work.node.trigger_configure() == SUCCESS
        assert work.node.trigger_activate() == SUCCESS
        work.until(lambda: policy.asked)


@pytest.mark.parametrize("words", ["", "   ", "x" * 100_000, "pick up\x07 the red block"])
def test_when_a_new_instruction_cannot_be_read_expect_the_old_one_to_stay(at_work, capfd, words):
    policy = ScriptedPolicy()
    with at_work(policy, **GO) as work:
        publisher = work.robot.create_publisher(String, "policy/instruction", LATCHED)
        publisher.publish(String(data=words))
        said = []
        work.until(lambda: said.append(capfd.readouterr().err) or REFUSED in "".join(said))
        count = len(policy.asked)
        work.until(lambda: len(policy.asked) > count + 1)
    assert policy.asked[-1].instruction == "go"


# --- failures


def test_when_inferences_fail_in_a_row_expect_it_to_give_up_and_each_way_to_try_again(at_work):
    policy = ScriptedPolicy(out_of_memory)
    with at_work(policy, **GO) as work:
        instruction = work.robot.create_publisher(String, "policy/instruction", RELIABLE)

        def gave_up(tries):
            work.robot.problem = ""  # not what was reported before the last of these tries failed
            work.until_reported("gave up", "out of memory", "policy/reset")
            assert len(policy.asked) == tries

        gave_up(FAILURES_IN_A_ROW)
        answer = work.call(Trigger, "policy/reset", Trigger.Request())
        assert answer.success and "out of memory" in answer.message
        work.until(lambda: len(policy.asked) == 2 * FAILURES_IN_A_ROW)
        gave_up(2 * FAILURES_IN_A_ROW)
        work.until(instruction.get_subscription_count)
        instruction.publish(String(data="go"))
        work.until(lambda: len(policy.asked) == 3 * FAILURES_IN_A_ROW)
        gave_up(3 * FAILURES_IN_A_ROW)
        policy.behave = lambda observation: None
        assert work.call(Trigger, "policy/reset", Trigger.Request()).success
        work.until(lambda: len(work.robot.chunks) >= 2)
        work.until_reported("running", level=diagnostics.OK)


def test_when_reset_while_inactive_expect_refusal_in_words(at_work):
    with at_work(ScriptedPolicy()) as work:
        work.node.trigger_deactivate()
        answer = work.call(Trigger, "policy/reset", Trigger.Request())
    assert (answer.success, answer.message) == (False, "policy_node is not active")


def test_when_a_mode_begins_during_an_inference_expect_its_chunk_kept_back(at_work):
    asked, released = threading.Event(), threading.Event()

    def wait_once(observation):
        asked.set()
        released.wait(30.0)

    policy = ScriptedPolicy(wait_once)
    with at_work(policy, **GO) as work:
        work.until(asked.is_set)
        work.robot.enter("AUTONOMY")
        entered_s = work.node.now_s()
        work.until(lambda: work.node._loop.mode_since_s > entered_s)
        released.set()
        work.until(lambda: work.robot.chunks)
    assert policy.asked[0].stamp_s < entered_s < work.robot.chunks[0]


# --- streams


@pytest.mark.parametrize("encoding", ["yuv9999", "16UC1"])
def test_when_a_cameras_messages_are_refused_expect_their_number_and_the_last_reason(
    at_work, encoding
):
    with at_work(ScriptedPolicy(), **GO) as work:
        work.robot.encoding = encoding
        work.until_reported("over_shoulder", "messages in a row were refused", encoding)
        work.robot.encoding = "rgb8"
        work.until_reported("running", level=diagnostics.OK)


def test_when_a_topic_has_another_type_expect_both_types_and_the_publisher(at_work, ros_domain):
    with at_work(ScriptedPolicy(), **GO) as work:
        work.robot.silent.add("blue/image_raw")
        context = Context()  # a process publishes a topic as one type only
        rclpy.init(context=context, domain_id=ros_domain)
        camera = rclpy.create_node("blue_camera", context=context)
        camera.create_publisher(CompressedImage, "/blue/image_raw", IMAGES)
        work.until_reported(
            "/blue/image_raw is published as sensor_msgs/msg/CompressedImage by /blue_camera; the "
            "embodiment expects sensor_msgs/msg/Image"
        )
        rclpy.shutdown(context=context)


def test_when_nobody_publishes_a_topic_expect_its_name(at_work, tmp_path):
    path = tmp_path / "widowx.yaml"
    path.write_text(widowx_text().replace("wrist/image_raw", "hand/image_raw"))
    with at_work(ScriptedPolicy(), embodiment=path, **GO) as work:
        work.until_reported("wrist", "nobody publishes /hand/image_raw")


def test_when_another_policy_publishes_chunks_expect_it_named(at_work):
    with at_work(ScriptedPolicy(), **GO) as work:
        other = rclpy.create_node("replay")
        other.create_publisher(JointTrajectory, "policy/chunk", 1)
        work.until_reported("/replay", "policy/chunk")
        other.destroy_node()


# --- parameters


@pytest.mark.parametrize("steps", [16, 64])
def test_when_a_chunk_does_not_cover_the_replan_steps_expect_refusal_at_the_start(
    start_node, steps, capfd
):
    node = start_node(embodiment="widowx", replan_steps=steps)
    assert node.trigger_configure() != SUCCESS
    node.destroy_node()
    assert f"replan_steps is {steps}" in (said := capfd.readouterr().err) and "1 to 9" in said


def set_parameter(work, name, **value):
    request = SetParameters.Request()
    request.parameters = [Parameter(name=name, value=ParameterValue(**value))]
    return work.call(SetParameters, "/policy_node/set_parameters", request).results[0]


def test_when_parameters_are_set_while_it_runs_expect_what_fits_and_the_limits_of_what_does_not(
    at_work,
):
    with at_work(ScriptedPolicy(), inference_deadline_s=1, **GO) as work:
        refused = set_parameter(work, "replan_steps", type=2, integer_value=16)
        assert not refused.successful and "1 to 9" in refused.reason
        assert set_parameter(work, "replan_steps", type=2, integer_value=2).successful
        assert set_parameter(work, "inference_deadline_s", type=2, integer_value=2).successful
        for value in ({"type": 3, "double_value": 61.0}, {"type": 4, "string_value": "2"}):
            refused = set_parameter(work, "inference_deadline_s", **value)
            assert not refused.successful and {"0.05", "60"} <= {
                *re.findall(r"0\.05|60", refused.reason)
            }
        work.until(lambda: work.robot.chunks)


def test_when_an_inference_takes_longer_than_the_deadline_expect_it_said_until_it_is_there(
    at_work,
):
    released = threading.Event()
    slow = ScriptedPolicy(lambda observation: released.wait(30.0))
    with at_work(slow, inference_deadline_s=0.05, **GO) as work:
        work.until_reported("inference hangs", "restart policy_node")
        released.set()
        work.until_reported("running", level=diagnostics.OK)


def test_when_it_is_deactivated_during_an_inference_expect_that_chunk_never_published(at_work):
    begun, released = threading.Event(), threading.Event()

    def infer(observation):
        begun.set()
        assert released.wait(30.0)

    with at_work(ScriptedPolicy(infer), **GO) as work:
        work.until(begun.is_set)
        inference = work.node._inference
        work.node.trigger_deactivate()
        released.set()
        work.until(inference.done)
        inference.result()  # it did not fail
        end_s = time.monotonic() + 0.5
        work.until(lambda: work.robot.chunks or time.monotonic() > end_s)
        assert not work.robot.chunks


# --- questions, and whether the task is done


def test_when_a_question_comes_expect_it_answered_about_what_is_seen_now(at_work):
    policy, answers = ScriptedPolicy(), []
    with at_work(policy, **GO) as work:
        work.robot.create_subscription(
            String, "policy/answer", lambda message: answers.append(message.data), RELIABLE
        )
        publisher = work.robot.create_publisher(String, "policy/question", RELIABLE)
        work.until(publisher.get_subscription_count)
        publisher.publish(String(data="what is nearest"))
        work.until(lambda: answers)
        assert answers[0].startswith("what is nearest: ")  # or why there is no observation yet
        work.until(lambda: work.robot.chunks)
        publisher.publish(String(data="what is nearest"))
        work.until(lambda: "what is nearest: I see 2 images" in answers)
        assert policy.asked[-1].instruction == "go"


def test_when_questions_come_in_a_flood_expect_one_at_a_time_and_what_is_no_question_refused(
    at_work,
):
    policy, answers, released = ScriptedPolicy(), [], threading.Event()
    policy.answer = lambda observation: released.wait(30.0) and "here"
    with at_work(policy, **GO) as work:
        work.robot.create_subscription(
            String, "policy/answer", lambda message: answers.append(message.data), RELIABLE
        )
        publisher = work.robot.create_publisher(String, "policy/question", RELIABLE)
        work.until(publisher.get_subscription_count)
        work.until(lambda: work.robot.chunks)
        for question in ("first", "", "x" * 1_000_000, "second"):
            publisher.publish(String(data=question))
        work.until(lambda: answers)
        released.set()
        work.until(lambda: "first: here" in answers)
        chunks = len(work.robot.chunks)
        work.until(lambda: len(work.robot.chunks) > chunks)
    assert sorted(answers) == [
        "first: here",
        "second: not answered: the question before it is being answered",
    ]


def test_when_the_task_is_surely_done_expect_hold_asked_in_autonomy_alone_and_only_if_wanted(
    at_work,
):
    policy = ScriptedPolicy()
    with at_work(policy, **GO, done_confidence=0.9) as work:
        robot, said, asked = work.robot, [], []
        robot.create_subscription(Float32, "policy/done", lambda m: said.append(m.data), RELIABLE)
        robot.create_service(
            Trigger, "control/hold", lambda request, response: asked.append(1) or response
        )
        robot.enter("AUTONOMY")
        work.until(lambda: len(said) > 4)  # 0.2 each: not done
        robot.enter("HOLD")
        work.until(lambda: not work.node._done.autonomous)
        policy.how_done = 0.95
        before = len(said)
        work.until(lambda: len(said) > before + 4)
        assert not asked  # a person's or nobody's: there is nothing to end
        robot.enter("AUTONOMY")
        work.until(lambda: len(asked) > 1)  # the robot goes on: the first request may be lost
        np.testing.assert_allclose(said[-1], 0.95)
