"""The picture in the image challenge: one word, drawn as a PNG.

MX sends `image_data` as a data URI of a bitmap; drawing it here keeps binary files out of the tree.
"""

from __future__ import annotations

import base64
import struct
import zlib

_SCALE = 5
_MARGIN = 4
_INK, _PAPER = 40, 245

# Five columns by seven rows; a set bit is ink.
_GLYPHS = {
    "c": (0, 0, 0b01110, 0b10000, 0b10000, 0b10001, 0b01110),
    "e": (0, 0, 0b01110, 0b10001, 0b11111, 0b10000, 0b01110),
    "o": (0, 0, 0b01110, 0b10001, 0b10001, 0b10001, 0b01110),
    "r": (0, 0, 0b10110, 0b11001, 0b10000, 0b10000, 0b10000),
    "t": (0b01000, 0b01000, 0b11100, 0b01000, 0b01000, 0b01001, 0b00110),
}


def draw(word: str) -> str:
    """A `data:image/png;base64,` URI that shows `word`, made of the letters in `correct`."""
    width = (len(word) * 6 - 1 + 2 * _MARGIN) * _SCALE
    blank = bytes([_PAPER]) * width
    rows = [blank] * (_MARGIN * _SCALE)
    for line in range(7):
        bits = "0".join(f"{_GLYPHS[letter][line]:05b}" for letter in word)
        bits = "0" * _MARGIN + bits + "0" * _MARGIN
        row = b"".join(bytes([_INK if bit == "1" else _PAPER]) * _SCALE for bit in bits)
        rows += [row] * _SCALE
    rows += [blank] * (_MARGIN * _SCALE)
    header = struct.pack(">IIBBBBB", width, len(rows), 8, 0, 0, 0, 0)
    pixels = zlib.compress(b"".join(b"\0" + row for row in rows), 9)
    png = b"\x89PNG\r\n\x1a\n" + _chunk(b"IHDR", header) + _chunk(b"IDAT", pixels)
    return "data:image/png;base64," + base64.b64encode(png + _chunk(b"IEND", b"")).decode()


def _chunk(name: bytes, data: bytes) -> bytes:
    body = name + data
    return struct.pack(">I", len(data)) + body + struct.pack(">I", zlib.crc32(body))
