"""Commands and measured joints of an episode over time, below its film, with a moving cursor."""

import numpy as np

from qwen_vla_core.embodiment import Embodiment
from qwen_vla_data.checks.finding import seconds_of
from qwen_vla_data.episode import Episode

ROW_PX, COLUMNS, DPI = 112, 2, 100
CURSOR = (220, 40, 40)


class EpisodeChart:
    """A panel for each group: what was commanded, and thin what was measured."""

    def __init__(self, episode: Episode, robot: Embodiment, width: int) -> None:
        """Draw it once; ``width`` is in pixels, a multiple of 8."""
        import matplotlib

        matplotlib.use("Agg")
        from matplotlib import pyplot

        self._seconds_T = seconds_of(episode, robot)
        columns = min(COLUMNS, len(robot.groups))
        rows = -(-len(robot.groups) // columns)
        size = (width / DPI, rows * ROW_PX / DPI)
        figure, axes = pyplot.subplots(rows, columns, figsize=size, dpi=DPI, squeeze=False)
        for axis in axes.flat[len(robot.groups) :]:
            axis.set_axis_off()
        panels = list(zip(robot.groups, axes.flat, strict=False))
        for group, axis in panels:
            joints = robot.group_slice(group.name)
            lines = axis.plot(self._seconds_T, episode.commanded_TD[:, joints], linewidth=1.0)
            if episode.positions_TD is not None and not group.is_base:
                for line, measured_T in zip(lines, episode.positions_TD[:, joints].T, strict=True):
                    axis.plot(
                        self._seconds_T, measured_T, ":", linewidth=0.9, color=line.get_color()
                    )
            axis.set_title(f"{group.name}: commanded, dotted measured", fontsize=6, pad=2)
            axis.tick_params(labelsize=5, length=2, pad=1)
            axis.margins(x=0)
        figure.tight_layout(pad=0.4)
        figure.canvas.draw()
        self._image = np.asarray(figure.canvas.buffer_rgba())[..., :3].copy()
        height = len(self._image)
        self._boxes = []
        for _, axis in panels:
            (left, bottom), (right, top) = axis.get_window_extent().get_points()
            self._boxes.append((left, right, int(height - top), int(height - bottom)))
        pyplot.close(figure)

    def at(self, step: int) -> np.ndarray:
        """uint8 RGB [H, W, 3], with the cursor at a step."""
        image = self._image.copy()
        share = self._seconds_T[step] / max(self._seconds_T[-1], 1e-9)
        for left, right, top, bottom in self._boxes:
            x = round(left + share * (right - left))
            image[top:bottom, max(x - 1, 0) : x + 1] = CURSOR
        return image
