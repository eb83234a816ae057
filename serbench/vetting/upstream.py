"""The contract of an upstream: sizes, frames, padding, gradients, randomness."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import NamedTuple

import torch
from torch import Tensor

from serbench.errors import SerbenchError
from serbench.plugins import blame
from serbench.upstreams import Clips, Features, TextUpstream, Upstream
from serbench.vetting.material import Sounds, Texts, material_of
from serbench.vetting.observing import deviation, exact, same, sentences, watched

_LOOSEST = 0.01  # the most that an upstream may declare as its tolerance


def encoded(upstream: Upstream, device: str) -> list[Tensor]:
    """Return the layers of the clips of a check, encoded after some others."""
    clips = material_of(upstream, device).clips(seed=0)
    with exact():
        upstream(_some(clips, [1, 3, 0]))
        return [upstream(clips).layers]


class _Case(NamedTuple):
    """An upstream, what it was given, and what it made of it."""

    upstream: Upstream
    material: Sounds | Texts
    clips: Clips
    features: Features


def check_upstream(
    upstream: Upstream,
    again: Upstream | None = None,
    *,
    seed: int = 0,
    extremes: bool = True,
    device: str | None = None,
) -> list[str]:
    """Return what an upstream does against its contract (see `serbench.upstreams`).

    It encodes speech-like waves of five odd lengths, or as many texts if that is what it reads,
    together, alone, in pairs and in a batch as large as those of a run, the shortest clip it takes,
    silence, clips that are too short, and none, on the device of its parameters, in single
    precision throughout.

    Args:
        upstream: as `make` returns it.
        again: the same, made a second time, to be compared.
        seed: of the waves or texts.
        extremes: also try the shortest clip, silence, and what cannot be encoded, none of which
            changes the features of sound recordings.
        device: of the clips; None: that of its parameters.

    Returns:
        One sentence a failure; empty if it passes.
    """
    with watched() as changed, exact():
        failures = _failures(upstream, again, seed, extremes, device)
    return failures + [
        f"encoding changes the global random state of {library}; use a generator of its own"
        for library in changed
    ]


def _failures(
    upstream: Upstream, again: Upstream | None, seed: int, extremes: bool, device: str | None
) -> list[str]:
    failures = sentences("reading its attributes", _declared, upstream)
    if failures:
        return failures
    material = material_of(upstream, device)
    clips = material.clips(seed)
    given = [wave.clone() for wave in clips.waves]
    try:
        case = _Case(upstream, material, clips, upstream(clips))
    except (Exception, SystemExit) as error:
        return [f"encoding {material.sizes(clips)} {blame.told(error)}"]
    failures = sentences("looking at what comes out", _shapes, case)
    if failures:
        return failures
    for doing, check in (_CHECKS | _EXTREMES if extremes else _CHECKS).items():
        failures += sentences(doing, check, case)
    if again is not None:
        failures += sentences("making it a second time", _made_again, case, again)
    if not all(map(torch.equal, given, clips.waves)):
        failures.append("encoding changes the waves that it is given; work on copies")
    return failures


def _declared(upstream: Upstream) -> Iterator[str]:
    if not isinstance(upstream, Upstream):
        yield f"make returns a {type(upstream).__name__}, not an Upstream"
        return
    if (upstream.reads == "text") != isinstance(upstream, TextUpstream):
        yield f"reads is {upstream.reads!r}; derive it from TextUpstream if that is 'text' alone"
        return
    for name in ("depth", "dim"):
        value = getattr(upstream, name, None)
        if not isinstance(value, int) or value < 1:
            yield f"{name} is {value!r}; it must be a whole number from 1"
            return
    if not 0 <= upstream.tolerance <= _LOOSEST:
        yield f"tolerance is {upstream.tolerance}; it must be from 0 to {_LOOSEST}"
    yield from material_of(upstream, None).declared()


def _shapes(case: _Case) -> Iterator[str]:
    upstream, material, clips, (layers, lengths) = case
    counted = upstream.counts(clips)
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
        found = f"clips of {material.sizes(clips)} have {lengths.tolist()} frames"
        yield f"{found}; {material.counter} says {counted}"
    elif time != max(counted):
        yield f"T is {time}; it must be the longest length, {max(counted)}"


def _values(case: _Case) -> Iterator[str]:
    layers, lengths = case.features
    if not layers.isfinite().all():
        yield f"features of {case.material.name} are not all finite numbers"
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
    upstream, clips, features = case.upstream, case.clips, case.features
    modes = [(module, module.training) for module in upstream.modules()]
    evaluated = upstream.eval()(clips).layers
    for module, mode in modes:
        module.training = mode
    if same(evaluated, features.layers):
        return
    if same(upstream(clips).layers, features.layers):
        yield "features are other ones in evaluation mode; call eval() before returning it"
    else:
        yield "the same clips have other features the second time"


def _made_again(case: _Case, again: Upstream) -> Iterator[str]:
    """Encode the same clips with another one, which has encoded others before."""
    again(_some(case.clips, [1, 3, 0]))
    found = again(case.clips).layers
    if found.shape != case.features.layers.shape:
        yield f"made a second time, it gives features of shape {tuple(found.shape)}"
        return
    worst = max(map(deviation, found, case.features.layers))
    if not worst <= case.upstream.tolerance:
        yield (
            "made a second time, and after other clips, it gives other features (by "
            f"{worst:.2g} of the layer's largest value); load its weights or draw them from a "
            "seeded generator, and keep nothing of the clips that it has encoded"
        )


def _padding(case: _Case) -> Iterator[str]:
    upstream, clips = case.upstream, case.clips
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


def _crowd(case: _Case) -> Iterator[str]:
    """Encode as many clips at once as a run does: those that came before, again and again."""
    upstream, clips = case.upstream, case.clips
    rows = case.material.crowd(clips)
    found = upstream(_some(clips, rows)).layers
    known = case.features.layers[:, rows, : found.shape[2]]
    where = f"in a batch of {len(rows)}, which is as large as those of a run,"
    if found.shape != known.shape:
        yield f"features {where} have shape {tuple(found.shape)}; it must be {tuple(known.shape)}"
        return
    if not found.isfinite().all():
        yield f"features {where} are not all finite numbers"
        return
    worst = max(map(deviation, found, known))
    if not worst <= upstream.tolerance:
        yield (
            f"a clip {where} differs from itself in one of {len(clips.waves)} by {worst:.2g} of "
            f"the layer's largest value; its tolerance is {upstream.tolerance:g}"
        )


def _short(case: _Case) -> Iterator[str]:
    upstream, material = case.upstream, case.material
    clips = material.shortest()
    what, features = f"the shortest clip, {material.sizes(clips)},", upstream(clips)
    if [features.layers.shape[2]] != upstream.counts(clips):
        yield f"{what} has {features.layers.shape[2]} frames"
    if not features.layers.isfinite().all():
        yield f"features of {what} are not all finite numbers"
    for nothing, empty in material.none():
        yield from _refused(upstream, empty, nothing)


def _refused(upstream: Upstream, clips: Clips, what: str) -> Iterator[str]:
    try:
        upstream(clips)
    except SerbenchError:
        return
    except (Exception, SystemExit) as error:
        yield f"{what} {blame.told(error)}; raise SerbenchError"
    else:
        yield f"{what} is encoded; raise SerbenchError"


def _silence(case: _Case) -> Iterator[str]:
    if not isinstance(case.material, Sounds):
        return
    if not case.upstream(case.material.silence()).layers.isfinite().all():
        yield "features of silence are not all finite numbers"


_CHECKS: dict[str, Callable[[_Case], Iterator[str]]] = {
    "looking at the features": _values,
    "looking for gradients": _gradients,
    "encoding the same clips again": _repeated,
    "encoding a clip alone and beside another": _padding,
    "encoding a batch as large as those of a run": _crowd,
}
_EXTREMES: dict[str, Callable[[_Case], Iterator[str]]] = {
    "encoding short clips": _short,
    "encoding silence": _silence,
}


def _some(clips: Clips, rows: list[int]) -> Clips:
    """Return some of the clips; the same one keeps its speaker, who may count."""
    return Clips(
        [clips.waves[row] for row in rows],
        [clips.speakers[row] for row in rows],
        [clips.texts[row] for row in rows],
    )
