"""Any content of a table, a recipe or a list is read, or refused in words, in bounded time."""

from __future__ import annotations

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from .readers import CASES, READERS, WORDS

KEPT = sorted(path for path in CASES.glob("*/*"))
FUZZING = settings(
    deadline=30_000,  # the first one imports what it needs
    derandomize=True,
    database=None,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large],
)


@st.composite
def changed(draw: st.DrawFn, kind: str) -> bytes:
    """Return a kept case with pieces cut out, doubled, or put in."""
    case = draw(st.sampled_from([path for path in KEPT if path.parent.name == kind]))
    content = case.read_bytes()
    for _ in range(draw(st.integers(1, 4))):
        first, last = sorted(draw(st.tuples(*[st.integers(0, len(content))] * 2)))
        piece = draw(
            st.sampled_from([word.encode() for word in WORDS])
            | st.binary(max_size=8)
            | st.just(content[first:last] * 2)
        )
        stop = draw(st.sampled_from([first, last]))
        content = content[:first] + piece + content[stop:]
    return content


@pytest.mark.parametrize("case", KEPT, ids=lambda path: f"{path.parent.name}/{path.name}")
def test_kept_cases(case):
    READERS[case.parent.name](case.read_bytes())


@pytest.mark.parametrize("kind", READERS)
def test_any_text(kind):
    text = st.lists(st.sampled_from(WORDS) | st.text(max_size=5), max_size=20).map("".join)

    @settings(FUZZING, max_examples=25)
    @given(text.map(lambda content: content.encode("utf-8", "surrogatepass")) | st.binary())
    def read(content: bytes) -> None:
        READERS[kind](content)

    read()


@pytest.mark.parametrize("kind", READERS)
def test_any_change_of_a_kept_case(kind):
    @settings(FUZZING, max_examples=40)
    @given(changed(kind))
    def read(content: bytes) -> None:
        READERS[kind](content)

    read()


@pytest.mark.slow
@pytest.mark.parametrize("kind", READERS)
def test_thousands_of_changes(kind):
    @settings(FUZZING, max_examples=5_000, derandomize=False)
    @given(changed(kind))
    def read(content: bytes) -> None:
        READERS[kind](content)

    read()
