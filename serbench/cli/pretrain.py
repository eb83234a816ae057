"""`serbench pretrain`: encoders trained from audio alone, or adapted to it."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import typer

from serbench.cli.groups import grouped
from serbench.cli.pretrain_options import (
    CPC,
    Adaptation,
    AdaptedStart,
    Base,
    Heard,
    Hubert,
    Out,
    Speakers,
    Start,
    Work,
)
from serbench.cli.together import leading

if TYPE_CHECKING:
    from serbench.encoders.pretraining.assignment import Assignment
    from serbench.encoders.pretraining.audio import Audio
    from serbench.encoders.pretraining.card import Corpus
    from serbench.encoders.weights import Weights

app = typer.Typer(help="Train encoders from audio alone, or adapt them.", no_args_is_help=True)


@app.command("cpc")
@grouped
def cpc(*, out: Out, heard: Heard, weights: Base = None, options: CPC, work: Work) -> None:
    """Train a CPC: tell the coming frames from others (paper C: Li et al. 2021)."""
    from serbench.encoders.pretraining.cpc import CPCOptions, pretrain
    from serbench.encoders.weights import find
    from serbench.upstreams.cpc import WEIGHTS

    with _assignment(out, heard, work) as given:
        start = None if weights is None else find(weights, None, WEIGHTS)
        _train(pretrain, given, CPCOptions(**options._asdict()), work, weights=start)


@app.command("hubert")
@grouped
def hubert(*, out: Out, heard: Heard, start: Start, options: Hubert, work: Work) -> None:
    """Train a HuBERT for one iteration: predict clusters of masked frames.

    Clusters are of MFCC (iteration 1), or with --teacher or --weights of a layer of those.
    """
    from serbench.encoders.pretraining.hubert import HubertOptions, pretrain

    with _assignment(out, heard, work) as given:
        more = {
            "weights": _hubert(start.weights, start.revision),
            "teacher": _hubert(start.teacher),
            "quantizer": start.quantizer,
        }
        _train(pretrain, given, HubertOptions(**options._asdict()), work, **more)


@app.command("tapt")
@grouped
def tapt(*, out: Out, heard: Heard, start: AdaptedStart, options: Adaptation, work: Work) -> None:
    """Adapt a HuBERT to audio: masked prediction goes on (TAPT)."""
    _adapt(out, heard, start, options._asdict(), work)


@app.command("papt")
@grouped
def papt(
    *,
    out: Out,
    heard: Heard,
    start: AdaptedStart,
    speakers: Speakers,
    options: Adaptation,
    work: Work,
) -> None:
    """Adapt a HuBERT to audio and its speakers (PAPT: Tran et al. 2023)."""
    _adapt(out, heard, start, options._asdict() | speakers._asdict(), work)


def _adapt(
    out: Path, heard: Heard, start: AdaptedStart, options: Mapping[str, Any], work: Work
) -> None:
    from serbench.encoders.pretraining.adaptation import adapt, published_of
    from serbench.encoders.pretraining.adaptation_options import AdaptationOptions

    with _assignment(out, heard, work) as given:
        more = {
            "published": published_of(_hubert(start.teacher), start.quantizer, start.head),
            "weights": _hubert(start.weights, start.revision),
        }
        _train(adapt, given, AdaptationOptions(**options), work, **more)


def _hubert(name: str | None, revision: str | None = None) -> Weights | None:
    from serbench.encoders.weights import find
    from serbench.upstreams import hubert

    return None if name is None else find(name, revision, hubert.WEIGHTS)


def _train(
    train: Callable[..., None], given: Assignment, options: object, work: Work, **more: object
) -> None:
    from serbench.devices import threads

    with threads(work.threads):
        train(given, options, **more)
    typer.echo(f"weights: {given.folder}")


@contextmanager
def _assignment(out: Path, heard: Heard, work: Work) -> Iterator[Assignment]:
    """Read the audio, choose the device, and say so; of several processes, the first alone does."""
    from serbench.cli.terminal import Terminal
    from serbench.devices import available
    from serbench.encoders.pretraining.assignment import Assignment

    progress = Terminal()
    device = available(work.device)
    with leading(device):
        audio, corpora = _audio(heard)
        progress.tell(f"{len(audio)} recordings, {audio.hours:.2f} h, to train on; device {device}")
        yield Assignment(audio, corpora, out, progress, device, work.resume, work.minutes)


def _audio(heard: Heard) -> tuple[Audio, list[Corpus]]:
    from serbench.encoders.pretraining.sources import FOLDER, join, read_collections
    from serbench.errors import SerbenchError
    from serbench.runs.pretraining_audio import benchmark_audio

    speaker = heard.speaker or FOLDER
    collections = [
        collection
        for path in heard.audio or []
        for collection in read_collections(path, speaker=speaker, licence=heard.licence)
    ]
    collections += [benchmark_audio(name, heard.data) for name in heard.benchmark or []]
    if not collections:
        raise SerbenchError("no audio to train on; give --audio PATH or --benchmark NAME")
    return join(collections)
