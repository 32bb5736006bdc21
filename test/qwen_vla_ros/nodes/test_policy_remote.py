"""policy_node as the client of a server: without torch, with a server that dies, or another's."""

import os
import signal
import subprocess
import sys
from contextlib import ExitStack

import numpy as np
import pytest
import rclpy
from rclpy.executors import SingleThreadedExecutor
from std_msgs.msg import String
from std_srvs.srv import Trigger
from trajectory_msgs.msg import JointTrajectory

from child_processes import wait_for
from fleet_replica import Running, serve_replica
from openpi_server import openpi_server
from policy_streams import READY, Robot, policy_at_work
from qwen_vla_core.embodiment import load_embodiment
from qwen_vla_core.execution.policy_loop import FAILURES_IN_A_ROW
from qwen_vla_ros import diagnostics
from qwen_vla_ros.nodes.policy_node import PolicyNode
from robots import WIDOWX, robot, two_arms_text
from scripted_policy import ScriptedPolicy, server_process, serving

pytestmark = pytest.mark.timeout(120)
NO_TORCH = (
    "import sys; sys.modules['torch'] = None; "
    "from qwen_vla_ros.nodes.policy_node import main; main()"
)


@pytest.fixture
def at_work(ros_domain, monkeypatch):
    """Starts an active policy_node whose policy is a server's, beside a robot."""

    def start(url, **more):
        parameters = {"policy_url": url, "instruction": "'go'", "inference_deadline_s": "0.5"}
        parameters |= more
        return policy_at_work(ros_domain, monkeypatch, None, **parameters)

    return start


def test_when_torch_is_not_installed_expect_chunks_from_a_server_all_the_same(ros_domain):
    rclpy.init(domain_id=ros_domain)
    with ExitStack() as stack:
        stack.callback(rclpy.try_shutdown)
        _, url = stack.enter_context(server_process())
        command = [sys.executable, "-c", NO_TORCH, "--ros-args"]
        for name, value in (
            ("embodiment", "widowx"),
            ("policy_url", url),
            ("instruction", "go"),
            ("simulated", "true"),
            ("autostart", "true"),
        ):
            command += ["-p", f"{name}:={value}"]
        process = stack.enter_context(subprocess.Popen(command))
        stack.callback(process.kill)
        beside, executor = Robot(), SingleThreadedExecutor()
        stack.callback(beside.destroy_node)
        executor.add_node(beside)
        wait_for(lambda: executor.spin_once(0.1) or len(beside.chunks) > 2, 60.0)
        wait_for(lambda: executor.spin_once(0.1) or beside.values.get("path") == url, 20.0)
        assert float(beside.values["round_trip_ms"]) > 0


@pytest.mark.alone  # all is well again only where chunks come in time
def test_when_the_server_dies_and_comes_back_expect_no_chunk_until_a_person_asks(at_work):
    with server_process() as (process, url), at_work(url) as work:
        work.until(lambda: len(work.robot.chunks) > 2)
        work.until_reported("running", level=diagnostics.OK)
        process.kill()
        work.until_reported("gave up", url, f"{FAILURES_IN_A_ROW} in a row")
        with server_process(port=int(url.rpartition(":")[2])):
            before = len(work.robot.chunks)
            answers = len(work.robot.taken_s)
            work.until(lambda: len(work.robot.taken_s) > answers + 40)  # two seconds of images
            assert len(work.robot.chunks) == before
            assert "gave up" in work.robot.problem
            assert work.call(Trigger, "policy/reset", Trigger.Request()).success
            work.until(lambda: len(work.robot.chunks) > before)
            work.until_reported("running", level=diagnostics.OK)
            work.until(lambda: work.robot.values.get("reconnects") == "1")


def test_when_its_replica_of_a_fleet_dies_expect_chunks_from_the_other_without_a_person(
    at_work, tmp_path
):
    (tmp_path / "checkpoint").write_text("1")
    with Running(serve_replica, tmp_path / "checkpoint") as running:
        with at_work(running.url, inference_deadline_s="5.0") as work:
            work.until(lambda: len(work.robot.chunks) > 2)
            (number,) = running.busy()
            os.kill(running.fleet.pids[number], signal.SIGKILL)
            before = len(work.robot.chunks)
            work.until(lambda: len(work.robot.chunks) > before + 4)
            work.until_reported("running", level=diagnostics.OK)
            work.until(lambda: work.robot.values.get("reconnects") == "1")


def test_when_the_server_stalls_expect_each_question_given_up_at_its_deadline(at_work):
    policy = ScriptedPolicy(load_embodiment(WIDOWX))
    with serving(policy, policy.robot) as (_, url), at_work(url) as work:
        work.until(lambda: len(work.robot.chunks) > 2)
        policy.may_go_on.clear()
        work.until_reported("gave up", "no answer within")  # whichever side says it first
        before = len(work.robot.chunks)
        policy.may_go_on.set()
        publisher = work.robot.create_publisher(String, "policy/instruction", 1)
        work.until(publisher.get_subscription_count)
        publisher.publish(String(data="go on"))
        work.until(lambda: len(work.robot.chunks) > before)
        stamps = work.robot.chunks
        assert stamps == sorted(set(stamps))  # nothing late came through


def test_when_the_policy_is_another_models_expect_chunks_in_joint_space_of_this_robot(at_work):
    prompts = []

    def infer(observation):
        (example,) = observation["examples"]
        prompts.append(example["lang"])
        assert example["image"][0].shape == (224, 224, 3)
        values = np.zeros((1, 16, 7), np.float32)  # stay, and open the gripper half
        values[..., 6] = 0.5
        return {"status": "ok", "data": {"actions": values}}

    with openpi_server(infer, {"action_chunk_size": 16}) as (url, _):
        with at_work(url, backend="starvla_bridge", inference_deadline_s="5.0") as work:
            plans = []
            work.robot.create_subscription(JointTrajectory, "policy/chunk", plans.append, 10)
            work.until(lambda: len(plans) > 1)
            work.until_reported("running", level=diagnostics.OK)
    assert prompts[-1] == "go" and len(plans[-1].points) == 17
    assert np.allclose(plans[-1].points[0].positions, READY, atol=1e-6)
    assert np.allclose(plans[-1].points[-1].positions, [*READY[:6], 0.026], atol=2e-3)


def test_when_a_backend_does_not_fit_the_robot_expect_the_node_not_to_be_configured(
    ros_domain, capfd
):
    arguments = ["-p", "embodiment:=widowx", "-p", "policy_url:=ws://127.0.0.1:9"]
    arguments += ["-p", "backend:=openpi_aloha"]
    rclpy.init(args=["--ros-args", *arguments], domain_id=ros_domain)
    try:
        node = PolicyNode()
        node.trigger_configure()
        node.destroy_node()
    finally:
        rclpy.try_shutdown()
    assert "backend openpi_aloha does not fit widowx: it shows cam_high" in capfd.readouterr().err


def test_when_the_server_serves_another_robot_expect_the_node_not_to_be_configured(
    ros_domain, capfd
):
    other = robot(two_arms_text())
    with serving(ScriptedPolicy(other), other) as (_, url):
        arguments = ["-p", "embodiment:=widowx", "-p", f"policy_url:={url}"]
        rclpy.init(args=["--ros-args", *arguments], domain_id=ros_domain)
        try:
            node = PolicyNode()
            node.trigger_configure()
            node.destroy_node()
        finally:
            rclpy.try_shutdown()
    assert f"{url}: it serves two_arms and not widowx" in capfd.readouterr().err
