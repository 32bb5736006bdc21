"""Gamepads: what their axes and buttons want, and what was never seen at rest."""

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from qwen_vla_core.embodiment import load_embodiment
from qwen_vla_core.errors import ObservationError
from qwen_vla_core.teleop import GamepadReader, read_gamepad
from qwen_vla_core.teleop.gamepad import AT_REST, CHANNELS
from qwen_vla_core.teleop.keys import AXES

ROOT = Path(__file__).parents[3]
ROBOTS = {p.stem: load_embodiment(p) for p in (ROOT / "embodiments").glob("*.yaml")}
FILES = sorted((ROOT / "config" / "teleop").glob("*.yaml"))
PAD = read_gamepad(ROOT / "config" / "teleop" / "game_controller.yaml")
XBOX = read_gamepad(ROOT / "config" / "teleop" / "xbox_joy_node.yaml")


def buttons(*held):
    return [int(i in held) for i in range(21)]


def reader(robot="widowx", pad=PAD):
    """A reader that has seen everything at rest, and the dead-man pressed."""
    read = GamepadReader(ROBOTS[robot], pad)
    rest = [0.0] * 6 if pad is PAD else [0, 0, 1, 0, 0, 1, 0, 0]
    read.read(rest, buttons())
    read.read(rest, buttons(pad.deadman))
    return read


@pytest.mark.parametrize("file", FILES, ids=lambda path: path.stem)
def test_when_a_gamepad_file_is_read_expect_a_way_to_move_ahead_and_to_open(file):
    pad = read_gamepad(file)
    assert {"ahead", "left", "up", "open"} <= {*pad.sticks, *pad.pairs} <= set(CHANNELS)


def test_when_the_left_stick_is_pushed_ahead_expect_the_tool_to_move_along_x():
    hands = reader().read([0, 1, 0, 0, 0, 0], buttons(PAD.deadman))
    assert hands.pressed
    velocity_6 = hands.wish.tool_velocities["arm"]
    np.testing.assert_allclose(velocity_6, [ROBOTS["widowx"].teleop.tool_m_s, 0, 0, 0, 0, 0])


def test_when_circle_and_cross_are_pressed_expect_the_gripper_to_open_and_to_close():
    read = reader()
    assert read.read([0] * 6, buttons(PAD.deadman, 1)).wish.gripper_speeds["gripper"] == 1.0
    assert read.read([0] * 6, buttons(PAD.deadman, 0)).wish.gripper_speeds["gripper"] == -1.0


def test_when_a_stick_rests_off_centre_expect_it_to_move_nothing_and_its_name_in_words():
    read = GamepadReader(ROBOTS["widowx"], PAD)
    off = [0.0, 0.4, 0, 0, 0, 0]
    read.read(off, buttons())
    hands = read.read(off, buttons(PAD.deadman))
    assert not hands.wish.tool_velocities["arm"].any()
    assert "ahead" in hands.message
    read.read([0.0] * 6, buttons(PAD.deadman))
    assert read.read(off, buttons(PAD.deadman)).wish.tool_velocities["arm"][0] > 0.0


def test_when_a_stick_is_held_while_the_deadman_is_pressed_expect_nothing_until_it_was_centred():
    read = reader()
    read.read([0, 1, 0, 0, 0, 0], buttons())
    hands = read.read([0, 1, 0, 0, 0, 0], buttons(PAD.deadman))
    assert not hands.wish.tool_velocities["arm"].any() and "ahead" in hands.message


@pytest.mark.parametrize("raw", [0.0, -1.0, 0.5])
def test_when_a_trigger_was_never_released_expect_it_to_move_nothing(raw):
    read = GamepadReader(ROBOTS["widowx"], XBOX)
    axes = [0, 0, 1, 0, 0, raw, 0, 0]
    read.read(axes, buttons())
    hands = read.read(axes, buttons(XBOX.deadman))
    assert hands.wish.gripper_speeds["gripper"] == 0.0 and "open" in hands.message
    read.read([0, 0, 1, 0, 0, 1.0, 0, 0], buttons(XBOX.deadman))
    pulled = read.read([0, 0, 1, 0, 0, -1.0, 0, 0], buttons(XBOX.deadman))
    assert pulled.wish.gripper_speeds["gripper"] == 1.0


@pytest.mark.parametrize("bad", [np.nan, np.inf, 1e9, -1.5])
def test_when_an_axis_is_no_axis_expect_refusal(bad):
    with pytest.raises(ObservationError, match="beyond 1"):
        reader().read([0, bad, 0, 0, 0, 0], buttons(PAD.deadman))


