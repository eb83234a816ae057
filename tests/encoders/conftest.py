"""Tiny encoders in the layout of published ones, as the tests of upstreams have them."""

from __future__ import annotations

from ..upstreams.conftest import clips, layers_of_transformers, noise  # noqa: TID252

__all__ = ["clips", "layers_of_transformers", "noise"]
