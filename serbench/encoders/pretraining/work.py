"""The folder of a training under way, and what all of its stages share."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from serbench.digests import digest_json
from serbench.durable import SUMS, kept, usable
from serbench.encoders.pretraining.audio import Audio
from serbench.errors import SerbenchError
from serbench.progress import Progress

_UNDER_WAY = "training"


@dataclass(frozen=True)
class Work:
    """What the stages of one training share.

    Attributes:
        audio: N recordings.
        train: rows to learn from.
        valid: rows to validate on.
        folder: of the work under way; each stage has a folder of its own in it.
        seed: of everything.
        device: a torch device.
        bf16: mixed precision.
        minutes: between two checkpoints.
        progress: where losses are shown.
    """

    audio: Audio
    train: NDArray[np.int64]
    valid: NDArray[np.int64]
    folder: Path
    seed: int
    device: str
    bf16: bool
    minutes: float
    progress: Progress

    def up_to(self, hours: float) -> Work:
        """Return the same with a random part of the audio, so many hours to learn from at most."""
        draw = np.random.default_rng(self.seed)
        train = self._first(draw.permutation(self.train), hours)
        valid = self._first(draw.permutation(self.valid), hours / 4)
        rows = [*train, *valid]
        audio = Audio([self.audio.recordings[row] for row in rows], rate=self.audio.rate)
        numbers = np.arange(len(rows))
        return replace(self, audio=audio, train=numbers[: len(train)], valid=numbers[len(train) :])

    def _first(self, rows: NDArray[np.int64], hours: float) -> NDArray[np.int64]:
        heard = np.cumsum(self.audio.lengths[rows]) / self.audio.rate / 3600
        return rows[: max(1, int(np.searchsorted(heard, hours)))]

    def part(self, name: str) -> tuple[NDArray[np.int64], int]:
        """Return the rows of a part, "train" or "valid", and the seed of its batches."""
        return (self.train, 2 * self.seed) if name == "train" else (self.valid, 2 * self.seed + 1)

    @property
    def running(self) -> dict[str, Any]:
        """What every stage's `Settings` have in common."""
        shared = {"seed": self.seed, "device": self.device, "bf16": self.bf16}
        return shared | {"checkpoint_minutes": self.minutes}


def begin(
    folder: Path, asked: Mapping[str, Any], *, resume: bool, tell: Callable[[str], object]
) -> Path:
    """Return the folder for the work under way, inside the one for the final weights.

    What was asked can be changed as long as no stage has begun.

    Args:
        folder: for the final weights; made if need be.
        asked: all that decides the numbers, as JSON values.
        resume: go on with what is there; final weights that a kill left unfinished beside it are
            written again.
        tell: shows a line.

    Raises:
        SerbenchError: finished weights or other files are there, or work under way that was asked
            something else or is not to be resumed.
    """
    if finished(folder):
        raise SerbenchError(f"{folder} holds finished weights; give another folder with --out")
    under_way = folder / _UNDER_WAY
    note, begun = under_way / "asked.json", any(under_way.glob("*/"))
    others = [path for path in folder.glob("*") if path != under_way]
    if others and not begun:
        raise SerbenchError(f"{folder} holds other files; give another folder with --out")
    if begun and not resume:
        raise SerbenchError(
            f"{folder} holds a training that was stopped; --resume goes on with it, or give "
            "another folder with --out"
        )
    if begun and usable(note, "training under way with", tell, _read):
        _check(folder, _read(note), asked)
        return under_way
    for path in others:
        path.unlink()
    shutil.rmtree(under_way, ignore_errors=True)
    with kept(note) as fresh:
        fresh.write_text(json.dumps(dict(asked), indent=1, sort_keys=True) + "\n")
    return under_way


def _read(note: Path) -> dict[str, Any]:
    return dict(json.loads(note.read_text()))


def _check(folder: Path, before: Mapping[str, Any], asked: Mapping[str, Any]) -> None:
    """Refuse to go on with work that was asked something else."""
    unknown = [key for key, value in asked.items() if key not in before and value is not None]
    if unknown:
        raise SerbenchError(
            f"{folder} was begun by an earlier serbench, which did not know {', '.join(unknown)} "
            "and would come to another end; give another folder with --out"
        )
    for key, value in asked.items():
        if before.get(key) != value:
            raise SerbenchError(
                f"{folder} was begun with {key} {before.get(key)!r}, not {value!r}; give the same "
                "again, or another folder with --out"
            )


def finished(folder: Path) -> bool:
    """Whether a folder holds finished weights; it is sealed at last."""
    done = (folder / SUMS).exists()
    if done and (folder / _UNDER_WAY).exists():  # killed before it was tidied up
        end(folder)
    return done


def end(folder: Path) -> None:
    """Keep the logs of the stages beside the final weights, and nothing else of the work."""
    for log in sorted((folder / _UNDER_WAY).glob("*/log.jsonl")):
        log.replace(folder / f"{log.parent.name}.jsonl")
    shutil.rmtree(folder / _UNDER_WAY)


def digest_audio(audio: Audio) -> str:
    """Return a short name of recordings: their speakers and lengths, wherever they lie."""
    speakers = [recording.speaker for recording in audio.recordings]
    return digest_json([speakers, audio.lengths.tolist()])[:16]
