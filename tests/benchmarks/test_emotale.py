from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from serbench.benchmarks import emotale
from serbench.benchmarks.auditing.audit import audit_corpus
from serbench.benchmarks.reading.audio import durations
from serbench.errors import SerbenchError
from serbench.progress import Silent

DIMENSIONS = ["arousal", "valence", "dominance"]


@pytest.fixture(scope="module")
def table(corpora):
    return emotale.make().read(corpora / "emotale")


@pytest.mark.parametrize(
    ("language", "clips", "speakers", "women"),
    [("all", 800, 18, 12), ("DK", 450, 18, 12), ("EN", 350, 14, 11)],
)
def test_counts(corpora, language, clips, speakers, women):
    table = emotale.make(language=language).read(corpora / "emotale")

    assert len(table) == clips
    assert table["speaker"].nunique() == speakers
    assert table[table["gender"] == "female"]["speaker"].nunique() == women
    assert table[table["gender"] == "male"]["speaker"].nunique() == speakers - women
    assert language == "all" or set(table["utterance"].str[:2]) == {language}


def test_targets_are_the_mean_of_three_annotators(corpora, table):
    """Published mean and standard deviation, and an independent mean of the raw ratings."""
    assert table[DIMENSIONS].mean().round(2).tolist() == [2.95, 2.61, 2.81]
    assert table[DIMENSIONS].std().round(2).tolist() == [0.90, 0.84, 0.78]
    raw = pd.read_csv(corpora / "emotale" / "annotations.csv").set_index("file")
    for dimension, letter in zip(DIMENSIONS, "AVD", strict=True):
        a, b, c = (raw.loc[table["utterance"] + ".wav", f"a{i}_{letter}"] for i in (1, 2, 3))
        expected = (a.to_numpy() + b.to_numpy() + c.to_numpy()) / 3
        np.testing.assert_allclose(table[dimension], expected, rtol=1e-15)


def test_one_utterance(table):
    row = table.set_index("utterance").loc["DK_001_A_1"]
    assert row["speaker"] == "001"
    assert row["gender"] == "female"
    assert row["text"] == "Dugen ligger på køleskabet."
    assert row[DIMENSIONS].tolist() == pytest.approx([13 / 3, 5 / 3, 14 / 3])
    assert Path(row["path"]).is_file()
    assert table["text"].value_counts().to_dict() == {
        text: 90 if text in emotale._SENTENCES["DK"] else 70 for text in table["text"].unique()
    }


def test_it_is_sound_and_its_folds_are_balanced(table):
    benchmark = emotale.make()
    found = audit_corpus(benchmark, table, Silent())

    assert found.findings == ()
    assert durations(table).sum() / 3600 == pytest.approx(0.617, abs=5e-4)
    folds = next(iter(benchmark.protocols.values()))().split(found.usable(), benchmark.task)
    assert len(folds) == 6
    for fold in folds:
        tested = table.iloc[fold.test].drop_duplicates("speaker")["gender"].value_counts()
        assert tested.to_dict() == {"female": 2, "male": 1}


@pytest.mark.parametrize("language", ["all", "DK", "EN"])
@pytest.mark.parametrize("name", emotale.make().protocols)
def test_protocols(corpora, language, name):
    benchmark = emotale.make(language=language)
    table = benchmark.read(corpora / "emotale")
    folds = benchmark.protocols[name]().split(table, benchmark.task)
    assert sum(len(fold.test) for fold in folds) == len(table)
    assert all(len(set(table.iloc[fold.train]["gender"])) == 2 for fold in folds)


def test_languages_are_different_versions():
    versions = {emotale.make(language=language).version for language in ("all", "DK", "EN")}
    assert versions == {"1", "1+DK", "1+EN"}


@pytest.fixture
def copy(corpora, tmp_path) -> Path:
    """Return the corpus' tables with the names of all clips, without their audio."""
    for name in ("annotations.csv", "speaker_info.csv"):
        shutil.copy(corpora / "emotale" / name, tmp_path)
    (tmp_path / "wav").mkdir()
    for path in (corpora / "emotale" / "wav").iterdir():
        (tmp_path / "wav" / path.name).touch()
    return tmp_path


def test_what_is_missing_is_named(copy):
    for path in list((copy / "wav").glob("EN_*")):
        path.unlink()
    (copy / "speaker_info.csv").unlink()

    with pytest.raises(SerbenchError) as caught:
        emotale.make().read(copy)

    assert "351 of 802 files are missing" in str(caught.value)
    assert "wav/EN_001_A_1.wav" in str(caught.value)
    assert "and 346 more" in str(caught.value)
    assert "github.com/snehadas/EmoTale" in str(caught.value)


def test_a_table_that_is_cut_short(copy):
    lines = (copy / "annotations.csv").read_text().splitlines(keepends=True)
    (copy / "annotations.csv").write_text("".join(lines[:-2]))

    with pytest.raises(SerbenchError, match=r"annotations.csv' lacks 2 of 800 rows \(first: EN_"):
        emotale.make().read(copy)


def test_a_table_that_is_another(copy):
    (copy / "annotations.csv").write_text("file;a1_A\n")

    with pytest.raises(
        SerbenchError,
        match=r"annotations.csv' is not the table .* it has no column file, a1_A",
    ):
        emotale.make().read(copy)


def test_a_rating_that_is_empty_is_a_missing_target_and_no_number_is_told(copy, corpora):
    text = (copy / "annotations.csv").read_text()
    (copy / "annotations.csv").write_text(text.replace("DK_001_A_1.wav,4.0,", "DK_001_A_1.wav,,"))

    table = emotale.make().read(copy)

    assert table.index[table["arousal"].isna()].tolist() == [0]
    (copy / "annotations.csv").write_text(text.replace("DK_001_A_1.wav,4.0,", "DK_001_A_1.wav,?,"))
    with pytest.raises(SerbenchError, match=r"first: '\?' in the row of DK_001_A_1\.wav"):
        emotale.make().read(copy)
