"""`serbench pretrain`: encoders trained from audio alone, or adapted to it."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from serbench.cli.options import Data

if TYPE_CHECKING:
    from serbench.encoders.pretraining.audio import Audio
    from serbench.encoders.pretraining.card import Corpus
    from serbench.encoders.weights import Weights

app = typer.Typer(help="Train encoders from audio alone, or adapt them.", no_args_is_help=True)

AudioPaths = Annotated[
    list[Path] | None,
    typer.Option("--audio", help="A folder, a list of files (.csv or lines), or a .toml of them."),
]
Benchmarks = Annotated[
    list[str] | None, typer.Option("--benchmark", help="All audio of this benchmark.")
]
Out = Annotated[Path, typer.Option("--out", help="Folder for the weights.")]
Speaker = Annotated[
    str | None,
    typer.Option(help="Expression whose group is the speaker in a path [its folder's name]."),
]
Licence = Annotated[str, typer.Option(help="Of the audio, for the card.")]
Resume = Annotated[bool, typer.Option("--resume", help="Go on with a stopped training.")]
Minutes = Annotated[float, typer.Option(help="Between two checkpoints.", min=0.0)]
Device = Annotated[str | None, typer.Option(help="Torch device [a GPU where there is one].")]
Peak = Annotated[float, typer.Option(help="Highest learning rate.")]
Warmup = Annotated[float, typer.Option(help="Share of the updates.", min=0.0, max=1.0)]
Updates = Annotated[int, typer.Option(help="Of the encoder.", min=1)]
BatchSeconds = Annotated[float, typer.Option(help="Of audio an update.", min=2.0)]
HeadUpdates = Annotated[int, typer.Option(help="Of a head for the encoder's own clusters.", min=0)]
Clusters = Annotated[int, typer.Option(help="Of frames, to be predicted.", min=2)]
Layer = Annotated[int | None, typer.Option(help="Whose frames are clustered [3/4 up].", min=0)]
ValidShare = Annotated[float, typer.Option(help="Kept for validation.", min=0.0, max=0.5)]
Seed = Annotated[int, typer.Option(help="Of everything.", min=0)]
Half = Annotated[bool, typer.Option("--half", help="Write half precision.")]
Quantizer = Annotated[
    Path | None, typer.Option(help="Clusters made before (`serbench convert quantizer`).")
]
Head = Annotated[Path | None, typer.Option(help="Head made before (`serbench convert head`).")]
Revision = Annotated[
    str | None, typer.Option(help="Branch, tag or commit of --weights on the hub [newest].")
]
Teacher = Annotated[str | None, typer.Option(help="Weights whose frames are clustered.")]
Epochs = Annotated[int, typer.Option(help="Over the audio.", min=1)]


@app.command("cpc")
def cpc(
    out: Out,
    audio: AudioPaths = None,
    benchmark: Benchmarks = None,
    data: Data = None,
    weights: Annotated[str | None, typer.Option(help="Start from these [fresh ones].")] = None,
    updates: Updates = 1000,
    peak: Peak = 2e-4,
    warmup: Warmup = 0.08,
    clips: Annotated[int, typer.Option(help="In a batch.", min=1)] = 64,
    clip_seconds: Annotated[float, typer.Option(help="Of each clip.", min=0.5)] = 10.0,
    steps: Annotated[int, typer.Option(help="Predicted, of 10 ms.", min=1)] = 12,
    negatives: Annotated[int, typer.Option(help="Of the same clip.", min=1)] = 50,
    norm: Annotated[
        bool, typer.Option(help="Normalise frames before each ReLU, as CPC_audio does.")
    ] = True,
    valid_share: ValidShare = 0.04,
    seed: Seed = 0,
    half: Half = False,
    speaker: Speaker = None,
    licence: Licence = "not stated",
    resume: Resume = False,
    minutes: Minutes = 5.0,
    device: Device = None,
) -> None:
    """Train a CPC: tell the coming frames from others (paper C: Li et al. 2021)."""
    given = locals()
    from serbench.encoders.pretraining.cpc import CPCOptions, pretrain

    _train(pretrain, CPCOptions, given, weights=_cpc(weights))


@app.command("hubert")
def hubert(
    out: Out,
    audio: AudioPaths = None,
    benchmark: Benchmarks = None,
    data: Data = None,
    weights: Annotated[str | None, typer.Option(help="Start from these [fresh ones].")] = None,
    revision: Revision = None,
    size: Annotated[str, typer.Option(help="Of fresh weights: nano, base or large.")] = "nano",
    teacher: Teacher = None,
    layer: Layer = None,
    quantizer: Quantizer = None,
    clusters: Clusters = 100,
    updates: Updates = 3000,
    peak: Peak = 1e-3,
    warmup: Warmup = 0.08,
    batch_seconds: BatchSeconds = 24.0,
    unmasked: Annotated[
        float, typer.Option(help="Weight of the loss at frames that are not masked.", min=0.0)
    ] = 0.0,
    gradient: Annotated[
        float, typer.Option(help="Factor on the convolutions' gradient.", min=0.0, max=1.0)
    ] = 1.0,
    head_updates: HeadUpdates = 500,
    valid_share: ValidShare = 0.04,
    seed: Seed = 0,
    half: Half = False,
    speaker: Speaker = None,
    licence: Licence = "not stated",
    resume: Resume = False,
    minutes: Minutes = 5.0,
    device: Device = None,
) -> None:
    """Train a HuBERT for one iteration: predict clusters of masked frames.

    Clusters are of MFCC (iteration 1), or with --teacher or --weights of a layer of those.
    """
    given = locals()
    from serbench.encoders.pretraining.hubert import HubertOptions, pretrain

    more = {
        "weights": _hubert(weights, revision),
        "teacher": _hubert(teacher),
        "quantizer": quantizer,
    }
    _train(pretrain, HubertOptions, given, **more)


@app.command("tapt")
def tapt(
    out: Out,
    audio: AudioPaths = None,
    benchmark: Benchmarks = None,
    data: Data = None,
    weights: Annotated[str, typer.Option(help="Start from these.")] = "nano",
    revision: Revision = None,
    teacher: Teacher = None,
    layer: Layer = None,
    quantizer: Quantizer = None,
    head: Head = None,
    clusters: Clusters = 100,
    epochs: Epochs = 10,
    peak: Peak = 1e-5,
    warmup: Warmup = 0.05,
    batch_seconds: BatchSeconds = 87.5,
    head_updates: HeadUpdates = 500,
    valid_share: ValidShare = 0.05,
    seed: Seed = 0,
    speaker: Speaker = None,
    licence: Licence = "not stated",
    resume: Resume = False,
    minutes: Minutes = 5.0,
    device: Device = None,
) -> None:
    """Adapt a HuBERT to audio: masked prediction goes on (TAPT)."""
    given = locals()
    _adapt(given)


@app.command("papt")
def papt(
    out: Out,
    audio: AudioPaths = None,
    benchmark: Benchmarks = None,
    data: Data = None,
    weights: Annotated[str, typer.Option(help="Start from these.")] = "nano",
    revision: Revision = None,
    position: Annotated[
        str, typer.Option(help="Where speakers go in: last, first, prefix or none.")
    ] = "last",
    width: Annotated[int, typer.Option(help="Of the speaker table.", min=1)] = 64,
    teacher: Teacher = None,
    layer: Layer = None,
    quantizer: Quantizer = None,
    head: Head = None,
    clusters: Clusters = 100,
    epochs: Epochs = 10,
    peak: Peak = 1e-5,
    warmup: Warmup = 0.05,
    batch_seconds: BatchSeconds = 87.5,
    head_updates: HeadUpdates = 500,
    valid_share: ValidShare = 0.05,
    seed: Seed = 0,
    speaker: Speaker = None,
    licence: Licence = "not stated",
    resume: Resume = False,
    minutes: Minutes = 5.0,
    device: Device = None,
) -> None:
    """Adapt a HuBERT to audio and its speakers (PAPT: Tran et al. 2023)."""
    given = locals()
    _adapt(given)


def _adapt(given: Mapping[str, Any]) -> None:
    from serbench.encoders.pretraining.adaptation import AdaptationOptions, adapt, published_of

    published = published_of(_hubert(given["teacher"]), given["quantizer"], given["head"])
    weights = _hubert(given["weights"], given["revision"])
    _train(adapt, AdaptationOptions, given, weights=weights, published=published)


def _hubert(name: str | None, revision: str | None = None) -> Weights | None:
    from serbench.encoders.weights import find
    from serbench.upstreams import hubert

    return None if name is None else find(name, revision, hubert.WEIGHTS)


def _cpc(name: str | None) -> Weights | None:
    from serbench.encoders.weights import find
    from serbench.upstreams import cpc

    return None if name is None else find(name, None, cpc.WEIGHTS)


def _train(train: Any, options: Any, given: Mapping[str, Any], **more: Any) -> None:
    """Call what trains with what the user gave."""
    from dataclasses import fields

    from serbench.cli.terminal import Terminal
    from serbench.devices import available

    progress = Terminal()
    device = available(given["device"])
    audio, corpora = _audio(given)
    progress.tell(f"{len(audio)} recordings, {audio.hours:.2f} h, to train on; device {device}")
    # a flag has the name of the option that it sets
    wanted = {f.name: given[f.name] for f in fields(options) if f.name in given}
    train(
        audio,
        given["out"],
        options(**wanted),
        corpora=corpora,
        resume=given["resume"],
        minutes=given["minutes"],
        progress=progress,
        device=device,
        **more,
    )
    typer.echo(f"weights: {given['out']}")


def _audio(given: Mapping[str, Any]) -> tuple[Audio, list[Corpus]]:
    from serbench.encoders.pretraining.sources import FOLDER, join, read_collections
    from serbench.errors import SerbenchError
    from serbench.runs.pretraining_audio import benchmark_audio

    speaker = given["speaker"] or FOLDER
    collections = [
        collection
        for path in given["audio"] or []
        for collection in read_collections(path, speaker=speaker, licence=given["licence"])
    ]
    collections += [benchmark_audio(name, given["data"]) for name in given["benchmark"] or []]
    if not collections:
        raise SerbenchError("no audio to train on; give --audio PATH or --benchmark NAME")
    return join(collections)
