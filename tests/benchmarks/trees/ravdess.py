"""RAVDESS as unpacked: `Actor_01/03-01-01-01-01-01-01.wav`."""

from __future__ import annotations

from pathlib import Path

FOLDER = "ravdess"
CLIPS = 1440


def grow(root: Path) -> None:
    """Write the names of all clips: neutral has no strong intensity."""
    for actor in range(1, 25):
        folder = root / f"Actor_{actor:02}"
        folder.mkdir(parents=True)
        for emotion in range(1, 9):
            for intensity in (1, 2) if emotion > 1 else (1,):
                for take in ("01-01", "01-02", "02-01", "02-02"):
                    name = f"03-01-{emotion:02}-{intensity:02}-{take}-{actor:02}.wav"
                    (folder / name).touch()
