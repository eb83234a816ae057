"""One contract over all corpora that people have, each laid out as its documentation says."""

from __future__ import annotations

import importlib
import os
import re
import shutil
import subprocess
from dataclasses import replace
from pathlib import Path

import pytest

from serbench import plugins
from serbench.benchmarks.auditing.folds import few_speakers
from serbench.benchmarks.reading.layout import read_lines, read_rows
from serbench.checks.corpus import check_corpus
from serbench.errors import SerbenchError

from ..conftest import copy_me  # noqa: TID252

NAMES = [
    *("cameo", "emovo", "enterface", "esd", "iemocap", "meld", "msp_improv", "msp_podcast"),
    *("nemo", "ravdess", "savee", "shemo", "tess", "urdu"),
]


def tree(name):
    return importlib.import_module(f"{__package__}.trees.{name}")


def made(name, **options):
    return plugins.make(plugins.find("benchmarks", name), options=options)


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    """Return what lays a corpus out, once, and gives the data folder."""
    root = tmp_path_factory.mktemp("data")

    def laid_out(name):
        folder = root / tree(name).FOLDER
        if not folder.exists():
            tree(name).grow(folder)
        return root

    return laid_out


@pytest.mark.parametrize("name", NAMES)
def test_table_and_folds_keep_the_contract(name, data):
    benchmark = made(name)
    if name == "esd":  # 17500 clips: the others take 20 s
        default = next(iter(benchmark.protocols))
        benchmark = replace(benchmark, protocols={default: benchmark.protocols[default]})
    assert check_corpus(benchmark, data(name)) == []


@pytest.mark.parametrize("name", NAMES)
def test_the_page_has_all_that_a_reader_needs(name):
    benchmark = made(name)
    assert benchmark.bibtex.startswith("@")
    assert benchmark.bibtex.count("{") == benchmark.bibtex.count("}")
    assert benchmark.folder == tree(name).FOLDER
    assert f"'{benchmark.folder}'" in benchmark.obtain


@pytest.mark.parametrize("name", NAMES)
def test_every_clip_is_counted_and_has_a_file(name, data):
    benchmark = made(name)
    table = benchmark.read(data(name) / benchmark.folder)
    assert len(table) == getattr(tree(name), "CLIPS", len(table))
    assert set(benchmark.task.classes) <= set(table.get("emotion", benchmark.task.classes))
    assert table["path"].map(os.path.isfile).all()


def some_clip(name, root):
    """Return the file of the last utterance of a corpus."""
    benchmark = made(name)
    return Path(benchmark.read(root / benchmark.folder)["path"].iloc[-1])


@pytest.mark.parametrize("name", NAMES)
def test_a_half_downloaded_corpus_says_what_is_missing(name, data):
    root = data(name)
    folder = root / tree(name).FOLDER
    clips = [some_clip(name, root)]
    if name == "enterface":  # releases differ by a few clips
        clips = sorted(folder.glob("subject 1?/**/*.wav"))
    for clip in clips:
        clip.rename(clip.with_suffix(".part"))
    try:
        with pytest.raises(SerbenchError, match=r" of \d+|here are") as caught:
            made(name).read(folder)
    finally:
        for clip in clips:
            clip.with_suffix(".part").rename(clip)
    assert made(name).obtain.split(" ")[-1] in str(caught.value)


@pytest.mark.parametrize("name", NAMES)
def test_a_folder_that_is_not_there_says_how_to_get_it(name, tmp_path):
    with pytest.raises(SerbenchError, match="does not exist; ") as caught:
        made(name).read(tmp_path / tree(name).FOLDER)
    assert made(name).obtain in str(caught.value)
    with pytest.raises(SerbenchError, match="--data or set SERBENCH_DATA"):
        made(name).read(None)


