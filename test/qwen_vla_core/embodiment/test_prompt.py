"""The sentence of the paper, word by word."""

from pathlib import Path

from qwen_vla_core.embodiment import build_prompt, parse_embodiment

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
