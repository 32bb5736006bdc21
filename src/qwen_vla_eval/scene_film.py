"""What a robot is about to do and what it did, drawn over what its simulated cameras see."""

from collections.abc import Mapping
from functools import partial

import cv2
import numpy as np

from qwen_vla_core.embodiment import Embodiment
from qwen_vla_core.scene import Scene
from qwen_vla_core.scene.drawing import draw_map, draw_plan, draw_words

from .video import VIEW_PX


class SceneFilm:
    """Draws over the images of one robot."""

    def __init__(self, embodiment: Embodiment) -> None:
        from qwen_vla_sim.viewpoint import Viewpoint

        self._view = Viewpoint(embodiment)

    def drawn(self, images: Mapping[str, np.ndarray], scene: Scene) -> dict[str, np.ndarray]:
        """The images, uint8 RGB, as large as a film shows the first of them, with the scene."""
        size = (VIEW_PX, VIEW_PX)
        shown = {
            camera: cv2.resize(image, size, interpolation=cv2.INTER_CUBIC)
            for camera, image in images.items()
        }
        if scene.joints:
            self._view.move(scene.joints)
            for camera, image in shown.items():
                draw_plan(image, scene, partial(self._view.project, camera, size=size))
            draw_map(shown[min(shown)], scene)
            draw_words(shown[min(shown)], scene)
        return shown
