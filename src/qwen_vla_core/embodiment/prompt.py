"""The embodiment prompt: the sentence that tells one set of weights which robot it has.

Wording: Qwen-VLA (arXiv 2605.30280), section 2.3, verbatim. Of navigation the paper only says that
its prompt "analogously states the navigation convention and waypoint horizon", so those words are
ours. So is the order "state: [...] task", after the one example the paper prints.
"""

from collections.abc import Sequence

from ..instruction import normalize_instruction
from .schema import BaseWaypoints, Embodiment

_ARMS = {"none": [], "single": ["single arm"], "dual": ["dual arms"]}


def build_prompt(
    embodiment: Embodiment | None,
    instruction: str,
    state_bins: Sequence[int] | None = None,
    steps: int | None = None,
) -> str:
    """The text part of the model's input for ``instruction``, which is normalised first.

    Args:
        embodiment: the robot that the sentence describes; None for no sentence, to measure what it
            is worth: the instruction stands alone.
        state_bins: normalised state in 256 bins, written into the prompt as numbers; None or
            empty: no state in the prompt.
        steps: how many actions are asked for; None for a chunk of them.
    """
    instruction = normalize_instruction(instruction)
    if state_bins:
        instruction = f"state: [{', '.join(map(str, state_bins))}] {instruction}"
    if embodiment is None:
        return f"{instruction}."
    words = embodiment.prompt_words
    parts = [*_ARMS[words.arms]]
    if words.waist:
        parts.append("waist")
    if words.mobile_base:
        parts.append("and mobile base" if parts else "mobile base")
    count = steps or embodiment.horizon
    what, task = "control actions", "task"
    if all(isinstance(group.action, BaseWaypoints) for group in embodiment.groups):
        what, task = "waypoints (dx, dy, dtheta)", "navigation task"
    return (
        f"The robot is {words.robot_tag} with {', '.join(parts)}. "
        f"The control frequency is {embodiment.action_hz:g} Hz. "
        f"Please predict the next {count} {what} to execute the following {task}: "
        f"{instruction}."
    )
