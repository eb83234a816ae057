"""A corpus in tables: how long, which labels, who, how much raters agree."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import TYPE_CHECKING

import numpy as np

from serbench.benchmarks import Task
from serbench.benchmarks.auditing.agreement import RATERS, Agreement, agreement
from serbench.benchmarks.reading.layout import COLUMNS, RESERVED
from serbench.benchmarks.reading.names import unknown
from serbench.benchmarks.splitting.splits import natural

if TYPE_CHECKING:
    from pandas import DataFrame, Series

_ADDED = (*RESERVED, RATERS)
_TITLES = ("durations, s", "labels", "agreement of raters", "speakers")
_MOST = 12  # values of a column that says something of people


def tables(table: DataFrame, task: Task) -> Mapping[str, DataFrame]:
    """Return tables by their titles.

    Args:
        table: of a `CorpusAudit`.
        task: what is predicted.
    """
    found = {"durations, s": _durations(table, task)}
    for column in task.columns:
        if column in task.scales:
            found[quoted(column, _TITLES)] = _spread(table[column].astype(float), column)
        elif table[column].nunique() <= _MOST:
            found["labels"] = _labels(table, column)
    if (agreed := agreement(table, task)) is not None:
        found["agreement of raters"] = _agreement(agreed)
    found["speakers"] = _speakers(table, task)
    for column in demographics(table):
        found[quoted(column, _TITLES)] = _people(table, column)
    return found


def quoted(name: str, own: Collection[str]) -> str:
    """Return what a corpus calls something, in quotes where a table calls something else so."""
    return f"'{name}'" if name in own else name


def demographics(table: DataFrame) -> list[str]:
    """Return the columns that say one thing of each speaker, and different things of several."""
    known = table[~unknown(table["speaker"])]
    columns = ["gender", *(str(c) for c in table if c not in (*COLUMNS, *_ADDED))]
    return [
        column
        for column in dict.fromkeys(columns)
        if known[column].nunique() > 1
        and known[column].nunique() <= max(_MOST, known["speaker"].nunique())
        and (known.groupby("speaker")[column].nunique() <= 1).all()
    ]


def _durations(table: DataFrame, task: Task) -> DataFrame:
    import pandas as pd

    groups = {"all": table["seconds"]}
    for column in task.columns:
        if column not in task.scales and table[column].nunique() <= _MOST:
            groups |= {str(k): rows["seconds"] for k, rows in table.groupby(column)}
    return pd.concat([_spread(seconds, name) for name, seconds in groups.items()])


def _spread(values: Series, name: str) -> DataFrame:
    import pandas as pd

    cells = {
        "": name,
        "n": int(values.notna().sum()),
        "mean": values.mean(),
        "sd": values.std(ddof=0),
    }
    quantiles = dict(
        zip(("min", "25 %", "50 %", "75 %", "max"), (0, 0.25, 0.5, 0.75, 1), strict=True)
    )
    return pd.DataFrame([cells | {k: float(values.quantile(q)) for k, q in quantiles.items()}])


def _labels(table: DataFrame, column: str) -> DataFrame:
    import pandas as pd

    rows = table.assign(speaker=table["speaker"].mask(unknown(table["speaker"]))).groupby(column)
    return pd.DataFrame(
        {
            "label": list(rows.groups),
            "n": rows.size().to_numpy(),
            "%": (100 * rows.size() / rows.size().sum()).to_numpy(),
            "minutes": (rows["seconds"].sum() / 60).to_numpy(),
            "speakers": rows["speaker"].nunique().to_numpy(),
        }
    )


def _agreement(agreed: Agreement) -> DataFrame:
    import pandas as pd

    cells = {
        "utterances": agreed.utterances,
        "raters of each": f"{agreed.fewest} to {agreed.most}",
        "pairs that agree, %": 100 * agreed.pairs,
        "Krippendorff's alpha": agreed.alpha,
    }
    return pd.DataFrame([cells])


def _speakers(table: DataFrame, task: Task) -> DataFrame:
    import pandas as pd

    known = table[~unknown(table["speaker"])]
    rows = known.groupby("speaker")
    columns: dict[str, object] = {
        "speaker": list(rows.groups),
        "n": rows.size().to_numpy(),
        "minutes": (rows["seconds"].sum() / 60).to_numpy(),
    }
    own = [*columns]
    for scale in task.scales:
        columns[quoted(scale, own)] = rows[scale].mean().to_numpy()
    if 0 < len(task.classes) <= _MOST:
        counts = pd.crosstab(known["speaker"], known[task.columns[0]])
        # of whom nothing is labelled, nothing is counted
        counts = counts.reindex(index=list(rows.groups), columns=[*task.classes], fill_value=0)
        columns |= {quoted(label, own): counts[label].to_numpy() for label in task.classes}
    return _naturally(pd.DataFrame(columns))


def _people(table: DataFrame, column: str) -> DataFrame:
    import pandas as pd

    known = table[~unknown(table["speaker"])].fillna({column: "not given"})
    rows = known.groupby(column)
    cells: dict[str, object] = {
        "speakers": rows["speaker"].nunique().to_numpy(),
        "n": rows.size().to_numpy(),
        "minutes": np.round((rows["seconds"].sum() / 60).to_numpy(), 2),
    }
    names = [str(value) for value in rows.groups]
    return _naturally(pd.DataFrame({quoted(column, cells): names, **cells}))


def _naturally(rows: DataFrame) -> DataFrame:
    """Return rows in the natural order of their first cells: s2 before s10."""
    names = rows[rows.columns[0]].astype(str)
    place = {name: number for number, name in enumerate(natural(names))}
    return rows.iloc[np.argsort(names.map(place), kind="stable")].reset_index(drop=True)
