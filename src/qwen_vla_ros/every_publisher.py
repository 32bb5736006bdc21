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
from collections import deque
from collections.abc import Callable
from typing import Any

from rclpy.callback_groups import CallbackGroup
from rclpy.node import Node
from rclpy.qos import DurabilityPolicy, QoSProfile, ReliabilityPolicy
from rclpy.subscription import Subscription

try:
    from rclpy.event_handler import SubscriptionEventCallbacks
except ImportError:  # ROS 2 Humble
    from rclpy.qos_event import SubscriptionEventCallbacks

STATE_DEPTH = 10
"""Messages of a state that wait while the node is busy: `true` followed by `false` is two."""

COPIES_S = 2.0
"""How long the copies of a message on the other subscriptions are expected, s. They are taken
in the same round of the executor, which on a loaded machine takes a while."""


def subscribe_to_stream(
    node: Node,
    message_type: type,
    topic: str,
    callback: Callable[[Any], None],
    depth: int = 10,
    raw: bool = False,
    group: CallbackGroup | None = None,
) -> Subscription:
    """Receive each message of every publisher of a stream, once, at the cost of one subscription.

    Args:
        depth: messages that wait while the node is busy; 1 where only the newest is of use.
        raw: hand on the bytes, for ``bounded``. group: the node's own if it is None.
    """
    qos = QoSProfile(depth=depth, reliability=ReliabilityPolicy.BEST_EFFORT)
    return node.create_subscription(
        message_type, topic, callback, qos, raw=raw, callback_group=group
    )


def subscribe_to_state(
    node: Node,
    message_type: type,
    topic: str,
    callback: Callable[[Any], None],
    raw: bool = False,
    group: CallbackGroup | None = None,
) -> list[Subscription]:
    """Receive a state from every publisher, and what a latched one published before.

    Of a message that several subscriptions deliver, the first copy is passed on. A copy that comes
    later than ``COPIES_S``, or after another message, is passed on as well.
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
    options = {"event_callbacks": silent, "raw": raw, "callback_group": group}
    return [
        node.create_subscription(message_type, topic, once.receiver(), latched, **options),
        node.create_subscription(message_type, topic, once.receiver(), volatile, **options),
        subscribe_to_stream(node, message_type, topic, once.receiver(), STATE_DEPTH, raw, group),
    ]


class _Once:
    """Passes on what its receivers deliver; of the copies of one message, the first."""

    def __init__(self, callback: Callable[[Any], None]) -> None:
        self._callback = callback
        self._last: Any = None
        self._copies_until_s: list[deque[float]] = []

    def receiver(self) -> Callable[[Any], None]:
        """The callback of one more subscription."""
        own: deque[float] = deque(maxlen=STATE_DEPTH)  # copies of the last message still to come
        self._copies_until_s.append(own)

        def receive(message: Any) -> None:
            now_s = time.monotonic()
            while own and own[0] < now_s:
                own.popleft()
            if own and message == self._last:
                own.popleft()
                return
            for copies in self._copies_until_s:
                if message != self._last:
                    copies.clear()
                if copies is not own:
                    copies.append(now_s + COPIES_S)
            self._last = message
            self._callback(message)

        return receive
