"""Anyone's own corpus: a TOML file that describes it, beside a CSV file of its utterances.

    serbench run --benchmark path/to/benchmark.toml

The TOML file::

    name = "my_corpus"              # letters, digits, _ and -; names the results
    version = "1"                   # raise it when labels or recordings change
    table = "utterances.csv"        # relative to this file
    audio = "wav"                   # what paths in the table are relative to; without: this folder
    task = "classification"         # or "regression", or "distribution" with labels
    labels = ["anger", "neutral"]   # classification: all labels, in the order of every report
    # dimensions = ["arousal", "valence"]   # regression: columns of the table,
    # low = 1                               #   and the ends of their scale
    # high = 7
    # min_utterances = 2            #   that a speaker needs to count in A-CCC
    # channel = 1                   # optional: the channel that is heard, from 1, or the column
                                    #   that says which; without: the mean of all
    licence = "private"             # optional, as are `citation` and `obtain` (how to get it)

    [columns]                       # optional: what the table calls them, where that differs
    speaker = "spk"
    emotion = "label"

    [values.emotion]                # optional: what words in a column mean, for any column that
    A = "anger"                     #   means something, such as Test1 = "test" in [values.split]

    [protocol]                      # optional: the default protocol with its options
    name = "speaker_folds"          #   (`serbench list protocols`); without: speaker_folds;
                                    #   or above, in one line: protocol = {name = "...", k = 5}
    k = 5
    balance = ["gender"]

    [known_defects]                 # optional: silent or doubled utterances to keep, and why
    "clip 17" = "nothing is said"

The CSV file is UTF-8 text with a header, separated by comma, semicolon or tab (whichever the header
has most of), one row an utterance. All cells are texts as they stand, so that speaker 007 stays
007, with blanks around them removed; empty rows are skipped. Columns, by the names that
`[columns]` may change:

- `path`: the audio file, in any format that libsndfile reads (WAV, FLAC, OGG, MP3, AIFF, ...), of
  any rate and any number of channels;
- `speaker`: who speaks; empty or Unknown where nobody knows, which `corpus_split` allows;
- `emotion` (classification), or one column for each dimension, a number (regression), or
  `share:LABEL` for each label, the share of listeners who said it (distribution), and perhaps
  `raters`, how many listened, so that `data describe` tells how much they agree;
- `start`, `end`, optional: the segment in seconds, as in 1.25; empty: the file's beginning, end;
- `utterance`, optional: a unique id; without this column the path is the id;
- `session`, optional: needed by `leave_one_session_out`;
- `split`, optional: train, valid (or dev, development, validation) or test; for `corpus_split`;
- `gender`, optional: female or f, male or m, in either case, or anything else;
- `text`, optional: what is said.

Other columns are kept and may be named in `balance`. Rows are counted as in a spreadsheet: the
header is row 1.
"""

from __future__ import annotations

import reprlib
from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, ValidationError

from serbench import bounds, plugins
from serbench.benchmarks import (
    NAME,
    Benchmark,
    Classification,
    Distribution,
    Protocol,
    Regression,
    Task,
)
from serbench.benchmarks.reading import custom_table
from serbench.benchmarks.reading.layout import COLUMNS, RESERVED
from serbench.benchmarks.splitting import protocols
from serbench.errors import SerbenchError, unknown

if TYPE_CHECKING:
    from pandas import DataFrame

_PROTOCOLS: dict[str, Callable[..., Protocol]] = {
    "speaker_folds": protocols.speaker_folds,
    "leave_one_speaker_out": protocols.leave_one_speaker_out,
    "leave_one_session_out": protocols.leave_one_session_out,
    "corpus_split": protocols.corpus_split,
    "sentence_folds": protocols.sentence_folds,
    "speaker_dependent_random": protocols.speaker_dependent_random,
    "random_clips": protocols.random_clips,
}
_NEEDS = {"leave_one_session_out": "session", "corpus_split": "split", "sentence_folds": "text"}


def _named(protocol: Any) -> Any:
    """Return a protocol's name alone as a table with it."""
    return {"name": protocol} if isinstance(protocol, str) else protocol