@pytest.mark.parametrize("name", ["emovo", "ravdess", "savee", "urdu"])
def test_a_renamed_folder_and_one_too_deep_are_told_with_what_to_do(name, tmp_path):
    folder = tmp_path / tree(name).FOLDER
    other = tmp_path / f"{folder.name.upper()}_2"
    tree(name).grow(other)
    with pytest.raises(SerbenchError, match=rf"mv \'{other}\' \'{folder}\'"):
        made(name).read(folder)
    folder.mkdir()
    shutil.move(other, folder / "inside")
    with pytest.raises(SerbenchError, match=rf"it lies in \'{folder}/inside\': move"):
        made(name).read(folder)


@pytest.mark.parametrize("name", ["emovo", "savee"])  # by a pattern, and by the names themselves
def test_other_capital_letters_are_told_with_a_command_that_works_as_typed(name, tmp_path):
    folder = tmp_path / tree(name).FOLDER
    tree(name).grow(folder)
    for file in sorted(folder.glob("*/*.wav"))[:20]:
        file.rename(file.with_suffix(".WAV"))
    with pytest.raises(SerbenchError, match="20 of ") as caught:
        made(name).read(folder)
    command = re.search(r"find .*? ';'", str(caught.value))
    assert command is not None
    subprocess.run(command[0], shell=True, check=True)
    assert len(made(name).read(folder)) == tree(name).CLIPS


@pytest.mark.parametrize("name", ["emovo", "savee"])
def test_two_folders_too_deep_and_not_unpacked_is_told(name, tmp_path):
    folder = tmp_path / tree(name).FOLDER
    tree(name).grow(folder / "a" / "b")
    with pytest.raises(SerbenchError, match="move what is in there two folders up"):
        made(name).read(folder)
    shutil.rmtree(folder / "a")
    (folder / "all.zip").touch()
    with pytest.raises(SerbenchError, match=r"'all\.zip' is not unpacked"):
        made(name).read(folder)
    shutil.rmtree(folder)
    folder.touch()
    with pytest.raises(SerbenchError, match="is a file, which is not unpacked"):
        made(name).read(folder)


@pytest.mark.parametrize(("name", "table"), [("meld", "dev_sent_emo.csv"), ("nemo", "data.tsv")])
def test_other_columns_are_told(name, table, tmp_path):
    folder = tmp_path / tree(name).FOLDER
    tree(name).grow(folder)
    file = folder / table
    lines = file.read_text().split("\n", 1)
    lines[0] = lines[0].replace("Emotion", "Label").replace("emotion", "label")
    file.write_text("\n".join(lines))
    with pytest.raises(SerbenchError, match=r"it has no column [Ee]motion, but .*abel"):
        made(name).read(folder)


def test_another_separator_is_told(tmp_path):
    (tmp_path / "labels.csv").write_text("FileName;EmoClass\na.wav;A\n")
    with pytest.raises(SerbenchError, match="its cells are separated by ';', not by ','"):
        read_rows(tmp_path / "labels.csv", ["FileName"])


@pytest.mark.parametrize(
    ("name", "file"),
    [
        ("msp_improv", "Evaluation.txt"),
        ("iemocap", "Session1/dialog/EmoEvaluation/Ses01F_impro01.txt"),
    ],
)
def test_labels_that_are_none_are_told_with_what_they_look_like(name, file, tmp_path):
    for session in range(1, 6):
        for part in ("dialog/EmoEvaluation", "dialog/transcriptions", "sentences/wav"):
            (tmp_path / f"Session{session}" / part).mkdir(parents=True)
    (tmp_path / file).write_text("nothing of the kind\n", encoding="utf-16")
    with pytest.raises(SerbenchError, match="has no line like") as caught:
        made(name).read(tmp_path)
    assert str(tmp_path / file).startswith(str(caught.value).split("'")[3])


def test_a_marked_file_in_utf_8_is_read_as_such(tmp_path):
    (tmp_path / "a.txt").write_text("é 1\n", encoding="utf-8-sig")
    (tmp_path / "b.txt").write_text("é 1\n", encoding="latin-1")
    assert [read_lines(tmp_path / name) for name in ("a.txt", "b.txt")] == [["é 1"]] * 2


