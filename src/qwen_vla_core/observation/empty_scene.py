"""Black images of a robot at its start: to try a policy with before the first real ones."""

import numpy as np

from ..embodiment import Embodiment
from ..types import Observation

INSTRUCTION = "pick up the red block"


def empty_scene(robot: Embodiment, height: int = 480, width: int = 640) -> Observation:
    """Black images of every camera, of a camera's usual size so that resizing is tried too."""
    black = np.zeros((height, width, 3), np.uint8)
    start_D = np.array(robot.start_D)
    return Observation(
        stamp_s=0.0,
        images={camera.name: black for camera in robot.cameras},
        history={c.name: (black,) * len(c.history_steps) for c in robot.cameras},
        positions_D=start_D,
        commanded_D=start_D,
        instruction=INSTRUCTION,
    )
