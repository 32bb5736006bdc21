"""When to run an inference, which prefix it gets, and when to give up.

What ControlLoop is to control_node, this is to policy_node; simulated episodes use it as well.
Nothing here waits or computes: whoever uses it assembles the observations, runs the policy and
passes its answers on.
"""

import math
from collections import deque
from dataclasses import dataclass

import numpy as np

from ..embodiment import Embodiment, EmbodimentCodec
from ..errors import ChunkError
from ..instruction import check_instruction
from ..modes import Mode
from ..types import ActionChunk, Observation
from .delay import DelayEstimator
from .prefix import Prefix, prefix_of

FAILURES_IN_A_ROW = 3
"""Inferences that fail before the policy gives up and says so; one may be an accident."""

LATENCIES = 200
"""How many of the last durations are kept, for percentiles."""

BACK_TOLERANCE_S = 0.05
"""ROS time that falls by more than this was set back, s; callbacks may read it out of order."""


@dataclass(frozen=True, kw_only=True, eq=False)
class InferenceRequest:
    """The input of one inference: an observation, and the prefix to continue, if any.

    Attributes:
        observation: with the instruction.
        prefix: what the robot will go on doing meanwhile; None where it follows no chunk.
    """

    observation: Observation
    prefix: Prefix | None


def followed_steps(embodiment: Embodiment) -> int:
    """How many steps of a chunk the robot follows at most: ``observation_s``, or all."""
    within = int(embodiment.watchdogs.observation_s * embodiment.action_hz + 1e-6)
    return min(embodiment.horizon, within)


def check_replan_steps(embodiment: Embodiment, steps: int) -> None:
    """Refuse what a chunk does not cover.

    Raises:
        ChunkError: with the largest number of steps that leaves one for the next inference.
    """
    followed = followed_steps(embodiment)
    largest = max(1, followed - 1)
    if not 0 <= steps <= largest:
        raise ChunkError(
            f"replan_steps is {steps}, but {embodiment.name} follows a chunk for {followed} "
            f"steps, and the last must cover the next inference: set 1 to {largest}, or 0 for "
            f"{embodiment.replan_steps}"
        )


