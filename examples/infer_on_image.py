"""What a mobile base would do: an image of its camera and a sentence in, waypoints out.

python examples/infer_on_image.py image.png "go to the red pillar"
"""

import argparse

import cv2
import numpy as np

from qwen_vla_core.types import Observation
from qwen_vla_model import load_policy

parser = argparse.ArgumentParser(description=__doc__)
parser.add_argument("image", help="a PNG or JPEG file, of any size")
parser.add_argument("instruction", help="the task in words")
arguments = parser.parse_args()

bgr_HWC = cv2.imread(arguments.image, cv2.IMREAD_COLOR)
if bgr_HWC is None:
    raise SystemExit(f"{arguments.image}: not a readable image")

policy = load_policy(embodiment="mobile_base")
observation = Observation(
    stamp_s=0.0,
    images={"front": cv2.cvtColor(bgr_HWC, cv2.COLOR_BGR2RGB)},  # by camera name, RGB
    positions_D=np.zeros(3),  # x, y, yaw: a base starts each chunk at its own origin
    commanded_D=np.zeros(3),
    instruction=arguments.instruction,
)
chunk = policy.plan(observation)
for step, (x, y, yaw) in enumerate(chunk.positions_TD):
    print(f"after {step * chunk.step_s:.1f} s: x {x:+.2f} m, y {y:+.2f} m, yaw {yaw:+.2f} rad")
