"""The protocols as scikit-learn splitters: a run's folds for whoever trains by other means."""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any, Literal, get_args

import numpy as np
import pandas as pd
from pandas import DataFrame, Series

from serbench.benchmarks import Classification, Fold, Protocol, Regression, Rows, Task
from serbench.benchmarks.auditing.folds import sound_folds
from serbench.benchmarks.auditing.table import check_table
from serbench.benchmarks.splitting import protocols
from serbench.errors import SerbenchError, unknown

Valid = Literal["merged", "left_out", "tested"]
"""What becomes of the validation part of a fold, which scikit-learn does not know."""


def splitter(protocol: str, /, *, valid: Valid = "merged", **options: Any) -> Splitter:
    """Return a protocol as a splitter, for `cv` of `sklearn.model_selection` and its like.

    Args:
        protocol: its name (`serbench list protocols`).
        valid: what becomes of the validation part. "merged": it is trained on; the pairs are
            (train and valid, test). "left_out": nobody sees it; the pairs are (train, test), as a
            run that only chooses by it. "tested": the pairs are (train, valid), to choose by; the
            test part is left out.
        **options: of the protocol, such as `k` and `balance`. A benchmark may have defaults of its
            own: those of EmoDB are `k=5, balance=("gender",)`.

    Raises:
        SerbenchError: an unknown name or option, or a wrong value.

    Example:
        cv = serbench.splitter("speaker_folds", k=5, balance=("gender",))
        cross_val_score(model, features, emotions, cv=cv, groups=table[["speaker", "gender"]])
    """
    if valid not in get_args(Valid):
        raise unknown("use of the validation part", valid, get_args(Valid))
    return Splitter(protocols.make(protocol, **options), valid, options)


@dataclass(frozen=True)
class Splitter:
    """A protocol with the methods of a scikit-learn splitter; made by `splitter`.

    The folds are those of a run on the same utterances, and what a run refuses is refused here:
    a speaker, session or recording in two parts of a fold, a class that nobody teaches.

    `groups` is an array of speakers, one an utterance, or a DataFrame with a column `speaker` and
    whatever else is known: `session` (without it, nobody can keep the partners of a dialogue
    apart), `recording` (a digest of the samples, to find the same audio twice), `split` (for
    `corpus_split`), `text` (for `sentence_folds`), columns to balance such as `gender`, and
    `utterance` (ids; by default the row numbers). Only protocols that draw clips do so by the ids;
    the others need none to give the folds of a run. The rows are those of X, in any index.

    `y` is needed: labels are balanced and audited. Texts and whole numbers are classes; floats,
    in one column or more, are dimensions.

    Attributes:
        protocol: what splits.
        valid: what becomes of the validation part.
        options: those given to the protocol.
    """

    protocol: Protocol
    valid: Valid = "merged"
    options: dict[str, Any] = field(default_factory=dict)

    def folds(self, y: Any, groups: Any) -> list[Fold]:
        """Return all three parts of each fold, as row numbers.

        Args:
            y: (N,) or (N, dimensions), what is predicted.
            groups: (N,) speakers, or a DataFrame of N rows.

        Raises:
            SerbenchError: y or groups make no sense, or the folds cannot be trusted.

        Warns:
            UserWarning: for what a run warns of, such as a class that is never tested.
        """
        folds, doubts = self._folds(y, groups)
        for doubt in doubts:
            warnings.warn(doubt, stacklevel=2)
        return folds

    def split(self, X: Any, y: Any = None, groups: Any = None) -> Iterator[tuple[Rows, Rows]]:  # noqa: N803
        """Return the pairs of row numbers, each ascending: what is trained on, what is tested.

        Args:
            X: anything with N rows; only counted.
            y: as in `folds`.
            groups: as in `folds`.

        Raises:
            SerbenchError: as `folds`, or X has another number of rows.
        """
        if X is not None and groups is not None:
            _check_rows("X", X.shape[0] if hasattr(X, "shape") else len(X), len(groups))
        return iter([self._pair(fold) for fold in self.folds(y, groups)])

    def get_n_splits(self, X: Any = None, y: Any = None, groups: Any = None) -> int:  # noqa: N803
        """Return how many folds there are, which the speakers decide; the arguments of `split`."""
        return len(self._folds(y, groups)[0])

    def __repr__(self) -> str:
        given = {**self.options, **({} if self.valid == "merged" else {"valid": self.valid})}
        return f"splitter({', '.join([repr(self.protocol.name), *_written(given)])})"

    def _folds(self, y: Any, groups: Any) -> tuple[list[Fold], list[str]]:
        table, task = _table(y, groups)
        faults = [f.message for f in check_table(task, table) if f.severity == "error"]
        if faults:
            raise SerbenchError("\n".join(["y and groups cannot be split:", *faults]))
        folds, doubts = sound_folds(table, self.protocol, task)
        return folds, [doubt.message for doubt in doubts]

    def _pair(self, fold: Fold) -> tuple[Rows, Rows]:
        if self.valid == "tested":
            return np.sort(fold.train), np.sort(fold.valid)
        trained = [fold.train, fold.valid] if self.valid == "merged" else [fold.train]
        return np.sort(np.concatenate(trained)), np.sort(fold.test)


