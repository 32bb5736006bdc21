"""Every kind of publisher is received, started before or after the subscription, over real DDS."""

import time
from random import Random

import pytest
import rclpy
from rclpy.context import Context
from rclpy.executors import SingleThreadedExecutor
from rclpy.qos import DurabilityPolicy, QoSProfile, ReliabilityPolicy
from std_msgs.msg import Bool, String

from qwen_vla_ros import every_publisher
from qwen_vla_ros.every_publisher import COPIES_S, subscribe_to_state, subscribe_to_stream
from qwen_vla_ros.graph import publishers_of

KINDS = [(d, r) for d in ("volatile", "transient_local") for r in ("reliable", "best_effort")]
LATCHED = ("transient_local", "reliable")


def quality(durability, reliability):
    return QoSProfile(
        depth=1,
        durability=DurabilityPolicy.get_from_short_key(durability),
        reliability=ReliabilityPolicy.get_from_short_key(reliability),
    )


class TwoParticipants:
    """A robot that subscribes and somebody that publishes, as two DDS participants."""

    def __init__(self, domain):
        self.contexts = [Context(), Context()]
        for context in self.contexts:
            rclpy.init(context=context, domain_id=domain)
        here, there = self.contexts
        self.robot = rclpy.create_node("robot", context=here)
        self.other = rclpy.create_node("other", context=there)
        self.executor = SingleThreadedExecutor(context=here)
        self.executor.add_node(self.robot)
        self.received = []

    def receive(self, message):
        self.received.append(message.data)

    def until(self, condition, limit_s=10.0):
        end_s = time.monotonic() + limit_s
        while not condition():
            assert time.monotonic() < end_s, self.received
            self.executor.spin_once(timeout_sec=0.05)

    def matched(self, publisher, count):
        """Whether both participants know of ``count`` subscriptions to a publisher."""
        topic = publisher.topic_name
        known = [p.node for p in publishers_of(self.robot, topic)]
        return "/other" in known and publisher.get_subscription_count() == count

    def settle(self):
        """Until all that a marker, published after everything else, can wait for has arrived."""
        marker = self.other.create_publisher(String, "marker", quality(*LATCHED))
        arrived = []
        subscribe_to_stream(self.robot, String, "marker", arrived.append)
        self.until(lambda: self.matched(marker, 1))
        marker.publish(String(data="end"))
        self.until(lambda: arrived)

    def close(self):
        for node, context in zip((self.robot, self.other), self.contexts, strict=True):
            node.destroy_node()
            rclpy.shutdown(context=context)


@pytest.fixture
def two(ros_domain):
    participants = TwoParticipants(ros_domain)
    yield participants
    participants.close()


def matching(kind):
    """How many of a state's three subscriptions receive this kind of publisher."""
    return {LATCHED: 3, ("volatile", "reliable"): 2}.get(kind, 1)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("first", ["publisher", "subscription"])
def test_when_any_kind_of_publisher_speaks_of_a_state_expect_each_message_once(two, kind, first):
    if first == "subscription":
        subscribe_to_state(two.robot, String, "instruction", two.receive)
    publisher = two.other.create_publisher(String, "instruction", quality(*kind))
    if first == "publisher":
        subscribe_to_state(two.robot, String, "instruction", two.receive)
    two.until(lambda: two.matched(publisher, matching(kind)))
    for text in ("one", "two", "one"):
        publisher.publish(String(data=text))
        two.until(lambda text=text: two.received[-1:] == [text])
    two.settle()
    assert two.received == ["one", "two", "one"]


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("first", ["publisher", "subscription"])
def test_when_any_kind_of_publisher_streams_expect_each_message_once(two, kind, first):
    if first == "subscription":
        subscribe_to_stream(two.robot, String, "stream", two.receive)
    publisher = two.other.create_publisher(String, "stream", quality(*kind))
    if first == "publisher":
        subscribe_to_stream(two.robot, String, "stream", two.receive)
    two.until(lambda: two.matched(publisher, 1))
    for number in range(5):
        publisher.publish(String(data=str(number)))
        two.until(lambda number=number: two.received[-1:] == [str(number)])
    two.settle()
    assert two.received == ["0", "1", "2", "3", "4"]


