"""A service that is called over and over, without ever waiting for it.

What was true of the hardware once is asked again for as long as it is used: in turn, a few calls
at a time, so that neither the control loop nor the hardware's driver is kept busy.
"""

from collections.abc import Hashable, Mapping, Sequence

from rclpy.node import Node
from rclpy.task import Future

GIVE_UP_S = 1.0
"""Time without an answer after which a request is sent again, s: a driver that died while it
answered never will."""

MUTE_S = 2.0
"""Time without any answer after which the last ones no longer count, s."""


class PolledService:
    """The newest answer to each of some requests, from the server that is there now.

    Attributes:
        name: of the service, in full.
        answers: key of the request -> its newest response.
        problem: that nobody answers, in words; None once all requests were answered and while
            answers go on coming.
    """

    def __init__(
        self,
        node: Node,
        service_type: type,
        name: str,
        requests: Mapping[Hashable, object],
        *,
        turns: Sequence[Hashable] = (),
        at_once: int = 1,
        pause_s: float = 0.0,
    ) -> None:
        """Nothing is sent before the first ``poll``.

        Args:
            node: the node to call it with.
            service_type: of the service. name: as the node names it.
            requests: key -> request.
            turns: keys in the order in which they are asked again; what matters more may stand
                there more often. All in turn if empty.
            at_once: requests that a poll may send, once all were answered.
            pause_s: shortest time between two polls that send anything, s.
        """
        self.name = node.resolve_service_name(name)
        self._client = node.create_client(service_type, self.name)
        self._requests, self._turns = dict(requests), tuple(turns or requests)
        self._at_once, self._pause_s = at_once, pause_s
        self._pending: dict[Hashable, tuple[Future, float]] = {}
        self._next = 0
        self._asked_s = self._answered_s = 0.0
        self.answers: dict[Hashable, object] = {}
        self.problem: str | None = self._unanswered

    def poll(self, now_s: float) -> None:
        """Take the answers that are there and ask what is due; never waits.

        Args:
            now_s: steady time, s.
        """
        if not self._client.service_is_ready():
            self.forget()
            return
        self._take(now_s)
        self._ask(now_s)
        mute_s = now_s - self._answered_s
        if len(self.answers) < len(self._requests):
            self.problem = self._unanswered
        elif mute_s > MUTE_S:
            self.problem = f"{self.name} has not answered for {mute_s:.1f} s; does it hang?"
        else:
            self.problem = None

    def forget(self) -> None:
        """Drop all answers: they were another server's, or are no longer true."""
        for future, _ in self._pending.values():
            self._client.remove_pending_request(future)
        self._pending.clear()
        self.answers.clear()
        self.problem = self._unanswered

    @property
    def _unanswered(self) -> str:
        return f"{self.name} has not answered; is the driver up?"

    def _take(self, now_s: float) -> None:
        for key, (future, asked_s) in list(self._pending.items()):
            if future.done():
                self._answered_s = now_s
                self.answers[key] = future.result()
            elif now_s - asked_s > GIVE_UP_S:
                self._client.remove_pending_request(future)
            else:
                continue
            del self._pending[key]

    def _ask(self, now_s: float) -> None:
        """Whatever was not answered yet; then the next few in turn, over and over."""
        due = [key for key in self._requests if key not in self.answers]
        if not due and not self._pending and now_s - self._asked_s >= self._pause_s:
            due = [self._turns[(self._next + k) % len(self._turns)] for k in range(self._at_once)]
            self._next = (self._next + self._at_once) % len(self._turns)
        for key in due:
            if key not in self._pending:
                self._pending[key] = self._client.call_async(self._requests[key]), now_s
                self._asked_s = now_s
