"""What the demo leaves behind: a video, a film strip, and commands against limits."""

from collections.abc import Mapping
from pathlib import Path
from types import TracebackType

import cv2
import numpy as np

from qwen_vla_core.embodiment import Embodiment

VIEW_PX = 360
"""Side of each camera's picture in the video."""
CAPTION_PX = 40
STRIP_FRAMES = 4
"""Moments of each episode in the film strip, from its start to its end."""


class DemoVideo:
    """An mp4 of all cameras side by side with a caption, and a film strip; a context manager."""

    def __init__(self, path: Path, frame_rate_hz: float) -> None:
        self._path, self._rate_hz = path, frame_rate_hz
        self._episode: list[np.ndarray] = []
        self._rows: list[np.ndarray] = []

    def __enter__(self) -> "DemoVideo":
        import imageio

        self._writer = imageio.get_writer(
            self._path, fps=self._rate_hz, codec="libx264", macro_block_size=8
        )
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._writer.close()

    def add(self, images: Mapping[str, np.ndarray], caption: str) -> None:
        """Append one frame."""
        views = [
            cv2.resize(images[name], (VIEW_PX, VIEW_PX), interpolation=cv2.INTER_CUBIC)
            for name in sorted(images)
        ]
        frame = np.concatenate(views, axis=1)
        bar = np.full((CAPTION_PX, frame.shape[1], 3), 32, dtype=np.uint8)
        cv2.putText(
            bar, caption, (10, 26), cv2.FONT_HERSHEY_SIMPLEX, 0.6, (235, 235, 235), 1, cv2.LINE_AA
        )
        frame = np.concatenate([bar, frame])
        self._writer.append_data(frame)
        half = (frame.shape[1] // 2, frame.shape[0] // 2)
        self._episode.append(cv2.resize(frame, half, interpolation=cv2.INTER_AREA))

    def end_episode(self) -> None:
        """Add a row to the film strip: the frames since the last one."""
        moments = np.linspace(0, len(self._episode) - 1, STRIP_FRAMES).round().astype(int)
        self._rows.append(np.concatenate([self._episode[k] for k in moments], axis=1))
        self._episode = []

    def save_strip(self, path: Path) -> None:
        """Write the film strip, a row per episode."""
        strip = np.concatenate(self._rows)
        cv2.imwrite(str(path), cv2.cvtColor(strip, cv2.COLOR_RGB2BGR))


class CommandPicture:
    """What was sent to each joint over time, with its limits."""

    def __init__(self, embodiment: Embodiment) -> None:
        self._embodiment = embodiment
        self._episodes: list[tuple[np.ndarray, np.ndarray, str]] = []

    def add(self, commands: list[tuple[float, np.ndarray]], instruction: str) -> None:
        """One episode: (ROS time s, positions [D]) of each command."""
        if commands:
            times_T = np.array([time_s for time_s, _ in commands])
            positions_TD = np.stack([positions for _, positions in commands])
            self._episodes.append((times_T - times_T[0], positions_TD, instruction))

    def save(self, path: Path) -> None:
        """Draw positions above and speeds below, a column per joint."""
        import matplotlib

        matplotlib.use("Agg")
        from matplotlib import pyplot

        joints = self._embodiment.joints
        figure, axes = pyplot.subplots(
            2, len(joints), figsize=(2.6 * len(joints), 5.0), sharex=True, squeeze=False
        )
        for column, joint in enumerate(joints):
            upper, lower = axes[0][column], axes[1][column]
            for times_T, positions_TD, instruction in self._episodes:
                positions_T = positions_TD[:, column]
                upper.plot(times_T, positions_T, linewidth=1.0, label=instruction)
                speeds = np.gradient(positions_T, times_T) if len(times_T) > 1 else positions_T * 0
                lower.plot(times_T, speeds, linewidth=0.8)
            for axis, limits in (
                (upper, (joint.lower, joint.upper)),
                (lower, (-joint.velocity, joint.velocity)),
            ):
                for limit in limits:
                    axis.axhline(limit, color="tab:red", linestyle="--", linewidth=0.8)
            upper.set_title(joint.name, fontsize=9)
            upper.set_ylabel(f"position, {joint.unit}", fontsize=7)
            lower.set_ylabel(f"speed, {joint.unit}/s", fontsize=7)
            lower.set_xlabel("time, s", fontsize=7)
            for axis in (upper, lower):
                axis.tick_params(labelsize=7)
        handles, labels = axes[0][0].get_legend_handles_labels()
        figure.legend(handles, labels, loc="lower center", ncols=3, fontsize=8)
        figure.suptitle(f"{self._embodiment.name}: commands sent, limits dashed", fontsize=10)
        figure.tight_layout(rect=(0, 0.06, 1, 0.98))
        figure.savefig(path, dpi=110)
        pyplot.close(figure)
