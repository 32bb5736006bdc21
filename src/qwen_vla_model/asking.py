"""A question about an image, answered by the weights that also move the robot.

The only kind of question that training teaches is where a thing is (``training/grounding.py``):
the first camera's view and a sentence that names it, without a word about a robot.
"""

from copy import copy

import numpy as np

from qwen_vla_core.instruction import check_instruction

from .images import resize_to
from .policy import QwenVlaPolicy
from .training.grounding import point_out


def where_is(policy: QwenVlaPolicy, image_HWC: np.ndarray, question: str) -> np.ndarray:
    """Where an image shows what is named: left, top, right, bottom as fractions [4].

    NaN where the weights answer with anything but a box. There is a box also where the thing is
    not in the image: training never showed that.

    Args:
        policy: of weights that were trained with grounding.
        image_HWC: uint8 RGB of any size, as the robot's first camera sees.
        question: any sentence that names the thing.
    Raises:
        InstructionError: the question is empty or too long.
    """
    model, processor = policy.runtime.model, copy(policy.processor)
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
    return point_out(model, inputs.to(policy.runtime.device), processor.tokenizer)[0]
