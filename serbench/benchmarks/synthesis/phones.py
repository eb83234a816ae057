"""What each English phone asks of the voice: formants, voicing, aspiration, frication, time.

Vowels have the formants of Peterson and Barney, "Control methods used in a study of the vowels"
(JASA 24, 1952), men's means; consonants those of Klatt, "Software for a cascade/parallel formant
synthesizer" (JASA 67, 1980), tables II and III. Phones have their ARPABET names.
"""

from __future__ import annotations

from typing import NamedTuple

Formants = tuple[float, float, float]


class Segment(NamedTuple):
    """A stretch of speech with one target.

    Attributes:
        seconds: how long, at a speaking rate of 1.
        formants: F1 to F3 in Hz, of a man's vocal tract; None takes over those of what follows.
        voicing: amplitude of the voice, 1 in a stressed vowel.
        aspiration: amplitude of noise made at the glottis, relative to the voice.
        frication: amplitude of noise made in the mouth, relative to the voice.
        friction: which noise that is, a key of `FRICTIONS`.
        stressed: whether a pitch accent may sit here.
    """

    seconds: float
    formants: Formants | None
    voicing: float = 0.0
    aspiration: float = 0.0
    frication: float = 0.0
    friction: str = "S"
    stressed: bool = False


# centre and width in Hz of the noise at a constriction; the smaller the cavity before it the higher
FRICTIONS: dict[str, tuple[float, float]] = {
    "P": (900.0, 2500.0),
    "F": (5500.0, 9000.0),
    "TH": (6500.0, 6000.0),
    "T": (4500.0, 2500.0),
    "S": (6200.0, 2200.0),
    "SH": (3300.0, 1500.0),
    "K": (2300.0, 1000.0),
}

VOWELS: dict[str, tuple[Formants, ...]] = {
    "IY": ((270, 2290, 3010),),
    "IH": ((390, 1990, 2550),),
    "EH": ((530, 1840, 2480),),
    "AE": ((660, 1720, 2410),),
    "AH": ((640, 1190, 2390),),
    "AA": ((730, 1090, 2440),),
    "AO": ((570, 840, 2410),),
    "UH": ((440, 1020, 2240),),
    "UW": ((300, 870, 2240),),
    "ER": ((490, 1350, 1690),),
    "EY": ((530, 1840, 2480), (330, 2200, 2800)),
    "AY": ((730, 1150, 2440), (390, 1990, 2550)),
    "OY": ((570, 840, 2410), (390, 1900, 2550)),
    "OW": ((570, 900, 2400), (380, 900, 2240)),
    "AW": ((730, 1200, 2440), (440, 1020, 2240)),
}

APPROXIMANTS: dict[str, Formants] = {
    "W": (290, 610, 2150),
    "Y": (260, 2070, 3020),
    "R": (310, 1060, 1380),
    "L": (310, 1050, 2880),
}
NASALS: dict[str, Formants] = {
    "M": (280, 1100, 2130),
    "N": (280, 1500, 2470),
    "NG": (280, 1900, 2600),
}
# formants, noise, its amplitude, whether voiced
FRICATIVES: dict[str, tuple[Formants, str, float, bool]] = {
    "F": ((340, 1100, 2080), "F", 0.06, False),
    "V": ((220, 1100, 2080), "F", 0.03, True),
    "TH": ((320, 1290, 2540), "TH", 0.05, False),
    "DH": ((270, 1290, 2540), "TH", 0.02, True),
    "S": ((320, 1390, 2530), "S", 0.26, False),
    "Z": ((240, 1390, 2530), "S", 0.12, True),
    "SH": ((300, 1840, 2750), "SH", 0.28, False),
    "ZH": ((300, 1840, 2750), "SH", 0.12, True),
}
PLOSIVES: dict[str, tuple[Formants, str, float, bool]] = {
    "P": ((400, 1100, 2150), "P", 0.18, False),
    "B": ((200, 1100, 2150), "P", 0.12, True),
    "T": ((400, 1600, 2600), "T", 0.35, False),
    "D": ((200, 1600, 2600), "T", 0.22, True),
    "K": ((300, 1990, 2850), "K", 0.35, False),
    "G": ((200, 1990, 2850), "K", 0.22, True),
}
AFFRICATES: dict[str, tuple[str, str]] = {"CH": ("T", "SH"), "JH": ("D", "ZH")}


def silence(seconds: float) -> Segment:
    """Return a pause of `seconds` seconds."""
    return Segment(seconds, None)


def segments(phone: str) -> list[Segment]:
    """Return the segments of a phone, an ARPABET name with a stress digit on vowels ("AE1").

    Raises:
        KeyError: for a name that is not in the tables of this module.
    """
    if phone[-1].isdigit():
        return _vowel(phone[:-1], stressed=phone[-1] != "0")
    if phone in PLOSIVES:
        return _plosive(phone)
    if phone in AFFRICATES:
        stop, release = AFFRICATES[phone]
        return [*_plosive(stop)[:1], _fricative(release)._replace(seconds=0.07)]
    return [_continuant(phone)]


def _vowel(name: str, *, stressed: bool) -> list[Segment]:
    seconds, voicing = (0.11, 1.0) if stressed else (0.06, 0.7)
    targets = VOWELS[name]
    share = seconds * (1.2 if len(targets) > 1 else 1.0) / len(targets)
    return [Segment(share, target, voicing, stressed=stressed) for target in targets]


def _continuant(phone: str) -> Segment:
    if phone == "HH":
        return Segment(0.05, None, 0.1, aspiration=0.2)
    if phone in APPROXIMANTS:
        return Segment(0.05, APPROXIMANTS[phone], 0.55)
    if phone in NASALS:
        return Segment(0.06, NASALS[phone], 0.35)
    return _fricative(phone)


def _fricative(phone: str) -> Segment:
    formants, friction, amplitude, voiced = FRICATIVES[phone]
    seconds, voicing = (0.055, 0.25) if voiced else (0.08, 0.0)
    return Segment(seconds, formants, voicing, frication=amplitude, friction=friction)


def _plosive(phone: str) -> list[Segment]:
    formants, friction, amplitude, voiced = PLOSIVES[phone]
    closure = Segment(0.045, formants, 0.08 if voiced else 0.0)
    burst = Segment(0.012, formants, frication=amplitude, friction=friction)
    if voiced:
        return [closure, burst]
    return [closure, burst, Segment(0.03, formants, aspiration=0.15)]
