from __future__ import annotations

import io
import tarfile
from pathlib import Path

import pytest
import soundfile

from serbench.benchmarks import Distribution, crema_d, protocols
from serbench.benchmarks.auditing.audit import audit_corpus
from serbench.benchmarks.auditing.folds import audit_folds
from serbench.checks import check_benchmark
from serbench.errors import SerbenchError
from serbench.progress import Silent

CLASSES = dict.fromkeys(["anger", "disgust", "fear", "happiness"], 1271) | {
    "neutral": 1087,
    "sadness": 1271,
}


@pytest.fixture(scope="module")
def corpus(real_files, tmp_path_factory) -> Path:
    """Return the official layout: all names and tables, and the audio of the known defects."""
    root = tmp_path_factory.mktemp("corpus")
    with tarfile.open(real_files("corpora/crema-d.tar")) as tar:
        for member in tar:
            path = root / member.name
            if member.isdir():
                path.mkdir()
            elif path.suffix != ".opus":
                path.write_bytes(tar.extractfile(member).read())
            elif path.stem in crema_d.KNOWN_DEFECTS:
                wave, rate = soundfile.read(
                    io.BytesIO(tar.extractfile(member).read()), dtype="int16"
                )
                soundfile.write(path.with_suffix(".wav"), wave, rate)
            else:
                path.with_suffix(".wav").touch()
    return root / "crema-d"


@pytest.fixture(scope="module")
def table(corpus):
    return crema_d.make().read(corpus)


def test_it_keeps_the_contract_with_its_corpus(corpus):
    for labels in ("intended", "voice", "votes", "intensity"):
        assert check_benchmark("crema_d", {"labels": labels}, data=corpus.parent) == []


def test_counts(table):
    assert len(table) == 7442
    assert table["emotion"].value_counts().to_dict() == CLASSES
    assert tuple(CLASSES) == crema_d.make().task.labels
    assert sorted(table["speaker"].unique()) == [str(i) for i in range(1001, 1092)]
    speakers = table.drop_duplicates("speaker")["gender"].value_counts()
    assert speakers.to_dict() == {"male": 48, "female": 43}
    levels = table["utterance"].str[-2:].value_counts()
    assert levels.to_dict() == {"XX": 6077, "LO": 455, "MD": 455, "HI": 455}


def test_one_utterance(table):
    row = table.set_index("utterance").loc["1001_IEO_ANG_LO"]
    assert row["emotion"] == "anger"
    assert row["gender"] == "male"
    assert row["text"] == "It's eleven o'clock."
    assert Path(row["path"]).is_file()
    assert table["text"].nunique() == 12


def test_the_names_are_those_of_the_corpus_own_list(corpus, table):
    lines = (corpus / "SentenceFilenames.csv").read_text().splitlines()[1:]
    assert sorted(table["utterance"]) == sorted(line.split('"')[1] for line in lines)


def test_labels_by_vote_of_those_who_hear_the_voice(corpus, table):
    benchmark = crema_d.make(labels="voice")

    voted = benchmark.read(corpus)

    assert voted["emotion"].value_counts().to_dict() == {
        "neutral": 3897,
        "anger": 986,
        "fear": 645,
        "disgust": 547,
        "sadness": 370,
        "happiness": 353,
    }
    assert voted.index.tolist() == list(range(6798))
    intended = table.set_index("utterance")["emotion"]
    same = intended[voted["utterance"]].to_numpy() == voted["emotion"].to_numpy()
    assert same.sum() / 7442 == pytest.approx(0.416, abs=5e-4)
    assert benchmark.version != crema_d.make().version
    assert voted.attrs["left_out"] == {"no majority": 644}


def test_known_defects_are_there_and_do_not_stop_a_run(table):
    benchmark = crema_d.make()
    defective = table[table["utterance"].isin(list(benchmark.known_defects))]
    assert len(defective) == len(benchmark.known_defects)

    found = audit_corpus(benchmark, defective, Silent())

    assert {f.severity for f in found.findings if f.kind in ("silent", "identical")} == {"known"}
    assert sorted(f.utterance for f in found.findings if f.kind == "identical") == [
        *("1006_TIE_HAP_XX", "1006_TIE_NEU_XX", "1013_WSI_DIS_XX", "1013_WSI_SAD_XX"),
        *("1017_IWW_ANG_XX", "1017_IWW_FEA_XX"),
    ]
    assert [f.utterance for f in found.findings if f.kind == "silent"] == ["1076_MTI_SAD_XX"]
    told = {f.utterance: f.message for f in found.findings if f.severity == "known"}
    assert told == dict(benchmark.known_defects)
    assert len(found.usable()) == len(defective)


