"""What other libraries keep, as tables by their own names of columns.

Read are folders of Hugging Face `datasets` (parquet files, or the arrow files of `save_to_disk`,
with an audio column; or audio files with a `metadata.csv`), manifests of lhotse (cuts, or
supervisions with recordings), and databases in audformat (with the extra `audb`).
"""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator, Mapping
from functools import reduce
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any

from serbench import bounds
from serbench.benchmarks.reading import manifests
from serbench.errors import SerbenchError, brief

if TYPE_CHECKING:
    from pandas import DataFrame
    from pyarrow import DataType, RecordBatch, Schema

    from serbench.progress import Progress

_BATCH = 100  # rows of a parquet file, with their audio, that are in memory at once


def read(source: Path, target: Path, progress: Progress) -> DataFrame:
    """Return what a source holds, by its own names of columns, with absolute `path`.

    Args:
        source: the folder or the manifest; somebody else wrote it, so that it may hold anything.
        target: where audio is written that lies inside of tables.
        progress: where the work is shown.

    Raises:
        SerbenchError: nothing is there that can be read.
        OSError: something cannot be opened or written.
    """
    try:
        return _read(source, target, progress)
    except (SerbenchError, OSError):
        raise
    except Exception as error:
        msg = f"'{source}' is damaged, or not what it looks like ({brief(error)}); get it again"
        raise SerbenchError(msg) from error


def _read(source: Path, target: Path, progress: Progress) -> DataFrame:
    from pandas import DataFrame

    if (source / "db.yaml").is_file():
        return _audformat(source)
    if tables := _tables(source):
        return _hub(tables, target, progress)
    metadata = sorted(source.rglob("metadata.csv")) if source.is_dir() else []
    if metadata:
        return _folders(metadata)
    if found := manifests.listed(source):
        return DataFrame(manifests.segments(found, progress))
    msg = (
        f"'{source}' is no corpus that can be imported: a folder with parquet files, state.json or "
        "metadata.csv (Hugging Face datasets), a lhotse manifest (cuts.jsonl.gz, or a folder with "
        "supervisions and recordings), or a folder with db.yaml (audformat)"
    )
    raise SerbenchError(msg)


def _part(path: Path) -> str | None:
    """Return the part that the name of a file or its folder tells."""
    words = {"train": "train", "validation": "valid", "valid": "valid", "dev": "valid"}
    for word in (path.name.split("-")[0].split(".")[0], path.parent.name):
        if found := (words | {"test": "test"}).get(word):
            return found
    return None


def _tables(source: Path) -> list[Path]:
    """Return the parquet files of a folder, or what `save_to_disk` wrote into it."""
    if not source.is_dir():
        return []
    saved = []
    for state in sorted(source.rglob("state.json")):
        listed = bounds.read_json(state).get("_data_files", [])
        saved += [state.parent / Path(each["filename"]).name for each in listed]
    return saved or sorted(source.rglob("*.parquet"))


def _hub(files: list[Path], target: Path, progress: Progress) -> DataFrame:
    """Return the rows of tables of datasets; audio that lies in them is written to files."""
    import pandas as pd

    tables = []
    with progress.step("import", total=len(files)) as step:
        for number, file in enumerate(files):
            folder = target / "audio" / f"{number:05d}-{file.stem}"
            folder.mkdir(parents=True)
            table = pd.concat(_rows(file, folder), ignore_index=True)
            tables.append(table if "split" in table else table.assign(split=_part(file)))
            step.advance()
    return pd.concat(tables, ignore_index=True)


def _rows(file: Path, folder: Path) -> Iterator[DataFrame]:
    """Yield the rows of one table, some at a time, with `path` in place of their audio."""
    schema, batches = _opened(file)
    audio, names = _audio_column(file, schema), _class_labels(schema)
    done = 0
    for batch in batches:
        table = batch.to_pandas(types_mapper=_whole)
        paths = [
            _written(cell, folder / f"{done + i:06d}", file) for i, cell in enumerate(table[audio])
        ]
        for column, known in names.items():
            table[column] = [_named(value, known) for value in table[column]]
        yield table.drop(columns=audio).assign(path=paths)
        done += len(table)


def _whole(kind: DataType) -> Any:
    """Return what keeps whole numbers whole: empty cells would make floats of them."""
    import pandas as pd
    import pyarrow as pa

    if not pa.types.is_integer(kind):
        return None
    return pd.UInt64Dtype() if pa.types.is_unsigned_integer(kind) else pd.Int64Dtype()


def _opened(file: Path) -> tuple[Schema, Iterator[RecordBatch]]:
    import pyarrow as pa
    import pyarrow.parquet as pq

    bounds.regular(file, bounds.AUDIO)
    try:
        if file.suffix == ".arrow":
            stream = pa.ipc.open_stream(pa.memory_map(str(file)))
            return stream.schema, iter(stream)
        table = pq.ParquetFile(file)
    except (OSError, pa.ArrowInvalid) as error:
        raise SerbenchError(f"'{file}' cannot be read ({error}); get it again") from error
    told = table.metadata
    bounds.bound(f"'{file}'", told.num_rows * told.num_columns, bounds.CELLS)
    return table.schema_arrow, table.iter_batches(batch_size=_BATCH)


