"""Every upstream keeps its contract; those with weights on small random ones."""

from __future__ import annotations

from pathlib import Path

import pytest

from serbench import plugins
from serbench.checks import check_upstream, make_upstream

pytestmark = pytest.mark.filterwarnings("ignore:.*torch.jit.script_method:DeprecationWarning")


@pytest.mark.parametrize("name", plugins.names("upstreams"))
def test_upstream_keeps_its_contract(
    name: str, tiny_checkpoints: dict[str, Path], pretrained_hubert: Path
) -> None:
    adaptable = dict.fromkeys(("tapt_hubert", "papt_hubert"), pretrained_hubert)
    weights = (tiny_checkpoints | adaptable).get(name)
    options = {} if weights is None else {"weights": str(weights)}
    upstream = make_upstream(plugins.find("upstreams", name), options)
    assert check_upstream(upstream) == []
