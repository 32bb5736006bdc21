"""Images as H.264 and back, frame by frame, by FFmpeg (PyAV)."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path

import av
import cv2
import numpy as np

from qwen_vla_core.errors import QwenVlaError

CODEC, PIXELS = "h264", "yuv420p"
KEY_FRAMES = 2
"""Frames from one key frame to the next, as LeRobot does: training reads single frames."""
QUALITY = 18
"""x264's constant rate factor; 18 is meant to be indistinguishable by eye. Simulated scenes of
96 x 96 come back within 1.5 of 255 on average."""


@dataclass(frozen=True, kw_only=True)
class VideoFacts:
    """What a file's header says.

    Attributes:
        frames: number of images. fps: of them in a second, as the container has it.
    """

    codec: str
    pixels: str
    width: int
    height: int
    frames: int
    fps: float


def encode_video(path: Path, images: Iterable[np.ndarray], fps: int) -> None:
    """Write uint8 RGB [H, W, 3] images, all of one size, at constant rate.

    An odd last row or column is left out: H.264 stores colours for blocks of 2 x 2.

    Raises:
        OSError: it cannot be written.
    """
    with av.open(str(path), "w", format="mp4") as container:
        stream = None
        for number, image in enumerate(images):
            height, width = (side // 2 * 2 for side in image.shape[:2])
            if stream is None:
                stream = container.add_stream("libx264", rate=fps)
                stream.width, stream.height, stream.pix_fmt = width, height, PIXELS
                stream.options = {"preset": "veryfast", "crf": str(QUALITY), "g": str(KEY_FRAMES)}
                stream.codec_context.thread_count = 1  # whoever calls it has a process a core
                stream.codec_context.time_base = Fraction(1, fps)
            frame = av.VideoFrame.from_ndarray(
                np.ascontiguousarray(image[:height, :width]), format="rgb24"
            )
            frame.pts, frame.time_base = number, Fraction(1, fps)
            container.mux(stream.encode(frame))
        if stream is not None:
            container.mux(stream.encode())


def decode_video(path: Path, start_s: float, count: int, fps: float) -> Iterator[np.ndarray]:
    """``count`` images from ``start_s`` on, uint8 RGB [H, W, 3].

    Raises:
        QwenVlaError: the file is damaged or ends before.
    """
    found = 0
    try:
        with av.open(str(path)) as container:
            stream = container.streams.video[0]
            container.seek(round(start_s / stream.time_base), stream=stream)
            for frame in container.decode(stream):
                if found == count:
                    break
                if frame.time < start_s - 0.5 / fps:
                    continue
                yield _rgb(frame)
                found += 1
    except (av.error.FFmpegError, IndexError) as error:
        raise QwenVlaError(f"{path} is damaged: {_reason(error)}") from error
    if found < count:
        raise QwenVlaError(f"{path} ends too early: {found} of {count} frames from {start_s:g} s")


def read_facts(path: Path) -> VideoFacts:
    """Read a file's header, and count its frames without decoding them.

    Raises:
        QwenVlaError: it is no video.
    """
    try:
        with av.open(str(path)) as container:
            stream = container.streams.video[0]
            frames = sum(packet.size > 0 for packet in container.demux(stream))
            context = stream.codec_context
            return VideoFacts(
                codec=context.name,
                pixels=context.pix_fmt,
                width=context.width,
                height=context.height,
                frames=frames,
                fps=float(stream.average_rate or 0),
            )
    except FileNotFoundError as error:
        raise QwenVlaError(f"{path} is missing") from error
    except (av.error.FFmpegError, IndexError) as error:
        raise QwenVlaError(f"{path} is damaged: {_reason(error)}") from error


UNSPECIFIED, BT470, SMPTE170M = 2, 5, 6
"""Values of FFmpeg's AVColorSpace; all mean ITU-R 601 for a file of ours."""
FULL_RANGE = 2


def _rgb(frame: av.VideoFrame) -> np.ndarray:
    """By OpenCV where it can: FFmpeg rounds towards zero, and images darken by 1 to 2 of 255."""
    usual = frame.colorspace in (UNSPECIFIED, BT470, SMPTE170M) and frame.color_range != FULL_RANGE
    if usual and frame.format.name == PIXELS and frame.width % 2 == frame.height % 2 == 0:
        return cv2.cvtColor(frame.to_ndarray(format=PIXELS), cv2.COLOR_YUV2RGB_I420)
    return frame.to_ndarray(format="rgb24")


def _reason(error: Exception) -> str:
    return getattr(error, "strerror", None) or str(error) or "it holds no images"
