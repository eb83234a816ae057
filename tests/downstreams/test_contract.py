"""Every downstream keeps its contract, in each of its sizes."""

from __future__ import annotations

from typing import get_args

import pytest

from serbench import plugins
from serbench.checks import check_downstream


def sizes() -> list[tuple[str, dict[str, str]]]:
    """Return each downstream with each value of its option `size`, if it has one."""
    found: list[tuple[str, dict[str, str]]] = []
    for name in plugins.names("downstreams"):
        size = plugins.find("downstreams", name).options.get("size")
        found += [(name, {"size": s}) for s in get_args(size.type)] if size else [(name, {})]
    return found


@pytest.mark.parametrize(("name", "options"), sizes())
def test_downstream_keeps_its_contract(name: str, options: dict[str, str]) -> None:
    plugin = plugins.find("downstreams", name)
    assert check_downstream(lambda dim: plugins.make(plugin, dim, options=options)) == []
