"""From JPEG and PNG (sensor_msgs/CompressedImage, by its fields) to RGB arrays.

What is damaged or no colour of eight bits is refused.

OpenCV decodes a JPEG that lost bytes on the way without any error, and depth as black or white. So
libjpeg-turbo decodes here (simplejpeg hands on its warnings, in 1.3 ms for 640 x 480), and sizes
and bits are read from the header first. A PNG has checksums, which OpenCV compares.

What no decoder can notice: a few lost bytes after which the codes happen to fit again. The colours
of a part of the image are then wrong. Of 200 losses of 200 bytes all were noticed, of 3 bytes 30.
"""

import re
import struct
from dataclasses import dataclass
from typing import Any

import cv2
import numpy as np
import simplejpeg

from ..errors import ObservationError
from .size import check_size

_JPEG_START = b"\xff\xd8"
_JPEG_END = b"\xff\xd9"
_JPEG_SCAN = b"\xff\xda"
_JPEG_COLOURS = ("YCbCr", "RGB", "Gray")

MAX_SCANS = 20
"""A progressive JPEG has about ten; each passes over the whole image, however short it is."""

_EXTRANEOUS = re.compile(r"(\d+) extraneous bytes before marker 0xd[0-9]")
FILLED_BYTES = 16
"""Logitech's cameras put 1 to 9 bytes of nothing before markers (opencv issue 9477, libavg 782);
a loss shows as at least so many bytes in one of 200."""

_PNG_START = b"\x89PNG\r\n\x1a\n"
_PNG_HEADER = struct.Struct(">8sI4sIIBB")
_PNG_GREY = 0
_PNG_CHUNK = struct.Struct(">I4s")
_PNG_AROUND_CHUNK = 12
"""Bytes of a chunk's length, name and checksum."""

MAX_CHUNKS = 20_000
"""OpenCV and libpng write a chunk for every 8 kB; the largest image here has 7,800."""

_NO_COLOUR = re.compile(r"mono16|(16|32|64)[USF]C\d*")
"""What cannot become eight bits without a range: compressed_image_transport cuts it off."""


@dataclass(frozen=True, kw_only=True)
class PngHeader:
    """What a PNG says of itself in its first 26 bytes."""

    width: int
    height: int
    bits: int
    grey: bool


def rgb_from_compressed(message: Any, topic: str) -> np.ndarray:
    """uint8 RGB [H, W, 3] of a JPEG or PNG image; transparency is dropped.

    Raises:
        ObservationError: the data is damaged, is no image of eight-bit colour, or far too large;
            the message names the topic and the format.
    """
    what = f"{topic} ({message.format})"
    encoding = message.format.partition(";")[0].strip()
    if _NO_COLOUR.fullmatch(encoding):
        raise ObservationError(
            f"{what}: {encoding} is no colour of eight bits; name the topic of the colour image, "
            "or give a depth camera its depth_range_m and a topic that ends with /compressedDepth"
        )
    data = bytes(message.data)
    mosaic = encoding.startswith("bayer_")
    if data.startswith(_JPEG_START):
        return _rgb_from_jpeg(data, what, mosaic)
    if data.startswith(_PNG_START):
        return _rgb_from_png(data, what, mosaic)
    raise ObservationError(
        f"{what}: {len(data)} bytes that are neither JPEG nor PNG; set the publisher's format"
    )


def png_header(data: bytes, what: str) -> PngHeader:
    """The header of a PNG, its size and the lengths of its chunks checked; nothing is decoded.

    OpenCV makes room for as many bytes as a chunk claims to have, up to 2 GB.

    Raises:
        ObservationError: there is none, the image is empty or too large, or its end is missing.
    """
    if len(data) < _PNG_HEADER.size or not data.startswith(_PNG_START):
        raise ObservationError(f"{what}: {len(data)} bytes that are no PNG")
    _, _, _, width, height, bits, colours = _PNG_HEADER.unpack_from(data)
    check_size(width, height, what)
    if not _is_whole_png(data):
        raise ObservationError(f"{what}: the PNG is damaged or bytes of it are missing")
    return PngHeader(width=width, height=height, bits=bits, grey=colours == _PNG_GREY)


def _is_whole_png(data: bytes) -> bool:
    """Whether each chunk ends where the next begins, up to the one that ends the image."""
    at = len(_PNG_START)
    for _ in range(MAX_CHUNKS):
        if at + _PNG_AROUND_CHUNK > len(data):
            return False
        length, name = _PNG_CHUNK.unpack_from(data, at)
        at += _PNG_AROUND_CHUNK + length
        if name == b"IEND":
            return at <= len(data)
    return False


def pixels_from_png(data: bytes, what: str, flags: int) -> np.ndarray:
    """What OpenCV makes of a PNG whose header was checked.

    Raises:
        ObservationError: it is damaged.
    """
    try:
        pixels = cv2.imdecode(np.frombuffer(data, dtype=np.uint8), flags)
    except cv2.error as error:
        raise ObservationError(f"{what}: the PNG cannot be decoded ({error})") from error
    if pixels is None:
        raise ObservationError(f"{what}: the PNG is damaged or bytes of it are missing")
    return pixels


def _rgb_from_jpeg(data: bytes, what: str, mosaic: bool) -> np.ndarray:
    try:
        height, width, colours, _ = simplejpeg.decode_jpeg_header(data)
    except ValueError as error:
        raise ObservationError(f"{what}: the JPEG's header cannot be read ({error})") from error
    check_size(width, height, what)
    if colours not in _JPEG_COLOURS:
        raise ObservationError(f"{what}: a JPEG of {colours}, not of {', '.join(_JPEG_COLOURS)}")
    if mosaic and colours == "Gray":
        raise _mosaic(what)
    if data.count(_JPEG_SCAN) > MAX_SCANS:
        raise ObservationError(f"{what}: a JPEG of more than {MAX_SCANS} scans")
    try:
        return simplejpeg.decode_jpeg(data, "RGB")
    except ValueError as error:
        filled = _EXTRANEOUS.search(str(error))
        if filled is None or int(filled[1]) > FILLED_BYTES or _JPEG_END not in data:
            raise ObservationError(
                f"{what}: bytes of the JPEG were lost or changed on the way ({error})"
            ) from error
    return simplejpeg.decode_jpeg(data, "RGB", strict=False)


def _rgb_from_png(data: bytes, what: str, mosaic: bool) -> np.ndarray:
    header = png_header(data, what)
    if header.bits > 8:
        raise ObservationError(
            f"{what}: a PNG of {header.bits} bits is no colour of eight bits; publish rgb8 or "
            "bgr8, or give a depth camera its depth_range_m"
        )
    if mosaic and header.grey:
        raise _mosaic(what)
    return cv2.cvtColor(pixels_from_png(data, what, cv2.IMREAD_COLOR), cv2.COLOR_BGR2RGB)


def _mosaic(what: str) -> ObservationError:
    return ObservationError(
        f"{what}: the sensor's mosaic was compressed; publish the colour image, from image_proc "
        "for example"
    )
