"""Flags that reach a command in groups."""

from __future__ import annotations

from inspect import signature
from pathlib import Path
from typing import Annotated, NamedTuple

import pytest
import typer
from typer.testing import CliRunner

from serbench.cli.groups import grouped

Share = Annotated[float, typer.Option(help="Of the whole.", min=0.0, max=1.0)]


class Place(NamedTuple):
    folder: Annotated[Path, typer.Option("--to", help="Where it goes.")]
    share: Share = 0.5


class Manner(NamedTuple):
    times: int = 3
    names: Annotated[list[str] | None, typer.Option("--name")] = None
    quick: bool = False


def by_groups(*, place: Place, size: Share = 0.25, manner: Manner) -> None:
    """Do it."""
    typer.echo(f"{place} {size} {manner}")


def one_by_one(
    *,
    folder: Annotated[Path, typer.Option("--to", help="Where it goes.")],
    share: Share = 0.5,
    size: Share = 0.25,
    times: int = 3,
    names: Annotated[list[str] | None, typer.Option("--name")] = None,
    quick: bool = False,
) -> None:
    """Do it."""
    by_groups(place=Place(folder, share), size=size, manner=Manner(times, names, quick))


def said(command, *args: str) -> tuple[int, str]:
    app = typer.Typer(add_completion=False)
    app.command("do")(command)
    ended = CliRunner().invoke(app, args)
    return ended.exit_code, ended.output


@pytest.mark.parametrize(
    "args",
    [
        ("--help",),
        ("--to", "there"),
        ("--to", "there", "--share", "1", "--name", "a", "--name", "b", "--quick", "--size", "0"),
        (),
        ("--to", "there", "--share", "2"),
        ("--to", "there", "--place", "x"),
    ],
)
def test_a_group_is_to_the_user_what_its_fields_are_one_by_one(args):
    assert said(grouped(by_groups), *args) == said(one_by_one, *args)


def test_the_command_gets_the_groups():
    code, text = said(grouped(by_groups), "--to", "there", "--times", "7", "--no-quick")
    assert code == 0
    assert text == f"{Place(Path('there'))} 0.25 {Manner(times=7)}\n"


def test_flags_come_in_the_order_of_the_groups():
    flags = ["folder", "share", "size", "times", "names", "quick"]
    assert list(signature(grouped(by_groups)).parameters) == flags


def test_two_fields_of_one_name_are_refused():
    class Other(NamedTuple):
        share: Share = 0.1

    def twice(*, place: Place, other: Other) -> None: ...

    twice.__annotations__ = {"place": Place, "other": Other}
    with pytest.raises(ValueError, match="duplicate parameter name: 'share'"):
        grouped(twice)
