"""The audit of folds: planted leaks and lacks are found, clean folds give nothing."""

from __future__ import annotations

import hashlib
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from pandas import DataFrame

from serbench.benchmarks import Classification, Fold, Protocol, Regression
from serbench.benchmarks.auditing.audit import Finding
from serbench.benchmarks.auditing.folds import audit_folds
from serbench.benchmarks.splitting import protocols
from serbench.benchmarks.splitting.hashes import part_hash, split_hash

LABELS = ("neutral", "happy", "sad")
CLASSES = Classification(LABELS)
DIMENSIONS = Regression(("arousal", "valence"), 1, 7)


@pytest.fixture
def table() -> DataFrame:
    """Return 10 speakers in 5 dyads, each with two utterances of each class."""
    rows = [(s, c, i) for s in range(10) for c in range(3) for i in range(2)]
    return DataFrame(
        {
            "utterance": [f"s{s}_{LABELS[c]}_{i}" for s, c, i in rows],
            "speaker": [f"s{s}" for s, _, _ in rows],
            "session": [f"d{s // 2}" for s, _, _ in rows],
            "emotion": [LABELS[c] for _, c, _ in rows],
            "arousal": [1 + (s + c + i) % 7 for s, c, i in rows],
            "valence": [1 + (3 * s + c * i) % 7 for s, c, i in rows],
            "recording": [hashlib.sha256(f"{row}".encode()).hexdigest() for row in rows],
        }
    )


def audit(table: DataFrame, name: str, task: Any = CLASSES, **options: Any) -> list[Finding]:
    protocol = protocols.make(name, **options)
    return audit_folds(table, protocol.split(table, task), protocol, task)


def kinds(findings: list[Finding]) -> set[tuple[str, str]]:
    return {(finding.kind, finding.severity) for finding in findings}


def by_hand(table: DataFrame, **where: Any) -> tuple[Protocol, list[Fold]]:
    """Return a protocol with one fold of the rows given for each part, or their speakers."""
    found = {p: np.flatnonzero(table.speaker.isin(names)) for p, names in where.items()}
    folds = [Fold("own", found["train"], found["valid"], found["test"])]
    return Protocol("own", lambda *_: folds), folds


@pytest.mark.parametrize("task", [CLASSES, DIMENSIONS])
@pytest.mark.parametrize(
    "name",
    ["leave_one_session_out", "leave_one_speaker_out", "speaker_folds", "speaker_dependent_random"],
)
def test_clean_folds_have_no_findings(table: DataFrame, name: str, task: Any) -> None:
    assert audit(table, name, task) == []


def test_a_speaker_in_two_sessions_is_found(table: DataFrame) -> None:
    table.loc[table.index[-3:], "speaker"] = "s0"
    findings = audit(table, "leave_one_session_out")
    assert kinds(findings) == {("shared_speaker", "error")}
    assert [f.message for f in findings if "'session d0'" in f.message] == [
        "fold 'session d0': train and test share a speaker (s0); "
        "use a protocol that keeps them apart, or one that declares it"
    ]
    assert len(findings) == 3


def test_a_session_of_two_speakers_is_found_unless_declared(table: DataFrame) -> None:
    protocol = protocols.speaker_folds(k=10, sessions="shared")
    folds = protocol.split(table, CLASSES)
    assert audit_folds(table, folds, protocol, CLASSES) == []
    undeclared = Protocol("own", protocol.split)
    findings = audit_folds(table, folds, undeclared, CLASSES)
    assert kinds(findings) == {("shared_session", "error")}
    assert "share a session (d0)" in findings[0].message


def test_the_same_samples_in_two_parts_are_found(table: DataFrame) -> None:
    table.loc[0, "recording"] = table.loc[59, "recording"]
    table.loc[1, "recording"] = table.loc[58, "recording"]
    findings = audit(table, "leave_one_session_out")
    assert kinds(findings) == {("shared_recording", "error")}
    assert (
        "share 2 recordings (s0_neutral_0, s0_neutral_1, s9_sad_0, s9_sad_1)" in findings[0].message
    )
    assert audit(table, "speaker_dependent_random") == []


def test_unknown_sessions_and_recordings_are_not_the_same_one(table: DataFrame) -> None:
    table["session"] = None
    table["recording"] = ""
    assert audit(table, "speaker_folds") == []
    assert audit(table.drop(columns=["session", "recording"]), "speaker_folds") == []


def test_a_class_that_is_not_trained_on_is_an_error(table: DataFrame) -> None:
    table.loc[(table.emotion == "sad") & (table.speaker != "s9"), "emotion"] = "happy"
    findings = audit(table, "leave_one_session_out")
    assert kinds(findings) == {("absent_class", "error"), ("absent_class", "warning")}
    errors = [f.message for f in findings if f.severity == "error"]
    assert len(errors) == 2
    assert errors[0].startswith(
        "fold 'session d3': no utterance in train is labelled 'sad' (only speaker s9 has it); "
    )
    severities = [f.severity for f in findings]
    assert severities == sorted(severities)


