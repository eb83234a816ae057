"""Corpora of other libraries, as those libraries themselves write them, read as anyone's own."""

from __future__ import annotations

import gzip
import json
import os
import pickle
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import soundfile

from serbench import bounds
from serbench.benchmarks.reading import custom, foreign
from serbench.benchmarks.reading.importing import Target, import_corpus
from serbench.errors import SerbenchError
from serbench.progress import Progress, Silent

RATE = 8000
LABELS = Target()
CLIPS = [(f"s{s}", emotion) for s in range(3) for emotion in ("calm", "angry")]


@pytest.fixture
def clips(tmp_path: Path) -> list[Path]:
    """Return a file of another length for each of three speakers in two emotions."""
    found = []
    for number, (speaker, emotion) in enumerate(CLIPS):
        found.append(tmp_path / "wav" / f"{speaker}_{emotion}.wav")
        found[-1].parent.mkdir(exist_ok=True)
        noise = np.random.default_rng(number).normal(0, 0.1, RATE + 100 * number)
        soundfile.write(found[-1], noise, RATE)
    return found


def imported(
    source: Path,
    target: Path,
    *,
    called: dict[str, str],
    predicted: Target = LABELS,
    name: str = "mine",
    progress: Progress | None = None,
) -> Path:
    """Return the description of what was imported."""
    return import_corpus(
        source,
        target,
        called=called,
        name=name,
        predicted=predicted,
        progress=progress or Silent(),
    )


def check(description: Path, clips: list[Path]) -> pd.DataFrame:
    """Check that the table has who spoke how in which samples; return it."""
    benchmark = custom.read_benchmark(description)
    table = benchmark.read(None)
    assert benchmark.task.outputs == ("angry", "calm")
    assert sorted(zip(table["speaker"], table["emotion"], strict=True)) == sorted(CLIPS)
    for clip, (speaker, emotion) in zip(clips, CLIPS, strict=True):
        (row,) = table[(table["speaker"] == speaker) & (table["emotion"] == emotion)].index
        told = soundfile.read(table.loc[row, "path"])[0]
        np.testing.assert_array_equal(told, soundfile.read(clip)[0])
    return table


def test_parquet_files_of_datasets_with_audio_inside(tmp_path: Path, clips: list[Path]) -> None:
    datasets = pytest.importorskip("datasets")
    label = datasets.ClassLabel(names=["calm", "angry"])
    columns = {
        "audio": [{"bytes": clip.read_bytes(), "path": clip.name} for clip in clips],
        "speaker_id": [speaker for speaker, _ in CLIPS],
        "label": [emotion for _, emotion in CLIPS],
    }
    features = datasets.Features(
        {
            "audio": {"bytes": datasets.Value("binary"), "path": datasets.Value("string")},
            "speaker_id": datasets.Value("string"),
            "label": label,
        }
    )
    source = tmp_path / "hub"
    source.mkdir()
    made = datasets.Dataset.from_dict(columns, features=features)
    made.to_parquet(str(source / "train-00000-of-00001.parquet"))
    description = imported(source, tmp_path / "mine", called={})
    assert set(check(description, clips)["split"]) == {"train"}


def saved(datasets: Any, clips: list[Path], speakers: list[str]) -> Any:
    """Return a data set of the clips of some speakers, with audio inside, and numbers."""
    rows = [
        {
            "audio": {"bytes": clip.read_bytes(), "path": clip.name},
            "spk": speaker,
            "mood": emotion,
            "valence": float(clip.stat().st_size % 7),
            "calm": 3 - 2 * (emotion == "angry"),
            "angry": 1 + 2 * (emotion == "angry"),
        }
        for clip, (speaker, emotion) in zip(clips, CLIPS, strict=True)
        if speaker in speakers
    ]
    made = datasets.Dataset.from_list(rows)
    return made.cast_column("mood", datasets.ClassLabel(names=["calm", "angry"]))


