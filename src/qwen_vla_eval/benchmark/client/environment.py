"""What a benchmark is to the client: one file for each implements it."""

from dataclasses import dataclass
from typing import Protocol

import numpy as np


@dataclass(frozen=True, kw_only=True)
class Outcome:
    """What a step led to: whether the benchmark's own test says success, and whether it ended."""

    success: bool
    ended: bool


class Environment(Protocol):
    """A benchmark's simulator, with its own initial states, step limits and success test."""

    hz: float

    def reset(self, task: str, state: int) -> str:
        """Begin an episode of a task in one of its initial states; the instruction."""

    def picture(self) -> dict[str, np.ndarray]:
        """Each camera's image, uint8 RGB [height, width, 3]; drawn now."""

    def request(self, images: dict[str, np.ndarray], metadata: dict) -> dict:
        """What a server that says ``metadata`` of itself is asked."""

    def actions(self, answer: dict, metadata: dict) -> np.ndarray:
        """The benchmark's own actions [H, n] in a server's answer."""

    def step(self, action: np.ndarray) -> Outcome:
        """Carry out one action."""

    def expert(self) -> np.ndarray:
        """What the scripted expert does now, as ``step`` takes it.

        Raises:
            NotImplementedError: no expert knows the task.
        """

    def disturb(self, action: np.ndarray, by: np.ndarray) -> np.ndarray:
        """An action changed by numbers [n] between -1 and 1, as far as the expert can mend."""

    def row(self, action: np.ndarray) -> dict[str, np.ndarray]:
        """What a recorded step holds beside images: numbers by name, in our units.

        ``positions`` and ``commanded``, joints as our embodiment counts them, before ``action``,
        which is given as one of the embodiment's native actions.
        """
