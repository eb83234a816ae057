"""Finished runs in which it is known what calibration can and cannot do."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from serbench.benchmarks import Classification, Regression
from serbench.leaderboard import store
from serbench.leaderboard.beside import Beside
from serbench.leaderboard.record import FoldRecord, Split

from ..leaderboard.result_samples import record  # noqa: TID252

TASK = Regression(dimensions=("arousal",), low=-5.0, high=13.0)
EMOTIONS = Classification(labels=("anger", "calm", "joy"), column="emotion")
FOLDS, OF_FOLD, CLIPS, KINDS = 5, 4, 10, 4
SPREADS = (0.3, 0.6, 1.0, 1.6)


def clips(random: np.random.Generator, scaled: bool) -> pd.DataFrame:
    """Return the utterances of 20 speakers of 4 kinds, each with a spread of its own.

    Predictions have the right means. Where they are `scaled`, all speakers have the same spread, so
    that the spread of those of one's kind is what is missing; elsewhere they are right.
    """
    rows = []
    for speaker in range(FOLDS * OF_FOLD):
        spread = SPREADS[speaker % KINDS]
        centre = random.uniform(3.5, 4.5)
        z = random.normal(size=CLIPS)
        z = (z - z.mean()) / z.std()
        guess = (0.5 if scaled else spread) * (z + 0.3 * random.normal(size=CLIPS))
        truth = centre + spread * z
        rows += [
            {"utterance": f"{speaker:02d}_{i}", "speaker": f"{speaker:02d}", "truth:arousal": t}
            | {"prediction:arousal": centre + g}
            for i, (t, g) in enumerate(zip(truth, guess, strict=True))
        ]
    return pd.DataFrame(rows)


def voices(random: np.random.Generator, follow: bool) -> dict[str, np.ndarray]:
    """Return a voice a speaker: that of his kind, or of nobody's."""
    kinds = 3 * np.eye(KINDS, 6)
    return {
        f"{speaker:02d}": (kinds[speaker % KINDS] if follow else np.zeros(6))
        + 0.3 * random.normal(size=6)
        for speaker in range(FOLDS * OF_FOLD)
    }


def parts(table: pd.DataFrame) -> Iterator[tuple[str, dict[str, pd.DataFrame]]]:
    """Yield each fold: a fifth of the speakers tested, the next validates."""
    fold = table["speaker"].astype(int) // OF_FOLD
    for number in range(FOLDS):
        tested, validated = fold == number, fold == (number + 1) % FOLDS
        told = {"fold": str(1 + number), "seed": 0}
        masks = {"test": tested, "valid": validated, "train": ~(tested | validated)}
        yield str(told["fold"]), {name: table[mask].assign(**told) for name, mask in masks.items()}


def save(root: Path, *, scaled: bool, follow: bool, draw: int = 0) -> Path:
    """Keep a run, as runs are kept."""
    random = np.random.default_rng(draw)
    table, heard = clips(random, scaled), voices(random, follow)
    return _keep(root, TASK, table, heard)


def save_shifted(root: Path, *, embedded: bool = True) -> Path:
    """Keep a run on labels in which all that a speaker says is moved by a vector of his own.

    Its posteriors are those of somebody who is not moved.
    """
    random = np.random.default_rng(0)
    centres, rows, points = 2.2 * np.eye(3, 4), [], []
    for speaker in range(FOLDS * OF_FOLD):
        label = np.arange(2 * CLIPS) % 3
        own = centres[label] + random.normal(size=4) + random.normal(size=(2 * CLIPS, 4))
        logits = -0.5 * ((own[:, None] - centres) ** 2).sum(axis=2)
        shares = np.exp(logits) / np.exp(logits).sum(axis=1, keepdims=True)
        points.append(own)
        names = np.array(EMOTIONS.labels)
        told = {"utterance": [f"{speaker:02d}_{i}" for i in range(2 * CLIPS)]}
        told |= {"truth": names[label], "prediction": names[shares.argmax(axis=1)]}
        scores = {f"score:{name}": shares[:, i] for i, name in enumerate(names)}
        rows.append(pd.DataFrame(told | scores).assign(speaker=f"{speaker:02d}"))
    table = pd.concat(rows, ignore_index=True)
    columns = [f"e{i}" for i in range(4)]
    seen = pd.DataFrame(np.concatenate(points).astype(np.float16), columns=columns)
    seen.insert(0, "utterance", table["utterance"])
    return _keep(root, EMOTIONS, table, voices(random, follow=False), seen if embedded else None)


def _of_fold(seen: pd.DataFrame, name: str) -> pd.DataFrame:
    made = seen.copy()
    made.insert(1, "fold", name)
    made.insert(2, "seed", 0)
    return made


def _keep(
    root: Path,
    task: Classification | Regression,
    table: pd.DataFrame,
    heard: dict[str, np.ndarray],
    seen: pd.DataFrame | None = None,
) -> Path:
    folds = dict(parts(table))
    tables = {
        part: pd.concat([fold[part] for fold in folds.values()], ignore_index=True)
        for part in ("test", "valid", "train")
    }
    spoken = [
        {"speaker": name, "fold": fold, "seed": 0, "clips": CLIPS}
        | {f"v{i}": x for i, x in enumerate(voice.astype(np.float16))}
        for fold in folds
        for name, voice in heard.items()
    ]
    sizes: list[Any] = [
        FoldRecord(name=fold, hash="a" * 16, **{part: len(rows) for part, rows in each.items()})
        for fold, each in folds.items()
    ]
    result = record(task, split=Split(hash="ab" * 8, folds=tuple(sizes)))
    whole = None if seen is None else pd.concat([_of_fold(seen, name) for name in folds])
    beside = Beside(tables["valid"], tables["train"], pd.DataFrame(spoken), embedded=whole)
    return store.save(result, tables["test"], root, beside)
