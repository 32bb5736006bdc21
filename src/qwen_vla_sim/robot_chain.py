"""The way from a policy's actions to the motors, without ROS and in simulated time.

Actions -> codec (integrated deltas, inverse kinematics) -> the control loop of control_node
(timeline, cross-fade, safety filter) at command_hz -> what each group's driver makes of it.
"""

from dataclasses import replace

import numpy as np

from qwen_vla_core.embodiment.codec import EmbodimentCodec
from qwen_vla_core.errors import ChunkError
from qwen_vla_core.execution import ChunkVerdict, ControlLoop
from qwen_vla_core.modes import ModeEvent
from qwen_vla_core.types import ActionChunk

from .hardware.group_drivers import GROUP_DRIVERS
from .worlds.world import World


class RobotChain:
    """Drives one world as control_node and its drivers drive the robot.

    Attributes:
        commanded_D: joint positions [D] last commanded; deltas are integrated from here.
        chunk: what was handed over last; None before the first.
    """

    def __init__(self, codec: EmbodimentCodec, world: World) -> None:
        """Start in autonomy where the world's robot stands."""
        self._codec, self._world = codec, world
        self._drivers = [
            (
                GROUP_DRIVERS[group.driver.type](group, world.arms, world.base),
                codec.embodiment.group_slice(group.name),
            )
            for group in codec.embodiment.groups
        ]
        self._loop = ControlLoop(codec.embodiment)
        self._periods = 0
        self.chunk: ActionChunk | None = None
        self._loop.inputs.on_joints(world.positions_D, self.now_s)
        self._loop.trigger(ModeEvent.ENGAGE_POLICY, "rollout", self.now_s)
        self.commanded_D = self._loop.update(self.now_s, self.now_s).filtered.motion.command_D

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
            actions_HC: of the robot's own action channels.
            commanded_D: what was commanded when it observed; now, if not given.
            stamp_s: when it observed; now, if not given.
        """
        stamp_s = self.now_s if stamp_s is None else stamp_s
        commanded_D = self.commanded_D if commanded_D is None else commanded_D
        self.follow(self._codec.decode(actions_HC, commanded_D, stamp_s))

    def follow(self, chunk: ActionChunk) -> None:
        """Hand over joint targets; after fewer than the robot's horizon it stands."""
        missing = self._codec.embodiment.horizon + 1 - len(chunk.positions_TD)
        self.chunk = replace(
            chunk,
            positions_TD=np.pad(chunk.positions_TD, ((0, missing), (0, 0)), mode="edge"),
            velocities_TD=np.pad(chunk.velocities_TD, ((0, missing), (0, 0))),
        )
        offer = self._loop.on_chunk(self.chunk, self.now_s, self.now_s)
        if offer.verdict is ChunkVerdict.MALFORMED:
            raise ChunkError(offer.reason)

    def advance(self, duration_s: float) -> None:
        """Let the robot go on for a multiple of the control period."""
        command_hz = self._codec.embodiment.command_hz
        for _ in range(round(duration_s * command_hz)):
            self._periods += 1
            self._loop.inputs.on_joints(self._world.positions_D, self.now_s)
            motion = self._loop.update(self.now_s, self.now_s).filtered.motion
            self.commanded_D = motion.command_D
            for driver, rows in self._drivers:
                driver.command(motion.command_D[rows], motion.velocity_D[rows])
            self._world.step(1.0 / command_hz)
