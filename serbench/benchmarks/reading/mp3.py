"""What an MP3 holds: how many frames, and whether they are as their encoder left them.

The first frame of most files is silent and holds how many frames follow (Xing's header), how many
bytes, and their CRC-16 (the tag of LAME and of FFmpeg: Gabriel Bouvigne, "Mp3 Info Tag", revision
1). No decoder looks at the checksum, and most bits of a frame can flip without a decoder's notice.
Without such a header the frames can only be counted.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, TypeAlias

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    from mmap import mmap

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
# bytes between the header and Xing's name, by whether it is MPEG 1, and mono
_SIDE = {(True, True): 17, (True, False): 32, (False, True): 9, (False, False): 17}
_MONO = 3

_Bytes: TypeAlias = "bytes | mmap"


@dataclass(frozen=True)
class Frames:
    """The frames of a file.

    Attributes:
        first: byte at which the first one that is sound begins.
        count: of those that are whole.
        promised: how many Xing's header counts; None: there is no such header.
        head: the four bytes that the first one begins with.
    """

    first: int
    count: int
    promised: int | None
    head: bytes

    @property
    def samples(self) -> int:
        """Of a channel, in all frames."""
        return self.count * (1152 if _is_first_version(self.head) else 576)

    @property
    def uncounted(self) -> int:
        """How many frames there are beyond those of the header; an encoder may miscount by one."""
        return 0 if self.promised is None else max(0, self.count - self.promised - 1)

    def header(self) -> bytes:
        """Return a frame with Xing's header that counts these, for decoders that guess without."""
        bits = int.from_bytes(self.head, "big")
        mono = bits >> 6 & 3 == _MONO
        content = bytes(_SIDE[_is_first_version(self.head), mono])
        content += b"Xing" + (1).to_bytes(4, "big") + self.count.to_bytes(4, "big")
        plain = bits & ~(15 << 12) & ~(1 << 9) | 1 << 16  # no padding, no checksum
        for rate in range(1, 15):
            head = (plain | rate << 12).to_bytes(4, "big")
            size = _frame_size(head) or 0
            if size >= len(head) + len(content):
                break
        return head + content + bytes(size - len(head) - len(content))


def count_frames(content: _Bytes) -> Frames | None:
    """Return the frames of a whole MP3, or None if it does not begin with one of layer 3."""
    start = _after_id3(content[:10])
    size = _frame_size(content[start : start + 4])
    if size is None:
        return None
    promised = _promised(content[start : start + size])
    first = start if promised is None else start + size
    head = content[first : first + 4]
    place, count = first, 0
    while size := _frame_size(content[place : place + 4]) or _lost(content, place, head):
        if size > 0:
            count += place + size <= len(content)
        place += abs(size)
    return Frames(first, count, promised, head if count else content[start : start + 4])


def _lost(content: _Bytes, place: int, head: bytes) -> int:
    """Return, as a negative number, how many bytes lie before the next frame; 0: there is none."""
    while (place_of := content.find(head[:2], place + 1)) >= 0:
        size = _frame_size(content[place_of : place_of + 4])
        if size and _frame_size(content[place_of + size : place_of + size + 4]):
            return place - place_of
        place = place_of
    return 0


def _promised(frame: bytes) -> int | None:
    """Return how many frames the header in a first frame counts."""
    found = max(frame.find(name, 0, 48) for name in (b"Xing", b"Info"))
    if found < 0:
        return None
    told = int.from_bytes(frame[found + 4 : found + 8], "big") & 1
    return int.from_bytes(frame[found + 8 : found + 12], "big") if told else None


def _is_first_version(head: bytes) -> bool:
    return int.from_bytes(head, "big") >> 19 & 3 == _VERSION_1


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


@lru_cache(maxsize=4096)
def _frame_size(header: bytes) -> int | None:
    """Return the bytes of a frame of layer 3, by its header."""
    bits = int.from_bytes(header, "big")
    version, layer = bits >> 19 & 3, bits >> 17 & 3
    if bits >> 21 != 0x7FF or version not in _SLOWER or layer != _LAYER_3:
        return None
    rates, samples = (_RATES_1, 144) if version == _VERSION_1 else (_RATES_2, 72)
    rate, hertz = rates[bits >> 12 & 15], _HERTZ[bits >> 10 & 3] // _SLOWER[version]
    return samples * 1000 * rate // hertz + (bits >> 9 & 1) if rate and hertz else None
