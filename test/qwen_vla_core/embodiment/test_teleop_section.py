"""The ``teleop`` section of an embodiment: what fits the robot, and what is refused."""

import re
from pathlib import Path

import pytest

from qwen_vla_core.embodiment import load_embodiment, parse_embodiment
from qwen_vla_core.errors import YamlFileError

EMBODIMENTS = Path(__file__).parents[3] / "embodiments"
WIDOWX = (EMBODIMENTS / "widowx.yaml").read_text()
MOTORS = "- {topic: other, drive: {namespace: other}}\n        "


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
        ("leader: left_finger, leader_c", "leader_c", "write one of them"),
        ("leader: left_finger, leader_c", "leader: x, topic: y, leader_c", "write one of them"),
        ("leader: left_finger", "topic: leader/joint_states", "more than one gripper's topic"),
        ("- topic: leader/joint_states", f"{MOTORS}- topic: leader/joint_states", "no joints"),
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


def test_when_only_one_of_two_leader_arms_has_motors_expect_refusal():
    text = (EMBODIMENTS / "aloha.yaml").read_text()
    one = text.replace(
        "leader_left/joint_states",
        "leader_left/joint_states\n          drive: {namespace: leader_left}",
    )
    with pytest.raises(YamlFileError, match="for all of them or for none"):
        parse_embodiment(one, "x.yaml")
    both = one.replace(
        "leader_right/joint_states",
        "leader_right/joint_states\n          drive: {namespace: leader_right}",
    )
    assert all(
        arm.drive.group == "arm" for arm in parse_embodiment(both, "x.yaml").teleop.devices[0].arms
    )


def test_when_leaders_of_the_docs_are_put_into_a_robots_file_expect_them_taken():
    docs = (EMBODIMENTS.parent / "docs" / "teleop.md").read_text()
    sections = re.findall(r"^    - type: leader\n(?:      .*\n)+", docs, re.MULTILINE)
    assert len(sections) == 2
    for section in sections:
        text = re.sub(r"    - type: leader.*(?:\n      .*)+\n", section, WIDOWX)
        (leader,) = [
            device
            for device in parse_embodiment(text, "x.yaml").teleop.devices
            if device.type == "leader"
        ]
        assert leader.source == "measured"
