"""TESS as unpacked: `OAF_angry/OAF_back_angry.wav`, and the one name that lost a letter."""

from __future__ import annotations

from pathlib import Path

FOLDER = "tess"
CLIPS = 2800


def grow(root: Path) -> None:
    """Write the names of all clips, of made-up words."""
    for speaker in ("OAF", "YAF"):
        for emotion in ("angry", "disgust", "fear", "happy", "neutral", "ps", "sad"):
            folder = root / f"{speaker}_{emotion}"
            folder.mkdir(parents=True)
            for number in range(200):
                word = f"w{chr(97 + number // 26)}{chr(97 + number % 26)}"
                lost = (speaker, emotion, number) == ("OAF", "neutral", 3)
                (folder / f"{'OA' if lost else speaker}_{word}_{emotion}.wav").touch()