def test_folds_are_balanced(table):
    benchmark = crema_d.make()
    protocol = next(iter(benchmark.protocols.values()))()

    folds = protocol.split(table, benchmark.task)

    assert len(folds) == 5
    assert audit_folds(table, folds, protocol, benchmark.task) == []
    for fold in folds:
        tested = table.iloc[fold.test]
        assert tested["emotion"].value_counts().min() > 200
        women = tested[tested["gender"] == "female"]["speaker"].nunique()
        assert 8 <= women <= 9
        assert tested["speaker"].nunique() in (18, 19)


def test_what_is_missing_is_named(corpus, tmp_path):
    (tmp_path / "AudioWAV").symlink_to(corpus / "AudioWAV")

    with pytest.raises(SerbenchError) as caught:
        crema_d.make(labels="voice").read(tmp_path)

    assert "2 of 7444 files are missing" in str(caught.value)
    assert "(VideoDemographics.csv, processedResults/summaryTable.csv)" in str(caught.value)
    assert "Git LFS" in str(caught.value)


def test_the_name_of_one_clip_in_older_copies(corpus, tmp_path):
    for path in corpus.iterdir():
        if path.name != "AudioWAV":
            (tmp_path / path.name).symlink_to(path)
    (tmp_path / "AudioWAV").mkdir()
    for path in (corpus / "AudioWAV").iterdir():
        (tmp_path / "AudioWAV" / path.name).touch()
    current = tmp_path / "AudioWAV" / "1040_ITH_SAD_XX.wav"
    current.rename(current.with_name("1040_ITH_SAD_X.wav"))

    table = crema_d.make().read(tmp_path)

    row = table.set_index("utterance").loc["1040_ITH_SAD_XX"]
    assert Path(row["path"]).is_file()
    assert len(table) == 7442


def test_crema_d_has_what_those_heard_who_heard_the_voice(corpus):
    benchmark = crema_d.make(labels="votes")
    table = benchmark.read(corpus)
    assert isinstance(benchmark.task, Distribution)
    assert len(table) == 7442
    clip = table.set_index("utterance").loc["1001_IEO_HAP_LO"]
    assert clip["share:happiness"] == pytest.approx(3 / 9)
    assert clip["share:neutral"] == pytest.approx(6 / 9)
    # the majority of the same votes, as the corpus counts it
    voted = crema_d.make(labels="voice").read(corpus).set_index("utterance")
    shares = table.set_index("utterance").loc[voted.index, [*benchmark.task.columns]]
    assert (shares.idxmax(axis=1).str.removeprefix("share:") == voted["emotion"]).all()
    assert list(benchmark.task.audit(table)) == []
    people = table.drop_duplicates("speaker")
    assert people["race"].value_counts().to_dict() == {
        "Caucasian": 61, "African American": 22, "Asian": 7, "Unknown": 1,
    }  # fmt: skip
    for fold in benchmark.protocols["speaker_folds"]().split(table, benchmark.task):
        tested = table.iloc[fold.test].drop_duplicates("speaker")
        assert (tested["ethnicity"] == "Hispanic").sum() == 2
        assert 4 <= (tested["race"] == "African American").sum() <= 5
        assert 6 <= (tested["age_group"] == "20-29").sum() <= 7


def test_crema_d_has_how_strong_it_sounded(corpus):
    benchmark = crema_d.make(labels="intensity")
    table = benchmark.read(corpus).set_index("utterance")
    assert benchmark.task.columns == ("intensity",)
    assert table.loc["1001_IEO_HAP_LO", "intensity"] == 62
    assert table["intensity"].between(0, 100).all()


def test_what_was_there_first_keeps_its_folds():
    for labels in ("intended", "voice"):
        build = crema_d.make(labels=labels).protocols["speaker_folds"]
        assert protocols.complete(build, {})["balance"] == ("gender",)
