"""`serbench convert`: parts that others publish as pickles, once and for all into safetensors."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from serbench.encoders.pretraining.fairseq import Pickle

app = typer.Typer(help="Turn fairseq's published pickles into safetensors.", no_args_is_help=True)

Source = Annotated[Path, typer.Argument(help="The published file, a pickle.")]
Target = Annotated[Path, typer.Argument(help="The safetensors file to write.")]
Trust = Annotated[bool, typer.Option("--trust", help="I trust the source of this file: open it.")]


@app.command("quantizer")
def quantizer(source: Source, target: Target, trust: Trust = False) -> None:
    """Convert a k-means of HuBERT's labels, such as hubert_base_ls960_L9_km500.bin."""
    from serbench.encoders.pretraining import fairseq

    about = fairseq.convert_quantizer(_announced(source), target, trusted=trust)
    typer.echo(f"{target}: {about['what']}")


@app.command("head")
def head(source: Source, target: Target, trust: Trust = False) -> None:
    """Convert the pre-training head of a HuBERT, such as hubert_large_ll60k.pt."""
    from serbench.encoders.pretraining import fairseq

    about = fairseq.convert_head(_announced(source), target, trusted=trust)
    typer.echo(f"{target}: {about['what']}\n{about['order']}")


def _announced(source: Path) -> Pickle:
    """Hash the file and say what a pickle is."""
    from serbench.cli.terminal import Terminal
    from serbench.encoders.pretraining.fairseq import Pickle

    published = Pickle.at(source)
    Terminal().tell(published.warning)
    return published
