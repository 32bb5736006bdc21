"""An episode as a film: what the policy planned at each step beside what was done."""

from collections.abc import Sequence
from pathlib import Path
from tempfile import TemporaryDirectory

import cv2
import numpy as np

from qwen_vla_core.embodiment import EmbodimentCodec
from qwen_vla_core.scene import Scene, SceneMaker, Status
from qwen_vla_core.scene.drawing import draw_plan
from qwen_vla_core.types import ActionChunk
from qwen_vla_core.whole_file import write_whole
from qwen_vla_data.episode import Episode
from qwen_vla_data.images import decode_image

from ..scene_film import SceneFilm
from ..video import EpisodeVideo, frame_width
from .measure import Comparison

PANEL_PX = 240
"""Height of the two drawings below the images."""
MARGIN = 1.15
SMALLEST_M = 0.1
"""Half a side of what a drawing shows, at least."""


def write_film(path: Path, compared: Comparison, codec: EmbodimentCodec) -> None:
    """The whole episode, in its own time.

    Below the images the scene from above and from the side: of a real robot nobody knows where
    its cameras stand. Over images of the simulator it is drawn as in the films of the demo.

    Raises:
        QwenVlaError: the episode cannot be read, or the film not written.
    """
    episode, robot = compared.source.load(codec, views=False), codec.embodiment
    scenes = _scenes(episode, compared, codec)
    centre_3, half_m = _extent(scenes)
    simulated = episode.seed is not None and robot.simulated_world is not None
    over_images = SceneFilm(robot) if simulated else None
    width = frame_width(len(episode.images))
    path.parent.mkdir(parents=True, exist_ok=True)
    with (
        write_whole(path) as whole,
        TemporaryDirectory(dir=path.parent, prefix=".film_") as folder,  # FFmpeg goes by endings
    ):
        film = Path(folder, "film.mp4")
        with EpisodeVideo(film, robot.action_hz / episode.stride) as video:
            for t, scene in enumerate(scenes):
                images = {
                    name: decode_image(frames[t], f"image {t} of camera {name}")
                    for name, frames in episode.images.items()
                }
                if over_images is not None:
                    images = over_images.drawn(images, scene)
                captions = (
                    episode.instructions[0],
                    f"{compared.seconds_T[t]:.1f} s   white: what was done   yellow to violet: "
                    "what the policy plans",
                )
                video.add(images, captions, below=_panel(scene, centre_3, half_m, width))
        film.replace(whole)


def _scenes(episode: Episode, compared: Comparison, codec: EmbodimentCodec) -> list[Scene]:
    """What there is to draw at each step."""
    robot, maker = codec.embodiment, SceneMaker(codec.embodiment)
    base = robot.base and robot.group_slice(robot.base.name)
    scenes = []
    for commanded_D, plan_TD, second in zip(
        episode.commanded_TD.astype(float), compared.plans_TPD, compared.seconds_T, strict=True
    ):
        if base is not None:
            maker.on_base(commanded_D[base], second)
        maker.on_joints(dict(zip(robot.joint_names, commanded_D.tolist(), strict=True)))
        chunk = ActionChunk(
            stamp_s=float(second),
            step_s=robot.action_step_s,
            positions_TD=plan_TD,
            velocities_TD=np.zeros_like(plan_TD),
        )
        maker.on_chunk(chunk, float(second))
        scenes.append(maker.scene(float(second), Status(instruction=episode.instructions[0])))
    return scenes


def _extent(scenes: Sequence[Scene]) -> tuple[np.ndarray, float]:
    """The middle of all paths, m, and half the side of a square around them."""
    paths = [path.points_T3 for scene in scenes for path in (*scene.plan, *scene.executed)]
    points_N3 = np.concatenate(paths) if paths else np.zeros((1, 3))
    low_3, high_3 = points_N3.min(axis=0), points_N3.max(axis=0)
    return (low_3 + high_3) / 2.0, max(MARGIN * float((high_3 - low_3).max()) / 2.0, SMALLEST_M)


def _panel(scene: Scene, centre_3: np.ndarray, half_m: float, width: int) -> np.ndarray:
    """From above, ahead is up; and from the right side, ahead is to the right."""
    panel = np.full((PANEL_PX, width, 3), 32, dtype=np.uint8)
    scale = PANEL_PX / 2.0 / half_m
    views = (("from above", (-1.0, 1), (-1.0, 0)), ("from the side", (1.0, 0), (-1.0, 2)))
    for number, (words, across, down) in enumerate(views):
        part = np.full((PANEL_PX, width // 2, 3), 32, dtype=np.uint8)

        def project(points_N3: np.ndarray, across=across, down=down) -> np.ndarray:
            away_N3 = np.atleast_2d(points_N3) - centre_3
            columns = [sign * away_N3[:, axis] for sign, axis in (across, down)]
            return scale * np.stack(columns, axis=1) + [width / 4.0, PANEL_PX / 2.0]

        draw_plan(part, scene, project)
        cv2.putText(part, words, (6, 16), cv2.FONT_HERSHEY_SIMPLEX, 0.42, (200, 200, 200), 1)
        panel[:, number * (width // 2) : (number + 1) * (width // 2)] = part
    return panel
