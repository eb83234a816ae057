"""Who heard a corpus, by the names that people write in cards and papers."""

from __future__ import annotations

from itertools import product
from types import SimpleNamespace

import pytest

from serbench import plugins
from serbench.leaderboard.hearing import heard

HYPHENS = ("-", "\N{EN DASH}", "\N{NON-BREAKING HYPHEN}", "\N{MINUS SIGN}", " ")
FULL_WIDTH = "".join(chr(ord(letter) + 0xFEE0) for letter in "IEMOCAP")
# "~" is any of the signs that people write for a hyphen.
WRITTEN = {
    "cameo": ["CAMEO", "amu~cai/CAMEO", "Collection of Multilingual Emotional Speech Corpora"],
    "crema_d": [
        *("CREMA~D", "crema_d (5.3 h)", "CREMAD", "CREMA  D", "Crema, LJ"),
        "Crowd~Sourced Emotional Multimodal Actors Dataset",
    ],
    "demo": ["demo (0.2 h)", "LibriSpeech, demo 1"],
    "emodb": ["EmoDB", "EMO~DB", "Emo~DB 2.0", "emodb+x", "Berlin database of emotional speech"],
    "emotale": ["EmoTale", "emotale (0.6 h)"],
    "emovo": ["EMOVO", "emovo (0.5 h)"],
    "enterface": ["eNTERFACE", "eNTERFACE05", "eNTERFACE'05", "Enterface 05", "the eNTERFACE~05"],
    "esd": ["ESD", "esd (29.0 h)", "Emotional Speech Database (ESD)", "ASVP~ESD, ESD"],
    "iemocap": ["IEMOCAP", "IEMOCAP4", "IEMOCAP_session1", "Iemocap's sessions 1~4", FULL_WIDTH],
    "iemocap_dimensions": ["iemocap_dimensions (12.4 h)"],
    "meld": ["MELD", "MELD.Raw", "Multimodal EmotionLines Dataset"],
    "msp_improv": ["MSP~IMPROV", "msp_improv", "MSP Improv"],
    "msp_podcast": ["MSP~Podcast 1.11", "MSPPodcast", "msp_podcast (100.0 h)"],
    "nemo": ["nEMO", "nemo (3.0 h)", "amu~cai/nEMO", "NeMo ASR data and nEMO"],
    "ravdess": ["RAVDESS", "ravdess~24", "Ryerson Audio~Visual Database of Emotional Speech"],
    "savee": ["SAVEE", "Surrey Audio~Visual Expressed Emotion"],
    "shemo": ["ShEMO", "SHEMO", "Sharif Emotional Speech Database"],
    "tess": ["TESS", "the toronto~emotional~speech~set", "Tess"],
    "urdu": ["URDU", "URDU~Dataset", "urdu (0.3 h)"],
}
# Whose recordings are the other's, too.
SAME = {
    frozenset(pair)
    for pair in (
        ("iemocap", "iemocap_dimensions"),
        *(("cameo", part) for part in ("crema_d", "enterface", "nemo", "ravdess")),
    )
}
OTHERS = [
    "Common Voice (Hindi, Tamil, Urdu)",
    "NVIDIA NeMo, NVIDIA nemo, NeMo ASRSET 3.0",
    "ASVP-ESD",
    "EMOVOME, EmoV-DB, MESS",
    "democratic speeches, attested, melded, an interface",
    "MSP, Podcast",
    "café noise",
    "",
]


def of(name: str, version: str = "1") -> SimpleNamespace:
    return SimpleNamespace(name=name, version=version)


def test_no_benchmark_is_left_out_here():
    assert sorted(WRITTEN) == plugins.names("benchmarks")


@pytest.mark.parametrize("name", WRITTEN)
def test_a_corpus_is_known_by_its_names_and_by_no_others(name: str):
    related = {name}.union(*(pair for pair in SAME if name in pair))
    for text, hyphen in product(WRITTEN[name], HYPHENS):
        written = text.replace("~", hyphen)
        assert {each for each in WRITTEN if heard(written, of(each))} == related, written


@pytest.mark.parametrize("text", OTHERS)
def test_what_only_looks_like_a_name_is_none(text: str):
    assert [each for each in WRITTEN if heard(text, of(each))] == []


def test_no_published_weights_were_trained_on_a_corpus_of_these():
    listed = {
        entry.get("trained_on", "")
        for name in plugins.names("upstreams")
        for entry in plugins.find("upstreams", name).sizes.values()
    }
    assert len(listed) > 5
    assert [pair for pair in product(listed, WRITTEN) if heard(pair[0], of(pair[1]))] == []


def test_parts_of_a_collection_that_are_no_benchmarks_count_and_one_alone_is_one():
    for part in ("SUBESCO", "JL corpus", "Oreau", "CaFE", "resd"):
        assert heard(part, of("cameo")), part
    alone = of("cameo", "1+nEMO")
    told = {part: heard(part, alone) for part in ("nEMO", "CAMEO", "RAVDESS", "SUBESCO")}
    assert told == {"nEMO": True, "CAMEO": True, "RAVDESS": False, "SUBESCO": False}
    several = of("emodb_to_cameo", "cameo 1+nEMO, emodb 1")
    told = {part: heard(part, several) for part in ("nEMO", "RAVDESS", "EmoDB")}
    assert told == {"nEMO": True, "RAVDESS": False, "EmoDB": False}


def test_a_corpus_that_declares_nothing_is_known_by_its_own_name_to_the_last_digit():
    assert heard("corpus-1, 2 h", of("corpus_1"))
    assert not heard("corpus_12", of("corpus_1"))
    assert not heard("mycorpus", of("corpus"))
