"""What a sweep says of its cost before it starts."""

from __future__ import annotations

from pathlib import Path

from serbench.progress import Silent
from serbench.runs.grids import costs
from serbench.runs.grids import grid as grids
from serbench.runs.grids.corpora import Corpora
from serbench.runs.grids.plan import plan


def features(upstream: str, corpus: Path, tmp_path: Path) -> str:
    raw = {"upstream": upstream, "downstream": "mean_pool", "benchmark": str(corpus)}
    (said,) = costs.checked(plan(grids.made(raw, {}), tmp_path), Corpora(None, Silent()))
    return said


def test_features_of_weights_that_are_adapted_first_are_not_known_before(
    corpus: Path, tmp_path: Path
) -> None:
    assert "papt_hubert, not known yet" in features("papt_hubert", corpus, tmp_path)
    assert "not known" not in features("hubert", corpus, tmp_path)
