"""A question about an image, answered by the weights that also move the robot.

Training teaches where a thing is (``training/grounding.py``), and with ``questions`` in its recipe
what is where, and whether a task is done (``training/questions.py``): about the first camera's
view, without a word about a robot.
"""

from copy import copy

import numpy as np

from qwen_vla_core.instruction import check_instruction

from .images import resize_to
from .model import Inputs, QwenVla
from .processor import Processor
from .training.grounding import Said, chance_of, say
from .training.questions import NO, YES, is_done


def ask(model: QwenVla, processor: Processor, image_HWC: np.ndarray, question: str) -> Said:
    """What the weights say about an image: a box, or words.

    Weights that were trained with boxes alone answer everything with one, also where the thing is
    not in the image.

    Args:
        model: of weights that were trained with grounding.
        processor: of the robot whose image it is.
        image_HWC: uint8 RGB of any size, as the robot's first camera sees.
        question: any sentence that names the thing.
    Raises:
        InstructionError: the question is empty or too long.
    """
    return say(model, _inputs(model, processor, image_HWC, question), processor.tokenizer)[0]


def done_probability(
    model: QwenVla, processor: Processor, image_HWC: np.ndarray, instruction: str
) -> float:
    """How likely what an instruction asks for is done in an image; NaN if they never learned it.

    Raises:
        InstructionError: the instruction is empty or too long.
    """
    inputs = _inputs(model, processor, image_HWC, is_done(check_instruction(instruction)))
    return chance_of(model, inputs, processor.tokenizer, YES, NO)[0]


def _inputs(model: QwenVla, processor: Processor, image_HWC: np.ndarray, question: str) -> Inputs:
    processor = copy(processor)
    processor.prompt_embodiment, processor.pad_to = None, 0
    robot, device = processor.embodiment, next(model.parameters()).device
    camera, *others = robot.cameras
    frame = resize_to(device, image_HWC, camera)
    frames = frame.expand(1, len(camera.frames), *frame.shape)
    inputs = processor(
        [frames, *[None] * len(others)],
        [0],
        [check_instruction(question)],
        np.zeros((1, len(robot.state_channels))),
    )
    return inputs.to(device)
