"""One step of all that runs on a GPU, each written once: upstreams, heads, pre-training.

`test_fake.py` runs them on torch's fake CUDA device, anywhere; `test_steps.py` on a real one.
"""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from importlib.util import find_spec
from itertools import product
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pytest
import torch
from torch import Tensor, nn
from transformers import HubertConfig, HubertModel

from serbench import plugins
from serbench.benchmarks import Classification, Regression
from serbench.devices import seeded
from serbench.downstreams import mean_pool
from serbench.encoders import cpc
from serbench.encoders.pretraining.contrastive import (
    ContrastiveBatch,
    ContrastivePrediction,
    draw_negatives,
)
from serbench.encoders.pretraining.masked import (
    MaskedBatch,
    MaskedPrediction,
    Masking,
    Objective,
    mask_spans,
)
from serbench.encoders.speakers import SpeakerModule
from serbench.progress import Silent
from serbench.training.objectives import objective_of
from serbench.training.settings import Training
from serbench.training.streams import Stream
from serbench.training.system import System
from serbench.upstreams import Clips, Features
from serbench.vetting.adapting import make_upstream
from serbench.vetting.material import speech
from serbench.vetting.observing import watched

from ..checkpoints import ENCODERS, LARGE, SMALL  # noqa: TID252
from ..test_contracts import variants  # noqa: TID252

SPEAKERS = ("ann", "bob", "cid")  # of the tables; a fourth is unseen
POSITIONS = ("last", "first", "prefix", "none")
CLASSES = Classification(("anger", "boredom", "joy"))
MOODS = Regression(("arousal", "valence", "dominance"), low=1.0, high=7.0)
NEEDS = {"ecapa": "speechbrain", "s3prl": "s3prl"}  # packages that a GPU machine may lack
NO_DROPOUT = dict.fromkeys(
    ("hidden_dropout", "attention_dropout", "activation_dropout", "feat_proj_dropout"), 0.0
)

# beside each upstream by its name, and each layout of transformers that is tried on the CPU
_VARIANTS: dict[str, dict[str, Any]] = {
    "hubert.nano": {},
    "cpc.nano": {},
    "cpc.contrastive": {"contrastive": 0.1},
    **{f"papt_hubert.{p}": {"position": p, "unseen": "mean"} for p in POSITIONS},
}
UPSTREAMS = sorted({*plugins.names("upstreams"), *ENCODERS, *_VARIANTS})
HEADS: dict[str, tuple[str, dict[str, Any], str]] = {
    ".".join((name, *map(str, options.values()), task)): (name, options, task)
    for name in plugins.names("downstreams")
    for options, task in product(variants("downstreams", name), ("classes", "dimensions"))
}
MASKED = [f"masked.{n}.{p}" for n, p in product(("group", "layer"), ("unspoken", *POSITIONS))]
CONTRASTIVE = ["contrastive.gru", "contrastive.lstm"]
ALL = [*UPSTREAMS, *HEADS, *MASKED, *CONTRASTIVE]


class Step(NamedTuple):
    """A module, what it is given, and how the two give tensors; `loss` is what is minimised.

    Nothing in it depends on random numbers, of which each device has its own.
    """

    module: nn.Module
    given: Any
    run: Callable[[Any, Any], dict[str, Tensor]]

    def on(self, device: str) -> Step:
        """Return a copy on a device, in training mode."""
        module = copy.deepcopy(self.module).to(device).train()
        return Step(module, moved(self.given, device), self.run)

    def outputs(self) -> dict[str, Tensor]:
        """Return what comes out."""
        return self.run(self.module, self.given)

    @property
    def gradients(self) -> dict[str, Tensor]:
        """What a backward pass left, by the names of parameters."""
        named = self.module.named_parameters()
        return {name: p.grad for name, p in named if p.grad is not None}


def moved(value: Any, device: str) -> Any:
    """Return tensors, or a named tuple of them, on a device."""
    if isinstance(value, Tensor | Clips | Features):
        return value.to(device)
    return type(value)(*(moved(each, device) for each in value))


def make_step(name: str, folders: Mapping[str, Path]) -> Step:
    """Return a case by its name, or skip it where a package is missing.

    Args:
        name: in `UPSTREAMS`, `HEADS`, `MASKED` or `CONTRASTIVE`.
        folders: of weights, by the names of upstreams.
    """
    require(name)
    _, *variant = name.split(".")
    with seeded(0):
        if name in UPSTREAMS:
            return _upstream(name, folders)
        if name in MASKED:
            return _masked(*variant)
        return _contrastive(*variant) if name in CONTRASTIVE else _head(*HEADS[name])


def require(name: str) -> None:
    """Skip a case whose upstream or head needs a package that is missing."""
    package = NEEDS.get(name.split(".")[0])
    # looked for and not imported: SpeechBrain would switch TF32 on for everybody
    if package is not None and find_spec(package) is None:
        pytest.skip(f"{package} is not installed here")


def upstream_of(name: str, folders: Mapping[str, Path]) -> Any:
    """Return an upstream on the CPU by the name of its case, or skip it."""
    require(name)
    weights = {"weights": str(folders[name])} if name in folders else {}
    plugin = plugins.find("upstreams", name.split(".")[0])
    return make_upstream(plugin, _VARIANTS.get(name, {}) | weights, Silent())


