"""Corpora of other libraries as a table of anyone's own: a CSV file and its description.

Read are a folder of Hugging Face `datasets` (parquet files with an audio column, or audio files
with a `metadata.csv`), manifests of lhotse (cuts, or supervisions with recordings), and a database
in audformat (with the extra `audb`). What is written is read by `custom`.
"""

from __future__ import annotations

import gzip
import json
import shutil
from collections.abc import Iterator, Mapping
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any

from serbench import bounds
from serbench.errors import SerbenchError, unknown

if TYPE_CHECKING:
    from pandas import DataFrame

# What other libraries call serbench's columns.
_CALLED = {"file_name": "path", "label": "emotion", "sentence": "text", "transcription": "text"}
_CALLED |= {"speaker_id": "speaker", "sex": "gender", "transcript": "text", "id": "utterance"}
_LINE = 2**24  # characters of a line of a manifest
_TOLD = 200  # characters of what a library says is wrong


def import_corpus(source: Path, target: Path, *, called: Mapping[str, str], name: str) -> Path:
    """Write the table of a corpus, and its description; return the path of the latter.

    Args:
        source: the folder or the manifest.
        target: a folder that does not exist yet; audio inside of parquet files is written there.
        called: serbench's name of a column to the source's, where they differ.
        name: of the benchmark.

    Raises:
        SerbenchError: nothing is there that can be read, or columns are missing.
        OSError: something cannot be read or written.
    """
    if target.exists():
        raise SerbenchError(f"folder '{target}' exists; name a new one")
    try:
        table = _renamed(source, _understood(source, target), called)
        target.mkdir(parents=True, exist_ok=True)
        table.to_csv(target / "utterances.csv", index=False, lineterminator="\n")
        description = target / "benchmark.toml"
        description.write_text(_described(name, source, table), encoding="utf-8")
    except BaseException:
        shutil.rmtree(target, ignore_errors=True)
        raise
    return description


def _understood(source: Path, target: Path) -> DataFrame:
    """Return what a source holds; somebody else wrote it, so that it may hold anything."""
    try:
        return _read(source, target)
    except (SerbenchError, OSError):
        raise
    except Exception as error:
        said = f"{type(error).__name__}: {' '.join(str(error).split())[:_TOLD]}"
        msg = f"'{source}' is damaged, or not what it looks like ({said}); get it again"
        raise SerbenchError(msg) from error


def _renamed(source: Path, table: DataFrame, called: Mapping[str, str]) -> DataFrame:
    """Return a table by serbench's names of columns."""
    meant = {theirs: ours for ours, theirs in called.items()}
    for theirs in meant:
        if theirs not in table:
            raise unknown("column", theirs, map(str, table.columns), f"of '{source}'")
    table = table.drop(columns=[c for c in called if c in table and c not in meant])
    table = table.rename(columns=meant)
    known = {a: b for a, b in _CALLED.items() if a in table and b not in table}
    table = table.rename(columns=known)
    for column in ("path", "speaker", "emotion"):
        if column not in table:
            told = ", ".join(map(str, table.columns))
            msg = (
                f"'{source}' says nothing of '{column}'; it has {told}; name the column that it "
                f"is, as in --column {column}=NAME"
            )
            raise SerbenchError(msg)
    return table


def _described(name: str, source: Path, table: DataFrame) -> str:
    labels = sorted(table["emotion"].dropna().astype(str).unique())
    split = "split" in table and {"train", "valid", "test"} <= set(table["split"].dropna())
    lines = [
        f"# imported from {source.name}; what is not right here is mended here",
        f"name = {json.dumps(name)}",
        'version = "1"',
        'table = "utterances.csv"',
        'task = "classification"',
        f"labels = {json.dumps(labels, ensure_ascii=False)}",
        "",
        "[protocol]",
        f'name = "{"corpus_split" if split else "speaker_folds"}"',
        "",
    ]
    return "\n".join(lines)


