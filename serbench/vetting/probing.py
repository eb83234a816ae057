"""What a plugin comes to, as arrays that two processes can compare."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from numpy.typing import NDArray

from serbench import plugins


def probe(plugin: plugins.Plugin, options: Mapping[str, Any], device: str) -> list[NDArray[Any]]:
    """Make an upstream, a downstream or a post-processor and return what it makes of its material.

    Args:
        plugin: of one of these kinds.
        options: all of them; of an upstream that adapts, those after it.
        device: that it computes on.

    Raises:
        SerbenchError: what it says.
    """
    match plugin.kind:
        case "upstreams":
            from serbench.vetting.adapting import made
            from serbench.vetting.upstream import encoded

            tensors = encoded(made(plugin, options, device), device)
        case "downstreams":
            from serbench.vetting.downstream import embedded

            tensors = embedded(lambda dim: plugins.make(plugin, dim, options=options), device)
        case _:
            from serbench.vetting.postprocessor import corrected

            return corrected(plugins.make(plugin, options=options))
    return [tensor.detach().cpu().float().numpy() for tensor in tensors]
