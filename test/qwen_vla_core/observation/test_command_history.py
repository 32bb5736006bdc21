"""What was commanded at a time is the last command not later than it."""

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from qwen_vla_core.observation import CommandHistory

stamps = st.floats(0.0, 10.0)


def test_when_the_time_is_between_commands_expect_the_one_in_force():
    history = CommandHistory()
    for k in range(5):
        history.add(10.0 + k, np.array([float(k)]))
    assert history.at(13.9)[0] == 3.0
    assert history.at(14.0)[0] == 4.0
    assert history.at(99.0)[0] == 4.0
    assert history.at(12.0)[0] == 2.0


def test_when_the_time_is_before_all_commands_expect_none():
    history = CommandHistory()
    assert history.at(1.0) is None
    history.add(2.0, np.zeros(1))
    assert history.at(1.999) is None
    history.clear()
    assert history.at(3.0) is None


@given(st.lists(stamps, max_size=60), stamps)
def test_when_commands_come_in_any_order_expect_the_newest_known_at_that_time(times, asked_s):
    history, taken = CommandHistory(), []
    for stamp_s in times:
        history.add(stamp_s, np.array([stamp_s]))
        if not taken or stamp_s > taken[-1]:
            taken.append(stamp_s)
    before = [stamp_s for stamp_s in taken if stamp_s <= asked_s]
    found = history.at(asked_s)
    if before and asked_s >= taken[-1] - 2.0:
        assert found[0] == before[-1]
    elif not before:
        assert found is None
