"""Every plugin of every kind keeps its contract: shipped, installed by others, or a file.

That the checks find what is broken, sentence by sentence, is tests/checks.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any, Literal, get_args, get_origin

import pytest

from serbench import plugins
from serbench.checks import check_plugin

from .checkpoints import ENCODERS
from .commands import serbench
from .conftest import COPY_ME, copy_me

pytestmark = pytest.mark.filterwarnings("ignore:.*torch.jit.script_method:DeprecationWarning")

Options = dict[str, Any]


def variants(kind: plugins.Kind, name: str) -> list[Options]:
    """Return the default options, and each other value of an option that has a few words."""
    options = plugins.find(kind, name).options.values()
    words = [
        (o, word) for o in options if get_origin(o.type) is Literal for word in get_args(o.type)
    ]
    return [{}, *({o.name: word} for o, word in words if word != o.default)]


def described(kind: str, name: str, options: Options, layout: str = "") -> Any:
    values = [str(value) for value in options.values()]
    return pytest.param(kind, name, options, layout, id="-".join([kind, layout or name, *values]))


SHIPPED = [
    described(kind, name, options)
    for kind in plugins.KINDS
    for name in plugins.names(kind)
    for options in variants(kind, name)
]
# encoders that are published in several layouts
LAYOUTS = [described("upstreams", key.split(".")[0], {}, key) for key in ENCODERS if "." in key]


@pytest.mark.parametrize(("kind", "name", "options", "layout"), SHIPPED + LAYOUTS)
def test_a_shipped_plugin_keeps_its_contract(
    kind: plugins.Kind,
    name: str,
    options: Options,
    layout: str,
    tiny_checkpoints: dict[str, Path],
    pretrained_hubert: Path,
) -> None:
    adaptable = dict.fromkeys(("tapt_hubert", "papt_hubert"), pretrained_hubert)
    weights = (tiny_checkpoints | adaptable).get(layout or name) if kind == "upstreams" else None
    given = options if weights is None else {**options, "weights": str(weights)}
    assert check_plugin(kind, name, given) == []


@pytest.mark.parametrize("kind", plugins.KINDS)
def test_a_file_keeps_its_contract(kind: plugins.Kind, tmp_path: Path, my_corpus: Path) -> None:
    path = tmp_path / f"{COPY_ME[kind]}.py"
    path.write_text(copy_me(kind[:-1]))
    assert check_plugin(kind, str(path), {}, data=my_corpus) == []


@pytest.mark.usefixtures("installed")
@pytest.mark.parametrize("kind", plugins.KINDS)
def test_an_installed_plugin_keeps_its_contract(
    kind: plugins.Kind, my_corpus: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SERBENCH_DATA", str(my_corpus))
    name = COPY_ME[kind]
    ended = serbench("check", kind[:-1], name)
    assert (ended.returncode, ended.stdout) == (0, f"{name}: keeps the contract\n"), ended.stderr


@pytest.mark.parametrize("name", ["emodb", "emotale"])
def test_a_real_corpus_keeps_its_contract(name: str, corpora: Path) -> None:
    for options in variants("benchmarks", name):
        assert check_plugin("benchmarks", name, options, data=corpora) == []


# What is replaced on the page to copy, by what, and how it is told.
BROKEN = {
    "upstreams": ("depth = 1", "depth = 2", "depth is declared as 2, but there are 1 layers"),
    "downstreams": (".masked_fill(padded[..., None], -torch.inf)", "", "padding must not count"),
    "benchmarks": ("[file.stem for", "[file.stem[:3] for", "give each utterance its own"),
    "postprocessors": ("(middle - predicted.values)", "predicted.values[:1]", "the order of the"),
}


@pytest.mark.parametrize("kind", plugins.KINDS)
def test_a_broken_file_is_told(kind: plugins.Kind, tmp_path: Path, my_corpus: Path) -> None:
    old, new, sentence = BROKEN[kind]
    page = copy_me(kind[:-1])
    assert old in page
    path = tmp_path / f"{COPY_ME[kind]}.py"
    path.write_text(page.replace(old, new))
    failures = check_plugin(kind, str(path), {}, data=my_corpus)
    assert any(sentence in failure for failure in failures), failures
