"""CAMEO as exported: `metadata.csv` and `audio/nEMO/WR0_anger_1.wav`."""

from __future__ import annotations

from pathlib import Path

FOLDER = "CAMEO"
CLIPS = 180
EMOTIONS = ("anger", "fear", "happiness", "neutral", "sadness", "surprise", "calm")


def grow(root: Path) -> None:
    """Write three corpora of five speakers, two of whom have one name."""
    lines = ["file_id,emotion,transcription,speaker_id,gender,age,dataset,language,license"]
    for corpus in ("CaFE", "nEMO", "RESD"):
        (root / "audio" / corpus).mkdir(parents=True)
        for speaker in range(5):
            for emotion in EMOTIONS:
                for take in range(2):
                    name = f"{speaker}_{emotion}_{take}.wav"
                    gender = ("female", "male", "other")[speaker % 3]
                    row = [name, emotion, '"A, b."', f"s{speaker}", gender, "30", corpus, "x", "y"]
                    lines.append(",".join(row))
                    (root / "audio" / corpus / name).touch()
    (root / "metadata.csv").write_text("\n".join(lines) + "\n")
