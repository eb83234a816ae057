"""Runs whose training part is weighted by who is tested: what changes, and what a record says."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile
from pandas import DataFrame

import serbench
from serbench.errors import SerbenchError
from serbench.leaderboard import notes, store
from serbench.runs.recipe import resolve
from serbench.runs.result import Outcome

from .test_postprocessed_runs import QUICK, write_corpus


@pytest.fixture(scope="module")
def rated(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a corpus of dimensions; nobody writes to it."""
    return write_corpus(tmp_path_factory.mktemp("rated"), "regression")


def run(benchmark: Path, results: Path, weighting: Any = None, **keys: Any) -> Outcome:
    training = {**QUICK["training"], **({"weighting": weighting} if weighting else {})}
    return serbench.run(
        **{**QUICK, "training": training, **keys}, benchmark=benchmark, results=results
    )


def predicted(outcome: Outcome) -> DataFrame:
    return store.load_result(outcome.path).predictions


def test_weights_of_one_are_no_weights_bit_for_bit(rated: Path, tmp_path: Path) -> None:
    plain = run(rated, tmp_path)
    ones = run(rated, tmp_path, {"strength": 0.0})
    weighted = run(rated, tmp_path, {"nearest": 1, "strength": 50.0})
    assert predicted(ones).equals(predicted(plain))
    assert not predicted(weighted).equals(predicted(plain))
    assert len({each.result.digest for each in (plain, ones, weighted)}) == 3


def test_whoever_is_heard_is_told(rated: Path, tmp_path: Path) -> None:
    weighted = run(rated, tmp_path, {"nearest": 1})
    assert weighted.result.transductive
    assert any(
        "training was led by the audio" in told for told in notes.about_setting(weighted.result)
    )
    enrolled = run(rated, tmp_path, {"nearest": 1}, enrol={"amount": 2, "aside": 3})
    assert not enrolled.result.transductive
    assert enrolled.result.weighted is not None
    assert enrolled.result.weighted.heard == "enrol"
    with pytest.raises(SerbenchError, match="of whom nothing is heard"):
        run(rated, tmp_path, {"nearest": 1}, enrol={"amount": 0, "aside": 3})


def test_the_setting_moves_no_other_digest(rated: Path) -> None:
    raw = {**QUICK, "benchmark": str(rated)}
    said = {**raw, "training": {**QUICK["training"], "weighting": None}}
    assert resolve(said).digest() == resolve(raw).digest()
    assert "weighting" not in resolve(raw).plain()["training"]


@pytest.mark.parametrize("of", ["own", "compare"])
def test_functionals_are_those_of_others_code(tmp_path: Path, of: str) -> None:
    """Of scipy and numpy on Kaldi's MFCC, and of openSMILE called by itself."""
    wave = np.random.default_rng(0).normal(0, 0.1, 16_000).astype(np.float32)
    soundfile.write(tmp_path / "a.wav", wave, 16_000, subtype="FLOAT")
    extractor = serbench.FeatureExtractor("functionals", set=of)
    found = extractor.transform([tmp_path / "a.wav"])[0]
    if of == "compare":
        import opensmile

        smile = opensmile.Smile(
            opensmile.FeatureSet.ComParE_2016, opensmile.FeatureLevel.Functionals
        )
        expected = smile.process_file(tmp_path / "a.wav").to_numpy()[0]
    else:
        from scipy.stats import skew

        frames = serbench.FeatureExtractor("mfcc").frames([tmp_path / "a.wav"])[0].astype(float)
        frames = frames.reshape(-1, 39)
        quantiles = np.quantile(frames, [0.1, 0.5, 0.9], axis=0)
        expected = np.concatenate([frames.mean(0), frames.std(0), skew(frames), *quantiles])
    np.testing.assert_allclose(found.ravel(), expected, rtol=2e-3, atol=2e-3)
