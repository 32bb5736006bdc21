"""Topics as bytes: every publisher's, with the time of receipt, and how many did not arrive.

They are fetched ten times a second; the time of receipt comes from the middleware, so that nothing
depends on when.
"""

import importlib
from collections.abc import Callable, Iterator, Mapping

from rclpy.node import Node
from rclpy.qos import QoSProfile, ReliabilityPolicy
from rclpy.subscription import Subscription

from qwen_vla_data.recording import RecordedTopic
from qwen_vla_data.recording.background import Sample
from qwen_vla_data.recording.topics import IMAGE

from .every_publisher import subscribe_to_state, subscribe_to_stream
from .fetched import FetchedGroup, fetch
from .graph import publishers_of

FETCH_S = 0.1
"""How often all topics are fetched, s."""

DEPTH = 60
"""Messages that wait meanwhile: 0.6 s of joint states at 100 Hz, 2 s of a camera."""


class RawTopic:
    """One topic of a recorder."""

    def __init__(self, node: Node, topic: RecordedTopic, lost: Callable[[str, int], None]) -> None:
        """Subscribe.

        Args:
            lost: gets the topic's name and how many of its messages did not arrive.
        """
        self._node, self._topic, self._lost = node, topic, lost
        self._wire_name = node.resolve_topic_name(topic.name)
        self._kind, self._group = message_class(topic.type), FetchedGroup()
        self._sequence: int | None = None
        self._reliable = False
        self._fetched: list[bytes] = []
        if topic.state:
            self._subscriptions = subscribe_to_state(
                node, self._kind, topic.name, self._fetched.append, raw=True, group=self._group
            )
        else:
            self._subscriptions = [self._subscribe()]

    def fetch(self) -> Iterator[Sample]:
        """All that has come since the last call."""
        for subscription in self._subscriptions:
            for data, info in fetch(subscription):
                if not self._topic.state:
                    self._count_lost(info.get("publication_sequence_number"))
                subscription.callback(data)
                while self._fetched:  # none where it is the copy of one that came before
                    yield self._sample(self._fetched.pop(), info)

    def match_publishers(self) -> None:
        """Ask for raw images again where a packet was lost, if every publisher keeps them.

        A raw image is a dozen packets, and without one of them it is lost. Asking would leave out
        publishers that do not keep what they sent (best effort).
        """
        if self._topic.type != IMAGE:
            return
        offers = [publisher.reliable for publisher in publishers_of(self._node, self._topic.name)]
        if offers and all(offers) != self._reliable:
            self._reliable, self._sequence = all(offers), None
            self._node.destroy_subscription(self._subscriptions.pop())
            self._subscriptions.append(self._subscribe())

    def _subscribe(self) -> Subscription:
        node, name, take = self._node, self._topic.name, self._fetched.append
        if not self._reliable:
            return subscribe_to_stream(node, self._kind, name, take, DEPTH, True, self._group)
        qos = QoSProfile(depth=DEPTH, reliability=ReliabilityPolicy.RELIABLE)
        return node.create_subscription(
            self._kind, name, take, qos, raw=True, callback_group=self._group
        )

    def _sample(self, data: bytes, info: Mapping[str, int]) -> Sample:
        clock = self._node.get_clock()
        received_ns = 0 if clock.ros_time_is_active else info["received_timestamp"]
        if not received_ns:  # simulated time, or a middleware that does not say
            received_ns = clock.now().nanoseconds
        return Sample(
            topic=self._topic,
            wire_name=self._wire_name,
            data=data,
            received_ns=received_ns,
            published_ns=info["source_timestamp"] or received_ns,
        )

    def _count_lost(self, sequence: int | None) -> None:
        """Each publisher numbers its messages (rclpy says so from ROS 2 Iron on)."""
        last, self._sequence = self._sequence, sequence
        if last is None or sequence is None or sequence <= last + 1:
            return
        if self._subscriptions[0].get_publisher_count() == 1:  # the numbers of two mean nothing
            self._lost(self._topic.name, sequence - last - 1)


def message_class(type_name: str) -> type:
    """The class of a message type such as ``sensor_msgs/msg/Image``."""
    package, _, name = type_name.split("/")
    return getattr(importlib.import_module(f"{package}.msg"), name)
