"""The paths of anyone's own table, written as the files are called on this machine."""

from __future__ import annotations

import csv
import io
import os
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from serbench.benchmarks.auditing.causes import Folders, actual
from serbench.benchmarks.reading import custom, custom_table
from serbench.durable import replacing, unwritable

if TYPE_CHECKING:
    from serbench.benchmarks.reading.custom_table import Layout


class Mended(NamedTuple):
    """What was written.

    changed: rows with another path now.
    missing: rows whose file is not there by any name.
    table: the CSV file.
    kept: what it was before; None where nothing changed.
    """

    changed: int
    missing: int
    table: Path
    kept: Path | None


def mend(description: Path) -> Mended:
    """Write the paths of a table as the files are called; the table as it was is kept beside it.

    Backslashes, other capital letters and another Unicode form are mended, in names of files and
    of folders; all other cells stay.

    Args:
        description: the TOML file of the benchmark.

    Raises:
        SerbenchError: the description or the table is wrong, or cannot be written.
    """
    layout = custom.layout_of(description)
    rows = [cells for _, cells in custom_table.rows_of(layout.table)]
    place = rows[0].index(layout.names.get("path", "path"))
    folders: Folders = {}
    changed = missing = 0
    for cells in rows[1:]:
        if len(cells) <= place or (layout.audio / cells[place]).exists():
            continue
        there = actual(layout.audio / cells[place], folders)
        missing += there is None
        if there is not None:
            cells[place] = _cell(cells[place], there, layout.audio)
            changed += 1
    kept = _written(layout, rows) if changed else None
    return Mended(changed, missing, layout.table, kept)


def _cell(cell: str, there: Path, audio: Path) -> str:
    """Return how the table names a file: from the folder of the audio, unless it did not so far."""
    return (
        str(there) if Path(cell).is_absolute() else Path(os.path.relpath(there, audio)).as_posix()
    )


def _written(layout: Layout, rows: list[list[str]]) -> Path:
    """Write the table anew and return where it is kept as it was."""
    before = layout.table.read_text(encoding="utf-8-sig")
    kept = layout.table.with_name(f"{layout.table.name}.before")
    written = io.StringIO(newline="")
    csv.writer(written, delimiter=custom_table.separator_of(before)).writerows(rows)
    try:
        if not kept.exists():
            kept.write_bytes(layout.table.read_bytes())
        with replacing(layout.table) as place:
            place.write_text(written.getvalue(), encoding="utf-8", newline="")
    except OSError as error:
        raise unwritable(layout.table, error) from error
    return kept
