"""Commands against limits, as a figure."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from qwen_vla_core.embodiment import Embodiment
from qwen_vla_core.embodiment.schema import Joint
from qwen_vla_core.whole_file import write_whole

from .fonts import USUAL, fonts_for

COLUMNS = 7
"""An arm and its gripper side by side."""


@dataclass(frozen=True, kw_only=True)
class _Episode:
    """What was sent: times [T], positions and velocities [T, D]."""

    instruction: str
    times_T: np.ndarray
    positions_TD: np.ndarray
    velocities_TD: np.ndarray


class CommandFigure:
    """What was sent to each joint over time, with its limits."""

    def __init__(self, embodiment: Embodiment) -> None:
        self._embodiment = embodiment
        self._episodes: list[_Episode] = []

    def add(
        self,
        commands: Sequence[tuple[float, np.ndarray]],
        velocities: Sequence[np.ndarray],
        instruction: str,
    ) -> None:
        """One episode: (ROS time s, positions [D]) and velocities [D] of each command."""
        if not commands:
            return
        times_T = np.array([time_s for time_s, _ in commands])
        self._episodes.append(
            _Episode(
                instruction=instruction,
                times_T=times_T - times_T[0],
                positions_TD=np.stack([positions for _, positions in commands]),
                velocities_TD=np.stack(velocities),
            )
        )

    def save(self, path: Path) -> None:
        """Draw positions above and speeds below for each joint; for a base its speeds alone.

        Raises:
            QwenVlaError: it cannot be written.
        """
        import matplotlib

        matplotlib.use("Agg")

        labels = [episode.instruction for episode in self._episodes]
        fonts = fonts_for("".join(labels))
        if fonts is None:
            fonts = [USUAL]
            labels = [f"episode {number}" for number in range(1, len(labels) + 1)]
        with matplotlib.rc_context({"font.family": fonts}):
            self._draw(path, labels)

    def _draw(self, path: Path, labels: Sequence[str]) -> None:
        from matplotlib import pyplot

        joints = self._embodiment.joints
        columns = min(COLUMNS, len(joints))
        rows = -(-len(joints) // columns)
        size = (2.6 * columns, 4.6 * rows + 0.6)
        figure, axes = pyplot.subplots(2 * rows, columns, figsize=size, squeeze=False)
        for i in range(len(joints), rows * columns):
            for axis in axes[2 * (i // columns) :][:2, i % columns]:
                axis.set_axis_off()
        for i, (joint, is_base) in enumerate(zip(joints, self._embodiment.base_D, strict=True)):
            row, column = divmod(i, columns)
            upper, lower = axes[2 * row][column], axes[2 * row + 1][column]
            self._draw_joint(joint, i, is_base, upper, lower, labels)
        figure.legend(
            *axes[1][0].get_legend_handles_labels(), loc="lower center", ncols=3, fontsize=8
        )
        figure.suptitle(f"{self._embodiment.name}: commands sent, limits dashed", fontsize=10)
        figure.tight_layout(rect=(0, 0.06 / rows, 1, 0.98))
        with write_whole(path) as partial:
            figure.savefig(partial, format="png", dpi=110)
        pyplot.close(figure)

    def _draw_joint(
        self, joint: Joint, index: int, is_base: bool, upper, lower, labels: Sequence[str]
    ) -> None:
        """One joint; the speed of a position is how fast it was seen to change."""
        for episode, label in zip(self._episodes, labels, strict=True):
            positions_T, times_T = episode.positions_TD[:, index], episode.times_T
            speeds_T = episode.velocities_TD[:, index]
            if not is_base:
                upper.plot(times_T, positions_T, linewidth=1.0)
                speeds_T = np.gradient(positions_T, times_T) if len(times_T) > 1 else speeds_T
            lower.plot(times_T, speeds_T, linewidth=0.8, label=label)
        limits = [(lower, (-joint.velocity, joint.velocity))]
        if is_base:
            upper.set_axis_off()
        else:
            limits.append((upper, (joint.lower, joint.upper)))
            upper.set_ylabel(f"position, {joint.unit}", fontsize=7)
        for axis, both in limits:
            for limit in both:
                axis.axhline(limit, color="tab:red", linestyle="--", linewidth=0.8)
            axis.tick_params(labelsize=7)
        upper.set_title(joint.name, fontsize=9)
        lower.set_ylabel(f"speed, {joint.unit}/s", fontsize=7)
        lower.set_xlabel("time, s", fontsize=7)
