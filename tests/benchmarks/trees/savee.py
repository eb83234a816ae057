"""SAVEE as unpacked: `DC/a01.wav`."""

from __future__ import annotations

from pathlib import Path

FOLDER = "savee"
CLIPS = 480


def grow(root: Path) -> None:
    """Write the names of all clips."""
    for speaker in ("DC", "JE", "JK", "KL"):
        (root / speaker).mkdir(parents=True)
        for letter, count in {
            "a": 15,
            "d": 15,
            "f": 15,
            "h": 15,
            "n": 30,
            "sa": 15,
            "su": 15,
        }.items():
            for number in range(1, count + 1):
                (root / speaker / f"{letter}{number:02}.wav").touch()
