"""The next batch is fetched while this one is learnt from."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

Key = TypeVar("Key")
Value = TypeVar("Value")


def ahead(fetch: Callable[[Key], Value], keys: Iterable[Key]) -> Iterator[tuple[Key, Value]]:
    """Yield each key with what `fetch` makes of it; a thread is one key ahead.

    An error of `fetch` comes where its key is due.
    """
    with ThreadPoolExecutor(1) as worker:
        coming = None
        for key in keys:
            last, coming = coming, (key, worker.submit(fetch, key))
            if last is not None:
                yield last[0], last[1].result()
        if coming is not None:
            yield coming[0], coming[1].result()
