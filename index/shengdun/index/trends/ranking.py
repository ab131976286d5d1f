"""Which phrases say something about a period: often said in it, and more often than before or than by everybody.

With ``k`` of ``n`` texts of the period and ``K`` of ``N`` of the past having a phrase, it is ranked by the signed root
of twice the log-likelihood ratio of two binomials against one (Dunning, Computational Linguistics 19, 1993), divided by
the root of how many texts there are to a customer: one who sends the same letter fifty times is one observation. ``K``
is taken as high as it may have been where rare phrases of the past were dropped, so that none rises for having been
forgotten. The growth that is told is shrunk towards 1 with half a text on either side.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from shengdun.fingerprint.text.pinyin import syllables
from shengdun.fingerprint.text.shingles import shingles
from shengdun.index.scripts.alignment import SEED
from shengdun.index.scripts.background import Background
from shengdun.index.trends.counts import PhraseCounts
from shengdun.index.trends.phrases import LONGEST, Phrases, written

_SAME: Final = 0.8
"""A phrase is part of a longer one if so large a share of its texts have that."""
_LONGEST_JOINED: Final = 40
_CANDIDATES: Final = 4_000

Floats = NDArray[np.float64]


@dataclass(frozen=True, slots=True, kw_only=True)
class Floors:
    """What a phrase needs to be told.

    Attributes:
        texts: texts of the period that have it, 1 or more.
        customers: customers of these texts, 1 or more.
        score: how far it stands out, in standard deviations; 0 or more. Of tens of thousands of phrases that didn't
            change, about one in ten periods has one beyond 4.5.
    """

    texts: int = 5
    customers: int = 3
    score: float = 4.5

    def __post_init__(self) -> None:
        if self.texts < 1 or self.customers < 1 or self.score < 0.0:
            raise ValueError("a phrase needs a text and a customer, and a score that isn't below 0")


@dataclass(frozen=True, slots=True, kw_only=True)
class Trend:
    """A phrase of a period.

    Attributes:
        phrase: canonical characters, without punctuation or particulars.
        texts: how many texts of the period have it.
        customers: about how many customers they are of.
        share: of the period's texts, 0 to 1.
        past_share: of the texts of the past, 0 to 1.
        growth: how many times as frequent it is as in the past; shrunk towards 1.
        score: how far it stands out, in standard deviations; among hot phrases times its rarity in the background.
    """

    phrase: str
    texts: int
    customers: int
    share: float
    past_share: float
    growth: float
    score: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Trends:
    """What a period talks about.

    Attributes:
        hot: phrases that stand out from what everybody says, the most first.
        rising: phrases that stand out from the past, the most first; none without a past.
        texts: texts of the period.
        past_texts: texts of the past.
        missed: a count of the period may be too low by so many texts.
    """

    hot: tuple[Trend, ...]
    rising: tuple[Trend, ...]
    texts: int
    past_texts: int
    missed: int


def ranked(
    period: PhraseCounts, past: PhraseCounts, background: Background, *, floors: Floors, limit: int
) -> Trends:
    """The hot and the rising phrases of a period.

    Args:
        period: counts of its texts.
        past: counts of the texts that it is compared with.
        background: how common wording is.
        floors: what a phrase needs to be told.
        limit: how many are told of either.
    """
    enough = (period.documents >= floors.texts) & (period.customers >= floors.customers)
    found = period.kept(enough)
    before = past.of(found.phrases.hashes)
    most = np.minimum(before + past.missed, past.texts)
    rising = _scores(found, most, past.texts) if past.texts else np.zeros(len(before))
    expected = _expected(found.phrases, background)
    hot = _scores(found, expected, background.total)
    # What is common enough in the background stands out of it on every line that has a subject of its own.
    hot *= 1.0 - np.log1p(expected) / np.log1p(background.total)
    return Trends(
        hot=_told(found, before, past.texts, hot, floors.score, limit),
        rising=_told(found, before, past.texts, rising, floors.score, limit),
        texts=period.texts,
        past_texts=past.texts,
        missed=period.missed,
    )


def _scores(found: PhraseCounts, before: NDArray[np.int64], texts_before: int) -> Floats:
    """(n,) the signed root of the log-likelihood ratio of each phrase."""
    k, n = found.documents.astype(np.float64), float(found.texts)
    past, total = before.astype(np.float64), float(texts_before)
    both = (k + past) / (n + total)
    gained = _likelihood(k, n, k / n) + _likelihood(past, total, past / total)
    gained -= _likelihood(k, n, both) + _likelihood(past, total, both)
    of_a_customer = np.maximum(k / np.maximum(found.customers, 1.0), 1.0)
    root: Floats = np.sqrt(2.0 * np.maximum(gained, 0.0) / of_a_customer)
    return np.where(k / n > past / total, root, -root)


def _likelihood(k: Floats, n: float, p: Floats) -> Floats:
    """Log-likelihood of k of n, with 0 log 0 = 0."""
    tiny = np.finfo(np.float64).tiny
    none: Floats = (n - k) * np.log(np.maximum(1.0 - p, tiny)) + k * np.log(np.maximum(p, tiny))
    return none


def _expected(phrases: Phrases, background: Background) -> NDArray[np.int64]:
    """(n,) how many documents of the background have each phrase, at most: no more than have its rarest run.

    Of a phrase shorter than a run nothing is known; it counts as one that all have.
    """
    texts = written(phrases.letters)
    return np.array([_documents(text, background) for text in texts], np.int64)


def _documents(text: str, background: Background) -> int:
    runs = shingles(syllables(text), SEED)
    return int(background.counts(runs).min()) if len(runs) else background.total


def _told(
    found: PhraseCounts,
    before: NDArray[np.int64],
    texts_before: int,
    scores: Floats,
    least: float,
    limit: int,
) -> tuple[Trend, ...]:
    places = np.flatnonzero(scores >= max(least, np.finfo(np.float64).tiny))
    places = places[np.lexsort((found.phrases.hashes[places], -scores[places]))][:_CANDIDATES]
    texts = written(found.phrases.letters[places])
    documents = found.documents[places].tolist()
    told: list[Trend] = []
    for phrase, at in _whole(texts, documents):
        if any(phrase in other.phrase or other.phrase in phrase for other in told):
            continue
        told.append(_trend(phrase, int(places[at]), found, before, texts_before, scores))
        if len(told) == limit:
            break
    return tuple(told)


def _trend(
    phrase: str,
    place: int,
    found: PhraseCounts,
    before: NDArray[np.int64],
    texts_before: int,
    scores: Floats,
) -> Trend:
    texts, past = int(found.documents[place]), int(before[place])
    shrunk = (texts + 0.5) / (found.texts + 1.0), (past + 0.5) / (texts_before + 1.0)
    return Trend(
        phrase=phrase,
        texts=texts,
        customers=round(float(found.customers[place])),
        share=texts / found.texts,
        past_share=past / texts_before if texts_before else 0.0,
        growth=shrunk[0] / shrunk[1] if texts_before else 1.0,
        score=float(scores[place]),
    )


def _whole(texts: Sequence[str], documents: Sequence[int]) -> Iterator[tuple[str, int]]:
    """Phrases that aren't part of a longer one of nearly the same texts, with their places, in the order given.

    Of phrases that were cut at ``LONGEST`` characters the neighbours are put together.
    """
    count = dict(zip(texts, documents, strict=True))
    inside = {
        part
        for text, texts_with in count.items()
        for part in (text[1:], text[:-1])
        if part in count and texts_with >= _SAME * count[part]
    }
    after, in_front = _neighbours(count)
    for at, text in enumerate(texts):
        if text not in inside:
            yield _extended(text, after, in_front), at


def _neighbours(count: dict[str, int]) -> tuple[dict[str, str], dict[str, str]]:
    """The one character that goes on after, and before, each phrase that was cut."""
    cut = [text for text in count if len(text) == LONGEST]
    starting = {}
    for text in sorted(cut, key=lambda text: (count[text], text)):
        starting[text[:-1]] = text
    after = {
        text: following
        for text in cut
        if (following := starting.get(text[1:])) and _is_near(count[text], count[following])
    }
    in_front = {following: text for text, following in sorted(after.items())}
    return after, in_front


def _is_near(one: int, other: int) -> bool:
    return min(one, other) >= _SAME * max(one, other)


def _extended(text: str, after: dict[str, str], in_front: dict[str, str]) -> str:
    if len(text) < LONGEST:
        return text
    whole, last, first = text, text, text
    while (following := after.get(last)) and len(whole) < _LONGEST_JOINED:
        whole, last = whole + following[-1], following
    while (previous := in_front.get(first)) and len(whole) < _LONGEST_JOINED:
        whole, first = previous[0] + whole, previous
    return whole
