"""The page as a file: style, script and data in one, and nothing that it would have to fetch."""

from __future__ import annotations

import base64
import hashlib
import json
import math
import zlib
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from importlib.metadata import version
from itertools import islice
from pathlib import Path
from typing import Any

from pydantic_core import to_json

from serbench.durable import replacing
from serbench.leaderboard.page import content
from serbench.leaderboard.page.details import Written, details
from serbench.leaderboard.page.flags import FLAGS
from serbench.leaderboard.table import Board

_HERE = Path(__file__).parent
_SCRIPTS = ("dom", "numbers", "order", "plots", "board", "drawer", "detail", "compare", "start")
_CHUNK = 50  # rows whose details are unpacked together
_LEVEL = 5  # of compression: more takes longer than it saves


def publish(
    boards: Sequence[Board],
    folder: Path,
    *,
    title: str,
    written: Written,
) -> Path:
    """Write the page of some boards, and return its path.

    Args:
        boards: to show.
        folder: gets `index.html`, and `.nojekyll`, which GitHub Pages looks for.
        title: of the page.
        written: from a result its recipe as a user writes it.

    Raises:
        SerbenchError: the folder cannot be written to.
    """
    path = folder / "index.html"
    html = page(boards, title=title, written=written)
    for where, text in ((path, html), (folder / ".nojekyll", "")):
        with replacing(where) as temporary:
            temporary.write_text(text, encoding="utf-8")
    return path


def page(boards: Sequence[Board], *, title: str, written: Written) -> str:
    """Return the page as HTML; the arguments are those of `publish`."""
    from jinja2 import Environment, FileSystemLoader, StrictUndefined
    from markupsafe import Markup

    boards = sorted(boards, key=lambda board: board.benchmark.synthetic)  # people first
    style = (_HERE / "parts" / "style.css").read_text(encoding="utf-8")
    script = _script()
    shown = content.plain(boards)
    environment = Environment(
        loader=FileSystemLoader(_HERE / "parts"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    return environment.get_template("page.html").render(
        title=title,
        boards=shown,
        flags=FLAGS,
        results=sum(len(board["rows"]) for board in shown),
        systems=len({tuple(row[1:4]) for board in shown for row in board["rows"]}),
        corpora=len({board.benchmark.name for board in boards}),
        version=version("serbench"),
        made=datetime.now(UTC).strftime("%Y-%m-%d"),
        style=Markup(style),  # our own files
        script=Markup(script),
        hashes=[_hash(text) for text in (script, style)],
        data=Markup(_embedded({"boards": shown, "flags": FLAGS, "chunk": _CHUNK})),
        chunks=[*_chunks(boards, [board["id"] for board in shown], written)],
    )


def _script() -> str:
    parts = [(_HERE / "parts" / f"{name}.js").read_text(encoding="utf-8") for name in _SCRIPTS]
    return '"use strict";\n(() => {\n' + "\n".join(parts) + "})();\n"


def _hash(text: str) -> str:
    """Return what a content security policy calls a script or a style that may be used."""
    return f"sha256-{base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()}"


def _embedded(plain: Any) -> str:
    """Return JSON that ends no element and opens no comment, whatever its texts say."""
    text = json.dumps(plain, separators=(",", ":"), allow_nan=False)
    return text.replace("<", "\\u003c").replace(">", "\\u003e").replace("&", "\\u0026")


def _chunks(
    boards: Sequence[Board], names: Sequence[str], written: Written
) -> Iterator[tuple[str, str]]:
    """Yield the details of some rows at a time, packed: the name of the chunk, and base64."""
    for board, name in zip(boards, names, strict=True):
        rows = details(board, written)
        for number in range(math.ceil(len(board.rows) / _CHUNK)):
            plain = to_json([*islice(rows, _CHUNK)], inf_nan_mode="null")
            packed = zlib.compress(plain, _LEVEL)
            yield f"{name}-{number}", base64.b64encode(packed).decode()
