"""What every kind of task knows of itself, so that nobody else has to ask which kind it is."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any, ClassVar, Literal, NamedTuple, TypeAlias

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray
    from pandas import DataFrame

    from serbench.benchmarks.tasks.findings import Finding

# Numbers of rows of a table. A string, as numpy is not imported to show stored results.
Rows: TypeAlias = "NDArray[np.int64]"

# How a record reads a task: every field of the right type, and no other.
STRICT: Any = {"strict": True, "extra": "forbid"}


class Measure(NamedTuple):
    """A number that is computed from a column of truths and one of predictions, or from several.

    name: of the number, such as "ccc:valence".
    metric: the key of its function in `serbench.scoring.metrics.METRICS`.
    truth: column of the predictions, or several.
    prediction: likewise.
    """

    name: str
    metric: str
    truth: str | tuple[str, ...]
    prediction: str | tuple[str, ...]

    @property
    def truths(self) -> tuple[str, ...]:
        """The columns of truths."""
        return (self.truth,) if isinstance(self.truth, str) else self.truth

    @property
    def predictions(self) -> tuple[str, ...]:
        """The columns of predictions."""
        return (self.prediction,) if isinstance(self.prediction, str) else self.prediction


class Figure(NamedTuple):
    """A number as tables show it: `key` in the scores, `title` for people, what it averages.

    `test` is whose scores, where a fold has several tests.
    """

    key: str
    title: str
    over: Literal["folds", "speakers"]
    dimension: str | None = None
    test: str | None = None

    def of(self, test: str) -> Figure:
        """Return the same figure of one of several tests."""
        return self._replace(key=f"{test}/{self.key}", title=f"{test} {self.title}", test=test)


class Task(ABC):
    """What is predicted for an utterance.

    Attributes:
        kind: its name in records and in the tables of training.
        correlates: whether its metrics say how two series go together, and so need two utterances
            or more: the batches of training, and the speakers who count, are chosen by it.
        main: the measure that ranks; with several dimensions, their mean.
        over_folds: what the names of measures begin with where they are computed on folds.
    """

    kind: str
    correlates: ClassVar[bool]
    main: ClassVar[str]
    over_folds: ClassVar[str] = ""

    @property
    def min_utterances(self) -> int:
        """Utterances that a speaker needs to count, where metrics correlate."""
        return 2

    @property
    def rank(self) -> str:
        """The score that ranks, as a mean of folds."""
        return self.over_folds + self.main

    @property
    def called(self) -> str:
        """How `main` is written in a sentence."""
        return self.main.upper()

    @property
    @abstractmethod
    def columns(self) -> tuple[str, ...]:
        """The target columns of a table of utterances."""

    @property
    @abstractmethod
    def outputs(self) -> tuple[str, ...]:
        """The names of the C outputs of a system."""

    @property
    def classes(self) -> tuple[str, ...]:
        """The labels among which one is right; empty if there are none."""
        return ()

    @property
    def scales(self) -> tuple[str, ...]:
        """The dimensions on which numbers are predicted; empty if there are none."""
        return ()

    @property
    def ends(self) -> tuple[float, float] | None:
        """The ends of the scale of true numbers; None if there are none."""
        return None

    @property
    def quantities(self) -> tuple[str, ...]:
        """Those of `columns` that hold numbers."""
        return self.scales

    @property
    def truths(self) -> tuple[str, ...]:
        """Columns of the predictions that hold what is true, in the order of `columns`."""
        return tuple(dict.fromkeys(name for m in self.measures for name in m.truths))

    @property
    @abstractmethod
    def measures(self) -> tuple[Measure, ...]:
        """What is computed from predictions, in the order of tables."""

    @property
    def averaged(self) -> bool:
        """Whether the mean over all measures is a measure too, by the name of `main`."""
        return False

    @property
    @abstractmethod
    def figures(self) -> tuple[Figure, ...]:
        """What a table of results shows, the ranking figure first."""

    @property
    @abstractmethod
    def words(self) -> tuple[str, ...]:
        """Columns of the predictions that hold labels."""

    @property
    @abstractmethod
    def numbers(self) -> tuple[str, ...]:
        """Columns of the predictions that hold numbers."""

    @property
    @abstractmethod
    def summary(self) -> str:
        """What is predicted, in a few words for the title of a table."""

    @abstractmethod
    def predicted(self, rows: DataFrame, scores: NDArray[np.float64]) -> dict[str, Any]:
        """Return the columns `words` and `numbers` of the predictions.

        Args:
            rows: n utterances of the benchmark's table.
            scores: (n, C) probabilities of the classes, or values on the benchmark's scale.
        """

    @abstractmethod
    def faults(self) -> Iterator[str]:
        """Yield what is wrong with the task itself, whatever the corpus holds."""

    @abstractmethod
    def strata(self, table: DataFrame) -> list[NDArray[np.int64]]:
        """Return what folds are balanced by: (N,) numbers of classes, or of thirds of values."""

    @abstractmethod
    def audit(self, table: DataFrame) -> Iterator[Finding]:
        """Yield what is wrong with the target columns of a table."""

    @abstractmethod
    def lacks(self, table: DataFrame, rows: Rows, part: str) -> tuple[str, str] | None:
        """Return what a part of a fold lacks to be learnt from or scored on, or None.

        Args:
            table: of the whole corpus.
            rows: numbers of the part's rows.
            part: "train", "valid" or "test".

        Returns:
            A fixed word for it, such as "absent_class", and a sentence with the remedy.
        """