class _Description(BaseModel):
    """The content of the TOML file."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    name: Annotated[str, Field(pattern=f"^{NAME}$")]
    version: str
    table: str
    audio: str = "."
    task: Literal["classification", "regression", "distribution"]
    labels: tuple[str, ...] = ()
    dimensions: tuple[str, ...] = ()
    low: float | None = None
    high: float | None = None
    min_utterances: int = 2
    licence: str = "not stated"
    citation: str = "not stated"
    obtain: str = ""
    columns: dict[str, str] = Field(default_factory=dict)
    values: dict[str, dict[str, str]] = Field(default_factory=dict)
    channel: Annotated[int, Field(ge=1)] | str | None = None
    protocol: Annotated[dict[str, Any], BeforeValidator(_named)] = Field(
        default_factory=lambda: {"name": "speaker_folds"}
    )
    known_defects: dict[str, str] = Field(default_factory=dict)


def read_benchmark(path: Path) -> Benchmark:
    """Return the benchmark that a TOML file describes (its format is this module's docstring).

    Raises:
        SerbenchError: a file is missing, or a key, a value or a column is wrong.
    """
    description = _describe(path)
    if taken(description.name):
        raise _error(path, f"'name': '{description.name}' is taken by a benchmark; choose another")
    layout = _layout(path, description)
    return Benchmark(
        name=description.name,
        version=description.version,
        task=layout.task,
        read=partial(_read, path, layout),
        protocols=_protocols(path, description, custom_table.columns(layout)),
        folder=None,
        licence=description.licence,
        citation=description.citation,
        obtain=description.obtain or f"described in {path}",
        known_defects=description.known_defects,
    )


def layout_of(path: Path) -> custom_table.Layout:
    """Return where the table of a TOML file lies and what its columns mean.

    Raises:
        SerbenchError: as `read_benchmark` says.
    """
    return _layout(path, _describe(path))


def _layout(path: Path, description: _Description) -> custom_table.Layout:
    task = _task(path, description)
    _check_columns(path, description, task)
    return custom_table.Layout(
        path.parent / description.table,
        (path.parent / description.audio).absolute(),
        description.columns,
        task,
        description.values,
        description.channel,
    )


def taken(name: str) -> bool:
    """Return whether a benchmark has this name."""
    # in any case, as some file systems see no difference between folders of results
    return name.casefold() in map(str.casefold, plugins.names("benchmarks"))


def files(path: Path) -> dict[str, Path]:
    """Return the files that define a benchmark, by role: `description` and `table`.

    Raises:
        SerbenchError: one of them is missing, or the description is wrong.
    """
    table = path.parent / _describe(path).table
    try:
        bounds.regular(table, bounds.TABLE)
    except FileNotFoundError as error:
        raise _error(path, f"'table': '{table}' does not exist; name the CSV file") from error
    except OSError as error:
        raise _error(path, f"'table': '{table}': {error.strerror}; name the CSV file") from error
    return {"description": path, "table": table}


def _read(path: Path, layout: custom_table.Layout, _: Path | None) -> DataFrame:
    if not layout.audio.is_dir():
        what = "is no folder" if layout.audio.exists() else "does not exist"
        raise _error(path, f"'audio': folder '{layout.audio}' {what}; name the folder of the files")
    return custom_table.read_table(layout)


def _error(path: Path, message: str) -> SerbenchError:
    return SerbenchError(f"benchmark file '{path}': {message}")


def _describe(path: Path) -> _Description:
    try:
        content = bounds.read_toml(path)
    except OSError as error:
        raise _error(path, f"{error.strerror}; give the path of a TOML file") from error
    except ValueError as error:
        raise _error(path, f"not valid TOML: {error}") from error
    try:
        return _Description.model_validate(content)
    except ValidationError as error:
        raise _error(path, "; ".join(_sentence(problem) for problem in error.errors())) from error


def _sentence(problem: Mapping[str, Any]) -> str:
    """Return what one error of pydantic means."""
    key = ".".join(str(part) for part in problem["loc"])
    section, *inner = map(str, problem["loc"])
    if inner and inner[0] in _Description.model_fields:
        return _below(inner[0], section)
    if problem["type"] == "extra_forbidden":
        return str(unknown("key", key, _Description.model_fields))
    if problem["type"] == "missing":
        return f"'{key}' is missing; add it"
    return f"'{key}': {problem['msg']}, not {reprlib.repr(problem['input'])}"


def _below(key: str, section: str) -> str:
    """Return what is wrong with a key of the file that stands in one of its sections."""
    return f"'{key}' stands below [{section}] and so belongs to it; write it above [{section}]"


def _task(path: Path, description: _Description) -> Task:
    known = ("labels", "dimensions", "low", "high", "min_utterances")
    given = {k for k in known if k in description.model_fields_set}
    needed = {"dimensions", "low", "high"} if description.task == "regression" else {"labels"}
    if description.task == "regression":
        given -= {"min_utterances"}
    if given != needed:
        what = ", ".join(f"'{k}'" for k in sorted(needed))
        wrong = ", ".join(f"'{k}'" for k in sorted(given - needed)) or "nothing else"
        raise _error(path, f"task '{description.task}' needs {what}, and not {wrong}")
    task: Task = Classification(description.labels)
    if description.task == "distribution":
        task = Distribution(description.labels)
    if description.low is not None and description.high is not None:
        scale = (description.low, description.high)
        count = description.min_utterances
        task = Regression(description.dimensions, *scale, min_utterances=count)
    for fault in task.faults():
        raise _error(path, fault)
    return task


def _check_columns(path: Path, description: _Description, task: Task) -> None:
    known = [*COLUMNS, *task.columns]
    for key in ("columns", "values"):
        for column in getattr(description, key):
            if column not in known:
                misplaced = column in _Description.model_fields
                told = f"'{key}': {unknown('column', column, known)}"
                raise _error(path, _below(column, key) if misplaced else told)
    clash = [c for c in task.columns if c in (*COLUMNS, *RESERVED)]
    if clash:
        raise _error(path, f"'dimensions': '{clash[0]}' means something else; use another name")


def _protocols(
    path: Path, description: _Description, columns: set[str]
) -> dict[str, Callable[..., Protocol]]:
    """Return the protocols that the columns allow, the described one first and with its options."""
    options = dict(description.protocol)
    default = options.pop("name", None)
    if not isinstance(default, str):
        raise _error(path, "'protocol' has no 'name'; `serbench list protocols` shows the names")
    if below := [key for key in options if key in _Description.model_fields]:
        raise _error(path, _below(below[0], "protocol"))
    if default not in _PROTOCOLS:
        raise _error(path, f"'protocol': {unknown('protocol', default, _PROTOCOLS)}")
    possible = {k: v for k, v in _PROTOCOLS.items() if _NEEDS.get(k) in (None, *columns)}
    if default not in possible:
        needs = f"protocol '{default}' needs a column '{_NEEDS[default]}' in the table"
        raise _error(path, f"{needs}; add it, or name it under [columns]")
    chosen = partial(_PROTOCOLS[default], **options)
    try:
        chosen()
    except SerbenchError as error:
        raise _error(path, f"'protocol': {error}") from error
    return {default: chosen, **{k: v for k, v in possible.items() if k != default}}
