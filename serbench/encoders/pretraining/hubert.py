"""Pre-training of a HuBERT from audio alone: one iteration (Hsu et al. 2021, arXiv 2106.07447)."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from serbench.devices import has_bf16, seeded
from serbench.digests import digest_path
from serbench.encoders.pretraining import pseudo_labels, stages
from serbench.encoders.pretraining.assignment import Assignment, digest_of
from serbench.encoders.pretraining.card import write_hubert
from serbench.encoders.pretraining.head import OwnLabels
from serbench.encoders.pretraining.masked import MaskedPrediction, Objective
from serbench.encoders.pretraining.pseudo_labels import Extractor, Labels, Quantizer
from serbench.encoders.pretraining.schedule import Settings, require
from serbench.encoders.pretraining.stages import Batches
from serbench.encoders.pretraining.work import Work, end
from serbench.encoders.tensors import require_finite
from serbench.encoders.transformers import check_type, load
from serbench.encoders.weights import Weights
from serbench.errors import unknown

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
    given: Assignment,
    options: HubertOptions,
    *,
    weights: Weights | None = None,
    teacher: Weights | None = None,
    quantizer: Path | None = None,
) -> None:
    """Train one iteration and write a folder that every `--weights` takes.

    Args:
        given: audio and folder.
        options: how.
        weights: to start from; None: fresh ones.
        teacher: whose layer is clustered; None: the weights to start from, and without these MFCC.
        quantizer: clusters of the teacher's layer made before, as safetensors.

    Raises:
        SerbenchError: see `begin`, `label`, `Trainer`.
    """
    teacher = teacher or weights
    known = Quantizer.load(quantizer) if quantizer else None
    encoder, normalize = _encoder(options, weights)
    extract, source = _teach(teacher, options.layer, given.device)
    batches = Batches(options.batch_seconds, normalize)
    told = {"bf16": has_bf16(given.device), "normalized": batches.normalized}
    asked = {"teacher": digest_of(teacher), "quantizer": _digest(quantizer)} | told
    work = given.begin(options, weights, asked)
    clusters = len(known.centres) if known else options.clusters
    _, labels = stages.label(work, "encoder", extract, clusters, known)
    model, own, done = _train(work, encoder, labels, options, batches, source)
    method = "HuBERT, masked prediction of clusters (Hsu et al. 2021)"
    card = given.card(method, done, options, weights, **told)
    write_hubert(model, given.folder, card, normalize=normalize, own=own, half=options.half)
    end(given.folder)


def _train(
    work: Work,
    encoder: HubertModel,
    labels: Labels,
    options: HubertOptions,
    batches: Batches,
    source: dict[str, Any],
) -> tuple[MaskedPrediction, OwnLabels | None, list[dict[str, Any]]]:
    """Train an encoder, then a head for its own clusters; return both and the stages."""
    model = _model(encoder, labels.clusters, options)
    settings = Settings(
        options.updates,
        options.peak,
        options.warmup,
        validate_every=max(1, options.updates // 20),
        clip_norm=1.0,
        **work.running,
    )
    told = stages.train(work, "encoder", model, labels, settings, batches, labels_of=source)
    if not options.head_updates:
        return model, None, [told]
    model, own, head = stages.train_head(
        work,
        encoder,
        stages.own_layer(encoder),
        labels.clusters,
        options.head_updates,
        batches,
    )
    return model, own, [told, head]


def _model(encoder: HubertModel, clusters: int, options: HubertOptions) -> MaskedPrediction:
    """Put a fresh head on an encoder."""
    objective = Objective(unmasked=options.unmasked, gradient=options.gradient)
    width = stages.head_width(encoder)
    with seeded(options.seed):
        return MaskedPrediction(encoder, clusters, width=width, objective=objective)


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
    require_finite(weights.name, encoder.state_dict())  # what stands for masked frames, too
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


def _digest(quantizer: Path | None) -> str | None:
    return digest_path(quantizer) if quantizer else None