def test_a_table_of_cameo_that_was_cut_short_loses_nothing_silently(tmp_path):
    tree("cameo").grow(tmp_path)
    lines = (tmp_path / "metadata.csv").read_text().splitlines()
    (tmp_path / "metadata.csv").write_text("\n".join(lines[:100]))
    with pytest.raises(SerbenchError, match=r"111 of 210 files in .* are in no row"):
        made("cameo").read(tmp_path)


@pytest.mark.parametrize("content", ["{", "[]", '{"a.wav": {"W1": {}}}'])
def test_raters_of_msp_podcast_that_are_none_are_told(content, tmp_path):
    tree("msp_podcast").grow(tmp_path)
    (tmp_path / "Labels" / "labels_detailed.csv").unlink()
    (tmp_path / "Labels" / "labels_detailed.json").write_text(content)
    with pytest.raises(SerbenchError, match="is not the table of raters"):
        made("msp_podcast", task="classes").read(tmp_path)


def test_a_stranger_among_the_files_is_named(tmp_path):
    folder = tmp_path / "emovo"
    tree("emovo").grow(folder)
    (folder / "f1" / "copy of dis-f1-b1.wav").touch()
    with pytest.raises(SerbenchError, match="1 of 589 files are not called like"):
        made("emovo").read(folder)


@pytest.mark.parametrize("protocol", ["speaker_folds", "leave_one_speaker_out"])
def test_two_speakers_are_no_folds_and_the_remedy_works(protocol, data):
    from serbench.benchmarks.splitting import protocols

    benchmark = made("tess")
    table = benchmark.read(data("tess") / "tess")
    assert table["speaker"].value_counts().to_dict() == {"OAF": 1400, "YAF": 1400}
    with pytest.raises(SerbenchError, match="use speaker_dependent_random") as caught:
        protocols.make(protocol).split(table, benchmark.task)
    assert "no claim about new speakers" in str(caught.value)
    made_again = protocols.make("speaker_dependent_random")
    assert made_again.speaker_dependent
    assert len(made_again.split(table, benchmark.task)) == 5


def test_too_many_folds_for_four_speakers_are_told_how_many_there_can_be(data):
    from serbench.benchmarks.splitting import protocols

    benchmark = made("savee")
    table = benchmark.read(data("savee") / "savee")
    with pytest.raises(SerbenchError, match="ask for at most k=4"):
        protocols.make("speaker_folds").split(table, benchmark.task)
    folds = protocols.make("speaker_folds", k=4).split(table, benchmark.task)
    assert len(folds) == 4
    (few,) = few_speakers(table, folds)
    assert "fewer folds" not in few.message, "four speakers are too few for that"


def test_dimensions_of_msp_improv(data):
    benchmark = made("msp_improv", task="dimensions")
    table = benchmark.read(data("msp_improv") / "MSP-IMPROV")
    assert len(table) == 8438
    row = table.set_index("utterance").loc["MSP-IMPROV-S01A-M02-P-FM00"]
    assert (row["arousal"], row["valence"], row["dominance"]) == (4.25, 1.25, 2.25)
    assert (row["speaker"], row["session"], row["gender"]) == ("M02", "02", "male")


def test_shemo_without_fear_and_cameo_of_one_corpus(data):
    table = made("shemo", emotions=5).read(data("shemo") / "ShEMO")
    assert (len(table), "fear" in set(table["emotion"])) == (2962, False)
    cameo = made("cameo", dataset="nEMO").read(data("cameo") / "CAMEO")
    assert set(cameo["speaker"]) == {f"nEMO/s{number}" for number in range(5)}
    with pytest.raises(SerbenchError, match="There are: CaFE, RESD, nEMO"):
        made("cameo", dataset="nemo").read(data("cameo") / "CAMEO")


