"""The flags of `serbench pretrain`, in the groups in which its commands take them."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, NamedTuple

import typer

from serbench.cli.options import Data, Threads

Out = Annotated[Path, typer.Option("--out", help="Folder for the weights.")]
Base = Annotated[str | None, typer.Option(help="Start from these [fresh ones].")]
Revision = Annotated[
    str | None, typer.Option(help="Branch, tag or commit of --weights on the hub [newest].")
]
Teacher = Annotated[str | None, typer.Option(help="Weights whose frames are clustered.")]
Quantizer = Annotated[
    Path | None, typer.Option(help="Clusters made before (`serbench convert quantizer`).")
]
Layer = Annotated[int | None, typer.Option(help="Whose frames are clustered [3/4 up].", min=0)]
Clusters = Annotated[int, typer.Option(help="Of frames, to be predicted.", min=2)]
Updates = Annotated[int, typer.Option(help="Of the encoder.", min=1)]
Peak = Annotated[float, typer.Option(help="Highest learning rate.")]
Warmup = Annotated[float, typer.Option(help="Share of the updates.", min=0.0, max=1.0)]
BatchSeconds = Annotated[float, typer.Option(help="Of audio an update.", min=2.0)]
HeadUpdates = Annotated[int, typer.Option(help="Of a head for the encoder's own clusters.", min=0)]
ValidShare = Annotated[float, typer.Option(help="Kept for validation.", min=0.0, max=0.5)]
Seed = Annotated[int, typer.Option(help="Of everything.", min=0)]
Half = Annotated[bool, typer.Option("--half", help="Write half precision.")]


class Heard(NamedTuple):
    """The audio to train on."""

    audio: Annotated[
        list[Path] | None,
        typer.Option(
            "--audio", help="A folder, a list of files (.csv or lines), or a .toml of them."
        ),
    ] = None
    benchmark: Annotated[
        list[str] | None, typer.Option("--benchmark", help="All audio of this benchmark.")
    ] = None
    data: Data = None
    speaker: Annotated[
        str | None,
        typer.Option(help="Expression whose group is the speaker in a path [its folder's name]."),
    ] = None
    licence: Annotated[str, typer.Option(help="Of the audio, for the card.")] = "not stated"


class Work(NamedTuple):
    """Where the training runs, and how it goes on after a stop."""

    resume: Annotated[bool, typer.Option("--resume", help="Go on with a stopped training.")] = False
    minutes: Annotated[float, typer.Option(help="Between two checkpoints.", min=0.0)] = 5.0
    device: Annotated[str | None, typer.Option(help="Torch device [a GPU where there is one].")] = (
        None
    )
    threads: Threads = None


class Start(NamedTuple):
    """What an iteration of HuBERT goes on from: weights, and what gives its labels."""

    weights: Base = None
    revision: Revision = None
    teacher: Teacher = None
    quantizer: Quantizer = None


class AdaptedStart(NamedTuple):
    """What an adaptation goes on from: weights, and parts of a published pre-training."""

    weights: Annotated[str, typer.Option(help="Start from these.")] = "nano"
    revision: Revision = None
    teacher: Teacher = None
    quantizer: Quantizer = None
    head: Annotated[
        Path | None, typer.Option(help="Head made before (`serbench convert head`).")
    ] = None


class CPC(NamedTuple):
    """The fields of `CPCOptions`."""

    updates: Updates = 1000
    peak: Peak = 2e-4
    warmup: Warmup = 0.08
    clips: Annotated[int, typer.Option(help="In a batch.", min=1)] = 64
    clip_seconds: Annotated[float, typer.Option(help="Of each clip.", min=0.5)] = 10.0
    steps: Annotated[int, typer.Option(help="Predicted, of 10 ms.", min=1)] = 12
    negatives: Annotated[int, typer.Option(help="Of the same clip.", min=1)] = 50
    norm: Annotated[
        bool, typer.Option(help="Normalise frames before each ReLU, as CPC_audio does.")
    ] = True
    valid_share: ValidShare = 0.04
    seed: Seed = 0
    half: Half = False


class Hubert(NamedTuple):
    """The fields of `HubertOptions`."""

    size: Annotated[str, typer.Option(help="Of fresh weights: nano, base or large.")] = "nano"
    layer: Layer = None
    clusters: Clusters = 100
    updates: Updates = 3000
    peak: Peak = 1e-3
    warmup: Warmup = 0.08
    batch_seconds: BatchSeconds = 24.0
    unmasked: Annotated[
        float, typer.Option(help="Weight of the loss at frames that are not masked.", min=0.0)
    ] = 0.0
    gradient: Annotated[
        float, typer.Option(help="Factor on the convolutions' gradient.", min=0.0, max=1.0)
    ] = 1.0
    head_updates: HeadUpdates = 500
    valid_share: ValidShare = 0.04
    seed: Seed = 0
    half: Half = False


class Adaptation(NamedTuple):
    """The fields of `AdaptationOptions` that TAPT and PAPT share."""

    layer: Layer = None
    clusters: Clusters = 100
    epochs: Annotated[int, typer.Option(help="Over the audio.", min=1)] = 10
    peak: Annotated[float | None, typer.Option(help="Highest learning rate [by size].")] = None
    warmup: Warmup = 0.05
    batch_seconds: Annotated[
        float | None, typer.Option(help="Of audio an update [by size].", min=2.0)
    ] = None
    gradient: Annotated[
        float | None,
        typer.Option(help="Factor on the convolutions' gradient [by size].", min=0.0, max=1.0),
    ] = None
    layer_drop: Annotated[
        float | None,
        typer.Option(help="Chance that a layer is skipped [by size].", min=0.0, max=1.0),
    ] = None
    crop_seconds: Annotated[
        float | None, typer.Option(help="Longest part of a recording [by size].", min=0.5)
    ] = None
    head_updates: HeadUpdates = 500
    valid_share: ValidShare = 0.05
    seed: Seed = 0


class Speakers(NamedTuple):
    """The fields of `AdaptationOptions` that are PAPT's alone."""

    position: Annotated[
        str, typer.Option(help="Where speakers go in: last, first, prefix or none.")
    ] = "last"
    width: Annotated[int, typer.Option(help="Of the speaker table.", min=1)] = 64
