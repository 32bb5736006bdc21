"""Clients of a person's requests: one after which the robot may move comes in time, or never.

What DDS sends reliably it sends again until the other side has it or, after 20 s, is given up. A
request that a wireless link held up engaged the robot when the link came back, long after the
person was told that nobody answers. DDS's own remedy, a lifespan, counts for the answer as well
and by the clocks of both computers: where these differ by more, the robot was engaged and the
person told that nobody answers. So what was not answered in time goes with its client.
"""

from rclpy.client import Client
from rclpy.clock import Clock, ClockType
from rclpy.node import Node
from rclpy.task import Future
from std_srvs.srv import Trigger

MOVES = (
    "control/engage_policy",
    "control/engage_teleop",
    "control/go_to_start",
    "teleop/engage",
    "teleop/align",
    "teleop/hand_back",
)
"""After these the robot may move; all others are granted however late they come."""

IN_TIME_S = 2.0
"""After this time a request that was not answered is sent no more, s; they take milliseconds."""


def trigger_client(node: Node, name: str) -> "Client | InTimeClient":
    """A client of a std_srvs/Trigger service, by its name in the robot's namespace."""
    return InTimeClient(node, name) if name in MOVES else node.create_client(Trigger, name)


class InTimeClient:
    """As rclpy's client, as far as it is used here.

    A request that is not answered within ``IN_TIME_S``, while the node spins, is withdrawn; its
    future is never done.
    """

    def __init__(self, node: Node, name: str) -> None:
        self._node, self._name = node, name
        self._client = node.create_client(Trigger, name)
        self._steady = Clock(clock_type=ClockType.STEADY_TIME)

    @property
    def srv_name(self) -> str:
        return self._client.srv_name

    def service_is_ready(self) -> bool:
        return self._client.service_is_ready()

    def call_async(self, request: Trigger.Request) -> Future:
        """Ask; the answer comes while the node spins."""
        client = self._client
        future = client.call_async(request)
        timer = self._node.create_timer(IN_TIME_S, lambda: end(), clock=self._steady)

        def end() -> None:
            self._node.destroy_timer(timer)
            if not future.done():
                self._withdraw(client)

        return future

    def remove_pending_request(self, future: Future) -> None:
        self._client.remove_pending_request(future)

    def _withdraw(self, client: Client) -> None:
        """End a client, and with it what it has sent and nobody has taken."""
        if client is self._client and self._node.destroy_client(client):
            self._client = self._node.create_client(Trigger, self._name)
