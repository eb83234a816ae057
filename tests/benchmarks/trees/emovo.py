"""EMOVO as unpacked: `f1/dis-f1-b1.wav`."""

from __future__ import annotations

from pathlib import Path

FOLDER = "emovo"
CLIPS = 588
SENTENCES = ["b1", "b2", "b3", "l1", "l2", "l3", "l4", "n1", "n2", "n3", "n4", "n5", "d1", "d2"]


def grow(root: Path) -> None:
    """Write the names of all clips."""
    for speaker in ("f1", "f2", "f3", "m1", "m2", "m3"):
        (root / speaker).mkdir(parents=True)
        for emotion in ("dis", "gio", "neu", "pau", "rab", "sor", "tri"):
            for sentence in SENTENCES:
                (root / speaker / f"{emotion}-{speaker}-{sentence}.wav").touch()
