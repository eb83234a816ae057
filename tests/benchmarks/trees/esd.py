"""ESD as unpacked: `0011/Angry/0011_000351.wav`, some with folders of parts, some not."""

from __future__ import annotations

from pathlib import Path

FOLDER = "ESD"
CLIPS = 17500
EMOTIONS = ("Neutral", "Angry", "Happy", "Sad", "Surprise")


def grow(root: Path) -> None:
    """Write the names of the English clips, and of one speaker of Mandarin."""
    for speaker in (1, *range(11, 21)):
        for place, emotion in enumerate(EMOTIONS):
            for number in range(350):
                part = ("train", "test")[number % 2] if speaker % 2 else ""
                folder = root / f"{speaker:04}" / emotion / part
                folder.mkdir(parents=True, exist_ok=True)
                (folder / f"{speaker:04}_{350 * place + number + 1:06}.wav").touch()
        (root / f"{speaker:04}" / f"{speaker:04}.txt").write_text("0011_000001\tA text.\tNeutral\n")
