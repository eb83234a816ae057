"""What a result says beside its numbers: the doubts, and nothing of the user's machine."""

from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np
import pytest
import soundfile
from rich.console import Console

from serbench.errors import SerbenchError
from serbench.leaderboard import store, table
from serbench.leaderboard.render import render_run

from .changing import RATE, Listening, Moods


@pytest.fixture
def moods(tmp_path: Path) -> Moods:
    """Return a small corpus with ratings."""
    return Moods(tmp_path)


def test_doubts_about_corpus_and_folds_are_told_recorded_and_beside_the_board(
    moods: Moods,
) -> None:
    for first, copy in ((0, 6), (1, 7)):
        shutil.copy(moods.root / f"{first}.wav", moods.root / f"{copy}.wav")
    ratings = moods.table()
    for doubled in (0, 1):
        ratings.loc[doubled + 6, "valence"] = ratings.loc[doubled, "valence"]
    moods.write(ratings)
    listening = Listening()
    outcome = moods.run(progress=listening)
    copies, few = outcome.result.warnings
    assert copies == ("u0: the same samples as u6 (and 3 more like this); it counts more than once")
    assert few.startswith("3 of 3 validation parts have fewer than 3 speakers: ")
    assert [line for line in listening.told if line.startswith("warning")] == [
        f"warning: {copies}",
        f"warning: {few}",
    ]
    (board,) = table.rank(store.read_all(moods.results).entries)
    (note,) = (text for text in board.notes if text.startswith("Doubts"))
    assert "u0: the same samples as u6 (and 3 more like this); 3 of 3 validation" in note
    assert "counts more than once" not in note, "the remedy is for who runs it"
    assert board.rows[0].notes == (1 + board.notes.index(note),)


def test_a_speaker_with_one_rating_is_counted_below_the_board_and_the_run(moods: Moods) -> None:
    ratings = moods.table()
    ratings.loc[ratings["speaker"] == "s2", "valence"] = 3.3
    moods.write(ratings)
    outcome = moods.run()
    (board,) = table.rank(store.read_all(moods.results).entries)
    told = "The ratings of 1 of 6 speakers are all equal: their CCC is 0 or undefined"
    assert any(told in sentence for sentence in board.caption)
    console = Console(width=200)
    with console.capture() as shown:
        console.print(render_run(outcome.result, outcome.scores))
    assert told in shown.get()


def test_how_many_utterances_a_speaker_needs_is_the_benchmarks(moods: Moods) -> None:
    plugin = Path(moods.raw["benchmark"])
    text = plugin.read_text()
    plugin.write_text(text.replace("1.0, 5.0)", "1.0, 5.0, min_utterances=5)"))
    outcome = moods.run()
    assert store.load_result(outcome.path).result.benchmark.task.min_utterances == 5
    assert outcome.scores.by_speaker["a_ccc"].left_out == 6, "each has four"


def test_no_folder_of_the_user_is_in_what_is_published(
    moods: Moods, pretrained_hubert: Path
) -> None:
    weights = moods.data / "my" / "weights"
    shutil.copytree(pretrained_hubert, weights)
    (moods.root / "3.wav").write_text("this is no audio")
    soundfile.write(moods.root / "4.wav", np.zeros(RATE), RATE)
    raw = {
        "upstream": {"name": "hubert", "weights": str(weights)},
        "leave_out_broken": True,
    }
    outcome = moods.run(raw=raw)
    assert len(outcome.result.left_out) == 2
    text = outcome.path.read_text()
    for folder in (moods.data, moods.data.parent, Path.home(), Path.cwd()):
        assert str(folder) not in text
    assert outcome.result.recipe["benchmark"]["name"] == "moods.py"
    assert outcome.result.recipe["upstreams"][0]["options"]["weights"] == "./weights"
    again = Listening()
    moods.run(raw=raw, progress=again)
    assert again.heard("has been run on the same data"), "its digest is the same"


ENCODER = """
import torch
from serbench.upstreams import Upstream, stack

class Places(Upstream):
    sample_rate, depth, dim = 16_000, 1, 1

    def __init__(self):
        super().__init__()
        self.provenance = {"id": FOLDER + "/w.pt", "trained_on": "speech in " + FOLDER}

    def frames(self, samples):
        return samples // 320

    def forward(self, clips):
        blocks = [w[: len(w) // 320 * 320].view(1, -1, 320) for w in clips.waves]
        return stack([each.amax(2, keepdim=True) for each in blocks])

def make():
    return Places()
"""


def test_however_an_absolute_folder_is_written_no_text_of_a_record_has_it(
    moods: Moods, tmp_path: Path
) -> None:
    """Its paths have doubled slashes, and the folder is reached by a link."""
    link = tmp_path / "a link"
    link.symlink_to(moods.data)
    plugin = Path(moods.raw["benchmark"])
    plugin.write_text(plugin.read_text().replace("str(root / path)", "f'{root}//./{path}'"))
    (moods.root / "1.wav").unlink()
    (moods.root / "2.wav").write_bytes(b"")
    (moods.root / "3.wav").write_text("this is no audio")
    (moods.root / "5.wav").write_bytes((moods.root / "6.wav").read_bytes()[:500])
    for number, samples in ((4, np.zeros(RATE)), (8, np.full(RATE, np.nan)), (9, [0.1, -0.1] * 9)):
        soundfile.write(moods.root / f"{number}.wav", samples, RATE, subtype="FLOAT")
    (tmp_path / "places.py").write_text(ENCODER.replace("FOLDER", repr(str(tmp_path))))
    raw = {"upstream": str(tmp_path / "places.py"), "leave_out_broken": True}
    outcome = moods.run(raw=raw, data=link)
    assert len(outcome.result.left_out) == 7
    for text in (outcome.path.read_text(), str(store.load_result(outcome.path))):
        for folder in (tmp_path, link, moods.data, Path.home(), Path.cwd()):
            assert str(folder) not in text
    reasons = {each.utterance: each.reason for each in outcome.result.left_out}
    assert reasons["u1"] == "audio file '1.wav' does not exist; get it again or correct its path"
    assert outcome.result.provenance["id"] == "w.pt"


def test_a_look_up_finds_what_was_computed_without_broken_files(moods: Moods) -> None:
    (moods.root / "3.wav").write_text("this is no audio")
    raw = {"leave_out_broken": True}
    outcome = moods.run(raw=raw)
    found = moods.run(raw=raw, overwrite="never", data=moods.data.with_name("nothing"))
    assert found.result == outcome.result
    with pytest.raises(SerbenchError, match="no result of this recipe"):
        moods.run(overwrite="never")
    (moods.root / "4.wav").unlink()
    moods.run(raw=raw)
    with pytest.raises(SerbenchError, match="other utterances were left out; `serbench show`"):
        moods.run(raw=raw, overwrite="never")
