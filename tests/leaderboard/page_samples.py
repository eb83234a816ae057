"""Boards to publish: what a page has to show, and what somebody may send to break it."""

from __future__ import annotations

from typing import Any

import pandas as pd

from serbench.leaderboard import table
from serbench.leaderboard.record import (
    Adaptation,
    BenchmarkRecord,
    Curve,
    Fit,
    Labels,
    ProtocolRecord,
    Result,
)
from serbench.leaderboard.table import Board
from serbench.runs import recipe

from .result_samples import AFFECT, EMOTIONS, FOLDS, classified, rated, record, scored

HOSTILE = Labels(
    upstream="<img src=x onerror=alert(1)>",
    weights="</script><script>alert(2)</script>",
    downstream='"><svg onload=alert(3)> {{ 7 * 7 }} ${7 * 7}',
)
FORMULA = Labels(upstream="=cmd|' /C calc'!A0", downstream='a"b,c')
LAYERS = (0.125, 0.5, 0.375)
CURVE = Curve(epochs=(1, 2, 3), losses=(0.9, 0.5, 0.4), valid_scores=(0.3, 0.6, 0.5))
SEEDS = (0, 1)

Made = tuple[Result, pd.DataFrame]


def _made(
    skill: float, seeds: tuple[int, ...] = SEEDS, task: Any = EMOTIONS, **fields: Any
) -> Made:
    found = (classified if task is EMOTIONS else rated)(skill, seeds, draw=round(10 * skill))
    return scored(record(task, seeds=seeds, **fields), found), found


def _trained() -> tuple[Fit, ...]:
    folds = [str(1 + i) for i in range(FOLDS)]
    return tuple(
        Fit(
            fold=fold, seed=seed, learning_rate=1e-3, epoch=2, valid_score=0.6, curve=CURVE,
            layers=(LAYERS,),
        )
        for fold in folds
        for seed in SEEDS
    )  # fmt: skip


def _encoded_by(name: str, weights: str) -> dict[str, Any]:
    """Return what a recipe says of an encoder, and of little else."""
    asked = {"upstream": {"name": name, "weights": weights}, "downstream": "ecapa"}
    made = recipe.resolve(asked).plain()
    return {"recipe": {key: made[key] for key in ("upstreams", "downstream")} | {"seeds": [*SEEDS]}}


def results() -> dict[str, Made]:
    """Return results by what they are here for; all but the last five are on one board."""
    corpus = BenchmarkRecord(name="emodb", version="1", synthetic=False, task=EMOTIONS)
    made = corpus.model_copy(update={"synthetic": True, "name": "demo"})
    heard = Adaptation(
        on="all", transductive=True, utterances=120, hours=0.1, checkpoints=("ab" * 32,)
    )
    return {
        "best": _made(
            2.5,
            **_encoded_by("hubert", "base"),
            labels=Labels(upstream="hubert", weights="base", downstream="ecapa"),
            provenance={"id": "facebook/hubert-base-ls960", "licence": "Apache-2.0"},
            training=_trained(),
        ),
        "worse": _made(0.6, labels=Labels(upstream="mfcc", downstream="mean_pool")),
        "trained on it": _made(
            2.0,
            **_encoded_by("wavlm", "lab/wavlm"),
            labels=Labels(upstream="wavlm", weights="large", downstream="ecapa"),
            provenance={"id": "lab/wavlm", "trained_on": "LibriSpeech, EmoDB"},
        ),
        "nano": _made(
            1.0,
            labels=Labels(upstream="hubert", weights="nano", downstream="mean_pool"),
            provenance={"id": "serbench/hubert-nano"},
        ),
        "sent": _made(1.5, labels=Labels(upstream="cpc", downstream="mlp")),
        "formula": _made(0.3, labels=FORMULA),
        "hostile": _made(1.2, labels=HOSTILE, warnings=("<b>bold</b> & <i>more</i>; do it",)),
        "changed": _made(0.9, scores={"rank": 0.99}),
        "transductive": _made(1.4, adaptation=heard),
        "reported": _made(1.1, benchmark=corpus.model_copy(update={"name": "crema_d"})),
        "synthetic": _made(1.1, benchmark=made),
        "dependent": _made(1.1, protocol=ProtocolRecord(name="random", shares=("speaker",))),
        "affect": _made(0.6, task=AFFECT, labels=Labels(upstream="whisper", downstream="mlp")),
    }


def boards(found: dict[str, Made]) -> list[Board]:
    """Return the boards of these results; one was sent."""
    said = "Added from elsewhere; scores recomputed, truth not verified here, not trained again."
    return table.rank(found.values(), marks={found["sent"][0].digest: said})
