"""Descriptions are refused with file, line and key; nothing dangerous is ever expanded."""

import re
import time
from math import radians
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from qwen_vla_core.embodiment import find_embodiment, load_embodiment, parse_embodiment
from qwen_vla_core.errors import YamlFileError
from qwen_vla_core.yaml_file import MAX_FILE_BYTES
from robots import base_text, ros2_control_text, two_arms_text

EMBODIMENTS = Path(__file__).parents[3] / "embodiments"
TEXT = (EMBODIMENTS / "widowx.yaml").read_text()
WIDOWX = parse_embodiment(TEXT, "widowx.yaml")
_TURN, _RAD_S = (radians(-180) + 1e-5, radians(180) - 1e-5), radians(180)
PUBLISHED_RANGES = {
    "aloha": {
        "waist": (*_TURN, _RAD_S),
        "shoulder": (radians(-106), radians(72), _RAD_S),
        "elbow": (radians(-101), radians(92), _RAD_S),
        "forearm_roll": (*_TURN, _RAD_S),
        "wrist_angle": (radians(-107), radians(128), _RAD_S),
        "wrist_rotate": (*_TURN, _RAD_S),
        "left_finger": (0.021, 0.057, 1.0),
    },
    "wx250s": {
        "waist": (*_TURN, _RAD_S),
        "shoulder": (radians(-108), radians(114), _RAD_S),
        "elbow": (radians(-123), radians(92), _RAD_S),
        "forearm_roll": (*_TURN, _RAD_S),
        "wrist_angle": (radians(-100), radians(123), _RAD_S),
        "wrist_rotate": (*_TURN, _RAD_S),
        "left_finger": (0.015, 0.037, 1.0),
    },
}
"""Lower, upper and speed limit in Interbotix's URDFs, vx300s.urdf.xacro and wx250s.urdf.xacro."""
SLATE_SPEEDS = dict.fromkeys(("base_x", "base_y", "base_yaw"), (-4.0, 4.0, 1.0))
"""slate_base clamps at 1.0 m/s and 1.0 rad/s; how far a chunk leads is this package's choice."""


def changed(old: str, new: str) -> str:
    assert TEXT.count(old) >= 1, f"{old!r} is not in widowx.yaml any more"
    return TEXT.replace(old, new, 1)


def line_of(text: str, part: str) -> int:
    return text[: text.index(part)].count("\n") + 1


def refusal(text: str) -> str:
    with pytest.raises(YamlFileError) as caught:
        parse_embodiment(text, "robot.yaml")
    return str(caught.value)


@pytest.mark.parametrize("path", sorted(EMBODIMENTS.glob("*.yaml")), ids=lambda path: path.stem)
def test_when_a_shipped_robot_is_loaded_expect_its_own_name_and_the_published_ranges(path):
    embodiment = load_embodiment(path)
    assert embodiment.name == path.stem
    ranges = PUBLISHED_RANGES["aloha" if path.stem == "aloha" else "wx250s"] | SLATE_SPEEDS
    for group in embodiment.groups:
        for joint in group.joints:
            low, high, fastest = ranges[joint.driver_name]
            assert 0 < joint.velocity <= fastest and joint.acceleration <= 5.0
            if len(group.joints) == 6:  # an arm uses all of its range
                assert (joint.lower, joint.upper) == pytest.approx((low, high), abs=1e-6)
            else:
                assert low <= joint.lower < joint.upper <= high


@pytest.mark.parametrize(
    ("old", "new", "key"),
    [
        ("action_hz: 5 ", "action_hertz: 5 ", "action_hertz"),
        ("    width: 96", "    wide: 96", "wide"),
        ("lower: -1.884956, ", "", "lower"),
        ("lower: -1.884956", "lower: 2.5", "groups.arm.joints.shoulder.lower"),
        ("upper: 1.989675", "upper: .nan", "upper"),
        ("upper: 1.989675", "upper: .inf", "upper"),
        ("velocity: 1.57", "velocity: 0.0", "velocity"),
        ("acceleration: 5.0", "acceleration: -1", "acceleration"),
        ("name: shoulder", "name: waist", "waist"),
        ("name: wrist\n", "name: over_shoulder\n", "over_shoulder"),
        ("horizon: 16", "horizon: 0", "horizon"),
        ("command_hz: 50", "command_hz: 2", "command_hz"),
        ("tag: ego", "tag: forehead", "tag"),
        ("topic: blue/image_raw", "topic: 'no topic'", "topic"),
        ("max_age_s: 0.5", "max_age_s: 0", "max_age_s"),
        ("joint_states_s: 0.1", "joint_states_s: 0", "joint_states_s"),
        ("closed: 0.015, open: 0.037", "closed: 0.015, open: 0.015", "groups.gripper"),
        ("convention: ee_delta", "convention: telekinesis", "action"),
        ("start: [0.037]", "start: [0.037, 0.0]", "start"),
        ("q01: [-0.05, -0.05,", "q01: [-0.05,", "q01"),
        ("{joint: elbow,", "{joint: knee,", "knee"),
        ("pwm_limit: 350.0", "pwm_limit: 3500.0", "pwm_limit"),
    ],
)
def test_when_one_key_is_wrong_expect_file_line_and_key_in_the_error(old, new, key):
    text = changed(old, new)
    message = refusal(text)
    assert message.startswith("robot.yaml:")
    assert key in message
    assert re.match(r"robot\.yaml:\d+: ", message)


