"""Reported numbers against sums that the papers themselves state, and how they are shown."""

from __future__ import annotations

import io
import math
from decimal import Decimal

import pytest
from rich.console import Console

from serbench.errors import SerbenchError
from serbench.leaderboard import reports
from serbench.leaderboard.render import render_reported


def values(source: str, table: int = 0) -> dict[str, dict[str, float]]:
    found = reports.report(source).tables[table]
    return {row.system: named(found.metrics, row.values) for row in found.rows}


def named(metrics: tuple[str, ...], printed: tuple[Decimal, ...]) -> dict[str, float]:
    return dict(zip(metrics, map(float, printed), strict=True))


@pytest.mark.parametrize("name", reports.names())
def test_every_number_is_a_fraction_with_a_source(name: str) -> None:
    report = reports.report(name)
    assert len(report.citation) > 40
    for table in report.tables:
        for row in table.rows:
            for metric, value in zip(table.metrics, row.values, strict=True):
                assert math.isnan(value) or -1 < value < (4 if "loss" in metric else 1), row


def test_gains_of_averaging_are_those_that_morais_et_al_state() -> None:
    wa = [row["wa"] for row in values("morais2022").values()]
    assert 100 * (wa[2] - wa[0]) == pytest.approx(2.38)
    assert 100 * (wa[3] - wa[1]) == pytest.approx(2.21)


def test_gains_of_calibration_are_those_that_tran_et_al_state() -> None:
    table = values("tran2023")
    best = table["PAPT-FT + sigma shift"]
    for target, gain in (("arousal", 0.023), ("valence", 0.009)):
        baselines = (table[name][f"a_ccc:{target}"] for name in ("Vanilla-FT", "B2", "TAPT-FT"))
        assert best[f"a_ccc:{target}"] - max(baselines) == pytest.approx(gain)


def test_the_five_sessions_of_superb_average_to_its_column() -> None:
    for system, row in values("superb2022").items():
        sessions = [value for metric, value in row.items() if ":" in metric]
        if not math.isnan(sessions[0]):
            assert sum(sessions) / 5 == pytest.approx(row["wa"], abs=1.5e-4), system


def test_the_two_generations_of_superb_are_apart() -> None:
    old, new = values("superb2021"), values("superb2022")
    assert (old["FBANK"]["wa"], new["FBANK"]["wa"]) == (0.3539, 0.4824)
    assert (old["HuBERT Large"]["wa"], new["HuBERT Large"]["wa"]) == (0.6493, 0.6762)


def test_tables_are_found_by_the_benchmark() -> None:
    assert {each.source.name for each in reports.tables(benchmark="crema_d")} == {"sha"}
    assert not reports.tables(benchmark="emodb")
    assert [each.source.name for each in reports.tables("sha", "crema_d")] == ["sha", "sha"]
    found = reports.of_recipe("morais_7")
    rows = [(each.source.name, row.texts) for each in found for row in each.table.rows]
    assert rows == [("morais2022", ["0.7736", "0.7776"])]


def test_numbers_have_the_decimals_of_the_paper() -> None:
    base, _, mfcc = reports.report("sha").tables[0].rows
    assert base.texts == ["0.566", "0.5822", "0.580"]
    assert mfcc.texts == ["0.165", "0.189", "-"]


def test_an_unknown_source_is_told_the_known_ones() -> None:
    with pytest.raises(SerbenchError, match="did you mean 'morais2022'"):
        reports.report("morais2021")


@pytest.mark.parametrize("name", reports.names())
def test_at_80_columns_every_number_and_the_source_are_there(name: str) -> None:
    for each in reports.tables(name):
        console = Console(width=80, file=io.StringIO(), color_system=None)
        console.print(render_reported(each))
        text = console.file.getvalue()
        assert all(len(line) <= 80 for line in text.splitlines())
        words = " ".join(text.split())
        assert f"reported: {each.source.short}, {each.table.name}" in words
        for row in each.table.rows:
            assert all(text in words for text in row.texts), row
            assert all(f"± {std}" in words for std in row.std), row
