"""Results of others: taken only when they are what they say, and refused without harm."""

from __future__ import annotations

import io
import json
import os
import shutil
import signal
import stat
import subprocess
import sys
import threading
import zipfile
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path

import pandas as pd
import pytest
from typer.testing import CliRunner

from serbench.cli import app
from serbench.errors import SerbenchError
from serbench.leaderboard import store, submissions, verifying
from serbench.leaderboard.comparable import groups
from serbench.leaderboard.corpora import Corpus
from serbench.leaderboard.marks import marks
from serbench.leaderboard.page.flags import of_row
from serbench.leaderboard.record import Result, summed
from serbench.leaderboard.standing import standing
from serbench.leaderboard.submissions import add, verify_marked
from serbench.leaderboard.table import rank
from serbench.leaderboard.verifying import verify, verify_all
from serbench.runs.at_hand import AtHand

from .result_samples import classified, record, scored

GOOD = classified(1.5)
OWN_WORD = "; what its row is called is its own word"


def nowhere(_: Result) -> None:
    """No corpus is at hand."""


def corpus(predictions: pd.DataFrame):
    """Return what gives the corpus of these predictions."""
    table = predictions[["utterance", "speaker", "truth"]].rename(columns={"truth": "emotion"})
    return lambda _: Corpus(table.drop_duplicates("utterance"))


@pytest.fixture
def sound(tmp_path: Path) -> Path:
    return store.save(scored(record(), GOOD), GOOD, tmp_path / "theirs")


@pytest.fixture
def zipped(sound: Path, tmp_path: Path) -> Path:
    path = tmp_path / "theirs.zip"
    with zipfile.ZipFile(path, "w") as archive:
        for file in sorted(sound.parent.iterdir()):
            archive.write(file, f"results/{sound.parent.name}/{file.name}")
    return path


def rewritten(path: Path, **changes: object) -> None:
    """Change a record, its checksum too, as somebody would who means it."""
    plain = json.loads(path.read_text()) | changes | {"checksum": ""}
    path.write_text(summed(Result.model_validate_json(json.dumps(plain))).model_dump_json())


def test_a_sound_result_verifies_with_its_corpus_and_without(sound):
    assert verify(sound, nowhere)[1:3] == ((), None)
    assert verify(sound, corpus(GOOD))[1:3] == ((), True)


def test_every_changed_score_is_named(sound):
    scores = json.loads(sound.read_text())["scores"]
    scores["rank"] = 0.99
    scores["by_fold"]["wa"]["pooled"] = 0.98
    rewritten(sound, scores=scores)
    problems = verify(sound, nowhere).problems
    assert len(problems) == 2
    assert "rank is 0.99 in the record" in " ".join(problems)
    assert "by_fold.wa.pooled is 0.98" in " ".join(problems)


@pytest.mark.parametrize(
    ("column", "said"),
    [
        ("emotion", "other 'emotion' than the corpus has"),
        ("speaker", "other speakers"),
        ("utterance", "utterances that the corpus does not have"),
    ],
)
def test_what_the_corpus_has_otherwise_is_named(sound, column, said):
    table = corpus(GOOD)(None).table.copy()
    table.loc[table.index[0], column] = "anger" if column == "emotion" else "another"
    table.loc[table.index[1], column] = "neutral" if column == "emotion" else "another one"
    found = verify(sound, lambda _: Corpus(table))
    assert found.truth is False
    assert said in " ".join(found.problems)


def test_results_that_disagree_on_a_truth_are_named(sound):
    other = GOOD.copy()
    first = other.index[0]
    other.loc[first, "truth"] = "sadness" if other.loc[first, "truth"] != "sadness" else "anger"
    other_record = record(recipe={"other": True, "seeds": [0]})
    path = store.save(scored(other_record, other), other, sound.parents[1])
    third = classified(0.5)
    store.save(scored(record(recipe={"third": True, "seeds": [0]}), third), third, sound.parents[1])

    told = {each.path: each for each in verify_all(sound.parents[1], nowhere)}
    assert all(each.problems == () for each in told.values()), "how many say so proves nothing"
    what = f"other labels of {other.loc[first, 'utterance']} than in"
    assert told[sound].disputed == (f"{what} {path.stem[:8]}",)
    assert told[path].disputed[0].startswith(what)
    assert sound.stem[:8] in told[path].disputed[0]

    told = {each.path: each for each in verify_all(sound.parents[1], corpus(GOOD))}
    assert [each for each, found in told.items() if found.problems] == [path]
    assert what in told[path].problems[-1]
    assert "whose truth is that of the corpus" in told[path].problems[-1]
    assert not any(each.disputed for each in told.values())


