"""A plugin made and tried against the contract of its kind."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from serbench import plugins
from serbench.progress import Progress


def failures_of(
    plugin: plugins.Plugin,
    options: Mapping[str, Any],
    progress: Progress,
    *,
    device: str = "cpu",
    thorough: bool = False,
) -> list[str]:
    """Return what an upstream, a downstream or a post-processor does against its contract.

    Args:
        plugin: of one of these kinds.
        options: those given; the others have their defaults.
        progress: where an adaptation is shown.
        device: that it is tried on.
        thorough: also try what changes no number of a run.

    Returns:
        One sentence a failure; empty if it passes.

    Raises:
        SerbenchError: a wrong option, or what an upstream says when it is made.
    """
    from serbench.vetting.adapting import adapted
    from serbench.vetting.elsewhere import made_elsewhere

    with plugins.blamed(plugin), adapted(plugin, options, progress, device) as complete:
        if not plugin.code:
            return _here(plugin, complete, device, thorough)
        with made_elsewhere(plugin, complete, device) as differences:
            return _here(plugin, complete, device, thorough) or differences()


def _here(
    plugin: plugins.Plugin, options: Mapping[str, Any], device: str, thorough: bool
) -> list[str]:
    """Try a plugin in this process; torch is loaded for what is tried alone."""
    match plugin.kind:
        case "upstreams":
            from serbench.vetting.adapting import made
            from serbench.vetting.upstream import check_upstream

            twice = (made(plugin, options, device) for _ in range(2))
            return check_upstream(*twice, extremes=thorough, device=device)
        case "downstreams":
            from serbench.vetting.downstream import check_downstream

            return check_downstream(
                lambda dim: plugins.make(plugin, dim, options=options),
                learning=thorough,
                device=device,
            )
        case _:
            from serbench.vetting.postprocessor import check_postprocessor

            return check_postprocessor(*(plugins.make(plugin, options=options) for _ in range(2)))
