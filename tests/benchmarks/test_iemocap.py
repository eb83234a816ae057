from __future__ import annotations

import csv
from pathlib import Path

import pytest

from serbench.benchmarks import iemocap, iemocap_dimensions
from serbench.benchmarks.auditing.folds import audit_folds
from serbench.benchmarks.splitting.hashes import part_hash, parts
from serbench.errors import SerbenchError

from .trees import iemocap as tree

TINY = [
    ("Ses01F_impro01_F000", "neu"),
    ("Ses01F_impro01_M000", "exc"),
    ("Ses01F_impro01_M001", "fru"),
    ("Ses01M_script02_2_F003", "hap"),
    ("Ses02M_impro08_M010", "ang"),
    ("Ses03F_impro05_F001", "sad"),
    ("Ses04F_impro05_F001", "xxx"),
    ("Ses05M_script01_1b_M002", "sad"),
]

# Of s3prl's own code with torch: utterances, and hashes of the ids, of train, valid and test.
SUPERB = {
    1: (3556, 890, 1085, "c22adbef3f9af132", "81f022a7013b2f04", "51cd40131d154f0b"),
    2: (3606, 902, 1023, "825e3310340e8574", "99fab34a5c23ff9f", "feb36442a844ae2f"),
    3: (3504, 876, 1151, "68a34489d6889a0b", "36509928efafbd58", "cf67893b615a6c6a"),
    4: (3600, 900, 1031, "4f61383808206b39", "b7c5f2815b4fd47e", "338d531453c240ca"),
    5: (3432, 858, 1241, "ac06806095c7d6d2", "5760897836dd6cc8", "d9c3e6c7e7b01a44"),
}
FIRST = [
    *("Ses02M_impro05_F008", "Ses04F_impro07_F066", "Ses01M_impro03_F010"),
    *("Ses01M_script03_1_F015", "Ses02F_impro03_M024"),
]


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    root = tmp_path_factory.mktemp("whole") / tree.FOLDER
    tree.grow(root)
    return root


@pytest.fixture(scope="module")
def published(real_files, tmp_path_factory):
    """Return the table of the turns that SUPERB lists, out of a tree in the official format."""
    root = tmp_path_factory.mktemp("published") / tree.FOLDER
    with real_files("reference/superb_iemocap.csv").open() as file:
        tree.grow(root, [(row["utterance"], row["emotion"]) for row in csv.DictReader(file)])
    return iemocap.make().read(root)


def test_a_turn_is_who_talks_last_not_who_wears_the_markers(tmp_path):
    tree.grow(tmp_path, TINY)
    table = iemocap.turns("iemocap", tmp_path).set_index("utterance")
    assert table["speaker"].to_list() == ["1F", "1M", "1M", "1F", "2M", "3F", "4F", "5M"]
    row = table.loc["Ses01M_script02_2_F003"]
    assert (row["gender"], row["session"], row["speech"]) == ("female", "1", "scripted")
    assert row["text"] == "What Ses01M_script02_2_F003 says."
    assert Path(row["path"]).parts[-3:] == ("wav", "Ses01M_script02_2", f"{row.name}.wav")
    # [V, A, D] in the file
    first = table.loc["Ses01F_impro01_F000"]
    assert (first["arousal"], first["valence"], first["dominance"]) == (1.5, 2.0, 2.5)


def test_four_classes_and_all_turns_of_a_whole_release(whole):
    table = iemocap.make().read(whole)
    assert len(table) == 5531
    assert set(table["emotion"]) == {"neutral", "happiness", "anger", "sadness"}
    assert len(iemocap_dimensions.make().read(whole)) == 10039
    sizes = {s: len(iemocap.make(speech=s).read(whole)) for s in ("improvised", "scripted")}
    assert sum(sizes.values()) == 5531


