"""The contract of an upstream: sizes, frames, padding, gradients, randomness."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Callable, Iterator
from itertools import chain
from typing import NamedTuple

import torch
from torch import Tensor

from serbench.checks.observing import deviation, sentences, watched
from serbench.errors import SerbenchError
from serbench.upstreams import Clips, Features, Upstream

_SECONDS = (0.3, 0.41, 0.57, 0.83, 1.1)  # of the clips, beyond the shortest that is taken
_LONGEST = 30  # seconds; an upstream that needs more for one frame is of no use here
_LOOSEST = 0.01  # the most that an upstream may declare as its tolerance


class _Case(NamedTuple):
    """An upstream, what it was given, and what it made of it."""

    upstream: Upstream
    clips: Clips
    features: Features


def check_upstream(upstream: Upstream, *, seed: int = 0) -> list[str]:
    """Return what an upstream does against its contract (see `serbench.upstreams`).

    It encodes speech-like waves of five odd lengths, together, alone and in pairs, the shortest
    clip it takes, silence, clips that are too short, and none, on the device of its parameters.

    Args:
        upstream: as `make` returns it.
        seed: of the waves.

    Returns:
        One sentence a failure; empty if it passes.
    """
    with watched() as changed:
        failures = _failures(upstream, seed)
    return failures + [
        f"encoding changes the global random state of {library}; use a generator of its own"
        for library in changed
    ]


def _failures(upstream: Upstream, seed: int) -> list[str]:
    failures = sentences("reading its attributes", _declared, upstream)
    if failures:
        return failures
    clips = _clips(upstream, seed)
    given = [wave.clone() for wave in clips.waves]
    try:
        case = _Case(upstream, clips, upstream(clips))
    except Exception as error:
        return [f"encoding {_lengths(clips)} samples ends in {type(error).__name__}: {error}"]
    failures = sentences("looking at what comes out", _shapes, case)
    if failures:
        return failures
    for doing, check in _CHECKS.items():
        failures += sentences(doing, check, case)
    if not all(map(torch.equal, given, clips.waves)):
        failures.append("encoding changes the waves that it is given; work on copies")
    return failures


def _declared(upstream: Upstream) -> Iterator[str]:
    if not isinstance(upstream, Upstream):
        yield f"make returns a {type(upstream).__name__}, not an Upstream"
        return
    for name in ("sample_rate", "depth", "dim"):
        value = getattr(upstream, name, None)
        if not isinstance(value, int) or value < 1:
            yield f"{name} is {value!r}; it must be a whole number from 1"
            return
    if not 0 <= upstream.tolerance <= _LOOSEST:
        yield f"tolerance is {upstream.tolerance}; it must be from 0 to {_LOOSEST}"
    if upstream.frames(0) > 0:
        yield f"frames(0) is {upstream.frames(0)}; nothing has no frames"
    counted = upstream.frames(_LONGEST * upstream.sample_rate)
    if not isinstance(counted, int) or counted < 1:
        yield f"frames() of {_LONGEST} s is {counted!r}; it must be a whole number from 1"


def _shapes(case: _Case) -> Iterator[str]:
    upstream, clips, (layers, lengths) = case
    counted = [upstream.frames(len(wave)) for wave in clips.waves]
    for what, tensor, dtype in (
        ("layers", layers, torch.float32),
        ("lengths", lengths, torch.int64),
    ):
        if tensor.dtype != dtype:
            yield f"{what} are {tensor.dtype}; they must be {dtype}"
        if tensor.device != clips.waves[0].device:
            yield f"{what} are on {tensor.device}, the waves on {clips.waves[0].device}"
    if layers.ndim != 4:
        yield f"layers have shape {tuple(layers.shape)}; it must be (L, B, T, D)"
        return
    depth, batch, time, dim = layers.shape
    if depth != upstream.depth:
        yield f"depth is declared as {upstream.depth}, but there are {depth} layers"
    if dim != upstream.dim:
        yield f"dim is declared as {upstream.dim}, but frames are {dim} wide"
    if batch != len(counted):
        yield f"{len(counted)} clips go in, {batch} come out"
    elif lengths.tolist() != counted:
        samples = _lengths(clips)
        yield f"clips of {samples} samples have {lengths.tolist()} frames; frames() says {counted}"
    elif time != max(counted):
        yield f"T is {time}; it must be the longest length, {max(counted)}"


def _values(case: _Case) -> Iterator[str]:
    layers, lengths = case.features
    if not layers.isfinite().all():
        yield "features of speech-like sound are not all finite numbers"
    beyond = torch.arange(layers.shape[2], device=lengths.device) >= lengths[:, None]
    if layers[:, beyond].any():
        yield "frames beyond the length of a clip are not zero"


def _gradients(case: _Case) -> Iterator[str]:
    trained = [name for name, p in case.upstream.named_parameters() if p.requires_grad]
    if trained:
        yield f"{len(trained)} parameters are trainable ({trained[0]}); freeze them"
    if case.features.layers.requires_grad:
        yield "features carry a gradient; freeze the upstream, or detach them"


def _repeated(case: _Case) -> Iterator[str]:
    upstream, clips, features = case
    modes = [(module, module.training) for module in upstream.modules()]
    evaluated = upstream.eval()(clips).layers
    for module, mode in modes:
        module.training = mode
    if torch.equal(evaluated, features.layers):
        return
    if torch.equal(upstream(clips).layers, features.layers):
        yield "features are other ones in evaluation mode; call eval() before returning it"
    else:
        yield "the same clips have other features the second time"


def _padding(case: _Case) -> Iterator[str]:
    upstream, clips, _ = case
    rows = [0, len(clips.waves) - 1]
    short, long = (upstream(_some(clips, [row])).layers[:, 0] for row in rows)
    first, second = (upstream(_some(clips, both)).layers for both in (rows, rows[::-1]))
    for place, expected, found in (
        ("a clip before a longer one", short, first[:, 0]),
        ("a clip after a longer one", short, second[:, 1]),
        ("a clip after a shorter one", long, first[:, 1]),
        ("a clip before a shorter one", long, second[:, 0]),
    ):
        worst = max(map(deviation, found[:, : expected.shape[1]], expected))
        if not worst <= upstream.tolerance:
            yield (
                f"{place} differs from itself alone by {worst:.2g} of the layer's largest value; "
                f"its tolerance is {upstream.tolerance:g}"
            )


def _short(case: _Case) -> Iterator[str]:
    upstream, device = case.upstream, case.clips.waves[0].device
    shortest = _shortest(upstream)
    features = upstream(_of([torch.linspace(-0.1, 0.1, shortest, device=device)]))
    if features.layers.shape[2] != upstream.frames(shortest):
        yield f"the shortest clip, {shortest} samples, has {features.layers.shape[2]} frames"
    if not features.layers.isfinite().all():
        yield f"features of the shortest clip, {shortest} samples, are not all finite numbers"
    for batch in ([torch.zeros(n, device=device)] for n in sorted({0, shortest - 1})):
        what = f"a clip of {len(batch[0])} samples, for which frames() says there is none,"
        yield from _refused(upstream, _of(batch), what)
    yield from _refused(upstream, _of([]), "an empty batch")


def _refused(upstream: Upstream, clips: Clips, what: str) -> Iterator[str]:
    try:
        upstream(clips)
    except SerbenchError:
        return
    except Exception as error:
        yield f"{what} ends in {type(error).__name__}; raise SerbenchError"
    else:
        yield f"{what} is encoded; raise SerbenchError"


def _silence(case: _Case) -> Iterator[str]:
    waves = [torch.zeros_like(case.clips.waves[0])]
    if not case.upstream(_of(waves)).layers.isfinite().all():
        yield "features of silence are not all finite numbers"


_CHECKS: dict[str, Callable[[_Case], Iterator[str]]] = {
    "looking at the features": _values,
    "looking for gradients": _gradients,
    "encoding the same clips again": _repeated,
    "encoding a clip alone and beside another": _padding,
    "encoding short clips": _short,
    "encoding silence": _silence,
}


def _shortest(upstream: Upstream) -> int:
    return bisect_left(range(_LONGEST * upstream.sample_rate), 1, key=upstream.frames)


def _clips(upstream: Upstream, seed: int) -> Clips:
    rate, shortest = upstream.sample_rate, _shortest(upstream)
    tensors = chain(upstream.parameters(), upstream.buffers())
    device = next(tensors, torch.empty(0)).device
    generator = torch.Generator().manual_seed(seed)
    samples = [(shortest + int(seconds * rate)) | 1 for seconds in _SECONDS]
    return _of([speech(n, rate, generator).to(device) for n in samples])


def _of(waves: list[Tensor]) -> Clips:
    return Clips(waves, [f"speaker {i}" for i in range(len(waves))], ["one two"] * len(waves))


def _some(clips: Clips, rows: list[int]) -> Clips:
    """Return some of the clips; the same one keeps its speaker, who may count."""
    return Clips(
        [clips.waves[row] for row in rows],
        [clips.speakers[row] for row in rows],
        [clips.texts[row] for row in rows],
    )


def _lengths(clips: Clips) -> str:
    return ", ".join(str(len(wave)) for wave in clips.waves)


def speech(samples: int, rate: int, generator: torch.Generator) -> Tensor:
    """Return harmonics of a gliding pitch and noise by turns, as syllables have them."""
    time = torch.arange(samples) / rate
    start, spread = torch.rand(2, generator=generator)
    pitch = 120 + 60 * start + 30 * torch.sin(2 * torch.pi * (time + spread))
    phase = 2 * torch.pi * pitch.cumsum(0) / rate
    voice = sum((torch.sin(k * phase) / k for k in range(1, 20)), torch.zeros(samples))
    noise = torch.randn(samples, generator=generator)
    voiced = torch.sin(2 * torch.pi * 4 * time) > -0.3
    return 0.1 * torch.where(voiced, voice, noise) + 0.001 * noise
