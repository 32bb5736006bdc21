"""Services that a page may call: all are std_srvs/Trigger, answered in words."""

import time
from collections.abc import Callable

from rclpy.node import Node
from std_srvs.srv import Trigger

from ..trigger_client import trigger_client

REQUESTS = (
    "control/engage_policy",
    "control/engage_teleop",
    "control/go_to_start",
    "control/hold",
    "control/estop",
    "control/reset",
    "policy/reset",
    "teleop/engage",
    "teleop/release",
    "teleop/align",
    "teleop/hand_back",
    "record/start",
    "record/success",
    "record/failure",
    "record/discard",
)

NODES = {
    "control": "control_node",
    "policy": "policy_node",
    "teleop": "teleop_node",
    "record": "recorder_node",
}
"""First part of a service's name -> the node that offers it."""

ANSWER_S = 2.0
"""Time after which the page says that a node does not answer, s; nodes answer in milliseconds."""

Answer = Callable[[bool, str], None]


class Requests:
    """Calls services without waiting for them."""

    def __init__(self, node: Node) -> None:
        self._clients = {name: trigger_client(node, name) for name in REQUESTS}
        self._waiting: dict[object, tuple[float, str, Answer]] = {}

    def available(self) -> list[str]:
        """The services that are there now."""
        return [name for name, client in self._clients.items() if client.service_is_ready()]

    def call(self, name: str, answer: Answer) -> None:
        """Ask; ``answer`` gets whether it was granted and the reason, once."""
        client = self._clients[name]
        if not client.service_is_ready():
            answer(False, f"no {NODES[name.partition('/')[0]]} is running that offers {name}")
            return
        future = client.call_async(Trigger.Request())
        self._waiting[future] = time.monotonic(), name, answer

        def answered(future) -> None:
            if self._waiting.pop(future, None) is not None:
                response = future.result()
                answer(response.success, response.message)

        future.add_done_callback(answered)

    def expire(self) -> None:
        """Answer for those who have not answered; called now and then."""
        now_s = time.monotonic()
        for future, (asked_s, name, answer) in list(self._waiting.items()):
            if now_s - asked_s > ANSWER_S:
                del self._waiting[future]
                self._clients[name].remove_pending_request(future)
                answer(False, f"no answer from {name} for {ANSWER_S:g} s")
