"""Which characters a recogniser of speech takes for one another: those of one syllable or of near ones, tone aside."""

import itertools
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping
from functools import cache
from random import Random
from typing import Final

from pypinyin import Style, lazy_pinyin

_NEAR_INITIALS: Final = {"zh": "z", "ch": "c", "sh": "s", "n": "l"}
_NEAR_FINALS: Final = {"ing": "in", "eng": "en", "ang": "an"}
_NEAR_SHARE: Final = 0.2
"""Of the errors, those that take a near syllable, where there is one."""


class Homophones:
    """Draws mistaken characters, the more frequent ones more often.

    Args:
        texts: what the frequencies are counted from. Every common character counts once at least.
    """

    def __init__(self, texts: Iterable[str]) -> None:
        counted = Counter(itertools.chain.from_iterable(texts))
        weights = {character: counted[character] + 1 for character in common_characters()}
        of_syllable: dict[str, dict[str, int]] = defaultdict(dict)
        for character, weight in weights.items():
            of_syllable[syllable(character)][character] = weight
        self._same = {key: _Draw(own) for key, own in of_syllable.items()}
        near = _near_pairs(of_syllable)
        self._near = {key: _Draw(_merged(of_syllable, others)) for key, others in near.items()}
        self._any = _Draw(weights)

    def mistaken(self, character: str, rng: Random) -> str:
        """Another character that sounds like this one, or the same where no common character does."""
        own = syllable(character)
        if own in self._near and rng.random() < _NEAR_SHARE:
            return self._near[own].draw(rng)
        drawn = self._same.get(own)
        return character if drawn is None else drawn.other(character, rng)

    def any_character(self, rng: Random) -> str:
        """Some character, as frequent as it is in the texts."""
        return self._any.draw(rng)


class _Draw:
    """Draws one of several by weight."""

    def __init__(self, weights: Mapping[str, int]) -> None:
        self._characters = list(weights)
        self._cumulative = list(itertools.accumulate(weights.values()))

    def draw(self, rng: Random) -> str:
        return rng.choices(self._characters, cum_weights=self._cumulative)[0]

    def other(self, character: str, rng: Random) -> str:
        if self._characters == [character]:
            return character
        drawn = self.draw(rng)
        while drawn == character:
            drawn = rng.choice(self._characters) if rng.random() < 0.5 else self.draw(rng)
        return drawn


@cache
def syllable(character: str) -> str:
    """The most usual reading of a character without its tone; the character itself where it isn't Chinese."""
    return str(lazy_pinyin(character, style=Style.NORMAL)[0])


@cache
def common_characters() -> str:
    """The 3,755 characters of the first level of GB 2312-80."""
    rows = range(0xB0, 0xD8)
    encoded = (bytes((row, cell)) for row in rows for cell in range(0xA1, 0xFF))
    return b"".join(encoded).decode("gb2312", errors="ignore")


def is_chinese(character: str) -> bool:
    """Whether it's a character that can be misheard: one of the unified ideographs' first block."""
    return "\u4e00" <= character <= "\u9fff"


def _near_pairs(syllables: Iterable[str]) -> dict[str, set[str]]:
    known = set(syllables)
    near: dict[str, set[str]] = defaultdict(set)
    for one in known:
        for other in _nearer(one):
            if other in known:
                near[one].add(other)
                near[other].add(one)
    return near


def _nearer(one: str) -> Iterator[str]:
    for long, short in _NEAR_INITIALS.items():
        if one.startswith(long):
            yield short + one[len(long) :]
    for long, short in _NEAR_FINALS.items():
        if one.endswith(long):
            yield one[: -len(long)] + short


def _merged(of_syllable: Mapping[str, dict[str, int]], keys: Iterable[str]) -> dict[str, int]:
    merged: dict[str, int] = {}
    for key in sorted(keys):
        merged |= of_syllable[key]
    return merged
