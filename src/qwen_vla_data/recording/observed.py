"""What a policy would have observed at every action step of a recording."""

from dataclasses import dataclass

from qwen_vla_core.embodiment import Embodiment
from qwen_vla_core.embodiment.streams import joint_streams
from qwen_vla_core.errors import ObservationError, RecordingError
from qwen_vla_core.observation import COMMAND, Fault, Instant, MessageObserver, Refusal
from qwen_vla_core.types import Observation

from .reader import Recording
from .topics import COMMAND as COMMAND_TOPIC

LEAST_STEPS = 2
"""One step has nothing after it to learn from."""
BRIDGED_S = 0.5
"""Where the robot could not be observed for at most this long, the recording goes on, s: a busy
computer delivers joint states or an image late. So long a silence of the commands means that the
control node is gone (``COMMAND_MAX_AGE_S``)."""


@dataclass(frozen=True, kw_only=True)
class Step:
    """What was observed at one action step.

    Attributes:
        time_s: ROS time of the step; the observation is of its stamp, a little before.
        observed: False where the robot could not be observed: the observation before stands.
    """

    time_s: float
    observation: Observation
    observed: bool = True


@dataclass(frozen=True, kw_only=True)
class Observed:
    """The longest part of a recording that goes on, and what ended the parts.

    Attributes:
        gaps: (ROS time, s; why the robot could not be observed), from when it could not: at the
            beginning of the recording and at the end of each part.
    """

    steps: list[Step]
    gaps: list[tuple[float, str]]


def observe(recording: Recording, robot: Embodiment) -> Observed:
    """The observations at the action steps of the longest part without a gap.

    Every message is taken when it was received, and by the code that takes it on the robot. Steps
    of a gap of at most ``BRIDGED_S`` are part of it, and marked.

    Raises:
        RecordingError: there is no part of ``LEAST_STEPS``; it says why the robot could not be
            observed.
    """
    observer = MessageObserver(robot, simulated=recording.start.simulated)
    names = {camera.topic: camera.name for camera in robot.cameras}
    names |= {stream.topic: stream.topic for stream in joint_streams(robot)}
    names[COMMAND_TOPIC] = COMMAND
    longest: list[Step] = []
    current: list[Step] = []  # ends with an observed step
    missed: list[Step] = []  # what follows it unobserved, until it is observed again
    gaps: list[tuple[float, str]] = []
    refusal, next_s = "nothing was received", None
    for message in recording.messages(names):
        while next_s is not None and next_s < message.received_s:
            found = observer.assemble(recording.instruction, _instant(next_s))
            if not isinstance(found, Refusal):
                current += [*missed, Step(time_s=next_s, observation=found)]
                missed = []
                longest = max(longest, current, key=len)
                next_s += robot.action_step_s
                continue
            refusal = str(found)
            last = current[-1] if current else None
            if not last or next_s - last.time_s > BRIDGED_S or _time_went_back(found):
                gaps.append((last.time_s if last else next_s, refusal))
                current, missed, next_s = [], [], None
                break
            missed.append(Step(time_s=next_s, observation=last.observation, observed=False))
            next_s += robot.action_step_s
        try:
            observer.take(names[message.topic], message.decode(), _instant(message.received_s))
        except (ObservationError, RecordingError) as error:
            refusal = str(error)
            continue
        if next_s is None:
            found = observer.assemble(recording.instruction, _instant(message.received_s))
            if isinstance(found, Refusal):
                refusal = str(found)
            else:
                if not gaps:  # until now it could not be observed
                    gaps.append((recording.start_s, refusal))
                next_s = message.received_s
    if current and recording.end_s - current[-1].time_s > BRIDGED_S:
        gaps.append((current[-1].time_s, refusal if missed else "nothing more was received"))
    if len(longest) < LEAST_STEPS:
        raise RecordingError(f"{recording.path}: {robot.name} cannot be observed: {refusal}")
    return Observed(steps=longest, gaps=gaps)


def _time_went_back(refusal: Refusal) -> bool:
    return any(reason.fault is Fault.TIME_WENT_BACK for reason in refusal.reasons)


def _instant(time_s: float) -> Instant:
    return Instant(ros_s=time_s, steady_s=time_s)
