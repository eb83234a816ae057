"""Tables that people really have: names that are one, names of nobody, words of their own."""

from __future__ import annotations

import unicodedata
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import soundfile

from serbench.benchmarks import UNKNOWN, Classification, Regression
from serbench.benchmarks.auditing.describing import tables
from serbench.benchmarks.auditing.folds import audit_folds, doubts
from serbench.benchmarks.auditing.sharing import shared
from serbench.benchmarks.auditing.table import check_table
from serbench.benchmarks.reading import custom
from serbench.benchmarks.reading.layout import CHANNEL
from serbench.benchmarks.reading.names import alike, as_texts
from serbench.benchmarks.splitting import protocols
from serbench.errors import SerbenchError
from serbench.scoring.scores import score

TASK = Classification(("anger", "neutral"))


def described(folder: Path, rows: list[str], extra: str = "", protocol: str = "") -> Path:
    (folder / "wav").mkdir(exist_ok=True)
    for name in {row.split(",")[0] for row in rows[1:]}:
        soundfile.write(folder / "wav" / name, np.zeros(800), 8000)
    (folder / "utterances.csv").write_text("\n".join(rows) + "\n", encoding="utf-8")
    (folder / "own.toml").write_text(
        'name = "own"\nversion = "1"\ntable = "utterances.csv"\naudio = "wav"\n'
        f'task = "classification"\nlabels = ["anger", "neutral"]\n{extra}\n{protocol}'
    )
    return folder / "own.toml"


def people(names: list[str], each: int = 4) -> pd.DataFrame:
    rows = [
        {"utterance": f"{number}-{i}", "speaker": name, "emotion": TASK.labels[i % 2]}
        for number, name in enumerate(names)
        for i in range(each)
    ]
    return pd.DataFrame(rows).assign(session=None, text=None, gender=None, split=None)


def test_a_quotation_that_swallows_rows_is_refused_with_its_row(tmp_path):
    rows = ["path,speaker,emotion,text"]
    rows += [f"{i}.wav,s{i % 3},anger,line {i}" for i in range(8)]
    rows[3], rows[6] = '2.wav,s2,anger,"Well I said', '5.wav,s2,anger,and then she left"'

    with pytest.raises(SerbenchError, match=r"row 4 has a cell of 4 lines.*'Well I said'"):
        custom.read_benchmark(described(tmp_path, rows)).read(None)


def test_a_text_of_two_lines_is_kept_and_told(tmp_path):
    rows = ["path,speaker,emotion,text", 'a.wav,1,anger,"well,\nyes"', "b.wav,2,neutral,no"]
    table = custom.read_benchmark(described(tmp_path, rows)).read(None)

    assert table["text"].tolist() == ["well,\nyes", "no"]
    told = {f.kind: f.message for f in check_table(TASK, table)}
    assert "row 2" in told["several_lines"]


def test_columns_that_nothing_is_balanced_over_hold_anything(tmp_path):
    rows = ["path,speaker,emotion,gender,age", "a.wav,1,anger,other,?", "b.wav,2,neutral,F,old"]
    table = custom.read_benchmark(described(tmp_path, rows)).read(None)

    assert table["gender"].tolist() == ["other", "female"]
    assert [f.kind for f in check_table(TASK, table) if f.severity == "error"] == []


def test_words_of_a_table_are_mapped(tmp_path):
    rows = ["path,who,label,part", "a.wav,1,A,Train", "b.wav,2,N,Development", "c.wav,3,N,Test1"]
    columns = '[columns]\nspeaker = "who"\nemotion = "label"\nsplit = "part"\n'
    words = '[values.split]\nTest1 = "test"\n[values.emotion]\nA = "anger"\nN = "neutral"\n'
    path = described(tmp_path, rows, protocol=columns + words)
    table = custom.read_benchmark(path).read(None)

    assert table["emotion"].tolist() == ["anger", "neutral", "neutral"]
    assert table["split"].tolist() == ["train", "valid", "test"]

    unmapped = described(tmp_path, rows, protocol=columns)
    with pytest.raises(SerbenchError, match=r'under \[values\.split\]: "Test1" = "test"'):
        custom.read_benchmark(unmapped).read(None)


@pytest.mark.parametrize("channel", ["channel = 2", 'channel = "side"'])
def test_the_channel_that_is_heard_can_be_said(tmp_path, channel):
    rows = ["path,speaker,emotion,side", "a.wav,1,anger,2", "b.wav,2,neutral,2"]
    table = custom.read_benchmark(described(tmp_path, rows, channel)).read(None)

    assert table[CHANNEL].tolist() == [2.0, 2.0]


def test_categories_of_a_plugin_are_texts():
    names = {"speaker": ["b", "a", None, "b"], "session": [1] * 4}
    table = pd.DataFrame({name: pd.Categorical(values) for name, values in names.items()})
    plain = as_texts(table)
    assert plain["speaker"].tolist() == ["b", "a", UNKNOWN, "b"]
    assert plain["session"].tolist() == ["1"] * 4
    assert not any(isinstance(dtype, pd.CategoricalDtype) for dtype in plain.dtypes)


def test_numbers_of_a_plugin_are_texts_by_one_rule():
    table = as_texts(
        pd.DataFrame(
            {
                "utterance": np.array([1, 2, 3]),
                "speaker": [3.0, np.nan, 10.0],
                "session": pd.Series([1, None, 2.5], dtype=object),
                "gender": ["f", None, "m"],
            }
        )
    )

    assert table["utterance"].tolist() == ["1", "2", "3"]
    assert table["speaker"].tolist() == ["3", UNKNOWN, "10"]
    assert table["session"].tolist() == ["1", None, "2.5"]
    assert table["gender"].fillna("-").tolist() == ["f", "-", "m"]