def test_datasets_that_were_saved_to_disk_in_parts(tmp_path: Path, clips: list[Path]) -> None:
    datasets = pytest.importorskip("datasets")
    parts = zip(("train", "validation", "test"), ("s0", "s1", "s2"), strict=True)
    whole = datasets.DatasetDict({part: saved(datasets, clips, [who]) for part, who in parts})
    whole.save_to_disk(str(tmp_path / "disk"))
    called = {"speaker": "spk", "emotion": "mood"}
    description = imported(tmp_path / "disk", tmp_path / "mine", called=called)
    table = check(description, clips).set_index("speaker")
    assert {*table["split"].items()} == {("s0", "train"), ("s1", "valid"), ("s2", "test")}
    assert next(iter(custom.read_benchmark(description).protocols)) == "corpus_split"


def test_numbers_and_votes_are_what_is_predicted(tmp_path: Path, clips: list[Path]) -> None:
    datasets = pytest.importorskip("datasets")
    saved(datasets, clips, ["s0", "s1", "s2"]).save_to_disk(str(tmp_path / "disk"))
    called = {"speaker": "spk"}
    wanted = Target(dimensions=("valence",), scale=(0, 6))
    numbers = custom.read_benchmark(
        imported(tmp_path / "disk", tmp_path / "numbers", called=called, predicted=wanted)
    )
    assert (numbers.task.scales, numbers.task.ends) == (("valence",), (0.0, 6.0))
    assert numbers.read(None)["valence"].tolist() == [c.stat().st_size % 7 for c in clips]
    wanted = Target(shares={"calm": "calm", "angry": "angry"})
    votes = custom.read_benchmark(
        imported(tmp_path / "disk", tmp_path / "votes", called=called, predicted=wanted)
    )
    assert votes.task.kind == "distribution"
    assert votes.read(None)["share:angry"].tolist() == [0.25, 0.75] * 3
    absent = Target(shares={"calm": "calm", "angry": "anger"})
    with pytest.raises(SerbenchError, match="says nothing of 'anger'"):
        imported(tmp_path / "disk", tmp_path / "other", called=called, predicted=absent)
    words = Target(shares={"calm": "calm", "angry": "path"})
    with pytest.raises(SerbenchError, match="must be shares or counts of votes"):
        imported(tmp_path / "disk", tmp_path / "other", called=called, predicted=words)


def test_a_folder_of_audio_with_its_metadata(tmp_path: Path, clips: list[Path]) -> None:
    names = [clip.name for clip in clips]
    metadata = pd.DataFrame(CLIPS, columns=["spk", "emotion"]).assign(file_name=names)
    metadata.to_csv(clips[0].parent / "metadata.csv", index=False)
    source, target = clips[0].parent, tmp_path / "mine"
    with pytest.raises(SerbenchError, match=r"says nothing of 'speaker'.*--column speaker=NAME"):
        imported(source, target, called={})
    with pytest.raises(SerbenchError, match="did you mean 'spk'"):
        imported(source, target, called={"speaker": "spkr"})
    check(imported(source, target, called={"speaker": "spk"}), clips)
    with pytest.raises(SerbenchError, match="exists; name a new one"):
        imported(source, target, called={"speaker": "spk"})


@pytest.mark.parametrize("kind", ["cuts", "both"])
def test_manifests_of_lhotse(tmp_path: Path, clips: list[Path], kind: str) -> None:
    lhotse = pytest.importorskip("lhotse")
    recordings = lhotse.RecordingSet.from_recordings(
        lhotse.Recording.from_file(clip) for clip in clips
    )
    supervisions = lhotse.SupervisionSet.from_segments(
        lhotse.SupervisionSegment(
            id=f"u{number}",
            recording_id=clip.stem,
            start=0.0,
            duration=1.0,
            speaker=speaker,
            custom={"emotion": emotion},
        )
        for number, (clip, (speaker, emotion)) in enumerate(zip(clips, CLIPS, strict=True))
    )
    source = tmp_path / "manifests"
    source.mkdir()
    if kind == "cuts":
        cuts = lhotse.CutSet.from_manifests(recordings=recordings, supervisions=supervisions)
        cuts.to_file(source / "my_cuts.jsonl.gz")
    else:
        recordings.to_file(source / "recordings.jsonl.gz")
        supervisions.to_file(source / "supervisions.jsonl.gz")
    table = check(imported(source, tmp_path / "mine", called={}), clips)
    assert set(table["utterance"]) == {f"u{number}" for number in range(6)}
    assert (table["start"] == 0).all()
    assert (table["end"] == 1).all()


