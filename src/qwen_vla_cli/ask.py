"""Ask a policy's weights where an image shows what a sentence names.

Example:
  qwen-vla ask --image table.png "where is the red block" --out answer.png
  qwen-vla ask --embodiment mobile_base --image floor.jpg "go to the green pillar"

The image is what the robot's first camera sees. The answer is a box: it is the only kind of
answer that the shipped weights have learned. They give one for any sentence, also when what it
names is not in the image; use it to see what a policy takes for the thing.
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
    """Print the box in pixels of the image."""
    import cv2
    import numpy as np

    from qwen_vla_core.embodiment import load_embodiment
    from qwen_vla_core.errors import QwenVlaError
    from qwen_vla_data.images import decode_image, encode_png
    from qwen_vla_model.asking import where_is
    from qwen_vla_model.policy import QwenVlaPolicy

    require_writable(arguments.out)
    image_HWC = decode_image(arguments.image.read_bytes(), str(arguments.image))
    robot = load_embodiment(embodiment_file(arguments.embodiment))
    policy = QwenVlaPolicy.load(checkpoint_folder(arguments.checkpoint), robot)
    box_4 = where_is(policy, image_HWC, arguments.question)
    if np.isnan(box_4).any():
        raise QwenVlaError("the weights do not answer with a box; were they trained to point?")
    height, width, _ = image_HWC.shape
    left, top, right, bottom = (box_4 * [width, height, width, height]).round().astype(int)
    print(f"left {left}, top {top}, right {right}, bottom {bottom} of {width} x {height} pixels")
    if arguments.out is not None:
        shown = cv2.rectangle(image_HWC.copy(), (left, top), (right, bottom), (255, 0, 0), 1)
        arguments.out.parent.mkdir(parents=True, exist_ok=True)
        arguments.out.write_bytes(encode_png(shown))
    return 0
