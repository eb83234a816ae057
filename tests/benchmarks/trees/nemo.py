"""nEMO as cloned: `data.tsv` and `samples/WR0_surprised_64.wav`."""

from __future__ import annotations

from itertools import product
from pathlib import Path

FOLDER = "nEMO"
CLIPS = 4481
SPEAKERS = {
    **dict.fromkeys(("EB0", "IC0", "KD0", "MK0"), "female"),
    **dict.fromkeys(("KS0", "MP0", "SM0", "TP0", "WR0"), "male"),
}
COUNTS = {
    "anger": 749,
    "fear": 736,
    "happiness": 749,
    "neutral": 809,
    "sadness": 769,
    "surprised": 669,
}


def grow(root: Path) -> None:
    """Write table and names; the speaker stands behind blanks, as in the release."""
    (root / "samples").mkdir(parents=True)
    lines = ["file_id\temotion\traw_text\tnormalized_text\tspeaker_id\tgender\tage"]
    for emotion, count in COUNTS.items():
        for number, speaker in list(product(range(90), SPEAKERS))[:count]:
            name = f"{speaker}_{emotion}_{number}.wav"
            text = f"„Zdanie” {number}."
            row = [name, emotion, text, text.lower(), f"        {speaker}", SPEAKERS[speaker], "24"]
            lines.append("\t".join(row))
            (root / "samples" / name).touch()
    (root / "data.tsv").write_text("\n".join(lines) + "\n", encoding="utf-8")