def save_database(folder: Path, clips: list[Path]) -> None:
    """Write the corpus in audformat, a table for the speakers and one for the emotions."""
    audformat = pytest.importorskip("audformat")
    database = audformat.Database("mine")
    people: dict[str, Any] = {f"s{s}": {"gender": "female" if s else "male"} for s in range(3)}
    database.schemes["speaker"] = audformat.Scheme(labels=people)
    database.schemes["emotion"] = audformat.Scheme(labels=["calm", "angry"])
    index = audformat.filewise_index([f"wav/{clip.name}" for clip in clips])
    for name, values in zip(("speaker", "emotion"), zip(*CLIPS, strict=True), strict=True):
        table = database[f"of.{name}"] = audformat.Table(index)
        table[name] = audformat.Column(scheme_id=name)
        table[name].set([*values])
    database.save(folder)


@pytest.mark.filterwarnings("ignore:The inplace keyword")  # in audformat
def test_a_database_in_audformat(tmp_path: Path, clips: list[Path]) -> None:
    save_database(tmp_path, clips)
    table = check(imported(tmp_path, tmp_path / "mine", called={}), clips)
    genders = table.groupby("speaker")["gender"].first()
    assert genders.to_dict() == {"s0": "male", "s1": "female", "s2": "female"}


def test_what_is_no_corpus_is_refused(tmp_path: Path) -> None:
    with pytest.raises(SerbenchError, match="no corpus that can be imported"):
        imported(tmp_path, tmp_path / "mine", called={})
    (tmp_path / "cuts.jsonl").write_text("{")
    with pytest.raises(SerbenchError, match="is not a manifest of JSON lines"):
        imported(tmp_path / "cuts.jsonl", tmp_path / "mine", called={})
    assert not (tmp_path / "mine").exists()


class Told(Silent):
    """Keeps what is told."""

    def __init__(self) -> None:
        self.texts: list[str] = []

    def tell(self, text: str) -> None:
        self.texts.append(text)


def spoken(name: str, start: float = 0.0) -> dict[str, Any]:
    """Return a supervision of a second in the recording "long"."""
    about = {"speaker": name, "custom": {"emotion": "calm"}}
    return {"id": name, "recording_id": "long", "start": start, "duration": 1.0, **about}


def write_cuts(path: Path, *cuts: dict[str, Any]) -> Path:
    recording = {"id": "long", "sources": [{"type": "file", "source": "long.wav"}]}
    path.write_text("".join(json.dumps({"recording": recording, **cut}) + "\n" for cut in cuts))
    return path


def test_cuts_that_give_no_utterance_are_counted_and_overlapping_ones_double_none(
    tmp_path: Path,
) -> None:
    cuts = write_cuts(
        tmp_path / "cuts.jsonl",
        {"id": "c1", "start": 0.0, "supervisions": [spoken("a"), spoken("b", 0.8)]},
        {"id": "c2", "start": 0.8, "supervisions": [spoken("b"), spoken("a", -0.8)]},
        {"id": "c3", "start": 5.0, "supervisions": []},
        {"id": "c4", "start": 6.0},
        {"id": "m1", "tracks": []},
    )
    told = Told()
    imported(cuts, tmp_path / "mine", called={}, progress=told)
    table = pd.read_csv(tmp_path / "mine" / "utterances.csv")
    assert table[["utterance", "start", "end"]].to_numpy().tolist() == [
        ["a", 0, 1],
        ["b", 0.8, 1.8],
    ]
    assert told.texts == [
        "warning: cuts without a supervision are left out: 2 (c3, c4)",
        "warning: mixed or padded cuts are left out: 1 (m1)",
    ]


