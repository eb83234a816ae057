"""MELD.Raw with audio beside its videos: `train_sent_emo.csv`, `train_splits/dia0_utt0.wav`."""

from __future__ import annotations

from pathlib import Path

FOLDER = "MELD.Raw"
CLIPS = 13706
PARTS = {
    "train": ("train_splits", 9989),
    "dev": ("dev_splits_complete", 1109),
    "test": ("output_repeated_splits_test", 2610),
}
EMOTIONS = ("anger", "disgust", "fear", "joy", "neutral", "sadness", "surprise")
SPEAKERS = ("Joey", "Ross", "Monica", "Rachel", "Chandler", "Phoebe", "All")


def grow(root: Path) -> None:
    """Write tables and names; two turns have no audio."""
    for part, (folder, turns) in PARTS.items():
        (root / folder).mkdir(parents=True)
        lines = ["Sr No.,Utterance,Speaker,Emotion,Sentiment,Dialogue_ID,Utterance_ID,Season"]
        for number in range(turns):
            dialogue, turn = number // 8, number % 8
            speaker, emotion = SPEAKERS[number % 7], EMOTIONS[number // 7 % 7]
            lines.append(
                f'{number},"Oh, {number}!",{speaker},{emotion},neutral,{dialogue},{turn},1'
            )
            name = f"dia{dialogue}_utt{turn}"
            if (part, name) not in {("train", "dia125_utt3"), ("dev", "dia110_utt7")}:
                (root / folder / f"{name}.wav").touch()
        (root / f"{part}_sent_emo.csv").write_text("\n".join(lines) + "\n")