def test_when_a_latched_publisher_spoke_before_expect_it_received_once(two):
    publisher = two.other.create_publisher(Bool, "estop", quality(*LATCHED))
    publisher.publish(Bool(data=True))
    subscribe_to_state(two.robot, Bool, "estop", two.receive)
    two.until(lambda: two.received and two.matched(publisher, 3))
    two.settle()
    assert two.received == [True]


def test_when_another_publisher_repeats_a_state_later_expect_it_passed_on(two, monkeypatch):
    monkeypatch.setattr(every_publisher, "COPIES_S", 0.0)
    latched = two.other.create_publisher(String, "instruction", quality(*LATCHED))
    latched.publish(String(data="pick up the red block"))
    subscribe_to_state(two.robot, String, "instruction", two.receive)
    two.until(lambda: two.received)
    once = two.other.create_publisher(String, "instruction", quality("volatile", "best_effort"))
    two.until(lambda: two.matched(once, 1))
    once.publish(String(data="pick up the red block"))
    two.until(lambda: len(two.received) == 2)


def test_when_a_state_changes_and_returns_expect_every_change_passed_on(two):
    button, tool = (
        two.other.create_publisher(Bool, "estop", quality(*kind))
        for kind in (LATCHED, ("volatile", "best_effort"))
    )
    button.publish(Bool(data=True))
    subscribe_to_state(two.robot, Bool, "estop", two.receive)
    two.until(lambda: two.received and two.matched(tool, 1))
    for publisher, pressed in ((button, False), (tool, True), (button, False)):
        publisher.publish(Bool(data=pressed))
        two.until(lambda pressed=pressed: two.received[-1] == pressed)
    assert two.received == [True, False, True, False]


@pytest.mark.parametrize("kind", KINDS)
def test_when_a_publisher_offers_less_than_one_subscription_asks_expect_no_warning(
    two, kind, capfd
):
    subscribe_to_state(two.robot, String, "instruction", two.receive)
    publisher = two.other.create_publisher(String, "instruction", quality(*kind))
    two.until(lambda: two.matched(publisher, matching(kind)))
    two.settle()
    assert "incompatible QoS" not in capfd.readouterr().err


class Copies:
    """The three subscriptions of a state, without ROS, in time that is made up."""

    def __init__(self, monkeypatch):
        self.now_s, self.passed_on = 100.0, []
        monkeypatch.setattr(every_publisher.time, "monotonic", lambda: self.now_s)
        once = every_publisher._Once(self.passed_on.append)
        self.latched, self.reliable, self.all = (once.receiver() for _ in range(3))


def test_when_a_heartbeat_loses_best_effort_copies_expect_every_beat_once(monkeypatch):
    copies, random = Copies(monkeypatch), Random(0)
    for beat in range(1, 1000):
        copies.now_s += 0.02
        receivers = [copies.reliable, copies.all] if random.random() > 0.1 else [copies.reliable]
        random.shuffle(receivers)
        for receive in receivers:
            receive("alive")
        assert len(copies.passed_on) == beat


def test_when_copies_were_lost_expect_another_publisher_received_after_a_while(monkeypatch):
    copies = Copies(monkeypatch)
    for _ in range(100):  # the best-effort copies of all of them are lost
        copies.now_s += 0.02
        copies.reliable("alive")
    copies.now_s += COPIES_S + 0.1
    copies.all("alive")
    assert len(copies.passed_on) == 101


def test_when_a_state_changes_between_equal_ones_expect_all_passed_on_whoever_says_it(monkeypatch):
    copies = Copies(monkeypatch)
    copies.latched(True)  # from before; the others never deliver it
    copies.reliable(False)
    copies.all(False)
    copies.all(True)  # another publisher, best effort
    assert copies.passed_on == [True, False, True]
