"""What is stored is named by editions, so code and defaults change only together with theirs."""

from __future__ import annotations

import importlib.util
import json
from pathlib import Path
from typing import Any

import pytest

from serbench import editions

GOLDEN = Path(__file__).parent / "golden"
PINNED: dict[str, dict[str, Any]] = json.loads((GOLDEN / "editions.json").read_text())
REMEDY = (
    "if it gives other numbers than before, raise {where}; in any case run "
    "`python tests/golden/editions.py`"
)


@pytest.fixture(scope="module")
def now() -> dict[str, dict[str, Any]]:
    """Return what is pinned, as it is now."""
    spec = importlib.util.spec_from_file_location("golden_editions", GOLDEN / "editions.py")
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    present: dict[str, dict[str, Any]] = module.present()
    return present


@pytest.mark.parametrize("name", editions.CODE)
def test_code_that_all_upstreams_share_changes_with_its_number(
    now: dict[str, dict[str, Any]], name: str
) -> None:
    where = f"serbench.editions.{name}"
    told = f"{editions.CODE[name]} changed: {REMEDY.format(where=where)}"
    assert now["shared"][name] == PINNED["shared"][name], told


def test_the_code_of_an_upstream_changes_with_its_edition(now: dict[str, dict[str, Any]]) -> None:
    for name, known in now["upstreams"].items():
        where = f"the constant EDITION of upstreams/{name}.py"
        told = f"upstreams/{name}.py changed: {REMEDY.format(where=where)}"
        assert known == PINNED["upstreams"].get(name), told


def test_a_default_changes_with_an_edition(now: dict[str, dict[str, Any]]) -> None:
    """Options at their default are not digested, so a changed one would be taken for the old."""
    for name, known in now["defaults"].items():
        before = PINNED["defaults"].get(name, known)
        same = before["are"].items() <= known["are"].items()
        where = "the constant EDITION of its file (of a protocol: leaderboard.identity.FORMAT)"
        told = f"a default of {name} changed: raise {where}"
        assert same or known["edition"] > before["edition"], told
        assert known == PINNED["defaults"].get(name), "run `python tests/golden/editions.py`"


def test_features_outlive_a_release_but_not_another_torch(monkeypatch: pytest.MonkeyPatch) -> None:
    from serbench.digests import digest_json
    from serbench.runs import encoding, recipe

    (part,) = recipe.resolve({"upstream": "fbank", "downstream": "mlp"}).upstreams
    real, made = editions.version, [digest_json(encoding.made_of(part))]
    for package in ("serbench", "torch", "soxr"):
        with monkeypatch.context() as patch:
            patch.setattr(editions, "version", lambda n, p=package: "9" if n == p else real(n))
            made.append(digest_json(encoding.made_of(part)))
    assert made[0] == made[1]
    assert len(set(made)) == 3