@pytest.mark.parametrize(
    ("text", "old", "new", "words"),
    [
        (two_arms_text(), "namespace: follower_right", "namespace: follower_left", "left_waist"),
        (two_arms_text(), "hardware_name: elbow", "hardware_name: waist", "left_elbow"),
        (two_arms_text(), "hardware_name: elbow", "hardware_name: gripper", "motor gripper"),
        (two_arms_text(), "preset: aloha_original", "preset: aloha_modern", "preset"),
        (two_arms_text(), "upper: 0.057", "upper: 0.06", "left_finger: has limits 0.02..0.06"),
        (
            two_arms_text(),
            "type: interbotix_group, namespace: follower_left, group: arm",
            "type: interbotix_pwm_gripper, namespace: follower_left, motor: arm, gain_per_m: 1.0, "
            "pwm_limit: 1.0",
            "interbotix_pwm_gripper cannot carry joint_position",
        ),
        (
            ros2_control_text(),
            "controller: gripper_controller",
            "controller: arm_controller",
            "controller arm_controller of group gripper and controller",
        ),
        (
            ros2_control_text(),
            "unit: m, lower: 0.0",
            "hardware_name: joint_1, unit: m, lower: 0.0",
            "joint finger and",
        ),
        (
            ros2_control_text(),
            "action_hz: 10\ncommand_hz: 50",
            "action_hz: 5\ncommand_hz: 6",
            "its trajectories of 0.208333 s would outlive watchdogs.joint_states_s",
        ),
        (base_text(), "action_hz: 5\ncommand_hz: 50", "action_hz: 2\ncommand_hz: 4", "time out"),
        (base_text(), "name: base_y", "name: base_z", "base_z"),
        (base_text(), "stamped: false,", "", "stamped"),
    ],
)
def test_when_motors_or_drivers_do_not_fit_expect_the_culprit_to_be_named(text, old, new, words):
    assert old in text
    message = refusal(text.replace(old, new))
    assert message.startswith("robot.yaml:") and words in message


@pytest.mark.parametrize(
    ("text", "old", "new", "words"),
    [
        (TEXT, "start: [0.037]", "start: [0.2]", "left_finger at 0.2 m is outside its limits"),
        (TEXT, "start: [0.037]", "", "groups.gripper.start: is missing"),
        (TEXT, "observation_s: 2.0", "observation_s: 3.3", "at most a chunk, 3.2 s"),
        (TEXT, "observation_s: 2.0", "observation_s: 0.2", "no longer than an action step, 0.2 s"),
        (TEXT, "  observation_s: 2.0", "  # none", "observation_s"),
        (TEXT, "joint_states_s: 0.1", "odometry_s: 0.1", "watchdogs.joint_states_s: is missing"),
        (
            TEXT,
            "watchdogs:",
            "watchdogs:\n  odometry_s: 0.2",
            "watchdogs.odometry_s: this robot has none",
        ),
        (TEXT, "watchdogs:", "watchdogs:\n  estop_heartbeat_s: 0", "estop_heartbeat_s"),
        (base_text(), "odometry_s: 0.2, ", "", "watchdogs.odometry_s: is missing"),
        (base_text(), "observation_s: 1.0", "observation_s: 1.1", "at most 1 s with a base"),
        (base_text(), "    tracking_limit", "    start: [0, 0, 0]\n    tracking_limit", "stands"),
    ],
)
def test_when_a_start_pose_or_a_watchdog_does_not_fit_expect_the_reason(text, old, new, words):
    assert old in text
    message = refusal(text.replace(old, new))
    assert message.startswith("robot.yaml:") and words in message


