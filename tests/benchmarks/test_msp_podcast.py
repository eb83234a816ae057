from __future__ import annotations

import json

import pytest

from serbench.benchmarks import msp_podcast
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


def test_a_release_without_parts_is_refused(tmp_path):
    root = tmp_path / tree.FOLDER
    tree.grow(root)
    (root / "Partitions.txt").unlink()
    labels = root / "Labels" / "labels_consensus.csv"
    labels.write_text(labels.read_text().replace("Development", "Held"))
    with pytest.raises(SerbenchError, match=r"16 turns are in no part .* releases before 1.6"):
        msp_podcast.make().read(root)