def test_who_has_the_corpus_on_his_side_is_not_blamed_for_a_quarrel(sound):
    few = GOOD[GOOD["utterance"] != GOOD["utterance"].iloc[0]]
    first = record().split.folds[0].model_copy(update={"test": 23})
    folds = (first, *record().split.folds[1:])
    easy = record(
        split=record().split.model_copy(update={"folds": folds}),
        recipe={"easy": True, "seeds": [0]},
    )
    path = store.save(scored(easy, few), few, sound.parents[1])
    told = {each.path: each.disputed for each in verify_all(sound.parents[1], nowhere)}
    assert all("other tests of" in " ".join(each) for each in told.values())

    def known(result: Result) -> Corpus | None:
        return corpus(GOOD)(result) if result.digest == sound.stem else None

    told = {each.path: each.problems for each in verify_all(sound.parents[1], known)}
    assert told[sound] == ()
    assert "other tests of" in " ".join(told[path])


def test_several_processes_find_what_one_does(sound, monkeypatch):
    root = sound.parents[1]
    for number in range(4):
        predictions = classified(1.0, draw=number)
        made = scored(record(recipe={"number": number, "seeds": [0]}), predictions)
        made = made.model_copy(update={"scores": made.scores | {"rank": 0.5}}) if number else made
        store.save(made, predictions, root)
    (root / "emodb" / f"{'ab' * 32}.json").write_text("{}")
    one = [each[:3] for each in verify_all(root, nowhere)]
    assert sum(bool(problems) for _, problems, _ in one) == 4
    monkeypatch.setattr(verifying, "_WORTH", 2)
    monkeypatch.setattr(verifying, "cores", lambda: 2)
    assert [each[:3] for each in verify_all(root, AtHand(root / "nothing"))] == one


@pytest.mark.parametrize("packed", ["zip", "folder"])
def test_what_verifies_is_taken_and_its_row_says_what_is_known(sound, zipped, tmp_path, packed):
    mine = tmp_path / "mine"
    source = zipped if packed == "zip" else sound.parents[1]
    (found,) = add(source, mine, nowhere)
    assert found.problems == ()
    (entry,) = store.read_all(mine).entries
    assert entry.result.digest == sound.stem
    assert entry.predictions.equals(store.load_result(sound).predictions)
    (board,) = rank([entry], marks=marks(mine))
    assert (
        "Added from elsewhere; scores recomputed, truth not verified here, not trained again"
        f"{OWN_WORD}."
    ) in board.notes
    (again,) = add(source, mine, nowhere)
    assert (again.problems, again.already) == ((), "it is there already")


def test_with_the_corpus_the_row_says_so(zipped, tmp_path):
    mine = tmp_path / "mine"
    add(zipped, mine, corpus(GOOD))
    (said,) = marks(mine).values()
    checked = "scores recomputed, truth verified here, not trained again"
    assert said == f"Added from elsewhere; {checked}{OWN_WORD}."


def test_what_was_not_verified_is_once_the_corpus_is_there(zipped, tmp_path):
    mine = tmp_path / "mine"
    shifted = corpus(GOOD.assign(truth=GOOD["truth"].to_numpy()[[1, *range(1, len(GOOD))]]))

    def said() -> str:
        (mark,) = marks(mine).values()
        return mark

    add(zipped, mine, nowhere)
    assert "truth not verified here" in said()
    for _ in verify_marked(mine, corpus(GOOD)):
        pass
    assert "truth verified here" in said()
    assert [each.truth for each in verify_marked(mine, nowhere)] == [None]
    assert "truth verified here" in said(), "what was seen once is not forgotten"
    assert [each.truth for each in verify_marked(mine, shifted)] == [False]
    assert "truth not verified here" in said()
    assert "what is wrong with it" in said()
    (board,) = rank(store.read_all(mine).entries, marks=marks(mine))
    assert "wrong" in of_row(board.rows[0])
    for _ in verify_marked(mine, corpus(GOOD)):
        pass
    assert "wrong with it" not in said(), "the corpus was another one"
    for _ in verify_marked(mine, shifted):
        pass
    (again,) = add(zipped, mine, corpus(GOOD))
    assert again.problems == ()
    assert again.already == "it is there already; its row now says that its truths are verified"
    assert "truth verified here" in said()


def test_a_run_of_ones_own_takes_the_place_of_what_was_added(zipped, sound, tmp_path):
    mine = tmp_path / "mine"
    add(zipped, mine, nowhere)
    store.save(store.load_result(sound).result, GOOD, mine)
    assert marks(mine) == {}


