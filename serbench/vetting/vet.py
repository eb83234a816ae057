"""What a run makes sure of before it trains with somebody's code: once for the same code."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import suppress
from importlib.metadata import version
from typing import Any

from serbench import plugins
from serbench.digests import digest_json
from serbench.errors import SerbenchError
from serbench.home import home
from serbench.progress import Progress
from serbench.vetting.trying import failures_of

# Raised when the contract asks for more, so that what was found sound before is tried again.
_EDITION = 2


def vet(
    plugin: plugins.Plugin,
    identity: Mapping[str, Any],
    given: Mapping[str, Any],
    progress: Progress,
    device: str = "cpu",
) -> None:
    """Refuse a plugin whose numbers depend on more than what it is given.

    Those that come with serbench are not looked at, nor is one that was found sound before with
    the same code and options on the same kind of device, which is kept in `checked/`.

    Args:
        plugin: an upstream, a downstream or a post-processor.
        identity: its code, options and files, as they count in a recipe.
        given: all its options.
        progress: where it is told that it is checked.
        device: that the run computes on.

    Raises:
        SerbenchError: it breaks its contract, in the words of `serbench check`.
    """
    if not plugin.code:
        return
    sound = [_EDITION, plugin.kind, version("serbench"), dict(identity), device.partition(":")[0]]
    known = home() / "checked" / digest_json(sound)
    if known.is_file():
        return
    what = f"{plugins.called(plugin.kind)} '{plugin.name}'"
    progress.tell(f"{what} is checked on {device}, as its code is new here")
    failures = failures_of(plugin, given, progress, device=device)
    if failures:
        more = f" (and {len(failures) - 1} more)" if len(failures) > 1 else ""
        command = f"serbench check {plugin.kind[:-1]}"
        msg = f"{what} is not run: {failures[0]}{more}; `{command}` says all"
        raise SerbenchError(msg)
    with suppress(OSError):  # it is then checked again
        known.parent.mkdir(parents=True, exist_ok=True)
        known.write_text(f"{what}, {plugin.origin}\n", encoding="utf-8")
