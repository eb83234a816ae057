"""Many findings of one kind are told as one, which says where and what to do once."""

from __future__ import annotations

from serbench.benchmarks.tasks.findings import Finding
from serbench.cli.findings import told


def test_the_first_of_several_is_named_with_the_others() -> None:
    copies = [Finding("near_copy", "warning", f"as {i}; keep one", f"u{i}") for i in range(5)]
    ((severity, text),) = told(copies, each=False)
    assert severity == "warning"
    assert text == "5 times, such as u0: as 0; also u1, u2, u3 and 1 more; keep one"


def test_folds_are_named_once_and_the_remedy_once() -> None:
    lacks = [
        Finding("empty_class", "warning", f"fold 'f: {i}': no 'sad' in {part}; use fewer folds")
        for i in range(3)
        for part in ("valid", "test")
    ]
    ((_, text),) = told(lacks, each=False)
    also = "also fold 'f: 1', fold 'f: 2'"
    assert text == f"6 times, such as fold 'f: 0': no 'sad' in valid; {also}; use fewer folds"


def test_sentences_about_no_utterance_or_fold_are_told_without_their_remedies() -> None:
    alike = [Finding("alike", "warning", f"{name} may be one; name it") for name in ("a", "b", "c")]
    ((_, text),) = told(alike, each=False)
    assert text == "3 times, such as a may be one; also b may be one, c may be one; name it"
