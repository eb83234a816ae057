"""wavlm by name: its published sizes, and that it takes no other family."""

from __future__ import annotations

from pathlib import Path

import pytest

from serbench.errors import SerbenchError
from serbench.upstreams.wavlm import WEIGHTS, make


def test_opens_its_own_family(tiny_checkpoints: dict[str, Path]) -> None:
    for name in ("wavlm", "wavlm.large"):
        upstream = make(weights=str(tiny_checkpoints[name]))
        assert upstream.model.config.model_type == "wavlm"
        assert (upstream.depth, upstream.dim, upstream.sample_rate) == (3, 16, 16_000)


def test_refuses_the_weights_of_another_family(tiny_checkpoints: dict[str, Path]) -> None:
    with pytest.raises(SerbenchError, match="model type 'hubert'; upstream 'wavlm' takes wavlm"):
        make(weights=str(tiny_checkpoints["hubert"]))


def test_a_wrong_size_gets_the_near_one() -> None:
    with pytest.raises(SerbenchError, match="no published size 'larg'; did you mean 'large'"):
        make(weights="larg")


def test_every_size_says_where_it_is_from() -> None:
    for entry in WEIGHTS.values():
        assert set(entry) == {"id", "licence", "trained_on"}
        assert entry["id"].count("/") == 1
