"""What of each upstream learns when it is trained with a head, and that gradients get there."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from torch import Tensor, nn

from serbench import plugins
from serbench.downstreams import mean_pool
from serbench.errors import SerbenchError
from serbench.training.settings import FineTuning
from serbench.training.streams import Stream
from serbench.training.system import System
from serbench.upstreams import Clips, Upstream

FAMILY = ("wav2vec2", "wav2vec2.large", "hubert", "hubert.large", "wavlm", "wavlm.large")


def trained(
    name: str, weights: Path, noise: Callable[[int], Tensor]
) -> tuple[nn.Module, set[str], set[str]]:
    """Return an upstream after one gradient, what may learn of it, and what a gradient reached."""
    upstream = plugins.make(plugins.find("upstreams", name), options={"weights": str(weights)})
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        system = System(
            [Stream(upstream.depth, upstream.dim, upstream=upstream)],
            [mean_pool.make(upstream.dim)],
            3,
        ).train()
        assert not any(module.dropout.training for module in upstream.modules() if _drops(module))
        clips = Clips([noise(4_000), noise(5_000)], ["a", "b"], [None, None])
        system(system.encode((clips,)), torch.tensor([0, 1])).square().sum().backward()
    learns = {name for name, p in upstream.named_parameters() if p.requires_grad}
    reached = {name for name, p in upstream.named_parameters() if p.grad is not None}
    return upstream, learns, reached


def _drops(module: nn.Module) -> bool:
    return isinstance(getattr(module, "dropout", None), nn.Dropout)


@pytest.mark.parametrize("name", FAMILY)
def test_the_transformer_learns_and_the_convolutions_stay(
    name: str, tiny_checkpoints: dict[str, Path], noise: Callable[[int], Tensor]
) -> None:
    upstream, learns, reached = trained(name.split(".")[0], tiny_checkpoints[name], noise)
    stay = {name for name, _ in upstream.named_parameters() if "feature_extractor" in name}
    assert stay and not learns & stay
    assert learns == {name for name, _ in upstream.named_parameters()} - stay
    # the vector that masks put in pre-training is of no use here
    assert learns - reached <= {"model.masked_spec_embed"}


def test_whispers_blocks_learn(
    tiny_checkpoints: dict[str, Path], noise: Callable[[int], Tensor]
) -> None:
    upstream, learns, reached = trained("whisper", tiny_checkpoints["whisper"], noise)
    assert learns == reached
    assert "model.embed_positions.weight" not in learns, "a table of sines, as it is published"
    assert len(learns) == len(list(upstream.parameters())) - 1


def test_all_of_a_cpc_learns(
    tiny_checkpoints: dict[str, Path], noise: Callable[[int], Tensor]
) -> None:
    upstream, learns, reached = trained("cpc", tiny_checkpoints["cpc"], noise)
    assert learns == reached == {name for name, _ in upstream.named_parameters()}


EVERY = (*FAMILY, "hubert.batch_norm", "whisper", "huggingface", "huggingface.unispeech")
EVERY += ("huggingface.data2vec", "huggingface.conformer", "cpc")
EVERY += ("huggingface.sew", "huggingface.sew_d", "huggingface.w2v_bert")


@pytest.mark.parametrize("name", EVERY)
def test_what_was_trained_is_saved_and_loaded_to_the_bit(
    name: str, tiny_checkpoints: dict[str, Path], noise: Callable[[int], Tensor], tmp_path: Path
) -> None:
    upstream, _, _ = trained(name.split(".")[0], tiny_checkpoints[name], noise)
    clips = Clips([noise(4_000), noise(5_000)], ["a", "b"], [None, None])
    upstream.requires_grad_(False).eval()  # torch takes other kernels where there are gradients
    before = upstream(clips).layers
    for parameter in upstream.parameters():
        parameter.add_(0.01 * torch.sign(parameter))
    expected = upstream(clips)
    upstream.save(tmp_path / "saved")
    plugin = plugins.find("upstreams", name.split(".")[0])
    again = plugins.make(plugin, options={"weights": str(tmp_path / "saved")})
    assert torch.equal(again(clips).layers, expected.layers)
    assert not torch.equal(before, expected.layers)
    assert (again.depth, again.dim) == (upstream.depth, upstream.dim)


@pytest.mark.parametrize("name", [name for name in EVERY if name != "cpc"])
def test_gradients_are_the_same_when_activations_are_computed_again(
    name: str, tiny_checkpoints: dict[str, Path], noise: Callable[[int], Tensor]
) -> None:
    plugin = plugins.find("upstreams", name.split(".")[0])
    clips = Clips([noise(4_000), noise(5_000)], ["a", "b"], [None, None])
    gradients = []
    for checkpointing in (False, True):
        upstream = plugins.make(plugin, options={"weights": str(tiny_checkpoints[name])})
        tuning = FineTuning(checkpointing=checkpointing)
        stream = Stream(upstream.depth, upstream.dim, upstream=upstream, tuning=tuning).train()
        stream.encode(clips).layers.square().sum().backward()
        gradients.append({n: p.grad for n, p in upstream.named_parameters() if p.grad is not None})
    plain, again = gradients
    assert plain.keys() == again.keys()
    assert all(torch.equal(plain[n], again[n]) for n in plain)


def test_the_author_of_an_older_upstream_is_told_the_new_names() -> None:
    class Hears:
        def strangers(self, names: list[str]) -> list[str]:
            return names

    for bases in ((Upstream,), (Hears, Upstream)):
        body = {} if len(bases) > 1 else {"meet": lambda self, name, waves: None}
        with pytest.raises(SerbenchError, match="`strangers` is now called `unseen_speakers`"):
            type("Older", bases, body)
