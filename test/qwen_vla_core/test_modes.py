"""Every mode meets every event."""

import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st

from qwen_vla_core.modes import ENGAGES, Answer, Mode, ModeEvent, ModeState, step

H, S, T, A, E = Mode.HOLD, Mode.START, Mode.TELEOP, Mode.AUTONOMY, Mode.ESTOP

# Written down by hand: what an operator expects. None: refused, nothing changes.
EXPECTED = {
    #                   HOLD START TELEOP AUTONOMY ESTOP
    ModeEvent.ENGAGE_POLICY: (A, None, A, A, None),
    ModeEvent.ENGAGE_TELEOP: (T, None, T, T, None),
    ModeEvent.GO_TO_START: (S, S, None, None, None),
    ModeEvent.HOLD: (H, H, H, H, None),
    ModeEvent.ESTOP: (E, E, E, E, E),
    ModeEvent.RESET: (H, S, T, A, H),
    ModeEvent.TELEOP_ACTIVE: (None, None, None, T, None),
    ModeEvent.TELEOP_LOST: (None, None, H, None, None),
    ModeEvent.POLICY_FAULT: (None, None, None, H, None),
    ModeEvent.STREAM_LOST: (None, H, H, H, None),
    ModeEvent.ARRIVED: (None, H, None, None, None),
    ModeEvent.TRACKING_FAULT: (H, H, H, H, E),
    ModeEvent.HARDWARE_FAULT: (H, H, H, H, E),
}
MODES = (H, S, T, A, E)
STOPS = (ModeEvent.HOLD, ModeEvent.ESTOP)


@pytest.mark.parametrize("event, mode", list(itertools.product(ModeEvent, Mode)))
def test_when_an_event_meets_a_mode_expect_the_table(event, mode):
    state = ModeState(mode=mode, reason="before")
    transition = step(state, event, "because")
    expected = EXPECTED[event][MODES.index(mode)]
    assert transition.answer is (Answer.REFUSED if expected is None else Answer.ACCEPTED)
    assert transition.state.mode is (expected or mode)
    assert transition.reason
    if transition.state.mode is not mode:
        assert transition.state.reason == f"{event.value}: because"
    if expected is None:
        assert transition.state is state


def test_when_it_starts_expect_hold():
    assert ModeState().mode is Mode.HOLD and not ModeState().fault


@pytest.mark.parametrize("mode", Mode)
@pytest.mark.parametrize("event", [ModeEvent.ENGAGE_POLICY, ModeEvent.ENGAGE_TELEOP])
def test_when_the_robot_is_not_ready_expect_an_engage_refused_with_every_reason(mode, event):
    state = ModeState(mode=mode)
    transition = step(state, event, blockers=["no camera", "no joint states"])
    assert transition.answer is Answer.REFUSED and transition.state is state
    if mode not in (Mode.ESTOP, Mode.START):
        assert transition.reason == f"{event.value} refused: no camera; no joint states"


@pytest.mark.parametrize("mode", [Mode.HOLD, Mode.START, Mode.TELEOP, Mode.AUTONOMY])
@pytest.mark.parametrize("event", STOPS)
def test_when_someone_wants_to_stop_expect_nothing_in_the_way(mode, event):
    transition = step(ModeState(mode=mode), event, blockers=["anything"])
    assert transition.answer is Answer.ACCEPTED
    assert transition.state.mode in (Mode.HOLD, Mode.ESTOP)


def test_when_the_cause_of_an_estop_is_present_expect_the_reset_refused():
    stopped = step(ModeState(), ModeEvent.ESTOP, "button on the base").state
    refused = step(stopped, ModeEvent.RESET, blockers=["the button is still pressed"])
    assert refused.answer is Answer.REFUSED and refused.state is stopped
    assert refused.reason == "reset refused: the button is still pressed"
    assert step(stopped, ModeEvent.RESET).state.mode is Mode.HOLD


def test_when_stopped_twice_expect_the_first_reason_kept():
    stopped = step(ModeState(), ModeEvent.ESTOP, "button").state
    assert step(stopped, ModeEvent.ESTOP, "heartbeat lost").state is stopped
    engaged = step(stopped, ModeEvent.ENGAGE_POLICY)
    assert engaged.reason == "the emergency stop is latched (emergency stop: button): reset first"


@pytest.mark.parametrize("fault", [ModeEvent.TRACKING_FAULT, ModeEvent.HARDWARE_FAULT])
def test_when_a_fault_latched_expect_no_engage_until_a_reset(fault):
    state = ModeState(mode=Mode.AUTONOMY)
    state = step(state, fault, "elbow is 0.3 off").state
    assert state.mode is Mode.HOLD and state.fault == f"{fault.value}: elbow is 0.3 off"
    assert step(state, fault, "waist too").state is state
    for event in ENGAGES:
        refused = step(state, event)
        assert refused.answer is Answer.REFUSED and "elbow is 0.3 off" in refused.reason
    assert step(state, ModeEvent.RESET, blockers=["still off"]).state is state
    state = step(state, ModeEvent.RESET).state
    assert not state.fault
    assert step(state, ModeEvent.ENGAGE_POLICY).state.mode is Mode.AUTONOMY


def test_when_a_fault_and_an_estop_are_latched_expect_one_reset_to_clear_both():
    state = step(ModeState(), ModeEvent.ESTOP).state
    state = step(state, ModeEvent.TRACKING_FAULT, "elbow").state
    assert state.mode is Mode.ESTOP and state.fault
    state = step(state, ModeEvent.RESET).state
    assert state.mode is Mode.HOLD and not state.fault


@given(st.lists(st.tuples(st.sampled_from(ModeEvent), st.sampled_from([(), ("why not",)]))))
def test_when_triggers_flap_expect_motion_only_after_an_engage_and_latches_to_hold(events):
    state = ModeState()
    for event, blockers in events:
        before = state
        transition = step(before, event, blockers=blockers)
        state = transition.state
        assert transition.reason and state.reason
        if transition.answer is Answer.REFUSED:
            assert state is before
        if state.mode in (Mode.START, Mode.TELEOP, Mode.AUTONOMY):
            assert not state.fault
            if state.mode is not before.mode:
                takeover = before.mode is Mode.AUTONOMY and event is ModeEvent.TELEOP_ACTIVE
                assert takeover or (event in ENGAGES and not blockers)
        if state.mode is Mode.AUTONOMY and before.mode is not Mode.AUTONOMY:
            assert event is ModeEvent.ENGAGE_POLICY
        latched = before.mode is Mode.ESTOP or before.fault
        if latched and not (state.mode is Mode.ESTOP or state.fault):
            assert event is ModeEvent.RESET and not blockers
        if event is ModeEvent.ESTOP:
            assert state.mode is Mode.ESTOP
