"""One topic on which an emergency stop is published, and whose release is accepted.

A press counts whoever publishes it. ROS does not say in Python which publisher a message came
from, so a release counts only while the topic has had one single publisher for a while: with two,
nobody knows whether the one that pressed has released. Sources that are used together get a topic
each (parameter ``estop_topics``).
"""

import time
from collections.abc import Callable

from rclpy.node import Node
from std_msgs.msg import Bool

from .bounded import FLAG_BYTES, bounded
from .every_publisher import subscribe_to_state
from .graph import publishers_of, type_problem

TELEOP_ESTOP = "teleop/estop"
"""The stop on a person's device, always received; in ``estop_topics`` its silence counts, too."""

ALONE_S = 1.0
"""A topic must have had one publisher for this long, s: one that published once and left again is
found and forgotten by discovery within it."""


class EstopTopic:
    """Receives one topic from publishers of any quality of service.

    Attributes:
        missing: that nobody publishes it although somebody must, in words; "" otherwise.
    """

    def __init__(
        self,
        node: Node,
        topic: str,
        pressed: Callable[[bool, str], None],
        refuse: Callable[[str], None],
        needed: bool = False,
    ) -> None:
        """Subscribe.

        Args:
            topic: std_msgs/Bool; true presses, false releases.
            pressed: gets every press and every release that counts, and the source in words.
            refuse: gets the reason why something does not count.
            needed: nobody who publishes it is a problem: the button is not connected.
        """
        self._needed, self.missing = needed, ""
        self._node, self._topic, self._pressed, self._refuse = node, topic, pressed, refuse
        self._source = f"the {topic} topic is true"
        self._publishers: tuple = ()
        self._since_s = time.monotonic()
        receive = bounded(Bool, FLAG_BYTES, self._receive, lambda why: refuse(f"{topic}: {why}"))
        subscribe_to_state(node, Bool, topic, receive, raw=True)

    def check_publishers(self) -> str:
        """Update who publishes; returns a problem as text, or ""."""
        publishers = publishers_of(self._node, self._topic)
        if publishers != self._publishers:
            self._publishers, self._since_s = publishers, time.monotonic()
        self.missing = ""
        if self._needed and not publishers:
            self.missing = (
                f"{self._node.resolve_topic_name(self._topic)}: nobody publishes this emergency "
                "stop of estop_topics; start its node, or correct the name"
            )
        return type_problem(self._topic, publishers, Bool)

    def _receive(self, message: Bool) -> None:
        self.check_publishers()
        if message.data:
            self._pressed(True, self._source)
            return
        alone_s = time.monotonic() - self._since_s
        if len(self._publishers) > 1:
            names = ", ".join(sorted(publisher.node for publisher in self._publishers))
            self._refuse(
                f"{self._topic}: a release is not accepted while several publish it ({names}); "
                "give each a topic of its own in estop_topics"
            )
        elif alone_s < ALONE_S:
            self._refuse(
                f"{self._topic}: a release is accepted once its publisher has been the only one "
                f"for {ALONE_S:g} s, now {alone_s:.1f}; go on publishing it (--rate, not --once)"
            )
        else:
            self._pressed(False, self._source)
