"""Numbers that papers report: data with their source, shown apart from what is computed here."""

from __future__ import annotations

import tomllib
from decimal import Decimal
from pathlib import Path
from typing import Annotated, NamedTuple

from pydantic import BaseModel, ConfigDict, Field, PlainSerializer, model_validator

from serbench.errors import unknown
from serbench.leaderboard.hearing import mentions

_FOLDER = Path(__file__).parent / "reported"

# with the decimals of the source, of which 0.660 has three; a number in JSON
Printed = Annotated[Decimal, PlainSerializer(float, return_type=float)]


class _Frozen(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=True)


class ReportedRow(_Frozen):
    """One system.

    Attributes:
        system: as the source calls it.
        recipe: of this package that rebuilds it; empty if there is none.
        values: one a metric; NaN where the source has none.
        std: standard deviations, over what the table's `protocol` says; empty if there are none.
    """

    system: str
    recipe: str = ""
    values: tuple[Printed, ...]
    std: tuple[Printed, ...] = ()

    @property
    def texts(self) -> list[str]:
        """The values as the source prints them, "-" where it has none."""
        return ["-" if value.is_nan() else str(value) for value in self.values]


class ReportedTable(_Frozen):
    """One table of a source.

    Attributes:
        name: as the source calls it.
        corpus: what was tested on, with release and size as far as they are known.
        protocol: how it was split, and what else keeps the numbers from being compared.
        metrics: of the columns; fractions, not percentages.
        rows: the systems, in the source's order.
    """

    name: str
    corpus: str
    protocol: str
    metrics: tuple[str, ...] = Field(min_length=1)
    rows: tuple[ReportedRow, ...] = Field(min_length=1)

    @model_validator(mode="after")
    def _one_value_a_metric(self) -> ReportedTable:
        for row in self.rows:
            if {len(row.values), len(row.std) or len(row.values)} != {len(self.metrics)}:
                msg = f"'{row.system}' in {self.name} has not one value a metric"
                raise ValueError(msg)
        return self


class Report(_Frozen):
    """What one source reports.

    Attributes:
        name: of its file, such as "morais2022".
        short: how a table names it.
        citation: in full.
        tables: of numbers.
    """

    name: str
    short: str
    citation: str
    tables: Annotated[tuple[ReportedTable, ...], Field(alias="table", min_length=1)]


class Reported(NamedTuple):
    """A table with its source."""

    source: Report
    table: ReportedTable


def names() -> list[str]:
    """Return the names of all sources, sorted."""
    return sorted(path.stem for path in _FOLDER.glob("*.toml"))


def report(name: str) -> Report:
    """Return what a source reports.

    Raises:
        SerbenchError: no such source.
    """
    if name not in names():
        raise unknown("source of reported numbers", name, names())
    text = (_FOLDER / f"{name}.toml").read_text(encoding="utf-8")
    return Report.model_validate({"name": name} | tomllib.loads(text, parse_float=Decimal))


def tables(source: str | None = None, benchmark: str | None = None) -> list[Reported]:
    """Return reported tables with their sources.

    Args:
        source: only of this one.
        benchmark: only those on the corpus of this benchmark.

    Raises:
        SerbenchError: no such source.
    """
    found = [report(name) for name in ([source] if source else names())]
    return [
        Reported(each, table)
        for each in found
        for table in each.tables
        if benchmark is None or mentions(table.corpus, benchmark)
    ]


def of_recipe(recipe: str) -> list[Reported]:
    """Return the tables of which a recipe rebuilds rows, with these alone."""
    found = []
    for source, table in tables():
        if rows := [row for row in table.rows if row.recipe == recipe]:
            found.append(Reported(source, table.model_copy(update={"rows": tuple(rows)})))
    return found
