"""CPC: contrastive prediction, its context (van den Oord et al. 2018; Li et al., ICASSP 2021)."""

from __future__ import annotations

import math
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Literal

import torch
from torch import Tensor

from serbench.devices import seeded
from serbench.digests import digest_path, local_path
from serbench.encoders import cpc as networks
from serbench.encoders import cpc_audio
from serbench.encoders.pretraining.assignment import Assignment
from serbench.encoders.pretraining.contrastive import (
    ContrastiveBatch,
    ContrastivePrediction,
    draw_negatives,
    predictors_of,
    repeated,
    save_predictors,
)
from serbench.encoders.pretraining.cpc import CPCOptions, pretrain
from serbench.encoders.pretraining.work import finished
from serbench.encoders.weights import find
from serbench.errors import NotAdaptedError, SerbenchError
from serbench.progress import Progress
from serbench.upstreams import Clips, Features, Unlabelled, Upstream, stack

WEIGHTS = {
    "nano": {
        "id": "serbench/cpc-nano",
        "packaged": "cpc_nano",
        "licence": "Apache-2.0",
        "trained_on": "LibriSpeech, speechocean762 (7 h)",
    },
}
ADAPTED_BY = ("weights", "seed", "norm", "updates", "peak", "clips", "clip_seconds")

_LONGEST = 160_000  # samples of a clip that are contrasted, Li et al.'s 10 s
_STEPS = 12  # frames that fresh predictors look ahead, Li et al.'s


def make(
    *,
    weights: Literal["nano", "random", "corpus"] | str = "nano",
    seed: int = 0,
    norm: bool = True,
    contrastive: float = 0.0,
    updates: int = 200,
    peak: float = 2e-4,
    clips: int = 64,
    clip_seconds: float = 10.0,
    adapt_on: Literal["all", "train"] = "all",
) -> Upstream:
    """Return the context of CPC: one layer, 100 Hz; 256 wide in Li et al. and in `modified_cpc`.

    The frames below it, SUPERB's other layer of `modified_cpc`, are the upstream `s3prl`'s.

    Args:
        weights: "nano", a small training that comes with the package; a folder written by
            `serbench pretrain cpc`; a checkpoint of CPC_audio (s3prl's `modified_cpc`), a PyTorch
            file of tensors and plain values or safetensors; "random" for a fresh network of Li
            et al.'s sizes; "corpus" for one that a run trains on its benchmark's audio, without
            labels, before it encodes it: their miniCPC.
        seed: of a fresh network, of fresh predictors, and of training on the corpus.
        norm: a fresh network normalises frames over channels before each ReLU. The paper names
            no norm; without it a network stays at chance for longer.
        contrastive: weight of the InfoNCE beside a head's loss (`training.finetune`), summed over
            the 12 steps, as in pre-training: about 12 ln 51 = 47 nats at the start. 0 for none:
            whether Li et al.'s jointCPC had it is not known.
        updates: of training on the corpus. The paper's are 50 epochs.
        peak: highest learning rate of it, as in the paper.
        clips: in a batch of it; 64 of 10 s, the paper's, take half a minute on one CPU core.
        clip_seconds: of each clip; shorter utterances repeat themselves.
        adapt_on: all utterances of the benchmark, the test part included (transductive), or the
            training part of each fold.

    Raises:
        SerbenchError: there are no weights, or they are not CPC's, or an option is out of range.
    """
    if contrastive < 0:
        raise SerbenchError(f"upstream 'cpc': contrastive = {contrastive}; a weight is 0 or more")
    _how(locals())  # what is out of range is told before a run adapts another upstream
    network, provenance, folder = _network(weights, seed, norm)
    if not contrastive:
        return ContextEncoder(network, provenance)
    return ContrastiveEncoder(_prediction(network, folder, seed), provenance, weight=contrastive)


def adapt(
    options: Mapping[str, Any],
    offered: Unlabelled,
    place: Path,
    *,
    progress: Progress,
    device: str,
) -> dict[str, Any]:
    """Train a network on audio if `weights` is "corpus"; return what then changes for `make`."""
    how = _how(options)
    if options["weights"] != "corpus":
        return {}
    given = Assignment.of(offered, place, "trains CPC", progress=progress, device=device)
    if finished(place):
        progress.tell(f"trained weights found in {place}")
    else:
        pretrain(given, how)
    return {"weights": str(place)}


def _how(options: Mapping[str, Any]) -> CPCOptions:
    """Return how options want a network trained.

    Raises:
        SerbenchError: a value is out of range.
    """
    return CPCOptions(**{key: options[key] for key in ADAPTED_BY if key != "weights"})


