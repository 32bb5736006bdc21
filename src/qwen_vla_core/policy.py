"""The interface of a policy: an observation in, normalised actions out."""

from typing import Protocol

import numpy as np

from .execution import Prefix
from .types import Observation


class Policy(Protocol):
    """Anything that can drive a robot: the network, a replay, a scripted expert."""

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
