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


class Trigger(Enum):
    """What can change the mode."""

    # Requests: a person or a program asks, and is answered.
    ENGAGE_POLICY = "engage policy"
    ENGAGE_TELEOP = "engage teleop"
    GO_TO_START = "go to start"
    HOLD = "hold"
    ESTOP = "emergency stop"
    RESET = "reset"
    # Events: they happened.
    TELEOP_ACTIVE = "teleop active"  # a valid teleop command arrived
    TELEOP_LOST = "teleop lost"  # teleop fell silent, or its deadman was released
    POLICY_FAULT = "policy fault"
    STREAM_LOST = "stream lost"  # something the control loop itself needs, such as joint states
    ARRIVED = "arrived"  # at the start pose
    TRACKING_FAULT = "tracking fault"  # latches: the arm is not where it was sent
    HARDWARE_FAULT = "hardware fault"  # latches: a driver's problem appeared while commanding


class Answer(Enum):
    """What became of a trigger."""

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


@dataclass(frozen=True, kw_only=True)
class Transition:
    """The answer to a trigger, the reason for it, and the state from now on."""

    answer: Answer
    reason: str
    state: ModeState


_TABLE = {
    (Mode.HOLD, Trigger.ENGAGE_POLICY): Mode.AUTONOMY,
    (Mode.HOLD, Trigger.ENGAGE_TELEOP): Mode.TELEOP,
    (Mode.HOLD, Trigger.GO_TO_START): Mode.START,
    (Mode.HOLD, Trigger.HOLD): Mode.HOLD,
    (Mode.HOLD, Trigger.ESTOP): Mode.ESTOP,
    (Mode.HOLD, Trigger.RESET): Mode.HOLD,
    (Mode.HOLD, Trigger.TRACKING_FAULT): Mode.HOLD,
    (Mode.HOLD, Trigger.HARDWARE_FAULT): Mode.HOLD,
    (Mode.START, Trigger.GO_TO_START): Mode.START,
    (Mode.START, Trigger.HOLD): Mode.HOLD,
    (Mode.START, Trigger.ESTOP): Mode.ESTOP,
    (Mode.START, Trigger.RESET): Mode.START,
    (Mode.START, Trigger.ARRIVED): Mode.HOLD,
    (Mode.START, Trigger.STREAM_LOST): Mode.HOLD,
    (Mode.START, Trigger.TRACKING_FAULT): Mode.HOLD,
    (Mode.START, Trigger.HARDWARE_FAULT): Mode.HOLD,
    (Mode.TELEOP, Trigger.ENGAGE_POLICY): Mode.AUTONOMY,
    (Mode.TELEOP, Trigger.ENGAGE_TELEOP): Mode.TELEOP,
    (Mode.TELEOP, Trigger.HOLD): Mode.HOLD,
    (Mode.TELEOP, Trigger.ESTOP): Mode.ESTOP,
    (Mode.TELEOP, Trigger.RESET): Mode.TELEOP,
    (Mode.TELEOP, Trigger.TELEOP_LOST): Mode.HOLD,
    (Mode.TELEOP, Trigger.STREAM_LOST): Mode.HOLD,
    (Mode.TELEOP, Trigger.TRACKING_FAULT): Mode.HOLD,
    (Mode.TELEOP, Trigger.HARDWARE_FAULT): Mode.HOLD,
    (Mode.AUTONOMY, Trigger.ENGAGE_POLICY): Mode.AUTONOMY,
    (Mode.AUTONOMY, Trigger.ENGAGE_TELEOP): Mode.TELEOP,
    (Mode.AUTONOMY, Trigger.HOLD): Mode.HOLD,
    (Mode.AUTONOMY, Trigger.ESTOP): Mode.ESTOP,
    (Mode.AUTONOMY, Trigger.RESET): Mode.AUTONOMY,
    (Mode.AUTONOMY, Trigger.TELEOP_ACTIVE): Mode.TELEOP,
    (Mode.AUTONOMY, Trigger.POLICY_FAULT): Mode.HOLD,
    (Mode.AUTONOMY, Trigger.STREAM_LOST): Mode.HOLD,
    (Mode.AUTONOMY, Trigger.TRACKING_FAULT): Mode.HOLD,
    (Mode.AUTONOMY, Trigger.HARDWARE_FAULT): Mode.HOLD,
    (Mode.ESTOP, Trigger.ESTOP): Mode.ESTOP,
    (Mode.ESTOP, Trigger.RESET): Mode.HOLD,
    (Mode.ESTOP, Trigger.TRACKING_FAULT): Mode.ESTOP,
    (Mode.ESTOP, Trigger.HARDWARE_FAULT): Mode.ESTOP,
}
"""(mode, trigger) -> next mode. What is not listed is refused and changes nothing."""

ENGAGES = (Trigger.ENGAGE_POLICY, Trigger.ENGAGE_TELEOP, Trigger.GO_TO_START)
"""Requests after which the robot may move."""

_LATCHES = (Trigger.TRACKING_FAULT, Trigger.HARDWARE_FAULT)


def step(
    state: ModeState, trigger: Trigger, detail: str = "", *, blockers: Sequence[str] = ()
) -> Transition:
    """Answer one trigger.

    Args:
        state: the state so far.
        trigger: the request or the event.
        detail: the circumstances in words ("button on the base", "waist is 0.3 rad off").
        blockers: what stands in the way, in words: for an engage the reasons why the robot is not
            ready, for a reset the causes of the latch that are still present. Stopping is never
            blocked, so ``hold`` and ``estop`` ignore them.
    Returns:
        The answer with its reason. A refused trigger leaves the state as it was.
    """
    wanted = _TABLE.get((state.mode, trigger))
    if wanted is None:
        return _refused(state, _why_not(state, trigger))
    if trigger in ENGAGES and state.fault:
        return _refused(state, f"a fault is latched ({state.fault}): reset first")
    latched = state.fault or state.mode is Mode.ESTOP
    if trigger is Trigger.RESET and not latched:
        return Transition(answer=Answer.ACCEPTED, reason="nothing was latched", state=state)
    if blockers and trigger in (*ENGAGES, Trigger.RESET):
        return _refused(state, f"{trigger.value} refused: {'; '.join(blockers)}")

    reason = f"{trigger.value}: {detail}" if detail else trigger.value
    fault = state.fault
    if trigger in _LATCHES:
        fault = fault or reason
    elif trigger is Trigger.RESET:
        fault = ""
    changed = wanted is not state.mode or fault != state.fault
    # A repeated stop keeps the first reason: that is the one worth reading.
    after = replace(state, mode=wanted, reason=reason, fault=fault) if changed else state
    return Transition(answer=Answer.ACCEPTED, reason=reason, state=after)


def _why_not(state: ModeState, trigger: Trigger) -> str:
    """Say why a trigger that the table does not list has no effect."""
    if state.mode is Mode.ESTOP:
        return f"the emergency stop is latched ({state.reason}): reset first"
    if trigger in ENGAGES:
        return f"{trigger.value} is refused in {state.mode.value}: hold first"
    return f"{trigger.value} changes nothing while in {state.mode.value}"


def _refused(state: ModeState, reason: str) -> Transition:
    return Transition(answer=Answer.REFUSED, reason=reason, state=state)
