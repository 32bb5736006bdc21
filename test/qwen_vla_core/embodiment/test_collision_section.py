"""What is wrong in the collision section or a workspace is said with line and key."""

from pathlib import Path

import pytest

from qwen_vla_core.embodiment import parse_embodiment
from qwen_vla_core.errors import YamlFileError

ALOHA = (Path(__file__).parents[3] / "embodiments" / "aloha.yaml").read_text()
BOX = "workspace_lower_m: [-0.2, -0.6, 0.0]"


def with_box(text):
    return ALOHA.replace(
        "        mount_m: [0.5, 0.25, 0.0] ", f"        {text}\n        mount_m: [0.5, 0.25, 0.0] "
    )


@pytest.mark.parametrize(
    ("old", "new", "key", "what"),
    [
        (
            "link: waist, from_m",
            "link: hip, from_m",
            "link",
            "left_arm has no link hip; there are base_link, waist",
        ),
        (
            "groups: [left_arm, right_arm]",
            "groups: [left_arm, left_arm]",
            "groups",
            "left_arm is named twice",
        ),
        (
            "groups: [left_arm, right_arm]",
            "groups: [left_gripper]",
            "groups",
            "left_gripper is no group with kinematics",
        ),
        ("radius_m: 0.027}", "radius_m: 0.0}", "radius_m", ""),
        ("kind: fingers", "kind: soft", "kind", ""),
        ("margin_m: 0.015 ", "margin: 0.015 ", "margin", "margin_m"),
        ("table_z_m: 0.0 ", "table_z_m: .nan ", "table_z_m", ""),
    ],
)
def test_when_a_part_of_the_collision_section_is_wrong_expect_line_and_key(old, new, key, what):
    assert old in ALOHA
    with pytest.raises(YamlFileError) as refused:
        parse_embodiment(ALOHA.replace(old, new, 1), "aloha.yaml")
    line = ALOHA.replace(old, new, 1).splitlines().index
    assert "aloha.yaml:" in str(refused.value) and key in str(refused.value)
    assert what in str(refused.value)
    number = 1 + next(i for i, text in enumerate(ALOHA.splitlines()) if old in text)
    assert f":{number}:" in str(refused.value) or key == "groups", line


def test_when_a_workspace_has_one_corner_or_is_inside_out_expect_line_and_key():
    with pytest.raises(YamlFileError, match=r"workspace_upper_m: is missing"):
        parse_embodiment(with_box(BOX), "aloha.yaml")
    text = with_box(f"{BOX}\n        workspace_upper_m: [0.7, -0.6, 0.7]")
    with pytest.raises(YamlFileError, match=r"aloha.yaml:\d+: .*workspace_lower_m: is not below"):
        parse_embodiment(text, "aloha.yaml")
    good = with_box(f"{BOX}\n        workspace_upper_m: [0.7, 0.6, 0.7]")
    assert parse_embodiment(good, "aloha.yaml").groups[0].action.kinematics.workspace_lower_m
