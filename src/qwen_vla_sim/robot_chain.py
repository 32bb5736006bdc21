"""The way from a policy's actions to the servos, without ROS and in simulated time.

Actions -> codec (integrated deltas, inverse kinematics) -> the control loop of control_node
(timeline, cross-fade, safety filter) at command_hz -> position servos, and the proportional pwm
loop of Bridge's gripper.
"""

import numpy as np

from qwen_vla_core.embodiment.codec import EmbodimentCodec
from qwen_vla_core.execution import ControlLoop
from qwen_vla_core.modes import Trigger
from qwen_vla_core.types import ActionChunk

from .worlds.widowx import WidowxWorld


class RobotChain:
    """Drives one world as control_node and its drivers drive the robot.

    Attributes:
        commanded_D: joint positions [7] last commanded; deltas are integrated from here.
        chunk: what was handed over last; None before the first.
    """

    def __init__(self, codec: EmbodimentCodec, world: WidowxWorld) -> None:
        """Start in autonomy where the world's robot stands."""
        self._codec, self._world = codec, world
        self._gripper = next(g.driver for g in codec.embodiment.groups if g.name == "gripper")
        self._loop = ControlLoop(codec.embodiment)
        self._periods = 0
        self.chunk: ActionChunk | None = None
        self._loop.on_joints(world.positions_D, self.now_s)
        self.commanded_D = self._loop.update(self.now_s, self.now_s).filtered.motion.command_D
        self._loop.trigger(Trigger.ENGAGE_POLICY, "rollout", self.now_s)

    @property
    def now_s(self) -> float:
        """Simulated time since the start, s."""
        return self._periods / self._codec.embodiment.command_hz

    def play(
        self,
        actions_HC: np.ndarray,
        commanded_D: np.ndarray | None = None,
        stamp_s: float | None = None,
    ) -> None:
        """Hand over normalised actions [H, C], as policy_node does on policy/chunk.

        Args:
            actions_HC: the policy's answer.
            commanded_D: what was commanded when it observed; now, if not given.
            stamp_s: when it observed; now, if not given.
        """
        stamp_s = self.now_s if stamp_s is None else stamp_s
        commanded_D = self.commanded_D if commanded_D is None else commanded_D
        self.chunk = self._codec.decode(actions_HC, commanded_D, stamp_s)
        self._loop.on_chunk(self.chunk, self.now_s, self.now_s)

    def advance(self, duration_s: float) -> None:
        """Let the robot go on for a multiple of the control period."""
        command_hz = self._codec.embodiment.command_hz
        for _ in range(round(duration_s * command_hz)):
            self._periods += 1
            self._loop.on_joints(self._world.positions_D, self.now_s)
            cycle = self._loop.update(self.now_s, self.now_s)
            self._command(cycle.filtered.motion.command_D)
            self._world.step(1.0 / command_hz)

    def _command(self, target_D: np.ndarray) -> None:
        self.commanded_D = target_D
        self._world.command_arm(target_D[:-1])
        error_m = target_D[-1] - self._world.positions_D[-1]
        share = np.clip(error_m * self._gripper.gain_per_m, -1.0, 1.0)
        self._world.gripper.command(share * self._gripper.pwm_limit)