def test_one_id_of_two_supervisions_is_refused(tmp_path: Path) -> None:
    cuts = write_cuts(
        tmp_path / "cuts.jsonl",
        {"id": "c1", "start": 0.0, "supervisions": [spoken("a")]},
        {"id": "c2", "start": 4.0, "supervisions": [spoken("b"), spoken("a", 1.0)]},
    )
    with pytest.raises(SerbenchError, match=r"to several supervisions.*: 1 \(a\); give"):
        imported(cuts, tmp_path / "mine", called={})


@pytest.mark.parametrize("packed", [False, True])
def test_a_manifest_that_is_cut_off_is_named_with_its_line(tmp_path: Path, *, packed: bool) -> None:
    whole = write_cuts(tmp_path / "cuts.jsonl", *[{"id": f"c{i}", "start": i} for i in range(3)])
    data = whole.read_bytes()[:-9]
    path = whole.with_suffix(".jsonl.gz") if packed else whole
    path.write_bytes(gzip.compress(whole.read_bytes())[:-30] if packed else data)
    line = r"line \d: Compressed file ended" if packed else "line 3: Unterminated"
    with pytest.raises(SerbenchError, match=rf"{line}.*; get it again$"):
        imported(path, tmp_path / "mine", called={})


def test_a_row_without_audio_is_named(tmp_path: Path, clips: list[Path]) -> None:
    heard = {"bytes": clips[0].read_bytes(), "path": "a.wav"}
    for silent in (None, {"bytes": None, "path": None}):
        table = pd.DataFrame({"audio": [heard, silent], "speaker": "s", "emotion": "calm"})
        table.to_parquet(tmp_path / "train-0.parquet")
        with pytest.raises(SerbenchError, match=r"train-0\.parquet' has no audio in row 1,"):
            imported(tmp_path, tmp_path / "mine", called={})


def test_a_folder_that_has_its_audio_can_be_moved(tmp_path: Path, clips: list[Path]) -> None:
    heard = [{"bytes": clip.read_bytes(), "path": clip.name} for clip in clips]
    table = pd.DataFrame(CLIPS, columns=["speaker", "emotion"]).assign(audio=heard)
    (tmp_path / "hub").mkdir()
    table.to_parquet(tmp_path / "hub" / "train-0.parquet")
    description = imported(tmp_path / "hub", tmp_path / "mine", called={})
    moved = description.parent.rename(tmp_path / "moved")
    assert set(check(moved / "benchmark.toml", clips)["path"].map(os.path.exists)) == {True}


@pytest.mark.parametrize(
    ("name", "said"), [("Demo", "taken by a benchmark"), ("my corpus", "letters, digits, _ and -")]
)
def test_a_name_that_no_benchmark_can_have_is_refused_before_anything_is_read(
    tmp_path: Path, name: str, said: str
) -> None:
    with pytest.raises(SerbenchError, match=f"{said}.* with --name"):
        imported(tmp_path / "nothing", tmp_path / "mine", called={}, name=name)


class Runs:
    """A pickle that writes a file when it is opened."""

    def __init__(self, mark: Path) -> None:
        self.mark = mark

    def __reduce__(self) -> Any:
        return Path.touch, (self.mark,)


@pytest.mark.filterwarnings("ignore:The inplace keyword")  # in audformat
def test_no_code_of_a_database_runs(tmp_path: Path, clips: list[Path]) -> None:
    """Which audformat would run: it prefers pickles of tables, and its YAML makes any object."""
    save_database(tmp_path, clips)
    mark = tmp_path / "ran"
    (tmp_path / "db.of.emotion.pkl").write_bytes(pickle.dumps(Runs(mark)))
    check(imported(tmp_path, tmp_path / "mine", called={}), clips)
    header = tmp_path / "db.yaml"
    header.write_text(f"{header.read_text()}x: !!python/object/apply:os.mkdir [{str(mark)!r}]\n")
    with pytest.raises(SerbenchError, match="could not determine a constructor for the tag"):
        imported(tmp_path, tmp_path / "other", called={})
    assert not mark.exists()
    yaml = pytest.importorskip("yaml")
    yaml.load(header.read_text(), Loader=yaml.CLoader)
    assert mark.exists(), "else the test says nothing"


