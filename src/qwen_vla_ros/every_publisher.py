"""Subscriptions that receive from every publisher, whatever quality of service it offers.

DDS delivers to a subscription only from publishers that offer at least what it requests. Joint
states from micro-ROS are best effort; ``ros2 topic pub`` is volatile; an e-stop button or an
instruction may be latched (transient local). A topic that safety or starting depends on has to
receive all of them.

A stream (joint states, odometry, images, teleop) needs one subscription: volatile and best effort
matches every publisher and delivers each message once. What it gives up, repeating a lost message
and the history of a latched publisher, is of no use where the next sample comes at once and an old
one is refused.

A state (e-stop, instruction) is said once and must arrive. No single subscription does that for
all publishers, so there are three, and what arrives by more than one of them is passed on once.
The history of a publisher that is transient local but best effort is delivered by no middleware.
"""

import time
from collections.abc import Callable
from typing import Any

from rclpy.node import Node
from rclpy.qos import DurabilityPolicy, QoSProfile, ReliabilityPolicy
from rclpy.subscription import Subscription

try:
    from rclpy.event_handler import SubscriptionEventCallbacks
except ImportError:  # ROS 2 Humble
    from rclpy.qos_event import SubscriptionEventCallbacks

STATE_DEPTH = 10
"""Messages of a state that wait while the node is busy: `true` followed by `false` is two."""

SAME_S = 0.2
"""What another subscription repeats within this time is the same message, s. The copies of one
message are taken in the same round of the executor."""


def subscribe_to_stream(
    node: Node, message_type: type, topic: str, callback: Callable[[Any], None], depth: int = 10
) -> Subscription:
    """Receive each message of every publisher of a stream, once, at the cost of one subscription.

    Args:
        depth: messages that wait while the node is busy; 1 where only the newest is of use.
    """
    qos = QoSProfile(depth=depth, reliability=ReliabilityPolicy.BEST_EFFORT)
    return node.create_subscription(message_type, topic, callback, qos)


def subscribe_to_state(
    node: Node, message_type: type, topic: str, callback: Callable[[Any], None]
) -> list[Subscription]:
    """Receive what every publisher says of a state, and what a latched one said before.

    A message that one subscription delivers is dropped from the others where they repeat it within
    ``SAME_S``. A repetition that they deliver later, or in the middle of others, is passed on: it
    says what holds anyway.
    """
    once = _Once(callback)
    # Each of the stricter ones skips publishers that the next one receives: nothing to warn of.
    silent = SubscriptionEventCallbacks(use_default_callbacks=False)
    volatile = QoSProfile(depth=STATE_DEPTH, reliability=ReliabilityPolicy.RELIABLE)
    latched = QoSProfile(
        depth=STATE_DEPTH,
        reliability=ReliabilityPolicy.RELIABLE,
        durability=DurabilityPolicy.TRANSIENT_LOCAL,
    )
    return [
        node.create_subscription(
            message_type, topic, once.receiver(), latched, event_callbacks=silent
        ),
        node.create_subscription(
            message_type, topic, once.receiver(), volatile, event_callbacks=silent
        ),
        subscribe_to_stream(node, message_type, topic, once.receiver(), STATE_DEPTH),
    ]


class _Once:
    """Passes on what its receivers deliver; of one message delivered to several, the first."""

    def __init__(self, callback: Callable[[Any], None]) -> None:
        self._callback = callback
        self._receivers = 0
        self._last: Any = None
        self._speaker, self._spoke_s = -1, 0.0

    def receiver(self) -> Callable[[Any], None]:
        """The callback of one more subscription."""
        self._receivers += 1
        number = self._receivers

        def receive(message: Any) -> None:
            now_s = time.monotonic()
            repeated = number != self._speaker and message == self._last
            if repeated and now_s - self._spoke_s < SAME_S:
                return
            self._last, self._speaker, self._spoke_s = message, number, now_s
            self._callback(message)

        return receive