def _read(source: Path, target: Path) -> DataFrame:
    """Return what a source holds, by its own names of columns, with absolute `path`."""
    from pandas import DataFrame

    if (source / "db.yaml").is_file():
        return _audformat(source)
    parquet = sorted(source.rglob("*.parquet")) if source.is_dir() else []
    if parquet:
        return _parquet(parquet, target)
    metadata = sorted(source.rglob("metadata.csv")) if source.is_dir() else []
    if metadata:
        return _folders(metadata)
    manifests = _manifests(source)
    if manifests:
        return DataFrame([*_lhotse(manifests)])
    msg = (
        f"'{source}' is no corpus that can be imported: a folder with parquet files or "
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


def _parquet(files: list[Path], target: Path) -> DataFrame:
    """Return the rows of parquet files; audio that lies in them is written to files."""
    import pandas as pd

    tables = []
    for file in files:
        _check_size(file)
        table = pd.read_parquet(file)
        audio = [c for c in table if _holds_audio(table[c].iloc[0])]
        if len(audio) != 1:
            msg = f"'{file}' has {len(audio)} columns of audio (bytes and path); one is needed"
            raise SerbenchError(msg)
        folder = target / "audio" / file.stem
        folder.mkdir(parents=True)
        cells = enumerate(table[audio[0]])
        paths = [_written(cell, folder / f"{row:06d}", file) for row, cell in cells]
        table = table.drop(columns=audio).assign(path=paths)
        for column, names in _class_labels(file).items():
            table[column] = [names[value] if value >= 0 else None for value in table[column]]
        tables.append(table if "split" in table else table.assign(split=_part(file)))
    return pd.concat(tables, ignore_index=True)


def _check_size(file: Path) -> None:
    """Refuse what is no file, or unpacks to more cells than a table has."""
    import pyarrow.parquet

    bounds.regular(file, bounds.AUDIO)
    told = pyarrow.parquet.read_metadata(file)
    bounds.bound(f"'{file}'", told.num_rows * told.num_columns, bounds.CELLS)


def _holds_audio(cell: Any) -> bool:
    return isinstance(cell, dict) and "bytes" in cell


def _written(cell: Mapping[str, Any], path: Path, file: Path) -> str:
    """Write the bytes of one cell, or return the file that it names."""
    told = Path(cell.get("path") or "")
    if cell["bytes"] is None:
        return str((file.parent / told).absolute())
    path = path.with_suffix(told.suffix or ".wav")
    path.write_bytes(cell["bytes"])
    return str(path.absolute())


def _class_labels(file: Path) -> dict[str, list[str]]:
    """Return the names of columns of numbered classes, which the file says in its schema."""
    import pyarrow.parquet

    told = pyarrow.parquet.read_schema(file).metadata or {}
    features = json.loads(told.get(b"huggingface", b"{}")).get("info", {}).get("features", {})
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


def _manifests(source: Path) -> list[Path]:
    if source.is_file():
        return [source] if source.name.endswith((".jsonl", ".jsonl.gz")) else []
    found = sorted([*source.glob("*.jsonl"), *source.glob("*.jsonl.gz")])
    cuts = [path for path in found if "cuts" in path.name]
    return cuts or found


def _lines(path: Path) -> Iterator[dict[str, Any]]:
    bounds.regular(path, bounds.LISTED)
    opened = gzip.open if path.name.endswith(".gz") else open
    read = 0
    try:
        with opened(path, "rt", encoding="utf-8") as file:
            while line := file.readline(_LINE):
                read += len(line)
                bounds.bound(f"'{path}'", read, bounds.LISTED)
                yield json.loads(line)
    except (OSError, ValueError, EOFError, RecursionError) as error:
        raise SerbenchError(f"'{path}' is not a manifest of JSON lines: {error}") from error


def _lhotse(files: list[Path]) -> Iterator[dict[str, Any]]:
    """Yield a row a supervision, its segment in the file of its recording."""
    recordings: dict[str, dict[str, Any]] = {}
    said: list[tuple[dict[str, Any], float]] = []
    for path in files:
        for entry in _lines(path):
            if "sources" in entry:
                recordings[entry["id"]] = entry
            elif "supervisions" in entry:  # a cut, which begins somewhere in its recording
                recordings[entry["recording"]["id"]] = entry["recording"]
                said += [(one, float(entry["start"])) for one in entry["supervisions"]]
            elif "recording_id" in entry:
                said.append((entry, 0.0))
    for one, offset in said:
        if one["recording_id"] not in recordings:
            msg = f"supervision '{one['id']}' is of recording '{one['recording_id']}', which no "
            raise SerbenchError(msg + "manifest here has; give the folder with both manifests")
        start = offset + float(one["start"])
        source = recordings[one["recording_id"]]["sources"][0]["source"]
        yield {
            "utterance": one["id"],
            "path": str((files[0].parent / source).absolute()),
            "start": round(start, 6),
            "end": round(start + float(one["duration"]), 6),
            **{c: one[c] for c in ("speaker", "gender", "text") if one.get(c)},
            **(one.get("custom") or {}),
        }


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
    if any(audformat.is_segmented_index(part) for part in parts):
        parts = [part.set_axis(audformat.utils.to_segmented_index(part.index)) for part in parts]
    joined = parts[0]
    for part in parts[1:]:
        joined = joined.combine_first(part)
    rows: DataFrame = joined.reset_index().rename(columns={"file": "path"})
    for column in ("start", "end"):
        if column in rows:
            rows[column] = pd.to_timedelta(rows[column]).dt.total_seconds()
    rows["path"] = [str((root / path).absolute()) for path in rows["path"].astype(str)]
    return rows


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
