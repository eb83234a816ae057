"""What happens to files: a power cut, a bad disk, a copy that was stopped."""

from __future__ import annotations

from pathlib import Path


def zeros(path: Path) -> None:
    """Leave a file at its length, without its second half, as a power cut does."""
    content = path.read_bytes()
    half = len(content) // 2
    path.write_bytes(content[:half] + bytes(len(content) - half))


def a_flipped_bit(path: Path, share: float = 0.7) -> None:
    """Flip the lowest bit of one byte."""
    content = bytearray(path.read_bytes())
    content[int(share * len(content))] ^= 1
    path.write_bytes(content)


def cut_short(path: Path) -> None:
    """Leave all but the last few bytes."""
    path.write_bytes(path.read_bytes()[:-3])


HARM = [zeros, a_flipped_bit, cut_short]