def test_names_that_only_look_like_nothing_are_names():
    names = ["nan", "None", "NA", "007", "1e5", "null"]
    assert as_texts(pd.DataFrame({"speaker": names}))["speaker"].tolist() == names
    assert alike(names) == []


JÜRGEN = [unicodedata.normalize(form, "Jürgen") for form in ("NFC", "NFD")]


@pytest.mark.parametrize(
    ("one", "other"), [JÜRGEN, ("bob", "Bob"), ("bob", "bob "), ("s1", "s01"), ("7", "007")]
)
def test_one_person_by_two_names_is_a_warning_and_on_two_sides_an_error(one, other):
    table = people([one, other, "a", "b", "c"])

    (found,) = [f for f in check_table(TASK, table) if f.kind == "alike_speakers"]
    assert found.severity == "warning"
    protocol = protocols.leave_one_speaker_out()
    errors = audit_folds(table, protocol.split(table, TASK), protocol, TASK)
    assert {f.kind for f in errors if f.severity == "error"} == {"shared_speaker"}
    assert all(f"{one} = {other}" in f.message or f"{other} = {one}" in f.message for f in errors)


@pytest.mark.parametrize(
    ("one", "other"), [("Ses1", "ses01"), ("a  b", "A b "), ("1", "001"), ("x1.5", "X1.5")]
)
def test_one_session_by_two_names_is_a_warning_and_on_two_sides_an_error(one, other):
    table = people(["a", "b", "c", "d", "e"])
    own = dict(zip("abcde", (one, other, "two", "three", "four"), strict=True))
    table["session"] = table["speaker"].map(own)

    (found,) = [f for f in check_table(TASK, table) if f.kind == "alike_sessions"]
    assert (found.severity, "[values.session]" in found.message) == ("warning", True)
    protocol = protocols.leave_one_session_out()
    errors = audit_folds(table, protocol.split(table, TASK), protocol, TASK)
    assert {f.kind for f in errors if f.severity == "error"} == {"shared_session"}
    assert all(" = ".join(sorted([one, other])) in f.message for f in errors)
    folds = protocol.split(table, TASK)
    assert any(found.what == "session" and found.share > 0 for found in shared(table, folds))


def test_zeros_after_a_decimal_point_count():
    assert alike(["1.05", "1.5"]) == []
    assert alike(["01.05", "1.05"]) == [["01.05", "1.05"]]
    assert alike(["s1,05", "s1,5", "s 10", "s 1"]) == []
    assert alike(["a 01", "A  1"]) == [["A  1", "a 01"]]


def test_speakers_nobody_knows_are_nobody():
    table = people(["a", "b", "c", UNKNOWN]).sort_values("utterance", ignore_index=True)
    table["split"] = ["train", "valid", "test", "train"] * 4
    apart = dict(zip("abc", ("train", "valid", "test"), strict=True))
    known = table["speaker"] != UNKNOWN
    table.loc[known, "split"] = table["speaker"].map(apart)
    table["split"] = table["split"].astype(object)
    protocol = protocols.corpus_split()
    folds = protocol.split(table, TASK)

    assert [f for f in audit_folds(table, folds, protocol, TASK) if f.severity == "error"] == []
    told = {f.kind: f.message for f in doubts(table, folds, protocol)}
    assert "4 of 16 utterances have an unknown speaker" in told["unknown_speakers"]
    with pytest.raises(SerbenchError, match="makes folds of speakers, but 4 of 16 utterances"):
        protocols.speaker_folds(k=3).split(table, TASK)
    protocol = protocols.random_clips(k=3)
    told = {f.kind: f.message for f in doubts(table, protocol.split(table, TASK), protocol)}
    alone = (
        "4 of 16 utterances have an unknown speaker: they are in no figure by speaker; name them, "
    )
    assert told["unknown_speakers"].startswith(alone)
    assert "benchmark.unknown=dropped" in told["unknown_speakers"]
    columns = {"gender": None, "seconds": 1.0}
    labels = tables(table.assign(**columns), TASK)["labels"]
    assert set(labels["speakers"]) == {3}, "who is unknown is no fourth person"


def test_figures_by_speaker_leave_out_whom_nobody_knows():
    task = Regression(("arousal",), 0.0, 1.0)
    draw = np.random.default_rng(0)
    truth = draw.uniform(size=30)
    given = pd.DataFrame(
        {
            "utterance": [f"u{i}" for i in range(30)],
            "speaker": ["a", "b", UNKNOWN] * 10,
            "fold": "f",
            "seed": 0,
            "truth:arousal": truth,
            "prediction:arousal": truth + draw.normal(0, 0.1, 30),
        }
    )
    whole, known = score(task, given), score(task, given[given["speaker"] != UNKNOWN])

    assert whole.by_speaker == known.by_speaker
    assert whole.speakers["speaker"].tolist() == ["a", "b"]
    assert whole.rank != known.rank
    nobody = score(task, given.assign(speaker=UNKNOWN))
    assert replace(nobody).by_speaker["a_ccc"].speakers == 0
    assert np.isnan(nobody.by_speaker["a_ccc"].mean_of_speakers)
    assert len(nobody.speakers) == 0