def test_a_class_that_only_the_tested_lack_is_a_warning(table: DataFrame) -> None:
    table.loc[(table.emotion == "sad") & (table.session == "d2"), "emotion"] = "happy"
    findings = audit(table, "leave_one_session_out")
    assert kinds(findings) == {("absent_class", "warning")}
    assert [f.message.split(" is labelled")[0] for f in findings] == [
        "fold 'session d1': no utterance in valid",
        "fold 'session d2': no utterance in test",
    ]


def test_a_class_that_nobody_has_is_left_to_the_audit_of_the_corpus(table: DataFrame) -> None:
    task = Classification((*LABELS, "fear"))
    assert audit(table, "leave_one_session_out", task) == []


def test_a_dimension_of_one_value_is_found(table: DataFrame) -> None:
    table.loc[table.session == "d1", "valence"] = 4
    findings = audit(table, "leave_one_session_out", DIMENSIONS)
    assert kinds(findings) == {("constant_target", "warning")}
    assert [f.message.split(" has one value of ")[0] for f in findings] == [
        "fold 'session d0': all of valid",
        "fold 'session d1': all of test",
    ]
    table["valence"] = 4
    assert ("constant_target", "error") in kinds(audit(table, "speaker_folds", DIMENSIONS))


def test_an_empty_test_among_several_is_an_error(table: DataFrame) -> None:
    protocol, (fold,) = by_hand(table, train=["s0", "s1"], valid=["s2"], test=["s3"])
    several = replace(fold, tests={"test_a": fold.test, "test_b": fold.test[:0]})
    empty = [f for f in audit_folds(table, [several], protocol, CLASSES) if f.kind == "empty_part"]
    assert [f.message.partition("; ")[0] for f in empty] == [
        "fold 'own': no utterance in its test test_b"
    ]


def test_empty_parts_are_errors(table: DataFrame) -> None:
    protocol, folds = by_hand(table, train=["s0", "s1"], valid=[], test=["s2"])
    findings = audit_folds(table, folds, protocol, CLASSES)
    assert kinds(findings) == {("empty_part", "error"), ("never_tested", "warning")}
    assert "no utterance in valid" in findings[0].message


def test_no_folds_at_all_are_an_error(table: DataFrame) -> None:
    assert kinds(audit_folds(table, [], Protocol("own", lambda *_: []), CLASSES)) == {
        ("no_folds", "error")
    }


def test_a_single_fold_tests_only_some(table: DataFrame) -> None:
    table["split"] = table.session.map(
        {"d0": "train", "d1": "train", "d2": "train", "d3": "valid", "d4": "test"}
    )
    assert audit(table, "corpus_split") == []
    table.loc[table.session == "d2", "split"] = "test"
    table.loc[0, "split"] = "test"
    assert kinds(audit(table, "corpus_split")) == {
        ("shared_speaker", "error"),
        ("shared_session", "error"),
    }
    assert audit(table, "corpus_split", shares=["speaker", "session"]) == []


def test_rows_that_are_tested_twice_or_never_are_found(table: DataFrame) -> None:
    protocol = protocols.leave_one_session_out()
    folds = protocol.split(table, CLASSES)
    findings = audit_folds(table, folds[1:], protocol, CLASSES)
    assert kinds(findings) == {("never_tested", "warning")}
    assert findings[0].message.startswith("12 utterances are never tested (s0_happy_0, s0_happy_1,")
    findings = audit_folds(table, [*folds, replace(folds[0], name="again")], protocol, CLASSES)
    assert kinds(findings) == {("tested_twice", "error")}
    assert findings[0].message.startswith("12 utterances are in the test part of several folds")
    findings = audit_folds(
        table, [folds[0], replace(folds[1], name=folds[0].name)], protocol, CLASSES
    )
    assert ("fold_name", "error") in kinds(findings)


def test_hashes_are_of_the_ids_and_not_of_their_order(table: DataFrame) -> None:
    protocol = protocols.speaker_folds()
    folds = protocol.split(table, CLASSES)
    names = sorted(table.utterance.iloc[folds[0].test])
    expected = hashlib.sha256("\n".join(names).encode()).hexdigest()[:16]
    assert part_hash(table, folds[0].test) == part_hash(table, folds[0].test[::-1]) == expected
    turned = table.iloc[::-1].reset_index(drop=True)
    assert split_hash(table, folds) == split_hash(turned, protocol.split(turned, CLASSES))


def test_hashes_differ_with_the_parts(table: DataFrame) -> None:
    fold, *others = protocols.speaker_folds().split(table, CLASSES)
    swapped = Fold(fold.name, fold.train, fold.test, fold.valid)
    hashes = {
        split_hash(table, fold),
        split_hash(table, swapped),
        split_hash(table, [fold, *others]),
        split_hash(table, [swapped, *others]),
    }
    assert len(hashes) == 4
    assert all(len(value) == 16 for value in hashes)
