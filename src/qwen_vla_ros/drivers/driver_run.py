"""Whether a driver is still the one that was verified: one that was started anew may differ."""

from rclpy.node import Node


class DriverRun:
    """What tells one run of a driver from the next is its publisher of joint states.

    That one of them leaves means nothing: a process that was killed stays for a while.
    """

    def __init__(self, node: Node, topic: str) -> None:
        self._node, self.topic = node, node.resolve_topic_name(topic)
        self._gids: frozenset[bytes] = frozenset()

    def is_new(self, *, quick: bool = False) -> bool:
        """Whether it has been started since the last call.

        Args:
            quick: before each command only how many publish is asked, a sixth of the time.
        """
        if quick and self._node.count_publishers(self.topic) == len(self._gids):
            return False
        publishers = self._node.get_publishers_info_by_topic(self.topic)
        before = self._gids
        self._gids = frozenset(bytes(publisher.endpoint_gid) for publisher in publishers)
        return bool(self._gids - before)

    @property
    def words(self) -> str:
        """Why nothing is sent after that."""
        return f"{self.topic}: its driver was started; it is being verified"
