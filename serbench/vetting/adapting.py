"""An upstream to check; one that adapts to a corpus is adapted to a few clips first."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
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
    """Make an upstream with options that `adapted` gives."""
    with adapted(plugin, options, progress) as complete:
        return made(plugin, complete)


@contextmanager
def adapted(
    plugin: plugins.Plugin, options: Mapping[str, Any], progress: Progress, device: str = "cpu"
) -> Iterator[Mapping[str, Any]]:
    """Give the options of a plugin; an upstream that adapts to a corpus does so, shortly, before.

    Args:
        plugin: of any kind.
        options: those given.
        progress: where the adaptation is shown.
        device: that it adapts on.

    Raises:
        SerbenchError: a wrong option, or what the plugin says.
    """
    if not plugin.adapted_by:
        yield plugins.validate(plugin, options)
        return
    short = {name: value for name, value in _SHORT.items() if name in plugin.adapted_by}
    complete = plugins.validate(plugin, {**options, **short})
    with TemporaryDirectory() as folder:
        offered = Unlabelled("speech-like sounds", "none", "", "all", _record(Path(folder)))
        place = Path(folder, "weights")
        changed = plugins.adapter(plugin)(
            complete, offered, place, progress=progress, device=device
        )
        yield complete | changed


def made(plugin: plugins.Plugin, options: Mapping[str, Any], device: str = "cpu") -> Upstream:
    """Make an upstream on a device."""
    upstream: Upstream = plugins.make(plugin, options=options)
    # what is no upstream is found out by the check
    return upstream.to(device) if isinstance(upstream, Upstream) else upstream


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
