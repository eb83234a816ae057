from __future__ import annotations

from pathlib import Path

import pytest

from serbench.benchmarks import emodb
from serbench.benchmarks.auditing.audit import audit_corpus
from serbench.benchmarks.reading.audio import durations
from serbench.errors import SerbenchError
from serbench.progress import Silent

# As its authors count them.
CLASSES = {
    "anger": 127,
    "boredom": 81,
    "disgust": 46,
    "fear": 69,
    "happiness": 71,
    "neutral": 79,
    "sadness": 62,
}


@pytest.fixture(scope="module")
def table(corpora):
    return emodb.make().read(corpora / "emodb")


def test_counts(table):
    benchmark = emodb.make()
    assert len(table) == 535
    assert table["emotion"].value_counts().to_dict() == CLASSES
    assert tuple(CLASSES) == benchmark.task.labels
    genders = table.groupby("gender")["speaker"].unique().map(sorted).to_dict()
    assert genders == {
        "female": ["08", "09", "13", "14", "16"],
        "male": ["03", "10", "11", "12", "15"],
    }


def test_one_utterance(table):
    row = table.set_index("utterance").loc["03a01Fa"]
    assert row["emotion"] == "happiness"
    assert row["speaker"] == "03"
    assert row["text"] == "Der Lappen liegt auf dem Eisschrank."
    assert Path(row["path"]).is_absolute()
    assert row[["start", "end", "session", "split"]].isna().all()
    assert table["text"].nunique() == 10


def test_lengths(table):
    seconds = durations(table)
    assert seconds.sum() / 3600 == pytest.approx(0.413, abs=5e-4)
    assert seconds.max() == pytest.approx(8.98, abs=5e-3)


def test_it_is_sound_and_its_folds_are_balanced(table):
    benchmark = emodb.make()
    found = audit_corpus(benchmark, table, Silent())

    assert found.findings == ()
    name, factory = next(iter(benchmark.protocols.items()))
    folds = factory().split(found.usable(), benchmark.task)
    assert (name, len(folds)) == ("speaker_folds", 5)
    for fold in folds:
        for rows in (fold.train, fold.valid, fold.test):
            part = table.iloc[rows]
            assert set(part["emotion"]) == set(CLASSES)
            assert set(part["gender"]) == {"female", "male"}
        assert table.iloc[fold.test]["speaker"].nunique() == 2


@pytest.mark.parametrize("name", emodb.make().protocols)
def test_protocols(table, name):
    benchmark = emodb.make()
    folds = benchmark.protocols[name]().split(table, benchmark.task)
    assert sum(len(fold.test) for fold in folds) == 535


def tree(folder: Path, corpora: Path) -> Path:
    """Return a folder with the names of all clips, without their audio."""
    (folder / "wav").mkdir()
    for path in (corpora / "emodb" / "wav").iterdir():
        (folder / "wav" / path.name).touch()
    return folder


def test_what_is_missing_is_named(corpora, tmp_path):
    folder = tree(tmp_path, corpora)
    for name in ("03a01Fa", "16b10Wb", "08a02La"):
        (folder / "wav" / f"{name}.wav").unlink()

    with pytest.raises(SerbenchError) as caught:
        emodb.make().read(folder)

    message = str(caught.value)
    assert f"3 of 535 files are missing in '{folder}'" in message
    assert "(wav/03a01Fa.wav, wav/08a02La.wav, wav/16b10Wb.wav)" in message
    assert "http://emodb.bilderbar.info/download/download.zip" in message


def test_more_files_are_left_aside(corpora, tmp_path):
    folder = tree(tmp_path, corpora)
    (folder / "wav" / "03a01Zz.wav").touch()
    (folder / "wav" / "._03a01Fa.wav").touch()

    assert len(emodb.make().read(folder)) == 535


@pytest.mark.parametrize("there", [True, False])
def test_no_corpus(tmp_path, there):
    folder = tmp_path / "emodb"
    if there:
        folder.mkdir()
    words = "535 of 535 files are missing" if there else "does not exist"

    with pytest.raises(SerbenchError, match=words) as caught:
        emodb.make().read(folder)

    assert "unpack it as 'emodb' in the data folder" in str(caught.value)


def test_no_data_folder():
    with pytest.raises(SerbenchError, match="--data or set SERBENCH_DATA"):
        emodb.make().read(None)