@given(st.sampled_from(WIDOWX.joints), st.integers(-4000, 4000))
@settings(max_examples=40, deadline=None)
def test_when_any_start_pose_is_written_expect_it_taken_within_the_limits_alone(joint, thousandth):
    position, start = thousandth / 1000, list(WIDOWX.start_D)
    start[WIDOWX.joint_names.index(joint.name)] = position
    text = changed(f"start: {list(WIDOWX.start_D[:-1])}", f"start: {start[:-1]}")
    text = text.replace("start: [0.037]", f"start: {start[-1:]}")
    if joint.lower <= position <= joint.upper:
        assert parse_embodiment(text, "robot.yaml").start_D == tuple(start)
    else:
        assert f"{joint.name} at" in refusal(text)


def test_when_an_estop_sends_a_heartbeat_expect_its_period():
    assert WIDOWX.watchdogs.estop_heartbeat_s is None
    text = changed("watchdogs:", "watchdogs:\n  estop_heartbeat_s: 0.5")
    assert parse_embodiment(text, "robot.yaml").watchdogs.estop_heartbeat_s == 0.5


def test_when_a_robot_has_two_bases_expect_refusal():
    group = base_text()[base_text().index("  - name: base\n") :]
    second = group.replace("- name: base\n", "- name: second\n").replace("name: base_", "name: b_")
    assert "base" in refusal(base_text() + second)


def test_when_a_value_is_wrong_expect_its_own_line_number():
    text = changed("upper: 1.989675", "upper: .nan")
    assert refusal(text).startswith(f"robot.yaml:{line_of(text, 'upper: .nan')}: ")


def test_when_a_key_is_unknown_expect_its_own_line_number():
    text = changed("horizon: 16 ", "horizont: 16 ")
    assert f"robot.yaml:{line_of(text, 'horizont')}: horizont" in refusal(text)


def test_when_a_key_stands_twice_expect_the_second_to_be_named():
    text = TEXT + "\nhorizon: 8\n"
    assert f"robot.yaml:{line_of(text, 'horizon: 8')}: horizon: repeated key" in refusal(text)


def test_when_a_tag_could_build_an_object_expect_refusal_before_it_does(tmp_path):
    canary = tmp_path / "canary"
    text = changed("horizon: 16", f"horizon: !!python/object/apply:os.mkdir ['{canary}']")
    assert "tag" in refusal(text)
    assert not canary.exists()


def test_when_aliases_would_expand_without_bound_expect_refusal_at_once():
    bomb = "a: &a [x,x,x,x,x,x,x,x,x]\n" + "\n".join(
        f"{chr(98 + i)}: &{chr(98 + i)} [{','.join(['*' + chr(97 + i)] * 9)}]" for i in range(9)
    )
    started = time.perf_counter()
    assert "aliases" in refusal(bomb)
    assert time.perf_counter() - started < 1.0


def test_when_a_file_is_larger_than_a_megabyte_expect_refusal_without_reading_it(tmp_path):
    path = tmp_path / "large.yaml"
    with path.open("wb") as file:
        file.truncate(100 * MAX_FILE_BYTES)
    with pytest.raises(YamlFileError, match=r"large\.yaml: larger than"):
        load_embodiment(path)


def test_when_lists_are_nested_a_hundred_thousand_deep_expect_a_typed_error():
    assert "robot.yaml" in refusal("name: " + "[" * 100_000)


@pytest.mark.parametrize(
    "text", ["", "- a\n- b", "just words", "{", "a: b: c", "? [1]\n: 2", "\x00"]
)
def test_when_the_text_is_not_a_mapping_expect_a_typed_error(text):
    assert refusal(text).startswith("robot.yaml:")


@settings(deadline=None)
@given(st.text(max_size=300))
def test_when_any_text_is_given_expect_nothing_but_a_typed_error(text):
    with pytest.raises(YamlFileError):
        parse_embodiment(text, "robot.yaml")


@settings(max_examples=40, deadline=None)
@given(st.integers(0, len(TEXT) - 1), st.integers(1, 40), st.text(max_size=10))
def test_when_any_part_of_a_description_is_replaced_expect_a_robot_or_a_typed_error(
    start, length, replacement
):
    try:
        embodiment = parse_embodiment(
            TEXT[:start] + replacement + TEXT[start + length :], "robot.yaml"
        )
    except YamlFileError:
        return
    assert all(joint.lower < joint.upper and joint.velocity > 0 for joint in embodiment.joints)


def test_when_a_name_is_unknown_expect_the_known_ones_to_be_listed():
    with pytest.raises(YamlFileError, match=r"aloha, .*; did you mean widowx\?"):
        find_embodiment("windowx", EMBODIMENTS)


def test_when_a_path_does_not_exist_expect_it_to_be_named(tmp_path):
    with pytest.raises(YamlFileError, match=r"nowhere\.yaml"):
        load_embodiment(tmp_path / "nowhere.yaml")
