"""Commands that a launcher starts in several processes, which train one model together."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

import typer

from serbench.devices import launched
from serbench.errors import SerbenchError

if TYPE_CHECKING:
    from serbench.runs.recipe import Recipe

COMMANDS = ("run", "pretrain")
"""Those that know what to do with several processes."""


@contextmanager
def leading(device: str) -> Iterator[bool]:
    """Lead the processes that a launcher started, if it did; those that follow end in here.

    Args:
        device: torch device.

    Yields:
        Whether there are others.

    Raises:
        SerbenchError: as `ranks.join`.
    """
    if not launched():
        yield False
        return
    from serbench import ranks
    from serbench.sharing import follow

    group = ranks.join(device)
    if group.rank:
        follow(group)
        raise typer.Exit
    try:
        yield True
    finally:
        group.dismiss()


def refuse(command: str | None) -> None:
    """Refuse a command that a launcher started in several processes, each of which would do it all.

    Raises:
        SerbenchError: it was.
    """
    if launched() and command not in COMMANDS:
        msg = (
            f"`serbench {command}` is for one process; start it without a launcher (only "
            f"{' and '.join(COMMANDS)} train one encoder in several)"
        )
        raise SerbenchError(msg)


def check_shared(recipe: Recipe) -> None:
    """Refuse a run that trains no encoder, so that processes have nothing to share.

    Raises:
        SerbenchError: it does not.
    """
    from serbench import plugins

    adapted = any(plugins.find("upstreams", part.name).adapted_by for part in recipe.upstreams)
    if not (adapted or recipe.finetune or recipe.training.finetune):
        msg = (
            "this recipe trains no encoder, so that processes have nothing to share; start it "
            "without a launcher: folds and seeds go over processes with --jobs"
        )
        raise SerbenchError(msg)
