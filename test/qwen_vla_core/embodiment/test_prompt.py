"""The sentence of the paper, word by word."""

from pathlib import Path

from qwen_vla_core.embodiment import build_prompt, parse_embodiment
from robots import arm_on_base_text, base_text, robot

TEXT = (Path(__file__).parents[3] / "embodiments" / "widowx.yaml").read_text()


def prompt(old="", new=""):
    return build_prompt(parse_embodiment(TEXT.replace(old, new, 1), "x.yaml"), "fold the towel")


def test_when_the_robot_has_one_arm_expect_the_papers_sentence():
    assert prompt() == (
        "The robot is widowX with single arm. The control frequency is 5 Hz. Please predict the "
        "next 16 control actions to execute the following task: fold the towel."
    )


def test_when_the_robot_has_two_arms_waist_and_base_expect_all_of_them_in_order():
    sentence = prompt("arms: single", "arms: dual\n  waist: true\n  mobile_base: true")
    assert sentence.startswith("The robot is widowX with dual arms, waist, and mobile base. ")


def test_when_the_state_is_in_the_prompt_expect_it_before_the_instruction_as_in_the_paper():
    sentence = build_prompt(parse_embodiment(TEXT, "x.yaml"), "pick up the bowl", [34, 128])
    assert sentence.endswith("following task: state: [34, 128] pick up the bowl.")


def test_when_there_is_no_state_expect_no_word_of_it():
    robot = parse_embodiment(TEXT, "x.yaml")
    assert build_prompt(robot, "go", []) == build_prompt(robot, "go")


def test_when_a_base_follows_waypoints_expect_convention_and_horizon_in_the_sentence():
    assert build_prompt(robot(base_text()), "go to the red door") == (
        "The robot is cart with mobile base. The control frequency is 5 Hz. Please predict the "
        "next 16 waypoints (dx, dy, dtheta) to execute the following navigation task: go to the "
        "red door."
    )


def test_when_a_base_carries_an_arm_expect_the_papers_sentence():
    sentence = build_prompt(robot(arm_on_base_text()), "go")
    assert sentence.startswith("The robot is arm_on_base with single arm, and mobile base. ")
    assert "next 16 control actions to execute the following task: go." in sentence


def test_when_there_is_no_sentence_expect_the_instruction_alone():
    assert build_prompt(None, "go") == "go."
    assert build_prompt(None, "go", [34, 128]) == "state: [34, 128] go."


def test_when_an_instruction_is_typed_another_way_expect_the_same_prompt():
    plain = build_prompt(robot(base_text()), "go to the red door")
    assert build_prompt(robot(base_text()), " Go to  the RED door.\n") == plain