ADDING = """
import os, signal, sys
from pathlib import Path
from serbench.leaderboard.submissions import add

source, root, left = sys.argv[1], sys.argv[2], int(sys.argv[3])

def count(event, told):
    global left
    if event == "os.rename" and str(told[1]).startswith(root):
        left -= 1
        if left < 0:
            os.kill(os.getpid(), signal.SIGKILL)

sys.addaudithook(count)
add(Path(source), Path(root), lambda _: None)
"""


def test_no_kill_leaves_a_row_that_does_not_say_that_it_was_added(zipped, tmp_path):
    for renames in range(10):
        mine = tmp_path / f"killed {renames}"
        command = [sys.executable, "-c", ADDING, str(zipped), str(mine), str(renames)]
        status = subprocess.run(command, check=False).returncode
        assert {path.stem for path in mine.glob("*/*.json")} <= {*marks(mine)}
        if not status:
            break
        assert status == -signal.SIGKILL
        (again,) = add(zipped, mine, nowhere)
        assert again.problems == ()
        assert len(store.read_all(mine).entries) == len(marks(mine)) == 1
    assert renames == 3, "mark, predictions, record"


@pytest.mark.parametrize("harm", ["lost", "damaged"])
def test_tables_that_were_lost_come_back_with_the_same_result(harm, zipped, sound, tmp_path):
    mine = tmp_path / "mine"
    add(zipped, mine, nowhere)
    [table] = mine.glob(f"*/{sound.stem}.parquet")
    if harm == "lost":
        table.unlink()
    else:
        table.write_bytes(table.read_bytes()[:-1])
    assert store.read_all(mine).entries == []
    (again,) = add(zipped, mine, nowhere)
    assert again.problems == ()
    assert again.already == (
        "it is there already, and whole again: tables of it were missing or damaged"
    )
    (entry,) = store.read_all(mine).entries
    assert entry.predictions.equals(store.load_result(sound).predictions)
    (more,) = add(zipped, mine, nowhere)
    assert more.already == "it is there already"


def test_of_a_result_without_checksums_only_what_is_missing_comes_back(sound, tmp_path):
    mine, theirs = tmp_path / "mine", sound.parents[1]
    rewritten(sound, tables={})
    add(theirs, mine, nowhere)
    [table] = mine.glob(f"*/{sound.stem}.parquet")
    table.unlink()
    (again,) = add(theirs, mine, nowhere)
    assert "whole again" in again.already
    table.write_bytes(b"mine")
    (again,) = add(theirs, mine, nowhere)
    assert again.problems == (f"another result is at '{table.with_suffix('.json')}'; delete one",)
    assert table.read_bytes() == b"mine"


def test_a_run_of_ones_own_that_comes_back_is_not_marked(zipped, sound, tmp_path):
    mine = tmp_path / "mine"
    shutil.copytree(sound.parent, mine / sound.parent.name)
    (found,) = add(zipped, mine, corpus(GOOD))
    assert (found.problems, found.already) == ((), "it is there already")
    assert marks(mine) == {}


def test_what_was_known_of_another_result_is_not_believed_of_a_new_one(zipped, tmp_path):
    mine = tmp_path / "mine"
    add(zipped, mine, corpus(GOOD))
    for path in mine.glob("*/*.json"):
        path.unlink()
    (found,) = add(zipped, mine, nowhere)
    assert found.problems == ()
    assert "truth not verified here" in " ".join(marks(mine).values())


def test_what_does_not_verify_is_not_taken(sound, tmp_path):
    rewritten(sound, scores=json.loads(sound.read_text())["scores"] | {"rank": 0.99})
    (found,) = add(sound.parents[1], tmp_path / "mine", nowhere)
    assert "rank is 0.99" in found.problems[0]
    assert not (tmp_path / "mine").exists()


def test_a_damaged_member_of_a_zip_costs_its_result_alone(zipped, tmp_path):
    whole = bytearray(zipped.read_bytes())
    with zipfile.ZipFile(zipped) as archive:
        (member,) = (each for each in archive.infolist() if each.filename.endswith(".json"))
        start = member.header_offset + 30 + len(member.filename)
    whole[start + 10] ^= 0xFF
    zipped.write_bytes(whole)
    (found,) = add(zipped, tmp_path / "mine", nowhere)
    assert found.problems


def test_another_result_of_the_recipe_is_not_replaced(sound, zipped, tmp_path):
    mine = tmp_path / "mine"
    other = classified(0.5)
    path = store.save(scored(record(), other), other, mine)
    before = path.read_bytes()
    (found,) = add(zipped, mine, nowhere)
    assert "another result is at" in found.problems[0]
    assert path.read_bytes() == before


