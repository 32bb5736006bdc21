"""Episodes as a video and as a film strip."""

from collections.abc import Mapping
from pathlib import Path
from types import TracebackType

import cv2
import numpy as np

from qwen_vla_core.errors import QwenVlaError
from qwen_vla_core.whole_file import write_whole

VIEW_PX = 352
"""Side of the first camera's image, divided among the others; in blocks of 8 like all sizes."""
CAPTION_PX, LINE_PX = 56, 24
MARGIN_PX = 10
GIF_RATE_HZ, GIF_LEVELS = 4.0, 16
"""Frames per second and levels of each colour of an animation small enough for a README."""
STRIP_FRAMES = 4
"""Moments of each episode in the film strip, from its start to its end."""


class EpisodeVideo:
    """An mp4 of all cameras with a caption, and a film strip; a context manager."""

    def __init__(self, path: Path, frame_rate_hz: float) -> None:
        self._path, self._rate_hz = path, frame_rate_hz
        self._episode: list[np.ndarray] = []
        self._rows: list[np.ndarray] = []
        self._halves: list[np.ndarray] = []

    def __enter__(self) -> "EpisodeVideo":
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
        if isinstance(error, OSError | QwenVlaError):
            self._path.unlink(missing_ok=True)  # half a film looks like a whole one

    def add(
        self,
        images: Mapping[str, np.ndarray],
        caption: tuple[str, str],
        times: int = 1,
        below: np.ndarray | None = None,
    ) -> None:
        """Append one frame, with two lines of text above.

        Args:
            times: how often the video shows it; the film strip counts it once.
            below: an image as wide as ``frame_width`` says.
        Raises:
            QwenVlaError: it cannot be written.
        """
        frame = side_by_side([images[name] for name in sorted(images)])
        bar = caption_bar(caption, frame.shape[1])
        frame = np.concatenate([bar, frame] if below is None else [bar, frame, below])
        try:
            for _ in range(times):
                self._writer.append_data(frame)
        except OSError as error:  # its text holds all that ffmpeg ever said
            raise QwenVlaError(f"{self._path} cannot be written: is the disk full?") from error
        half = (frame.shape[1] // 2, frame.shape[0] // 2)
        self._episode.append(cv2.resize(frame, half, interpolation=cv2.INTER_AREA))

    def end_episode(self) -> None:
        """Add a row to the film strip: the frames since the last one."""
        moments = np.linspace(0, len(self._episode) - 1, STRIP_FRAMES).round().astype(int)
        self._rows.append(np.concatenate([self._episode[k] for k in moments], axis=1))
        self._halves += self._episode[:: max(1, round(self._rate_hz / GIF_RATE_HZ))]
        self._episode = []

    def save_strip(self, path: Path) -> None:
        """Write the film strip, a row per episode."""
        strip = np.concatenate(self._rows)
        _, png = cv2.imencode(".png", cv2.cvtColor(strip, cv2.COLOR_RGB2BGR))
        with write_whole(path) as partial:
            partial.write_bytes(png.tobytes())

    def save_gif(self, path: Path) -> None:
        """Write all episodes, half as large, as an animation that every page shows."""
        import imageio.v3

        step = 256 // GIF_LEVELS  # fewer colours, and flat areas that compress
        frames = np.stack(self._halves) // step * step + step // 2
        with write_whole(path) as partial:
            imageio.v3.imwrite(
                partial, frames, extension=".gif", duration=1000 / GIF_RATE_HZ, loop=0
            )


def frame_width(cameras: int) -> int:
    """Width of a frame that shows ``cameras`` images, pixels."""
    return VIEW_PX + (VIEW_PX // (cameras - 1) if cameras > 1 else 0)


def caption_bar(lines: tuple[str, str], width: int) -> np.ndarray:
    """Two lines of text as an image, to stand above a frame."""
    bar = np.full((CAPTION_PX, width, 3), 32, dtype=np.uint8)
    for i, line in enumerate(lines, 1):
        _write(bar, line, i * LINE_PX)
    return bar


def side_by_side(images: list[np.ndarray]) -> np.ndarray:
    """The first image as it is, the others in a column beside it."""
    first, *others = images
    frame = _square(first, VIEW_PX)
    if others:
        side = VIEW_PX // len(others)
        column = np.concatenate([_square(other, side) for other in others])
        frame = np.concatenate([frame, column], axis=1)
    return frame


def _square(image: np.ndarray, side: int) -> np.ndarray:
    how = cv2.INTER_AREA if image.shape[0] > side else cv2.INTER_CUBIC
    return cv2.resize(image, (side, side), interpolation=how)


def _write(bar: np.ndarray, line: str, bottom_px: int) -> None:
    """A line of text, as large as fits."""
    (width, _), _ = cv2.getTextSize(line, cv2.FONT_HERSHEY_SIMPLEX, 0.6, 1)
    scale = 0.6 * min(1.0, (bar.shape[1] - 2 * MARGIN_PX) / max(width, 1))
    place, colour = (MARGIN_PX, bottom_px - 4), (235, 235, 235)
    cv2.putText(bar, line, place, cv2.FONT_HERSHEY_SIMPLEX, scale, colour, 1, cv2.LINE_AA)
