"""ECAPA-TDNN against SpeechBrain's own module, and padded clips against the same clips alone."""

from __future__ import annotations

import copy
import os
import subprocess
import sys
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from serbench.downstreams.ecapa import Ecapa, make

DIM = 24
LONGEST = 61
# shorter than the reach of the widest convolution (4 frames either way) as well
LENGTHS = torch.tensor([LONGEST, 40, 17, 5, 4, 3, 2, 1])

pytestmark = pytest.mark.filterwarnings("error")


def drawn(seed: int) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def ecapa(size: Any = "small") -> Ecapa:
    """Return a head in evaluation whose batch statistics are not the trivial ones."""
    with torch.random.fork_rng():
        torch.manual_seed(0)
        head = make(DIM, size=size)
    for module in head.modules():
        if isinstance(module, nn.BatchNorm1d):
            module.running_mean.normal_(std=0.3, generator=drawn(1))
            module.running_var.uniform_(0.5, 2, generator=drawn(2))
    return head.eval()


def speechbrains(head: Ecapa, **sizes: Any) -> nn.Module:
    from speechbrain.lobes.models.ECAPA_TDNN import ECAPA_TDNN

    with torch.random.fork_rng():
        module = ECAPA_TDNN(DIM, **sizes)
    module.load_state_dict(head.network.state_dict())
    return module.eval()


def clip(length: int) -> Tensor:
    return torch.randn(1, length, DIM, generator=drawn(length))


def embed(head: Ecapa, frames: Tensor, lengths: Tensor) -> Tensor:
    with torch.no_grad():
        return head(frames, lengths, torch.zeros_like(lengths))


def batch(beyond: float = 0.0) -> Tensor:
    frames = torch.full((len(LENGTHS), LONGEST, DIM), beyond)
    for i, length in enumerate(LENGTHS.tolist()):
        frames[i, :length] = clip(length)[0]
    return frames


SIZES = {
    "small": {
        "channels": [32, 32, 32, 32, 64],
        "attention_channels": 32,
        "res2net_scale": 4,
        "se_channels": 32,
        "lin_neurons": 128,
    },
    "full": {},
}


@pytest.mark.parametrize("size", ["small", "full"])
@pytest.mark.parametrize("length", [5, 6, 40])
def test_one_clip_gives_what_speechbrains_module_gives(size: str, length: int) -> None:
    head = ecapa(size)
    theirs = speechbrains(head, **SIZES[size])
    with torch.no_grad():
        expected = theirs(clip(length)).squeeze(1)
    got = embed(head, clip(length), torch.tensor([length]))
    torch.testing.assert_close(got, expected, rtol=1e-6, atol=1e-6)
    assert got.shape == (1, head.embedding_dim)


def test_padding_changes_nothing() -> None:
    head = ecapa()
    alone = [embed(head, clip(n), torch.tensor([n])) for n in LENGTHS.tolist()]
    torch.testing.assert_close(embed(head, batch(), LENGTHS), torch.cat(alone), rtol=0, atol=1e-5)


def test_speechbrains_own_module_is_changed_by_padding() -> None:
    head = ecapa()
    theirs = speechbrains(head, **SIZES["small"])
    lengths, frames = LENGTHS[:2], batch()[:2]
    with torch.no_grad():
        padded = theirs(frames, lengths / LONGEST).squeeze(1)[1]
    difference = (padded - embed(head, frames, lengths)[1]).abs().max()
    assert difference > 1e-3


def test_what_is_beyond_the_end_is_not_read() -> None:
    head = ecapa()
    assert torch.equal(embed(head, batch(beyond=100.0), LENGTHS), embed(head, batch(), LENGTHS))


def test_the_last_frame_counts_and_the_next_does_not_whatever_the_length() -> None:
    # pairs for which length / longest x longest comes out above the length, by rounding
    pairs = [(n, t) for t in range(2, 400) for n in range(1, t) if off_by_rounding(n, t)][:40:8]
    assert len(pairs) == 5
    head = ecapa()
    for length, longest in pairs:
        frames = torch.zeros(1, longest, DIM)
        frames[:, :length] = clip(length)
        alone = embed(head, clip(length), torch.tensor([length]))
        padded = embed(head, frames, torch.tensor([length]))
        torch.testing.assert_close(padded, alone, rtol=0, atol=1e-5)


def off_by_rounding(length: int, longest: int) -> bool:
    return bool(torch.tensor(length) / longest * longest > length)


def test_copies_do_not_share_lengths() -> None:
    head = ecapa()
    twin = copy.deepcopy(head)
    expected = embed(head, batch(), LENGTHS)
    embed(head, batch()[:2], LENGTHS[:2])
    assert torch.equal(embed(twin, batch(), LENGTHS), expected)


def test_learns_through_padding() -> None:
    head = ecapa().train()
    head(batch(), LENGTHS, torch.zeros_like(LENGTHS)).square().sum().backward()
    gradients = [parameter.grad for parameter in head.parameters()]
    assert all(g is not None and g.isfinite().all() for g in gradients)
    assert sum(bool(g.abs().sum() > 0) for g in gradients) > 0.9 * len(gradients)


def test_the_import_of_speechbrain_changes_nothing_else() -> None:
    code = """
import os, sys, torch
before = torch.backends.cuda.matmul.allow_tf32
from serbench.downstreams import ecapa
ecapa.make(4)
assert "speechbrain" in sys.modules
assert torch.backends.cuda.matmul.allow_tf32 == before == False
assert os.environ["SB_DISABLE_QUIRKS"] == "as the user set it"
for module in list(sys.modules.values()):
    getattr(module, "__file__", None)
"""
    environment = os.environ | {"SB_DISABLE_QUIRKS": "as the user set it"}
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", code], capture_output=True, env=environment
    )
    assert (done.returncode, done.stdout, done.stderr) == (0, b"", b"")