def test_enterface_speakers_are_the_folders_not_the_files(data):
    table = made("enterface").read(data("enterface") / "enterface")
    assert table["speaker"].value_counts().to_dict() == {f"subject {i}": 30 for i in range(1, 44)}


def test_the_page_to_copy_reads_the_tree_to_copy(tmp_path):
    folder = tmp_path / "my-corpus"
    pages = {}
    for kind in ("tree", "benchmark"):
        pages[kind] = {"__name__": kind}
        exec(copy_me(kind), pages[kind])
    pages["tree"]["grow"](folder)
    table = pages["benchmark"]["make"]().read(folder)
    assert len(table) == pages["tree"]["CLIPS"]
    next((folder / "wav").iterdir()).unlink()
    with pytest.raises(SerbenchError, match=r"has 36 clips, here are 35 \(by emotion: "):
        pages["benchmark"]["make"]().read(folder)


def cameo_with(word, folder):
    tree("cameo").grow(folder)
    table = folder / "metadata.csv"
    table.write_text(table.read_text().replace("1_anger_0.wav,anger", f"1_anger_0.wav,{word}"))


def test_what_cameo_calls_by_another_word_is_left_out_and_counted(tmp_path):
    cameo_with("angry", tmp_path)
    table = made("cameo").read(tmp_path)
    assert table.attrs["left_out"] == {"calm": 30, "angry": 3}
    assert not (table["emotion"] == "angry").any()


@pytest.mark.parametrize("word", ["Anger", "", "anger "])
def test_emotions_of_cameo_that_are_none_are_counted_and_told(word, tmp_path):
    cameo_with(word, tmp_path)
    with pytest.raises(SerbenchError, match=rf"3 of 210 rows .*{word!r} of CaFE/1_anger_0\.wav"):
        made("cameo").read(tmp_path)


@pytest.mark.parametrize("cell", ["Zzz", "nan", "inf"])
def test_a_cell_of_msp_podcast_that_is_no_number_is_told_with_its_row(cell, tmp_path):
    tree("msp_podcast").grow(tmp_path, seconds=0.1)
    labels = tmp_path / "Labels" / "labels_consensus.csv"
    lines = labels.read_text().splitlines()
    cells = lines[9].split(",")
    lines[9] = ",".join([*cells[:2], cell, *cells[3:]])
    labels.write_text("\n".join(lines) + "\n")
    with pytest.raises(SerbenchError, match=rf"1 cells of 'EmoAct' .*'{cell}' in .*0001_0000"):
        made("msp_podcast").read(tmp_path)


@pytest.mark.parametrize("name", ["iemocap", "msp_improv"])
def test_a_line_with_a_number_that_is_none_is_missing(name, tmp_path):
    folder = tmp_path / tree(name).FOLDER
    tree(name).grow(folder)
    pattern = "Session1/dialog/EmoEvaluation/*.txt" if name == "iemocap" else "Eval*.txt"
    file = max(folder.glob(pattern), key=lambda path: path.stat().st_size)
    text = file.read_text()
    number = re.search(r"(?<=\[)[\d.]+(?=, )|(?<=A:)\d\.\d+", text).group()
    file.write_text(
        re.sub(rf"(?<=[\[:]){re.escape(number)}(?=[,;])", f"{number}.1.3", text, count=1)
    )
    with pytest.raises(SerbenchError, match=r"(?i)here (are|is)|has \d+ "):
        made(name).read(folder)


def test_what_a_reader_leaves_out_is_counted(data):
    from serbench.benchmarks.auditing.summary import summary

    for name, said in (
        ("cameo", "30: calm 30"),
        ("shemo", "38: fear 38"),
        ("msp_improv", "640: other emotions or no agreement 640"),
    ):
        benchmark = made(name, **({"emotions": 5} if name == "shemo" else {}))
        table = benchmark.read(data(name) / tree(name).FOLDER).assign(seconds=1.0, rate=16000)
        assert dict(summary(table, benchmark.task))["left out"] == said
