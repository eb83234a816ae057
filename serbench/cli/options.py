"""Options that several subcommands share, and how `--set` is read."""

from __future__ import annotations

import json
from collections.abc import Iterable
from pathlib import Path
from typing import Annotated, Any

import typer

from serbench.errors import SerbenchError, unknown

Data = Annotated[
    Path | None,
    typer.Option("--data", help="Folder that holds the corpora, one folder each [SERBENCH_DATA]."),
]
Device = Annotated[str, typer.Option(help="Torch device: cpu, cuda, cuda:1, ...")]
Results = Annotated[Path, typer.Option("--results", help="Folder of the result files.")]
Set = Annotated[
    list[str] | None,
    typer.Option("--set", metavar="KEY=VALUE", help="Any recipe value, such as training.epochs=5."),
]
Threads = Annotated[
    int | None,
    typer.Option("--threads", min=1, help="Of torch [all cores for encoders, 1 for a small head]."),
]
Weights = Annotated[
    str | None,
    typer.Option(
        "--weights",
        help="Weights of the upstream: a size, an id or a folder; of several, with commas.",
    ),
]


TrainOn = Annotated[
    str | None,
    typer.Option(help="Learn from this corpus instead, or from several with commas."),
]


def corpora(benchmark: str | None, train_on: str | None) -> str | dict[str, Any] | None:
    """Return what a benchmark, or several with commas, and `--train-on` mean in a recipe.

    Raises:
        SerbenchError: nobody says what is tested.
    """
    if benchmark is None:
        if train_on is None:
            return None
        msg = f"--train-on {train_on} needs --benchmark: what is tested"
        raise SerbenchError(msg)
    test = [name.strip() for name in benchmark.split(",")]
    if train_on is None:
        return benchmark if len(test) == 1 else {"name": "across", "test": test}
    return {"name": "across", "test": test, "train": [n.strip() for n in train_on.split(",")]}


def assign(raw: dict[str, Any], settings: Iterable[str]) -> None:
    """Write `key.subkey=value` settings into a nested dict of a recipe.

    A value is read as JSON (numbers, true, [1, 2]) and otherwise taken as text. A part given by
    its name alone becomes a table with that name; of several upstreams, `upstream.2.layers=last`
    means the second, and so it is with post-processors.
    """
    for setting in settings:
        key, equals, value = setting.partition("=")
        if not equals or not key:
            msg = f"--set '{setting}' is not KEY=VALUE; write for instance training.epochs=5"
            raise SerbenchError(msg)
        *parents, last = key.split(".")
        table: Any = raw
        for place, parent in enumerate(parents):
            table = _entered(table, parent, ".".join(parents[:place]))
        table = _alone(table, last, ".".join(parents))
        table[last] = _value(value)


def _entered(table: Any, key: str, above: str) -> Any:
    """Return the table of a key, or of several parts the one of this number."""
    if isinstance(table, list) and key.isdecimal() and int(key) in range(1, len(table) + 1):
        place: Any = int(key) - 1
    else:
        place, table = key, _alone(table, key, above)
        table.setdefault(key, {})
    if isinstance(table[place], bool):
        table[place] = {}  # a switch that is set in detail is on
    if not isinstance(table[place], dict | list):
        table[place] = {"name": table[place]}
    return table[place]


def _alone(table: Any, key: str, above: str) -> Any:
    """Return the table that a key belongs to: in a list of one part, that part.

    Raises:
        SerbenchError: there are several, or it is the number of none.
    """
    if not isinstance(table, list):
        return table
    if len(table) != 1 or key.isdecimal():
        numbers = (str(number) for number in range(1, len(table) + 1))
        remedy = f"of several, say which, as in {above}.2.{'KEY' if key.isdecimal() else key}=VALUE"
        raise unknown(above, key, numbers, remedy)
    if not isinstance(table[0], dict):
        table[0] = {"name": table[0]}
    return table[0]


def _value(text: str) -> Any:
    try:
        return json.loads(text)
    except json.JSONDecodeError:
        return text
