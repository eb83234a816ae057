"""`serbench run`: the main job."""

from __future__ import annotations

import sys
from contextlib import redirect_stdout
from enum import Enum
from pathlib import Path
from typing import Annotated, Any, NamedTuple

import typer

from serbench.cli.groups import grouped
from serbench.cli.options import (
    Data,
    Device,
    Jobs,
    LeaveOutBroken,
    Results,
    Set,
    Threads,
    TrainOn,
    Weights,
    assign,
    corpora,
    jobs_of,
)
from serbench.cli.together import check_shared, leading
from serbench.errors import SerbenchError
from serbench.runs.settings import in_place_of


class Overwrite(Enum):
    """What becomes of a result that is there, as `serbench.runs.result` knows it."""

    ALWAYS = "always"
    ONLY_MISSING = "only-missing"
    NEVER = "never"


class Asked(NamedTuple):
    """What is run: a recipe, or the values of one."""

    upstream: Annotated[
        str | None, typer.Option(help="What encodes; a name or ./file.py; several with commas.")
    ] = None
    downstream: Annotated[str | None, typer.Option(help="The head; a name or ./file.py.")] = None
    benchmark: Annotated[
        str | None,
        typer.Option(help="Corpus and task; a name or a .toml file [demo]; several with commas."),
    ] = None
    train_on: TrainOn = None
    protocol: Annotated[
        str | None, typer.Option(help="How to split [the benchmark's own default].")
    ] = None
    fusion: Annotated[str | None, typer.Option(help="Of several upstreams: early or late.")] = None
    finetune: Annotated[
        bool,
        typer.Option(
            "--finetune",
            help="Train the upstream with the head, at rates of 5e-5 and 1e-3 unless "
            "training.upstream_rate and .learning_rates say others; --set finetune=true trains it "
            "before the head, as do --set finetune.epochs=10 and the like.",
        ),
    ] = False
    weights: Weights = None
    enrol: Annotated[
        str | None,
        typer.Option(
            help="First clips of each test speaker, or seconds (30s), for adaptation and "
            "post-processors; the rest is scored, but for 20 clips (60 s) [none]."
        ),
    ] = None
    postprocess: Annotated[
        str | None,
        typer.Option(help="What corrects the predictions; names or ./file.py with commas."),
    ] = None
    seeds: Annotated[int | None, typer.Option(min=1, help="How many seeds: 0, 1, ... [1].")] = None
    recipe: Annotated[
        str | None, typer.Option(help="A recipe: a name of `list recipes` or a .toml file.")
    ] = None
    set_: Set = None
    leave_out_broken: LeaveOutBroken = False


@grouped
def run(
    *,
    asked: Asked,
    data: Data = None,
    results: Results = Path("results"),
    device: Device = "cpu",
    threads: Threads = None,
    jobs: Jobs = "auto",
    overwrite: Annotated[
        Overwrite,
        typer.Option(
            help="Whether an older result is computed anew; never: shown, whatever the corpus."
        ),
    ] = Overwrite.ONLY_MISSING,
    again: Annotated[bool, typer.Option("--again", help="The same as --overwrite always.")] = False,
) -> None:
    """Run every fold and seed of a recipe and add a row to the leaderboard."""
    from serbench.cli.terminal import Terminal, show
    from serbench.runs import recipe as recipes
    from serbench.runs.run import run_recipe

    if again and overwrite is Overwrite.NEVER:
        raise SerbenchError("--again computes and --overwrite never does not; give one of them")
    with leading(device) as others:
        recipe = recipes.resolve(raw_of(asked))
        if others:
            check_shared(recipe)
        with redirect_stdout(sys.stderr):  # what plugins print is none of what was asked for
            outcome = run_recipe(
                recipe,
                data=data,
                results=results,
                overwrite="always" if again else overwrite.value,
                device=device,
                threads=threads,
                jobs=1 if others else jobs_of(jobs),
                progress=Terminal(),
            )
        show(outcome)


def raw_of(asked: Asked) -> dict[str, Any]:
    """Return the recipe as it would stand in a file; a flag wins over the file that is given."""
    from serbench.runs import recipe as recipes

    raw = recipes.read_recipe(recipes.path_of(asked.recipe)) if asked.recipe else {}
    given: dict[str, Any] = {
        "upstream": _upstreams(raw, asked.upstream),
        "downstream": asked.downstream,
        "benchmark": corpora(asked.benchmark, asked.train_on),
        "protocol": asked.protocol,
        "seeds": None if asked.seeds is None else list(range(asked.seeds)),
        "leave_out_broken": asked.leave_out_broken or None,
        "fusion": asked.fusion,
        "enrol": None if asked.enrol is None else _amount(asked.enrol),
        "postprocess": None if asked.postprocess is None else _listed(asked.postprocess),
    }
    raw.update({key: value for key, value in given.items() if value is not None})
    tuning = _finetune(raw) if asked.finetune else []
    assign(raw, [*_weights(raw, asked.weights), *tuning, *(asked.set_ or [])])
    return raw


def _upstreams(raw: dict[str, Any], given: str | None) -> Any:
    """Return what takes the place of a recipe's upstreams, if anything."""
    return None if given is None else in_place_of(raw.get("upstream"), _listed(given))


def _finetune(raw: dict[str, Any]) -> list[str]:
    """Return the settings that train upstreams with the head, where a recipe does not do so.

    Heads alone are tried at several rates, and at rates that undo what an encoder has learnt.
    """
    from serbench.training.settings import Stage

    training, stage = raw.get("training", {}), Stage()
    if training.get("finetune"):
        return []
    rates = {"upstream_rate": stage.upstream_rate, "learning_rates": [*stage.learning_rates]}
    unsaid = {key: value for key, value in rates.items() if key not in training}
    return ["training.finetune=true", *(f"training.{key}={value}" for key, value in unsaid.items())]


def _weights(raw: dict[str, Any], weights: str | None) -> list[str]:
    """Return the settings that weights mean: for one upstream, or with commas for each of several.

    Raises:
        SerbenchError: there are not as many as upstreams.
    """
    upstreams = raw.get("upstream")
    if weights is None:
        return []
    if not isinstance(upstreams, list):
        return [f"upstream.weights={weights}"]
    each = weights.split(",")
    if len(each) != len(upstreams):
        msg = f"--weights {weights} for {len(upstreams)} upstreams; give one for each, with commas"
        raise SerbenchError(msg)
    return [f"upstream.{number}.weights={one}" for number, one in enumerate(each, start=1) if one]


def _amount(given: str) -> int | str:
    """Return what is enrolled as a recipe has it: clips are a number."""
    return int(given) if given.isdecimal() else given


def _listed(given: str) -> str | list[str]:
    """Return the name of a part, or the list that commas separate."""
    names = [name.strip() for name in given.split(",")]
    return names if len(names) > 1 else given
