"""The embodiment prompt: the sentence that tells one set of weights which robot it has.

Wording: Qwen-VLA (arXiv 2605.30280), section 2.3, verbatim.
"""

from .schema import Embodiment


def build_prompt(embodiment: Embodiment, instruction: str) -> str:
    """The text part of the model's input for ``instruction``."""
    words = embodiment.prompt_words
    robot = f"{words.robot_tag} with {'single arm' if words.arms == 'single' else 'dual arms'}"
    if words.waist:
        robot += ", waist"
    if words.mobile_base:
        robot += ", and mobile base"
    return (
        f"The robot is {robot}. The control frequency is {embodiment.action_hz:g} Hz. "
        f"Please predict the next {embodiment.horizon} control actions to execute the following "
        f"task: {instruction}."
    )
