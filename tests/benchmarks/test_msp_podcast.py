from __future__ import annotations

import json

import pytest

from serbench.benchmarks import msp_podcast
from serbench.benchmarks.auditing.sharing import imbalance
from serbench.benchmarks.auditing.summary import summary
from serbench.benchmarks.reading.names import as_texts
from serbench.benchmarks.splitting import protocols
from serbench.errors import SerbenchError

from .trees import msp_podcast as tree


@pytest.fixture(scope="module")
def root(tmp_path_factory):
    root = tmp_path_factory.mktemp("data") / tree.FOLDER
    tree.grow(root)
    return root


def split(root, name="corpus_split", **options):
    benchmark = msp_podcast.make(**options)
    table = benchmark.read(root)
    (fold,) = benchmark.protocols[name]().split(table, benchmark.task)
    return table, fold


def ids(table, rows):
    return set(table["speaker"].iloc[rows])


def test_the_parts_of_the_release_with_each_test_apart(root):
    table, fold = split(root)
    assert ids(table, fold.train) == {"1", "2", "3", "Unknown"}
    assert ids(table, fold.valid) == {"4", "5"}
    assert {name: ids(table, rows) for name, rows in fold.tests.items()} == {
        "test1": {"11", "12", "7"},
        "test2": {"21", "22"},
    }
    assert len(fold.test) == 40
    unrated = table.iloc[fold.unlabelled]
    assert unrated["utterance"].to_list() == [f"MSP-PODCAST_test3_{i:04}" for i in range(3)]
    assert unrated["valence"].isna().all()


def test_columns_are_of_the_dimensions_that_they_say(root):
    row = split(root)[0].set_index("utterance").loc["MSP-PODCAST_0000_0001"]
    assert (row["arousal"], row["valence"], row["dominance"]) == (2.0, 4.0, 6.0)
    assert (row["speaker"], row["gender"]) == ("1", "male")


def test_shares_of_raters_out_of_either_form_of_the_detailed_labels(root, tmp_path):
    table, _ = split(root, task="classes")
    rated = table[table["split"] != "unlabelled"]
    # of three raters one chose none of the classes
    assert (rated[["share:neutral", "share:anger"]] == 0.5).all(axis=None)
    assert set(rated["emotion"]) == set(msp_podcast.make(task="classes").task.labels)
    older = tmp_path / tree.FOLDER
    tree.grow(older)
    lines = (older / "Labels" / "labels_detailed.csv").read_text().splitlines()[1:]
    told: dict[str, dict[str, object]] = {}
    for file, worker, choice in (line.split(",") for line in lines):
        told.setdefault(file, {})[worker] = {"EmoClass_Major": [choice]}
    (older / "Labels" / "labels_detailed.csv").unlink()
    (older / "Labels" / "labels_detailed.json").write_text(json.dumps(told))
    again, _ = split(older, task="classes")
    columns = [name for name in table if name.startswith("share:")]
    assert again[columns].equals(table[columns])


def test_raters_who_chose_nothing_are_no_table_of_raters(tmp_path):
    root = tmp_path / tree.FOLDER
    tree.grow(root)
    (root / "Labels" / "labels_detailed.csv").unlink()
    told = {"MSP-PODCAST_0000_0001.wav": {"WORKER1": {"EmoClass_Major": []}}}
    (root / "Labels" / "labels_detailed.json").write_text(json.dumps(told))
    with pytest.raises(SerbenchError, match="is not the table of raters of this corpus"):
        split(root, task="classes")


def test_an_older_release_is_read_by_its_own_names(root, tmp_path):
    older = tmp_path / tree.FOLDER
    tree.grow(older)
    (older / "Partitions.txt").unlink()
    (older / "Audios").rename(older / "Audio")
    labels = older / "Labels"
    (labels / "labels_consensus.csv").rename(labels / "labels_concensus.csv")
    table, fold = split(older)
    assert len(fold.unlabelled) == 0
    now, _ = split(root)
    assert set(now["utterance"]) - set(table["utterance"]) == {
        f"MSP-PODCAST_test3_{i:04}" for i in range(3)
    }


