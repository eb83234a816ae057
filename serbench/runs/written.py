"""The recipe of a result as a user writes it: TOML that `serbench run --recipe` takes."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from typing import Any

from serbench.leaderboard.record import Result
from serbench.runs.rerunning import raw_of


def recipe_of(result: Result) -> str:
    """Return the recipe of a result as TOML; its files are named without their folders.

    Raises:
        SerbenchError: it was made of other results, or an older serbench wrote the record.
    """
    return to_toml(raw_of(result))


def to_toml(table: Mapping[str, Any]) -> str:
    """Return plain values as TOML, which has no null: such a value is left out, the default."""
    return "\n".join(_table(table, "")).strip() + "\n"


def _table(table: Mapping[str, Any], path: str) -> Iterator[str]:
    """Yield the lines of a table, its own values before the tables in it."""
    inner = {key: value for key, value in table.items() if _tables(value)}
    yield from (
        f"{_key(key)} = {_value(value)}"
        for key, value in table.items()
        if key not in inner and value is not None
    )
    for key, value in inner.items():
        name = f"{path}.{_key(key)}".strip(".")
        several = isinstance(value, list)
        for each in value if several else [value]:
            yield from ("", f"[[{name}]]" if several else f"[{name}]", *_table(each, name))


def _tables(value: Any) -> bool:
    """Return whether a value is a table, or a list of nothing else."""
    return isinstance(value, Mapping) or (
        isinstance(value, list) and bool(value) and all(isinstance(v, Mapping) for v in value)
    )


def _key(key: str) -> str:
    return key if key.replace("_", "").replace("-", "").isalnum() and key.isascii() else _text(key)


def _value(value: Any) -> str:
    if isinstance(value, str):
        return _text(value)
    if isinstance(value, list):
        return f"[{', '.join(_value(each) for each in value if each is not None)}]"
    if isinstance(value, Mapping):
        pairs = ((k, v) for k, v in value.items() if v is not None)
        return f"{{ {', '.join(f'{_key(k)} = {_value(v)}' for k, v in pairs)} }}"
    return json.dumps(value)


def _text(text: str) -> str:
    # an escape of JSON is one of TOML, but for the pairs of surrogates that JSON writes
    return json.dumps(text, ensure_ascii=False).replace("\x7f", "\\u007F")
