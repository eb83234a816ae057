"""What predictions came to, remembered by what they were: a board then reads and does not score.

An entry is named by the hash of a record and its predictions, byte for byte, and of the code that
read and scored them; so it never has to be deleted to be right, and may be deleted at any time. It
begins with its own checksum: what is damaged or cut off is computed again. It lies in `home()`,
where nothing that is sent comes to; `serbench leaderboard verify` never looks at it.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping
from contextlib import suppress
from dataclasses import asdict, replace
from functools import cache, partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pydantic_core import from_json, to_json

from serbench.durable import replacing
from serbench.editions import installed
from serbench.errors import SerbenchError
from serbench.home import home
from serbench.leaderboard.beside import contained, place
from serbench.leaderboard.identity import relabelled
from serbench.leaderboard.reading import RECORD_BYTES
from serbench.leaderboard.record import Result
from serbench.leaderboard.standing import Measured, Standing, standing
from serbench.leaderboard.store import load_result

if TYPE_CHECKING:
    from pandas import DataFrame

    from serbench.scoring.intervals import Shares
    from serbench.scoring.scores import Scores

_MOST = 2**30  # bytes of predictions beyond which nothing is remembered
_CODE = ("scoring", "leaderboard", "benchmarks/tasks")


def standing_of(path: Path) -> Standing:
    """Return a result with what its predictions come to, remembered or computed now.

    Its predictions are read again if somebody needs them, and not kept in memory.

    Raises:
        BrokenResultError: as of `store.load_result`; what was sound once, byte for byte, is sound.
    """
    with contained(path):
        name, record = _name(path)
        if name and (known := _recall(name)):
            result = relabelled(Result.model_validate_json(record))
            return Standing(result, known, partial(_predictions, path))
    found = computed(path)
    if name and name == _name(path)[0]:  # nothing was changed while it was read
        _remember(name, found.measured)
    return lean(found, path)


def computed(path: Path) -> Standing:
    """Return a result with what its predictions come to, computed now.

    Raises:
        BrokenResultError: as of `store.load_result`, or they cannot be scored.
    """
    entry = load_result(path)
    with contained(path):
        return standing(*entry)


def lean(found: Standing, path: Path) -> Standing:
    """Return a result that reads its predictions again if somebody needs them."""
    return replace(found, load=partial(_predictions, path))


def _predictions(path: Path) -> DataFrame:
    return load_result(path).predictions


def _name(path: Path) -> tuple[str, bytes]:
    """Return the name of an entry and the record; no name for what is no ordinary file."""
    files = path, place(path, "test")
    for file, most in zip(files, (RECORD_BYTES, _MOST), strict=True):
        if not file.is_file() or file.stat().st_size > most:
            return "", b""
    record, predictions = (file.read_bytes() for file in files)
    digest = hashlib.sha256(f"{_code()}\n{path.absolute().parent.name}/{path.name}\n".encode())
    for content in (record, predictions):
        digest.update(hashlib.sha256(content).digest())
    return digest.hexdigest(), record


@cache
def _code() -> str:
    """Return the hash of all that decides what an entry holds."""
    package = Path(__file__).parents[1]
    digest = hashlib.sha256(str(installed(("numpy", "pandas", "scipy", "pydantic"))).encode())
    for folder in _CODE:
        for file in sorted((package / folder).glob("*.py")):
            digest.update(f"{file.name}\n".encode() + file.read_bytes())
    return digest.hexdigest()


def _place(name: str) -> Path:
    return home() / "scores" / name[:2] / f"{name}.json"


def _recall(name: str) -> Measured | None:
    """Return what an entry holds, or None if there is none, or one that is not whole."""
    try:
        content = _place(name).read_bytes()
        checksum, _, plain = content.partition(b"\n")
        if hashlib.sha256(name.encode() + plain).hexdigest().encode() != checksum:
            return None
        return _measured(from_json(plain))
    except (OSError, ValueError, LookupError, TypeError):
        return None


def _remember(name: str, measured: Measured) -> None:
    plain = to_json(_plain(measured), inf_nan_mode="constants")
    checksum = hashlib.sha256(name.encode() + plain).hexdigest().encode()
    with suppress(SerbenchError), replacing(_place(name)) as temporary:
        temporary.write_bytes(checksum + b"\n" + plain)


def _plain(measured: Measured) -> dict[str, Any]:
    shares = {
        key: [each.value, each.speakers, each.parts.tolist(), each.weights.tolist(), each.left_out]
        for key, each in measured.shares.items()
    }
    return {
        "scores": asdict(measured.scores),
        "shares": shares,
        "about": measured.about,
        "mismatch": measured.mismatch,
        "facts": measured.facts,
        "predicted": measured.predicted,
        "picture": dict(measured.picture),
    }


def _measured(plain: Mapping[str, Any]) -> Measured:
    return Measured(
        scores=_scores(plain["scores"]),
        shares=dict(_shares(plain["shares"])),
        about=tuple(plain["about"]),
        mismatch=plain["mismatch"],
        facts=plain["facts"],
        predicted=plain["predicted"],
        picture=plain["picture"],
    )


def _shares(plain: Mapping[str, Any]) -> Iterator[tuple[str, Shares]]:
    import numpy as np

    from serbench.scoring.intervals import Shares

    for key, (value, speakers, parts, weights, left_out) in plain.items():
        arrays = np.asarray(parts, np.float64), np.asarray(weights, np.float64)
        yield key, Shares(value, tuple(speakers), *arrays, tuple(left_out))


def _scores(plain: Mapping[str, Any]) -> Scores:
    from serbench.scoring.scores import FoldSummary, Scores, SpeakerSummary

    summaries = {
        "by_fold": {name: FoldSummary(**each) for name, each in plain["by_fold"].items()},
        "by_speaker": {
            name: SpeakerSummary(**{**each, "undefined": tuple(each["undefined"])})
            for name, each in plain["by_speaker"].items()
        },
        "undefined": tuple(plain["undefined"]),
        "tests": {name: _scores(each) for name, each in plain["tests"].items()},
    }
    return Scores(**{**plain, **summaries})
