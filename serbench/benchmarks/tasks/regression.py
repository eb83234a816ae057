"""Numbers for an utterance: arousal, valence, dominance."""

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


@dataclass(frozen=True)
class Regression(Task):
    """One number an utterance for each of `dimensions` (column names), on the scale [low, high].

    Only speakers with `min_utterances` or more count in A-CCC.
    """

    __pydantic_config__: ClassVar[Any] = STRICT

    dimensions: tuple[str, ...]
    low: float
    high: float
    kind: Literal["regression"] = "regression"
    min_utterances: int = 2

    correlates: ClassVar[bool] = True
    main: ClassVar[str] = "ccc"
    over_folds: ClassVar[str] = "o_"

    @property
    def columns(self) -> tuple[str, ...]:
        """The table's target columns."""
        return self.dimensions

    @property
    def outputs(self) -> tuple[str, ...]:
        """The names of the C outputs: one a dimension."""
        return self.dimensions

    @property
    def scales(self) -> tuple[str, ...]:
        """The dimensions."""
        return self.dimensions

    @property
    def ends(self) -> tuple[float, float]:
        """The ends of the scale."""
        return self.low, self.high

    @property
    def measures(self) -> tuple[Measure, ...]:
        """The CCC of each dimension."""
        return tuple(
            Measure(f"ccc:{d}", "ccc", f"truth:{d}", f"prediction:{d}") for d in self.dimensions
        )

    @property
    def averaged(self) -> bool:
        """The mean over dimensions counts."""
        return True

    @property
    def figures(self) -> tuple[Figure, ...]:
        """O-CCC and A-CCC: the mean over dimensions, if there are several, then each."""
        several = len(self.dimensions) > 1
        named = [("", "mean")] * several + [(f":{name}", name) for name in self.dimensions]
        return tuple(
            figure
            for suffix, dimension in named
            for figure in (
                Figure(f"o_ccc{suffix}", "O-CCC", "folds", dimension),
                Figure(f"a_ccc{suffix}", "A-CCC", "speakers", dimension),
            )
        )

    @property
    def words(self) -> tuple[str, ...]:
        """No column holds labels."""
        return ()

    @property
    def numbers(self) -> tuple[str, ...]:
        """Truth and prediction of each dimension."""
        return tuple(f"{side}:{d}" for side in ("truth", "prediction") for d in self.dimensions)

    @property
    def summary(self) -> str:
        """What is predicted: "arousal, valence"."""
        return ", ".join(self.dimensions)

    def predicted(self, rows: DataFrame, scores: NDArray[np.float64]) -> dict[str, Any]:
        """Return the truths and the (n, C) predictions of the dimensions."""
        values = [*(rows[d].to_numpy(dtype=float) for d in self.dimensions), *scores.T]
        return dict(zip(self.numbers, values, strict=True))

    def faults(self) -> Iterator[str]:
        """Yield what is wrong with the dimensions and their scale."""
        yield from unseen(self.outputs)
        if not self.dimensions or len(set(self.dimensions)) < len(self.dimensions):
            named = f"dimensions {self.dimensions}"
            yield f"{named} must be different from each other, and at least one"
        if not self.low < self.high:
            yield f"'low' is {self.low:g}, which is not below 'high', {self.high:g}"
        if self.min_utterances < 2:
            yield f"min_utterances is {self.min_utterances}; the CCC of a speaker needs 2 or more"

    def strata(self, table: DataFrame) -> list[NDArray[np.int64]]:
        """Return, for each dimension, (N,) the third of the corpus' values that a row is in."""
        import numpy as np

        columns = [table[name].to_numpy(dtype=np.float64) for name in self.dimensions]
        return [np.searchsorted(np.quantile(values, [1 / 3, 2 / 3]), values) for values in columns]

    def audit(self, table: DataFrame) -> Iterator[Finding]:
        """Yield utterances without a number, or with one off the scale."""
        import pandas as pd

        for dimension in self.dimensions:
            values = pd.to_numeric(table[dimension], errors="coerce")
            missing = values.isna()
            if missing.any():
                where = f"no number in '{dimension}': {some(table[missing])}"
                yield Finding("no_target", "error", f"{where}; give one or drop the row")
            off = ~missing & ~values.between(self.low, self.high)
            if off.any():
                message = (
                    f"'{dimension}' is off the scale {self.low:g} to {self.high:g}: "
                    f"{some(table[off])}, first {values[off].iloc[0]:g}; correct values or scale"
                )
                yield Finding("off_scale", "error", message)

    def lacks(self, table: DataFrame, rows: Rows, part: str) -> tuple[str, str] | None:
        """Return the dimensions of which a part has one value alone."""
        values = {d: table[d].to_numpy(dtype=float)[rows] for d in self.dimensions}
        constant = [d for d, own in values.items() if not own.min() < own.max()]
        if not constant:
            return None
        return "constant_target", (
            f"all of {part} has one value of {', '.join(constant)}, so that its CCC is 0 or "
            "undefined; use fewer folds or another protocol"
        )