def test_the_tests_of_tran_by_speaker_and_seconds(tmp_path):
    root = tmp_path / tree.FOLDER
    tree.grow(root, seconds=60)
    earlier = tmp_path / "labels_1.6.csv"
    lines = (root / "Labels" / "labels_consensus.csv").read_text().splitlines()
    earlier.write_text(
        "\n".join(line for line in lines if ",7,Male" not in line and ",7,F" not in line)
    )

    table, fold = split(root, "tran", earlier=str(earlier))

    assert ids(table, fold.train) == {"1", "2", "3"}
    named = {name: table.iloc[rows] for name, rows in fold.tests.items()}
    assert list(named) == ["test_b", "test_a", "test_c"]
    # three turns of 60 s each are not longer than 200 s, four are
    assert named["test_a"]["utterance"].str[-4:].value_counts().to_dict() == {
        "0000": 2,
        "0001": 2,
        "0002": 2,
    }
    assert set(named["test_a"]["speaker"]) == set(named["test_b"]["speaker"]) == {"11", "12"}
    assert set(named["test_c"]["speaker"]) == {"7"}
    assert len(named["test_c"]) == 8
    assert list(split(root, "tran")[1].tests) == ["test_b", "test_a"]
    predicted = table["utterance"].iloc[fold.unlabelled].to_list()
    assert predicted == [f"MSP-PODCAST_test3_{i:04}" for i in range(3)]


def test_what_is_missing_is_told(tmp_path):
    root = tmp_path / tree.FOLDER
    tree.grow(root)
    wave = root / "Audios" / "MSP-PODCAST_0001_0003.wav"
    wave.unlink()
    with pytest.raises(SerbenchError, match=r"1 of 91 files are missing .*0001_0003"):
        msp_podcast.make().read(root)
    wave.touch()
    labels = root / "Labels" / "labels_consensus.csv"
    labels.write_text(labels.read_text().replace("EmoVal", "Valence"))
    with pytest.raises(
        SerbenchError, match="it has no column EmoVal, but FileName, EmoClass, EmoA"
    ):
        msp_podcast.make().read(root)
    labels.unlink()
    with pytest.raises(SerbenchError, match=r"Labels/labels_consensus\.csv"):
        msp_podcast.make().read(root)
    with pytest.raises(SerbenchError, match=r"but '.*MSP-PODCAST-Publish-1.11' does: rename it"):
        root.rename(tmp_path / "MSP-PODCAST-Publish-1.11")
        msp_podcast.make().read(root)


@pytest.mark.parametrize("cut", ["at a line's end", "within a line"])
def test_labels_that_end_too_early_are_told_by_the_parts(cut, tmp_path):
    root = tmp_path / tree.FOLDER
    tree.grow(root, seconds=0.1)
    labels = root / "Labels" / "labels_consensus.csv"
    lines = labels.read_text().splitlines()[:-16]
    lines[-1] = lines[-1] if cut == "at a line's end" else ",".join(lines[-1].split(",")[:4])
    labels.write_text("\n".join(lines) + "\n")
    lacking = 16 if cut == "at a line's end" else 17
    with pytest.raises(SerbenchError, match=rf"{lacking} of 88 turns .* no labels in .*get it ag"):
        msp_podcast.make().read(root)


def test_what_is_told_of_unknown_speakers_leaves_out_what_is_not_scored(root):
    benchmark = msp_podcast.make()
    table = as_texts(benchmark.read(root)).assign(seconds=1.0, rate=16000)
    told = dict(summary(table, benchmark.task))["unknown"]
    assert told == "11 utterances have an unknown speaker, 3 of them without labels"
    with pytest.raises(SerbenchError, match=r"8 of 88 .* benchmark.unknown=dropped"):
        protocols.speaker_folds(k=3).split(table, benchmark.task)
    dropped = as_texts(msp_podcast.make(unknown="dropped").read(root))
    assert len(protocols.speaker_folds(k=3).split(dropped, benchmark.task)) == 3


def test_the_parts_of_a_fold_are_told_with_each_test(root):
    table, fold = split(root)
    (row,) = imbalance(table, [fold], msp_podcast.make().task)
    parts = ("train", "valid", "test", "test1", "test2", "unlabelled")
    assert [row[part] for part in parts] == [32, 16, 40, 24, 16, 3]


