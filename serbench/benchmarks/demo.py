"""SYNTHETIC default corpus: ten babbling speakers made by serbench, nothing of real speech."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Literal

import pandas as pd
import soundfile
from filelock import FileLock

from serbench.benchmarks import Benchmark, Classification, Regression, Task
from serbench.benchmarks.splitting import protocols
from serbench.benchmarks.synthesis.affect import CENTRES, HIGH, LOW, Affect
from serbench.benchmarks.synthesis.corpus import Utterance, utterances
from serbench.benchmarks.synthesis.waveform import RATE
from serbench.errors import SerbenchError
from serbench.home import home

VERSION = "1"


def make(*, task: Literal["emotion", "dimensions"] = "emotion") -> Benchmark:
    """Return the benchmark: 440 utterances, 5 sessions of 2 speakers, 12 minutes, 16 kHz.

    The corpus is made on first use, in seconds, and kept. Emotions, ratings, words and voices are
    planted, with speakers who differ in how they express themselves and in how they are rated:
    good for trying a system and for testing it, not for saying how good it is.

    Args:
        task: "emotion" (neutral, happy, angry, sad) or "dimensions" (arousal, valence, dominance
            from 1 to 7).
    """
    target: Task = Classification(labels=tuple(CENTRES))
    if task == "dimensions":
        target = Regression(dimensions=Affect._fields, low=LOW, high=HIGH)
    return Benchmark(
        name="demo",
        version=VERSION,
        task=target,
        read=_read,
        protocols={
            "leave_one_session_out": protocols.leave_one_session_out,
            "leave_one_speaker_out": protocols.leave_one_speaker_out,
            "speaker_folds": protocols.speaker_folds,
            "speaker_dependent_random": protocols.speaker_dependent_random,
        },
        folder=None,
        licence="CC0 1.0",
        citation="SYNTHETIC: made by serbench, says nothing about real speech",
        obtain="SYNTHETIC: made by serbench on first use, nothing to get",
        synthetic=True,
    )


def _read(root: Path | None) -> pd.DataFrame:
    """Return the table of utterances; `root` is not looked at."""
    folder = _folder()
    table = pd.read_csv(folder / "utterances.csv", dtype={"session": str})
    paths = [str(folder / "wav" / f"{name}.wav") for name in table["utterance"]]
    return table.assign(path=paths, start=float("nan"), end=float("nan"), split=None)


def _folder() -> Path:
    """Return the folder of the corpus, made if it is not there; whole or not there at all."""
    folder = (home() / "corpora" / f"demo-{VERSION}").absolute()
    if folder.is_dir():
        return folder
    try:
        folder.parent.mkdir(parents=True, exist_ok=True)
        with FileLock(f"{folder}.lock"):
            if not folder.is_dir():
                _write(folder)
    except OSError as error:
        msg = (
            f"cannot write the demo corpus to '{folder}' ({error.strerror}); "
            "set SERBENCH_HOME to a folder with room that you may write to"
        )
        raise SerbenchError(msg) from error
    return folder


def _write(folder: Path) -> None:
    part = folder.with_name(f"{folder.name}.part")
    shutil.rmtree(part, ignore_errors=True)  # of a process that was killed
    (part / "wav").mkdir(parents=True)
    rows = []
    for utterance in utterances():
        soundfile.write(part / "wav" / f"{utterance.name}.wav", utterance.sound, RATE, "PCM_16")
        rows.append(_row(utterance))
    pd.DataFrame(rows).to_csv(part / "utterances.csv", index=False, lineterminator="\n")
    part.rename(folder)


def _row(utterance: Utterance) -> dict[str, str | float]:
    return {
        "utterance": utterance.name,
        "speaker": utterance.voice.name,
        "session": utterance.voice.session,
        "gender": utterance.voice.gender,
        "text": utterance.text,
        "emotion": utterance.emotion,
        **utterance.rating._asdict(),
    }
