"""A control loop with its own time, around a robot that follows perfectly if ``follows``."""

import numpy as np

from qwen_vla_core.embodiment.streams import joint_streams
from qwen_vla_core.execution import ControlLoop, Sample
from qwen_vla_core.types import ActionChunk


class LoopedRobot:
    """Feeds every stream of a robot in every period, and remembers what was sent.

    Attributes:
        commands, velocities: [D] each, one for every period in which it is commanded.
        commanding: whether it was in the last period.
        refusals: why samples were refused.
        silent: topics of streams that have died.
    """

    def __init__(self, embodiment, start_D, **options):
        self.loop = ControlLoop(embodiment, **options)
        self.embodiment = embodiment
        self.streams = joint_streams(embodiment)
        self.base = embodiment.base
        self.period_s = 1.0 / embodiment.command_hz
        self.now_s, self.offset_s = 100.0, 1e9
        self.measured_D = np.array(start_D, dtype=float)
        self.commands, self.velocities, self.refusals = [], [], []
        self.commanding = False
        self.silent, self.follows = set(), True

    @property
    def ros_s(self):
        return self.now_s + self.offset_s

    def run(self, seconds):
        for _ in range(round(seconds / self.period_s)):
            self.now_s += self.period_s
            self.measure()
            cycle = self.loop.update(self.ros_s, self.now_s)
            self.commanding = cycle is not None and cycle.commanding
            if self.commanding:
                self.commands.append(cycle.filtered.motion.command_D)
                self.velocities.append(cycle.filtered.motion.velocity_D)
                self.acted = cycle.filtered.acted
                if self.follows:
                    self.measured_D = self.commands[-1].copy()
        return self

    def measure(self):
        for stream in self.streams:
            if stream.topic not in self.silent:
                rows = list(stream.rows)
                refusal = self.loop.inputs.on_joints(
                    self.measured_D[rows], self.now_s, stream.topic
                )
                self.refusals += [refusal] if refusal else []
        if self.base is not None and self.base.driver.odometry_topic not in self.silent:
            self.loop.inputs.on_odometry(self.now_s)

    def ask(self, event, problems=()):
        return self.loop.request(event, self.ros_s, self.now_s, problems)

    def teleop(self, positions_D, velocities_D=None):
        velocities_D = np.zeros(len(positions_D)) if velocities_D is None else velocities_D
        target = Sample(
            positions_D=np.array(positions_D, dtype=float),
            velocities_D=np.array(velocities_D, dtype=float),
        )
        self.loop.on_teleop(target, self.ros_s, self.now_s)

    def give(self, positions_TD, velocities_TD=None, stamp_s=None):
        """Offer a chunk that begins with these points, and then stays at the last of them."""
        positions_TD = np.asarray(positions_TD, dtype=float)
        velocities_TD = np.zeros_like(positions_TD) if velocities_TD is None else velocities_TD
        missing = self.embodiment.horizon + 1 - len(positions_TD)
        still_TD = np.zeros((missing, positions_TD.shape[1]))
        chunk = ActionChunk(
            stamp_s=self.ros_s if stamp_s is None else stamp_s,
            step_s=self.embodiment.action_step_s,
            positions_TD=np.concatenate([positions_TD, still_TD + positions_TD[-1]]),
            velocities_TD=np.concatenate([velocities_TD, still_TD]),
        )
        return self.loop.on_chunk(chunk, self.ros_s, self.now_s)
