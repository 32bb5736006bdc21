"""A request that a link holds up: what moves the robot never comes late, a stop comes."""

import os
import signal
import subprocess
import sys
import time

import pytest
import rclpy
from sensor_msgs.msg import Image
from std_srvs.srv import Trigger

import trigger_server
from other_clock import other_clock
from qwen_vla_ros.nodes.teleop_node import Ask
from qwen_vla_ros.transport import leave_shared_memory
from qwen_vla_ros.trigger_client import IN_TIME_S, MOVES, trigger_client
from spinning import SpinningThread

WAIT_S = 20.0
LARGE, SMALL = Image(data=bytes(50_000)), Image(data=bytes(10))
RESENT_S = 3.5
"""Fast DDS asks every 3 s what has not arrived."""


class Server:
    """The server in a process of its own; ``stop`` and ``go_on`` are its link."""

    def __init__(self, path, domain):
        self._path = path
        with path.open("w") as output:
            self._process = subprocess.Popen(
                [sys.executable, trigger_server.__file__],
                stdout=output,
                env=os.environ | {"ROS_DOMAIN_ID": str(domain)},
            )

    def stop(self):
        self._process.send_signal(signal.SIGSTOP)

    def go_on(self):
        self._process.send_signal(signal.SIGCONT)

    def end(self):
        self._process.kill()
        self._process.wait()

    def said(self, *lines):
        """Whether it comes to have said just these, in any order."""
        deadline_s = time.monotonic() + WAIT_S
        while sorted(self._path.read_text().split()) != sorted(lines):
            if time.monotonic() > deadline_s:
                return False
            time.sleep(0.05)
        return True


@pytest.fixture
def server(tmp_path, ros_domain):
    one = Server(tmp_path / "said", ros_domain)
    yield one
    one.end()


@pytest.fixture
def person(ros_domain, monkeypatch):
    for name in ("FASTRTPS_DEFAULT_PROFILES_FILE", "ROS_AUTOMATIC_DISCOVERY_RANGE"):
        monkeypatch.setenv(name, os.environ.get(name, ""))
    leave_shared_memory()
    rclpy.init(domain_id=ros_domain)
    node = rclpy.create_node(trigger_server.CLIENT)
    yield node
    node.destroy_node()
    rclpy.shutdown()


@pytest.mark.alone
@pytest.mark.timeout(90)
def test_when_a_link_comes_back_expect_a_stop_to_arrive_and_nothing_that_moves(server, person):
    assert server.said("ready")
    hold, start = (trigger_client(person, name) for name in trigger_server.NAMES)
    flood = person.create_publisher(Image, "flood", trigger_server.BEST_EFFORT)
    there = (hold.service_is_ready, start.service_is_ready, flood.get_subscription_count)
    deadline_s = time.monotonic() + WAIT_S
    while not all(found() for found in there):
        assert time.monotonic() < deadline_s
        time.sleep(0.05)
    assert server.said("ready", "found")
    hold.call_async(Trigger.Request())
    start.call_async(Trigger.Request())
    once = ("ready", "found", *trigger_server.NAMES)
    assert server.said(*once)
    server.stop()
    # The socket of the server is full: what follows is lost, as on a link without connection.
    for _ in range(200):
        flood.publish(LARGE)
    for _ in range(5000):
        flood.publish(SMALL)
    start.call_async(Trigger.Request())
    hold.call_async(Trigger.Request())
    end_s = time.monotonic() + IN_TIME_S + 0.5
    while time.monotonic() < end_s:
        flood.publish(SMALL)
        rclpy.spin_once(person, timeout_sec=0.01)
    server.go_on()
    assert server.said(*once, "control/hold")
    time.sleep(RESENT_S)
    assert server.said(*once, "control/hold")


CLIENT = """
import time
import rclpy
from std_srvs.srv import Trigger
from qwen_vla_ros.trigger_client import IN_TIME_S, trigger_client
rclpy.init()
node = rclpy.create_node("person")
client = trigger_client(node, "control/engage_policy")
while not client.service_is_ready():
    time.sleep(0.05)
for _ in range(3):  # a server that has not found the client yet drops its answer
    answer = client.call_async(Trigger.Request())
    rclpy.spin_until_future_complete(node, answer, timeout_sec=IN_TIME_S + 1.0)
    if answer.done():
        break
print(time.time(), answer.result().message if answer.done() else "no answer")
"""


@pytest.mark.parametrize("ahead_s", [5, -5])
def test_when_the_clocks_of_two_computers_differ_expect_the_answer_to_a_request_to_move(
    person, tmp_path, ros_domain, ahead_s
):
    spinning = SpinningThread(person)

    def answer(request, response):
        response.message = "granted"
        return response

    service = person.create_service(Trigger, "control/engage_policy", answer)
    try:
        said = subprocess.run(
            [sys.executable, "-c", CLIENT],
            env=other_clock(tmp_path, ahead_s) | {"ROS_DOMAIN_ID": str(ros_domain)},
            stdout=subprocess.PIPE,
            text=True,
            timeout=60.0,
            check=True,
        ).stdout
    finally:
        spinning.end()
        person.destroy_service(service)
    there_s, _, message = said.strip().partition(" ")
    assert abs(float(there_s) - time.time() - ahead_s) < 2.0, "its clock does differ"
    assert message == "granted"


def test_when_a_person_asks_for_motion_expect_that_it_is_known_as_such():
    assert {f"control/{ask.value}" for ask in Ask} - set(MOVES) == {"control/hold"}