def test_a_release_without_parts_is_refused(tmp_path):
    root = tmp_path / tree.FOLDER
    tree.grow(root)
    (root / "Partitions.txt").unlink()
    labels = root / "Labels" / "labels_consensus.csv"
    labels.write_text(labels.read_text().replace("Development", "Held"))
    with pytest.raises(
        SerbenchError, match=r"16 of 88 turns are in no part .* releases before 1.6"
    ):
        msp_podcast.make().read(root)


def test_what_is_half_there_is_told_as_that(tmp_path):
    root = tmp_path / tree.FOLDER
    tree.grow(root, seconds=0.1)
    parts, labels = root / "Partitions.txt", root / "Labels" / "labels_consensus.csv"
    votes, whole = root / "Labels" / "labels_detailed.csv", {}
    for file in (parts, labels, votes):
        whole[file] = file.read_text()

    def told(file, text, letters="utf-8"):
        file.write_text(text, letters)
        try:
            table = msp_podcast.make(task="classes").read(root)
        except SerbenchError as error:
            return str(error)
        finally:
            file.write_text(whole[file])
        return len(table)

    everything = told(parts, whole[parts])
    assert all(told(file, whole[file], "utf-16") == everything for file in whole)
    assert "are not listed in Partitions.txt (first: " in told(
        parts, "\n".join(whole[parts].splitlines()[:20])
    )
    assert "have no rater in labels_detailed (first: " in told(votes, whole[votes][:1000])
    assert "have no rater in labels_detailed" in told(votes, whole[votes].splitlines()[0])
    assert "cannot be read as a table" in told(votes, "")
    odd = whole[labels].replace(",N,", ",Z,", 1)
    assert "1 cells of 'EmoClass' are no class of this corpus (first: 'Z'" in told(labels, odd)


def test_what_classes_leave_out_is_counted(tmp_path):
    root = tmp_path / tree.FOLDER
    tree.grow(root, seconds=0.1)
    labels = root / "Labels" / "labels_consensus.csv"
    labels.write_text(labels.read_text().replace(",N,", ",X,", 1).replace(",A,", ",O,", 1))
    table = msp_podcast.make(task="classes", unknown="dropped").read(root)
    counted = table.attrs["left_out"]
    assert (counted["no agreement"], counted["other emotions"]) == (1, 1)
    assert counted["Unknown"] > 0


def test_parts_that_contradict_each_other_are_told(tmp_path):
    root = tmp_path / tree.FOLDER
    tree.grow(root, seconds=0.1)
    parts, labels = root / "Partitions.txt", root / "Labels" / "labels_consensus.csv"
    whole, rated = parts.read_text(), labels.read_text()
    first = next(line for line in whole.splitlines() if line.startswith("Train"))
    cases = {
        whole.replace(first, first.replace("Train", "Test1")): "1 turns are in another part by",
        whole + first.replace("Train", "Test2") + "\n": "1 turns are in two parts",
        whole[:-30]: "1 lines are not like",
    }
    for text, said in cases.items():
        parts.write_text(text)
        with pytest.raises(SerbenchError, match=said):
            msp_podcast.make().read(root)
    parts.unlink()
    labels.write_text(rated.rstrip("\n").rpartition(",")[0] + "\n")
    with pytest.raises(
        SerbenchError, match=r"1 of 88 turns are in no part .* an empty cell, as of"
    ):
        msp_podcast.make().read(root)


def test_what_dimensions_leave_out_is_not_called_by_a_class(tmp_path):
    root = tmp_path / tree.FOLDER
    tree.grow(root, seconds=0.1)
    (root / "Partitions.txt").unlink()
    labels = root / "Labels" / "labels_consensus.csv"
    header, row, *rows = labels.read_text().splitlines()
    cells = row.split(",")
    cells[2] = ""
    labels.write_text("\n".join([header, ",".join(cells), *rows]) + "\n")
    assert msp_podcast.make().read(root).attrs["left_out"] == {"not rated": 1}
