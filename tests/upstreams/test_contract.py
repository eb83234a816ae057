"""Every upstream keeps its contract; those with weights on small random ones."""

from __future__ import annotations

from pathlib import Path

import pytest

from serbench import plugins
from serbench.checking import check_upstream

pytestmark = pytest.mark.filterwarnings("ignore:.*torch.jit.script_method:DeprecationWarning")


@pytest.mark.parametrize("name", plugins.names("upstreams"))
def test_upstream_keeps_its_contract(name: str, tiny_checkpoints: dict[str, Path]) -> None:
    options = {"weights": str(tiny_checkpoints[name])} if name in tiny_checkpoints else {}
    upstream = plugins.make(plugins.find("upstreams", name), options=options)
    assert check_upstream(upstream) == []
