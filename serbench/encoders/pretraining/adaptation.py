"""TAPT and PAPT: masked prediction goes on, on the audio of a task (Tran et al., Interspeech 2023).

Task-adaptive pre-training (TAPT) goes on as it is; personalised adaptive pre-training (PAPT) adds
an embedding of the speaker. Labels are clusters of a layer of the weights as they were before.
"""

from __future__ import annotations

import copy
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from serbench.devices import has_bf16, seeded
from serbench.digests import digest_path
from serbench.encoders.pretraining import pseudo_labels, stages
from serbench.encoders.pretraining.adaptation_options import AdaptationOptions, BySize
from serbench.encoders.pretraining.assignment import Assignment
from serbench.encoders.pretraining.audio import Audio
from serbench.encoders.pretraining.card import write_hubert
from serbench.encoders.pretraining.head import FILE, Head, OwnLabels, load_head
from serbench.encoders.pretraining.hubert import open_encoder
from serbench.encoders.pretraining.masked import MaskedPrediction, Objective
from serbench.encoders.pretraining.profiles import first_recordings, profiles
from serbench.encoders.pretraining.pseudo_labels import Labels, Quantizer
from serbench.encoders.pretraining.schedule import Settings
from serbench.encoders.pretraining.stages import Batches
from serbench.encoders.pretraining.work import Work, end
from serbench.encoders.speakers import SpeakerModule
from serbench.encoders.weights import SPEAKERS, Weights
from serbench.errors import SerbenchError

if TYPE_CHECKING:
    from transformers import HubertModel


@dataclass(frozen=True)
class Published:
    """Parts of a published pre-training, converted, for weights that bring no head of their own.

    Attributes:
        teacher: whose layer gives the labels.
        quantizer: file of the clusters of that layer.
        head: file of the head that tells them.
    """

    teacher: Weights
    quantizer: Path
    head: Path


def published_of(
    teacher: Weights | None, quantizer: Path | None, head: Path | None
) -> Published | None:
    """Return the parts of a published pre-training, or None if none is given.

    Raises:
        SerbenchError: some of the three are given and some are not.
    """
    if teacher and quantizer and head:
        return Published(teacher, quantizer, head)
    if teacher or quantizer or head:
        raise SerbenchError(
            "labels and head of a published pre-training belong together; give all of --teacher, "
            "--quantizer and --head, or none"
        )
    return None


def adapt(
    given: Assignment,
    options: AdaptationOptions,
    *,
    weights: Weights,
    published: Published | None = None,
) -> None:
    """Adapt a HuBERT to audio and write a folder that every `--weights` takes.

    The folder is as `write_hubert` writes it; its checksums come last. The recordings of the
    validation part are drawn from all speakers, so that each of them has an embedding.

    Args:
        given: audio, of which nothing but the speakers' names is looked at, and folder.
        options: how.
        weights: to start from.
        published: labels and head of a published pre-training.

    Raises:
        SerbenchError: see `begin`, `label`, `Trainer`.
    """
    _refuse_personal(weights)
    # a speaker who cannot be heard is told before the work
    heard = first_recordings(given.audio) if options.position else {}
    encoder, normalize = open_encoder(weights)
    sized = options.of(encoder)
    batches = Batches(sized.batch_seconds, normalize, sized.crop_seconds)
    asked = {"bf16": has_bf16(given.device), "published": _digests(published)}
    asked |= asdict(sized) | {"normalized": batches.normalized}
    work = given.begin(options, weights, asked, by="recording")
    head, labels, told = _head(work, weights, encoder, options, batches, published)
    model = _model(encoder, head, given.audio, options, sized)
    told.append(_train(work, model, labels, options, sized.peak, batches))
    if (table := model.speakers) is not None:
        rows = [heard[name] for name in table.names]
        table.profiles.copy_(profiles(given.audio, rows, encoder, normalize=normalize))
    name = "PAPT" if options.position else "TAPT"
    method = f"{name} (Tran et al. 2023) of {weights.provenance['id']}"
    card = given.card(method, told, options, weights, **asked)
    write_hubert(model, given.folder, card, normalize=normalize)
    end(given.folder)


def _refuse_personal(weights: Weights) -> None:
    if (weights.folder / SPEAKERS).is_file():
        raise SerbenchError(
            f"weights '{weights.name}' are adapted to speakers, whose embeddings would be lost; "
            "give those that they were made of"
        )


def _head(
    work: Work,
    weights: Weights,
    encoder: HubertModel,
    options: AdaptationOptions,
    batches: Batches,
    published: Published | None,
) -> tuple[Head, Labels, list[dict[str, Any]]]:
    """Return the head to go on with, the labels it tells, and the stage that made it, if any."""
    file, told = weights.folder / FILE, []
    teacher, normalize = copy.deepcopy(encoder), batches.normalize
    head = load_head(file) if file.is_file() else None
    own = head.own if head else None
    if published is not None:
        teacher, normalize = open_encoder(published.teacher)
        head = load_head(published.head)
        own = OwnLabels(Quantizer.load(published.quantizer), _layer(teacher, options))
    elif head is None or own is None:
        model, own, stage = stages.train_head(
            work,
            encoder,
            _layer(encoder, options),
            options.clusters,
            options.head_updates,
            batches,
        )
        head, told = Head.of(model), [stage]
    teacher.to(work.device)  # type: ignore[arg-type]
    extract = pseudo_labels.layer(teacher, own.layer, normalize=normalize)
    _, labels = stages.label(work, "encoder", extract, head.clusters, own.quantizer)
    return head, labels, told


def _layer(encoder: HubertModel, options: AdaptationOptions) -> int:
    return stages.own_layer(encoder) if options.layer is None else options.layer


def _model(
    encoder: HubertModel, head: Head, audio: Audio, options: AdaptationOptions, sized: BySize
) -> MaskedPrediction:
    names = sorted({recording.speaker for recording in audio.recordings})
    with seeded(options.seed):
        speakers = None
        if options.position is not None:
            dim = encoder.config.hidden_size
            speakers = SpeakerModule(names, dim, position=options.position, width=options.width)
        model = MaskedPrediction(
            encoder,
            head.clusters,
            width=head.width,
            objective=Objective(gradient=sized.gradient),
            layer_drop=sized.layer_drop,
            speakers=speakers,
        )
    head.fill(model)
    return model


def _train(
    work: Work,
    model: MaskedPrediction,
    labels: Labels,
    options: AdaptationOptions,
    peak: float,
    batches: Batches,
) -> dict[str, Any]:
    """Train all of it for some epochs, with a validation after each."""
    an_epoch = len(batches.source(work, model, labels, "train").epoch(0))
    settings = Settings(
        options.epochs * an_epoch,
        peak,
        options.warmup,
        optimizer="adam",
        betas=(0.9, 0.999),
        epsilon=1e-8,
        weight_decay=0.0,
        validate_every=an_epoch,
        clip_norm=1.0,
        **work.running,
    )
    return stages.train(work, "encoder", model, labels, settings, batches)


def _digests(published: Published | None) -> list[str] | None:
    if published is None:
        return None
    files = [digest_path(published.quantizer), digest_path(published.head)]
    return [published.teacher.provenance["digest"], *files]