def test_what_has_not_all_seeds_of_its_recipe_is_named(sound):
    recipe = json.loads(sound.read_text())["recipe"] | {"seeds": [0, 1, 2]}
    rewritten(sound, recipe=recipe)
    found = verify(sound, nowhere)
    assert found.problems == ("its recipe asks for the seeds 0, 1, 2, but it has 0",)
    assert found.remedy.startswith("repeat the run")
    shelf = store.read_all(sound.parents[1])
    assert shelf.entries == [], "neither ranked, shown nor compared"
    assert "the seeds 0, 1, 2, but it has 0" in str(shelf.problems[0])


def test_what_is_not_whole_is_read_without_a_rank(tmp_path):
    part = GOOD.query("fold != '5'")
    made = record(complete=False, recipe={"seeds": [0, 1, 2]})
    path = store.save(scored(made, part), part, tmp_path)
    (board,) = rank(store.read_all(tmp_path).entries)
    assert [row.rank for row in board.rows] == [None]
    assert "its recipe asks for the seeds 0, 1, 2, but it has 0" in verify(path, nowhere).problems


def test_seeds_that_are_no_numbers_are_no_traceback(sound):
    recipe = json.loads(sound.read_text())["recipe"] | {"seeds": [[0], {}]}
    rewritten(sound, recipe=recipe)
    assert verify(sound, nowhere).problems


def test_who_agrees_with_one_side_of_an_old_quarrel_is_taken(tmp_path):
    mine, theirs = tmp_path / "mine", tmp_path / "theirs"
    shifted = GOOD.assign(truth=GOOD["truth"].to_numpy()[[1, *range(1, len(GOOD))]])
    for day, predictions, root in ((1, GOOD, mine), (2, shifted, mine), (3, GOOD, theirs)):
        other = record(created=datetime(2026, 4, day, tzinfo=UTC))
        store.save(scored(other, predictions), predictions, root)
    (found,) = add(theirs, mine, nowhere)
    assert found.problems == ()


def test_what_contradicts_those_that_are_here_is_not_taken_unless_the_corpus_says_so(tmp_path):
    theirs, mine = tmp_path / "theirs", tmp_path / "mine"
    shifted = GOOD.assign(truth=GOOD["truth"].to_numpy()[[1, *range(1, len(GOOD))]])
    store.save(scored(record(), GOOD), GOOD, mine)
    other = record(created=datetime(2026, 4, 1, tzinfo=UTC))
    store.save(scored(other, shifted), shifted, theirs)
    (found,) = add(theirs, mine, nowhere)
    assert "other labels" in found.problems[0]
    (found,) = add(theirs, mine, corpus(shifted))
    assert found.problems == ()


def test_two_who_add_at_once_see_each_other(tmp_path):
    other = GOOD.assign(truth=GOOD["truth"].to_numpy()[[1, *range(1, len(GOOD))]])
    sources = [tmp_path / "theirs", tmp_path / "others"]
    for day, source, rows in zip((1, 2), sources, (GOOD, other), strict=True):
        made = record(created=datetime(2026, 4, day, tzinfo=UTC))
        store.save(scored(made, rows), rows, source)
    both = threading.Barrier(2)

    def slow(_: Result) -> None:
        with suppress(threading.BrokenBarrierError):
            both.wait(1)  # until both have read what is there, if nothing holds one of them

    with ThreadPoolExecutor() as pool:
        found = [*pool.map(lambda source: add(source, tmp_path / "mine", slow), sources)]
    assert sorted(len(each.problems) for (each,) in found) == [0, 1], found


def test_who_was_tested_on_other_utterances_is_on_a_board_of_its_own():
    few = GOOD[GOOD["utterance"] != GOOD["utterance"].iloc[0]]
    other = record(created=datetime(2026, 4, 1, tzinfo=UTC))
    both = [standing(scored(record(), GOOD), GOOD), standing(scored(other, few), few)]
    one, two = groups(both)
    assert len(one.entries) == len(two.entries) == 1
    assert any("other tests of" in sentence for sentence in one.sentences)


def packed(tmp_path: Path, *members: tuple[str | zipfile.ZipInfo, bytes]) -> Path:
    path = tmp_path / "hostile.zip"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in members:
            archive.writestr(name, content)
    return path


def link(name: str) -> zipfile.ZipInfo:
    info = zipfile.ZipInfo(name)
    info.external_attr = (stat.S_IFLNK | 0o777) << 16
    return info


DIGEST = "ab" * 32


