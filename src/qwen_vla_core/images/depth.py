"""From depth image messages to metres.

16UC1 holds millimetres and 32FC1 metres (REP 118). On a ``compressedDepth`` topic a header of
twelve bytes comes first, then a PNG of the millimetres or of quantised inverse depth
(compressed_depth_image_transport); its other format, RVL, is refused.
"""

import struct
from typing import Any

import cv2
import numpy as np

from ..errors import ObservationError
from .compressed import pixels_from_png, png_header
from .raw import pixel_rows

_KINDS = {"16UC1": "u2", "32FC1": "f4"}
_HEADER = struct.Struct("<iff")
"""Kind of compression, and the two parameters of the quantisation."""


def depth_from_image(message: Any, topic: str) -> np.ndarray:
    """float32 [H, W] in m; what was not measured is 0 or not finite.

    Raises:
        ObservationError: encoding, size, row length or amount of data is unusable; the message
            names the topic and the encoding.
    """
    kind = _kind(message.encoding, topic)
    dtype = np.dtype((">" if message.is_bigendian else "<") + kind)
    rows = pixel_rows(message, topic, dtype.itemsize)
    return _metres(np.ascontiguousarray(rows).view(dtype), message.encoding)


def depth_from_compressed(message: Any, topic: str) -> np.ndarray:
    """The same of a ``compressedDepth`` topic.

    Raises:
        ObservationError: it is no PNG of 16 bits, or far too large.
    """
    encoding, _, compression = message.format.partition(";")
    _kind(encoding, topic)
    if "rvl" in compression:
        raise ObservationError(
            f"{topic} ({message.format}): set the publisher's compressedDepth format to png"
        )
    what = f"{topic} ({message.format})"
    data = bytes(message.data)
    png = data[_HEADER.size :]
    header = png_header(png, what)
    if header.bits != 16 or not header.grey:
        raise ObservationError(f"{what}: is no PNG of one channel of 16 bits")
    pixels = pixels_from_png(png, what, cv2.IMREAD_UNCHANGED)
    if encoding == "32FC1":
        _, a, b = _HEADER.unpack_from(data)
        with np.errstate(divide="ignore", invalid="ignore", over="ignore"):
            metres = np.float32(a) / (pixels - np.float32(b))
        return np.where(pixels == 0, np.float32(np.nan), metres)
    return _metres(pixels, encoding)


def _kind(encoding: str, topic: str) -> str:
    if encoding not in _KINDS:
        raise ObservationError(
            f"{topic}: encoding '{encoding}' is no depth; publish one of {', '.join(_KINDS)}, "
            "or take depth_range_m out of the camera"
        )
    return _KINDS[encoding]


def _metres(pixels_HW: np.ndarray, encoding: str) -> np.ndarray:
    metres_HW = pixels_HW.astype(np.float32)
    return metres_HW / np.float32(1000.0) if encoding == "16UC1" else metres_HW