def _audio_column(file: Path, schema: Schema) -> str:
    import pyarrow as pa

    structs = [field for field in schema if pa.types.is_struct(field.type)]
    audio = [f.name for f in structs if "bytes" in {part.name for part in f.type}]
    if len(audio) != 1:
        msg = f"'{file}' has {len(audio)} columns of audio (bytes and path); one is needed"
        raise SerbenchError(msg)
    return str(audio[0])


def _named(value: Any, names: list[str]) -> str | None:
    """Return the name of a numbered class; there is none for -1 and where nothing is said."""
    from pandas import isna

    return None if isna(value) or value < 0 else names[int(value)]


def _written(cell: Mapping[str, Any] | None, path: Path, file: Path) -> str:
    """Write the bytes of one cell, or return the file that it names."""
    if cell is None or (cell["bytes"] is None and not cell.get("path")):
        msg = f"'{file}' has no audio in row {int(path.name)}, the first being 0; add it or take "
        raise SerbenchError(f"{msg}the row out, as with the `filter` of datasets")
    told = Path(cell.get("path") or "")
    if cell["bytes"] is None:
        return str((file.parent / told).absolute())
    path = path.with_suffix(told.suffix or ".wav")
    path.write_bytes(cell["bytes"])
    return str(path.absolute())


def _class_labels(schema: Schema) -> dict[str, list[str]]:
    """Return the names of columns of numbered classes, which a table says in its schema."""
    told = json.loads((schema.metadata or {}).get(b"huggingface", b"{}"))
    features = told.get("info", {}).get("features", {})
    return {c: f["names"] for c, f in features.items() if f.get("_type") == "ClassLabel"}


def _folders(files: list[Path]) -> DataFrame:
    import pandas as pd

    tables = []
    for file in files:
        bounds.regular(file, bounds.TABLE)
        table = pd.read_csv(file, dtype=str)
        if "file_name" not in table:
            raise SerbenchError(f"'{file}' has no column 'file_name', which datasets need")
        paths = [str((file.parent / name).absolute()) for name in table.pop("file_name")]
        table = table.assign(path=paths)
        tables.append(table if "split" in table else table.assign(split=_part(file)))
    return pd.concat(tables, ignore_index=True)


def _audformat(root: Path) -> DataFrame:
    """Return all columns of a database whose tables are of files or segments, side by side."""
    try:
        import audformat
    except ImportError as error:
        msg = f"'{root}' is in audformat; pip install 'serbench[audb]' reads it"
        raise SerbenchError(msg) from error
    import pandas as pd

    with TemporaryDirectory() as folder:
        _copy_without_code(root, Path(folder))
        database = audformat.Database.load(folder)
        parts = [table.get(map=_joined(table)) for table in database.tables.values()]
    segmented = [audformat.is_segmented_index(part) for part in parts]
    files = _combined([part for part, of in zip(parts, segmented, strict=True) if not of])
    joined = _combined([part for part, of in zip(parts, segmented, strict=True) if of])
    joined = _of_segments(joined, files) if any(segmented) else files
    rows: DataFrame = joined.reset_index().rename(columns={"file": "path"})
    for column in ("start", "end"):
        if column in rows:
            rows[column] = pd.to_timedelta(rows[column]).dt.total_seconds()
    rows["path"] = [str((root / path).absolute()) for path in rows["path"].astype(str)]
    return rows


def _of_segments(segments: DataFrame, files: DataFrame) -> DataFrame:
    """Return segments with what is said of their files; a file without any stays whole."""
    import pandas as pd
    from audformat.utils import to_segmented_index

    if not len(files):
        return segments
    of_each = segments.index.get_level_values("file")
    rest = files[~files.index.isin(of_each)]
    known = segments.combine_first(files.reindex(of_each).set_axis(segments.index))
    return pd.concat([known, rest.set_axis(to_segmented_index(rest.index))])


def _combined(parts: list[DataFrame]) -> DataFrame:
    """Return tables of one kind of index side by side; where several say something, the first."""
    import pandas as pd

    if not parts:
        return pd.DataFrame()
    return reduce(lambda one, other: one.combine_first(other), parts)


def _copy_without_code(root: Path, folder: Path) -> None:
    """Copy header and tables of a database, with nothing in them that runs when audformat reads it.

    It takes the pickle of a table if there is one, and its YAML may make any object.
    """
    import yaml

    header = bounds.read_text(root / "db.yaml", bounds.SETTINGS)
    yaml.load(header, Loader=getattr(yaml, "CSafeLoader", yaml.SafeLoader))
    (folder / "db.yaml").write_text(header, encoding="utf-8")
    for file in root.glob("db.*"):
        if file.suffix in (".csv", ".parquet"):
            bounds.regular(file, bounds.TABLE)
            shutil.copyfile(file, folder / file.name)


def _joined(table: Any) -> dict[str, Any]:
    """Return what is known of the labels of a table's columns: of speakers, their gender."""
    found = {}
    for name, column in table.columns.items():
        scheme = table.db.schemes.get(column.scheme_id)
        labels = scheme.labels if scheme is not None else None
        if isinstance(labels, dict) and labels:
            first = next(iter(labels.values()))
            if isinstance(first, dict):
                found[name] = [name, *first]
    return found
