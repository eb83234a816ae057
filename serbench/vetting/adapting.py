"""An upstream to check, made twice; one that adapts to a corpus is adapted to a few clips first."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import soundfile
import torch

from serbench import plugins
from serbench.progress import Progress
from serbench.upstreams import Recording, Unlabelled, Upstream
from serbench.vetting.material import speech

_RATE = 16_000
# known and unknown speakers come up: the checks have clips of five
_SPEAKERS, _CLIPS, _SECONDS = 2, 3, 2
# options of an adaptation that say how long it takes
_SHORT = {"epochs": 1, "updates": 2, "clips": 2}


def make_upstream(
    plugin: plugins.Plugin, options: Mapping[str, Any], progress: Progress
) -> Upstream:
    """Make an upstream as `make_twice` does, once."""
    return make_twice(plugin, options, progress)[0]


def make_twice(
    plugin: plugins.Plugin, options: Mapping[str, Any], progress: Progress, device: str = "cpu"
) -> tuple[Upstream, Upstream]:
    """Make an upstream two times; one that adapts to a corpus does so, shortly, before.

    Args:
        plugin: of an upstream.
        options: those given.
        progress: where the adaptation is shown.
        device: that they adapt on, and that both are on.

    Raises:
        SerbenchError: a wrong option, or what the plugin says.
    """
    if not plugin.adapted_by:
        return _made(plugin, options, device), _made(plugin, options, device)
    short = {name: value for name, value in _SHORT.items() if name in plugin.adapted_by}
    options = plugins.validate(plugin, {**options, **short})
    with TemporaryDirectory() as folder:
        offered = Unlabelled("speech-like sounds", "none", "", "all", _record(Path(folder)))
        changed = plugins.adapter(plugin)(
            options,
            offered,
            Path(folder, "weights"),
            progress=progress,
            device=device,
        )
        options = options | changed
        return _made(plugin, options, device), _made(plugin, options, device)


def _made(plugin: plugins.Plugin, options: Mapping[str, Any], device: str) -> Upstream:
    made: Upstream = plugins.make(plugin, options=options)
    # what is no upstream is found out by the check
    return made.to(device) if isinstance(made, Upstream) else made


def _record(folder: Path) -> list[Recording]:
    """Write clips and return them as recordings."""
    recordings = []
    for number in range(_SPEAKERS * _CLIPS):
        path = folder / f"{number}.wav"
        generator = torch.Generator().manual_seed(number)
        wave = speech(_SECONDS * _RATE + 1000 * number, _RATE, generator)
        soundfile.write(path, wave.clamp(-1, 1).numpy(), _RATE)
        recordings.append(Recording(path, f"speaker {number % _SPEAKERS}"))
    return recordings
