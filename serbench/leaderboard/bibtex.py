"""What a table of results must cite: its corpora and its encoders."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator

from serbench import plugins
from serbench.errors import SerbenchError
from serbench.leaderboard.record import Result
from serbench.leaderboard.table import Board


def to_bibtex(boards: Iterable[Board]) -> str:
    """Return BibTeX entries of the corpora and the weights of all rows, each once.

    What is to be cited under one key is cited as the first row has it, as BibTeX refuses a second.
    A corpus that is not installed here, or that nobody gave a citation, gets an entry that says so.
    """
    entries: dict[str, str] = {}
    for board in boards:
        for row in board.rows:
            for entry in (_corpus(row.result), *_encoders(row.result)):
                for key, text in _keyed(entry):
                    entries.setdefault(key, text)
    return "\n\n".join(entries.values()) + "\n"


def _keyed(text: str) -> Iterator[tuple[str, str]]:
    """Yield the entries of a text by their keys, which BibTeX reads in any case."""
    for entry in re.split(r"\n(?=@)", text.strip()):
        key = re.match(r"@\w+\{\s*([^,\s]+)", entry)
        yield (key[1].casefold() if key else entry), entry.strip()


def _corpus(result: Result) -> str:
    name = result.benchmark.name
    own = plugins.builtin("benchmarks", name)
    if own is None:
        return _entry(name, {"title": f"{name} {result.benchmark.version}", "note": "not stated"})
    made = plugins.make(plugins.find("benchmarks", own), options={})
    return str(made.bibtex).strip() or _entry(name, {"title": name, "note": made.citation})


def _encoders(result: Result) -> Iterator[str]:
    # not within brackets, where the version of other code may have a plus
    names = re.split(r"[+&](?![^(]*\))", result.labels.upstream)
    for number, encoder in enumerate(result.encoders):
        known = encoder.provenance
        if not known.get("id"):
            continue
        about = _about(names[number]) if number < len(names) else ""
        revision = f"revision {known['revision']}" if known.get("revision") else ""
        note = "; ".join(text for text in (about, revision) if text)
        place = (
            {"howpublished": f"https://huggingface.co/{known['id']}"} if "/" in known["id"] else {}
        )
        if known["id"].startswith("serbench/"):
            place = {"howpublished": "weights in the package serbench"}
        yield _entry(known["id"], {"title": known["id"], **place, "note": note})


def _about(upstream: str) -> str:
    try:
        return plugins.find("upstreams", upstream).summary
    except SerbenchError:
        return ""


def _entry(key: str, fields: dict[str, str]) -> str:
    """Return an entry of kind misc."""
    name = re.sub(r"\W+", "-", key.casefold()).strip("-") or "unnamed"
    lines = [f"  {field} = {{{_safe(text)}}}," for field, text in fields.items() if text]
    return "\n".join([f"@misc{{{name},", *lines, "}"])


def _safe(text: str) -> str:
    """Return a text without braces, backslashes and signs that BibTeX or LaTeX would obey."""
    return re.sub(r"([&%$#_])", r"\\\1", re.sub(r"[{}\\@]", "", " ".join(text.split())))
