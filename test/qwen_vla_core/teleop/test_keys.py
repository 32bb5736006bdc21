"""Keys of a terminal: how long they count, and what lets go."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from qwen_vla_core.teleop.keys import (
    AXES,
    FORGOTTEN_S,
    MOST_AT_ONCE,
    MOTION_S,
    RELEASED,
    Keys,
)


def pressed(*keys, now_s=10.0):
    held = Keys()
    held.press(" ", now_s)
    for key in keys:
        held.press(key, now_s)
    return held


@pytest.mark.parametrize("key", AXES)
def test_when_a_key_is_pressed_expect_its_axis_for_a_short_time_and_no_other(key):
    axis, value = AXES[key]
    held = pressed(key)
    axes, buttons = held.state(10.0 + MOTION_S / 2)
    assert axes == [value if i == axis else 0.0 for i in range(7)] and buttons == [1] + [0] * 7
    assert held.state(10.0 + 2 * MOTION_S)[0] == [0.0] * 7


def test_when_space_was_not_pressed_expect_keys_to_move_nothing():
    held = Keys()
    held.press("w", 10.0)
    assert held.state(10.0) == RELEASED


@pytest.mark.parametrize("key", [" ", "x", "q", "\x03", "\x1b", "é"])
def test_when_space_or_any_other_key_is_pressed_expect_it_let_go(key):
    held = pressed("w", key)
    assert held.state(10.0) == RELEASED
    assert held.ended == (key in "q\x03\x1b")


def test_when_no_key_was_pressed_for_a_while_expect_it_let_go():
    held = pressed("w")
    assert held.state(10.0 + FORGOTTEN_S)[1][0] == 1
    assert held.state(10.1 + FORGOTTEN_S)[1][0] == 0
    held.press("w", 20.0)
    assert held.state(20.0) == RELEASED


def test_when_the_base_is_chosen_expect_its_button_until_it_is_chosen_off():
    assert pressed("b").state(10.0)[1][:2] == [1, 1]
    assert pressed("b", "b").state(10.0)[1][:2] == [1, 0]


def test_when_e_is_pressed_expect_the_emergency_stop_for_a_moment_and_everything_let_go():
    held = pressed("w", "e")
    assert held.state(10.0) == ([0.0] * 7, [0, 0, 0, 1, 0, 0, 0, 0])
    assert held.state(10.0 + 2 * MOTION_S) == RELEASED


@pytest.mark.parametrize(("key", "button"), [("n", 2), ("1", 4), ("2", 5), ("3", 6), ("4", 7)])
def test_when_a_key_is_a_button_expect_that_button_for_a_moment(key, button):
    held = pressed(key)
    assert held.state(10.0)[1] == [int(i in (0, button)) for i in range(8)]
    assert held.state(10.0 + 2 * MOTION_S)[1] == [1] + [0] * 7


@given(st.text(alphabet=[*AXES, " ", "b", "n", "x"], min_size=2, max_size=40))
def test_when_several_keys_come_at_once_expect_nobody_to_take_the_robot(text):
    held = Keys()
    held.type(text, 10.0)
    assert held.state(10.0)[1][0] == 0


def test_when_many_keys_come_at_once_expect_it_let_go_and_stops_to_count():
    held = pressed("w")
    held.type("w" * (MOST_AT_ONCE + 1), 10.1)
    assert held.state(10.1)[1][0] == 0
    held.type("w" * MOST_AT_ONCE + "e", 10.2)
    assert held.state(10.2)[1][3] == 1
    held.type("w" * MOST_AT_ONCE + "q", 10.3)
    assert held.ended


def test_when_something_is_pasted_in_a_terminal_that_marks_it_expect_the_end():
    held = pressed("w")
    held.type("\x1b[200~w ", 10.1)
    assert held.ended and held.state(10.1)[1][0] == 0


def test_when_two_keys_are_held_expect_both_and_the_robot_kept():
    held = pressed("w")
    held.type("wawa", 10.1)
    axes, buttons = held.state(10.1)
    assert axes[:2] == [1.0, 1.0] and buttons[0] == 1


@given(st.text(max_size=20))
def test_when_anything_is_typed_expect_axes_within_one(text):
    axes, _ = pressed(*text).state(10.0)
    assert all(-1.0 <= axis <= 1.0 for axis in axes)
