"""Who moves the robot: HOLD, START, TELEOP, AUTONOMY or ESTOP, as a pure transition table.

Nothing here depends on time or topics. The control node passes requests and events in, keeps the
state that comes back, and answers each request with the reason.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from enum import Enum


class Mode(Enum):
    """What the robot is doing."""

    HOLD = "HOLD"
    START = "START"  # slowly to the start pose, because a person asked for it
    TELEOP = "TELEOP"
    AUTONOMY = "AUTONOMY"
    ESTOP = "ESTOP"


class ModeEvent(Enum):
    """What can change the mode."""

    # Requests: a person or a program asks, and is answered.
    ENGAGE_POLICY = "engage policy"
    ENGAGE_TELEOP = "engage teleop"
    GO_TO_START = "go to start"
    HOLD = "hold"
    ESTOP = "emergency stop"
    RESET = "reset"
    # What happened without a request.
    TELEOP_ACTIVE = "teleop active"  # a valid teleop command arrived
    TELEOP_LOST = "teleop lost"  # teleop fell silent, or its deadman was released
    POLICY_FAULT = "policy fault"
    STREAM_LOST = "stream lost"  # something the control loop itself needs, such as joint states
    ARRIVED = "arrived"  # at the start pose
    TRACKING_FAULT = "tracking fault"  # latches: the arm is not where it was sent
    HARDWARE_FAULT = "hardware fault"  # latches: a driver's problem appeared while commanding


class Answer(Enum):
    """The answer to an event."""

    ACCEPTED = "accepted"
    REFUSED = "refused"


@dataclass(frozen=True, kw_only=True)
class ModeState:
    """The mode, and why.

    Attributes:
        mode: who moves the robot.
        reason: why it is in this mode, in words a person understands.
        fault: what latched, or "" when nothing did. ESTOP is a latch of its own.
    """

    mode: Mode = Mode.HOLD
    reason: str = "started; nothing is sent until someone engages"
    fault: str = ""

    @property
    def text(self) -> str:
        """As control/mode says it."""
        return f"{self.mode.value}: {self.reason}"


def split_mode(text: str) -> tuple[str, str]:
    """The mode's name and the reason in a text of control/mode; empty for an empty one."""
    mode, _, reason = text.partition(":")
    return mode, reason.strip()


@dataclass(frozen=True, kw_only=True)
class Transition:
    """The answer, the reason for it, and the state from now on."""

    answer: Answer
    reason: str
    state: ModeState


_TABLE = {
    (Mode.HOLD, ModeEvent.ENGAGE_POLICY): Mode.AUTONOMY,
    (Mode.HOLD, ModeEvent.ENGAGE_TELEOP): Mode.TELEOP,
    (Mode.HOLD, ModeEvent.GO_TO_START): Mode.START,
    (Mode.HOLD, ModeEvent.HOLD): Mode.HOLD,
    (Mode.HOLD, ModeEvent.ESTOP): Mode.ESTOP,
    (Mode.HOLD, ModeEvent.RESET): Mode.HOLD,
    (Mode.HOLD, ModeEvent.TRACKING_FAULT): Mode.HOLD,
    (Mode.HOLD, ModeEvent.HARDWARE_FAULT): Mode.HOLD,
    (Mode.START, ModeEvent.GO_TO_START): Mode.START,
    (Mode.START, ModeEvent.HOLD): Mode.HOLD,
    (Mode.START, ModeEvent.ESTOP): Mode.ESTOP,
    (Mode.START, ModeEvent.RESET): Mode.START,
    (Mode.START, ModeEvent.ARRIVED): Mode.HOLD,
    (Mode.START, ModeEvent.STREAM_LOST): Mode.HOLD,
    (Mode.START, ModeEvent.TRACKING_FAULT): Mode.HOLD,
    (Mode.START, ModeEvent.HARDWARE_FAULT): Mode.HOLD,
    (Mode.TELEOP, ModeEvent.ENGAGE_POLICY): Mode.AUTONOMY,
    (Mode.TELEOP, ModeEvent.ENGAGE_TELEOP): Mode.TELEOP,
    (Mode.TELEOP, ModeEvent.HOLD): Mode.HOLD,
    (Mode.TELEOP, ModeEvent.ESTOP): Mode.ESTOP,
    (Mode.TELEOP, ModeEvent.RESET): Mode.TELEOP,
    (Mode.TELEOP, ModeEvent.TELEOP_LOST): Mode.HOLD,
    (Mode.TELEOP, ModeEvent.STREAM_LOST): Mode.HOLD,
    (Mode.TELEOP, ModeEvent.TRACKING_FAULT): Mode.HOLD,
    (Mode.TELEOP, ModeEvent.HARDWARE_FAULT): Mode.HOLD,
    (Mode.AUTONOMY, ModeEvent.ENGAGE_POLICY): Mode.AUTONOMY,
    (Mode.AUTONOMY, ModeEvent.ENGAGE_TELEOP): Mode.TELEOP,
    (Mode.AUTONOMY, ModeEvent.HOLD): Mode.HOLD,
    (Mode.AUTONOMY, ModeEvent.ESTOP): Mode.ESTOP,
    (Mode.AUTONOMY, ModeEvent.RESET): Mode.AUTONOMY,
    (Mode.AUTONOMY, ModeEvent.TELEOP_ACTIVE): Mode.TELEOP,
    (Mode.AUTONOMY, ModeEvent.POLICY_FAULT): Mode.HOLD,
    (Mode.AUTONOMY, ModeEvent.STREAM_LOST): Mode.HOLD,
    (Mode.AUTONOMY, ModeEvent.TRACKING_FAULT): Mode.HOLD,
    (Mode.AUTONOMY, ModeEvent.HARDWARE_FAULT): Mode.HOLD,
    (Mode.ESTOP, ModeEvent.ESTOP): Mode.ESTOP,
    (Mode.ESTOP, ModeEvent.RESET): Mode.HOLD,
    (Mode.ESTOP, ModeEvent.TRACKING_FAULT): Mode.ESTOP,
    (Mode.ESTOP, ModeEvent.HARDWARE_FAULT): Mode.ESTOP,
}
"""(mode, event) -> next mode. What is not listed is refused and changes nothing."""

