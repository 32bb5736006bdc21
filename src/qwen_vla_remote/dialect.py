"""What is asked of a server, and what its answers mean: ours here, others' in ``backend``."""

from typing import Protocol

import numpy as np

from qwen_vla_core.embodiment import Embodiment
from qwen_vla_core.execution import Prefix
from qwen_vla_core.types import Observation

from .messages import check_server, read_answer, write_request


def error_in(answer: object) -> str:
    """What a text frame says (openpi), or a map's ``error`` (ours, StarVLA); else empty."""
    if isinstance(answer, str):
        return answer
    error = answer.get("error") if isinstance(answer, dict) else None
    return "" if error is None else str(error)


class Dialect(Protocol):
    """Between a robot and the frames of one kind of server.

    Attributes:
        numbered: whether answers say to which request they belong. Without that a connection is
            given up with the first answer that is late, since the next could not be told from it.
    """

    numbered: bool

    def check(self, metadata: object) -> None:
        """Refuse a server by what it says first.

        Raises:
            QwenVlaError: it cannot drive this robot; what differs is named.
        """

    def write(
        self, observation: Observation, prefix: Prefix | None, number: int, left_s: float
    ) -> dict:
        """The request, of this number; an answer is of use for that long, s."""

    def error(self, answer: object) -> str:
        """Why the server has no actions, in its words; empty where it has."""

    def read(self, answer: object, observation: Observation) -> np.ndarray:
        """The policy's actions, float32 [H, C] in [-1, 1].

        Raises:
            RemoteError: the answer holds something else; nothing of it may reach the robot.
        """


class OwnDialect:
    """That of ``qwen-vla serve``. Implements ``Dialect``."""

    numbered = True

    def __init__(self, robot: Embodiment) -> None:
        self._robot = robot

    def check(self, metadata: object) -> None:
        """As ``Dialect.check``."""
        self._robot = check_server(metadata, self._robot)

    def write(
        self, observation: Observation, prefix: Prefix | None, number: int, left_s: float
    ) -> dict:
        """As ``Dialect.write``."""
        return write_request(self._robot, observation, prefix, number, left_s)

    def error(self, answer: object) -> str:
        """As ``Dialect.error``."""
        return error_in(answer)

    def read(self, answer: object, observation: Observation) -> np.ndarray:
        """As ``Dialect.read``."""
        return read_answer(answer, self._robot)
