"""ShEMO as unpacked: `female/F01A01.wav`."""

from __future__ import annotations

from pathlib import Path

FOLDER = "ShEMO"
CLIPS = 3000
SPEAKERS = [f"F{number:02}" for number in range(1, 32)] + [
    f"M{number:02}" for number in range(1, 57)
]
COUNTS = {"A": 1059, "F": 38, "H": 201, "N": 1028, "S": 449, "W": 225}


def grow(root: Path) -> None:
    """Write the names of as many clips of each emotion as there are."""
    for sex in ("female", "male"):
        (root / sex).mkdir(parents=True)
    for letter, count in COUNTS.items():
        for number in range(count):
            speaker = SPEAKERS[number % len(SPEAKERS)]
            folder = "female" if speaker[0] == "F" else "male"
            take = number // len(SPEAKERS) + 1
            (root / folder / f"{speaker}{letter}{take:02}.wav").touch()
