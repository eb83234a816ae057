"""IEMOCAP as released: `Session1/dialog/EmoEvaluation/Ses01F_impro01.txt` and what goes with it."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable
from pathlib import Path

FOLDER = "IEMOCAP_full_release"
HEADER = "% [START_TIME - END_TIME] TURN_NAME EMOTION [V, A, D]\n\n"
# per session: of the four classes, and the others
FOUR = {1: 1085, 2: 1023, 3: 1151, 4: 1031, 5: 1241}
OTHERS = {1: 734, 2: 788, 3: 985, 4: 1072, 5: 929}


def grow(root: Path, turns: Iterable[tuple[str, str]] | None = None) -> None:
    """Write turns, (id, emotion) each; by default as many made-up ones as the release has."""
    dialogues = defaultdict(list)
    for turn, emotion in made_up() if turns is None else turns:
        dialogues[turn.rpartition("_")[0]].append((turn, emotion))
    for dialogue, own in dialogues.items():
        session = root / f"Session{dialogue[4]}"
        for part in ("dialog/EmoEvaluation", "dialog/transcriptions", f"sentences/wav/{dialogue}"):
            (session / part).mkdir(parents=True, exist_ok=True)
        rated, said = [HEADER], []
        for number, (turn, emotion) in enumerate(own):
            start, end = 5 * number + 1.25, 5 * number + 4.5
            rated.append(
                f"[{start:.4f} - {end:.4f}]\t{turn}\t{emotion}\t"
                f"[{2 + number % 3:.4f}, {1.5 + number % 4:.4f}, {2.5 + number % 2:.4f}]\n"
                "C-E2:\tNeutral;\t()\nA-E3:\tval 3; act 2; dom  3;\t()\n\n"
            )
            said.append(f"{turn} [{start:08.4f}-{end:08.4f}]: What {turn} says.\n")
            (session / "sentences" / "wav" / dialogue / f"{turn}.wav").touch()
        (session / "dialog" / "EmoEvaluation" / f"{dialogue}.txt").write_text("".join(rated))
        said.append("M: (a line without a turn)\n")
        (session / "dialog" / "transcriptions" / f"{dialogue}.txt").write_text("".join(said))
    # what a Mac leaves in the release
    (root / "Session1" / "dialog" / "EmoEvaluation" / "._Ses01F_impro01.txt").write_bytes(b"\0\5")


def made_up() -> Iterable[tuple[str, str]]:
    """Yield 10039 turns, two dialogues and a half of each talker a session."""
    four = ("neu", "hap", "exc", "ang", "sad")
    for session, count in FOUR.items():
        emotions = [four[i % 5] for i in range(count)] + ["xxx", "fru"] * OTHERS[session]
        for number, emotion in enumerate(emotions[: count + OTHERS[session]]):
            dialogue = (
                f"Ses{session:02}{'FM'[number % 2]}_{('impro01', 'script01_1')[number % 3 > 0]}"
            )
            yield f"{dialogue}_{'MF'[number // 2 % 2]}{number // 4:03}", emotion
