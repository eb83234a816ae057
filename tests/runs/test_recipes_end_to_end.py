"""Every shipped recipe runs from its audio to its scores, small: one command does them all.

    pytest tests/runs/test_recipes_end_to_end.py -m "slow or not slow"

The corpus is the synthetic one, the weights are those of the package, heads are the small ones, and
everything learns for one epoch from a tenth of one fold, so that no score means anything; what is
looked at is that all stages took place.
"""

from __future__ import annotations

import math
from pathlib import Path

import pytest
from typer.testing import CliRunner

from serbench.cli import app
from serbench.leaderboard import store
from serbench.runs import recipe as recipes

NANO = ["--weights", "nano"]
CPC = ["--upstream", "cpc", *NANO]  # the package has no wav2vec 2.0
BOTH = ["--upstream", "hubert,cpc", "--weights", "nano,nano"]
ADAPTED = [*NANO, "--set", "upstream.epochs=1"]
WHERE = [*ADAPTED, "--set", "upstream.adapt_on=train"]
SMALL = {
    "li_jointcpc": [],
    "li_minicpc": ["--set", "upstream.updates=2"],
    "li_precpc": NANO,
    "li_sup": [],
    "morais_1": CPC,
    "morais_2": NANO,
    "morais_3": CPC,
    "morais_4": NANO,
    "morais_5": CPC,
    "morais_6": NANO,
    "morais_7": BOTH,
    "morais_8": BOTH,
    "morais_9": [],
    "morais_10": ["--weights", "tiny-random"],
    "morais_11": ["--set", "upstream.2.weights=tiny-random"],
    "sha_base": NANO,
    "sha_mfcc": NANO,
    "sha_personal": NANO,
    "superb": ["--upstream", "hubert", *NANO],
    "tran_b2": NANO,
    "tran_papt": ADAPTED,
    "tran_papt_first": WHERE,
    "tran_papt_none": WHERE,
    "tran_papt_prefix": WHERE,
    "tran_tapt": ADAPTED,
    "tran_vanilla": NANO,
}
"""What makes each recipe small."""

QUICK = ("li_sup", "morais_10", "sha_mfcc")


def settings(name: str) -> list[str]:
    """Return what makes a recipe short: one epoch of everything, at one rate, on one fold."""
    raw = recipes.read_recipe(recipes.path_of(name))
    short = ["training.epochs=1", "training.learning_rates=[1e-3]", "seeds=[0]"]
    if "finetune" in raw:
        short.append("finetune.epochs=1")
    if "size" in raw["downstream"]:
        short.append("downstream.size=small")
    flags = [part for setting in short for part in ("--set", setting)]
    corpus = raw.get("benchmark", {}).get("name", "demo")
    elsewhere = [] if corpus == "demo" else ["--benchmark", "demo"]
    fold = ["--protocol", "speaker_dependent_random", "--set", "protocol.fractions=[0.1,0.1,0.8]"]
    return [*flags, *elsewhere, *fold]


def test_every_recipe_is_here() -> None:
    assert sorted(SMALL) == sorted(path.stem for path in recipes.shipped())


@pytest.mark.parametrize(
    "name", [pytest.param(n, marks=[] if n in QUICK else [pytest.mark.slow]) for n in sorted(SMALL)]
)
def test_a_recipe_runs_end_to_end(name: str, tmp_path: Path) -> None:
    command = ["run", "--recipe", name, *SMALL[name], *settings(name)]
    ended = CliRunner().invoke(app, [*command, "--results", str(tmp_path)])
    assert ended.exit_code == 0, ended.exception
    ((result, predictions),) = store.read_all(tmp_path).entries
    assert result.complete
    assert not predictions.isna().any(axis=None)
    assert math.isfinite(result.scores["rank"])
    raw = recipes.read_recipe(recipes.path_of(name))
    learning = [each for each in result.encoders if each.provenance]
    assert all((each.finetuned is not None) == ("finetune" in raw) for each in learning)
    adapted = [each.adaptation is not None for each in result.encoders]
    assert any(adapted) == ("tapt" in name or "papt" in name or name == "li_minicpc")
    assert (result.conditioning is not None) == (name in ("sha_mfcc", "sha_personal"))
