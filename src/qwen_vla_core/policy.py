"""The interfaces of a policy: an observation in, normalised actions or joint targets out."""

from typing import Protocol

import numpy as np

from .execution import Prefix
from .modes import Mode
from .types import ActionChunk, Observation


class Policy(Protocol):
    """Anything that can drive a robot by the channels of its embodiment."""

    def infer(self, observation: Observation, prefix: Prefix | None = None) -> np.ndarray:
        """Predict the next actions.

        Args:
            observation: what the robot sees.
            prefix: what it will go on doing meanwhile; None where it does nothing.
        Returns:
            float32 [H, C] in [-1, 1]: H action steps, C channels in the order of
            ``Embodiment.action_channels``. A policy that plans ahead begins with the committed
            actions of the prefix, exactly as they are given.
        """


class RobotPolicy(Protocol):
    """What policy_node runs: the network, a policy on another machine, a replay.

    Attributes:
        slow_reason: what slows it down here, and what to do about it; empty where nothing does.
    """

    slow_reason: str

    def plan(self, observation: Observation, prefix: Prefix | None = None) -> ActionChunk:
        """The next joint targets: H + 1 points one action step apart.

        Point 0 is ``observation.commanded_D``, and zero for a base, whose targets are
        displacements from where it was observed.

        Args:
            observation: what the robot sees.
            prefix: what it will go on doing meanwhile; None where it does nothing.
        """

    def on_mode(self, mode: Mode) -> None:
        """The robot is in this mode from now on; called from another thread than ``plan``."""

    def warm_up(self) -> float:
        """How long one plan takes now, s; the first real one is as quick afterwards."""

    def diagnostics(self) -> dict[str, object]:
        """How the last plans went."""
