"""In the canonical layout a channel means the same on every robot, and nothing shares one."""

import pytest

from qwen_vla_core.errors import CheckpointError
from qwen_vla_model.channel_layout import channel_slots
from robots import arm_on_base_text, base_text, robot, two_arms_text, widowx_text


def canonical(text, channels=80):
    slots = channel_slots(robot(text), "canonical", channels)
    return [*slots.actions], [*slots.states]


def test_when_channels_are_native_expect_one_after_the_other():
    slots = channel_slots(robot(two_arms_text()), "native", 6)
    assert slots.actions == slots.states == tuple(range(6))


def test_when_channels_are_canonical_expect_robotmanips_places():
    # Counted from 0: left arm 0..28 (joints 0..6, tool 7..15, gripper 16), right arm 29..57.
    assert canonical(two_arms_text()) == ([0, 1, 16, 29, 30, 45],) * 2
    assert canonical(widowx_text("rot6d")) == ([*range(7, 16), 16],) * 2
    assert canonical(widowx_text("axis_angle")) == ([*range(7, 13), 16], [*range(7, 16), 16])


def test_when_a_robot_has_a_base_expect_it_in_the_reserve():
    assert canonical(base_text()) == ([58, 59, 60], [])
    assert canonical(arm_on_base_text()) == ([61, 62, 0, 1, 16], [0, 1, 16])


@pytest.mark.parametrize(
    ("text", "words"),
    [
        (widowx_text("euler"), "group arm: Euler angles have no slot"),
        (
            two_arms_text().replace("side: right", "side: left"),
            "left_arm and right_arm are the same slots .* 'side: right'",
        ),
    ],
)
def test_when_a_group_has_no_slot_of_its_own_expect_refusal_by_name(text, words):
    with pytest.raises(CheckpointError, match=words):
        canonical(text)


def test_when_an_arm_has_more_joints_than_slots_expect_refusal():
    joints = "".join(
        f"      - {{name: joint_{i}, unit: rad, lower: -1.0, upper: 1.0, velocity: 1.0, "
        "acceleration: 1.0, source: test}\n"
        for i in range(6)
    )
    text = arm_on_base_text().replace(
        "    joints:\n      - {name: left_waist",
        f"    joints:\n{joints}      - {{name: left_waist",
    )
    for old, new in (("[-3.0, -1.7]", [-3.0] * 8), ("[3.0, 1.6]", [3.0] * 8)):
        text = text.replace(old, str(new))
    text = text.replace("start: [0.0, 0.0]\n", f"start: {[0.0] * 8}\n")
    with pytest.raises(CheckpointError, match="7 joints in the canonical layout, not 8"):
        canonical(text)


def test_when_the_model_is_too_narrow_expect_refusal():
    with pytest.raises(CheckpointError, match="46 channels, but the model has 40"):
        canonical(two_arms_text(), channels=40)
