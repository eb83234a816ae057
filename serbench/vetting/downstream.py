"""The contract of a downstream: sizes, padding, gradients, randomness, what it needs of time."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import NamedTuple, get_args

import torch
from torch import Tensor

from serbench.downstreams import Conditioning, Downstream
from serbench.vetting.observing import deviation, exact, same, sentences, watched

_DIM = 24
_VOICE = 13
_FRAMES = (50, 49, 31, 30, 12, 7, 2, 1)  # of the utterances of a batch
_CROWD = 45  # more than a run puts into a batch by default, and no multiple of the others
_SPEAKERS = len(_FRAMES) - 1  # one utterance is of somebody whom the head does not know
_ROUNDING = 1e-4  # relative; of float32 sums taken in another order


class _Batch(NamedTuple):
    """What a head gets."""

    frames: Tensor
    lengths: Tensor
    speakers: Tensor


def check_downstream(
    make: Callable[[int], Downstream],
    *,
    seed: int = 0,
    learning: bool = True,
    device: str = "cpu",
) -> list[str]:
    """Return what a downstream does against its contract (see `serbench.downstreams`).

    Args:
        make: width D of the frames to a new head, whose weights come from torch's global
            generator, as those of torch's own layers do.
        seed: of the weights and of the frames.
        learning: also look whether a gradient reaches every parameter.
        device: that it embeds on, in single precision throughout.

    Returns:
        One sentence a failure; empty if it passes.
    """
    with watched() as changed, exact():
        failures = _failures(make, seed, learning, device)
    return failures + [
        f"it changes the global random state of {library}; draw from torch's alone, in make"
        for library in changed
        if library != "torch"
    ]


def embedded(make: Callable[[int], Downstream], device: str) -> list[Tensor]:
    """Return the weights of a head and the embeddings of the batch of a check."""
    with watched(), exact(), torch.no_grad():
        head = _made(make, seed=0).eval().to(device)
        return [*head.parameters(), head(*_batch(0, device))]


def _failures(
    make: Callable[[int], Downstream], seed: int, learning: bool, device: str
) -> list[str]:
    failures = sentences("making the head", _declared, make, seed)
    if failures:
        return failures
    head, batch = _made(make, seed).eval().to(device), _batch(seed, device)
    failures = sentences("embedding a batch", _embeddings, head, batch)
    if failures:
        return failures
    failures += sentences("embedding an utterance alone", _padding, head, batch)
    failures += sentences("embedding a batch as large as those of a run", _crowd, head, batch)
    if head.conditions_on == "nothing":
        failures += sentences("embedding other speakers", _speakers, head, batch)
    if head.needs == "mean":
        failures += sentences("embedding the mean over time", _mean, head, batch)
    if learning:
        failures += sentences("training", _gradients, head.train(), batch)
    return failures


def _declared(make: Callable[[int], Downstream], seed: int) -> Iterator[str]:
    head = _made(make, seed)
    if not isinstance(head, Downstream):
        yield f"make returns a {type(head).__name__}, not a Downstream"
        return
    width = getattr(head, "embedding_dim", None)
    if not isinstance(width, int) or width < 1:
        yield f"embedding_dim is {width!r}; it must be a whole number from 1"
    if head.needs not in ("frames", "mean"):
        yield f"needs is {head.needs!r}; it must be 'frames' or 'mean'"
    if head.conditions_on not in get_args(Conditioning):
        yield f"conditions_on is {head.conditions_on!r}; it must be one of {get_args(Conditioning)}"
    if not _same_weights(head, _made(make, seed)):
        yield "one seed gives two heads; draw weights from torch's generator alone"
    if any(True for _ in head.parameters()) and _same_weights(head, _made(make, seed + 1)):
        yield "two seeds give one head; do not seed in make"


def _embeddings(head: Downstream, batch: _Batch) -> Iterator[str]:
    given = [tensor.clone() for tensor in batch]
    with torch.no_grad(), watched() as changed:
        embedding, again = head(*batch), head(*batch)
    if "torch" in changed:
        yield "in evaluation mode it draws from torch's global generator; nothing may be random"
    if not all(map(torch.equal, given, batch)):
        yield "embedding changes the tensors that it is given; work on copies"
    expected = (len(batch.lengths), head.embedding_dim)
    if tuple(embedding.shape) != expected:
        yield f"embeddings have shape {tuple(embedding.shape)}; (B, embedding_dim) is {expected}"
    if embedding.dtype != torch.float32:
        yield f"embeddings are {embedding.dtype}; they must be torch.float32"
    if not embedding.isfinite().all():
        lengths = batch.lengths[~embedding.isfinite().flatten(1).all(1)].tolist()
        yield f"embeddings of utterances of {lengths} frames are not all finite numbers"
    elif not same(embedding, again):
        yield "the same utterances have other embeddings the second time, in evaluation mode"


def _padding(head: Downstream, batch: _Batch) -> Iterator[str]:
    """Embed each alone, without padding."""
    with torch.no_grad():
        together = head(*batch)
        for i, length in enumerate(batch.lengths.tolist()):
            alone = head(*(tensor[i : i + 1] for tensor in _cut(batch, length)))
            worst = deviation(together[i], alone[0])
            if not worst <= _ROUNDING:
                yield (
                    f"an utterance of {length} frames changes by {worst:.2g} of its largest value "
                    f"beside one of {max(_FRAMES)}; padding must not count"
                )


def _crowd(head: Downstream, batch: _Batch) -> Iterator[str]:
    """Embed as many as a run does: those that came before, again and again."""
    rows = torch.arange(_CROWD, device=batch.lengths.device) % len(_FRAMES)
    with torch.no_grad():
        worst = deviation(head(*(tensor[rows] for tensor in batch)), head(*batch)[rows])
    if not worst <= _ROUNDING:
        yield (
            f"in a batch of {_CROWD} an utterance differs from itself in one of {len(_FRAMES)} by "
            f"{worst:.2g} of the largest value; the others must not count"
        )


def _speakers(head: Downstream, batch: _Batch) -> Iterator[str]:
    with torch.no_grad():
        others = head(batch.frames, batch.lengths, torch.zeros_like(batch.speakers))
        if not same(others, head(*batch)):
            yield "the embedding depends on who speaks; say so by conditions_on"


def _mean(head: Downstream, batch: _Batch) -> Iterator[str]:
    means = batch.frames.sum(1, keepdim=True) / batch.lengths[:, None, None]
    with torch.no_grad():
        found = head(means, torch.ones_like(batch.lengths), batch.speakers)
        worst = deviation(found, head(*batch))
    if not worst <= _ROUNDING:
        yield (
            "needs is 'mean', but the embedding of the mean over time differs by "
            f"{worst:.2g} of the largest value; declare 'frames'"
        )


def _gradients(head: Downstream, batch: _Batch) -> Iterator[str]:
    embedding = head(*batch)
    if embedding.requires_grad:  # not that of a head without parameters
        (embedding * torch.randn_like(embedding)).sum().backward()
    for name, parameter in head.named_parameters():
        if parameter.requires_grad and (parameter.grad is None or not parameter.grad.any()):
            yield f"no gradient reaches the parameter '{name}'; use it or leave it out"


def _made(make: Callable[[int], Downstream], seed: int) -> Downstream:
    """Return a head for the speakers of the batch."""
    torch.default_generator.manual_seed(seed)
    head = make(_DIM)
    if isinstance(head, Downstream):
        voices = torch.randn(_SPEAKERS + 1, _VOICE, generator=torch.Generator().manual_seed(seed))
        voices[0] = 0.0
        head.enrol(_SPEAKERS, voices if head.conditions_on == "mfcc" else None)
    return head


def _same_weights(head: Downstream, other: Downstream) -> bool:
    return all(map(torch.equal, head.parameters(), other.parameters()))


def _batch(seed: int, device: str) -> _Batch:
    generator = torch.Generator().manual_seed(seed)
    lengths = torch.tensor(_FRAMES)
    centres = torch.randn(len(lengths), 1, _DIM, generator=generator)
    frames = centres + torch.randn(len(lengths), max(_FRAMES), _DIM, generator=generator)
    padding = torch.arange(max(_FRAMES)) >= lengths[:, None]
    given = (frames.masked_fill(padding[..., None], 0.0), lengths, torch.arange(len(lengths)))
    return _Batch(*(tensor.to(device) for tensor in given))


def _cut(batch: _Batch, length: int) -> _Batch:
    return _Batch(batch.frames[:, :length], batch.lengths, batch.speakers)
