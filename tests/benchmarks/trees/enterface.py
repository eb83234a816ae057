"""eNTERFACE'05 with audio beside its videos: `subject 1/anger/sentence 1/s1_an_1.wav`."""

from __future__ import annotations

from pathlib import Path

FOLDER = "enterface"
CLIPS = 1290
EMOTIONS = ("anger", "disgust", "fear", "happiness", "sadness", "surprise")


def grow(root: Path) -> None:
    """Write 43 subjects with the oddities of the release: no sentences, names of others."""
    for subject in range(1, 44):
        called = {3: "s_3", 11: "s12"}.get(subject, f"s{subject}")
        for emotion in EMOTIONS:
            for sentence in range(1, 6):
                folder = root / f"subject {subject}" / emotion
                folder = folder if subject == 6 else folder / f"sentence {sentence}"
                folder.mkdir(parents=True, exist_ok=True)
                odd = (subject, emotion, sentence) == (16, "surprise", 3)
                name = f"{called}_{emotion[:2]}_{sentence}{'avi' * odd}"
                (folder / f"{name}.avi").touch()
                (folder / f"{name}.wav").touch()
