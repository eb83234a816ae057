"""A plugin made once more in a process of its own, where it must come to the same.

There hashes of texts, the number of the process and the time of its start are others, and all code
that it runs is seen. It begins while this process still tries the plugin, as most of its time goes
into loading libraries.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import IO, Any

import numpy as np
from numpy.typing import NDArray

from serbench import plugins
from serbench.errors import SerbenchError
from serbench.plugins import sources
from serbench.vetting.probing import probe

_PROCESS = """
import json, sys
folder = sys.argv[1]
request = json.load(open(folder + "/request.json"))
sys.path[:] = request["path"]
from serbench.vetting.elsewhere import answer
answer(folder, request)
"""
_ROUNDING = 1e-4  # of the largest value; the processes may have other numbers of threads
_ARRAYS, _TOLD, _SAID, _STDERR = "arrays.npz", "ran.json", "said.txt", "stderr.txt"


@contextmanager
def made_elsewhere(
    plugin: plugins.Plugin, options: Mapping[str, Any], device: str
) -> Iterator[Callable[[], list[str]]]:
    """Begin to make a plugin in another process, which ends with the block.

    Args:
        plugin: of another distribution or a file.
        options: all of them; of an upstream that adapts, those after it.
        device: that it computes on.

    Yields:
        What waits for it and returns how what it makes there differs from what it makes in this
        process: one sentence a difference; empty if there is none.
    """
    with TemporaryDirectory() as folder:
        place = Path(folder)
        with (place / _STDERR).open("wb") as errors:
            process = _begun(place, plugin, options, device, errors)
        try:
            yield lambda: _differences(place, process, plugin, options, device)
        finally:
            process.kill()
            process.wait()


def _differences(
    folder: Path,
    process: subprocess.Popen[bytes],
    plugin: plugins.Plugin,
    options: Mapping[str, Any],
    device: str,
) -> list[str]:
    here = probe(plugin, options, device)
    said = _wrong(folder, process.wait())
    if said:
        return [f"in another process {said}"]
    with np.load(folder / _ARRAYS, allow_pickle=False) as kept:
        there = [kept[name] for name in kept.files]
    ran = json.loads((folder / _TOLD).read_text(encoding="utf-8"))
    uncounted = [
        f"it runs {name}, which does not count as its code, so that another one would be taken for "
        "the same; import it by its name"
        for name in ran
    ]
    return uncounted + _compared(here, there)


def _compared(here: Sequence[NDArray[Any]], there: Sequence[NDArray[Any]]) -> list[str]:
    if [array.shape for array in here] != [array.shape for array in there]:
        return ["in another process what comes out has another shape"]
    pairs = zip(here, there, strict=True)
    apart = [np.abs(b - a).max() / max(np.abs(a).max(), 1e-30) for a, b in pairs if a.size]
    worst = float(np.max(apart, initial=0.0))  # Python's own max would pass over NaN
    if worst <= _ROUNDING:
        return []
    return [
        f"in another process it gives other numbers (by {worst:.2g} of the largest value); draw "
        "from a generator with a fixed seed, and use nothing that belongs to one process, such as "
        "hash() of a text, the order of a set, the process number or the time"
    ]


def _begun(
    folder: Path,
    plugin: plugins.Plugin,
    options: Mapping[str, Any],
    device: str,
    errors: IO[bytes],
) -> subprocess.Popen[bytes]:
    """Let a process answer in a folder."""
    name = plugin.name if plugin.entry is not None else str(plugin.source.absolute())
    request = {"path": sys.path, "kind": plugin.kind, "name": name, "device": device}
    text = json.dumps({**request, "options": dict(options)}, default=str)
    (folder / "request.json").write_text(text, encoding="utf-8")
    given = os.environ.get("PYTHONHASHSEED")
    return subprocess.Popen(
        [sys.executable, "-c", _PROCESS, str(folder)],
        env=os.environ | {"PYTHONHASHSEED": "2" if given == "1" else "1"},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=errors,
    )


def _wrong(folder: Path, status: int) -> str:
    """Return what went wrong in a process that ended, "" if nothing did."""
    if (folder / _SAID).is_file():
        return (folder / _SAID).read_text(encoding="utf-8")
    if status or not (folder / _TOLD).is_file():
        said = (folder / _STDERR).read_bytes().decode(errors="replace")
        return f"it ends with exit status {status}: {''.join(said.strip().splitlines()[-1:])}"
    return ""


def answer(folder: str, request: Mapping[str, Any]) -> None:
    """Write what a plugin comes to in this process into a folder: run in another one."""
    from serbench.vetting.observing import watched

    plugin = plugins.find(request["kind"], request["name"])
    ran: set[str] = set()
    sys.addaudithook(lambda event, given: _see(ran, event, given))
    try:
        # its random states are none that this process begins with
        with plugins.blamed(plugin), watched():
            made = probe(plugin, request["options"], request["device"])
    except SerbenchError as error:
        Path(folder, _SAID).write_text(str(error), encoding="utf-8")
        return
    np.savez(Path(folder, _ARRAYS), *made)
    Path(folder, _TOLD).write_text(json.dumps(_uncounted(plugin, ran)), encoding="utf-8")


def _see(ran: set[str], event: str, given: tuple[Any, ...]) -> None:
    if event == "exec" and given:
        ran.add(getattr(given[0], "co_filename", ""))


def _uncounted(plugin: plugins.Plugin, ran: set[str]) -> list[str]:
    """Return the files beside a plugin whose code ran, but is none of its own."""
    own = {path.resolve() for path in plugins.files(plugin).values()}
    root = plugin.source.absolute().parent.resolve()
    found = {Path(name).resolve() for name in ran if name and not name.startswith("<")}
    beside = (f.relative_to(root) for f in found - own if f.is_relative_to(root) and f.is_file())
    return sorted(
        f.as_posix()
        for f in beside
        if not sources.is_library(root / f) and not any(part.startswith(".") for part in f.parts)
    )