class ContextEncoder(Upstream):
    """A CPC network, of which the context is the only layer.

    Convolutions run clip by clip: where they pad, they pad at the end of a clip and not of a batch.
    The recurrence looks at nothing that comes later and so runs on the padded batch.
    """

    sample_rate = 16_000
    depth = 1

    def __init__(self, network: networks.Network, provenance: dict[str, str]) -> None:
        """Freeze a network and take it as it is.

        Args:
            network: with its weights.
            provenance: what the weights are.
        """
        super().__init__()
        self.network = network.requires_grad_(False)
        self.dim = network.layout.hidden
        self.provenance = provenance
        self.eval()

    def frames(self, samples: int) -> int:
        """Return the exact number of frames for a clip of `samples` samples."""
        return self.network.layout.frames(samples)

    def forward(self, clips: Clips) -> Features:
        """Encode a batch."""
        frames, lengths = stack([self._convolve(wave) for wave in clips.waves])
        contexts = self.network.contexts(frames[0])
        beyond = torch.arange(contexts.shape[1], device=lengths.device) >= lengths[:, None]
        return Features(contexts.masked_fill(beyond[..., None], 0.0)[None], lengths)

    def save(self, folder: Path) -> None:
        """Write the network as `serbench pretrain cpc` does."""
        networks.save(self.network, folder)

    def _convolve(self, wave: Tensor) -> Tensor:
        if self.frames(len(wave)) < 1:
            least = self.network.layout.shortest
            msg = f"a clip of {len(wave)} samples is shorter than one frame ({least} samples)"
            raise SerbenchError(msg)
        return self.network.convolve(wave[None])


class ContrastiveEncoder(ContextEncoder):
    """The same, which goes on telling frames apart while it is trained with a head.

    The clips of a batch are contrasted as in pre-training, from their beginning to the end of the
    shortest (Li et al.'s are 10 s, cut or repeated), so that no frame is padding.
    """

    def __init__(
        self, prediction: ContrastivePrediction, provenance: dict[str, str], *, weight: float
    ) -> None:
        """Freeze a network and its predictors and take them as they are.

        Args:
            prediction: of the network that encodes.
            provenance: what the weights are.
            weight: of the loss, summed over steps.
        """
        super().__init__(prediction.network, provenance)
        self.prediction, self.weight = prediction.requires_grad_(False), weight

    def save(self, folder: Path) -> None:
        """Write the network and, beside it, its predictors."""
        super().save(folder)
        save_predictors(self.prediction, folder)

    def auxiliary_loss(self, clips: Clips, features: Features) -> Tensor:
        """Return the weighted InfoNCE of a batch; negatives are drawn from torch's generator."""
        layout, steps = self.network.layout, self.prediction.steps
        fewest = layout.shortest + steps * math.prod(layout.strides)
        samples = max(fewest, min(_LONGEST, *map(len, clips.waves)))
        waves = torch.stack([repeated(wave, samples) for wave in clips.waves])
        frames, count = layout.frames(samples), self.prediction.negatives
        drawn = draw_negatives(len(waves), frames, steps, count, torch.default_generator)
        outcome = self.prediction(ContrastiveBatch(waves, drawn.to(waves.device)))
        loss: Tensor = self.weight * outcome.objective
        return loss


def _network(
    weights: str, seed: int, norm: bool
) -> tuple[networks.Network, dict[str, str], Path | None]:
    """Return the network that `weights` means, what it is, and the folder it comes from, if any."""
    if weights == "random":
        with seeded(seed):
            fresh = networks.Network(networks.Layout(norm=norm))
        return fresh, {"id": f"random, seed {seed}", "trained_on": "nothing"}, None
    if weights == "corpus":
        msg = (
            "upstream 'cpc': weights 'corpus' are of the audio of a benchmark, on which a run "
            "trains them before it encodes; elsewhere give others, such as 'nano'"
        )
        raise NotAdaptedError(msg, ContextEncoder.depth)
    path = None if weights in WEIGHTS else local_path(weights)
    if weights not in WEIGHTS and (path is None or not path.exists()):
        raise SerbenchError(
            f"upstream 'cpc': there are no weights '{weights}'; give 'nano', a folder written by "
            "`serbench pretrain cpc`, a checkpoint file of CPC_audio (s3prl's modified_cpc, "
            "https://dl.fbaipublicfiles.com/librilight/CPC_checkpoints/60k_epoch4-d0f474de.pt), or "
            "'random' for a fresh network, or in a run 'corpus' for one of the benchmark's audio"
        )
    if path is not None and path.is_file():
        known = {"id": path.resolve().name, "digest": digest_path(path)}
        return cpc_audio.read(path), known, None
    found = find(weights, None, WEIGHTS)
    return networks.load(found), found.provenance, found.folder


def _prediction(network: networks.Network, folder: Path | None, seed: int) -> ContrastivePrediction:
    """Return the network with the predictors of its folder, or with fresh ones."""
    weight = None if folder is None else predictors_of(folder)
    steps = _STEPS if weight is None else len(weight) // network.layout.channels
    with seeded(seed):
        prediction = ContrastivePrediction(network, steps=steps)
    if weight is not None:
        prediction.predictors.load_state_dict({"weight": weight})
    return prediction
