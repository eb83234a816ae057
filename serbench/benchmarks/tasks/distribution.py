"""Shares of labels an utterance: how many of those who listened said which."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar, Literal

from serbench.benchmarks.tasks.findings import Finding, some, unseen
from serbench.benchmarks.tasks.task import STRICT, Figure, Measure, Rows, Task

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray
    from pandas import DataFrame

_TITLES = {"macro_f1": "macro F1", "jsd": "JSD"}
_OFF = 1e-6  # that a sum of shares may be off 1


@dataclass(frozen=True)
class Distribution(Task):
    """The share of each of `labels`, in columns `share:LABEL` of the table, with sum 1.

    Known as soft labels. A label is said to be there where its share is above 1 / C, in truth and
    prediction alike, as EMO-SUPERB (Wu et al. 2024, arXiv:2402.13018) does it.
    """

    __pydantic_config__: ClassVar[Any] = STRICT

    labels: tuple[str, ...]
    kind: Literal["distribution"] = "distribution"

    correlates: ClassVar[bool] = False
    main: ClassVar[str] = "macro_f1"

    @property
    def called(self) -> str:
        """How `main` is written in a sentence."""
        return "macro F1"

    @property
    def columns(self) -> tuple[str, ...]:
        """The table's target columns: one a label."""
        return tuple(f"share:{label}" for label in self.labels)

    @property
    def quantities(self) -> tuple[str, ...]:
        """All of them hold numbers."""
        return self.columns

    @property
    def outputs(self) -> tuple[str, ...]:
        """The names of the C outputs: one a label."""
        return self.labels

    @property
    def classes(self) -> tuple[str, ...]:
        """The labels."""
        return self.labels

    @property
    def ends(self) -> tuple[float, float]:
        """A share is between 0 and 1."""
        return 0.0, 1.0

    @property
    def measures(self) -> tuple[Measure, ...]:
        """Macro F1 of the labels that are there, and the Jensen-Shannon divergence."""
        true, given = self.numbers[: len(self.labels)], self.numbers[len(self.labels) :]
        return tuple(Measure(name, f"shares_{name}", true, given) for name in _TITLES)

    @property
    def figures(self) -> tuple[Figure, ...]:
        """The same, averaged over folds."""
        return tuple(Figure(name, title, "folds") for name, title in _TITLES.items())

    @property
    def words(self) -> tuple[str, ...]:
        """No column holds labels."""
        return ()

    @property
    def numbers(self) -> tuple[str, ...]:
        """The true and the predicted share of each label."""
        return tuple(f"{side}:{label}" for side in ("truth", "score") for label in self.labels)

    @property
    def summary(self) -> str:
        """What is predicted: "shares of 6 labels"."""
        return f"shares of {len(self.labels)} labels"

    def predicted(self, rows: DataFrame, scores: NDArray[np.float64]) -> dict[str, Any]:
        """Return the true and the (n, C) predicted shares."""
        values = [*(rows[c].to_numpy(dtype=float) for c in self.columns), *scores.T]
        return dict(zip(self.numbers, values, strict=True))

    def faults(self) -> Iterator[str]:
        """Yield what is wrong with the labels."""
        yield from unseen(self.outputs)
        if len(self.labels) < 2 or len(set(self.labels)) < len(self.labels):
            yield f"labels {self.labels} must be different from each other, and at least two"

    def strata(self, table: DataFrame) -> list[NDArray[np.int64]]:
        """Return (N,) the place of each row's label with the largest share, the first of a tie."""
        return [self._shares(table).argmax(axis=1)]

    def audit(self, table: DataFrame) -> Iterator[Finding]:
        """Yield utterances whose shares are none, and labels that are nowhere there."""
        import numpy as np

        shares = self._shares(table)
        missing = np.isnan(shares).any(axis=1)
        if missing.any():
            nothing = table.iloc[np.flatnonzero(missing)]
            message = f"no share of a label: {some(nothing)}; give all or drop the row"
            yield Finding("no_target", "error", message)
        wrong = (shares < 0).any(axis=1) | (np.abs(shares.sum(axis=1) - 1) > _OFF)
        off = np.flatnonzero(wrong & ~missing)
        if len(off):
            message = (
                f"shares are negative or their sum is not 1: {some(table.iloc[off])}, first "
                f"{shares[off][0].sum():g}; divide the votes of each row by their number"
            )
            yield Finding("off_scale", "error", message)
        for label, there in zip(self.labels, self._anywhere(shares), strict=True):
            if not there:
                message = (
                    f"no utterance has more than 1/{len(self.labels)} of '{label}'; take it out of "
                    "the labels"
                )
                yield Finding("empty_class", "warning", message)

    def lacks(self, table: DataFrame, rows: Rows, part: str) -> tuple[str, str] | None:
        """Return which labels are there in the corpus, but in no row of a part."""
        shares = self._shares(table)
        there = zip(self.labels, self._anywhere(shares), self._anywhere(shares[rows]), strict=True)
        gone = [label for label, everywhere, here in there if everywhere and not here]
        if not gone:
            return None
        named = ", ".join(f"'{label}'" for label in gone)
        return "absent_class", (
            f"no utterance in {part} has more than 1/{len(self.labels)} of {named}; use fewer "
            "folds or another protocol, or take the label out"
        )

    def _shares(self, table: DataFrame) -> NDArray[np.float64]:
        """Return (N, C), NaN where there is no number."""
        import pandas as pd

        columns = [pd.to_numeric(table[c], errors="coerce") for c in self.columns]
        shares: NDArray[np.float64] = pd.concat(columns, axis=1).to_numpy(dtype=float)
        return shares

    def _anywhere(self, shares: NDArray[np.float64]) -> list[bool]:
        """Return (C,) whether a label is there in any row."""
        return [bool((share > 1 / len(self.labels)).any()) for share in shares.T]
