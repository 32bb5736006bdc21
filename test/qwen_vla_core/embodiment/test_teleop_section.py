"""The ``teleop`` section of an embodiment: what fits the robot, and what is refused."""

from pathlib import Path

import pytest

from qwen_vla_core.embodiment import load_embodiment, parse_embodiment
from qwen_vla_core.errors import YamlFileError

EMBODIMENTS = Path(__file__).parents[3] / "embodiments"
WIDOWX = (EMBODIMENTS / "widowx.yaml").read_text()


@pytest.mark.parametrize("path", sorted(EMBODIMENTS.glob("*.yaml")), ids=lambda path: path.stem)
def test_when_a_shipped_robot_is_loaded_expect_devices_that_it_has_parts_for(path):
    robot = load_embodiment(path)
    assert {"joy", "keyboard", "twist"} <= set(robot.teleop.types)
    has_arms = not all(robot.base_D)
    assert ({"leader", "clutched_pose"} <= set(robot.teleop.types)) == has_arms
    assert all(device.topics for device in robot.teleop.devices)


def test_when_there_is_no_teleop_section_expect_a_robot_without_devices():
    text = WIDOWX.partition("\nteleop:")[0]
    assert parse_embodiment(text, "x.yaml").teleop is None


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ("default: joy", "default: joystick", "'joystick' is none of devices"),
        ("{type: keyboard}", "{type: joy}", "more than one joy"),
        ("{type: keyboard}", "{type: mouse}", "mouse"),
        ("twist, group: arm", "twist, group: base", "'base' is none of arm"),
        ("group: arm, gripper: gripper,", "group: arm, gripper: arm,", "none of gripper"),
        ("gripper: gripper, gripper_topic", "gripper_topic", "write both or none"),
        ("{joint: elbow, leader: elbow}", "{joint: knee, leader: elbow}", "no joint 'knee'"),
        ("{joint: elbow, leader: elbow}", "{joint: waist, leader: elbow}", "'waist' is driven"),
        ("leader_open: 0.037", "leader_open: 0.015", "is the same as leader_open"),
        ("tool_m_s: 0.15", "tool_m_s: 0.0", "tool_m_s"),
        ("tool_m_s: 0.15", "tool_m_s: .nan", "tool_m_s"),
        ("tool_rad_s: 0.8", "tool_deg_s: 40", "tool_deg_s"),
        ("{joint: elbow, leader: elbow}", "{joint: elbow, leader: elbow, sign: 2}", "sign"),
    ],
)
def test_when_a_section_does_not_fit_the_robot_expect_refusal_with_what_is_wrong(old, new, said):
    assert old in WIDOWX
    with pytest.raises(YamlFileError) as refusal:
        parse_embodiment(WIDOWX.replace(old, new), "x.yaml")
    assert said in str(refusal.value) and "teleop" in str(refusal.value)