class PolicyLoop:
    """The state between the inferences for one robot. Not thread-safe.

    Attributes:
        instruction: the task in words; empty before the first.
        mode_since_s: ROS time from which on the present mode is known, s. The control node
            refuses chunks that were observed before its mode began.
        delay: how late chunks are.
        latencies_s: how long the last inferences took, s.
        chunks: answers so far.
        prefix_steps: how many actions the last request committed.
    """

    def __init__(
        self, codec: EmbodimentCodec, *, expected_s: float = math.inf, replan_steps: int = 0
    ) -> None:
        """Start without an instruction, in HOLD.

        Args:
            codec: the robot's.
            expected_s: how long a chunk will take, s, until that has been measured.
            replan_steps: see the property.
        Raises:
            ChunkError: ``replan_steps`` is more than a chunk covers.
        """
        robot = codec.embodiment
        self._codec, self._robot = codec, robot
        self.instruction = ""
        self.replan_steps = replan_steps
        self._followed_steps = followed_steps(robot)
        # Half a chunk at most, so that the new half lasts until the next chunk can be there.
        self._longest_delay_steps = max(1, self._followed_steps // 2)
        self.delay = DelayEstimator(
            step_s=robot.action_step_s,
            cap_steps=self._longest_delay_steps,
            expected_s=expected_s,
        )
        self.latencies_s: deque[float] = deque(maxlen=LATENCIES)
        self.chunks = self.prefix_steps = 0
        self._mode, self.mode_since_s = Mode.HOLD, -math.inf
        self._chunk: ActionChunk | None = None
        self._observed_s = self._due_s = self._ros_s = -math.inf
        self._started_s: float | None = None
        self._failures, self._failure = 0, ""

    @property
    def replan_steps(self) -> int:
        """Action steps from one observation to the next; 0 for a quarter of a chunk.

        Chunks that come late are requested earlier, so that the last one lasts until then.

        Raises:
            ChunkError: when set to more than leaves a step of a chunk for the next inference.
        """
        return self._replan_steps

    @replan_steps.setter
    def replan_steps(self, steps: int) -> None:
        check_replan_steps(self._robot, steps)
        self._replan_steps = steps

    @property
    def gave_up(self) -> bool:
        """Whether too many inferences failed in a row for another try."""
        return self._failures >= FAILURES_IN_A_ROW

    def on_instruction(self, text: str) -> None:
        """A new instruction: the next inference starts at once, also after failures.

        Raises:
            InstructionError: it cannot be read; the one before stays.
        """
        self.instruction = check_instruction(text)
        self._due_s = -math.inf
        self._failures, self._failure = 0, ""

    def on_mode(self, mode: Mode, ros_s: float) -> None:
        """The control node reports that a mode began, or began again.

        What was observed before is of no use to it, and its first chunk is not waited for until
        the next observation would have been due. Failures stay: control_node does not engage a
        policy that is silent, so a person asks the policy first.
        """
        self._mode, self.mode_since_s = mode, ros_s
        self._due_s = -math.inf

    def reset(self) -> str:
        """Try again after failures; what was done, in words."""
        failure, self._failure = self._failure, ""
        gave_up, self._failures = self.gave_up, 0
        self._due_s = -math.inf
        if gave_up:
            return f"trying again, after: {failure}"
        return "nothing to reset: the policy had not given up"

    def due(self, ros_s: float) -> bool:
        """Whether an inference is due now, if there is an observation."""
        if ros_s < self._ros_s - BACK_TOLERANCE_S:
            self._observed_s = self._due_s = self.mode_since_s = -math.inf
            self._chunk = None
        self._ros_s = ros_s
        if self._started_s is not None or self.gave_up or not self.instruction:
            return False
        return ros_s >= self._due_s - 1e-9  # rounding

    def start_inference(
        self, observation: Observation, steady_s: float
    ) -> InferenceRequest | None:
        """What the policy gets next; it is busy until ``on_chunk`` or ``on_failure``.

        Args:
            observation: assembled now, with ``instruction``.
            steady_s: now.
        Returns:
            None where the observation is from before the present mode, or not newer than the last:
            its chunk would be refused. Come back with the next.
        """
        stamp_s = observation.stamp_s
        if stamp_s < self.mode_since_s or stamp_s <= self._observed_s:
            return None
        steps = self.replan_steps or self._robot.replan_steps
        steps = max(1, min(steps, self._followed_steps - 1 - self.delay.steps()))
        self._observed_s, self._due_s = stamp_s, stamp_s + steps * self._robot.action_step_s
        self._started_s = steady_s
        prefix = self._prefix(observation)
        self.prefix_steps = prefix.committed if prefix else 0
        return InferenceRequest(observation=observation, prefix=prefix)

    def _prefix(self, observation: Observation) -> Prefix | None:
        """What the robot will go on doing, if it follows the last chunk: that of this mode."""
        chunk = self._chunk
        if self._mode is not Mode.AUTONOMY or chunk is None or chunk.stamp_s < self.mode_since_s:
            return None
        return prefix_of(chunk, observation, self._codec, self.delay.steps())

    def on_chunk(self, chunk: ActionChunk, ros_s: float, steady_s: float) -> None:
        """The answer was there at these times, and the robot follows it from now on."""
        self._chunk = chunk
        self.chunks += 1
        self.latencies_s.append(steady_s - self._started_s)
        self.delay.add(max(0.0, ros_s - chunk.stamp_s))
        self._started_s = None
        self._failures, self._failure = 0, ""

    def on_failure(self, error: BaseException) -> None:
        """There is no answer. With the next observation it is tried again, a few times."""
        self._started_s, self._due_s = None, -math.inf
        self._failures += 1
        self._failure = f"inference failed ({self._failures} in a row): {error!r}"

    def problem(self, steady_s: float, deadline_s: float) -> str:
        """Why no chunk comes, and what to do about it; empty where nothing is known to be wrong.

        Args:
            steady_s: now.
            deadline_s: an inference that takes longer is said to hang.
        """
        if self._started_s is not None and (running_s := steady_s - self._started_s) > deadline_s:
            return (
                f"inference hangs for {running_s:.1f} s, longer than inference_deadline_s "
                f"({deadline_s:g} s); if it goes on, restart policy_node"
            )
        if self.gave_up:
            return (
                f"gave up, {self._failure}; call policy/reset or publish an instruction to try "
                "again, then engage"
            )
        if self._failure:
            return self._failure
        return "" if self.instruction else "no instruction; publish one on policy/instruction"

    def slow(self) -> str:
        """That chunks come too late to be followed without a stop, and why; empty otherwise."""
        longest_s = self._longest_delay_steps * self._robot.action_step_s
        late_s = self.delay.latency_s
        if not self.latencies_s or late_s <= longest_s:
            return ""
        return (
            f"chunks come {late_s:.2g} s after their observation, later than half of what is "
            f"followed of one ({longest_s:.2g} s), so the robot stops between them; inference "
            f"takes {np.median(self.latencies_s):.2g} s here (p50): close what else runs on this "
            "computer, or use a GPU"
        )