MANIFESTS = {
    "nested": "[" * 100_000,
    "no table": "[1, 2]",
    "no id": '{"sources": []}',
    "no source": '{"id": "r", "sources": []}\n'
    '{"id": "u", "recording_id": "r", "start": 0, "duration": 1}',
    "no number": '{"id": "r", "sources": [{"source": "a.wav"}]}\n'
    '{"id": "u", "recording_id": "r", "start": "x", "duration": 1}',
    "nothing": "{}",
}


@pytest.mark.parametrize("text", MANIFESTS.values(), ids=MANIFESTS)
def test_a_manifest_of_anything_is_one_sentence_and_leaves_nothing(
    tmp_path: Path, text: str
) -> None:
    path = tmp_path / "cuts.jsonl"
    path.write_text(text)
    with pytest.raises(SerbenchError, match=r"cuts\.jsonl"):
        imported(path, tmp_path / "mine", called={})
    assert not (tmp_path / "mine").exists()


def test_a_small_manifest_that_unpacks_to_much_is_not_read(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(bounds, "LISTED", bounds.Limit(100_000, "bytes of a list"))
    with gzip.open(tmp_path / "cuts.jsonl.gz", "wb") as file:
        file.write(b"{}\n" * 100_000)
    assert (tmp_path / "cuts.jsonl.gz").stat().st_size < 2000
    with pytest.raises(SerbenchError, match=r"cuts\.jsonl\.gz' has 100,00. bytes of a list"):
        imported(tmp_path, tmp_path / "mine", called={})


def test_parquet_files_of_anything_are_one_sentence(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    source = tmp_path / "hub"
    source.mkdir()
    file = source / "train-0.parquet"
    os.mkfifo(file)
    with pytest.raises(SerbenchError, match=r"train-0\.parquet' is a pipe, not a file"):
        imported(source, tmp_path / "mine", called={})
    file.unlink()
    file.write_bytes(b"PAR1 and no more")
    with pytest.raises(SerbenchError, match=r"train-0\.parquet' cannot be read"):
        imported(source, tmp_path / "mine", called={})
    nothing = pd.DataFrame({"audio": [{"bytes": b"", "path": "a.wav"}]}).iloc[:0]
    nothing.to_parquet(file)
    with pytest.raises(SerbenchError, match=r"train-0\.parquet' has 0 columns of audio"):
        imported(source, tmp_path / "mine", called={})
    broken = {"audio": [{"bytes": b"", "path": "a.\0"}]}
    pd.DataFrame(broken).to_parquet(file)
    with pytest.raises(SerbenchError, match="hub' is damaged, or not what it looks like"):
        imported(source, tmp_path / "mine", called={})
    monkeypatch.setattr(bounds, "CELLS", bounds.Limit(1000, "cells"))
    pd.DataFrame({"a": [1] * 1001}).to_parquet(file)
    with pytest.raises(SerbenchError, match=r"train-0\.parquet' has 1,001 cells"):
        imported(source, tmp_path / "mine", called={})
    assert not (tmp_path / "mine").exists()


def test_each_channel_of_a_recording_has_a_talker_of_its_own(tmp_path: Path) -> None:
    both = {"id": "long", "sources": [{"type": "file", "channels": [0, 1], "source": "long.wav"}]}
    left, right = spoken("a") | {"channel": 0}, spoken("b") | {"channel": 1}
    right["custom"] = {"emotion": "angry"}
    cuts = {"id": "c1", "start": 0.0, "supervisions": [left, right], "recording": both}
    soundfile.write(tmp_path / "long.wav", np.zeros((RATE, 2)), RATE)
    path = write_cuts(tmp_path / "cuts.jsonl", cuts)
    read = custom.read_benchmark(imported(path, tmp_path / "mine", called={})).read(None)
    assert dict(zip(read["utterance"], read["audio_channel"], strict=True)) == {"a": 1, "b": 2}


@pytest.mark.parametrize(
    ("changed", "said"),
    [
        ({"transforms": [{"name": "Speed"}]}, "changed after they are read"),
        ({"sources": [{"type": "command", "channels": [0], "source": "cat x |"}]}, "a command"),
        ({"sources": [{"type": "url", "channels": [0], "source": "http://x"}]}, "from a url"),
    ],
)
def test_recordings_that_are_no_files_as_they_are_are_refused(
    tmp_path: Path, changed: dict[str, Any], said: str
) -> None:
    one = {"id": "long", "sources": [{"type": "file", "source": "long.wav"}], **changed}
    cut = {"id": "c", "start": 0.0, "supervisions": [spoken("a")], "recording": one}
    with pytest.raises(SerbenchError, match=f"recording 'long' cannot.*{said}.*; save it"):
        imported(write_cuts(tmp_path / "cuts.jsonl", cut), tmp_path / "mine", called={})


def test_whole_numbers_of_parquet_stay_so_where_a_cell_is_empty(
    tmp_path: Path, clips: list[Path]
) -> None:
    heard = [{"bytes": clip.read_bytes(), "path": clip.name} for clip in clips]
    table = pd.DataFrame({"audio": heard, "emotion": [e for _, e in CLIPS]})
    names = [0, 1, 2**53 + 1, None, 2, 2]
    table["speaker"] = pd.Series(names, dtype="Int64")
    (tmp_path / "hub").mkdir()
    table.to_parquet(tmp_path / "hub" / "train-0.parquet")
    imported(tmp_path / "hub", tmp_path / "mine", called={})
    written = pd.read_csv(tmp_path / "mine" / "utterances.csv", dtype=str)["speaker"]
    assert written.fillna("").to_list() == ["0", "1", str(2**53 + 1), "", "2", "2"]


@pytest.mark.filterwarnings("ignore:The inplace keyword")  # in audformat
def test_segments_of_one_file_in_audformat_have_ids_of_their_own(
    tmp_path: Path, clips: list[Path]
) -> None:
    audformat = pytest.importorskip("audformat")
    database = audformat.Database("mine")
    files = [f"wav/{clip.name}" for clip in clips[:3] for _ in range(2)]
    index = audformat.segmented_index(files, [0.0, 0.5] * 3, [0.5, 1.0] * 3)
    table = database["all"] = audformat.Table(index)
    for name, values in zip(("speaker", "emotion"), zip(*CLIPS, strict=True), strict=True):
        database.schemes[name] = audformat.Scheme("str")
        table[name] = audformat.Column(scheme_id=name)
        table[name].set([*values])
    database.save(tmp_path)
    read = custom.read_benchmark(imported(tmp_path, tmp_path / "mine", called={})).read(None)
    assert read["utterance"].is_unique
    assert read["utterance"].str.endswith((":0-0.5", ":0.5-1")).all()


@pytest.mark.filterwarnings("ignore:The inplace keyword")  # in audformat
def test_what_is_said_of_a_file_in_audformat_holds_for_its_segments(
    tmp_path: Path, clips: list[Path]
) -> None:
    audformat = pytest.importorskip("audformat")
    database = audformat.Database("mine")
    for name in ("speaker", "emotion"):
        database.schemes[name] = audformat.Scheme("str")
    names = [f"wav/{clip.name}" for clip in clips]
    whole = database["files"] = audformat.Table(audformat.filewise_index(names))
    cut = database["segments"] = audformat.Table(
        audformat.segmented_index([names[0], names[0], names[1]], [0.0, 0.5, 0.0], [0.5, 1.0, 1.0])
    )
    for table, name, values in (
        (whole, "speaker", [speaker for speaker, _ in CLIPS]),
        (cut, "emotion", ["calm", "angry", "calm"]),
    ):
        table[name] = audformat.Column(scheme_id=name)
        table[name].set(values)
    database.save(tmp_path)
    read = foreign.read(tmp_path, tmp_path / "mine", Silent())
    assert len(read) == 3 + len(clips) - 2
    assert read["speaker"].notna().all()
    segments = read[read["emotion"].notna()]
    assert segments["emotion"].to_list() == ["calm", "angry", "calm"]
    assert segments["speaker"].to_list() == [CLIPS[0][0], CLIPS[0][0], CLIPS[1][0]]
    assert segments["end"].to_list() == [0.5, 1.0, 1.0]