@pytest.mark.parametrize(
    "name",
    [
        f"../../emodb/{DIGEST}.json",
        f"/emodb/{DIGEST}.json",
        f"..\\..\\emodb\\{DIGEST}.json",
        f"C:\\emodb\\{DIGEST}.json",
        f"a/../../../emodb/{DIGEST}.json",
    ],
)
def test_no_name_leads_out_of_the_inbox(tmp_path, name):
    mine = tmp_path / "deep" / "mine"
    found = add(packed(tmp_path, (name, b"{}")), mine, nowhere)
    assert all(each.problems for each in found)
    assert sorted(path.name for path in tmp_path.rglob("*")) == ["hostile.zip"]


def test_links_are_not_followed(sound, tmp_path):
    secret = tmp_path / "secret.json"
    secret.write_text("{}")
    with pytest.raises(SerbenchError, match="no results"):
        add(
            packed(tmp_path, (link(f"emodb/{DIGEST}.json"), str(secret).encode())),
            tmp_path,
            nowhere,
        )
    folder = tmp_path / "linked" / "emodb"
    folder.mkdir(parents=True)
    (folder / f"{DIGEST}.json").symlink_to(secret)
    os.mkfifo(folder / f"{'cd' * 32}.json")
    with pytest.raises(SerbenchError, match="no results"):
        add(tmp_path / "linked", tmp_path / "mine", nowhere)


def test_an_encrypted_zip_is_called_so(zipped, tmp_path):
    content = bytearray(zipped.read_bytes())
    at = content.index(b"PK\x01\x02")  # the first entry of the directory; its flags are at 8
    content[at + 8] |= 1
    zipped.write_bytes(content)
    with pytest.raises(SerbenchError, match="is encrypted; send it without a password"):
        add(zipped, tmp_path / "mine", nowhere)


def test_what_was_sent_and_is_damaged_has_no_remedy_that_is_not_the_sender_s(sound, tmp_path):
    sound.with_suffix(".parquet").write_bytes(b"")
    mine = str(tmp_path / "mine")
    sent = CliRunner().invoke(app, ["leaderboard", "add", str(sound.parents[1]), "--results", mine])
    own = CliRunner().invoke(app, ["leaderboard", "verify", "--results", str(sound.parents[1])])
    assert (sent.exit_code, own.exit_code) == (1, 1)
    assert "--again" in own.stderr
    assert "--again" not in sent.stderr


def test_a_bomb_is_stopped_while_it_unpacks(tmp_path, monkeypatch):
    monkeypatch.setattr(submissions, "_BYTES", 2**20)
    path = packed(tmp_path, (f"emodb/{DIGEST}.parquet", bytes(2**24)))
    assert path.stat().st_size < 50_000
    with pytest.raises(SerbenchError, match="more than is read at once"):
        add(path, tmp_path / "mine", nowhere)


def test_too_many_files_are_refused(tmp_path, monkeypatch):
    monkeypatch.setattr(submissions, "_FILES", 10)
    path = packed(tmp_path, *((f"x{i}", b"") for i in range(11)))
    with pytest.raises(SerbenchError, match="10 files"):
        add(path, tmp_path / "mine", nowhere)


@pytest.mark.parametrize("cut", [0.2, 0.5, 0.9])
def test_a_damaged_zip_is_one_sentence(zipped, tmp_path, cut):
    content = zipped.read_bytes()
    zipped.write_bytes(content[: int(len(content) * cut)])
    with pytest.raises(SerbenchError, match="not a whole zip"):
        add(zipped, tmp_path / "mine", nowhere)


def test_a_flipped_bit_in_a_zip_is_seen(zipped, tmp_path):
    content = bytearray(zipped.read_bytes())
    content[len(content) // 2] ^= 1
    zipped.write_bytes(content)
    try:
        found = add(zipped, tmp_path / "mine", nowhere)
    except SerbenchError:
        return
    assert all(each.problems for each in found)


def test_neither_zip_nor_folder(tmp_path):
    text = tmp_path / "notes.txt"
    text.write_text("hello")
    for path in (text, tmp_path / "nowhere"):
        with pytest.raises(SerbenchError, match="zip"):
            add(path, tmp_path, nowhere)


def test_a_name_twice_is_refused(tmp_path):
    path = tmp_path / "twice.zip"
    with zipfile.ZipFile(io.BytesIO(), "w"), zipfile.ZipFile(path, "w") as archive:
        archive.writestr(f"a/emodb/{DIGEST}.json", "{}")
        archive.writestr(f"b/emodb/{DIGEST}.json", "{}")
    with pytest.raises(SerbenchError, match="twice"):
        add(path, tmp_path / "mine", nowhere)
