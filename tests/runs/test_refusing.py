"""What no record can hold is refused before anything is encoded or trained."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile

import serbench
from serbench.errors import SerbenchError
from serbench.runs import recipe

from .changing import PLUGIN, Moods
from .conftest import RATE


class _TooLateError(Exception):
    """Something was encoded."""


@pytest.fixture
def moods(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Moods:
    """Return a small corpus on which nothing may be encoded."""

    def encode(*args: object) -> None:
        raise _TooLateError

    monkeypatch.setattr("serbench.runs.run.encode", encode)
    return Moods(tmp_path)


@pytest.mark.parametrize(
    ("old", "new", "told"),
    [
        (
            "    return table",
            '    table["utterance"] = table["utterance"].str[:2]\n    return table',
            "the same id: 11 utterances",
        ),
        ('version="1"', "version=1", "its version is 1"),
        ("partial(protocols.speaker_folds, k=3)", "numbered", "the name of a fold is 0"),
        ("partial(protocols.speaker_folds, k=3)", "alike", "several folds have one name: all"),
    ],
)
def test_it_is_refused_before_the_work(moods: Moods, old: str, new: str, told: str) -> None:
    file = Path(moods.raw["benchmark"])
    assert old in PLUGIN
    file.write_text(PROTOCOLS + PLUGIN.replace(old, new))
    if "= int" in new:
        table = moods.table()
        moods.write(table.assign(speaker=table["speaker"].str[1:]))
    with pytest.raises(SerbenchError, match=told):
        moods.run()


PROTOCOLS = """
def _renamed(name):
    from dataclasses import replace
    from serbench.benchmarks import protocols

    made = protocols.speaker_folds(k=3)
    named = lambda folds: [replace(f, name=name(i)) for i, f in enumerate(folds)]
    return replace(made, split=lambda table, task: named(made.split(table, task)))

def numbered():
    return _renamed(lambda number: number)

def alike():
    return _renamed(lambda number: "all")

"""


def test_a_seed_that_a_library_does_not_take_is_refused(moods: Moods) -> None:
    with pytest.raises(SerbenchError, match="seeds"):
        moods.run(raw={"seeds": [2**64]})
    with pytest.raises(SerbenchError, match="a seed twice"):
        moods.run(raw={"seeds": [0, 0]})


@pytest.mark.parametrize("name", ["audit", "checkpoints", "features", "locks", "runs"])
def test_a_file_in_the_place_of_a_folder_of_the_home(
    moods: Moods, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    monkeypatch.setenv("SERBENCH_HOME", str(tmp_path / "home"))
    (tmp_path / "home").mkdir()
    (tmp_path / "home" / name).touch()
    with pytest.raises(SerbenchError, match=f"'{tmp_path / 'home' / name}' is in the way of a"):
        moods.run()


def test_a_folder_in_the_place_of_the_result(moods: Moods) -> None:
    digest = recipe.resolve(moods.raw).digest()
    place = moods.results / "moods" / f"{digest}.train.parquet"
    place.mkdir(parents=True)
    with pytest.raises(SerbenchError, match=f"'{place}': a folder is in its place"):
        moods.run()


def test_a_sound_one_is_not_refused(moods: Moods) -> None:
    with pytest.raises(_TooLateError):
        moods.run()


def test_clips_without_a_frame_are_all_named_before_any_work_or_left_out(
    corpus: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    for number in (3, 6):
        noise = np.random.default_rng(number).normal(0, 0.1, 416)
        soundfile.write(corpus.with_name(f"{number}.wav"), noise, RATE)
    asked: dict[str, Any] = {
        "upstream": "cpc",
        "downstream": "mean_pool",
        "benchmark": str(corpus),
        "training": {"epochs": 1, "learning_rates": [1e-3]},
    }
    with monkeypatch.context() as patch:
        patch.setattr("serbench.runs.run.encode", lambda *_: pytest.fail("encoded"))
        with pytest.raises(SerbenchError) as caught:
            serbench.run(results=tmp_path / "results", **asked)
    told = [f"- {n}.wav: 26.0 ms are too short for one frame of 'cpc'" for n in (3, 6)]
    assert str(caught.value).splitlines()[:-1] == [
        "2 of 16 utterances cannot be encoded:",
        *told,
    ]
    made = serbench.run(results=tmp_path / "results", leave_out_broken=True, **asked)
    assert {each.utterance for each in made.result.left_out} == {"3.wav", "6.wav"}
    assert sum(fold.test for fold in made.result.split.folds) == 14
