"""What people write behind `ros2 launch`."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from qwen_vla_ros.launching.arguments import (
    ARGUMENTS,
    FALSE,
    TRUE,
    LaunchArgumentError,
    flag,
    read,
    refuse_unknown,
)

FLAGS = [name for name, argument in ARGUMENTS.items() if argument.is_flag]
DEFAULTS = {name: argument.default for name, argument in ARGUMENTS.items()}


@pytest.mark.parametrize("text", ["true", "True", "TRUE", "1", "yes", "Yes", "on", " ON "])
def test_when_a_flag_is_meant_as_true_expect_true(text):
    assert flag("dry_run", text) is True


@pytest.mark.parametrize("text", ["false", "False", "FALSE", "0", "no", "NO", "off", "Off"])
def test_when_a_flag_is_meant_as_false_expect_false(text):
    assert flag("dry_run", text) is False


@given(st.text())
def test_when_a_flag_is_anything_else_expect_refusal_with_what_is_accepted(text):
    if text.strip().lower() in (*TRUE, *FALSE):
        return
    with pytest.raises(LaunchArgumentError) as refusal:
        flag("dry_run", text)
    assert "dry_run:=" in str(refusal.value)
    assert all(word in str(refusal.value) for word in (*TRUE, *FALSE))


def test_when_true_is_mistyped_expect_the_word_that_was_meant():
    with pytest.raises(LaunchArgumentError, match="did you mean true"):
        flag("dry_run", "ture")


@pytest.mark.parametrize("name", FLAGS)
def test_when_all_arguments_are_read_expect_every_flag_to_be_understood(name):
    texts = {**DEFAULTS, "embodiment": "widowx"}
    assert read({**texts, name: "Yes"})[name] is True
    with pytest.raises(LaunchArgumentError, match=name):
        read({**texts, name: "perhaps"})


def test_when_no_robot_is_named_expect_refusal():
    with pytest.raises(LaunchArgumentError, match="embodiment:="):
        read(DEFAULTS)


@pytest.mark.parametrize("typed_for_us", [True, False])
@pytest.mark.parametrize(
    ("wrong", "meant"),
    [
        ("dry_runn", "dry_run"),
        ("dryrun", "dry_run"),
        ("Use_Sim", "use_sim"),
        ("usesim", "use_sim"),
    ],
)
def test_when_a_name_is_mistyped_expect_the_one_that_was_meant(wrong, meant, typed_for_us):
    with pytest.raises(LaunchArgumentError, match=f"'{wrong}'.*did you mean {meant}"):
        refuse_unknown([*ARGUMENTS, wrong], typed_for_us=typed_for_us)


def test_when_another_launch_file_includes_ours_expect_its_own_arguments_to_be_left_alone():
    foreign = [*ARGUMENTS, "use_sim_time", "robot_model", "launch-prefix", "sigterm_timeout"]
    refuse_unknown(foreign, typed_for_us=False)
    with pytest.raises(LaunchArgumentError, match="robot_model"):
        refuse_unknown(foreign, typed_for_us=True)


@pytest.mark.parametrize(
    ("name", "value"),
    [("device", "gpu"), ("device", "/dev/ttyUSB0"), ("weights", "fp16"), ("log_level", "verbose")]
    + [("namespace", name) for name in ("my robot", "1st", "a//b", "left-arm", "~")],
)
def test_when_a_value_is_not_allowed_expect_what_may_be_written(name, value):
    with pytest.raises(
        LaunchArgumentError, match=f"^{name}:={value} is not .*(cpu|nf4|fatal|lab/left)"
    ):
        read(DEFAULTS | {"embodiment": "widowx", name: value})


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("device", "cuda:1"),
        ("log_level", "debug"),
        ("namespace", "/a/b_2/"),
        ("weights", "bfloat16"),  # each of them: qwen_vla_model/test_precision.py
    ],
)
def test_when_a_value_is_allowed_expect_it(name, value):
    assert read(DEFAULTS | {"embodiment": "widowx", name: value})[name] == value
