"""How canonical text sounds, loosely: one code a character, equal where speech recognition takes one for the other.

A Chinese character's code is its most frequent reading without tone (the first in pypinyin's dictionary of single
characters), with the initials and finals merged that speakers of the south don't keep apart and recognisers confuse:
zh and z, ch and c, sh and s, n and l, f and h; -ing and -in, -eng and -en, -ang and -an, -iang and -ian, -uang and
-uan. A character is read without looking at its neighbours, so no cut through a text changes a code.

``syllables.txt`` beside this module has a line for each merged syllable, with the characters that are read so. It was
written from pypinyin's dictionary by ``loose_syllable``; the dictionaries themselves would take a server 60 MB.
"""

import unicodedata
from functools import cache
from importlib.resources import files
from typing import Final

import numpy as np
from numpy.typing import NDArray

from shengdun.fingerprint.text.folding import code_points
from shengdun.fingerprint.text.placeholders import FIRST_PLACEHOLDER, Kind

_POINTS: Final = 0x110000
_FIRST_PLACEHOLDER_CODE: Final = 0x80
_FIRST_SYLLABLE: Final = 0x100
_FIRST_OTHER: Final = 0x1000
_OTHERS: Final = 0x10000 - _FIRST_OTHER

_MERGED_INITIALS: Final = {"zh": "z", "ch": "c", "sh": "s", "n": "l", "f": "h"}
_INITIALS: Final = ("", *"bpmfdtnlgkhjqxrzcsyw")
_FINALS: Final = (
    *(
        "",
        "a",
        "ai",
        "an",
        "ao",
        "e",
        "ei",
        "en",
        "er",
        "i",
        "ia",
        "ian",
        "iao",
        "ie",
        "in",
        "iong",
    ),
    *(
        "iu",
        "o",
        "ong",
        "ou",
        "u",
        "ua",
        "uai",
        "uan",
        "ue",
        "ui",
        "un",
        "uo",
        "v",
        "van",
        "ve",
        "vn",
    ),
    *("io", "m", "n", "ng", "uang"),
    "other",
)


def syllables(canonical: str) -> NDArray[np.uint16]:
    """(n,) one code for each character of canonical text, by how it sounds.

    Codes are fixed by the syllable's letters and not by the order of a dictionary: Chinese characters have them from
    0x100 to 0xFFF, ASCII letters and digits are their own code points, placeholders follow from 0x80, and any other
    character has one of its own from 0x1000 (characters outside the basic plane may share one).
    """
    codes: NDArray[np.uint16] = _table()[code_points(canonical)]
    return codes


def characters(canonical: str) -> NDArray[np.uint32]:
    """(n,) the code points of canonical text."""
    return code_points(canonical)


def loose_syllable(reading: str) -> str:
    """A reading with tone marks as the toneless, merged syllable that it counts as: ``zhōng`` becomes ``zong``."""
    initial, final = _split(_toneless(reading))
    if final.endswith("ng") and not final.endswith("ong") and len(final) > len("ng"):
        final = final[:-1]
    return _MERGED_INITIALS.get(initial, initial) + final


@cache
def _table() -> NDArray[np.uint16]:
    table = (_FIRST_OTHER + np.arange(_POINTS) % _OTHERS).astype(np.uint16)
    table[:_FIRST_PLACEHOLDER_CODE] = np.arange(_FIRST_PLACEHOLDER_CODE)
    for kind in Kind:
        table[FIRST_PLACEHOLDER + kind] = _FIRST_PLACEHOLDER_CODE + kind
    for line in files(__package__).joinpath("syllables.txt").read_text("utf-8").splitlines():
        syllable, read_so = line.split(" ", 1)
        table[code_points(read_so)] = _code(syllable)
    return table


def _code(syllable: str) -> int:
    initial, final = _split(syllable)
    return (
        _FIRST_SYLLABLE
        + _INITIALS.index(initial) * len(_FINALS)
        + _FINALS.index(final if final in _FINALS else _FINALS[-1])
    )


def _toneless(reading: str) -> str:
    """Without tone marks and circumflex; u with diaeresis is written v."""
    letters = unicodedata.normalize("NFD", reading).replace("u\N{COMBINING DIAERESIS}", "v")
    return "".join(letter for letter in letters if "a" <= letter <= "z")


def _split(syllable: str) -> tuple[str, str]:
    for initial in ("zh", "ch", "sh"):
        if syllable.startswith(initial):
            return initial, syllable[2:]
    if syllable[:1] in _INITIALS[1:] and syllable not in ("m", "n", "ng"):
        return syllable[:1], syllable[1:]
    return "", syllable
