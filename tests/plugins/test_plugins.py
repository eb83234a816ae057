"""Names to plugins: what is found, what is read without importing, what a miss says."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Literal

import pytest

from serbench import plugins
from serbench.errors import SerbenchError

MINE = '''"""Loudness of each frame: an example."""
import nonexistent_heavy_library

LEVELS = {"low": 1}


def make(*, mels: int = 40, mode: Literal["a", "b"] = "a", path: str | None = None,
         rates: tuple[float, ...] = (0.1, 0.2), on: bool = False):
    return mels
'''


@pytest.fixture
def mine(tmp_path: Path) -> Path:
    path = tmp_path / "mine.py"
    path.write_text(MINE)
    return path


def test_describes_a_file_without_importing_it(mine: Path) -> None:
    plugin = plugins.find("upstreams", str(mine))
    assert plugin.name == "mine"
    assert plugin.summary == "Loudness of each frame: an example."
    assert plugin.constants["LEVELS"] == {"low": 1}
    assert {o.name: o.type for o in plugin.options.values()} == {
        "mels": int,
        "mode": Literal["a", "b"],
        "path": str | None,
        "rates": tuple[float, ...],
        "on": bool,
    }


def test_the_origin_of_a_file_follows_its_content(mine: Path) -> None:
    before = plugins.find("upstreams", str(mine)).code
    mine.write_text(MINE + "# changed\n")
    assert plugins.find("upstreams", str(mine)).code != before


def test_validate_fills_defaults_and_converts(mine: Path) -> None:
    plugin = plugins.find("upstreams", str(mine))
    options = plugins.validate(plugin, {"rates": [1, 2], "mode": "b"})
    assert options == {"mels": 40, "mode": "b", "path": None, "rates": (1.0, 2.0), "on": False}


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"mel": 3}, "upstream 'mine' has no option 'mel'; did you mean 'mels'. It has: mels, "),
        ({"mels": "many"}, "option 'mels' of upstream 'mine': .* not 'many'"),
        ({"mode": "c"}, "option 'mode' .*'a' or 'b', not 'c'"),
        ({"rates": [0.1, float("inf")]}, "'rates' .*give a finite number, not .*inf"),
        ({"rates": [1e300]}, "'rates' .*give a number of at most 18 digits, not .*1e.300"),
        ({"rates": [float("nan")]}, "'rates' .*give a finite number, not .*nan"),
        ({"mels": 2**63}, "'mels' .*a whole number of at most 18 digits, not 9223372036854775808"),
        ({"mels": -(10**400)}, "'mels'"),
    ],
)
def test_a_wrong_option_is_named(mine: Path, options: dict[str, object], message: str) -> None:
    with pytest.raises(SerbenchError, match=message):
        plugins.validate(plugins.find("upstreams", str(mine)), options)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("def other(): ...", "has no function 'make'"),
        ("def make(*, size=3): ...", "option 'size' needs an annotation"),
        ("def make(*, size: int = other()): ...", "a literal default"),
        ("def make(*, size: Tensor = None): ...", "option 'size' needs an annotation"),
        ("def make(*, name: str = 'x'): ...", "a recipe means something else by 'name'"),
        ("def make(:", "is not Python"),
    ],
)
def test_a_file_that_is_no_plugin(tmp_path: Path, text: str, message: str) -> None:
    path = tmp_path / "broken.py"
    path.write_text(text)
    with pytest.raises(SerbenchError, match=message):
        plugins.find("upstreams", str(path))


def test_an_option_without_a_default_must_be_given(tmp_path: Path) -> None:
    path = tmp_path / "mine.py"
    path.write_text("def make(*, size: int, most: int = 3):\n    return size, most\n")
    plugin = plugins.find("upstreams", str(path))
    assert plugins.make(plugin, options={"size": "2"}) == (2, 3)
    assert plugins.defaults(plugin) == {"most": 3}
    with pytest.raises(
        SerbenchError, match=r"needs option 'size'; give --set upstream\.size=VALUE"
    ):
        plugins.make(plugin, options={})
    step = plugins.find("postprocessors", str(path))
    with pytest.raises(SerbenchError, match=r"post-.*--set postprocess\.size=.* --set size="):
        plugins.make(step, options={})


def test_a_miss_names_the_near_miss_and_the_rest() -> None:
    with pytest.raises(SerbenchError, match=r"no upstream 'fbnk'; did you mean 'fbank'\?.*mfcc"):
        plugins.find("upstreams", "fbnk")
    with pytest.raises(SerbenchError, match=r"'nowhere/mine.py' does not exist"):
        plugins.find("upstreams", "nowhere/mine.py")


@pytest.mark.parametrize("kind", plugins.KINDS)
def test_every_built_in_plugin_can_be_described(kind: plugins.Kind) -> None:
    for name in plugins.names(kind):
        summary = plugins.find(kind, name).summary
        assert 20 <= len(summary) <= 100, f"{kind}/{name}: {summary}"


def test_listing_imports_nothing_heavy() -> None:
    code = (
        "import sys\n"
        "from serbench import plugins\n"
        "[plugins.find(k, n) for k in plugins.KINDS for n in plugins.names(k)]\n"
        "heavy = {'torch', 'transformers', 'pandas', 'numpy', 'speechbrain'} & set(sys.modules)\n"
        "assert not heavy, heavy\n"
    )
    subprocess.run([sys.executable, "-c", code], check=True)


def test_layers_is_a_word_of_recipes_for_upstreams_alone(tmp_path: Path) -> None:
    path = tmp_path / "mine.py"
    path.write_text("def make(dim, *, layers: int = 1):\n    return dim * layers\n")
    assert plugins.make(plugins.find("downstreams", str(path)), 3, options={"layers": 2}) == 6
    with pytest.raises(SerbenchError, match="a recipe means something else by 'layers'"):
        plugins.find("upstreams", str(path))


@pytest.mark.parametrize(
    ("module", "remedy"), [("nothere", "install it"), ("serbench.recipe", "have moved")]
)
def test_a_plugin_that_imports_what_is_not_there_is_told(
    module: str, remedy: str, tmp_path: Path
) -> None:
    path = tmp_path / "mine.py"
    path.write_text(f"import {module}\n\ndef make(dim):\n    return dim\n")
    with pytest.raises(SerbenchError, match=f"imports '{module}', which is not there; .*{remedy}"):
        plugins.make(plugins.find("downstreams", str(path)), 3, options={})