ENGAGES = (ModeEvent.ENGAGE_POLICY, ModeEvent.ENGAGE_TELEOP, ModeEvent.GO_TO_START)
"""Requests after which the robot may move."""

_LATCHES = (ModeEvent.TRACKING_FAULT, ModeEvent.HARDWARE_FAULT)


def step(
    state: ModeState, event: ModeEvent, detail: str = "", *, blockers: Sequence[str] = ()
) -> Transition:
    """Answer one event.

    Args:
        state: the state so far.
        event: the request or the event.
        detail: the circumstances in words ("button on the base", "waist is 0.3 rad off").
        blockers: what stands in the way, in words: for an engage the reasons why the robot is not
            ready, for a reset the causes of the latch that are still present. Stopping is never
            blocked, so ``hold`` and ``estop`` ignore them.
    Returns:
        The answer with its reason. A refused event leaves the state as it was.
    """
    wanted = _TABLE.get((state.mode, event))
    if wanted is None:
        return _refused(state, _why_not(state, event))
    if event in ENGAGES and state.fault:
        return _refused(state, f"a fault is latched ({state.fault}): reset first")
    latched = state.fault or state.mode is Mode.ESTOP
    if event is ModeEvent.RESET and not latched:
        return Transition(answer=Answer.ACCEPTED, reason="nothing was latched", state=state)
    if blockers and event in (*ENGAGES, ModeEvent.RESET):
        return _refused(state, f"{event.value} refused: {'; '.join(blockers)}")

    reason = f"{event.value}: {detail}" if detail else event.value
    fault = state.fault
    if event in _LATCHES:
        fault = fault or reason
    elif event is ModeEvent.RESET:
        fault = ""
    changed = wanted is not state.mode or fault != state.fault
    # A repeated stop keeps the first reason: that is the one worth reading.
    after = replace(state, mode=wanted, reason=reason, fault=fault) if changed else state
    return Transition(answer=Answer.ACCEPTED, reason=reason, state=after)


def _why_not(state: ModeState, event: ModeEvent) -> str:
    """Say why an event that the table does not list has no effect."""
    if state.mode is Mode.ESTOP:
        return f"the emergency stop is latched ({state.reason}): reset first"
    if event in ENGAGES:
        return f"{event.value} is refused in {state.mode.value}: hold first"
    return f"{event.value} changes nothing while in {state.mode.value}"


def _refused(state: ModeState, reason: str) -> Transition:
    return Transition(answer=Answer.REFUSED, reason=reason, state=state)
