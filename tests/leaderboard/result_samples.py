"""Results as runs make them: ten speakers in five folds, a head more or less often right."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from serbench.benchmarks import Classification, Regression
from serbench.leaderboard import table
from serbench.leaderboard.identity import digest_of
from serbench.leaderboard.record import (
    BenchmarkRecord,
    Fit,
    FoldRecord,
    Labels,
    ProtocolRecord,
    Result,
    Split,
    sum_of,
    summed,
)
from serbench.leaderboard.table import Board
from serbench.runs import recipe
from serbench.scoring import scores
from serbench.scoring.scores import Scores

EMOTIONS = Classification(labels=("anger", "happiness", "neutral", "sadness"), column="emotion")
AFFECT = Regression(dimensions=("arousal", "valence", "dominance"), low=1.0, high=7.0)
SPEAKERS, CLIPS, FOLDS = 10, 12, 5


def _cells(seeds: tuple[int, ...]) -> pd.DataFrame:
    """Return one row an utterance x seed; two speakers are tested in each fold."""
    clips = pd.DataFrame(
        {"utterance": f"{s:02d}_{c:02d}", "speaker": f"{s:02d}", "fold": str(1 + s % FOLDS)}
        for s in range(SPEAKERS)
        for c in range(CLIPS)
    )
    return pd.concat([clips.assign(seed=seed) for seed in seeds], ignore_index=True)


def classified(skill: float, seeds: tuple[int, ...] = (0,), draw: int = 0) -> pd.DataFrame:
    """Return predictions of emotions; `skill` is the margin of the true label before softmax."""
    random = np.random.default_rng(draw)
    cells = _cells(seeds)
    labels = np.array(EMOTIONS.labels)
    truth = np.arange(len(cells)) % len(labels)
    logits = random.normal(size=(len(cells), len(labels)))
    logits[np.arange(len(cells)), truth] += skill
    scores = np.exp(logits) / np.exp(logits).sum(axis=1, keepdims=True)
    cells["truth"] = labels[truth]
    cells["prediction"] = labels[scores.argmax(axis=1)]
    return cells.assign(**{f"score:{name}": scores[:, i] for i, name in enumerate(labels)})


def rated(skill: float, seeds: tuple[int, ...] = (0,), draw: int = 0) -> pd.DataFrame:
    """Return predictions of affect; each speaker uses another part of the scale."""
    random, corpus = np.random.default_rng(draw), np.random.default_rng(0)
    cells = _cells(seeds)
    offset = corpus.normal(size=SPEAKERS)[np.arange(SPEAKERS).repeat(CLIPS)]
    for name in AFFECT.dimensions:
        rating = np.clip(4 + offset + corpus.normal(size=SPEAKERS * CLIPS), 1, 7)
        truth = np.tile(rating, len(seeds))
        cells[f"truth:{name}"] = truth
        cells[f"prediction:{name}"] = 4 + skill * (truth - 4) + 0.3 * random.normal(size=len(cells))
    return cells


def record(task: Classification | Regression = EMOTIONS, **changes: Any) -> Result:
    """Return the record of a complete run, with fields changed."""
    seeds = changes.get("seeds", (0,))
    plain = changes.pop("recipe", {"upstream": {"name": "fbank", "options": {}}, "seeds": [*seeds]})
    folds = tuple(
        FoldRecord(name=str(1 + i), train=84, valid=12, test=24, hash=f"{i:064x}")
        for i in range(FOLDS)
    )
    values: dict[str, Any] = {
        "digest": hashlib.sha256(repr((plain, task, sorted(changes.items()))).encode()).hexdigest(),
        "recipe": plain,
        "labels": Labels(upstream="fbank", downstream="mean_pool"),
        "benchmark": BenchmarkRecord(name="emodb", version="1", synthetic=False, task=task),
        "protocol": ProtocolRecord(name="speaker_folds", options={"k": 5}),
        "split": Split(hash="ab" * 32, folds=folds),
        "seeds": seeds,
        "training": tuple(
            Fit(fold=fold.name, seed=seed, learning_rate=1e-3, epoch=12, valid_score=0.7)
            for fold in folds
            for seed in seeds
        ),
        "seconds": {"audit": 0.4, "encode": 12.5, "train": 3.25},
        "versions": {"serbench": "0.1.0", "python": "3.11.9"},
        "created": datetime(2026, 3, 1, 12, 30, 5, tzinfo=UTC),
        "complete": True,
        "scores": {},
    }
    return summed(Result(**values | changes))


def own_run(downstream: str = "mlp", **changes: Any) -> Result:
    """Return a record as a run of today writes it, on a corpus of somebody's own."""
    made = recipe.resolve({"upstream": "fbank", "downstream": downstream})
    corpus = {"name": "mine.toml", "options": {}, "defaults": {}, "origin": "file"}
    folds = {"name": "speaker_folds", "options": {"k": 5}, "defaults": {}, "origin": "serbench"}
    plain = made.plain() | {"benchmark": corpus, "protocol": folds}
    mine = BenchmarkRecord(name="mine", version="1", synthetic=False, task=EMOTIONS)
    given = {"recipe": plain, "digest": digest_of(plain), "labels": made.labels, "benchmark": mine}
    return record(**given | changes)


def unsealed(result: Result) -> Result:
    """Return a record as it was before its tables were written and it named their checksums."""
    return summed(result.model_copy(update={"tables": {}}))


def rewrite(path: Path, plain: dict[str, Any]) -> None:
    """Write a record with its checksum, as somebody who knows how could."""
    path.write_text(json.dumps(plain | {"checksum": sum_of(plain)}))


def score(result: Result, predictions: pd.DataFrame) -> Scores:
    """Return the scores of a result's predictions."""
    return scores.score(result.benchmark.task, predictions)


def ranked(results: Iterable[tuple[Result, pd.DataFrame]]) -> list[Board]:
    """Return the boards of results whose records have the scores of their predictions."""
    return table.rank((scored(*each), each[1]) for each in results)


def scored(result: Result, predictions: pd.DataFrame) -> Result:
    """Return a record with the scores of predictions, unless it has some."""
    own = result.scores or score(result, predictions).to_json()
    return result.model_copy(update={"scores": own})
