"""Which recent texts of other customers a text shares more wording with than chance and custom explain.

Who talks about the same thing shares many short phrases with others, who follows a script shares few long stretches. So
of each passage only what it is worth beyond ``CUSTOMARY`` counts.
"""

from collections import Counter
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from shengdun.fingerprint.text.pinyin import syllables
from shengdun.fingerprint.text.shingles import shingles
from shengdun.index.campaigns.exclusions import CommonWording
from shengdun.index.campaigns.recent import RecentText, RecentTexts
from shengdun.index.scripts.alignment import SEED, Aligned, Seeds, align
from shengdun.index.scripts.evidence import ScriptCoefficients
from shengdun.index.scripts.postings import Hashes
from shengdun.index.scripts.probes import PROBE, probes_of
from shengdun.index.scripts.support import Support

CANDIDATES: Final = 8
"""Texts whose passages are aligned: those that most speaks for."""
CUSTOMARY: Final = 8.0
"""Rare syllables of one passage that two people may share without a script."""
_LEAST_REMEMBERED: Final = 300_000
"""Recent characters count as so many at least: what lines have in common shows only among hundreds of texts."""
_OF_ONE_CUSTOMER: Final = 2
_LOOKED_AT: Final = 1024
"""So many of the texts that anything speaks for are looked at for other customers."""
_LEAST_SUPPORT: Final = 2.0
_LEAST_RARITY: Final = 0.3
"""Commoner wording proposes nothing."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Link:
    """What a text shares with a recent one.

    Attributes:
        serial: of the recent text.
        other: the recent text.
        worth: what the passages are worth together beyond what is customary, in rare syllables; above 0.
        llr: natural-log likelihood ratio of "both follow one script".
        passages: those that are worth more than is customary, by places in the canonical characters; ``script`` is the
            recent text.
    """

    serial: int
    other: RecentText
    worth: float
    llr: float
    passages: tuple[Aligned, ...]


class Wording:
    """A text as it is compared.

    Args:
        canonical: its canonical characters.
        common: what everybody says.

    Attributes:
        syllables: (n,) of it.
        rarity: (n,) how rare the wording around each is, 0 to 1.
    """

    def __init__(self, canonical: str, common: CommonWording) -> None:
        self.syllables = syllables(canonical)
        self.rarity = common.rarity(self.syllables)
        self._rarity_sums = np.concatenate([[0.0], np.cumsum(self.rarity)])
        self._seeds = Seeds(self.syllables)

    def probes(self) -> tuple[Hashes, NDArray[np.float64]]:
        """(p,) the runs by which others are found and by which it is, and (p,) what each says; common ones left out."""
        places, probes = probes_of(self.syllables)
        weights = (self._rarity_sums[places + PROBE] - self._rarity_sums[places]) / PROBE
        tells = weights >= _LEAST_RARITY
        return probes[tells], weights[tells]

    def shared_with(self, canonical: str) -> tuple[Aligned, ...]:
        """The passages beyond what is customary that it shares with another text; places there are of ``script``."""
        there, here = self._seeds.found_in(shingles(syllables(canonical), SEED), offset=0)
        passages = align(here, there, self._rarity_sums)
        return tuple(each for each in passages if each.worth > CUSTOMARY)


class Linking:
    """Finds what a text is linked to.

    Args:
        recent: the recent texts.
        coefficients: the map to likelihood ratios; for the length of the script it is given the characters of all
            recent texts together, for among more of them chance finds more.
    """

    def __init__(self, recent: RecentTexts, coefficients: ScriptCoefficients) -> None:
        self._recent = recent
        self._coefficients = coefficients

    def links(self, wording: Wording, customer: str) -> list[Link]:
        """What a text of this customer shares with texts of others, the most first."""
        probes, weights = wording.probes()
        if not len(probes):
            return []
        support = Support().with_more(self._recent.find(probes), weights)
        found = [
            link
            for serial, other in self._candidates(support, customer)
            if (link := self.link(wording, serial, other)) is not None
        ]
        return sorted(found, key=by_worth)

    def link(self, wording: Wording, serial: int, other: RecentText) -> Link | None:
        """What a text shares with a recent one; None if it is nothing beyond what is customary."""
        passages = wording.shared_with(other.canonical)
        if not passages:
            return None
        worth = sum(each.worth - CUSTOMARY for each in passages)
        llr = self._coefficients.llr(
            worth=worth,
            text_length=len(wording.syllables),
            script_length=max(self._recent.characters, _LEAST_REMEMBERED),
        )
        return Link(serial=serial, other=other, worth=worth, llr=llr, passages=passages)

    def _candidates(self, support: Support, customer: str) -> list[tuple[int, RecentText]]:
        candidates: list[tuple[int, RecentText]] = []
        of_customer: Counter[str] = Counter()
        for serial in support.most(_LOOKED_AT, least=_LEAST_SUPPORT).tolist():
            other = self._recent.get(serial)
            if other is None or other.customer == customer or self._recent.is_too_old(other):
                continue
            if of_customer[other.customer] < _OF_ONE_CUSTOMER:
                of_customer[other.customer] += 1
                candidates.append((serial, other))
            if len(candidates) == CANDIDATES:
                break
        return candidates


def by_worth(link: Link) -> tuple[float, int]:
    """Puts links in order, those worth the most first; of equals the older."""
    return -link.worth, link.serial
