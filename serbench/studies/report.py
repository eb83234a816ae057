"""What a study gives: rows, what they say in short, a picture, and files of all of these."""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from serbench.durable import replacing
from serbench.runs.lettering import lettered
from serbench.scoring.intervals import LEVEL
from serbench.studies.intervals import Interval

if TYPE_CHECKING:
    from matplotlib.figure import Figure

Cell = str | int | float | Interval | None
Row = Mapping[str, Cell]


@dataclass(frozen=True)
class Report:
    """A study that was made.

    Attributes:
        study: its name.
        about: 8 hex digits of the run or the runs that it is about, for the names of files.
        caption: what is shown and how it was estimated, for below the picture.
        rows: what the picture shows, one a point.
        summary: what it comes to, a few rows; those themselves if they are few.
        runs: digests of the results that it is made of.
        draw: draws the picture.
    """

    study: str
    about: str
    caption: str
    rows: Sequence[Row]
    summary: Sequence[Row]
    runs: Sequence[str]
    draw: Callable[[Figure], None]


def write(report: Report, folder: Path) -> list[Path]:
    """Write a study's table (CSV), JSON and picture (PNG and SVG); return where they lie.

    The same runs give the same files, to the byte where matplotlib has the same version.

    Args:
        report: what to write.
        folder: made if it is not there.

    Raises:
        SerbenchError: it cannot be written to.
    """
    folder.mkdir(parents=True, exist_ok=True)
    stem = f"{report.study}-{report.about}"
    written = {f"{stem}.csv": _csv, f"{stem}.json": _json, f"{stem}.png": _png, f"{stem}.svg": _svg}
    for name, make in written.items():
        with replacing(folder / name) as fresh:
            make(report, fresh)
    return [folder / name for name in written]


def _csv(report: Report, path: Path) -> None:
    import pandas as pd

    pd.DataFrame([_flat(row) for row in report.rows]).to_csv(path, index=False, lineterminator="\n")


def _flat(row: Row) -> dict[str, Any]:
    """Return a row with three numbers for each interval."""
    flat: dict[str, Any] = {}
    for name, cell in row.items():
        if isinstance(cell, Interval):
            flat |= {name: cell.value, f"{name} low": cell.low, f"{name} high": cell.high}
        else:
            flat[name] = cell
    return flat


def _json(report: Report, path: Path) -> None:
    told = {
        "study": report.study,
        "caption": report.caption,
        "level": LEVEL,
        "summary": [_plain(row) for row in report.summary],
        "rows": [_plain(row) for row in report.rows],
        "runs": list(report.runs),
    }
    path.write_text(json.dumps(told, indent=1, allow_nan=False) + "\n", encoding="utf-8")


def _plain(row: Row) -> dict[str, Any]:
    """Return a row as JSON has it: an interval as three numbers, NaN as none."""
    return {
        name: [_number(each) for each in cell] if isinstance(cell, Interval) else _number(cell)
        for name, cell in row.items()
    }


def _number(cell: Any) -> Any:
    return None if isinstance(cell, float) and not math.isfinite(cell) else cell


def _png(report: Report, path: Path) -> None:
    with lettered(_texts(report)):
        _picture(report).savefig(path, format="png", metadata=_about(report))


def _svg(report: Report, path: Path) -> None:
    import matplotlib as mpl

    # without a salt and a date, each time the same
    with mpl.rc_context({"svg.hashsalt": report.study, "svg.fonttype": "none"}):
        about = _about(report) | {"Date": None}
        with lettered(_texts(report)):
            _picture(report).savefig(path, format="svg", metadata=about)


def _texts(report: Report) -> list[str]:
    """Return the names that a picture may show."""
    return [cell for row in report.rows for cell in row.values() if isinstance(cell, str)]


def _about(report: Report) -> dict[str, str | None]:
    return {"Title": f"{report.study} {report.about}", "Description": report.caption}


def _picture(report: Report) -> Figure:
    from matplotlib.figure import Figure

    figure = Figure(layout="constrained", dpi=120)
    report.draw(figure)
    return figure