@contextmanager
def random_state_kept() -> Iterator[None]:
    """Check that a block leaves torch's random state of the CPU and of the GPU as it was."""
    with watched() as changed:
        yield
    # the import of another library may well draw from Python's
    assert not {"torch", "torch.cuda"} & set(changed)


def clips() -> Clips:
    """Return three clips of speech-like sound, 0.3 to 0.6 s; the last speaker is unseen."""
    draw = torch.Generator().manual_seed(0)
    waves = [speech(samples, 16_000, draw) for samples in (4_001, 6_400, 9_011)]
    return Clips(waves, ["ann", "bob", "dan"], ["oh no", "well then", "yes"])


class _Labelled(NamedTuple):
    """What a system gets: clips or features, and of each utterance its speaker and its truth."""

    batch: Clips | Features
    speakers: Tensor
    truth: Tensor


def _upstream(name: str, folders: Mapping[str, Path]) -> Step:
    """Return a step of training an upstream with a head; of one without weights, its features."""
    upstream = upstream_of(name, folders)
    if not any(True for _ in upstream.trainable()):
        return Step(upstream, clips(), lambda module, given: {"layers": module(given).layers})
    stream = Stream(upstream.depth, upstream.dim, upstream=upstream)
    system = System([stream], [mean_pool.make(upstream.dim)], 3)
    return Step(system, _Labelled(clips(), torch.arange(3), torch.arange(3)), _run_upstream)


def _run_upstream(system: Any, given: _Labelled) -> dict[str, Tensor]:
    (features,) = system.encode((given.batch,))
    outputs = system([features], given.speakers)
    loss = nn.functional.cross_entropy(outputs, given.truth)
    with seeded(1):
        for added in system.auxiliary_losses((given.batch,), [features]):
            loss = loss + added
    return {"loss": loss, "layers": features.layers, "outputs": outputs}


def _head(name: str, options: dict[str, Any], task: str) -> Step:
    """Return a step of training a head on frames, or on means if it needs no more."""
    head = undropped(plugins.make(plugins.find("downstreams", name), 24, options=options))
    lengths = torch.tensor([40, 33, 21, 12, 7, 3])
    beyond = torch.arange(40) >= lengths[:, None]
    layers = torch.randn(4, 6, 40, 24).masked_fill(beyond[..., None], 0.0)
    values = np.random.default_rng(0).uniform(1, 7, (6, 3))
    targets, kind = (np.arange(6) % 3, CLASSES) if task == "classes" else (values, MOODS)
    objective = objective_of(kind, Training())
    system = System([Stream(4, 24)], [head], 3)
    system.enrol(5, torch.randn(7, 13) if head.conditions_on == "mfcc" else None)

    def run(system: Any, given: _Labelled) -> dict[str, Tensor]:
        outputs = system([given.batch], given.speakers)
        return {"loss": objective.loss(outputs, given.truth), "outputs": outputs}

    given = _Labelled(Features(layers, lengths), torch.arange(6), objective.encode(targets))
    return Step(system, given, run)


def undropped(head: nn.Module) -> nn.Module:
    """Return a head without dropout."""
    for module in head.modules():
        if isinstance(module, nn.Dropout):
            module.p = 0.0
    return head


def _masked(norm: str, position: str) -> Step:
    """Return a step of masked prediction: HuBERT's, TAPT's, or PAPT's with speakers."""
    settings = {"group": SMALL, "layer": LARGE}[norm]
    encoder = HubertModel(HubertConfig(**settings, **NO_DROPOUT))
    speakers = None if position == "unspoken" else SpeakerModule(SPEAKERS, 16, position=position)
    model = MaskedPrediction(
        encoder, 11, width=24, objective=Objective(gradient=0.1, unmasked=0.5), speakers=speakers
    )
    waves = _crops(16_000)
    labels = torch.randint(11, (2, model.frames(16_000)))
    mask = mask_spans(*labels.shape, Masking(), torch.Generator().manual_seed(0))
    return Step(model, MaskedBatch(waves, labels, mask, torch.tensor([2, 0])), _run_pretraining)


def _contrastive(cell: cpc.Cell) -> Step:
    """Return a step of CPC."""
    model = ContrastivePrediction(cpc.Network(cpc.Layout(12, 16, norm=True, cell=cell)))
    waves = _crops(8_000)
    frames = model.network.layout.frames(8_000)
    drawn = draw_negatives(2, frames, model.steps, model.negatives, torch.default_generator)
    return Step(model, ContrastiveBatch(waves, drawn), _run_pretraining)


def _crops(samples: int) -> Tensor:
    return torch.stack([speech(samples, 16_000, torch.default_generator) for _ in range(2)])


def _run_pretraining(model: nn.Module, given: Any) -> dict[str, Tensor]:
    outcome = model(given)
    # how many frames are right jumps where two scores are nearly equal
    report = {name: value for name, value in outcome.report.items() if name != "accuracy"}
    return {"loss": outcome.objective, **report}
