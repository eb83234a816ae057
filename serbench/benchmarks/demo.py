"""SYNTHETIC default corpus: ten babbling speakers made by serbench, nothing of real speech."""

from __future__ import annotations

import io
import shutil
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Literal

import pandas as pd
import soundfile

from serbench.benchmarks import Benchmark, Classification, Regression, Task
from serbench.benchmarks.splitting import protocols
from serbench.benchmarks.synthesis.affect import CENTRES, HIGH, LOW, Affect
from serbench.durable import SUMS, harm, seal, unwritable
from serbench.errors import SerbenchError
from serbench.home import home
from serbench.locks import locked

if TYPE_CHECKING:
    from serbench.benchmarks.synthesis.corpus import Utterance

# Of itself a word like any other.
NAMES = ("=demo",)
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
            "sentence_folds": partial(protocols.sentence_folds, sentences=3),
            "speaker_dependent_random": protocols.speaker_dependent_random,
            "random_clips": protocols.random_clips,
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
    if not folder.is_dir():
        with locked(folder.with_name(f"{folder.name}.lock"), lambda _: None, "makes the corpus"):
            if not folder.is_dir():
                _write(folder)
    for part in (folder, folder / "wav"):
        if (part / SUMS).exists() and (reason := harm(part)):
            msg = f"the demo corpus in '{folder}' is damaged ({reason}); delete that folder: "
            raise SerbenchError(msg + "the same command makes it anew")
    return folder


def _write(folder: Path) -> None:
    # with scipy.signal, which takes long to load and is needed this once
    from serbench.benchmarks.synthesis.corpus import utterances
    from serbench.benchmarks.synthesis.waveform import RATE

    part = folder.with_name(f"{folder.name}.part")
    shutil.rmtree(part, ignore_errors=True)  # of a process that was killed
    try:
        (part / "wav").mkdir(parents=True)
        rows = []
        for utterance in utterances():
            sound = io.BytesIO()  # libsndfile itself says nothing of a full disk
            soundfile.write(sound, utterance.sound, RATE, "PCM_16", format="WAV")
            (part / "wav" / f"{utterance.name}.wav").write_bytes(sound.getvalue())
            rows.append(_row(utterance))
        pd.DataFrame(rows).to_csv(part / "utterances.csv", index=False, lineterminator="\n")
        seal(part / "wav")
        seal(part)
        part.rename(folder)
    except OSError as error:
        raise unwritable(folder, error) from error


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
