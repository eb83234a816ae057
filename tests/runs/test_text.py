"""Runs on transcripts: end to end without audio, and what a corpus without them is told."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import soundfile

from serbench.errors import SerbenchError
from serbench.leaderboard import store
from serbench.progress import Silent
from serbench.runs import recipe
from serbench.runs.result import Outcome
from serbench.runs.run import run_recipe
from serbench.training import waveforms

TEXT = {"name": "bert", "weights": "tiny-random"}
SPOKEN = {"calm": "it is seven o'clock", "loud": "the airplane is almost full"}


def write(folder: Path, texts: dict[str, str]) -> Path:
    """Write a corpus of noise whose transcripts tell everything, by emotion."""
    rng = np.random.default_rng(0)
    rows = ["path,speaker,emotion,text"]
    for speaker in range(6):
        for clip in range(6):
            emotion = ("calm", "loud")[clip % 2]
            wave = rng.normal(0, 0.1, 8000 + 100 * clip)
            soundfile.write(folder / f"{speaker}_{clip}.wav", wave, 16_000)
            rows.append(f"{speaker}_{clip}.wav,{speaker},{emotion},{texts.get(emotion, '')}")
    (folder / "utterances.csv").write_text("\n".join(rows))
    path = folder / "benchmark.toml"
    path.write_text(
        'name = "own"\nversion = "1"\ntable = "utterances.csv"\n'
        'task = "classification"\nlabels = ["calm", "loud"]\n'
        '[protocol]\nname = "speaker_folds"\nk = 3\n'
    )
    return path


def run(benchmark: Any, results: Path, data: Path | None = None, **training: Any) -> Outcome:
    training = {"learning_rates": [1e-2], "epochs": 20} | training
    raw = {"upstream": TEXT, "downstream": "mean_pool", "training": training}
    made = recipe.resolve(raw | {"benchmark": benchmark})
    return run_recipe(made, data=data, results=results, progress=Silent())


@pytest.mark.parametrize("finetune", [False, True])
def test_what_the_text_tells_is_found_without_the_audio(
    finetune: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: Any) -> None:
        pytest.fail("an upstream that reads needs no audio")

    monkeypatch.setattr(waveforms, "read_audio", refuse)
    outcome = run(str(write(tmp_path, SPOKEN)), tmp_path / "results", finetune=finetune)
    assert outcome.scores.rank == 1.0
    assert outcome.result.labels.weights == "tiny-random"
    assert outcome.result.provenance["trained_on"] == "nothing"


def test_the_random_encoder_runs_on_demo_with_the_name_it_has(tmp_path: Path) -> None:
    outcome = run("demo", tmp_path, epochs=2)
    assert outcome.result.complete
    assert outcome.result.labels.model_dump() == {
        "upstream": "bert",
        "weights": "tiny-random",
        "downstream": "mean_pool",
    }


def test_other_texts_give_other_predictions(tmp_path: Path) -> None:
    benchmark = write(tmp_path, SPOKEN)
    first = run(str(benchmark), tmp_path / "first", epochs=2)
    table = pd.read_csv(tmp_path / "utterances.csv")
    table["text"] = table["text"].str.replace("seven", "eleven")
    table.to_csv(tmp_path / "utterances.csv", index=False)
    second = run(str(benchmark), tmp_path / "second", epochs=2)
    one, other = (
        store.load_result(outcome.path).predictions.sort_values(["fold", "utterance"])
        for outcome in (first, second)
    )
    assert not np.allclose(one["score:loud"], other["score:loud"])


def test_a_corpus_without_all_texts_is_told_which_clips_lack_them(tmp_path: Path) -> None:
    benchmark = write(tmp_path, {"calm": SPOKEN["calm"]})
    with pytest.raises(
        SerbenchError,
        match=r"18 of 36 utterances have no text \(0_1.wav, 0_3.wav, 0_5.wav and 15 more\)",
    ):
        run(str(benchmark), tmp_path / "results")
    with pytest.raises(SerbenchError, match="18 of 36 utterances have no text"):
        run(str(benchmark), tmp_path / "results", finetune=True)


def fused(benchmark: Path, upstreams: list[Any], results: Path, **keys: Any) -> Outcome:
    raw = {"upstream": upstreams, "downstream": "mean_pool", "benchmark": str(benchmark)}
    training = {"learning_rates": [1e-2], "epochs": 1}
    made = recipe.resolve({"fusion": "late", "training": training} | raw | keys)
    return run_recipe(made, data=None, results=results, progress=Silent())


def test_text_and_speech_are_fused_late_and_not_early(tmp_path: Path) -> None:
    benchmark = write(tmp_path, SPOKEN)
    with pytest.raises(
        SerbenchError, match=r"^fbank reads speech, bert reads text: .* give --fusion late$"
    ):
        fused(benchmark, ["fbank", TEXT], tmp_path / "results", fusion="early")
    assert fused(benchmark, ["fbank", TEXT], tmp_path / "results").result.complete
    both = [TEXT, TEXT | {"layers": [0]}]
    assert fused(benchmark, both, tmp_path / "results", fusion="early").result.complete


def test_a_text_encoder_is_fine_tuned_before_the_head(tmp_path: Path) -> None:
    stage = {"epochs": 2, "batch": 4, "batch_seconds": 1.0}
    benchmark = write(tmp_path, SPOKEN)
    result = fused(benchmark, [TEXT], tmp_path / "results", fusion=None, finetune=stage).result
    assert result.finetuned is not None
    assert len(result.finetuned.checkpoints) == 3, "one a fold"
    assert result.finetuned.utterances == 12
    assert result.threads.keys() >= {"finetune"}
    assert result.provenance["id"] == "random, seed 0"
    assert result.labels.weights == "tiny-random"


@pytest.mark.parametrize("keys", [{}, {"finetune": True}], ids=["frozen", "fine-tuned"])
def test_missing_texts_are_found_before_another_upstream_works(
    keys: dict[str, Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: Any) -> None:
        pytest.fail("an upstream worked although another one has nothing to read")

    monkeypatch.setattr(waveforms, "read_audio", refuse)
    upstreams = ["fbank", {"name": "hubert", "weights": "nano"}, TEXT]
    with pytest.raises(
        SerbenchError, match=r"^upstream 3, bert: 18 of 36 utterances have no text \(0_1.wav, "
    ):
        fused(write(tmp_path, {"calm": "yes"}), upstreams, tmp_path / "results", **keys)


def test_missing_texts_are_named_where_nothing_else_encodes(tmp_path: Path) -> None:
    with pytest.raises(SerbenchError, match=r"^18 of 36 utterances have no text \(0_1.wav, "):
        run(str(write(tmp_path, {"calm": "yes"})), tmp_path / "results")


def test_remedies_name_the_upstream_as_settings_do(tmp_path: Path) -> None:
    upstreams = ["fbank", {"name": "mfcc", "layers": [9]}]
    with pytest.raises(
        SerbenchError, match=r"^upstream 2, mfcc: .* no layer 9; .* --set upstream.2.layers=all$"
    ):
        fused(write(tmp_path, SPOKEN), upstreams, tmp_path / "results")
    with pytest.raises(SerbenchError, match=r"^this upstream has no layer 9; .* upstream.layers="):
        fused(write(tmp_path, SPOKEN), upstreams[1:], tmp_path / "results", fusion=None)


@pytest.mark.slow
def test_twelve_sentences_in_all_emotions_tell_next_to_nothing(
    real_files: Callable[[str], Path], tmp_path: Path
) -> None:
    """On CREMA-D.

    Only one sentence was spoken in three intensities of each emotion but neutral. Whoever knows
    that and nothing but the sentence gets a UA of (11 / 12 + 3 / 14) / 6 = 0.189 at most, where
    chance is 0.167.
    """
    real_files("corpora/crema-d.tar")
    unpack = [sys.executable, real_files("corpora/unpack.py"), tmp_path / "data", "crema-d"]
    subprocess.run(unpack, check=True)
    outcome = run("crema_d", tmp_path / "results", tmp_path / "data", epochs=3)
    assert 0.15 < outcome.scores.rank < 0.19
