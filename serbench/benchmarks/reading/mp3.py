"""Whether an MP3 is as its encoder left it: the checksum in the tag of LAME and of FFmpeg.

The first frame of such a file is silent and holds, after Xing's table of contents, how many bytes
of frames follow and their CRC-16 (Gabriel Bouvigne, "Mp3 Info Tag", revision 1). No decoder looks
at it, and most bits of a frame can flip without a decoder's notice.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
from numpy.typing import NDArray

_HEAD = 4096  # bytes that hold the first frame, once ID3's tag is skipped
_CHUNK = 2**20
_VERSION_1 = 3
_LAYER_3 = 1
# kbit/s by the index in a header, of MPEG 1 and of MPEG 2 and 2.5, and Hz of MPEG 1
_RATES_1 = (0, 32, 40, 48, 56, 64, 80, 96, 112, 128, 160, 192, 224, 256, 320, 0)
_RATES_2 = (0, 8, 16, 24, 32, 40, 48, 56, 64, 80, 96, 112, 128, 144, 160, 0)
_HERTZ = (44_100, 48_000, 32_000, 0)
_SLOWER = {3: 1, 2: 2, 0: 4}  # by the bits of the version
# bytes of Xing's fields, by the flag that says they are there
_FIELDS = {1: 4, 2: 4, 4: 100, 8: 4}
_LENGTH, _MUSIC, _TAG, _END = 28, 32, 34, 36  # bytes of LAME's part


def is_altered(path: Path) -> bool:
    """Return whether the frames of an MP3 are others than its own checksum says.

    False as well where there is no checksum, or it is of more or fewer frames than there are (as
    after a cut without encoding).
    """
    with path.open("rb") as file:
        start = _after_id3(file.read(10))
        file.seek(start)
        head = file.read(_HEAD)
        told = _checksum(head)
        if told is None:
            return False
        skipped, length, expected = told
        file.seek(start + skipped)
        left, crc = length - skipped, 0
        while left > 0 and (chunk := file.read(min(_CHUNK, left))):
            crc = crc16(chunk, crc)
            left -= len(chunk)
    return left == 0 and crc != expected


def crc16(data: bytes, crc: int = 0) -> int:
    """Return CRC-16/ARC (polynomial 0x8005, reflected) of bytes, after others that gave `crc`.

    Rows of the bytes are run side by side; what a row of zeros makes of each bit of the sum before
    it then joins them.
    """
    content = np.frombuffer(data, np.uint8)
    width = int(np.ceil(np.sqrt(len(content) + 2)))
    height = -(-(len(content) + 2) // width)
    grid = np.zeros(height * width, np.uint16)
    # zeros before the first byte leave a sum of 0 as it is
    first = len(grid) - len(content)
    grid[first:] = content
    tail = np.array([crc & 0xFF, crc >> 8], np.uint16)
    grid[first : first + 2] ^= tail[: len(grid) - first]
    rows = np.vstack([grid.reshape(height, width), np.zeros((16, width), np.uint16)])
    sums: NDArray[np.uint16] = np.zeros(len(rows), np.uint16)
    sums[height:] = 1 << np.arange(16, dtype=np.uint16)
    for column in rows.T:
        sums = (_TABLE[(sums ^ column) & 0xFF] ^ (sums >> 8)).astype(np.uint16)
    total, bits = 0, np.arange(16)
    for part in sums[:height].tolist():
        moved = sums[height:][(total >> bits) & 1 == 1]
        total = int(np.bitwise_xor.reduce(moved)) ^ part
    return total


def _table() -> NDArray[np.uint16]:
    sums: NDArray[np.uint16] = np.arange(256, dtype=np.uint16)
    for _ in range(8):
        sums = np.where(sums & 1, sums >> 1 ^ 0xA001, sums >> 1).astype(np.uint16)
    return sums


_TABLE = _table()


def _after_id3(head: bytes) -> int:
    """Return where the first frame begins."""
    if head[:3] != b"ID3":
        return 0
    size = 0
    for seven_bits in head[6:10]:
        size = size << 7 | seven_bits & 0x7F
    return 10 + size


def _checksum(head: bytes) -> tuple[int, int, int] | None:
    """Return bytes of the first frame, bytes of all frames and the CRC of the others, if told."""
    size = _frame_size(head[:4])
    found = max(head.find(name, 0, 48) for name in (b"Xing", b"Info"))
    if size is None or found < 0:
        return None
    flags = int.from_bytes(head[found + 4 : found + 8], "big")
    lame = found + 8 + sum(length for flag, length in _FIELDS.items() if flags & flag)
    numbers = head[lame : lame + _END]
    if len(numbers) < _END or crc16(head[: lame + _TAG]) != int.from_bytes(numbers[_TAG:], "big"):
        return None
    length = int.from_bytes(numbers[_LENGTH:_MUSIC], "big")
    return size, length, int.from_bytes(numbers[_MUSIC:_TAG], "big")


def _frame_size(header: bytes) -> int | None:
    """Return the bytes of a frame of layer 3, by its header."""
    bits = int.from_bytes(header, "big")
    version, layer = bits >> 19 & 3, bits >> 17 & 3
    if bits >> 21 != 0x7FF or version not in _SLOWER or layer != _LAYER_3:
        return None
    rates, samples = (_RATES_1, 144) if version == _VERSION_1 else (_RATES_2, 72)
    rate, hertz = rates[bits >> 12 & 15], _HERTZ[bits >> 10 & 3] // _SLOWER[version]
    return samples * 1000 * rate // hertz + (bits >> 9 & 1) if rate and hertz else None
