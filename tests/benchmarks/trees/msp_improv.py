"""MSP-IMPROV as released: `Evalution.txt` and `session1/S01A/P/MSP-IMPROV-S01A-F01-P-FM01.wav`."""

from __future__ import annotations

from pathlib import Path

FOLDER = "MSP-IMPROV"
CLIPS = 7798
COUNTS = {"A": 792, "H": 2644, "N": 3477, "S": 885, "O": 500, "X": 140}


def grow(root: Path) -> None:
    """Write as many rated turns as there are, of twelve speakers, with the raters below each."""
    lines = []
    for place, letter in enumerate(letter for letter, n in COUNTS.items() for _ in range(n)):
        session, sex, scene = 1 + place % 6, "FM"[place // 6 % 2], f"S{1 + place // 12 % 20:02}A"
        recording, number = "PRST"[place // 240 % 4], place // 960
        turn = f"{scene}-{sex}{session:02}-{recording}-{'FM'}{number:02}"
        values = "; ".join(f"{d}:{1 + (place + i) % 4}.2500" for i, d in enumerate("AVD"))
        lines.append(f"UTD-IMPROV-{turn}.avi; {letter}; {values} ; N:4.0000;")
        lines.append(f"AYM29; Angry; Angry,Disgust; A:{2}.000000; V:3.000000; D:3.000000; N:5.0;")
        folder = root / f"session{session}" / scene / recording
        folder.mkdir(parents=True, exist_ok=True)
        (folder / f"MSP-IMPROV-{turn}.wav").touch()
    (root / "Evalution.txt").write_text("\n".join(lines) + "\n")
