"""Keys of a terminal: how long they count, and what lets go."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from qwen_vla_core.teleop.keys import AXES, FORGOTTEN_S, MOTION_S, RELEASED, Keys


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


@given(st.text(max_size=20))
def test_when_anything_is_typed_expect_axes_within_one(text):
    axes, _ = pressed(*text).state(10.0)
    assert all(-1.0 <= axis <= 1.0 for axis in axes)