def test_when_axes_or_buttons_are_missing_expect_refusal_with_their_numbers():
    with pytest.raises(ObservationError, match="axis 3"):
        reader().read([0.0, 0.0, 0.0], buttons(PAD.deadman))
    with pytest.raises(ObservationError, match="button 10 of 2"):
        reader().read([0.0] * 6, [0, 0])


def test_when_the_base_button_is_held_expect_the_stick_to_drive_the_base_and_no_arm():
    robot = ROBOTS["widowx_mobile"]
    read = reader("widowx_mobile")
    wish = read.read([0.0, 1.0, 0, 0, 0, 0], buttons(PAD.deadman, PAD.drive)).wish
    assert wish.base == (robot.teleop.base_m_s, 0.0) and not wish.tool_velocities
    assert read.read([0.0, 1.0, 0, 0, 0, 0], buttons(PAD.deadman)).wish.base is None


def test_when_a_robot_is_a_base_alone_expect_the_stick_to_drive_and_to_turn():
    wish = reader("mobile_base").read([1.0, 0, 0, 0, 0, 0], buttons(PAD.deadman)).wish
    assert wish.base == (0.0, ROBOTS["mobile_base"].teleop.base_rad_s)


def test_when_the_next_arm_is_chosen_expect_the_other_arm_and_its_gripper():
    read = reader("aloha")
    read.read([0.0] * 6, buttons(PAD.deadman, PAD.next_arm))
    read.read([0.0] * 6, buttons(PAD.deadman))
    wish = read.read([0, 1.0, 0, 0, 0, 0], buttons(PAD.deadman, 1)).wish
    assert list(wish.tool_velocities) == ["right_arm"]
    assert list(wish.gripper_speeds) == ["right_gripper"]


@pytest.mark.parametrize("file", FILES, ids=lambda path: path.stem)
def test_when_the_stop_is_pressed_expect_it_said_whatever_the_axes_say(file):
    pad = read_gamepad(file)
    read = GamepadReader(ROBOTS["widowx"], pad)
    assert read.stop_pressed(buttons(pad.estop)) is True
    assert read.stop_pressed(buttons(pad.deadman)) is False
    with pytest.raises(ObservationError, match=f"button {pad.estop} of 1"):
        read.stop_pressed([1])


def test_when_a_gamepad_has_no_stop_expect_none():
    bare = PAD.model_copy(update={"estop": None})
    assert GamepadReader(ROBOTS["widowx"], bare).stop_pressed(buttons(4)) is None


def test_when_a_button_of_the_recorder_is_pressed_expect_it_once_and_not_what_was_held_before():
    read = GamepadReader(ROBOTS["widowx"], PAD)
    assert read.recordings_pressed(buttons(PAD.record_start)) == []
    assert read.recordings_pressed(buttons()) == []
    assert read.recordings_pressed(buttons(PAD.record_success)) == ["record_success"]
    assert read.recordings_pressed(buttons(PAD.record_success)) == []
    assert read.recordings_pressed(buttons(PAD.record_discard)) == ["record_discard"]


def test_when_keys_are_compared_with_the_keyboards_file_expect_their_axes_there():
    pad = read_gamepad(ROOT / "config" / "teleop" / "keyboard.yaml")
    assert {stick.axis for stick in pad.sticks.values()} == {axis for axis, _ in AXES.values()}


@given(
    st.lists(st.lists(st.floats(-1, 1), min_size=6, max_size=6), min_size=1, max_size=8),
    st.lists(st.sets(st.integers(0, 14)), min_size=8, max_size=8),
)
def test_when_anything_is_done_with_a_gamepad_expect_no_more_than_the_speeds_of_the_robot(
    messages, held
):
    speeds = ROBOTS["widowx_mobile"].teleop
    read = GamepadReader(ROBOTS["widowx_mobile"], PAD)
    for axes, pressed in zip(messages, held, strict=False):
        wish = read.read(axes, buttons(*pressed)).wish
        for velocity_6 in wish.tool_velocities.values():
            assert (np.abs(velocity_6[:3]) <= speeds.tool_m_s).all()
            assert (np.abs(velocity_6[3:]) <= speeds.tool_rad_s).all()
        if wish.base is not None:
            assert abs(wish.base[0]) <= speeds.base_m_s
            assert abs(wish.base[1]) <= speeds.base_rad_s


@given(st.floats(-AT_REST, AT_REST))
def test_when_an_axis_is_within_its_rest_expect_nothing(value):
    hands = reader().read([0, value, 0, 0, 0, 0], buttons(PAD.deadman))
    assert not hands.wish.tool_velocities["arm"].any() and not hands.message
