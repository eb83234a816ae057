"""URDU as cloned: `Angry/SM1_F10_A010.wav`."""

from __future__ import annotations

from pathlib import Path

FOLDER = "URDU-Dataset"
CLIPS = 400
SPEAKERS = [f"SM{number}" for number in range(1, 28)] + [f"SF{number}" for number in range(1, 12)]


def grow(root: Path) -> None:
    """Write the names of 100 clips an emotion, of 38 speakers."""
    for emotion in ("Angry", "Happy", "Neutral", "Sad"):
        (root / emotion).mkdir(parents=True)
        for number in range(100):
            speaker = SPEAKERS[number % len(SPEAKERS)]
            name = f"{speaker}_F{number % 9}_{emotion[0]}{number + 1:03}.wav"
            (root / emotion / name).touch()
