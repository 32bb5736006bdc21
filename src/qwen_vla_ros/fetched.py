"""Subscriptions that wake nobody: the middleware keeps their messages until they are fetched.

An executor wakes for every message and looks at every entity of its nodes each time, which took
0.4 of a core for 380 messages a second.
"""

from collections.abc import Iterator, Mapping

from rclpy.callback_groups import CallbackGroup
from rclpy.subscription import Subscription


class FetchedGroup(CallbackGroup):
    """Entities of this group are never executed, so that no executor waits for them.

    A node refers to its groups weakly: keep it.
    """

    def can_execute(self, entity: object) -> bool:
        return False

    def beginning_execution(self, entity: object) -> bool:
        return False

    def ending_execution(self, entity: object) -> None:
        """Nothing: it never begins."""


def fetch(subscription: Subscription) -> Iterator[tuple[bytes, Mapping[str, int]]]:
    """Every message that waits, oldest first, as bytes, and what the middleware says of it."""
    with subscription.handle:
        take = subscription.handle.take_message  # as the executor does
        while (taken := take(subscription.msg_type, True)) is not None:
            yield taken
