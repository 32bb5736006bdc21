"""Ask a policy's weights about an image: where something is, what is there, is a task done?

Example:
  qwen-vla ask --image table.png "where is the red block" --out answer.png
  qwen-vla ask --embodiment mobile_base --image floor.jpg "go to the green pillar"
  qwen-vla ask --checkpoint my_weights --image table.png "what is left of the red block"
  qwen-vla ask --checkpoint my_weights --image table.png "is it done: pick up the red block"

The image is what the robot's first camera sees. The shipped weights have learned one kind of
answer, a box. They give one for any sentence, also when what it names is not in the image; use it
to see what a policy takes for the thing. Weights whose recipe has `questions` answer in words too.
"""

import argparse
from pathlib import Path

from .arguments import add_checkpoint, checkpoint_folder, embodiment_file
from .outputs import require_writable


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Arguments of `qwen-vla ask`."""
    parser.add_argument("question", help="a sentence that names the thing")
    parser.add_argument("--image", type=Path, required=True, help="PNG or JPEG file")
    parser.add_argument("--embodiment", default="widowx", help="name or YAML file (widowx)")
    add_checkpoint(parser)
    parser.add_argument("--out", type=Path, help="write the image with the box as PNG here")


def run(arguments: argparse.Namespace) -> int:
    """Print the answer: a box in pixels of the image, or words."""
    import cv2
    import numpy as np

    from qwen_vla_core.embodiment import load_embodiment
    from qwen_vla_data.images import decode_image, encode_png
    from qwen_vla_model.asking import ask
    from qwen_vla_model.policy import QwenVlaPolicy

    require_writable(arguments.out)
    image_HWC = decode_image(arguments.image.read_bytes(), str(arguments.image))
    robot = load_embodiment(embodiment_file(arguments.embodiment))
    policy = QwenVlaPolicy.load(checkpoint_folder(arguments.checkpoint), robot)
    said = ask(policy.runtime.model, policy.processor, image_HWC, arguments.question)
    height, width, _ = image_HWC.shape
    print(said.text(width, height))
    if arguments.out is None:
        return 0
    if np.isnan(said.box_4).any():
        print(f"{arguments.out} is not written, because the answer is no box")
        return 0
    left, top, right, bottom = said.pixels(width, height)
    shown = cv2.rectangle(image_HWC.copy(), (left, top), (right, bottom), (255, 0, 0), 1)
    arguments.out.parent.mkdir(parents=True, exist_ok=True)
    arguments.out.write_bytes(encode_png(shown))
    return 0
