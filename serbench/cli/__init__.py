"""The command line: one file a subcommand; each parses, calls one public function, prints."""

from __future__ import annotations

import typer

from serbench.cli import (
    check,
    compare,
    convert,
    data,
    fuse,
    leaderboard,
    listing,
    postprocess,
    pretrain,
    recipes,
    reported,
    rerun,
    run,
    show,
    speakers,
    study,
    sweep,
    together,
)

app = typer.Typer(
    name="serbench",
    help="A benchmark harness for speech emotion recognition.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
)


def _version(wanted: bool) -> None:
    if wanted:
        from serbench import __version__

        typer.echo(f"serbench {__version__}")
        raise typer.Exit


@app.callback()
def _main(
    context: typer.Context,
    _: bool = typer.Option(
        False, "--version", callback=_version, is_eager=True, help="Show the version."
    ),
) -> None:
    """A benchmark harness for speech emotion recognition."""
    together.refuse(context.invoked_subcommand)


app.command("run")(run.run)
app.command("sweep")(sweep.sweep)
app.command("fuse")(fuse.fuse)
app.command("postprocess")(postprocess.postprocess)
app.command("list")(listing.listing)
app.add_typer(leaderboard.app, name="leaderboard")
app.command("compare")(compare.compare)
app.command("show")(show.show)
app.command("rerun")(rerun.rerun)
app.command("reported")(reported.reported)
app.add_typer(recipes.app, name="recipes")
app.add_typer(speakers.app, name="speakers")
app.add_typer(study.app, name="study")
app.add_typer(data.app, name="data")
app.add_typer(check.app, name="check")
app.add_typer(pretrain.app, name="pretrain")
app.add_typer(convert.app, name="convert")

__all__ = ["app"]
