"""Pre-training of a HuBERT from audio alone: one iteration (Hsu et al. 2021, arXiv 2106.07447)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from serbench.devices import has_bf16, seeded
from serbench.digests import digest_path
from serbench.encoders.pretraining import pseudo_labels, stages
from serbench.encoders.pretraining.audio import Audio
from serbench.encoders.pretraining.card import Card, Corpus, write_hubert
from serbench.encoders.pretraining.masked import MaskedPrediction
from serbench.encoders.pretraining.pseudo_labels import Extractor, Labels, Quantizer
from serbench.encoders.pretraining.schedule import Settings, require
from serbench.encoders.pretraining.stages import Batches
from serbench.encoders.pretraining.work import Work, begin, digest_audio, end
from serbench.encoders.transformers import check_type, load
from serbench.encoders.weights import Weights
from serbench.errors import unknown
from serbench.progress import Progress

if TYPE_CHECKING:
    from transformers import HubertModel

Size = Literal["nano", "base", "large"]

_NO_DROPOUT = {
    "hidden_dropout": 0.0,
    "attention_dropout": 0.0,
    "activation_dropout": 0.0,
    "feat_proj_dropout": 0.0,
}

SIZES: dict[Size, dict[str, Any]] = {
    "nano": {
        "hidden_size": 256,
        "num_hidden_layers": 4,
        "num_attention_heads": 4,
        "intermediate_size": 1024,
        "conv_dim": (32, 64, 128, 128, 128, 256, 256),
        "do_stable_layer_norm": True,
        **_NO_DROPOUT,
    },
    "base": {},
    "large": {
        "hidden_size": 1024,
        "num_hidden_layers": 24,
        "num_attention_heads": 16,
        "intermediate_size": 4096,
        "feat_extract_norm": "layer",
        "conv_bias": True,
        "do_stable_layer_norm": True,
        **_NO_DROPOUT,
    },
}
"""What differs from transformers' own default, which is Base; all have HuBERT's strides."""


@dataclass(frozen=True)
class HubertOptions:
    """How a HuBERT is trained; the defaults are what a few hours of speech on a CPU can bear.

    Attributes:
        size: of fresh weights.
        layer: of the teacher, whose frames are clustered; None is three quarters up.
        clusters: of MFCC or of the teacher's frames.
        updates: of the encoder.
        peak: learning rate after warm-up (5e-4 in Base, 1.5e-3 in Large).
        warmup: share of the updates.
        batch_seconds: of audio an update (Base: 2800, Large: 7200).
        unmasked: weight of the loss at frames that are not masked (HuBERT's is 0).
        gradient: factor on the gradient that reaches the convolutions (0.1 in Base, 1 in Large).
        head_updates: of the head that tells the trained encoder's own clusters at last; 0 keeps
            the head that was trained with it, and adaptation then starts with a new one.
        valid_share: of the speakers, for validation.
        seed: of everything.
        half: write half precision.
    """

    size: Size = "nano"
    layer: int | None = None
    clusters: int = 100
    updates: int = 3000
    peak: float = 1e-3
    warmup: float = 0.08
    batch_seconds: float = 24.0
    unmasked: float = 0.0
    gradient: float = 1.0
    head_updates: int = 500
    valid_share: float = 0.04
    seed: int = 0
    half: bool = False

    def __post_init__(self) -> None:
        if self.size not in SIZES:
            raise unknown("size of HuBERT", self.size, SIZES)
        require(self, clusters=2, updates=1, peak=0, batch_seconds=2, head_updates=0, seed=0)


def pretrain(
    audio: Audio,
    folder: Path,
    options: HubertOptions,
    *,
    corpora: Sequence[Corpus],
    weights: Weights | None = None,
    teacher: Weights | None = None,
    quantizer: Path | None = None,
    resume: bool = False,
    minutes: float = 5.0,
    progress: Progress,
    device: str,
) -> None:
    """Train one iteration and write a folder that every `--weights` takes.

    Args:
        audio: to learn from; no labels are looked at.
        folder: for the weights; the work under way lies in it.
        options: how.
        corpora: what the audio is, for the card.
        weights: to start from; None: fresh ones.
        teacher: whose layer is clustered; None: the weights to start from, and without these MFCC.
        quantizer: clusters of the teacher's layer made before, as safetensors.
        resume: go on with stopped work, to the same end.
        minutes: between two checkpoints.
        progress: where losses are shown.
        device: a torch device.

    Raises:
        SerbenchError: see `begin`, `label`, `Trainer`.
    """
    teacher = teacher or weights
    asked = asdict(options) | {"audio": digest_audio(audio)}
    asked |= {"weights": _digest(weights), "teacher": _digest(teacher)}
    known = Quantizer.load(quantizer) if quantizer else None
    asked |= {"quantizer": digest_path(quantizer) if quantizer else None}
    bf16 = asked["bf16"] = has_bf16(device)
    encoder, normalize = _encoder(options, weights)
    extract, source = _teach(teacher, options.layer, device)
    train, valid = audio.split(options.valid_share, options.seed)
    under_way = begin(folder, asked, resume=resume)
    work = Work(audio, train, valid, under_way, options.seed, device, bf16, minutes, progress)
    clusters = len(known.centres) if known else options.clusters
    _, labels = stages.label(work, "encoder", extract, clusters, known)
    batches = Batches(options.batch_seconds, normalize)
    model, stage = _train(work, encoder, labels, options, batches, source)
    told, own = [stage], None
    if options.head_updates:
        number = stages.own_layer(encoder)
        model, own, head = stages.train_head(
            work, encoder, number, clusters, options.head_updates, batches
        )
        told.append(head)
    card = Card(
        "HuBERT, masked prediction of clusters (Hsu et al. 2021)",
        corpora,
        _licence(weights),
        told,
        options.seed,
        options=asdict(options) | {"bf16": bf16},
        base=_base(weights),
    )
    write_hubert(model, folder, card, normalize=normalize, own=own, half=options.half)
    end(folder)


def _train(
    work: Work,
    encoder: HubertModel,
    labels: Labels,
    options: HubertOptions,
    batches: Batches,
    source: dict[str, Any],
) -> tuple[MaskedPrediction, dict[str, Any]]:
    """Train an encoder with a fresh head; return them and the stage for the card."""
    with seeded(options.seed):
        model = MaskedPrediction(
            encoder,
            labels.clusters,
            width=stages.head_width(encoder),
            unmasked=options.unmasked,
            gradient=options.gradient,
        )
    settings = Settings(
        options.updates,
        options.peak,
        options.warmup,
        validate_every=max(1, options.updates // 20),
        clip_norm=1.0,
        **work.running,
    )
    return model, stages.train(work, "encoder", model, labels, settings, batches, labels_of=source)


def _encoder(options: HubertOptions, weights: Weights | None) -> tuple[HubertModel, bool]:
    """Return the encoder to train and whether its input is brought to mean 0 and variance 1."""
    if weights is not None:
        return open_encoder(weights)
    from transformers import HubertConfig, HubertModel

    with seeded(options.seed):
        encoder = HubertModel(HubertConfig(**SIZES[options.size]))
    return encoder, options.size != "base"


def open_encoder(weights: Weights) -> tuple[HubertModel, bool]:
    """Return a HuBERT that can be trained, and whether its input is normalised."""
    check_type(weights, "hubert", {"hubert"})
    encoder: HubertModel = load(weights).requires_grad_(True)
    by_norm = encoder.config.feat_extract_norm == "layer"
    return encoder, bool(weights.preprocessor().get("do_normalize", by_norm))


def _teach(
    teacher: Weights | None, number: int | None, device: str
) -> tuple[Extractor, dict[str, Any]]:
    """Return what gives the frames to cluster, and what it is, for the card."""
    if teacher is None:
        return pseudo_labels.mfcc(), {"features": "MFCC"}
    encoder, normalize = open_encoder(teacher)
    number = stages.own_layer(encoder) if number is None else number
    encoder.to(device)  # type: ignore[arg-type]
    extract = pseudo_labels.layer(encoder, number, normalize=normalize)
    return extract, {"layer": number} | teacher.provenance


def _digest(weights: Weights | None) -> str | None:
    return weights.provenance["digest"] if weights else None


def _base(weights: Weights | None) -> dict[str, str]:
    return dict(weights.provenance) if weights else {}


def _licence(weights: Weights | None) -> str:
    """Return the licence of the weights: that of what they go on from, or serbench's own."""
    return "Apache-2.0" if weights is None else weights.provenance.get("licence", "not stated")
