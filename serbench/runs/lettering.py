"""Texts in pictures as they are written: no formulas, and letters of fonts that have them."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from functools import partial
from typing import Any

from serbench.errors import shown


@contextmanager
def lettered(texts: Iterable[str]) -> Iterator[Callable[[str], str]]:
    """Draw what a corpus calls things: a `$` in it begins no formula.

    Letters that the font of pictures lacks are taken from another one that is installed.

    Args:
        texts: that are drawn.

    Yields:
        What a text is drawn as: letters that no font has, and what cannot be seen, are escapes.
    """
    import matplotlib as mpl

    families, lacking = _fonts({letter for text in texts for letter in shown(text)})
    settings: Any = {
        "text.parse_math": False,
        "text.usetex": False,
        "font.family": [*mpl.rcParams["font.family"], *families],
    }
    with mpl.rc_context(settings):
        yield partial(_drawable, lacking)


def _drawable(lacking: set[str], text: str) -> str:
    return "".join(
        letter.encode("unicode_escape").decode() if letter in lacking else letter
        for letter in shown(text)
    )


def _fonts(letters: set[str]) -> tuple[list[str], set[str]]:
    """Return the fonts that have what the usual one lacks, and what none of them has."""
    from matplotlib import font_manager

    usual = font_manager.findfont(font_manager.FontProperties())
    lacking = _without(usual, letters)
    families = []
    for font in font_manager.fontManager.ttflist if lacking else ():
        plain = font.style == "normal" and font.weight in (400, "normal", "regular")
        # a font of last resort has a box for each letter
        if not plain or font.name.startswith("Last Resort") or font.fname == usual:
            continue
        if len(left := _without(font.fname, lacking)) < len(lacking):
            families.append(font.name)
            lacking = left
        if not lacking:
            break
    return families, lacking


def _without(font: str, letters: set[str]) -> set[str]:
    from matplotlib.font_manager import get_font

    there = get_font(font).get_charmap()
    return {letter for letter in letters if ord(letter) not in there}
