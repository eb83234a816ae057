"""Tables of vectors: half precision where that holds them, and no run is lost where it does not."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from serbench.benchmarks import Fold
from serbench.scoring import embedded, voices
from serbench.scoring.compact import compact

FOLD = Fold("1", np.arange(8), np.arange(8, 10), np.arange(10, 12))
TABLE = pd.DataFrame(
    {"utterance": [f"u{i}" for i in range(12)], "speaker": [f"s{i // 2}" for i in range(12)]}
)


def drawn(scale: float) -> np.ndarray:
    return (scale * np.random.default_rng(0).normal(size=(12, 5))).astype(np.float32)


@pytest.mark.parametrize(
    ("scale", "kind"),
    [
        (1.0, np.float16),
        (1e3, np.float16),
        (1e6, np.float32),
        (1e30, np.float32),
        (1e-7, np.float32),
    ],
)
def test_voices_keep_their_directions_however_large_they_are(scale: float, kind: type) -> None:
    heard = voices.heard_in(TABLE, FOLD, 0, drawn(scale))
    assert voices.problem(heard) is None
    found, own = voices.vectors(heard), drawn(scale).reshape(6, 2, 5).mean(axis=1)
    assert {*heard.drop(columns=voices.WHO).dtypes} == {np.dtype(kind)}
    np.testing.assert_allclose(found, own, rtol=1e-3, atol=1e-4 * scale)


def test_a_voice_of_zeros_needs_no_more_than_half_precision() -> None:
    assert compact(np.array([[0.0, 0.0], [1.0, 2.0]])).dtype == np.float16


def test_an_utterance_far_from_the_training_part_is_kept() -> None:
    far = drawn(1.0)
    far[11] *= 1e6
    made = embedded.embedded_in(TABLE, FOLD, 0, far)
    assert embedded.problem(made) is None
    usual = embedded.embedded_in(TABLE, FOLD, 0, drawn(1.0))
    pd.testing.assert_frame_equal(made[:11], usual[:11], check_dtype=False, rtol=1e-3, atol=1e-3)
    assert abs(made.loc[11, "e0"]) > 1e5


@pytest.mark.parametrize("row", [0, 11])
def test_what_is_not_finite_is_told_and_not_computed_with(row: int) -> None:
    broken = drawn(1.0)
    broken[row, 2] = np.inf
    assert embedded.problem(embedded.embedded_in(TABLE, FOLD, 0, broken)) == (
        "the embeddings are not finite"
    )
    told = voices.problem(voices.heard_in(TABLE, FOLD, 0, broken))
    assert told == "the speakers' vectors are not finite"
