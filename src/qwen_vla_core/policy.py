"""What a policy is to the rest of the suite: an observation in, normalised actions out."""

from typing import Protocol

import numpy as np

from .types import Observation


class Policy(Protocol):
    """Anything that can drive a robot: the network, a replay, a scripted expert."""

    def infer(self, observation: Observation) -> np.ndarray:
        """Predict the next actions.

        Returns:
            float32 [H, C] in [-1, 1]: H action steps, C channels in the order of
            ``Embodiment.action_channels``.
        """