def test_means_off_the_scale_are_put_at_its_end(whole, tmp_path):
    root = tmp_path / tree.FOLDER
    tree.grow(root)
    file = root / "Session1/dialog/EmoEvaluation/Ses01F_impro01.txt"
    file.write_text(
        file.read_text().replace("[2.0000, 1.5000, 2.5000]", "[5.5000, 0.5000, 2.5000]")
    )
    table = iemocap_dimensions.make().read(root)
    assert (table["valence"].max(), table["arousal"].min()) == (5.0, 1.0)


def test_a_part_of_the_release_is_told_by_session(tmp_path):
    tree.grow(tmp_path, TINY)
    with pytest.raises(SerbenchError, match="has 5531 turns of the four classes, here are 6"):
        iemocap.make().read(tmp_path)
    with pytest.raises(SerbenchError, match=r"here are 8 \(Session1 4 of 1819, Session2 1 of 1811"):
        iemocap_dimensions.make().read(tmp_path)


def test_a_recording_or_a_transcript_that_is_missing_is_named(tmp_path):
    tree.grow(tmp_path, TINY)
    wave = tmp_path / "Session3/sentences/wav/Ses03F_impro05/Ses03F_impro05_F001.wav"
    wave.unlink()
    with pytest.raises(SerbenchError, match=r"1 of 8 files are missing .*Ses03F_impro05_F001\.wav"):
        iemocap.make().read(tmp_path)
    wave.touch()
    (tmp_path / "Session2/dialog/transcriptions/Ses02M_impro08.txt").write_text("")
    with pytest.raises(SerbenchError, match=r"1 rated turns have no line .*Ses02M_impro08_M010"):
        iemocap.make().read(tmp_path)


def test_the_talkers_of_the_published_turns(published):
    counts = published.groupby(["session", "speaker"]).size().to_list()
    assert counts == [528, 557, 481, 542, 522, 629, 528, 503, 590, 651]
    assert published["emotion"].value_counts().to_dict() == {
        "neutral": 1708,
        "happiness": 1636,
        "anger": 1103,
        "sadness": 1084,
    }


def test_superb_is_the_split_of_s3prl_turn_by_turn(published):
    benchmark = iemocap.make()
    protocol = benchmark.protocols["superb"]()
    folds = protocol.split(published, benchmark.task)
    shuffled = published.sample(frac=1, random_state=1).reset_index(drop=True)
    for table, made in ((published, folds), (shuffled, protocol.split(shuffled, benchmark.task))):
        for fold, expected, first in zip(made, SUPERB.values(), FIRST, strict=True):
            sizes = [len(rows) for _, rows in parts(fold)]
            hashes = [part_hash(table, rows) for _, rows in parts(fold)]
            assert (*sizes, *hashes) == expected
            assert table["utterance"].iloc[fold.valid[0]] == first


def test_superb_shares_speakers_with_validation_alone_and_says_so(published):
    benchmark = iemocap.make()
    protocol = benchmark.protocols["superb"]()
    assert not protocol.speaker_dependent
    folds = protocol.split(published, benchmark.task)
    assert audit_folds(published, folds, protocol, benchmark.task) == []
    strict = benchmark.protocols["leave_one_session_out"]()
    kinds = {f.kind for f in audit_folds(published, folds, strict, benchmark.task)}
    assert kinds == {"shared_speaker", "shared_session"}


@pytest.mark.parametrize(
    ("name", "folds"), [("leave_one_session_out", 5), ("leave_one_speaker_out", 10)]
)
@pytest.mark.parametrize("module", [iemocap, iemocap_dimensions])
def test_strict_folds(whole, module, name, folds):
    benchmark = module.make()
    table = benchmark.read(whole)
    protocol = benchmark.protocols[name]()
    made = protocol.split(table, benchmark.task)
    assert (len(made), protocol.shares) == (folds, frozenset())
    assert not [
        f for f in audit_folds(table, made, protocol, benchmark.task) if f.severity == "error"
    ]
