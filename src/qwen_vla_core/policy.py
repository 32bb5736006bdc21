"""The one interface of a policy: an observation in, normalised actions or joint targets out.

policy_node, `qwen-vla evaluate`, `generate`, `replay` and `serve` take anything that has it: the
network, a policy on another machine, a recording that is done again, or somebody's own
(docs/own_policy.md). ``test/test_policy_contract.py`` tries what it promises.
"""

import math
from typing import Protocol

import numpy as np

from .embodiment import Embodiment, EmbodimentCodec
from .execution import Prefix
from .modes import Mode
from .observation.empty_scene import empty_scene
from .types import ActionChunk, Observation

ASSUMED_S = 0.1
"""How long an inference is taken to last before one was measured: core reads no clock."""


class Policy(Protocol):
    """Anything that can drive a robot.

    Whoever implements ``infer`` in ``ChannelPolicy`` has all of it.

    Attributes:
        slow_reason: what slows it down here, and what to do about it; empty where nothing does.
    """

    slow_reason: str

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

    def plan(self, observation: Observation, prefix: Prefix | None = None) -> ActionChunk:
        """The next joint targets: H + 1 points one action step apart.

        Point 0 is ``observation.commanded_D``, and zero for a base, whose targets are
        displacements from where it was observed.
        """

    def done(self, observation: Observation) -> float:
        """How likely the instruction is done, 0 to 1; NaN of a policy that cannot tell."""

    def answer(self, observation: Observation) -> str:
        """What it says to a question, which stands in the place of the instruction.

        Empty of a policy that answers none.
        """

    def warm_up(self) -> float:
        """About how long one inference takes, s; the first real one is as quick afterwards."""

    def reseed(self, seed: int) -> None:
        """The same answers to the same observations follow, where chance plays a part."""

    def on_mode(self, mode: Mode) -> None:
        """The robot is in this mode from now on; called from another thread than ``plan``."""

    def diagnostics(self) -> dict[str, object]:
        """How the last inferences went."""

    def close(self) -> None:
        """Give back what it holds; may be called twice."""


class ChannelPolicy:
    """A policy that is all ``infer``: every chunk stands for itself.

    Attributes:
        codec: between its channels and the robot's joints.
    """

    slow_reason = ""

    def __init__(self, codec: EmbodimentCodec) -> None:
        self.codec = codec

    def infer(self, observation: Observation, prefix: Prefix | None = None) -> np.ndarray:
        """As ``Policy.infer``."""
        raise NotImplementedError

    def plan(self, observation: Observation, prefix: Prefix | None = None) -> ActionChunk:
        """What ``infer`` predicts, in rad and m; see ``Policy.plan``.

        Raises:
            KinematicsError: a target of an arm cannot be reached.
        """
        actions_HC = self.infer(observation, prefix)
        return self.codec.decode(actions_HC, observation.commanded_D, observation.stamp_s)

    def done(self, observation: Observation) -> float:
        """It cannot tell."""
        return math.nan

    def answer(self, observation: Observation) -> str:
        """It answers no questions."""
        return ""

    def warm_up(self) -> float:
        """Infer on an empty scene; returns what is assumed until real answers are measured, s."""
        self.infer(empty_scene(self.codec.embodiment))
        return ASSUMED_S

    def reseed(self, seed: int) -> None:
        """Nothing: no chance plays a part."""

    def on_mode(self, mode: Mode) -> None:
        """Nothing: every chunk stands for itself."""

    def diagnostics(self) -> dict[str, object]:
        """Which policy it is."""
        return {"path": type(self).__name__}

    def close(self) -> None:
        """Nothing is held."""


class HoldPolicy(ChannelPolicy):
    """Stays where it was commanded to be: to try everything around a policy."""

    def __init__(self, embodiment: Embodiment) -> None:
        super().__init__(EmbodimentCodec(embodiment))

    def infer(self, observation: Observation, prefix: Prefix | None = None) -> np.ndarray:
        """The same action at every step; behind a prefix it stays where that leads.

        Joints whose model's range does not reach where they are go to the range's end.
        """
        horizon = self.codec.embodiment.horizon
        still_C = self.codec.still(observation.commanded_D)
        if prefix is not None and prefix.committed:
            ahead_NC = prefix.actions_NC[: prefix.committed]
            reached = self.codec.decode(ahead_NC, observation.commanded_D, observation.stamp_s)
            base_D = np.array(self.codec.embodiment.base_D)
            there_D = np.where(base_D, 0.0, reached.positions_TD[-1])
            still_C = self.codec.still(there_D)
        actions_HC = np.repeat(still_C[None], horizon, axis=0).clip(-1.0, 1.0).astype(np.float32)
        if prefix is not None:
            actions_HC[: prefix.committed] = prefix.actions_NC[: prefix.committed]
        return actions_HC
