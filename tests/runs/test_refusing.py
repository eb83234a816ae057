"""What no record can hold is refused before anything is encoded or trained."""

from __future__ import annotations

from pathlib import Path

import pytest

from serbench.errors import SerbenchError

from .changing import PLUGIN, Moods


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


def test_a_sound_one_is_not_refused(moods: Moods) -> None:
    with pytest.raises(_TooLateError):
        moods.run()
