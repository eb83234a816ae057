"""One label an utterance."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar, Literal

from serbench.benchmarks.tasks.findings import Finding, absent, some, speakers_of, unseen
from serbench.benchmarks.tasks.task import STRICT, Figure, Measure, Rows, Task
from serbench.errors import unknown

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray
    from pandas import DataFrame, Series

_TITLES = {"ua": "UA", "wa": "WA", "macro_f1": "macro F1"}


@dataclass(frozen=True)
class Classification(Task):
    """One label an utterance, in column `column` of the table, out of `labels`, in their order."""

    __pydantic_config__: ClassVar[Any] = STRICT

    labels: tuple[str, ...]
    column: str = "emotion"
    kind: Literal["classification"] = "classification"

    correlates: ClassVar[bool] = False
    main: ClassVar[str] = "ua"

    @property
    def columns(self) -> tuple[str, ...]:
        """The table's target columns."""
        return (self.column,)

    @property
    def outputs(self) -> tuple[str, ...]:
        """The names of the C outputs: one a label."""
        return self.labels

    @property
    def classes(self) -> tuple[str, ...]:
        """The labels."""
        return self.labels

    @property
    def measures(self) -> tuple[Measure, ...]:
        """UA, WA and macro F1."""
        return tuple(Measure(name, name, "truth", "prediction") for name in _TITLES)

    @property
    def figures(self) -> tuple[Figure, ...]:
        """The same, averaged over folds."""
        return tuple(Figure(name, title, "folds") for name, title in _TITLES.items())

    @property
    def words(self) -> tuple[str, ...]:
        """The true and the predicted label."""
        return ("truth", "prediction")

    @property
    def numbers(self) -> tuple[str, ...]:
        """The probability of each label."""
        return tuple(f"score:{label}" for label in self.labels)

    @property
    def summary(self) -> str:
        """What is predicted: "emotion, 7 classes"."""
        return f"{self.column}, {len(self.labels)} classes"

    def predicted(self, rows: DataFrame, scores: NDArray[np.float64]) -> dict[str, Any]:
        """Return truths, the most probable labels, and the (n, C) probabilities."""
        return {
            "truth": rows[self.column].to_numpy(),
            "prediction": [self.labels[i] for i in scores.argmax(1)],
            **dict(zip(self.numbers, scores.T, strict=True)),
        }

    def faults(self) -> Iterator[str]:
        """Yield what is wrong with the labels."""
        yield from unseen(self.outputs)
        if len(self.labels) < 2 or len(set(self.labels)) < len(self.labels):
            yield f"labels {self.labels} must be different from each other, and at least two"

    def strata(self, table: DataFrame) -> list[NDArray[np.int64]]:
        """Return (N,) the number of each row's label, in the order of the labels' texts."""
        import numpy as np

        labels = table[self.column].to_numpy(dtype=object).astype(str)
        return [np.unique(labels, return_inverse=True)[1]]

    def audit(self, table: DataFrame) -> Iterator[Finding]:
        """Yield utterances without a label or with a foreign one, and labels that hardly occur."""
        column = table[self.column]
        missing = absent(column)
        if missing.any():
            where = f"no label in '{self.column}': {some(table[missing])}"
            yield Finding("no_target", "error", f"{where}; give one or drop the row")
        foreign = table[~missing & ~column.isin(self.labels)]
        for label, rows in foreign.groupby(self.column, sort=False):
            message = f"{unknown('label', str(label), self.labels)}; {some(rows)}"
            yield Finding("unknown_label", "error", message)
        speakers = table.groupby(self.column)["speaker"].nunique()
        for label in self.labels:
            count = speakers.get(label, 0)
            if count == 0:
                message = f"no utterance has the label '{label}'; take it out of the labels"
                yield Finding("empty_class", "warning", message)
            elif count == 1:
                message = (
                    f"one speaker alone has the label '{label}': where that speaker is tested, "
                    "nobody teaches it; take the label out, or use a speaker-dependent protocol"
                )
                yield Finding("one_speaker_class", "warning", message)

    def lacks(self, table: DataFrame, rows: Rows, part: str) -> tuple[str, str] | None:
        """Return which labels of the corpus no row of a part has."""
        column = table[self.column]
        found = _absent(column, rows)
        absent_labels = [label for label in self.labels if label in found]
        if not absent_labels:
            return None
        named = ", ".join(f"'{x}'{speakers_of(table[column == x])}" for x in absent_labels)
        return "absent_class", (
            f"no utterance in {part} is labelled {named}; use fewer folds or another protocol, "
            "or take the label out"
        )


def _absent(column: Series[Any], rows: Rows) -> set[Any]:
    """Return which labels occur, but in none of some rows; fast for a categorical column."""
    import numpy as np

    kinds = column.astype("category").cat
    codes, size = kinds.codes.to_numpy() + 1, len(kinds.categories) + 1  # 0 is none
    everywhere, here = (np.bincount(each, minlength=size)[1:] for each in (codes, codes[rows]))
    lost = (everywhere > 0) & (here == 0)
    return {*kinds.categories[lost]} if lost.any() else set()
