"""A question about an image, answered by the weights that also move the robot.

Training teaches where a thing is (``training/grounding.py``), and with ``questions`` in its recipe
what is where, and whether a task is done (``training/questions.py``): about the first camera's
view, without a word about a robot.
"""

from copy import copy

import numpy as np

from qwen_vla_core.instruction import check_instruction

from .images import resize_to
from .model import Inputs
from .policy import QwenVlaPolicy
from .training.grounding import Said, chance_of, say
from .training.questions import NO, YES, is_done


def ask(policy: QwenVlaPolicy, image_HWC: np.ndarray, question: str) -> Said:
    """What the weights say about an image: a box, or words.

    Weights that were trained with boxes alone answer everything with one, also where the thing is
    not in the image.

    Args:
        policy: of weights that were trained with grounding.
        image_HWC: uint8 RGB of any size, as the robot's first camera sees.
        question: any sentence that names the thing.
    Raises:
        InstructionError: the question is empty or too long.
    """
    inputs = _inputs(policy, image_HWC, question)
    return say(policy.runtime.model, inputs, policy.processor.tokenizer)[0]


def done_probability(policy: QwenVlaPolicy, image_HWC: np.ndarray, instruction: str) -> float:
    """How likely what an instruction asks for is done in an image, as the weights see it.

    Of the answers yes and no alone; 0.5 means nothing in weights that never learned it.

    Raises:
        InstructionError: the instruction is empty or too long.
    """
    inputs = _inputs(policy, image_HWC, is_done(check_instruction(instruction)))
    return chance_of(policy.runtime.model, inputs, policy.processor.tokenizer, YES, NO)[0]


def _inputs(policy: QwenVlaPolicy, image_HWC: np.ndarray, question: str) -> Inputs:
    processor = copy(policy.processor)
    processor.prompt_embodiment, processor.pad_to = None, 0
    robot = processor.embodiment
    camera, *others = robot.cameras
    frame = resize_to(policy.runtime.device, image_HWC, camera)
    frames = frame.expand(1, len(camera.frames), *frame.shape)
    inputs = processor(
        [frames, *[None] * len(others)],
        [0],
        [check_instruction(question)],
        np.zeros((1, len(robot.state_channels))),
    )
    return inputs.to(policy.runtime.device)