def _table(y: Any, groups: Any) -> tuple[DataFrame, Task]:
    """Return y and groups as a table of utterances, and the task that they make."""
    targets, task = _targets(y)
    table = _speakers(groups)
    _check_rows("y", len(y), len(table))
    if table.empty:
        raise SerbenchError("y and groups have no rows; give one an utterance")
    if "utterance" not in table:
        # of one width, so that their order as texts is that of the rows
        digits = len(str(len(table)))
        table["utterance"] = [f"{row:0{digits}d}" for row in range(len(table))]
    return table.assign(**targets), task


def _speakers(groups: Any) -> DataFrame:
    if groups is None:
        msg = (
            "a splitter of serbench keeps speakers apart: give groups=, an array of speakers or a "
            "DataFrame with 'speaker' and perhaps 'session' and 'gender'"
        )
        raise SerbenchError(msg)
    if not isinstance(groups, DataFrame):
        return DataFrame({"speaker": _column("groups", groups)})
    if "speaker" not in groups:
        raise unknown("column", "speaker", map(str, groups), "groups must say who speaks")
    return groups.reset_index(drop=True)


def _targets(y: Any) -> tuple[dict[str, Series], Task]:
    """Return the target columns, named so that they meet no other, and the task."""
    if y is None:
        msg = "folds are balanced and audited by what is predicted: give y="
        raise SerbenchError(msg)
    if not isinstance(y, DataFrame) and np.ndim(y) == 2:
        y = DataFrame(np.asarray(y))
    if isinstance(y, DataFrame):
        columns = {f"y:{name}": values.reset_index(drop=True) for name, values in y.items()}
    else:
        columns = {"y": _column("y", y)}
    if columns and all(pd.api.types.is_float_dtype(values) for values in columns.values()):
        low = min(float(values.min()) for values in columns.values())
        high = max(float(values.max()) for values in columns.values())
        return columns, Regression(tuple(columns), low, high)
    if len(columns) != 1:
        msg = f"y has {len(columns)} columns, not all of floats; give one of labels, or dimensions"
        raise SerbenchError(msg)
    (name, values), *_ = columns.items()
    labels = values.astype(str).where(values.notna(), None)
    return {name: labels}, Classification(tuple(sorted(set(labels.dropna()))), column=name)


def _column(what: str, values: Any) -> Series:
    if np.ndim(values) != 1:
        msg = f"{what} has {np.ndim(values)} axes; give one value a row, or a DataFrame"
        raise SerbenchError(msg)
    return Series(np.asarray(values))


def _check_rows(what: str, found: int, expected: int) -> None:
    if found != expected:
        msg = f"{what} has {found} rows and groups has {expected}; they must be of the same ones"
        raise SerbenchError(msg)


def _written(options: dict[str, Any]) -> list[str]:
    return [f"{name}={value!r}" for name, value in options.items()]
