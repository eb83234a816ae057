"""What each rater of MSP-Podcast chose, and the share of them who chose each class."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

from serbench.benchmarks import UNLABELLED
from serbench.benchmarks.auditing.agreement import RATERS
from serbench.benchmarks.reading.layout import read_rows
from serbench.errors import SerbenchError

if TYPE_CHECKING:
    from pandas import DataFrame

# What raters choose from, in the detailed labels.
_CHOICES = {
    "Angry": "anger",
    "Contempt": "contempt",
    "Disgust": "disgust",
    "Fear": "fear",
    "Happy": "happiness",
    "Neutral": "neutral",
    "Sad": "sadness",
    "Surprise": "surprise",
}


def shares(labels: Path, told: DataFrame) -> dict[str, Any]:
    """Return the share of the raters of each turn who chose each class; nothing if not told.

    Args:
        labels: folder of the labels.
        told: (N,) `FileName` and `split` of each turn.

    Returns:
        (N,) columns `share:anger` and so on, and how many raters they are of.

    Raises:
        SerbenchError: the table of raters is none, or turns have no rater in it.
    """
    import pandas as pd

    chosen, files = _chosen(labels), told["FileName"]
    if chosen is None:
        return {}
    expected = files[told["split"] != UNLABELLED]
    if len(lacking := expected[~expected.isin(set(chosen["file"]))]):
        msg = (
            f"benchmark 'msp_podcast': {len(lacking)} of {len(expected)} turns have no rater in "
            f"labels_detailed (first: {lacking.iloc[0]}); get it again, or take it out of "
            f"'{labels}': there are then no shares of raters"
        )
        raise SerbenchError(msg)
    counted = chosen[chosen["choice"].isin(_CHOICES)]
    votes = pd.crosstab(counted["file"], counted["choice"].map(_CHOICES))
    found = votes.div(votes.sum(axis=1), axis=0)
    found = found.reindex(index=files, columns=[*_CHOICES.values()], fill_value=0.0)
    raters = votes.sum(axis=1).reindex(files, fill_value=0)
    return {f"share:{label}": found[label].to_numpy() for label in found} | {
        RATERS: raters.to_numpy()
    }


def _chosen(labels: Path) -> DataFrame | None:
    """Return one row a rater and turn: `file`, `choice`."""
    import pandas as pd

    if (path := labels / "labels_detailed.csv").is_file():
        table = read_rows(path, ["FileName", "EmoClass_Major"])
        return table.rename(columns={"FileName": "file", "EmoClass_Major": "choice"})
    if not (path := labels / "labels_detailed.json").is_file():
        return None
    try:
        told = json.loads(path.read_text(encoding="utf-8"))
        rows = [
            (file, given["EmoClass_Major"][0])
            for file, raters in told.items()
            for given in raters.values()
        ]
    except (ValueError, LookupError, AttributeError, TypeError) as error:
        msg = f"'{path}' is not the table of raters of this corpus ({error}); get it again"
        raise SerbenchError(msg) from error
    return pd.DataFrame(rows, columns=["file", "choice"])
