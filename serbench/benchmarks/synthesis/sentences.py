"""Short English sentences whose words tell something, not everything, of the emotion.

A neutral carrier ("she left the letter") is followed by a time ("on monday") or by a cue ("how
lovely"); most cues fit the emotion, and some belong to another.
"""

from __future__ import annotations

import re

import numpy as np

CUES: dict[str, tuple[str, ...]] = {
    "neutral": ("as usual", "i think so", "as agreed", "for example", "and so on"),
    "happy": ("how lovely", "wonderful", "i love it", "what a joy", "so much fun"),
    "angry": ("stop that", "not again", "i hate it", "how dare you", "that is enough"),
    "sad": ("all alone", "i miss her", "it is over", "so sorry", "gone for good"),
}
CARRIERS = ("{who} {did} the {thing}", "the {thing} is {where}", "{who} will be {where}")
WORDS: dict[str, tuple[str, ...]] = {
    "who": ("we", "they", "he", "she"),
    "did": ("took", "left", "found", "lost", "saw"),
    "thing": ("book", "paper", "key", "letter", "bag", "coat", "ticket", "window"),
    "where": ("here", "there", "at home", "outside", "by the door", "in the garden"),
}
TIMES = ("now", "today", "again", "on monday", "at seven")
FITTING, STRAY = 0.35, 0.25  # probability of a cue of the emotion, and of one drawn from all

_LEXICON = """
a AH0 | again AH0 G EH1 N | agreed AH0 G R IY1 D | all AO1 L | alone AH0 L OW1 N | and AE0 N D
as AE0 Z | at AE0 T | bag B AE1 G | be B IY0 | book B UH1 K | by B AY0 | coat K OW1 T
dare D EH1 R | door D AO1 R | enough IH0 N AH1 F | example IH0 G Z AE1 M P AH0 L | for F AO0 R
found F AW1 N D | fun F AH1 N | garden G AA1 R D AH0 N | gone G AO1 N | good G UH1 D
hate HH EY1 T | he HH IY1 | her HH ER0 | here HH IH1 R | home HH OW1 M | how HH AW0 | i AY0
in IH0 N | is IH0 Z | it IH0 T | joy JH OY1 | key K IY1 | left L EH1 F T | letter L EH1 T ER0
lost L AO1 S T | love L AH1 V | lovely L AH1 V L IY0 | miss M IH1 S | monday M AH1 N D EY0
much M AH1 CH | not N AA1 T | now N AW1 | on AA0 N | outside AW0 T S AY1 D | over OW1 V ER0
paper P EY1 P ER0 | saw S AO1 | seven S EH1 V AH0 N | she SH IY1 | so S OW0 | sorry S AA1 R IY0
stop S T AA1 P | that DH AE1 T | the DH AH0 | there DH EH1 R | they DH EY1
think TH IH1 NG K | ticket T IH1 K IH0 T | today T AH0 D EY1 | took T UH1 K
usual Y UW1 ZH UW0 AH0 L | we W IY1 | what W AH0 T | will W IH0 L | window W IH1 N D OW0
wonderful W AH1 N D ER0 F AH0 L | you Y UW0
"""
# ARPABET, a stress digit on vowels
LEXICON: dict[str, tuple[str, ...]] = {
    word: tuple(phones) for word, *phones in map(str.split, re.findall(r"[^|\n]+", _LEXICON))
}


def sentence(emotion: str, rng: np.random.Generator) -> str:
    """Return a sentence for an emotion, a key of `CUES`: lower case, a comma before the cue."""
    carrier = CARRIERS[rng.integers(len(CARRIERS))]
    filled = carrier.format(**{slot: _pick(words, rng) for slot, words in WORDS.items()})
    draw = rng.random()
    if draw >= FITTING + STRAY:
        return f"{filled} {_pick(TIMES, rng)}"
    source = emotion if draw < FITTING else _pick(tuple(CUES), rng)
    return f"{filled}, {_pick(CUES[source], rng)}"


def _pick(choices: tuple[str, ...], rng: np.random.Generator) -> str:
    return choices[rng.integers(len(choices))]
