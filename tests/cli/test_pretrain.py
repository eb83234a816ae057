"""`serbench pretrain` as people see it."""

from __future__ import annotations

import inspect
import json
from dataclasses import fields
from pathlib import Path

import numpy as np
import pytest
import soundfile

from serbench.cli import pretrain
from serbench.encoders.pretraining.adaptation_options import AdaptationOptions
from serbench.encoders.pretraining.cpc import CPCOptions
from serbench.encoders.pretraining.hubert import HubertOptions

from ..commands import Ended, serbench  # noqa: TID252

TINY = ("--updates", "3", "--batch-seconds", "4", "--clusters", "5", "--head-updates", "2")


def command(folder: Path, *args: str | Path) -> Ended:
    """Run the command in a folder at 80 columns."""
    return serbench("pretrain", *args, cwd=folder)


@pytest.fixture(scope="module")
def speech(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("speech")
    draw = np.random.default_rng(0)
    for number in range(6):
        (folder / f"s{number % 3}").mkdir(exist_ok=True)
        wave = 0.1 * draw.standard_normal(16_000 + 4_000 * number)
        soundfile.write(folder / f"s{number % 3}" / f"{number}.wav", wave, 16_000)
    return folder


@pytest.fixture(scope="module")
def hubert(speech: Path) -> Path:
    args = ("--audio", speech, "--licence", "CC0-1.0", "--out", "hubert", *TINY)
    ended = command(speech.parent, "hubert", *args)
    assert ended.returncode == 0, ended.stderr
    assert ended.stdout == "weights: hubert\n"
    assert "6 recordings, 0.00 h, to train on; device cpu" in ended.stderr
    assert "entropy of the labels" in ended.stderr
    return speech.parent / "hubert"


def test_a_folder_of_audio_becomes_weights_with_a_card(hubert: Path) -> None:
    card = json.loads((hubert / "card.json").read_text())
    (corpus,) = card["corpora"]
    assert (corpus["licence"], corpus["speakers"], corpus["recordings"]) == ("CC0-1.0", 3, 6)


def test_the_weights_are_adapted_to_speakers(hubert: Path, speech: Path) -> None:
    args = ("--audio", speech, "--weights", hubert, "--epochs", "1", "--out", "papt")
    args += ("--threads", "2")
    ended = command(hubert.parent, "papt", *args)
    assert ended.returncode == 0, ended.stderr
    card = json.loads((hubert.parent / "papt" / "card.json").read_text())
    assert (card["corpora"][0]["name"], card["corpora"][0]["speakers"]) == (speech.name, 3)
    assert card["options"]["position"] == "last"
    assert {stage["threads"] for stage in card["stages"]} == {2}


@pytest.mark.parametrize(
    ("args", "message"),
    [
        (("hubert", "--out", "x"), "no audio to train on; give --audio PATH or --benchmark NAME"),
        (("cpc", "--audio", "nowhere", "--out", "x"), "'nowhere' is neither a folder nor a list"),
        (("tapt", "--audio", "speech", "--weights", "./no", "--out", "x"), "there is no folder"),
        (
            ("tapt", "--audio", "speech", "--revision", "main", "--out", "x"),
            "come with serbench and have no revision 'main'",
        ),
        (("papt", "--audio", "speech", "--head", "h", "--out", "x"), "give all of --teacher"),
        (("hubert", "--audio", "speech", "--out", "hubert"), "hubert holds finished weights"),
        (("hubert", "--audio", "speech", "--out", "x", "--device", "tpu"), "device 'tpu' cannot"),
    ],
)
def test_faults_are_told_in_a_sentence(hubert: Path, speech: Path, args, message) -> None:
    given = [str(speech) if arg == "speech" else arg for arg in args]
    ended = command(hubert.parent, *given)
    assert ended.returncode == 2
    assert message in ended.stderr


@pytest.mark.parametrize(
    ("flags", "options", "hidden"),
    [
        (pretrain.cpc, CPCOptions, set()),
        (pretrain.hubert, HubertOptions, set()),
        (pretrain.papt, AdaptationOptions, {"position"}),
        (pretrain.tapt, AdaptationOptions, {"position", "width"}),
    ],
)
def test_every_option_is_a_flag_with_the_same_default(flags, options, hidden) -> None:
    given = inspect.signature(flags).parameters
    wanted = {f.name: f.default for f in fields(options) if f.name not in hidden}
    assert {name: given[name].default for name in wanted} == wanted
