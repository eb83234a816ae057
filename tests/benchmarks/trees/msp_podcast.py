"""MSP-Podcast as released: `Audios/MSP-PODCAST_0001_0001.wav`, `Labels/labels_consensus.csv`."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import soundfile

FOLDER = "MSP-Podcast"
# speaker to part; s7 is new in a later release
SPEAKERS = {
    **dict.fromkeys(("1", "2", "3"), "Train"),
    **dict.fromkeys(("4", "5"), "Development"),
    **dict.fromkeys(("11", "12", "7"), "Test1"),
    **dict.fromkeys(("21", "22"), "Test2"),
    "Unknown": "Train",
}
TURNS = 8
LETTERS = "AHSNUFDC"


def grow(root: Path, *, seconds: float = 30, loud: bool = False) -> None:
    """Write eight turns a speaker, and three of Test3; the emotions of each are all eight."""
    for part in ("Audios", "Labels"):
        (root / part).mkdir(parents=True)
    rows, votes, parts = [], [], []
    rng = np.random.default_rng(0)
    for who, (speaker, part) in enumerate(SPEAKERS.items()):
        for turn in range(TURNS):
            name = f"MSP-PODCAST_{who:04}_{turn:04}.wav"
            values = [1 + (turn * step + who) % 7 for step in (1, 3, 5)]
            gender = "Unknown" if speaker == "Unknown" else ("Male", "Female")[who % 2]
            rows.append([name, LETTERS[turn], *values, speaker, gender, part])
            votes += [[name, "W1", "Neutral"], [name, "W2", "Angry"], [name, "W3", "Other-bored"]]
            parts.append(f"{part}; {name}")
    unrated = [f"MSP-PODCAST_test3_{number:04}.wav" for number in range(3)]
    rate = 16000 if loud else 100
    for name in [*(str(row[0]) for row in rows), *unrated]:
        wave = rng.normal(0, 0.1, int(seconds * rate)) if loud else np.zeros(int(seconds * rate))
        soundfile.write(root / "Audios" / name, wave, rate)
    header = "FileName,EmoClass,EmoAct,EmoVal,EmoDom,SpkrID,Gender,Split_Set"
    _write(root / "Labels" / "labels_consensus.csv", header, rows)
    _write(root / "Labels" / "labels_detailed.csv", "FileName,Worker,EmoClass_Major", votes)
    lines = [*parts, *(f"Test3; {name}" for name in unrated)]
    (root / "Partitions.txt").write_text("\n".join(lines) + "\n")


def _write(path: Path, header: str, rows: list[list[object]]) -> None:
    path.write_text("\n".join([header, *(",".join(map(str, row)) for row in rows)]) + "\n")
